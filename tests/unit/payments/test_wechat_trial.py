"""The connection test of a WeChat account: which key each answer proves, and what is said otherwise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.unit.payments.wechat_side import NOON, a_chance, a_cheap_pair

from compuerta.adapters.payments.http import converse_with
from compuerta.services.payment_ports import Check, HttpRequest, HttpResponse, Verified
from compuerta.virtual.wechat.world import WechatWorld
from compuerta.wire.wechat import signature


def tried(
    answer: Callable[[WechatWorld, HttpRequest], HttpResponse],
) -> tuple[list[tuple[str, bool]], str]:
    world, provider = a_cheap_pair()
    steps = provider.self_test(now=NOON, chance=a_chance())
    checks: list[Check] = converse_with(steps, lambda request: answer(world, request))
    return [(check.name, check.ok) for check in checks], checks[-1].detail


def test_a_good_account_proves_both_keys_by_an_echo() -> None:
    checks, detail = tried(lambda world, request: world.answer(request, NOON))

    assert checks == [("merchant key", True), ("provider key", True)]
    assert "echo" in detail


def test_the_echos_notice_opens_with_the_api_key() -> None:
    world, provider = a_cheap_pair()
    converse_with(
        provider.self_test(now=NOON, chance=a_chance()), lambda request: world.answer(request, NOON)
    )

    (notice,) = world.due(NOON)

    heard = provider.hear(notice.request, now=NOON)
    assert heard == Verified(notice=None, event="SECURITY_ECHO.SUCCESS")


def without_echo(world: WechatWorld, request: HttpRequest) -> HttpResponse:
    if request.path.endswith("/echo"):
        return HttpResponse(status=403, body=b'{"code":"NO_AUTH","message":""}')
    return world.answer(request, NOON)


def test_an_account_without_an_echo_is_proved_by_the_other_answers_signature() -> None:
    checks, detail = tried(without_echo)

    assert checks == [("merchant key", True), ("provider key", True)]
    assert "no echo" in detail


def test_a_wrong_clock_or_key_stops_the_test_with_what_to_compare() -> None:
    checks, detail = tried(lambda world, request: world.answer(request, NOON + timedelta(minutes=6)))

    assert checks == [("merchant key", False)]
    assert "clock" in detail


def test_an_answer_under_another_key_is_no_proof() -> None:
    def forged(world: WechatWorld, request: HttpRequest) -> HttpResponse:
        answer = world.answer(request, NOON)
        return replace(answer, headers={**answer.headers, signature.SIGNATURE: "AAAA"})

    checks, _ = tried(forged)

    assert checks == [("merchant key", True), ("provider key", False)]


def test_an_unsigned_answer_is_no_proof() -> None:
    def unsigned(world: WechatWorld, request: HttpRequest) -> HttpResponse:
        return replace(without_echo(world, request), headers={})

    checks, _ = tried(unsigned)

    assert checks == [("merchant key", True), ("provider key", False)]


def test_another_refusal_is_told_in_the_providers_words() -> None:
    checks, detail = tried(
        lambda _, __: HttpResponse(status=400, body=b'{"code":"PARAM_ERROR","message":"m"}')
    )

    assert checks == [("merchant key", False)]
    assert "PARAM_ERROR" in detail
