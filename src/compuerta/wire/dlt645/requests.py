"""What a master can ask a meter: one frozen value for every function of DL/T 645-2007 but security (03H).

Each has `to_frame(address)`; `messages.parse_request` is the way back.
Levels are the wire's byte (0x02, 0x04, 0x98, 0x99); passwords are six digits, high digit first; the operator
code is opaque: four bytes as they travel, since sources disagree on their order.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from compuerta.wire.dlt645 import fields
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.frame import Frame


class Function(IntEnum):
    """D4..D0 of the control byte, DL/T 645-2007 5.2.4."""

    SECURITY = 0x03
    BROADCAST_TIME = 0x08
    READ = 0x11
    READ_FOLLOW_UP = 0x12
    READ_ADDRESS = 0x13
    WRITE = 0x14
    WRITE_ADDRESS = 0x15
    FREEZE = 0x16
    CHANGE_BAUD = 0x17
    CHANGE_PASSWORD = 0x18
    CLEAR_DEMAND = 0x19
    CLEAR_METER = 0x1A
    CLEAR_EVENTS = 0x1B
    RELAY = 0x1C
    MULTI_FUNCTION = 0x1D


class RelayCommand(IntEnum):
    """N1 of the relay control 1CH."""

    TRIP = 0x1A
    PERMIT = 0x1B  # the user presses the button to close
    CLOSE = 0x1C
    TRIP_RESTORE_D = 0x1D  # trip, and restore after `auto_restore` x 5 min; not every firmware has it
    TRIP_RESTORE_E = 0x1E  # likewise; how the two differ is not in any source that we could read
    ALARM = 0x2A
    ALARM_OFF = 0x2B
    KEEP_POWER = 0x3A  # every trip is refused, also one for want of money
    RELEASE_POWER = 0x3B


class Output(IntEnum):
    """What the multifunction terminal (1DH) puts out."""

    CLOCK_PULSE = 0x00
    DEMAND_PERIOD = 0x01
    TARIFF_SWITCH = 0x02


BAUD_BITS: Final = {600: 0x02, 1200: 0x04, 2400: 0x08, 4800: 0x10, 9600: 0x20, 19200: 0x40}
BAUDS: Final = {bit: baud for baud, bit in BAUD_BITS.items()}

_OPERATOR_NOBODY = bytes(4)
_LEVEL_ENCRYPTED = 0x98


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRegister:
    """This will read one data identifier, or `blocks` of a load profile, from `since` on."""

    di: int
    blocks: int | None = None
    since: datetime | None = None

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = fields.di_to(self.di)
        if self.blocks is not None:
            body += fields.binary_to(self.blocks, length=1)
        if self.since is not None:
            if self.blocks is None:
                raise ProtocolError("a load profile is read by blocks: say how many")
            body += fields.moment_to(self.since, order="mhDMY")
        return Frame(address=address, control=Function.READ, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFollowUp:
    """This will read the next part of an answer that was marked `more`; the first sequence is 1."""

    di: int
    sequence: int

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = fields.di_to(self.di) + fields.binary_to(self.sequence, length=1)
        return Frame(address=address, control=Function.READ_FOLLOW_UP, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAddress:
    """This will ask the one meter on the line for its number; sent to the wildcard."""

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return Frame(address=address, control=Function.READ_ADDRESS, data=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRegister:
    """This will write one data identifier; `value` is as `registers.encode_values` makes it."""

    di: int
    password_level: int
    password: str
    operator: bytes = _OPERATOR_NOBODY
    value: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        access = _access_to(self.password_level, self.password, self.operator)
        return Frame(
            address=address, control=Function.WRITE, data=fields.di_to(self.di) + access + self.value
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAddress:
    """This will give the one meter on the line its number; it wants the meter's programming key pressed."""

    meter_no: str

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = fields.digits_to(self.meter_no, length=6)
        return Frame(address=address, control=Function.WRITE_ADDRESS, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastTime:
    """This will correct the clocks that are wrong by no more than five minutes; nobody answers."""

    at: datetime

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = fields.moment_to(self.at, order="smhDMY")
        return Frame(address=address, control=Function.BROADCAST_TIME, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """This will freeze the registers at a moment; None is "every", and four times None is "now"."""

    minute: int | None = None
    hour: int | None = None
    day: int | None = None
    month: int | None = None

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        parts = (self.minute, self.hour, self.day, self.month)
        body = b"".join(fields.bcd_to(99 if part is None else part, length=1) for part in parts)
        return Frame(address=address, control=Function.FREEZE, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBaud:
    """This will change the speed of the line; the meter answers at the old speed, then switches."""

    baud: int

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return Frame(address=address, control=Function.CHANGE_BAUD, data=baud_to(self.baud))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword:
    """This will replace a password, proving it by the old one of this level or a higher."""

    di: int
    old_level: int
    old_password: str
    new_level: int
    new_password: str

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        old = password_to(self.old_level, self.old_password)
        new = password_to(self.new_level, self.new_password)
        return Frame(
            address=address, control=Function.CHANGE_PASSWORD, data=fields.di_to(self.di) + old + new
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearDemand:
    """This will set the highest demand of this period to zero."""

    password_level: int
    password: str
    operator: bytes = _OPERATOR_NOBODY

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = _access_to(self.password_level, self.password, self.operator)
        return Frame(address=address, control=Function.CLEAR_DEMAND, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearMeter:
    """This will set energy, demand, freezes and events to zero: for a test bench, never for a customer."""

    password_level: int
    password: str
    operator: bytes = _OPERATOR_NOBODY

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = _access_to(self.password_level, self.password, self.operator)
        return Frame(address=address, control=Function.CLEAR_METER, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearEvents:
    """This will forget the events of a class; FFFFFFFF is all of them."""

    password_level: int
    password: str
    operator: bytes = _OPERATOR_NOBODY
    di: int = 0xFFFFFFFF

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = _access_to(self.password_level, self.password, self.operator) + fields.di_to(self.di)
        return Frame(address=address, control=Function.CLEAR_EVENTS, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayControl:
    """This will switch the load, unless the meter's clock is past `valid_until` (civil time, naive).

    `auto_restore` counts steps of five minutes, for the two commands that restore by themselves.
    A good answer means "accepted": what the relay did is in status word 3.
    """

    command: RelayCommand
    password_level: int
    password: str
    operator: bytes = _OPERATOR_NOBODY
    auto_restore: int = 0
    valid_until: datetime

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        # PA P0 P1 P2, C0..C3, N1, N2, N3..N8
        body = (
            _access_to(self.password_level, self.password, self.operator)
            + bytes((self.command,))
            + fields.binary_to(self.auto_restore, length=1)
            + fields.moment_to(self.valid_until, order="smhDMY")
        )
        return Frame(address=address, control=Function.RELAY, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayControlEncrypted:
    """This will switch the load by what only the meter's security module can read (level 98H)."""

    operator: bytes
    ciphertext: bytes  # 16 bytes as they travel
    mac: bytes  # 4 bytes as they travel
    extended_answer: bool = False

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = (
            bytes((_LEVEL_ENCRYPTED, 0, 0, int(self.extended_answer)))
            + fields.exact(self.operator, length=4)
            + fields.exact(self.ciphertext, length=16)
            + fields.exact(self.mac, length=4)
        )
        return Frame(address=address, control=Function.RELAY, data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiFunction:
    """This will choose what the multifunction terminal puts out."""

    output: Output

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return Frame(address=address, control=Function.MULTI_FUNCTION, data=bytes((self.output,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """This will carry a request whose function or layout is not known here, byte for byte."""

    control: int
    body: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return Frame(address=address, control=self.control, data=self.body)


PlainRequest = (
    ReadRegister
    | ReadFollowUp
    | ReadAddress
    | WriteRegister
    | WriteAddress
    | BroadcastTime
    | Freeze
    | ChangeBaud
    | ChangePassword
    | ClearDemand
    | ClearMeter
    | ClearEvents
    | RelayControl
    | RelayControlEncrypted
    | MultiFunction
    | RawRequest
)


def parse_plain(function: int, data: bytes) -> PlainRequest:
    """Read the DATA of a request of this function; what does not fit is refused."""
    match function:
        case Function.READ:
            return _read_from(data)
        case Function.READ_FOLLOW_UP:
            di, sequence = fields.take(data, 4, 1)
            return ReadFollowUp(di=fields.di_from(di), sequence=sequence[0])
        case Function.READ_ADDRESS:
            fields.take(data)
            return ReadAddress()
        case Function.WRITE:
            return _write_from(data)
        case Function.WRITE_ADDRESS:
            return WriteAddress(meter_no=fields.digits_from(fields.exact(data, length=6)))
        case Function.BROADCAST_TIME:
            return BroadcastTime(at=fields.moment_from(data, order="smhDMY"))
        case Function.FREEZE:
            return _freeze_from(data)
        case Function.CHANGE_BAUD:
            return ChangeBaud(baud=baud_from(data))
        case Function.CHANGE_PASSWORD:
            return _change_password_from(data)
        case Function.CLEAR_DEMAND | Function.CLEAR_METER | Function.CLEAR_EVENTS:
            return _clear_from(function, data)
        case Function.RELAY:
            return _relay_from(data)
        case Function.MULTI_FUNCTION:
            return MultiFunction(output=output_from(data))
        case _:
            raise ProtocolError(f"no function {function:02X}", octets=data)


def baud_to(baud: int) -> bytes:
    """Give the feature byte of a speed: a mask of one bit."""
    if baud not in BAUD_BITS:
        raise ProtocolError(f"no line speed {baud}")
    return bytes((BAUD_BITS[baud],))


def baud_from(octets: bytes) -> int:
    """Give the speed that a feature byte means."""
    bit = fields.exact(octets, length=1)[0]
    if bit not in BAUDS:
        raise ProtocolError("no line speed has this bit", octets=octets)
    return BAUDS[bit]


def output_from(octets: bytes) -> Output:
    """Give the output that a byte means."""
    octet = fields.exact(octets, length=1)[0]
    if octet not in set(Output):
        raise ProtocolError("no such output of the terminal", octets=octets)
    return Output(octet)


def password_to(level: int, password: str) -> bytes:
    """Give PA P0 P1 P2: the level, and six digits low byte first."""
    return fields.binary_to(level, length=1) + fields.digits_to(password, length=3)


def password_from(octets: bytes) -> tuple[int, str]:
    """Give the level and the password of PA P0 P1 P2."""
    level, password = fields.take(octets, 1, 3)
    return level[0], fields.digits_from(password)


def _access_to(level: int, password: str, operator: bytes) -> bytes:
    return password_to(level, password) + fields.exact(operator, length=4)


def _read_from(data: bytes) -> ReadRegister:
    di = fields.di_from(data[:4])
    if len(data) == 4:
        return ReadRegister(di=di)
    if len(data) == 5:
        return ReadRegister(di=di, blocks=data[4])
    return ReadRegister(di=di, blocks=data[4], since=fields.moment_from(data[5:], order="mhDMY"))


def _write_from(data: bytes) -> WriteRegister:
    di, access, operator = fields.take(data[:12], 4, 4, 4)
    level, password = password_from(access)
    return WriteRegister(
        di=fields.di_from(di), password_level=level, password=password, operator=operator, value=data[12:]
    )


def _freeze_from(data: bytes) -> Freeze:
    values = [fields.bcd_from(octet) for octet in fields.take(data, 1, 1, 1, 1)]
    for value, limit in zip(values, (59, 23, 31, 12), strict=True):
        if value > limit and value != 99:
            raise ProtocolError("no such moment to freeze at", octets=data)
    minute, hour, day, month = (None if value == 99 else value for value in values)
    return Freeze(minute=minute, hour=hour, day=day, month=month)


def _change_password_from(data: bytes) -> ChangePassword:
    di, old, new = fields.take(data, 4, 4, 4)
    old_level, old_password = password_from(old)
    new_level, new_password = password_from(new)
    return ChangePassword(
        di=fields.di_from(di),
        old_level=old_level,
        old_password=old_password,
        new_level=new_level,
        new_password=new_password,
    )


def _clear_from(function: int, data: bytes) -> ClearDemand | ClearMeter | ClearEvents:
    access, operator = fields.take(data[:8], 4, 4)
    level, password = password_from(access)
    if function == Function.CLEAR_EVENTS:
        di = fields.di_from(data[8:])
        return ClearEvents(password_level=level, password=password, operator=operator, di=di)
    fields.take(data[8:])
    kind = ClearDemand if function == Function.CLEAR_DEMAND else ClearMeter
    return kind(password_level=level, password=password, operator=operator)


def _relay_from(data: bytes) -> RelayControl | RelayControlEncrypted:
    if len(data) == 28:
        access, operator, ciphertext, mac = fields.take(data, 4, 4, 16, 4)
        if access[:3] != bytes((_LEVEL_ENCRYPTED, 0, 0)) or access[3] > 1:
            raise ProtocolError("no such encrypted relay control", octets=access)
        return RelayControlEncrypted(
            operator=operator, ciphertext=ciphertext, mac=mac, extended_answer=access[3] == 1
        )
    access, operator, command, restore, until = fields.take(data, 4, 4, 1, 1, 6)
    if command[0] not in set(RelayCommand):
        raise ProtocolError("no such relay command", octets=command)
    level, password = password_from(access)
    return RelayControl(
        command=RelayCommand(command[0]),
        password_level=level,
        password=password,
        operator=operator,
        auto_restore=restore[0],
        valid_until=fields.moment_from(until, order="smhDMY"),
    )
