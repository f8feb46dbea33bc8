"""How many bytes the conversations with a model take, so that a bus can be planned before it is laid.

These are the exchanges that the drivers have when all goes well; `tests/unit/services/test_bus_planning.py`
holds them against the drivers themselves, speaking to virtual meters.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.drivers.modbus_map import CLOCK_WORDS, ModbusMap, words_of
from compuerta.drivers.model import Model, Quantity, RechargeLayout
from compuerta.wire import dlt645, modbus

RATES: Final = 4  # that a meter has beside its total
_FRAME_BYTES: Final = 16  # of DL/T 645 around its data, with four FE before it
_IDENTIFIER_BYTES: Final = 4
_READ_BYTES: Final = _FRAME_BYTES + _IDENTIFIER_BYTES
_RTU_BYTES: Final = 8  # of a request to read, and of most answers to a write
_RTU_AROUND_BYTES: Final = 5  # of an answer that brings registers
_WRITE_AROUND_BYTES: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer, in bytes on the wire."""

    request_bytes: int
    answer_bytes: int


# DL/T 645-2007 with the prepayment part: identity, recharge, count; a vendor's order by order number.
_IDENTITY: Final = Exchange(request_bytes=48, answer_bytes=32)
_RECHARGE: Final = Exchange(request_bytes=46, answer_bytes=20)
_VENDOR_RECHARGE: Final = Exchange(request_bytes=50, answer_bytes=20)
_STATUS: Final = Exchange(request_bytes=24, answer_bytes=46)
_SWITCH: Final = Exchange(request_bytes=32, answer_bytes=16)


def poll_effort(model: Model) -> list[Exchange]:
    """Return the exchanges that read all of a meter's state."""
    if model.modbus is not None:
        return _modbus_poll(model.modbus)
    energy = Quantity.ENERGY_RATES if Quantity.ENERGY_RATES in model.registers else Quantity.ENERGY
    exchanges = _reads(model, energy, Quantity.STATUS_WORDS)
    if model.recharge is RechargeLayout.STANDARD:
        exchanges += [_STATUS]
    if model.recharge is RechargeLayout.VENDOR:
        exchanges += _reads(model, Quantity.PURCHASE_RECORD)
    if model.recharge is not None:
        exchanges += _reads(model, Quantity.BALANCE, Quantity.OVERDRAFT)  # the second, where nothing is left
    exchanges += _reads(model, Quantity.POWER, Quantity.CLOCK)
    return exchanges + [_read(identifier) for identifier in model.events.values()]


def supply_effort(model: Model) -> list[Exchange]:
    """Return the exchanges from a payment to light: what credits the meter, and what closes its relay.

    Empty for a model that can be neither recharged nor switched.
    """
    if model.modbus is not None:
        return _modbus_switch(model.modbus)
    relay = _reads(model, Quantity.STATUS_WORDS)
    switch = [*_reads(model, Quantity.CLOCK), _SWITCH, *relay]
    if model.recharge is None:
        return relay + switch
    if model.recharge is RechargeLayout.STANDARD:
        return [_IDENTITY, _RECHARGE, _STATUS, *relay, *switch]
    record = _reads(model, Quantity.PURCHASE_RECORD)
    return [*record, _VENDOR_RECHARGE, *record, *_reads(model, Quantity.BALANCE), *relay, *switch]


def _reads(model: Model, *quantities: Quantity) -> list[Exchange]:
    return [_read(model.registers[each]) for each in quantities if each in model.registers]


def _read(identifier: int) -> Exchange:
    return Exchange(request_bytes=_READ_BYTES, answer_bytes=_READ_BYTES + _value_bytes(identifier))


def _value_bytes(identifier: int) -> int:
    register = dlt645.lookup(identifier)
    if register is None:
        return dlt645.frame.DATA_BYTES_MAX - _IDENTIFIER_BYTES
    repeated = RATES * register.repeated.length if register.repeated else 0
    return sum(field.length for field in register.fields) + repeated


def _modbus_poll(registers: ModbusMap) -> list[Exchange]:
    exchanges = [_words(words_of(registers.energy_at_once))]
    if registers.relay is not None:
        exchanges.append(_words(1))
    if registers.power is not None:
        exchanges.append(_words(registers.power.layout.words))
    if registers.clock is not None:
        exchanges.append(_words(CLOCK_WORDS))
    return exchanges


def _modbus_switch(registers: ModbusMap) -> list[Exchange]:
    if registers.closes is None:
        return []
    witness: list[Exchange] = []
    if registers.relay is not None:
        witness = [_words(1)]
    elif registers.power is not None:
        witness = [_words(registers.power.layout.words)]
    return [*witness, _write(registers.closes), *witness]


def _write(request: modbus.Request) -> Exchange:
    if isinstance(request, modbus.WriteRegisters):
        return Exchange(request_bytes=_WRITE_AROUND_BYTES + 2 * len(request.values), answer_bytes=_RTU_BYTES)
    return Exchange(request_bytes=_RTU_BYTES, answer_bytes=_RTU_BYTES)


def _words(count: int) -> Exchange:
    return Exchange(request_bytes=_RTU_BYTES, answer_bytes=_RTU_AROUND_BYTES + 2 * count)
