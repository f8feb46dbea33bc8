"""A read: energy by rate where it adds up, and a clock that is set where the read knows the time."""

from datetime import timedelta

import pytest
from tests.unit.drivers.test_dlt645 import NOON, Meter, play

from compuerta.drivers.abilities import Ending, ReadOrder


@pytest.mark.parametrize(
    ("rates_wh", "told"),
    [
        ((0, 1_000, 230, 0), (0, 1_000, 230, 0)),
        ((0, 1_000, 220, 0), None),  # cut off one by one: only the total is a fact
        (None, None),
    ],
)
def test_energy_is_told_by_rate_where_the_rates_add_up(
    rates_wh: tuple[int, ...] | None, told: tuple[int, ...] | None
) -> None:
    result = play(ReadOrder(), Meter(rates_wh=rates_wh))

    assert result.state.energy_wh == 1_230
    assert result.state.rates_wh == told


@pytest.mark.parametrize(
    ("off", "reason"),
    [(timedelta(0), ""), (timedelta(minutes=2), ""), (timedelta(minutes=-2, seconds=-1), "clock_set")],
)
def test_a_read_that_knows_the_time_sets_a_clock_that_is_off(off: timedelta, reason: str) -> None:
    meter = Meter(clock=NOON + off)

    result = play(ReadOrder(now=NOON), meter)

    assert (result.ending, result.reason) == (Ending.DONE, reason)
    assert result.state.clock == (NOON if reason else NOON + off)


def test_a_clock_that_stays_wrong_does_not_spoil_the_reading() -> None:
    meter = Meter(clock=NOON + timedelta(hours=1), is_stuck=True)

    result = play(ReadOrder(now=NOON), meter)

    assert (result.ending, result.reason) == (Ending.DONE, "clock_not_set")
    assert result.state.energy_wh == 1_230
