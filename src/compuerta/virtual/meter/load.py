"""What hangs behind the meter: watts as a function of civil time, constant between named instants."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from compuerta.virtual.meter.clock import DAY_MS

HOURS = 24
HOUR_MS = DAY_MS // HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSegment:
    """A stretch of constant load; `until_civil_ms` None = it never changes by itself."""

    power_w: int
    until_civil_ms: int | None = None


class LoadProfile(Protocol):
    """Says what would flow if the relay were closed."""

    def at(self, civil_ms: int) -> LoadSegment:
        """Return the stretch of constant load that holds at `civil_ms`; its end lies strictly later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantLoad:
    """The same power, always."""

    power_w: int

    def at(self, civil_ms: int) -> LoadSegment:
        """Return the one stretch there is."""
        return LoadSegment(power_w=self.power_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLoad:
    """One power per hour of the day, the same every day."""

    hourly_power_w: tuple[int, ...]  # 24 values, from 00:00

    def at(self, civil_ms: int) -> LoadSegment:
        """Return the hour that `civil_ms` lies in."""
        hour = civil_ms // HOUR_MS
        return LoadSegment(power_w=self.hourly_power_w[hour % HOURS], until_civil_ms=(hour + 1) * HOUR_MS)


# A flat's day in parts of its evening peak: night, breakfast, noon, evening.
_HOUSEHOLD_SHAPE_PERCENT = (
    18, 15, 14, 14, 15, 22, 45, 60, 40, 30, 28, 35, 55, 45, 30, 28, 32, 50, 80, 100, 95, 80, 50, 28,
)  # fmt: skip


def a_household(*, peak_power_w: int, chance: Random) -> DailyLoad:
    """Return a flat's day: the usual shape, each hour off by up to a fifth as `chance` has it."""
    return DailyLoad(
        hourly_power_w=tuple(
            peak_power_w * percent * chance.randint(80, 120) // 10_000 for percent in _HOUSEHOLD_SHAPE_PERCENT
        )
    )
