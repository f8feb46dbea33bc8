"""A tariff's tables as DL/T 645-2007 registers: identifiers and bytes, in the order of writing.

Zones and day tables exist twice, as the first and the second set; prices and steps as running and spare.
Lists are filled up to the meter's count by repeating their last entry, which means nothing more to a meter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from compuerta.domain.tariff.fitting import MeterTables, PriceTables, RateSlots, Zone
from compuerta.wire.dlt645 import fields

ENTRY_BYTES = 3  # of a zone, a slot, a settlement
AMOUNT_BYTES = 4
BOUNDS_SHOWN = 6  # of a ladder's block: 6 bounds, 7 prices, 4 settlements
SETTLEMENTS_SHOWN = 4
WH_PER_UNIT = 10  # 0.01 kWh
NO_SETTLEMENT = "999999"
MINUTE = "mhDMY"

DI_WEEKEND_WORD = 0x04000801
DI_REST_TABLE = 0x04000802
DI_HOLIDAYS = 0x04030000
HOLIDAYS_MAX = 254  # 04030001 to 040300FE
T = TypeVar("T")
_DI_ZONES = 0x04010000  # of the first set; the second set is at 0402
_DI_SECOND_SET = 0x00010000
_DI_PRICES_RUNNING, _DI_PRICES_SPARE = 0x040501FF, 0x040502FF
_DI_STEPS_RUNNING, _DI_STEPS_SPARE = 0x040604FF, 0x040605FF


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One register's wanted bytes; `name` is what a refusal of it is called."""

    name: str
    di: int
    value: bytes
    entry_bytes: int = 0  # of a list, whose end may be filled up; 0 = no list
    is_sealed: bool = False  # a parameter of class 1: written with a code instead of a password

    def is_met(self, value: bytes | None) -> bool:
        """Tell whether these bytes mean what is wanted."""
        if value is None or not self.entry_bytes:
            return value == self.value
        return _without_fill(value, self.entry_bytes) == _without_fill(self.value, self.entry_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many entries a meter's tables have; of these there is no second set."""

    zones: int = 0
    day_tables: int = 0
    slots: int = 0
    rates: int = 0
    holidays: int = 0
    bounds: int = 0


# By the names of `Counts`: identifier, and bytes. 04000207 counts bounds.
COUNTS: dict[str, tuple[int, int]] = {
    "zones": (0x04000201, 1),
    "day_tables": (0x04000202, 1),
    "slots": (0x04000203, 1),
    "rates": (0x04000204, 1),
    "holidays": (0x04000205, 2),
    "bounds": (0x04000207, 1),
}


def counts_of(tables: MeterTables) -> Counts:
    """Return the counts that the sets need; holidays are counted when it is known which entries are free."""
    return Counts(
        zones=len(tables.zones),
        day_tables=len(tables.day_tables),
        slots=max(len(slots) for slots in tables.day_tables),
        rates=max(tables.rate_of_period),
        bounds=len(tables.prices.bounds_wh) if tables.prices else 0,
    )


def calendar_parts(
    tables: MeterTables, *, second_zones: bool, second_day_tables: bool, counts: Counts
) -> list[Part]:
    """Return zones and day tables as registers of one of the two sets of each."""
    zones_at = _DI_ZONES + second_zones * _DI_SECOND_SET
    day_tables_at = _DI_ZONES + second_day_tables * _DI_SECOND_SET
    return [
        *(
            Part(
                name="day_table",
                di=day_tables_at + table_no,
                value=_slots_to(slots, count=counts.slots),
                entry_bytes=ENTRY_BYTES,
            )
            for table_no, slots in enumerate(tables.day_tables, start=1)
        ),
        Part(
            name="zones",
            di=zones_at,
            value=_zones_to(tables.zones, count=counts.zones),
            entry_bytes=ENTRY_BYTES,
        ),
    ]


def price_parts(prices: PriceTables, *, running: bool, counts: Counts) -> list[Part]:
    """Return prices of rates and the ladder as registers of the running, or of the spare set."""
    prices_e4 = _filled(prices.rate_prices_e4, count=counts.rates)
    return [
        Part(
            name="rate_prices",
            di=_DI_PRICES_RUNNING if running else _DI_PRICES_SPARE,
            value=b"".join(_amount_to(price_e4) for price_e4 in prices_e4),
            entry_bytes=AMOUNT_BYTES,
            is_sealed=True,
        ),
        Part(
            name="steps",
            di=_DI_STEPS_RUNNING if running else _DI_STEPS_SPARE,
            value=_steps_to(prices),
            is_sealed=True,
        ),
    ]


def switch_parts(tables: MeterTables, *, at: datetime) -> list[Part]:
    """Return the times at which the sets take over: zones, day tables, and those of money."""
    value = fields.moment_to(at, order=MINUTE)
    open_parts = [Part(name="switch_time", di=di, value=value) for di in (0x04000106, 0x04000107)]
    sealed = (0x04000108, 0x04000109) if tables.prices else ()
    return open_parts + [Part(name="switch_time", di=di, value=value, is_sealed=True) for di in sealed]


def switch_from(octets: bytes | None) -> datetime | None:
    """Read a switch time; None where none is set, in whichever way the meter says so."""
    try:
        return fields.moment_from(octets or b"", order=MINUTE)
    except fields.ProtocolError:
        return None


def weekend_word(rest_days: frozenset[int]) -> int:
    """Return the bits of the working days: bit 0 is Sunday, and our Monday is 0."""
    return sum(1 << (weekday + 1) % 7 for weekday in range(7) if weekday not in rest_days)


def rest_days_of(word: int) -> frozenset[int]:
    """Return the weekdays that rest by a weekend word."""
    return frozenset(weekday for weekday in range(7) if not word >> (weekday + 1) % 7 & 1)


def holiday_to(entry: tuple[date, int] | None) -> bytes:
    """Write a holiday and its day table; None = the entry is not set."""
    if entry is None:
        return bytes(AMOUNT_BYTES)
    on, table_no = entry
    return fields.digits_to(f"{on:%y%m%d}{table_no:02}", length=4)


def holiday_from(octets: bytes | None) -> tuple[date, int] | None:
    """Read a holiday and its day table; None where the entry is not set, or no date at all."""
    try:
        table, day = fields.take(octets or b"", 1, 3)
        return fields.moment_from(day, order="DMY").date(), fields.bcd_from(table)
    except fields.ProtocolError:
        return None


def _zones_to(zones: Sequence[Zone], *, count: int) -> bytes:
    rows = [(zone.start.month, zone.start.day, zone.table_no) for zone in zones]
    return b"".join(_entry_to(*row) for row in _filled(rows, count=count))


def _slots_to(slots: RateSlots, *, count: int) -> bytes:
    rows = [(*divmod(slot.start_min, 60), slot.rate) for slot in slots]
    return b"".join(_entry_to(*row) for row in _filled(rows, count=count))


def _steps_to(prices: PriceTables) -> bytes:
    bounds = [bound_wh // WH_PER_UNIT for bound_wh in prices.bounds_wh] or [0]
    moments = [f"{start.month:02}{start.day:02}00" for start in prices.settlements]
    moments += [NO_SETTLEMENT] * (SETTLEMENTS_SHOWN - len(moments))
    return b"".join(
        [
            *(_amount_to(bound) for bound in _filled(bounds, count=BOUNDS_SHOWN)),
            *(_amount_to(price_e4) for price_e4 in _filled(prices.step_prices_e4, count=BOUNDS_SHOWN + 1)),
            *(fields.digits_to(moment, length=ENTRY_BYTES) for moment in moments),
        ]
    )


def _entry_to(*digits: int) -> bytes:
    return fields.digits_to("".join(f"{part:02}" for part in digits), length=ENTRY_BYTES)


def _amount_to(amount: int) -> bytes:
    return fields.bcd_to(amount, length=AMOUNT_BYTES)


def _filled(entries: Sequence[T], *, count: int) -> list[T]:
    return [*entries, *[entries[-1]] * (count - len(entries))]


def _without_fill(value: bytes, entry_bytes: int) -> bytes:
    last = value[-entry_bytes:]
    while len(value) > entry_bytes and value[-2 * entry_bytes : -entry_bytes] == last:
        value = value[:-entry_bytes]
    return value
