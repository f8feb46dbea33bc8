"""A virtual meter on the wire: the meter's side of DL/T 645-2007, bytes in and bytes out.

Whoever has it on a road asks `receive` with what came and the world's time; the answer may be empty. It keeps
no time of its own, so one object serves the simulator's clock, a demonstration at sixty times the speed, and
a real bus. What the road does to bytes is `Faults`, not this room.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter import reading, switching, writing
from compuerta.virtual.meter.access import Access
from compuerta.virtual.meter.clock import DAY_MS, ms_from_civil
from compuerta.virtual.meter.core import MINUTE_MS, MeterCore
from compuerta.virtual.meter.records import SPELLS
from compuerta.virtual.meter.security import Esam, SecurityModule
from compuerta.virtual.meter.setup import MeterSetup
from compuerta.virtual.meter.tables import Fault, TablesRefused
from compuerta.virtual.meter.vendor import REFUSED, VendorDesk
from compuerta.virtual.modbus.unit import ModbusUnit
from compuerta.wire.dlt645 import (
    WILDCARD,
    Acknowledged,
    AddressAnswer,
    Answer,
    BaudAnswer,
    BroadcastTime,
    ChangeBaud,
    ChangePassword,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    ErrBit,
    ErrorAnswer,
    FollowUpAnswer,
    Freeze,
    Function,
    MeterSession,
    MultiFunction,
    MultiFunctionAnswer,
    PasswordAnswer,
    RawRequest,
    ReadAddress,
    ReadFollowUp,
    ReadRegister,
    RegisterAnswer,
    RelayAnswer,
    RelayBit,
    RelayControl,
    RelayControlEncrypted,
    RelayErrorAnswer,
    RelayErrorBit,
    Request,
    Requested,
    SerrBit,
    WriteAddress,
    WriteRegister,
    security_error,
)
from compuerta.wire.dlt645.fields import ProtocolError

PAYLOAD_BYTES_MAX: Final = 195  # 200 bytes of DATA, less the identifier and the sequence
BROADCAST_CORRECTION_MS_MAX: Final = 5 * MINUTE_MS
DI_STATUS_WORDS: Final = 0x040005FF
SETTLING_GUARD_MS: Final = 5 * MINUTE_MS

_LEVEL_MAC = 0x99  # plain value + MAC
_LEVEL_SEALED = 0x98  # sealed value + MAC; the soft module seals by the MAC alone
_MAC_BYTES = 4
_ANSWERED_FUNCTIONS = frozenset(Function) - {
    Function.BROADCAST_TIME,
    Function.READ_ADDRESS,
    Function.WRITE_ADDRESS,
}
# Refused under a wildcard or abbreviated address: whom it is for must be beyond doubt.
_WANTS_A_NAME = frozenset(
    {
        Function.WRITE,
        Function.CHANGE_BAUD,
        Function.CLEAR_DEMAND,
        Function.CLEAR_METER,
        Function.CLEAR_EVENTS,
        Function.RELAY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The part of a long answer that follow-up reads will fetch."""

    di: int = 0
    payload: bytes = b""


class VirtualMeter:
    """Will answer as a DL/T 645-2007 prepaid meter answers, byte for byte."""

    def __init__(self, setup: MeterSetup, *, now_ms: int, esam: Esam, chance: Random) -> None:
        self.core = MeterCore(setup, now_ms=now_ms)
        self.baud = setup.baud
        self.silent = False  # hears and obeys, but its answers are lost: a broken transmitter
        self._access = Access(self.core, passwords=setup.passwords)
        self._module = SecurityModule(self.core, esam=esam, chance=chance)
        self._vendor = VendorDesk(self.core) if setup.layout is RechargeLayout.VENDOR else None
        self._modbus = None
        if setup.unit_no is not None:
            self._modbus = ModbusUnit(self.core, unit_no=setup.unit_no, image=setup.modbus_image)
        # One for each connector: what comes in by two of them at once is not one frame.
        self._sessions: dict[str, MeterSession] = {}
        self._rest = _Rest()
        self._corrected_day = -1
        self._told = 0  # how many records there were when it last told of itself

    @property
    def meter_no(self) -> str:
        """The address on the wire."""
        return self.core.meter_no

    def renumber(self, meter_no: str) -> None:
        """Answer to another number from now on, as a slip of a fitter's fingers makes it."""
        self.core.meter_no = meter_no
        self._sessions.clear()

    def advance(self, *, to_ms: int) -> None:
        """Let the world go on until `to_ms`."""
        self.core.advance(to_ms=to_ms)

    def receive(self, data: bytes, *, now_ms: int, line_ms: int | None = None, connector: str = "") -> bytes:
        """Take what came over the road at `now_ms`, obey it, and return the answers' bytes.

        `line_ms` is the road's own time, which tells where silence ends a frame: it differs from `now_ms`
        where the world runs faster than the wire. `connector` is the one that it came in by, of a meter that
        has several: a terminal for the bus, a module for the air.
        """
        self.advance(to_ms=now_ms)
        if not self.core.powered:
            return b""
        heard_ms = now_ms if line_ms is None else line_ms
        if self._modbus is not None:
            said = self._modbus.receive(data, now_ms=heard_ms, connector=connector)
            return b"" if self.silent else said
        answers = bytearray()
        for requested in self._at(connector).receive(data, heard_ms):
            answer = self._answer(requested)
            if answer is not None:
                answers += self._at(connector).send(answer)
        return b"" if self.silent else bytes(answers)

    def take_push(self) -> bytes:
        """Return the status words, unasked, if a record has begun since the last call; else nothing.

        Only meters that need not share their road say it; it is the answer to a question that nobody put.
        """
        recorded = sum(self.core.records.counts[event] for event in SPELLS)
        is_new, self._told = recorded > self._told, recorded
        if not is_new or self.silent or not self.core.powered or self._modbus is not None:
            return b""
        words = reading.read(self.core, DI_STATUS_WORDS)
        assert words is not None, "every meter has status words"
        return self._at("").send(RegisterAnswer(di=DI_STATUS_WORDS, payload=words))

    def _at(self, connector: str) -> MeterSession:
        return self._sessions.setdefault(connector, MeterSession(address=self.core.meter_no))

    def _answer(self, requested: Requested) -> Answer | None:
        if requested.broadcast:
            self._obey_broadcast(requested.request)
            return None
        if requested.wildcard and (refusal := _refusal_of_wildcard(requested.request)):
            return refusal
        request = requested.request
        match request:
            case ReadRegister():
                return self._read(request)
            case ReadFollowUp():
                return self._read_on(request)
            case ReadAddress():
                return AddressAnswer(meter_no=self.meter_no)
            case WriteRegister():
                return self._write(request)
            case WriteAddress():
                return self._write_address(request)
            case RelayControl():
                return self._switch(request)
            case RelayControlEncrypted():
                return self._switch_sealed(request)
            case RawRequest():
                return _refusal_of_unknown(request)
            case BroadcastTime() | Freeze() | ChangeBaud() | ChangePassword() | MultiFunction():
                return self._maintain(request)
            case ClearDemand() | ClearMeter() | ClearEvents():
                return self._clear(request)
            case _:
                return self._vendor.answer(request) if self._vendor else self._module.answer(request)

    # Reading.

    def _read(self, request: ReadRegister) -> Answer:
        try:
            payload = reading.read(self.core, request.di)
        except ProtocolError:  # 100 kW, or the year 2100: more than the register has digits
            return _refused(Function.READ, ErrBit.OTHER)
        if payload is None:
            # The vendor's firmware looks at the identifier before the function: captures R33 and R34.
            if self._vendor and request.di >> 24 == 0x07:
                return REFUSED
            return _refused(Function.READ, ErrBit.NO_SUCH_REGISTER)
        self._rest = _Rest(di=request.di, payload=payload[PAYLOAD_BYTES_MAX:])
        return RegisterAnswer(
            di=request.di, payload=payload[:PAYLOAD_BYTES_MAX], more=len(payload) > PAYLOAD_BYTES_MAX
        )

    def _read_on(self, request: ReadFollowUp) -> Answer:
        rest = self._rest
        start = (request.sequence - 1) * PAYLOAD_BYTES_MAX
        # Asked again for the same part, the meter gives it again: the answer may have been lost.
        if request.di != rest.di or not 0 <= start < len(rest.payload):
            return _refused(Function.READ_FOLLOW_UP, ErrBit.NO_SUCH_REGISTER)
        end = start + PAYLOAD_BYTES_MAX
        return FollowUpAnswer(
            di=request.di,
            payload=rest.payload[start:end],
            sequence=request.sequence,
            more=end < len(rest.payload),
        )

    # Programming.

    def _write(self, request: WriteRegister) -> Answer:
        if request.password_level in (_LEVEL_MAC, _LEVEL_SEALED):
            value, mac = request.value[:-_MAC_BYTES], request.value[-_MAC_BYTES:]
            allowed = self._module.refusal_of(payload=value, mac=mac) is None
        else:
            value = request.value
            allowed = self._access.opens(request.password_level, request.password)
        if not allowed:
            return _refused(Function.WRITE, ErrBit.NOT_AUTHORISED)
        sealed_refund = request.di == writing.DI_REFUND and request.password_level == _LEVEL_SEALED
        writer = writing.refund if sealed_refund else writing.writer_of(request.di)
        if writer is None:
            return _refused(Function.WRITE, ErrBit.OTHER)
        try:
            writer(self.core, request.di, value)
        except ProtocolError:
            return _refused(Function.WRITE, ErrBit.OTHER)
        except TablesRefused as refused:
            return _refused(Function.WRITE, _ERR_OF_FAULT[refused.fault])
        return Acknowledged(function=Function.WRITE)

    def _write_address(self, request: WriteAddress) -> Answer | None:
        if not self.core.programming_key:
            return None
        self.renumber(request.meter_no)
        return Acknowledged(function=Function.WRITE_ADDRESS)

    def _maintain(
        self, request: BroadcastTime | Freeze | ChangeBaud | ChangePassword | MultiFunction
    ) -> Answer | None:
        match request:
            case BroadcastTime():
                self._correct_clock(request)
                return None
            case Freeze():
                # Freezing at a later moment is not built in: it is refused, not forgotten.
                if not _is_now(request):
                    return _refused(Function.FREEZE, ErrBit.OTHER)
                self.core.records.instant_freezes.appendleft(self.core.freeze())
                return Acknowledged(function=Function.FREEZE)
            case ChangeBaud():
                self.baud = request.baud
                return BaudAnswer(baud=request.baud)
            case ChangePassword():
                return self._change_password(request)
            case MultiFunction():
                return MultiFunctionAnswer(output=request.output)

    def _change_password(self, request: ChangePassword) -> Answer:
        may = request.old_level <= request.new_level  # the lower level is the higher right
        opened = self._access.opens(request.old_level, request.old_password)
        if not (opened and may and self._access.replace(request.new_level, request.new_password)):
            return _refused(Function.CHANGE_PASSWORD, ErrBit.NOT_AUTHORISED)
        return PasswordAnswer(level=request.new_level, password=request.new_password)

    def _clear(self, request: ClearDemand | ClearMeter | ClearEvents) -> Answer:
        function = _CLEARS[type(request)]
        if not self._access.opens(request.password_level, request.password):
            return _refused(function, ErrBit.NOT_AUTHORISED)
        match request:
            case ClearMeter():
                self.core.clear_registers()
            case ClearEvents():
                self.core.records.clear_events()
            case ClearDemand():
                pass  # a meter without demand registers has nothing to clear, and says yes
        return Acknowledged(function=function)

    # The relay.

    def _switch(self, request: RelayControl) -> Answer:
        level_may = request.password_level in self.core.setup.relay_levels
        if not level_may or not self._access.opens(request.password_level, request.password):
            return _refused(Function.RELAY, ErrBit.NOT_AUTHORISED)
        done = switching.control(self.core, request)
        return RelayAnswer() if isinstance(done, RelayBit) else _refused(Function.RELAY, ErrBit.OTHER)

    def _switch_sealed(self, request: RelayControlEncrypted) -> Answer:
        refusal = self._module.refusal_of(payload=request.ciphertext, mac=request.mac)
        done: RelayBit | frozenset[RelayErrorBit]
        if refusal is not None:
            done = frozenset({_RELAY_ERROR_OF[refusal]})
        else:
            order = switching.unsealed(request)
            done = frozenset() if order is None else switching.control(self.core, order)
        if isinstance(done, RelayBit):
            return RelayAnswer(extended=frozenset({done}) if request.extended_answer else None)
        if request.extended_answer:
            return RelayErrorAnswer(err=done)
        authority = RelayErrorBit.TIME_INVALID not in done and refusal is not None
        return _refused(Function.RELAY, ErrBit.NOT_AUTHORISED if authority else ErrBit.OTHER)

    # Broadcasts: obeyed, never answered.

    def _obey_broadcast(self, request: Request) -> None:
        if isinstance(request, BroadcastTime | Freeze | MultiFunction):
            self._maintain(request)

    def _correct_clock(self, request: BroadcastTime) -> None:
        core, wanted_ms = self.core, ms_from_civil(request.at)
        day, of_day_ms = divmod(core.civil_ms, DAY_MS)
        small = abs(wanted_ms - core.civil_ms) <= BROADCAST_CORRECTION_MS_MAX
        far_from_midnight = SETTLING_GUARD_MS <= of_day_ms <= DAY_MS - SETTLING_GUARD_MS
        settlement_ms = core.tariff.ladder.running.next_settlement_ms(core.civil_ms - SETTLING_GUARD_MS)
        far_from_settlement = settlement_ms >= core.civil_ms + SETTLING_GUARD_MS
        if small and far_from_midnight and far_from_settlement and day != self._corrected_day:
            self._corrected_day = day
            core.set_clock(wanted_ms)


_CLEARS: Final = {
    ClearDemand: Function.CLEAR_DEMAND,
    ClearMeter: Function.CLEAR_METER,
    ClearEvents: Function.CLEAR_EVENTS,
}
_ERR_OF_FAULT: Final = {
    Fault.ZONES: ErrBit.TOO_MANY_ZONES,
    Fault.PERIODS: ErrBit.TOO_MANY_PERIODS,
    Fault.RATES: ErrBit.TOO_MANY_TARIFFS,
    Fault.OTHER: ErrBit.OTHER,
}
_RELAY_ERROR_OF: Final = {
    SerrBit.SUSPENDED: RelayErrorBit.SUSPENDED,
    SerrBit.IDENTITY_INVALID: RelayErrorBit.IDENTITY_EXPIRED,
    SerrBit.MAC_WRONG: RelayErrorBit.MAC_WRONG,
}


def _refused(function: int, *bits: ErrBit) -> ErrorAnswer:
    return ErrorAnswer(function=function, err=frozenset(bits))


def _refusal_of_wildcard(request: Request) -> Answer | None:
    frame = request.to_frame(WILDCARD)
    if frame.control in _WANTS_A_NAME:
        return _refused(frame.control, ErrBit.OTHER)
    if frame.control == Function.SECURITY and not frame.data[2:3] >= b"\x80":
        return security_error(SerrBit.OTHER)
    return None


def _refusal_of_unknown(request: RawRequest) -> Answer | None:
    if request.control == Function.SECURITY:
        return security_error(SerrBit.OTHER)
    if request.control in _ANSWERED_FUNCTIONS:
        return _refused(request.control, ErrBit.OTHER)
    return None


def _is_now(request: Freeze) -> bool:
    return (request.minute, request.hour, request.day, request.month) == (None, None, None, None)
