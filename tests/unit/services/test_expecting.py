"""What to tell who waits for a meter: now, at its next contact, or that there is no road, and since when."""

import pytest
from tests.unit.services.town import HOUR, NOON, SECOND

from compuerta.domain.road import EndState
from compuerta.services.expecting import LATE, Expected, Prospect, expected

THERE = EndState(is_alive=True, changed_at=NOON - HOUR)
GONE = EndState(is_alive=False, changed_at=NOON - HOUR, lost_reason="line_dropped")
LONG_GONE = EndState(is_alive=False, changed_at=NOON - 9 * HOUR)


def asleep(*, contact_in_s: int) -> EndState:
    return EndState(
        is_alive=False,
        changed_at=NOON - HOUR,
        contact_at=NOON - HOUR,
        next_contact_at=NOON + contact_in_s * SECOND,
        lost_reason="asleep",
    )


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([THERE], Expected(prospect=Prospect.NOW)),
        ([GONE, asleep(contact_in_s=60), THERE], Expected(prospect=Prospect.NOW)),
        (
            [asleep(contact_in_s=600), GONE, asleep(contact_in_s=60)],
            Expected(prospect=Prospect.AT_CONTACT, at=NOON + 60 * SECOND),
        ),
        ([GONE, LONG_GONE], Expected(prospect=Prospect.ROAD_DEAD, at=NOON - HOUR)),
        ([], Expected(prospect=Prospect.ROAD_DEAD)),
    ],
)
def test_the_best_of_the_ways_is_what_may_be_expected(ends: list[EndState], told: Expected) -> None:
    assert expected(ends, now=NOON) == told


def test_a_sleeper_that_is_a_little_late_comes_soon_and_one_that_is_very_late_is_dead() -> None:
    late, gone = asleep(contact_in_s=-60), asleep(contact_in_s=-1_800)

    assert expected([late], now=NOON) == Expected(prospect=Prospect.AT_CONTACT, at=NOON)
    assert LATE < HOUR / 2
    assert expected([gone], now=NOON) == Expected(prospect=Prospect.ROAD_DEAD, at=NOON - HOUR / 2)
