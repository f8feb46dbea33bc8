"""The tables that a meter deducts by, and their rules: year zones, day tables, prices of rates, steps.

A year is cut into zones, each with a day table; a day table cuts the day into slots, each with a rate; a
rate has a price. Steps (the ladder) add a price by the use since the last settlement. Lists may be padded
by repeating their last entry, as the blocks on the wire are. What breaks a rule raises `TablesRefused`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from itertools import pairwise
from typing import Final, TypeVar

from compuerta.domain.errors import Refused
from compuerta.virtual.meter.clock import civil_from_ms, ms_from_civil
from compuerta.virtual.meter.registers import FLAT_RATE, RATES_SHOWN_MIN, WH_PER_UNIT

# DL/T 645-2007 04000201..05, 04000207: what no meter exceeds.
ZONES_MAX: Final = 14
DAY_TABLES_MAX: Final = 8
SLOTS_MAX: Final = 14
RATES_MAX: Final = 63
HOLIDAYS_MAX: Final = 254
BOUNDS_MAX: Final = 6
SETTLEMENTS_MAX: Final = 4
SETTLEMENT_DAY_MAX: Final = 28  # a day that every month has
PRICE_E4_MAX: Final = 99_999_999  # NNNN.NNNN
BOUND_WH_MAX: Final = 99_999_999 * WH_PER_UNIT
NO_REST_DAYS: Final = 0x7F

T = TypeVar("T")


class Fault(Enum):
    """Which limit a table exceeds; OTHER = it contradicts itself, or names what is not there."""

    ZONES = "too many year zones"
    PERIODS = "too many periods of the day"
    RATES = "too many rates or steps"
    OTHER = "not a table that the meter could follow"


class TablesRefused(Refused):
    """A table, or a count of tables, that the meter will not have."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(f"{fault.value}: {reason}")
        self.fault = fault
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """From the start of this day of the year on, days follow this day table."""

    month: int
    day: int
    table_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """From this minute of the day on, use is at this rate."""

    hour: int
    minute: int = 0
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """This one day follows this day table."""

    on: date
    table_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An hour of the year at which the steps begin anew."""

    month: int
    day: int  # up to 28
    hour: int = 0


Zones = tuple[Zone, ...]
DayTable = tuple[Slot, ...]
DayTables = tuple[DayTable, ...]
Prices = tuple[int, ...]  # of rate 1, 2 ... in 0.0001 of the major unit per kWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Prices by the use since the last settlement: the lower step includes its upper bound.

    There is one price more than bounds. Without settlements the steps begin anew with each month.
    """

    bounds_wh: tuple[int, ...] = ()
    prices_e4: tuple[int, ...] = (0,)
    settlements: tuple[Settlement, ...] = ()

    @property
    def is_annual(self) -> bool:
        """Whether the steps begin anew at days of the year, and not with each month."""
        return bool(self.settlements)

    def step_at(self, used_wh: int) -> int:
        """Return which price the next unit costs after so much use: 0 for the first."""
        return bisect_right(self.bounds_wh, used_wh)

    def next_settlement_ms(self, after_civil_ms: int) -> int:
        """Return the first settlement after a civil instant."""
        after = civil_from_ms(after_civil_ms)
        if not self.settlements:
            year, month = divmod(after.year * 12 + after.month, 12)
            return ms_from_civil(datetime(year, month + 1, 1))  # noqa: DTZ001 a meter's clock
        moments_ms = (
            ms_from_civil(datetime(year, at.month, at.day, at.hour))  # noqa: DTZ001 a meter's clock
            for year in (after.year, after.year + 1)
            for at in self.settlements
        )
        return min(moment_ms for moment_ms in moments_ms if moment_ms > after_civil_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many entries the tables may have: limits, which do not choose among entries."""

    zones: int = 2
    day_tables: int = 2
    slots: int = 8
    rates: int = RATES_SHOWN_MIN
    holidays: int = 0
    bounds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffTables:
    """What a meter deducts by at its start; its spare sets begin as copies.

    price of a unit = price of the rate of its slot + price of its step. A list of prices that is shorter
    than the number of rates repeats its last; day tables that are not given are copies of the first.
    """

    zones: Zones = (Zone(month=1, day=1, table_no=1),)
    day_tables: DayTables = ((Slot(hour=0, rate=FLAT_RATE),),)
    rate_prices_e4: Prices = (0,)
    ladder: Ladder = field(default_factory=Ladder)
    weekday_bits: int = NO_REST_DAYS  # bit 0 = Sunday .. 6 = Saturday; 0 = a rest day
    rest_table_no: int = 1
    holidays: tuple[Holiday, ...] = ()
    counts: Counts | None = None  # None = as many as a meter has from the factory, or these tables need

    @property
    def counts_needed(self) -> Counts:
        """The counts that hold from the start."""
        if self.counts is not None:
            return self.counts
        slots = [slot for table in self.day_tables for slot in table]
        least = Counts()
        return Counts(
            zones=max(least.zones, len(self.zones)),
            day_tables=max(least.day_tables, len(self.day_tables)),
            slots=max(least.slots, *(len(table) for table in self.day_tables)),
            rates=max(least.rates, len(self.rate_prices_e4), *(slot.rate for slot in slots)),
            holidays=len(self.holidays),
            bounds=len(self.ladder.bounds_wh),
        )


def flat_tables(*, price_e4: int) -> TariffTables:
    """Return the tables of a meter with one price for every kilowatt-hour."""
    return TariffTables(rate_prices_e4=(price_e4,))


def without_padding(entries: Sequence[T]) -> tuple[T, ...]:
    """Return a list without the repeats of its last entry that fill it up."""
    kept = len(entries)
    while kept > 1 and entries[kept - 1] == entries[kept - 2]:
        kept -= 1
    return tuple(entries[:kept])


# The rules. Each check returns for a table that the meter can follow, and raises for any other.


def check_counts(counts: Counts) -> None:
    """Refuse counts that no meter of this kind can have."""
    limits = (
        (counts.zones, 1, ZONES_MAX, Fault.ZONES),
        (counts.day_tables, 1, DAY_TABLES_MAX, Fault.PERIODS),
        (counts.slots, 1, SLOTS_MAX, Fault.PERIODS),
        (counts.rates, 1, RATES_MAX, Fault.RATES),
        (counts.holidays, 0, HOLIDAYS_MAX, Fault.OTHER),
        (counts.bounds, 0, BOUNDS_MAX, Fault.RATES),
    )
    for count, least, most, fault in limits:
        _refuse_unless(count <= most, fault, f"{count} where {most} is the most")
        _refuse_unless(count >= least, Fault.OTHER, f"{count} where {least} is the least")


def check_zones(zones: Zones, counts: Counts) -> None:
    """Refuse zones that are too many, not in order, or name a day table that is not there."""
    kept = without_padding(zones)
    _refuse_unless(len(kept) <= counts.zones and len(zones) <= ZONES_MAX, Fault.ZONES, f"{len(zones)}")
    for zone in kept:
        _refuse_unless(_is_day_of_year(zone.month, zone.day), Fault.OTHER, f"no such day: {zone}")
        check_table_no(zone.table_no, counts)
    _check_order([(zone.month, zone.day) for zone in kept])


def check_day_table(table: DayTable, counts: Counts) -> None:
    """Refuse slots that are too many, not in order, or at a rate that is not there."""
    kept = without_padding(table)
    _refuse_unless(len(kept) <= counts.slots and len(table) <= SLOTS_MAX, Fault.PERIODS, f"{len(table)}")
    for slot in kept:
        on_clock = 0 <= slot.hour < 24 and 0 <= slot.minute < 60
        _refuse_unless(on_clock and slot.rate >= 1, Fault.OTHER, f"no such slot: {slot}")
        _refuse_unless(slot.rate <= counts.rates, Fault.RATES, f"rate {slot.rate} of {counts.rates}")
    _check_order([(slot.hour, slot.minute) for slot in kept])


def check_prices(prices_e4: Prices, counts: Counts) -> None:
    """Refuse more prices than rates, none, or one that its register could not show."""
    _refuse_unless(bool(prices_e4), Fault.OTHER, "no price at all")
    _refuse_unless(len(without_padding(prices_e4)) <= counts.rates, Fault.RATES, f"{len(prices_e4)} prices")
    _check_amounts(prices_e4, most=PRICE_E4_MAX)


def check_ladder(ladder: Ladder, counts: Counts) -> None:
    """Refuse bounds that are too many or not in order, and settlements that not every month has."""
    kept = without_padding(ladder.bounds_wh)
    kept = () if kept == (0,) else kept  # a block of zeros has no bounds
    one_more = len(ladder.prices_e4) == len(ladder.bounds_wh) + 1
    _refuse_unless(one_more, Fault.OTHER, "one price more than bounds")
    _refuse_unless(len(kept) <= counts.bounds, Fault.RATES, f"{len(kept)} bounds")
    _refuse_unless(len(ladder.bounds_wh) <= BOUNDS_MAX, Fault.RATES, "too long a list")
    _check_amounts(ladder.prices_e4, most=PRICE_E4_MAX)
    _check_amounts(kept, most=BOUND_WH_MAX)
    whole = all(bound_wh and bound_wh % WH_PER_UNIT == 0 for bound_wh in kept)
    _refuse_unless(whole, Fault.OTHER, "bounds are whole units of the register")
    if kept:
        _check_order([(bound_wh,) for bound_wh in kept])
    _refuse_unless(len(ladder.settlements) <= SETTLEMENTS_MAX, Fault.OTHER, "too many settlements")
    for at in ladder.settlements:
        valid = 1 <= at.month <= 12 and 1 <= at.day <= SETTLEMENT_DAY_MAX and 0 <= at.hour < 24
        _refuse_unless(valid, Fault.OTHER, f"no settlement: {at}")


def check_table_no(table_no: int, counts: Counts) -> None:
    """Refuse the number of a day table that is not there."""
    there = 1 <= table_no <= counts.day_tables
    _refuse_unless(there, Fault.OTHER, f"day table {table_no} of {counts.day_tables}")


def _check_order(starts: Sequence[tuple[int, ...]]) -> None:
    _refuse_unless(bool(starts), Fault.OTHER, "an empty table")
    rising = all(before < after for before, after in pairwise(starts))
    _refuse_unless(rising, Fault.OTHER, "entries that overlap, or are not in order")


def _check_amounts(amounts: Sequence[int], *, most: int) -> None:
    _refuse_unless(all(0 <= amount <= most for amount in amounts), Fault.OTHER, "outside its register")


def _is_day_of_year(month: int, day: int) -> bool:
    days = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def _refuse_unless(holds: bool, fault: Fault, reason: str) -> None:
    if not holds:
        raise TablesRefused(fault, reason)
