"""The tariff's tables as registers: what is read of them, and what is written into them (11H, 14H).

Lists are given back as they were written. A writer raises `TablesRefused` or `ProtocolError` for what the
meter will not have; zones and day tables are written by the number of their set, prices and steps as spare.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from compuerta.virtual.meter.clock import civil_from_ms, ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.meter.registers import RATE_ALL, WH_PER_UNIT
from compuerta.virtual.meter.tables import (
    BOUNDS_MAX,
    HOLIDAYS_MAX,
    RATES_MAX,
    SETTLEMENTS_MAX,
    Counts,
    Holiday,
    Ladder,
    Settlement,
    Slot,
    Zone,
)
from compuerta.virtual.meter.tariff import TableKind
from compuerta.wire.dlt645.fields import ProtocolError, bcd_from, bcd_to, exact, moment_from, moment_to, take

ENTRY_BYTES: Final = 3  # of a zone, a slot, a settlement
AMOUNT_BYTES: Final = 4
NO_SETTLEMENT: Final = b"\x99\x99\x99"

_COUNT_NAMES: Final = {
    0x04000201: "zones",
    0x04000202: "day_tables",
    0x04000203: "slots",
    0x04000204: "rates",
    0x04000205: "holidays",
    0x04000207: "bounds",
}
_SWITCHES: Final = {
    0x04000106: TableKind.ZONES,
    0x04000107: TableKind.DAY_TABLES,
    0x04000108: TableKind.PRICES,
    0x04000109: TableKind.LADDER,
}


# Counts, switch times, days of rest.


def read_count(core: MeterCore, di: int) -> bytes | None:
    """Return how many entries a kind of table may have (0400020x)."""
    name = _COUNT_NAMES.get(di)
    return None if name is None else bcd_to(_counts(core)[name], length=_count_bytes(di))


def write_count(core: MeterCore, di: int, value: bytes) -> None:
    """Change how many entries a kind of table may have, at once."""
    name = _COUNT_NAMES.get(di)
    if name is None:
        raise ProtocolError(f"no count {di:08X}")
    wanted = _counts(core) | {name: bcd_from(exact(value, length=_count_bytes(di)))}
    core.tariff.set_counts(Counts(**wanted), highest_rate=core.registers.highest_rate())


def read_switch(core: MeterCore, di: int) -> bytes | None:
    """Return when the sets of a kind change places (04000106..09); zeros = they do not."""
    switch_ms = core.tariff.switch_civil_ms(_SWITCHES[di])
    return bytes(5) if switch_ms is None else moment_to(civil_from_ms(switch_ms), order="mhDMY")


def write_switch(core: MeterCore, di: int, value: bytes) -> None:
    """Say when the sets of a kind change places."""
    switch_ms = ms_from_civil(moment_from(value, order="mhDMY"))
    core.tariff.set_switch(_SWITCHES[di], switch_civil_ms=switch_ms, civil_ms=core.civil_ms)


def read_rest_days(core: MeterCore, di: int) -> bytes | None:
    """Return the weekend word (04000801), or the day table of days of rest (04000802)."""
    tariff = core.tariff
    if di & 0xFF == 1:
        return bytes((tariff.weekday_bits,))
    return bcd_to(tariff.rest_table_no, length=1)


def write_rest_days(core: MeterCore, di: int, value: bytes) -> None:
    """Say which days of every week rest, or which day table they follow."""
    tariff, octet = core.tariff, exact(value, length=1)
    if di & 0xFF == 1:
        tariff.set_rest_days(weekday_bits=octet[0], table_no=tariff.rest_table_no)
    else:
        tariff.set_rest_days(weekday_bits=tariff.weekday_bits, table_no=bcd_from(octet))


def read_holiday(core: MeterCore, di: int) -> bytes | None:
    """Return a public holiday (040300nn); zeros = not set."""
    number = di & 0xFF
    if not 1 <= number <= HOLIDAYS_MAX:
        return None
    holiday = core.tariff.holidays.get(number)
    if holiday is None:
        return bytes(4)
    return _entry_to(holiday.on.year % 100, holiday.on.month, holiday.on.day, holiday.table_no)


def write_holiday(core: MeterCore, di: int, value: bytes) -> None:
    """Set a public holiday; zeros take it away."""
    table_no, day = take(value, 1, 3)
    holiday = None
    if any(value):
        holiday = Holiday(on=moment_from(day, order="DMY").date(), table_no=bcd_from(table_no))
    core.tariff.set_holiday(di & 0xFF, holiday)


# Zones and day tables: 0401 is the first set, 0402 the second; entry 0 the zones, 1 to 8 the day tables.


def read_calendar(core: MeterCore, di: int) -> bytes | None:
    """Return the zones, or a day table, of one of the two sets."""
    set_no, table_no = di >> 16 & 0x0F, di & 0xFF
    if table_no == 0:
        zones = core.tariff.zones.set_no(set_no)
        return b"".join(_entry_to(zone.month, zone.day, zone.table_no) for zone in zones)
    if table_no > core.tariff.counts.day_tables:
        return None
    slots = core.tariff.day_tables.set_no(set_no)[table_no - 1]
    return b"".join(_entry_to(slot.hour, slot.minute, slot.rate) for slot in slots)


def write_calendar(core: MeterCore, di: int, value: bytes) -> None:
    """Replace the zones, or a day table, of the set that does not run."""
    set_no, table_no = di >> 16 & 0x0F, di & 0xFF
    entries = [_entry_from(part) for part in _parts(value, length=ENTRY_BYTES)]
    if table_no == 0:
        zones = tuple(Zone(month=month, day=day, table_no=number) for month, day, number in entries)
        core.tariff.set_zones(zones, set_no=set_no)
    else:
        slots = tuple(Slot(hour=hour, minute=minute, rate=rate) for hour, minute, rate in entries)
        core.tariff.set_day_table(slots, set_no=set_no, table_no=table_no)


# Prices of rates: 040501 running, 040502 spare.


def read_prices(core: MeterCore, di: int) -> bytes | None:
    """Return the price of one rate, or (FF) of all that are set."""
    kind, rate = di >> 8 & 0xFF, di & 0xFF
    if kind not in (0x01, 0x02):
        return None
    prices = core.tariff.prices.running if kind == 0x01 else core.tariff.prices.spare
    set_prices = prices[: core.tariff.counts.rates]
    if rate == RATE_ALL:
        return _amounts_to(set_prices)
    return _amounts_to(set_prices[rate - 1 : rate]) if 1 <= rate <= len(set_prices) else None


def write_prices(core: MeterCore, di: int, value: bytes) -> None:
    """Replace the spare price of one rate, or (FF) those of the rates from the first on."""
    rate = di & 0xFF
    prices = _amounts_from(value)
    if rate == RATE_ALL:
        core.tariff.set_spare_prices(prices, first_rate=1)
        return
    if not 1 <= rate <= RATES_MAX or len(prices) != 1:
        raise ProtocolError("one price belongs to one rate", octets=value)
    core.tariff.set_spare_prices(prices, first_rate=rate)


# Steps: bounds and prices of the running and the spare set are read one by one (FF: all), or as a block.
# They are written as a block only: one bound alone would leave a ladder out of order meanwhile.


def read_ladder(core: MeterCore, di: int) -> bytes | None:
    """Return a part of a ladder (040600..03), or a whole one (040604FF running, 040605FF spare)."""
    kind, entry = di >> 8 & 0xFF, di & 0xFF
    ladder = core.tariff.ladder.running if kind in (0x00, 0x01, 0x04) else core.tariff.ladder.spare
    bounds, prices_e4 = _filled(ladder)
    if kind in (0x04, 0x05):
        return _ladder_to(ladder) if entry == RATE_ALL else None
    amounts = {0x00: bounds, 0x01: prices_e4, 0x02: bounds, 0x03: prices_e4}.get(kind, ())
    wanted = amounts if entry == RATE_ALL else amounts[entry - 1 : entry] if entry else ()
    return _amounts_to(wanted) or None


def write_ladder(core: MeterCore, di: int, value: bytes) -> None:
    """Replace the spare ladder (040605FF)."""
    lengths = (AMOUNT_BYTES * BOUNDS_MAX, AMOUNT_BYTES * (BOUNDS_MAX + 1))
    bounds, prices, settlements = take(value, *lengths, ENTRY_BYTES * SETTLEMENTS_MAX)
    moments = [part for part in _parts(settlements, length=ENTRY_BYTES) if part != NO_SETTLEMENT]
    ladder = Ladder(
        bounds_wh=tuple(amount * WH_PER_UNIT for amount in _amounts_from(bounds)),
        prices_e4=_amounts_from(prices),
        settlements=tuple(
            Settlement(month=month, day=day, hour=hour) for month, day, hour in map(_entry_from, moments)
        ),
    )
    core.tariff.set_spare_ladder(ladder)


def _ladder_to(ladder: Ladder) -> bytes:
    bounds, prices_e4 = _filled(ladder)
    settlements = [_entry_to(at.month, at.day, at.hour) for at in ladder.settlements]
    settlements += [NO_SETTLEMENT] * (SETTLEMENTS_MAX - len(settlements))
    return _amounts_to(bounds) + _amounts_to(prices_e4) + b"".join(settlements)


def _filled(ladder: Ladder) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return all six bounds, in units, and all seven prices: the last of each is repeated."""
    missing = BOUNDS_MAX - len(ladder.bounds_wh)
    units = tuple(bound_wh // WH_PER_UNIT for bound_wh in ladder.bounds_wh)
    return units + (units[-1:] or (0,)) * missing, ladder.prices_e4 + ladder.prices_e4[-1:] * missing


# The parts that lists are made of.


def _counts(core: MeterCore) -> dict[str, int]:
    return asdict(core.tariff.counts)


def _count_bytes(di: int) -> int:
    return 2 if _COUNT_NAMES[di] == "holidays" else 1


def _parts(value: bytes, *, length: int) -> list[bytes]:
    return list(take(value, *[length] * max(len(value) // length, 1)))


def _entry_to(*digits: int) -> bytes:
    return b"".join(bcd_to(part, length=1) for part in reversed(digits))


def _entry_from(octets: bytes) -> list[int]:
    return [bcd_from(octets[at : at + 1]) for at in reversed(range(len(octets)))]


def _amounts_to(amounts: Sequence[int]) -> bytes:
    return b"".join(bcd_to(amount, length=AMOUNT_BYTES) for amount in amounts)


def _amounts_from(value: bytes) -> tuple[int, ...]:
    return tuple(bcd_from(part) for part in _parts(value, length=AMOUNT_BYTES))
