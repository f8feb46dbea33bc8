"""Conversations with Modbus meters, which measure and switch while the platform keeps the money.

The rule is that of all drivers: a meter's "yes" is not the deed. Modbus makes it sharper, because an echoed
request looks like the "yes" to it. Where the model has a register that shows the relay, a switch is done when
that says so. Where it has none, power is the witness: it flows only through a closed relay, and where it
flowed before a cut and flows no more, the cut is done. Where no power flows either way nobody can tell, and
the switch stays accepted.
"""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from compuerta.domain.freeze import CLOCK_OFF_MAX
from compuerta.drivers.abilities import (
    ClockOrder,
    Ending,
    FreezeOrder,
    LimitsOrder,
    MeterState,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
    TariffOrder,
    WithdrawalOrder,
)
from compuerta.drivers.modbus_map import CLOCK_WORDS, ModbusMap, Point, words_of
from compuerta.drivers.talk import CLOCK_OFF_MAX as CLOCK_SET_OFF_MAX
from compuerta.drivers.talk import MeterIdentity, MeterRefused, MeterSilent
from compuerta.wire import modbus
from compuerta.wire.modbus import Denial

__all__ = ["Conversation", "Reply", "converse"]

Reply = modbus.Answer | modbus.Silent
Conversation = Generator[modbus.Request, Reply, Result]
T = TypeVar("T")
Asking = Generator[modbus.Request, Reply, T]  # a part of a conversation

VERIFY_READS_MAX: Final = 3  # a relay moves within a tenth of a second; three reads last longer on any road
# What flows below this may come and go by itself in the second of a cut: a charger, a lamp.
WITNESS_W_MIN: Final = 20
NO_RELAY_SHOWN: Final = "relay_not_shown"  # the meter said yes, and nothing tells what it did
POWER_FELL: Final = "power_fell_to_zero"  # the proof of a cut that no register shows
_BUSY: Final = frozenset({Denial.ACKNOWLEDGE, Denial.DEVICE_BUSY})
_NOBODY_THERE: Final = frozenset({Denial.PATH_UNAVAILABLE, Denial.TARGET_SILENT})


def converse(order: Order, *, registers: ModbusMap, meter: MeterIdentity) -> Conversation:
    """Return the conversation that carries out `order`.

    It looks before it switches, so an order may be sent again at will. It never raises: silence, exceptions
    and answers that make no sense are endings of the result.
    """
    talk = _Talk(registers=registers, meter=meter)
    try:
        match order:
            case ReadOrder():
                return (yield from _read_all(talk, order))
            case SwitchOrder():
                return (yield from _switch(talk, order))
            case ClockOrder():
                return (yield from _set_clock(talk, order))
            case RechargeOrder() | WithdrawalOrder():
                return talk.result(Ending.REFUSED, "model_keeps_no_money")
            case LimitsOrder():
                return talk.result(Ending.REFUSED, "model_takes_no_limits")
            case TariffOrder():
                return talk.result(Ending.REFUSED, "model_takes_no_tables")
            case FreezeOrder():
                return talk.result(Ending.REFUSED, "model_keeps_no_midnights")
    except MeterSilent:
        return talk.result(Ending.SILENT, "no_answer")
    except MeterRefused as refused:
        return talk.result(refused.ending, refused.reason)
    except modbus.ProtocolError:
        return talk.result(Ending.SILENT, "answer_malformed")


class _Talk:
    """One conversation's facts, and what it has learned so far."""

    __slots__ = ("meter", "registers", "state")

    def __init__(self, *, registers: ModbusMap, meter: MeterIdentity) -> None:
        self.registers = registers
        self.meter = meter
        self.state = MeterState()

    def result(self, ending: Ending, reason: str = "") -> Result:
        """Return an end with all that was learned."""
        return Result(ending=ending, state=self.state, reason=reason)

    def ask(self, request: modbus.Request) -> Asking[modbus.Answer]:
        """Return the answer; raises `MeterSilent` where none came, and `MeterRefused` for an exception."""
        reply = yield request
        if isinstance(reply, modbus.Silent):
            raise MeterSilent(self.meter.meter_no)
        if isinstance(reply, modbus.Refusal):
            if reply.code in _NOBODY_THERE:  # a gateway speaks for a meter that does not
                raise MeterSilent(self.meter.meter_no)
            if reply.code in _BUSY:
                raise MeterRefused(ending=Ending.BUSY, reason="meter_busy")
            raise MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")
        return reply

    def words(self, bank: modbus.Bank, start: int, count: int) -> Asking[bytes]:
        """Return registers as they lay on the wire."""
        answer = yield from self.ask(modbus.ReadRegisters(bank=bank, start=start, quantity=count))
        if not isinstance(answer, modbus.Registers):
            raise modbus.ProtocolError("no registers")
        return answer.octets

    def numbers(self, points: tuple[Point, ...]) -> Asking[list[int]]:
        """Return numbers that lie one behind the other, read in one exchange, in whole units."""
        octets = yield from self.words(points[0].bank, points[0].at, words_of(points))
        numbers = []
        for point in points:
            size = 2 * point.layout.words
            numbers.append(modbus.nearest(modbus.decode_number(octets[:size], point.layout) * point.unit))
            octets = octets[size:]
        return numbers

    def energy(self) -> Asking[None]:
        """Read the total and its rates; rates that do not add up to it are no fact."""
        energy_wh, *rates_wh = yield from self.numbers(self.registers.energy_at_once)
        adds_up = bool(rates_wh) and sum(rates_wh) == energy_wh
        self.state = replace(self.state, energy_wh=energy_wh, rates_wh=tuple(rates_wh) if adds_up else None)

    def power(self) -> Asking[int | None]:
        """Return the power in watts; None where the model has no register of it."""
        if self.registers.power is None:
            return None
        [power_w] = yield from self.numbers((self.registers.power,))
        self.state = replace(self.state, power_w=power_w)
        return power_w

    def relay(self) -> Asking[Relay | None]:
        """Return the relay as it shows, or closed where power flows; None where nobody can tell."""
        point = self.registers.relay
        if point is None:
            power_w = yield from self.power()
            relay = Relay.CLOSED if power_w is not None and abs(power_w) >= WITNESS_W_MIN else None
        else:
            word = int.from_bytes((yield from self.words(point.bank, point.at, 1)))
            relay = Relay.CLOSED if word in point.closed else Relay.OPEN if word in point.open else None
        self.state = replace(self.state, relay=relay)
        return relay

    def clock(self) -> Asking[datetime | None]:
        """Return the meter's clock: naive civil time, as it shows it; None where it has none."""
        point = self.registers.clock
        if point is None:
            return None
        octets = yield from self.words(modbus.Bank.HOLDING, point.at, CLOCK_WORDS)
        clock = modbus.decode_clock(octets, bcd=point.bcd)
        self.state = replace(self.state, clock=clock)
        return clock

    def set_clock(self, now: datetime) -> Asking[bool]:
        """Set the clock, and tell whether it then showed the time that was set."""
        point = self.registers.clock
        if point is None:
            raise MeterRefused(ending=Ending.REFUSED, reason="model_has_no_clock")
        octets = modbus.encode_clock(now, bcd=point.bcd)
        values = tuple(int.from_bytes(octets[at : at + 2]) for at in range(0, len(octets), 2))
        yield from self.ask(modbus.WriteRegisters(start=point.at, values=values))
        clock = yield from self.clock()
        return clock is not None and abs(clock - now) <= CLOCK_SET_OFF_MAX


def _read_all(talk: _Talk, order: ReadOrder) -> Conversation:
    yield from talk.energy()
    relay_shown = talk.registers.relay is not None
    yield from talk.relay()
    if relay_shown:  # where it is not, its power was read in its place
        yield from talk.power()
    clock = yield from talk.clock()
    if order.now is None or clock is None or abs(clock - order.now) <= CLOCK_OFF_MAX:
        return talk.result(Ending.DONE)
    try:
        is_set = yield from talk.set_clock(order.now)
    except MeterRefused:
        is_set = False
    talk.state = replace(talk.state, clock_found=clock)
    return talk.result(Ending.DONE, "clock_set" if is_set else "clock_not_set")


def _set_clock(talk: _Talk, order: ClockOrder) -> Conversation:
    if (yield from talk.set_clock(order.now)):
        return talk.result(Ending.DONE)
    return talk.result(Ending.ACCEPTED, "not_read_back")


def _switch(talk: _Talk, order: SwitchOrder) -> Conversation:
    """Move the relay; what holds already is not sent again.

    A command has no "valid until" on this wire: what can be late must not be sent by a road that stores it.
    """
    wanted = Relay.CLOSED if order.relay is Relay.CLOSED else Relay.OPEN
    request = talk.registers.closes if wanted is Relay.CLOSED else talk.registers.opens
    if request is None:
        return talk.result(Ending.REFUSED, "model_cannot_switch")
    if order.permits and wanted is Relay.CLOSED:
        # It would close at once, and whoever wished for a button had a reason.
        return talk.result(Ending.REFUSED, "model_cannot_permit")
    before = yield from talk.relay()
    if before is wanted:
        return talk.result(Ending.DONE)
    yield from talk.ask(request)
    for _ in range(VERIFY_READS_MAX):
        relay = yield from talk.relay()
        if relay is wanted:
            return talk.result(Ending.DONE)
        if talk.registers.relay is None and before is Relay.CLOSED and talk.state.power_w == 0:
            talk.state = replace(talk.state, relay=Relay.OPEN)
            return talk.result(Ending.DONE, POWER_FELL)
    is_shown = talk.registers.relay is not None or talk.state.relay is not None
    return talk.result(Ending.ACCEPTED, "not_read_back" if is_shown else NO_RELAY_SHOWN)
