"""The rings of a meter as registers: freezes, spells, switchings, purchases; entry 1 is the newest.

An entry that was never written is zeros, as in a meter fresh from the factory.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from compuerta.drivers.abilities import MeterEvent
from compuerta.virtual.meter.clock import civil_from_ms
from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.meter.records import RECORDS_KEPT_MAX, Freeze, Purchase, Spell, Switching
from compuerta.virtual.meter.registers import ENTRY_ALL, RATE_ALL, energy_block, energy_units
from compuerta.virtual.meter.tariff import TableKind
from compuerta.wire.dlt645.fields import bcd_to, moment_to

T = TypeVar("T")

_SWITCH_FREEZES = {
    0x02: TableKind.ZONES,
    0x03: TableKind.DAY_TABLES,
    0x05: TableKind.PRICES,
    0x07: TableKind.LADDER,
}
_REMAINING_MONEY = 0x0B
_SPELL_BYTES = 60
_SWITCHING_BYTES = 34
_PURCHASE_PARTS_BYTES = (5, 2, 4, 4, 4, 4)
_REFUND_PARTS_BYTES = (5, 2, 4, 4, 4)


def daily_freeze(core: MeterCore, di: int) -> bytes | None:
    """Return a part of the freeze of nn midnights ago (0506); of a meter with money what remained (0B)."""
    freezes, what, entry = core.records.daily_freezes, di >> 8 & 0xFF, di & 0xFF
    if what != _REMAINING_MONEY:
        return _frozen(freezes, what=what, entry=entry)
    balance_minor = freezes[entry - 1].balance_minor if 1 <= entry <= len(freezes) else None
    return None if balance_minor is None else bcd_to(max(balance_minor, 0), length=4)


def instant_freeze(core: MeterCore, di: int) -> bytes | None:
    """Return a part of a freeze that was ordered (0501)."""
    return _frozen(core.records.instant_freezes, what=di >> 8 & 0xFF, entry=di & 0xFF)


def switch_freeze(core: MeterCore, di: int) -> bytes | None:
    """Return a part of a freeze at which tables changed places: 0502, 0503, 0505 prices, 0507 ladders."""
    kind = _SWITCH_FREEZES[di >> 16 & 0xFF]
    return _frozen(core.records.switch_freezes[kind], what=di >> 8 & 0xFF, entry=di & 0xFF)


def hourly_freeze(core: MeterCore, di: int) -> bytes | None:
    """Return a part of the freeze of nn hours ago (0504): its time and the totals, without rates."""
    freezes, entry = core.records.hourly_freezes, di & 0xFF
    if not 1 <= entry <= len(freezes):
        return None
    freeze = freezes[entry - 1]
    return _parts_of_freeze(civil_from_ms(freeze.civil_ms), freeze.energy_wh, ()).get(di >> 8 & 0xFF)


def spells_of(event: MeterEvent) -> Callable[[MeterCore, int], bytes | None]:
    """Return the reader of a count (entry 0) and of the last ten records of it (0330, 0335, 0336)."""

    def reader(core: MeterCore, di: int) -> bytes | None:
        if di & 0xFF == 0:
            return bcd_to(core.records.counts[event], length=3)
        return _entry(core.records.spells[event], di & 0xFF, _spell, zeros=_SPELL_BYTES)

    return reader


def spells_by_filing(event: MeterEvent) -> Callable[[MeterCore, int], bytes | None]:
    """Return the reader of the same in the filing of 2009: count xx000001, records xx00FFnn."""

    def reader(core: MeterCore, di: int) -> bytes | None:
        what, entry = di >> 8 & 0xFF, di & 0xFF
        if (what, entry) == (0x00, 0x01):
            return bcd_to(core.records.counts[event], length=3)
        if what != ENTRY_ALL:
            return None
        return _entry(core.records.spells[event], entry, _spell, zeros=_SPELL_BYTES)

    return reader


def power_downs(core: MeterCore, di: int) -> bytes | None:
    """Return the number of power cuts (0311)."""
    return bcd_to(core.records.counts[MeterEvent.POWER_DOWN], length=3)


def trips(core: MeterCore, di: int) -> bytes | None:
    """Return the number of trips, or one of the last ten (1D)."""
    return _switchings(core.records.trips, core.records.counts[MeterEvent.TRIP], di)


def closings(core: MeterCore, di: int) -> bytes | None:
    """Return the number of closings, or one of the last ten (1E)."""
    return _switchings(core.records.closings, core.records.counts[MeterEvent.CLOSE], di)


def purchases(core: MeterCore, di: int) -> bytes | None:
    """Return one part, or all, of one of the last ten recharges (0333)."""
    if core.purse is None:
        return None
    return _parts_of(core.records.purchases, di, _PURCHASE_PARTS_BYTES)


def refunds(core: MeterCore, di: int) -> bytes | None:
    """Return one part, or all, of one of the last ten refunds (0334)."""
    if core.purse is None:
        return None
    return _parts_of(core.records.refunds, di, _REFUND_PARTS_BYTES)


def _entry(ring: Sequence[T], entry: int, octets: Callable[[T], bytes], *, zeros: int) -> bytes | None:
    if not 1 <= entry <= RECORDS_KEPT_MAX:
        return None
    return octets(ring[entry - 1]) if entry <= len(ring) else bytes(zeros)


def _frozen(freezes: Sequence[Freeze], *, what: int, entry: int) -> bytes | None:
    if not 1 <= entry <= len(freezes):
        return None
    freeze = freezes[entry - 1]
    return _parts_of_freeze(freeze.at, freeze.energy_wh, freeze.rates_wh).get(what)


def _parts_of_freeze(at: datetime, energy_wh: int, rates_wh: tuple[int, ...]) -> dict[int, bytes]:
    moment = moment_to(at, order="mhDMY")
    forward = energy_block(energy_wh, rates_wh, RATE_ALL)
    assert forward is not None
    reverse = bytes(len(forward))
    return {0x00: moment, 0x01: forward, 0x02: reverse, ENTRY_ALL: moment + forward + reverse}


def _spell(spell: Spell) -> bytes:
    end = bytes(6) if spell.end is None else moment_to(spell.end, order="smhDMY")
    before, after = energy_units(spell.energy_wh_start), energy_units(spell.energy_wh_end or 0)
    # Each energy is forward active, reverse active and four reactive quadrants.
    return moment_to(spell.start, order="smhDMY") + end + before + bytes(20) + after + bytes(20)


def _switchings(ring: Sequence[Switching], count: int, di: int) -> bytes | None:
    what, entry = di >> 8 & 0xFF, di & 0xFF
    if (what, entry) == (0x00, 0x01):
        return bcd_to(count, length=3)
    return _entry(ring, entry, _switching, zeros=_SWITCHING_BYTES) if what == ENTRY_ALL else None


def _switching(switching: Switching) -> bytes:
    moment = moment_to(switching.at, order="smhDMY")
    return moment + switching.operator + energy_units(switching.energy_wh) + bytes(20)


def _parts_of(ring: Sequence[Purchase], di: int, lengths: tuple[int, ...]) -> bytes | None:
    part_no, entry = di >> 8 & 0xFF, di & 0xFF
    whole = _entry(ring, entry, _purchase, zeros=sum(lengths))
    if whole is None or part_no == ENTRY_ALL:
        return None if whole is None else whole[: sum(lengths)]
    if not 1 <= part_no <= len(lengths):
        return None
    start = sum(lengths[: part_no - 1])
    return whole[start : start + lengths[part_no - 1]]


def _purchase(purchase: Purchase) -> bytes:
    return (
        _moment(purchase.at)
        + bcd_to(purchase.purchase_no % 10_000, length=2)
        + bcd_to(purchase.amount_minor, length=4)
        + bcd_to(max(purchase.before_minor, 0), length=4)
        + bcd_to(max(purchase.after_minor, 0), length=4)
        + bcd_to(purchase.total_minor % 10**8, length=4)
    )


def _moment(at: datetime) -> bytes:
    return moment_to(at, order="mhDMY")
