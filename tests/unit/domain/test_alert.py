"""Each level speaks once on the way down, and is armed again by a recharge, or well above it."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain import alert, alert_many
from compuerta.domain.policy import Level, LevelKind


def money(*values: int) -> tuple[Level, ...]:
    return alert.ordered([Level(kind=LevelKind.MONEY, value=value) for value in values])


FIVE = money(5_000, 2_000, 1_000, 500, 100)


def said(levels: tuple[Level, ...], *balances: int, warned: int = 0) -> list[int | None]:
    """What is said at each of some balances, without a recharge between them."""
    spoken = []
    for balance in balances:
        values = [balance] * len(levels)
        warned = alert.rearmed(levels, values, warned, recharged=False)
        level, warned = alert.crossings(levels, values, warned)
        spoken.append(level.value if level else None)
    return spoken


def test_a_level_speaks_once_on_the_way_down() -> None:
    assert said(money(5_000), 5_001, 5_000, 4_999, 100) == [None, 5_000, None, None]


def test_a_step_through_several_levels_is_one_message_of_the_lowest() -> None:
    assert said(FIVE, 6_000, 700, 650) == [None, 1_000, None]


def test_levels_that_were_jumped_over_do_not_speak_later() -> None:
    assert said(FIVE, 6_000, 700, 450) == [None, 1_000, 500]


def test_a_value_that_flutters_about_its_level_speaks_once() -> None:
    assert said(money(5_000), 4_900, 5_400, 4_900, 5_500, 4_900) == [5_000, None, None, None, None]


def test_well_above_its_level_a_level_is_armed_again() -> None:
    assert said(money(5_000), 4_900, 5_501, 4_900) == [5_000, None, 5_000]


def test_a_recharge_arms_a_level_again_that_it_lifts_the_value_above() -> None:
    levels = money(5_000, 2_000)

    assert alert.rearmed(levels, [5_001, 5_001], 0b11, recharged=True) == 0
    assert alert.rearmed(levels, [5_000, 5_000], 0b11, recharged=True) == 0b01


def test_what_is_not_known_neither_speaks_nor_arms() -> None:
    levels = alert.ordered([*money(500), Level(kind=LevelKind.DAYS, value=48)])

    assert alert.passed(levels, [9_999, None]) == 0b10
    assert alert.rearmed(levels, [9_999, None], 0b11, recharged=True) == 0b10
    assert alert.crossings(levels, [9_999, None], 0) == (None, 0)


def test_of_several_kinds_the_one_in_time_speaks() -> None:
    days = Level(kind=LevelKind.DAYS, value=48)
    energy = Level(kind=LevelKind.ENERGY, value=10_000)
    levels = alert.ordered([days, *money(500), energy])

    level, warned = alert.crossings(levels, [400, 9_000, 40], 0)

    assert level == days
    assert warned == 0b111


def test_the_mark_is_of_the_levels_whatever_their_order() -> None:
    assert alert.mark(money(5_000, 2_000)) == alert.mark(money(2_000, 5_000))
    assert alert.mark(money(5_000)) != alert.mark(money(2_000))
    assert 0 < alert.mark(()) < 2**31


@pytest.mark.parametrize("seed", range(5))
def test_many_at_once_say_what_each_alone_says(seed: int) -> None:
    chance = Random(seed)
    rows = [
        (
            chance.randrange(-50, 8_000),
            chance.randrange(-50, 8_000),
            chance.randrange(32),
            chance.random() < 0.3,
        )
        for _ in range(400)
    ]
    was, now, warned, recharged = (np.array(column) for column in zip(*rows, strict=True))

    many = alert_many.spoken(FIVE, was_minor=was, is_minor=now, warned=warned, recharged=recharged)

    for place, (before, after, bits, lifted) in enumerate(rows):
        armed = alert.rearmed(FIVE, [before] * 5, bits, recharged=lifted)
        level, spoken = alert.crossings(FIVE, [after] * 5, armed)
        assert many.warned[place] == spoken
        assert (FIVE[many.place[place]] if many.place[place] >= 0 else None) == level


@given(path=st.lists(st.integers(-10_000, 10_000), max_size=20))
def test_on_the_way_down_no_level_speaks_twice(path: list[int]) -> None:
    spoken = [level for level in said(FIVE, *sorted(path, reverse=True)) if level is not None]

    assert spoken == sorted(set(spoken), reverse=True)


def test_levels_that_changed_are_based_anew_in_silence() -> None:
    balances, warned = np.array([700, 700]), np.array([0, 0])
    known = np.array([alert.mark(FIVE), 12])

    based = alert_many.based(FIVE, was_minor=balances, warned=warned, warned_of=known)

    assert based.tolist() == [0, alert.passed(FIVE, [700] * 5)]
