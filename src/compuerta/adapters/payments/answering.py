"""What a provider's answer may be instead of an answer; said once for those whose answers are alike."""

from compuerta.domain.errors import Refused, Unreachable


class CurrencyNotTaken(Refused):
    """An attempt in a currency that this provider account does not take."""

    def __init__(self, provider: str, currency: str) -> None:
        super().__init__(f"{provider} does not take {currency}")
        self.provider = provider
        self.currency = currency


class RequestRefused(Refused):
    """The provider will not do what was asked, and will not do it later either."""

    def __init__(self, provider: str, status: int, *, code: str, message: str) -> None:
        super().__init__(f"{provider} refuses with {status} {code}: {message}")
        self.status = status
        self.code = code


class ProviderBusy(Unreachable):
    """The provider is overloaded, limits us, or is broken; ask again later."""

    def __init__(self, provider: str, status: int, *, code: str) -> None:
        super().__init__(f"{provider} answers {status} {code}")
        self.status = status
        self.code = code


class AnswerUnusable(Unreachable):
    """An answer that is not what the API says, or that is about something else."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"an answer of {provider} cannot be used: {reason}")
        self.reason = reason
