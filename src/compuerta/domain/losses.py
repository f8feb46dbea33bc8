"""Losses: what a feeder measures less what the meters behind it measure, hour by hour, and who is looked at.

Registers are read when roads allow: at each hour's edge they are interpolated between the readings around it.
Where these lie too far apart the hour has no figure, and says so: missing is not zero (promise T2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from math import isqrt
from typing import Final

from compuerta.domain.alarms import STEPS_WH_MAX, stepped_down

HOUR: Final = timedelta(hours=1)
GAP_MAX: Final = timedelta(hours=2)  # readings around an hour's edge that lie further apart say nothing of it
MILLE: Final = 1_000
HOURS_COMPARED_MIN: Final = 48  # fewer agree by chance
AGREES_PERMILLE_MIN: Final = 500
LOW_SHARE: Final = 4  # an hour at less than a quarter of a unit's usual use is low


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A register at an instant."""

    at: datetime
    energy_wh: int
    relay_open: bool = False


Fixes = tuple[Fix | None, Fix | None]  # the last by an instant, and the first from it


@dataclass(frozen=True, slots=True, kw_only=True)
class HourLoss:
    """One hour behind a feeder; None = not known."""

    start: datetime
    fed_wh: int | None
    used_wh: int | None
    missing: int = 0  # meters behind it of which the hour is not known

    @property
    def loss_wh(self) -> int | None:
        """What is not measured again; less than nothing where clocks differ."""
        return None if self.fed_wh is None or self.used_wh is None else self.fed_wh - self.used_wh

    @property
    def share_permille(self) -> int | None:
        """The loss in thousandths of what was fed."""
        if self.loss_wh is None or not self.fed_wh:
            return None
        return self.loss_wh * MILLE // self.fed_wh


class Suspicion(Enum):
    """Why a unit is looked at."""

    USE_WHILE_OFF = "use_while_off"
    STEP_AFTER_COVER = "step_after_cover"
    ZERO_USE = "zero_use"
    FALLS_WITH_LOSS = "falls_with_loss"


# What each is worth when suspects are ranked: the harder to explain otherwise, the more.
_POINTS: Final = {
    Suspicion.USE_WHILE_OFF: 60,
    Suspicion.STEP_AFTER_COVER: 50,
    Suspicion.ZERO_USE: 40,
    Suspicion.FALLS_WITH_LOSS: 30,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A meter behind a feeder over the hours of a map."""

    meter_id: int
    hours_wh: tuple[int | None, ...]
    off_wh: int = 0  # used in hours at both edges of which its relay was open
    occupied: bool = True
    was_off: bool = False
    cover_before_wh: int | None = None  # use of the days before its cover was opened ...
    cover_after_wh: int | None = None  # ... and after

    @property
    def used_wh(self) -> int | None:
        """All that is known of its use."""
        known = [each for each in self.hours_wh if each is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A reason to look at a unit, with the figures that it rests on."""

    suspicion: Suspicion
    figure: int  # Wh, or thousandths
    than: int = 0  # what the figure is compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A unit to look at, and why."""

    meter_id: int
    points: int
    grounds: tuple[Ground, ...]


def register_wh(at: datetime, fixes: Fixes) -> int | None:
    """Return a register at an instant, between the readings around it; None where they lie too far apart."""
    before, after = fixes
    if before is None or after is None:
        return None
    span = after.at - before.at
    if span > GAP_MAX or after.energy_wh < before.energy_wh:
        return None
    if not span:
        return before.energy_wh
    return before.energy_wh + (after.energy_wh - before.energy_wh) * (at - before.at) // span


def hours_wh(edges: Sequence[datetime], fixes: Sequence[Fixes]) -> tuple[int | None, ...]:
    """Return the use of each hour between edges; None where either edge is not known."""
    registers = [register_wh(at, each) for at, each in zip(edges, fixes, strict=True)]
    return tuple(
        None if first is None or last is None else last - first for first, last in pairwise(registers)
    )


def off_wh(fixes: Sequence[Fixes], hours: Sequence[int | None]) -> int:
    """Return what was used in hours around which every reading told an open relay."""
    total_wh = 0
    for (first, last), used_wh in zip(pairwise(fixes), hours, strict=True):
        around = (*first, *last)
        if used_wh is not None and all(fix is not None and fix.relay_open for fix in around):
            total_wh += used_wh
    return total_wh


def loss_map(
    starts: Sequence[datetime], fed: Sequence[int | None], units: Sequence[Unit]
) -> tuple[HourLoss, ...]:
    """Return each hour's loss; an hour that one meter behind the feeder does not tell has none."""
    hours = []
    for at, (start, fed_wh) in enumerate(zip(starts, fed, strict=True)):
        told = [unit.hours_wh[at] for unit in units]
        known = [each for each in told if each is not None]
        missing = len(told) - len(known)
        used_wh = None if missing else sum(known)
        hours.append(HourLoss(start=start, fed_wh=fed_wh, used_wh=used_wh, missing=missing))
    return tuple(hours)


def suspects(hours: Sequence[HourLoss], units: Sequence[Unit]) -> tuple[Suspect, ...]:
    """Return the units to look at, the likeliest first."""
    found = []
    for unit in units:
        grounds = _grounds(unit, hours)
        if grounds:
            points = sum(_POINTS[each.suspicion] for each in grounds)
            found.append(Suspect(meter_id=unit.meter_id, points=points, grounds=grounds))
    return tuple(sorted(found, key=lambda suspect: (-suspect.points, suspect.meter_id)))


def lost_share(hours: Sequence[HourLoss]) -> tuple[int, int] | None:
    """Return what was fed and what was lost over the hours that are known; None where none is."""
    known = [hour for hour in hours if hour.loss_wh is not None]
    if not known:
        return None
    return sum(hour.fed_wh or 0 for hour in known), sum(hour.loss_wh or 0 for hour in known)


def agreement_permille(pairs: Sequence[tuple[int, int]]) -> int:
    """Return how two rows of figures rise and fall together: Pearson's r in thousandths, by whole numbers."""
    n = len(pairs)
    sum_x, sum_y = sum(x for x, _ in pairs), sum(y for _, y in pairs)
    both = n * sum(x * y for x, y in pairs) - sum_x * sum_y
    spread_x = n * sum(x * x for x, _ in pairs) - sum_x**2
    spread_y = n * sum(y * y for _, y in pairs) - sum_y**2
    spread = isqrt(spread_x * spread_y)
    return both * MILLE // spread if spread else 0


def _grounds(unit: Unit, hours: Sequence[HourLoss]) -> tuple[Ground, ...]:
    found = []
    if unit.off_wh > STEPS_WH_MAX:
        found.append(Ground(suspicion=Suspicion.USE_WHILE_OFF, figure=unit.off_wh))
    before_wh, after_wh = unit.cover_before_wh, unit.cover_after_wh
    if before_wh is not None and after_wh is not None and stepped_down(before_wh, after_wh):
        found.append(Ground(suspicion=Suspicion.STEP_AFTER_COVER, figure=after_wh, than=before_wh))
    known = [each for each in unit.hours_wh if each is not None]
    if unit.occupied and not unit.was_off and len(known) >= HOURS_COMPARED_MIN and not sum(known):
        found.append(Ground(suspicion=Suspicion.ZERO_USE, figure=0, than=len(known)))
    low_permille = _falls_with_loss(unit, hours)
    if low_permille >= AGREES_PERMILLE_MIN:
        found.append(Ground(suspicion=Suspicion.FALLS_WITH_LOSS, figure=low_permille))
    return tuple(found)


def _falls_with_loss(unit: Unit, hours: Sequence[HourLoss]) -> int:
    """Return how a unit's low hours agree with the hours of much loss, in thousandths."""
    pairs = [
        (used_wh, hour.loss_wh)
        for used_wh, hour in zip(unit.hours_wh, hours, strict=True)
        if used_wh is not None and hour.loss_wh is not None
    ]
    if len(pairs) < HOURS_COMPARED_MIN:
        return 0
    usual_wh = sum(used_wh for used_wh, _ in pairs) // len(pairs)
    return agreement_permille([(int(used_wh * LOW_SHARE < usual_wh), loss_wh) for used_wh, loss_wh in pairs])


# Wires in a building lose two or three hundredths; beyond this somebody takes what is not measured.
LOSS_PERMILLE_MAX: Final = 100
LOSS_WH_MIN: Final = 1_000


def is_too_much(fed_wh: int, loss_wh: int) -> bool:
    """Tell whether a loss is more than wires explain."""
    return loss_wh >= LOSS_WH_MIN and loss_wh * MILLE > LOSS_PERMILLE_MAX * fed_wh


def by_intervals(
    starts: Sequence[datetime], days: Mapping[datetime, tuple[int, tuple[int, ...]]]
) -> dict[datetime, int]:
    """Return the hours that a meter has measured by intervals; `days` are (minutes, Wh) by their start."""
    wanted, measured = set(starts), {}
    for day_start, (minutes, intervals_wh) in days.items():
        each = 60 // minutes
        for at in range(0, len(intervals_wh), each):
            start = day_start + timedelta(minutes=minutes) * at
            if start in wanted:
                measured[start] = sum(intervals_wh[at : at + each])
    return measured
