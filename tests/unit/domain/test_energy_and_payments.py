"""Steps of a register are judged; evidence of a payment only grows."""

from itertools import product
from uuid import UUID

import pytest

from compuerta.domain.energy import POWER_W_MAX, Delta, format_kwh, judge_delta
from compuerta.domain.naming import derived
from compuerta.domain.payment import AttemptState, advanced, payment_id


@pytest.mark.parametrize(
    ("before_wh", "after_wh", "elapsed_s", "verdict"),
    [
        (1_000, 1_000, 0, Delta.PLAUSIBLE),
        (1_000, 1_010, 0, Delta.PLAUSIBLE),
        (1_000, 1_011, 0, Delta.JUMP),
        (1_000, 999, 10, Delta.BACKWARDS),
        (0, POWER_W_MAX + 10, 3_600, Delta.PLAUSIBLE),
        (0, POWER_W_MAX + 11, 3_600, Delta.JUMP),
        (1_000, 1_000, -1, Delta.FROM_THE_FUTURE),
        (1_000, 0, -1, Delta.FROM_THE_FUTURE),
    ],
)
def test_a_step_of_a_register_is_judged(
    before_wh: int, after_wh: int, elapsed_s: int, verdict: Delta
) -> None:
    assert judge_delta(before_wh=before_wh, after_wh=after_wh, elapsed_s=elapsed_s) is verdict


@pytest.mark.parametrize(
    ("energy_wh", "text"), [(0, "0.00"), (9, "0.00"), (10, "0.01"), (123_456, "123.45"), (-1_500, "-1.50")]
)
def test_energy_is_shown_as_meters_show_it(energy_wh: int, text: str) -> None:
    assert format_kwh(energy_wh) == text


@pytest.mark.parametrize(("state", "to"), list(product(AttemptState, AttemptState)))
def test_evidence_of_a_payment_only_grows(state: AttemptState, to: AttemptState) -> None:
    order = list(AttemptState)

    assert order.index(advanced(state, to)) == max(order.index(state), order.index(to))


def test_paid_is_final_and_follows_even_a_closed_order() -> None:
    assert advanced(AttemptState.CLOSED, AttemptState.PAID) is AttemptState.PAID
    assert all(advanced(AttemptState.PAID, to) is AttemptState.PAID for to in AttemptState)


def test_a_payment_has_one_name_at_every_repetition_and_another_at_every_provider() -> None:
    one = payment_id(provider="wechat", transaction_no="1")

    assert one == payment_id(provider="wechat", transaction_no="1")
    assert one != payment_id(provider="till", transaction_no="1")
    assert one != payment_id(provider="wechat", transaction_no="2")
    assert derived(one, "recharge") == derived(one, "recharge")
    assert len({derived(one, "recharge"), derived(one, "suspense"), derived(UUID(int=0), "recharge")}) == 3
