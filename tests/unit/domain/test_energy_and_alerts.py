"""Steps of a register are judged; levels speak once; evidence of a payment only grows."""

from itertools import pairwise, product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.alert import crossed
from compuerta.domain.energy import POWER_W_MAX, Delta, format_kwh, judge_delta
from compuerta.domain.naming import derived
from compuerta.domain.payment import AttemptState, advanced, payment_id

LEVELS_MINOR = (5_000, 2_000, 1_000)
balances = st.integers(min_value=-10_000, max_value=10_000)


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


@pytest.mark.parametrize(
    ("before_minor", "after_minor", "level_minor"),
    [
        (5_001, 5_000, 5_000),
        (5_000, 4_999, None),
        (6_000, 5_001, None),
        (6_000, 1_500, 2_000),
        (6_000, -1, 1_000),
        (1_000, 6_000, None),
        (3_000, 3_000, None),
    ],
)
def test_a_balance_that_falls_through_a_level_is_told_the_lowest(
    before_minor: int, after_minor: int, level_minor: int | None
) -> None:
    assert crossed(LEVELS_MINOR, before_minor=before_minor, after_minor=after_minor) == level_minor


@given(path=st.lists(balances, min_size=2, max_size=20).map(lambda path: sorted(path, reverse=True)))
def test_on_the_way_down_no_level_speaks_twice(path: list[int]) -> None:
    spoken = [crossed(LEVELS_MINOR, before_minor=one, after_minor=two) for one, two in pairwise(path)]

    levels = [level for level in spoken if level is not None]
    assert len(levels) == len(set(levels))
    assert levels == sorted(levels, reverse=True)


@given(before_minor=balances, after_minor=balances)
def test_without_levels_or_on_the_way_up_nothing_is_said(before_minor: int, after_minor: int) -> None:
    low, high = sorted((before_minor, after_minor))

    assert crossed((), before_minor=before_minor, after_minor=after_minor) is None
    assert crossed(LEVELS_MINOR, before_minor=low, after_minor=high) is None


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
