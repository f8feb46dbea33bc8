"""Tries a WeChat Pay account without moving money: two questions, and what each answer proves.

The first asks for an order that cannot exist: the provider answers "no such order" only to somebody whose
signature it believes, which proves the merchant's key, its serial number, the merchant number and our clock.
The second asks for an echo, whose signed answer proves the provider's key here; a notice follows it, which
proves the notify address and the APIv3 key when it is heard. Some accounts have no echo, and then the
signature of the first answer is what is verified.
"""

from collections.abc import Generator
from datetime import datetime

from compuerta.adapters.payments.wechat_account import AnswerForged, OrderRefused, ProviderBusy, WechatAccount
from compuerta.services.payment_ports import Chance, Check, HttpRequest, HttpResponse
from compuerta.wire.wechat import bodies, fields, signature

ECHO_PATH = "/v3/security/echo"
NO_ORDER = "compuerta-no-such-order"  # our own references are 32 hexadecimal digits
_ECHO_BYTES = 8


def self_test(
    account: WechatAccount, *, now: datetime, chance: Chance
) -> Generator[HttpRequest, HttpResponse, list[Check]]:
    """Return what was proved of the merchant's key and of the provider's."""
    path = f"/v3/pay/transactions/out-trade-no/{NO_ORDER}?mchid={account.settings.mchid}"
    answer = yield account.get(path, now=now, chance=chance)
    checks = [_merchant_key(answer)]
    if not checks[0].ok:
        return checks
    message = chance(_ECHO_BYTES).hex()
    body = fields.write_object({"echo_message": message, "notify_url": account.settings.notify_url})
    echoed = yield account.post(ECHO_PATH, body, now=now, chance=chance)
    return [*checks, _provider_key(answer, echoed, account=account, now=now)]


def _merchant_key(answer: HttpResponse) -> Check:
    name = "merchant key"
    refusal = bodies.parse_refusal(answer.body)
    if answer.status == 404:
        return Check(name=name, ok=True, detail="a question for an order that cannot exist was believed")
    if answer.status == 401:
        detail = "the signature is refused: compare key, serial number, merchant number and clock"
        return Check(name=name, ok=False, detail=f"{detail} ({refusal.message})")
    return Check(name=name, ok=False, detail=f"answered {answer.status} {refusal.code}: {refusal.message}")


def _provider_key(
    answer: HttpResponse, echoed: HttpResponse, *, account: WechatAccount, now: datetime
) -> Check:
    name = "provider key"
    try:
        account.believed(echoed, now=now)
        return Check(name=name, ok=True, detail="a signed echo was believed; its notice proves the rest")
    except AnswerForged as forged:
        return Check(name=name, ok=False, detail=str(forged))
    except (OrderRefused, ProviderBusy):
        pass  # this account has no echo
    if signature.SIGNATURE not in answer.headers:
        return Check(name=name, ok=False, detail="no echo for this account, and the other answer is unsigned")
    try:
        account.verify(answer, now=now)
    except AnswerForged as forged:
        return Check(name=name, ok=False, detail=str(forged))
    return Check(name=name, ok=True, detail="no echo for this account; the other answer's signature is good")
