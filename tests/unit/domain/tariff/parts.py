"""Small tariffs, schedules and uses to test with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from compuerta.domain.tariff.components import (
    Calendar,
    Component,
    DayTable,
    Energy,
    Ladder,
    MonthDay,
    Period,
    Rounding,
    Season,
    Slot,
    Steps,
    Tariff,
)
from compuerta.domain.tariff.schedule import Schedule, Version, in_force
from compuerta.domain.tariff.tally import Span

HOUR = timedelta(hours=1)
ALL_DAY = ((0, 0),)


def a_calendar(
    *,
    working: Sequence[tuple[int, int]] = ALL_DAY,
    weekend: Sequence[tuple[int, int]] | None = None,
) -> Calendar:
    """Slots are (hour, period)."""
    tables = (working, working if weekend is None else weekend)
    return Calendar(
        day_tables=tuple(
            DayTable(
                name=name, slots=tuple(Slot(start_min=hour * 60, period=period) for hour, period in slots)
            )
            for name, slots in zip(("working", "weekend"), tables, strict=True)
        ),
        seasons=(Season(name="year", start=MonthDay(month=1, day=1), days=(0, 0, 0, 0, 0, 1, 1)),),
    )


def an_energy(
    *periods: Sequence[str],
    bounds_wh: Sequence[int] = (),
    steps: Steps | None = None,
    calendar: Calendar | None = None,
) -> Energy:
    """Each period is its prices by step."""
    return Energy(
        name="Energy",
        calendar=calendar or a_calendar(),
        periods=tuple(
            Period(
                name=f"p{number}",
                ladder=Ladder(bounds=tuple(bounds_wh), prices=tuple(Fraction(price) for price in prices)),
            )
            for number, prices in enumerate(periods)
        ),
        steps=steps or Steps(),
    )


def a_tariff(
    energy: Energy, *others: Component, rounding: Rounding | None = None, cycle_day: int = 1
) -> Tariff:
    """A tariff in euros, its energy first."""
    return Tariff(
        name="Tariff",
        currency="EUR",
        components=(energy, *others),
        cycle_day=cycle_day,
        rounding=rounding or Rounding(),
    )


def a_schedule(*tariffs: Tariff, zone: str = "UTC", changes: Sequence[datetime] = ()) -> Schedule:
    """The first tariff from long ago, each further one from its (naive) change."""
    starts = [datetime(2000, 1, 1), *changes]  # noqa: DTZ001 the wall clock's
    versions = tuple(
        Version(tariff_id=1, version_no=number, effective_from=start, tariff=tariff)
        for number, (tariff, start) in enumerate(zip(tariffs, starts, strict=True), start=1)
    )
    return in_force(versions, zone=zone)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """An instant."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def a_span(start: datetime, end: datetime, energy_wh: int, rates_wh: tuple[int, ...] | None = None) -> Span:
    """A use."""
    return Span(start=start, end=end, energy_wh=energy_wh, rates_wh=rates_wh)
