"""Freezes: what a register showed at a midnight, judged by what is known, or supposed where nobody knows.

A day is a site's own and has 23, 24 or 25 hours; a meter's clock knows neither zone nor summer time. What is
supposed is the mean of up to seven days that are facts, and says so; missing is not zero (promise T2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from compuerta.domain.energy import Delta, judge_delta

# A clock that is off by less is left alone, and what it froze counts: the use of two minutes is a register's
# step or two. A poll may wait for a minute, so that a smaller error could not be told.
CLOCK_OFF_MAX: Final = timedelta(minutes=2)
MEAN_DAYS_MAX: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a register showed at an instant."""

    at: datetime
    energy_wh: int


def judged(told: Known, *, before: Known | None, after: Known | None) -> Delta:
    """Judge what a meter froze by what is known before and after it (promise T2).

    A later reading that is lower is no proof against it while the register may have been changed since.
    """
    base_wh = 0
    if before is not None:
        base_wh = before.energy_wh
        elapsed_s = int((told.at - before.at).total_seconds()) + 1
        verdict = judge_delta(before_wh=base_wh, after_wh=told.energy_wh, elapsed_s=elapsed_s)
        if verdict is not Delta.PLAUSIBLE:
            return verdict
    if after is not None and base_wh <= after.energy_wh < told.energy_wh:
        return Delta.JUMP
    return Delta.PLAUSIBLE


def daily_uses_wh(freezes: Sequence[tuple[int, int]]) -> list[int]:
    """Return the uses of the days that lie between two known freezes, as (number of the day, register)."""
    return [
        after_wh - before_wh
        for (before, before_wh), (after, after_wh) in pairwise(sorted(freezes))
        if after == before + 1 and after_wh >= before_wh
    ]


def supposed_wh(
    last: Known, uses_wh: Sequence[int], *, until: datetime, zone: ZoneInfo, ceiling_wh: int | None
) -> int | None:
    """Return what a register may have shown: the last known, and the mean use of a day for each day since.

    `uses_wh` are of days that are facts, the latest last; without any, nothing can be supposed. A reading
    that came later is a ceiling.
    """
    counted = uses_wh[-MEAN_DAYS_MAX:]
    if not counted:
        return None
    days = days_between(last.at, until, zone=zone)
    energy_wh = last.energy_wh + sum(counted) * days.numerator // (len(counted) * days.denominator)
    return energy_wh if ceiling_wh is None else max(last.energy_wh, min(energy_wh, ceiling_wh))


def days_between(start: datetime, until: datetime, *, zone: ZoneInfo) -> Fraction:
    """Return how many of a zone's days lie between two instants: one of 23 hours is a whole day too."""
    return _days_to(until, zone=zone) - _days_to(start, zone=zone)


def _days_to(instant: datetime, *, zone: ZoneInfo) -> Fraction:
    day = instant.astimezone(zone).date()
    midnight, next_midnight = (
        datetime.combine(each, time(), tzinfo=zone).timestamp() for each in (day, day + timedelta(days=1))
    )
    whole_s, gone_s = round(next_midnight - midnight), round(instant.timestamp() - midnight)
    return day.toordinal() + Fraction(max(gone_s, 0), whole_s)


def clock_off_then(off_s: int, *, seen_at: datetime, at: datetime, zone: ZoneInfo) -> int:
    """Return how far a clock that was off by `off_s` at one instant was off at another, left to itself.

    It ran on through a change of civil time, which it knows nothing of.
    """
    seen, then = (each.astimezone(zone).utcoffset() or timedelta(0) for each in (seen_at, at))
    return off_s + int((seen - then).total_seconds())


def is_off(off_s: int) -> bool:
    """Tell whether a clock is so wrong that it is put right, and that what it froze is not of a midnight."""
    return abs(off_s) > CLOCK_OFF_MAX.total_seconds()
