"""What a virtual meter answers to a read: one table from data identifiers to bytes.

A reader gets the meter and the whole identifier, so that one reader serves every rate, phase, or entry
of a ring. None means "no such data here", and becomes ERR 02.
"""

from collections.abc import Callable
from typing import Final

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import MeterEvent, Relay
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter import history, tariff_registers, wiring
from compuerta.virtual.meter.clock import civil_from_ms
from compuerta.virtual.meter.core import MINUTE_MS, MeterCore
from compuerta.virtual.meter.registers import (
    ENTRY_ALL,
    RATE_ALL,
    RATES_SHOWN_MIN,
    WH_PER_UNIT,
    energy_block,
    energy_units,
)
from compuerta.virtual.meter.wiring import Phase
from compuerta.wire.dlt645.fields import bcd_to, digits_to, moment_to, signed_bcd_to

Reader = Callable[[MeterCore, int], bytes | None]

CONSTANT_IMP_PER_KWH = 1_600
FREQUENCY_CHZ = 5_000
TEMPERATURE_DC = 250
BATTERY_CV = 360


def read(core: MeterCore, di: int) -> bytes | None:
    """Return the value of a data identifier as the wire carries it; None = no such data here."""
    for mask, wanted, reader in _READERS:
        if di & mask == wanted:
            return reader(core, di)
    return None


def status_words(core: MeterCore) -> tuple[int, ...]:
    """Return the seven status words, DL/T 645-2007 with the filings of 2009 and 2013."""
    owes = core.purse is not None and core.purse.balance_minor < 0
    phases, nominal_dv, load_w = core.phases, core.setup.voltage_dv, core.load_w
    backwards, word_2 = wiring.direction_words(phases)
    neutral_ma = wiring.neutral_ma(core.wiring, load_w=load_w, nominal_dv=nominal_dv)
    word_7 = (
        wiring.unbalance_bits(phases, neutral_ma=neutral_ma)
        | core.cover_open << 9
        | core.terminal_cover_open << 10
    )
    notice = wiring.Notice(overloaded=core.is_overloaded, over_current_ma=core.limits.over_current_ma)
    faults = wiring.phase_words(
        phases, wiring=core.wiring, nominal_dv=nominal_dv, notice=notice, flows=load_w > 0
    )
    return (owes << 14 | backwards, word_2, _status_word_3(core), *faults, word_7)


def _status_word_3(core: MeterCore) -> int:
    holds_money = core.setup.credit_authority is CreditAuthority.METER
    # Bit 6 is what the relay was told: a permitted close has been told to close, and is open still.
    told_to_open = core.wish is Relay.OPEN
    tariff = core.tariff
    return (
        tariff.day_tables.second_runs << 0
        | core.programming_key << 3
        | (not core.contact_closed) << 4
        | tariff.zones.second_runs << 5
        | told_to_open << 6
        | core.pre_trip_alarm << 7
        | (0b10 if holds_money else 0b00) << 8
        | tariff.prices.second_runs << 10
        | tariff.ladder.second_runs << 11
        | core.keep_power << 12
        | core.identity_is_valid << 13
        | (0b11 if core.customer_no is None else 0b00) << 14
    )


# Energy and instantaneous values.


def _forward_energy(core: MeterCore, di: int) -> bytes | None:
    rate, day = di >> 8 & 0xFF, di & 0xFF
    days = range(13) if day == ENTRY_ALL else range(day, day + 1) if day <= 12 else range(0)
    blocks = [_energy_at(core, ago, rate) for ago in days]
    if not blocks or None in blocks:
        return None
    return b"".join(block for block in blocks if block is not None)


def _energy_at(core: MeterCore, settlements_ago: int, rate: int) -> bytes | None:
    if settlements_ago == 0:
        return energy_block(core.energy_wh, core.rates_wh, rate)
    kept, rates = core.records.settlements, core.tariff.rates_shown
    if settlements_ago > len(kept):
        return energy_block(0, [0] * rates, rate)
    frozen = kept[settlements_ago - 1]
    since_then = [0] * (rates - len(frozen.rates_wh))  # rates that the meter did not have yet
    return energy_block(frozen.energy_wh, [*frozen.rates_wh, *since_then], rate)


def _reverse_energy(core: MeterCore, di: int) -> bytes | None:
    rates, ago = core.tariff.rates_shown, di & 0xFF
    if ago:  # settlements freeze the forward registers alone
        return energy_block(0, [0] * rates, di >> 8 & 0xFF) if ago <= 12 else None
    registers = core.registers
    back_wh = registers.back_units * WH_PER_UNIT
    return energy_block(back_wh, registers.back_rates_wh(rates=rates), di >> 8 & 0xFF)


def _period_energy(core: MeterCore, di: int) -> bytes | None:
    registers = core.registers
    periods = {0x0B: registers.window, 0x0C: registers.month, 0x0D: registers.year}
    period = periods[di >> 16]
    if di & 0xFF > 1:
        return None
    units = period.previous_units if di & 0xFF else registers.units - period.start_units
    return energy_units(units * WH_PER_UNIT)


def _per_phase(value: Callable[[Phase], int], *, length: int) -> Reader:
    """The three phases of a register, or one; those that a single-phase meter lacks are there and zero."""

    def reader(core: MeterCore, di: int) -> bytes | None:
        values = [signed_bcd_to(value(phase), length=length) for phase in core.phases]
        values += [bytes(length)] * (3 - len(values))
        phase_no = di >> 8 & 0xFF
        if phase_no == RATE_ALL:
            return b"".join(values)
        return values[phase_no - 1] if 1 <= phase_no <= 3 else None

    return reader


def _with_total(value: Callable[[Phase], int], *, total: Callable[[MeterCore], int], length: int) -> Reader:
    phases = _per_phase(value, length=length)

    def reader(core: MeterCore, di: int) -> bytes | None:
        phase_no = di >> 8 & 0xFF
        whole = signed_bcd_to(total(core), length=length)
        if phase_no == RATE_ALL:
            return whole + (phases(core, di) or b"")
        return whole if phase_no == 0 else phases(core, di)

    return reader


def _power_steps(core: MeterCore) -> int:
    return core.power_w * 10  # XX.XXXX kW


def _neutral_current(core: MeterCore, di: int) -> bytes:
    current_ma = wiring.neutral_ma(core.wiring, load_w=core.load_w, nominal_dv=core.setup.voltage_dv)
    return signed_bcd_to(current_ma, length=3)


_POWERS: Final = _with_total(lambda phase: phase.power_w * 10, total=_power_steps, length=3)


def _power_factor(core: MeterCore, di: int) -> bytes | None:
    one, phases, phase_no = bcd_to(1_000, length=2), core.setup.phases, di >> 8 & 0xFF
    values = [one] * (1 + phases) + [bytes(2)] * (3 - phases)
    if phase_no == RATE_ALL:
        return b"".join(values)
    return values[phase_no] if phase_no <= 3 else None


def _constantly(value: int, *, length: int) -> Reader:
    octets = bcd_to(value, length=length)
    return lambda core, di: octets


def _price(core: MeterCore, di: int) -> bytes:
    price = core.price
    prices_e4 = {0x0B: price.step_price_e4, 0x20: price.price_e4, 0x21: price.rate_price_e4}
    return bcd_to(prices_e4[di & 0xFF], length=4)


def _identity_left(core: MeterCore, di: int) -> bytes:
    left_ms = max(core.identity_until_ms - core.now_ms, 0)
    return bcd_to(-(-left_ms // MINUTE_MS), length=2)


# Money.


def _money(core: MeterCore, di: int) -> bytes | None:
    balance_minor = core.balance_minor
    if balance_minor is None:
        return None
    return bcd_to(max(-balance_minor if di & 0xFF else balance_minor, 0), length=4)


def _limit(name: str, *, length: int, scale: int = 1) -> Reader:
    return lambda core, di: bcd_to(int(getattr(core.limits, name)) * scale, length=length)


def _over_current(core: MeterCore, di: int) -> bytes:
    return bcd_to(core.limits.over_current_ma // 100, length=2)


def _money_limit(name: str) -> Reader:
    limit = _limit(name, length=4)
    return lambda core, di: None if core.purse is None else limit(core, di)


# Parameters.


def _clock(order: str) -> Reader:
    return lambda core, di: moment_to(civil_from_ms(core.civil_ms), order=order)


def _own_number(core: MeterCore, di: int) -> bytes:
    return digits_to(core.meter_no, length=6)


def _customer_no(core: MeterCore, di: int) -> bytes:
    return digits_to(core.customer_no or "0" * 12, length=6)


def _run_feature_word(core: MeterCore, di: int) -> bytes:
    return bytes((core.run_feature_word,))


def _status(core: MeterCore, di: int) -> bytes | None:
    octets = [word.to_bytes(2, "little") for word in status_words(core)]
    word_no = di & 0xFF
    if word_no == ENTRY_ALL:
        return b"".join(octets)
    return octets[word_no - 1] if 1 <= word_no <= len(octets) else None


# The vendor's bulk block, laid out as in the captures R44 and R45 (65 bytes); nobody knows the last word.


def _vendor_bulk(core: MeterCore, di: int) -> bytes | None:
    if core.setup.layout is not RechargeLayout.VENDOR:
        return None
    voltage, current = bcd_to(core.setup.voltage_dv, length=2), signed_bcd_to(core.current_ma, length=3)
    power = signed_bcd_to(_power_steps(core), length=3)
    energy = energy_block(core.energy_wh, core.rates_wh[:RATES_SHOWN_MIN], RATE_ALL)
    factor = bcd_to(1_000 if core.power_w else 0, length=2)
    assert energy is not None
    return (
        (_money(core, 0) or bytes(4))
        + (_money(core, 1) or bytes(4))
        + voltage + bytes(4)
        + current + bytes(6)
        + power + power + bytes(6)
        + factor + factor + bytes(4)
        + energy
        + bytes(2)
    )  # fmt: skip


_READERS: Final[tuple[tuple[int, int, Reader], ...]] = (
    # mask, identifier under the mask, reader: the first that fits answers
    (0xFFFF0000, 0x00000000, _forward_energy),  # combined = forward: nothing flows back
    (0xFFFF0000, 0x00010000, _forward_energy),
    (0xFFFF0000, 0x00020000, _reverse_energy),
    (0xFFFFFF00, 0x000B0000, _period_energy),
    (0xFFFFFF00, 0x000C0000, _period_energy),
    (0xFFFFFF00, 0x000D0000, _period_energy),
    (0xFFFFFFFE, 0x00900200, _money),
    (0xFFFF00FF, 0x02010000, _per_phase(lambda phase: phase.voltage_dv, length=2)),
    (0xFFFF00FF, 0x02020000, _per_phase(lambda phase: phase.current_ma, length=3)),
    (0xFFFF00FF, 0x02030000, _POWERS),
    (0xFFFF00FF, 0x02040000, _with_total(lambda phase: 0, total=lambda core: 0, length=3)),
    (0xFFFF00FF, 0x02050000, _POWERS),
    (0xFFFF00FF, 0x02060000, _power_factor),
    (0xFFFFFFFF, 0x02800001, _neutral_current),
    (0xFFFFFFFF, 0x02800002, _constantly(FREQUENCY_CHZ, length=2)),
    (0xFFFFFFFF, 0x02800007, _constantly(TEMPERATURE_DC, length=2)),
    (0xFFFFFFFF, 0x02800008, _constantly(BATTERY_CV, length=2)),
    (0xFFFFFFFF, 0x0280000B, _price),
    (0xFFFFFFFE, 0x02800020, _price),
    (0xFFFFFFFF, 0x02800022, _identity_left),
    (0xFFFFFFFF, 0x028011FF, _vendor_bulk),
    (0xFFFFFFFF, 0x04000101, _clock("WDMY")),
    (0xFFFFFFFF, 0x04000102, _clock("smh")),
    (0xFFFFFFFF, 0x0400010C, _clock("smhWDMY")),
    (0xFFFFFFFE, 0x04000106, tariff_registers.read_switch),
    (0xFFFFFFFE, 0x04000108, tariff_registers.read_switch),
    (0xFFFFFFF8, 0x04000200, tariff_registers.read_count),
    (0xFFFFFFFE, 0x04000306, _constantly(1, length=3)),
    (0xFFFFFFFF, 0x04000401, _own_number),
    (0xFFFFFFFF, 0x04000402, _own_number),
    (0xFFFFFFFF, 0x0400040E, _customer_no),
    (0xFFFFFFFF, 0x04000409, _constantly(CONSTANT_IMP_PER_KWH, length=3)),
    (0xFFFFFFFF, 0x0400040A, _constantly(CONSTANT_IMP_PER_KWH, length=3)),
    (0xFFFFFF00, 0x04000500, _status),
    (0xFFFFFFFF, 0x04000801, tariff_registers.read_rest_days),
    (0xFFFFFFFF, 0x04000802, tariff_registers.read_rest_days),
    (0xFFFFFFFF, 0x04001001, _money_limit("alarm_1_minor")),
    (0xFFFFFFFF, 0x04001002, _money_limit("alarm_2_minor")),
    (0xFFFFFFFF, 0x04001003, _money_limit("overdraft_minor")),
    (0xFFFFFFFF, 0x04001004, _money_limit("hoarding_minor")),
    (0xFFFFFFFF, 0x04001005, _money_limit("permit_minor")),
    (0xFFFFFFFF, 0x04001101, _run_feature_word),
    (0xFFFFFFFF, 0x04001401, _limit("trip_delay_min", length=2)),
    (0xFFFFFFFF, 0x04001402, _limit("protected_current_ma", length=3)),
    (0xFFFFFFFF, 0x04001403, _limit("protection_min", length=2)),
    (0xFFFFFFF0, 0x04010000, tariff_registers.read_calendar),
    (0xFFFFFFF0, 0x04020000, tariff_registers.read_calendar),
    (0xFFFFFF00, 0x04030000, tariff_registers.read_holiday),
    (0xFFFF0000, 0x04050000, tariff_registers.read_prices),
    (0xFFFF0000, 0x04060000, tariff_registers.read_ladder),
    (0xFFFFFFFF, 0x04090801, _over_current),
    (0xFFFFFFFF, 0x04090B01, _limit("power_w_max", length=3, scale=10)),
    (0xFFFFFFFF, 0x04090B02, _limit("overload_min", length=1)),
    (0xFFFF0000, 0x05010000, history.instant_freeze),
    (0xFFFF0000, 0x05020000, history.switch_freeze),
    (0xFFFF0000, 0x05030000, history.switch_freeze),
    (0xFFFF0000, 0x05040000, history.hourly_freeze),
    (0xFFFF0000, 0x05050000, history.switch_freeze),
    (0xFFFF0000, 0x05060000, history.daily_freeze),
    (0xFFFF0000, 0x05070000, history.switch_freeze),
    (0xFFFFFF00, 0x03300D00, history.spells_of(MeterEvent.COVER)),
    (0xFFFFFF00, 0x03300E00, history.spells_of(MeterEvent.TERMINAL_COVER)),
    (0xFFFFFF00, 0x03350000, history.spells_of(MeterEvent.MAGNET)),
    (0xFFFFFF00, 0x03360000, history.spells_of(MeterEvent.SWITCH_FAILURE)),
    (0xFFFF0000, 0x19000000, history.spells_by_filing(MeterEvent.OVER_CURRENT)),
    (0xFFFF0000, 0x1B000000, history.spells_by_filing(MeterEvent.REVERSE_FLOW)),
    (0xFFFF0000, 0x1C000000, history.spells_by_filing(MeterEvent.OVERLOAD)),
    (0xFFFFFFFF, 0x03110000, history.power_downs),
    (0xFFFF0000, 0x1D000000, history.trips),
    (0xFFFF0000, 0x1E000000, history.closings),
    (0xFFFF0000, 0x03330000, history.purchases),
    (0xFFFF0000, 0x03340000, history.refunds),
)
