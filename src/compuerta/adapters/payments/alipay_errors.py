"""How Alipay says no, or says nothing that can be believed."""

from compuerta.domain.errors import Refused, Unreachable
from compuerta.wire.alipay.bodies import CURRENCY


class CurrencyNotTaken(Refused):
    """An attempt in a currency that this provider account does not take."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"Alipay takes {CURRENCY}, not {currency}")
        self.currency = currency


class PayCodeMalformed(Refused):
    """What the till scanned is no pay code of Alipay; the code itself is not repeated."""

    def __init__(self) -> None:
        super().__init__("not a pay code of Alipay: scan the code that the payer's Alipay shows")


class OrderRefused(Refused):
    """Alipay will not do what was asked, and will not do it later either."""

    def __init__(self, code: str, sub_code: str, words: str, *, is_signed: bool) -> None:
        super().__init__(f"Alipay refuses with {code} {sub_code}: {words}")
        self.code = code
        self.sub_code = sub_code
        self.is_signed = is_signed  # an unsigned refusal is never evidence of what became of an order


class ProviderBusy(Unreachable):
    """Alipay is overloaded, limits us, or is broken; ask again later."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Alipay answers {code}")
        self.code = code


class AnswerForged(Unreachable):
    """A good answer that Alipay did not sign, or that is about another order; not believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer is not believed: {reason}")
        self.reason = reason


class AnswerUnusable(Unreachable):
    """A genuine answer that is not what the protocol says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer cannot be used: {reason}")
        self.reason = reason
