"""What a person and a test can press at the simulated WeChat, and what is then true of the money."""

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance, a_cheap_pair, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import Presentation, Refusal, Rejected, Verified
from compuerta.virtual.providers.worlds import Button, NotPressed, State, World
from compuerta.virtual.wechat.world import WechatWorld

REFERENCE = an_attempt().reference


def a_street(flow: Flow = Flow.QR, payer: str = "") -> tuple[WechatWorld, WechatPay, Presentation]:
    world, provider = a_cheap_pair(flows=frozenset({flow}))
    steps = provider.create(an_attempt(flow=flow, payer=payer), now=NOON, chance=a_chance())
    return world, provider, converse_with(steps, lambda request: world.answer(request, NOON))


def heard(world: World, provider: WechatPay) -> list[Verified | Rejected]:
    return [provider.hear(notice.request, now=NOON) for notice in world.due(NOON)]


@pytest.mark.parametrize(
    ("flow", "payer"), [(Flow.QR, ""), (Flow.WALLET, "oPayer"), (Flow.APP, ""), (Flow.WEB, "203.0.114.9")]
)
def test_whatever_the_payer_was_given_can_be_paid(flow: Flow, payer: str) -> None:
    world, provider, shown = a_street(flow, payer)

    world.press(Button.SCAN, shown.content, NOON)
    world.press(Button.PAY, shown.content, NOON)

    (verdict,) = heard(world, provider)
    assert isinstance(verdict, Verified) and verdict.notice is not None
    assert verdict.notice.reference == REFERENCE
    (fact,) = world.facts()
    assert (fact.reference, fact.amount_minor, fact.refunded_minor) == (REFERENCE, 5000, 0)


def test_buttons_follow_the_order() -> None:
    world, _, _ = a_street()
    (waiting,) = world.shown(NOON, limit=5)
    (expired,) = world.shown(waiting.expires_at, limit=5)
    world.press(Button.PAY, REFERENCE, NOON)
    (paid,) = world.shown(NOON, limit=5)

    assert (waiting.state, Button.PAY in waiting.buttons) == (State.WAITING, True)
    assert (expired.state, expired.buttons) == (State.EXPIRED, (Button.PAY_LATE,))
    assert (paid.state, Button.PAY in paid.buttons) == (State.PAID, False)
    assert Button.REFUND in paid.buttons


def test_money_that_comes_late_is_a_payment_like_every_other() -> None:
    world, _, _ = a_street()
    (shown,) = world.shown(NOON, limit=5)

    world.press(Button.PAY_LATE, REFERENCE, shown.expires_at)

    assert len(world.facts()) == 1
    with pytest.raises(NotPressed):
        world.press(Button.PAY_LATE, REFERENCE, shown.expires_at)


def test_a_stranger_and_a_probe_are_refused_and_counted() -> None:
    world, provider, _ = a_street()
    world.press(Button.PAY, REFERENCE, NOON)
    heard(world, provider)

    world.press(Button.STRANGER, REFERENCE, NOON)
    world.press(Button.PROBE, REFERENCE, NOON)
    verdicts = []
    for notice in world.due(NOON):
        verdict = provider.hear(notice.request, now=NOON)
        assert isinstance(verdict, Rejected)
        world.answered(notice, verdict.answer.status, NOON)
        verdicts.append(verdict.refusal)

    assert verdicts == [Refusal.SIGNATURE_WRONG, Refusal.PROBE]
    assert world.tally.probes_refused == 2


def test_a_part_goes_back_by_hand_and_never_more_than_there_is() -> None:
    world, provider, _ = a_street()
    world.press(Button.PAY, REFERENCE, NOON)
    heard(world, provider)

    world.press(Button.REFUND, REFERENCE, NOON, amount_minor=2000)
    (verdict,) = heard(world, provider)
    with pytest.raises(NotPressed):
        world.press(Button.REFUND, REFERENCE, NOON, amount_minor=3001)

    assert isinstance(verdict, Verified) and verdict.refund is not None
    assert verdict.refund.refunded_minor == 2000
    assert world.facts()[0].refunded_minor == 2000


def test_a_notice_of_another_amount_is_genuine_and_for_whoever_compares() -> None:
    world, provider, _ = a_street()
    world.press(Button.PAY, REFERENCE, NOON)
    heard(world, provider)

    world.press(Button.FORGE, REFERENCE, NOON, amount_minor=1)

    (verdict,) = heard(world, provider)
    assert isinstance(verdict, Verified) and verdict.notice is not None
    assert verdict.notice.amount_minor == 1


@pytest.mark.parametrize("button", [Button.PAY, Button.CANCEL, Button.REFUND, Button.FINISH, Button.DISPUTE])
def test_a_button_that_cannot_be_pressed_says_why(button: Button) -> None:
    world, _, _ = a_street()

    with pytest.raises(NotPressed):
        world.press(button, "R20261122000009", NOON)


def test_a_password_is_typed_or_refused() -> None:
    world, provider = a_cheap_pair()
    world.behave({"password_ppm": 1_000_000})
    for number in (1, 2):
        attempt = an_attempt(
            reference=f"R2026112200000{number}", flow=Flow.CODE, payer=f"13456789012345678{number}"
        )
        steps = provider.create(attempt, now=NOON, chance=a_chance())
        converse_with(steps, lambda request: world.answer(request, NOON))

    world.press(Button.PAY, "R20261122000001", NOON)
    world.press(Button.REFUSE, "R20261122000002", NOON)

    assert [shown.state for shown in world.shown(NOON, limit=5)] == [State.REFUSED, State.PAID]
    assert world.due(NOON) == []
