"""What a meter can say to every function but security: good answers, and refusals by the ERR byte.

Good is the request's function + 80H (and + 20H when more follows), a refusal is + C0H. DL/T 645-2007 5.2.4.
"""

from dataclasses import dataclass
from enum import IntEnum

from compuerta.wire.dlt645 import fields, registers
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.frame import Frame
from compuerta.wire.dlt645.requests import (
    Function,
    Output,
    baud_from,
    baud_to,
    output_from,
    password_from,
    password_to,
)

ANSWER_BIT = 0x80  # a meter speaks, and not a master
REFUSED_BIT = 0x40
MORE_BIT = 0x20
FUNCTION_BITS = 0x1F

_BARE = frozenset(
    {
        Function.WRITE,
        Function.WRITE_ADDRESS,
        Function.FREEZE,
        Function.CLEAR_DEMAND,
        Function.CLEAR_METER,
        Function.CLEAR_EVENTS,
    }
)


class ErrBit(IntEnum):
    """Why a meter refused; bits of the byte ERR."""

    OTHER = 0x01
    NO_SUCH_REGISTER = 0x02
    NOT_AUTHORISED = 0x04
    BAUD_FIXED = 0x08
    TOO_MANY_ZONES = 0x10
    TOO_MANY_PERIODS = 0x20
    TOO_MANY_TARIFFS = 0x40
    RESERVED = 0x80


class RelayBit(IntEnum):
    """What the extended answer to an encrypted relay control says was done."""

    CLOSED = 0x0001
    PERMITTED = 0x0002
    TRIPPED = 0x0004
    DELAYED = 0x0008
    AUTO_RESTORE = 0x0010
    DELAYED_BY_CURRENT = 0x0020
    KEEP_POWER = 0x0100
    KEEP_POWER_OFF = 0x0200
    ALARM = 0x0400
    ALARM_OFF = 0x0800


class RelayErrorBit(IntEnum):
    """Why an encrypted relay control was refused, in the extended answer."""

    SUSPENDED = 0x0001
    MAC_WRONG = 0x0002
    PASSWORD = 0x0004
    IDENTITY_EXPIRED = 0x0008
    TIME_INVALID = 0x0010
    KEEP_POWER = 0x0020
    BAD_AUTO_RESTORE = 0x0080


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAnswer:
    """The bytes of one data identifier; `more` says that the rest has to be fetched by follow-up reads."""

    di: int
    payload: bytes
    more: bool = False

    def values(self) -> registers.Values:
        """Give the values by name; an unknown identifier or bytes of another layout are refused."""
        return registers.decode_values(self.di, self.payload)

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = fields.di_to(self.di) + self.payload
        return Frame(address=address, control=_good(Function.READ, more=self.more), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpAnswer:
    """One further part of a long answer."""

    di: int
    payload: bytes
    sequence: int
    more: bool = False

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = fields.di_to(self.di) + self.payload + fields.binary_to(self.sequence, length=1)
        return Frame(address=address, control=_good(Function.READ_FOLLOW_UP, more=self.more), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAnswer:
    """The number of the one meter on the line."""

    meter_no: str

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = fields.digits_to(self.meter_no, length=6)
        return Frame(address=address, control=_good(Function.READ_ADDRESS), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A yes without content: write, write address, freeze, and the three clears."""

    function: int

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return Frame(address=address, control=_good(self.function), data=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaudAnswer:
    """The speed that the meter will use after this answer."""

    baud: int

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return Frame(address=address, control=_good(Function.CHANGE_BAUD), data=baud_to(self.baud))


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordAnswer:
    """The password that is valid from now on."""

    level: int
    password: str

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = password_to(self.level, self.password)
        return Frame(address=address, control=_good(Function.CHANGE_PASSWORD), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAnswer:
    """The relay command is accepted, not done; `extended` comes only where an encrypted one asked for it."""

    extended: frozenset[RelayBit] | None = None

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = b"" if self.extended is None else fields.binary_to(sum(self.extended), length=2)
        return Frame(address=address, control=_good(Function.RELAY), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiFunctionAnswer:
    """What the multifunction terminal puts out from now on."""

    output: Output

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return Frame(address=address, control=_good(Function.MULTI_FUNCTION), data=bytes((self.output,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """The meter refused a request of this function."""

    function: int
    err: frozenset[ErrBit]

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return Frame(address=address, control=_refused(self.function), data=bytes((sum(self.err),)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayErrorAnswer:
    """The meter refused an encrypted relay command that asked for the extended answer."""

    err: frozenset[RelayErrorBit]

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = fields.binary_to(sum(self.err), length=2)
        return Frame(address=address, control=_refused(Function.RELAY), data=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """An answer whose function or layout is not known here, byte for byte."""

    control: int
    body: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return Frame(address=address, control=self.control, data=self.body)


PlainAnswer = (
    RegisterAnswer
    | FollowUpAnswer
    | AddressAnswer
    | Acknowledged
    | BaudAnswer
    | PasswordAnswer
    | RelayAnswer
    | MultiFunctionAnswer
    | ErrorAnswer
    | RelayErrorAnswer
    | RawAnswer
)


def parse_good(function: int, data: bytes, *, more: bool) -> PlainAnswer:
    """Read the DATA of a good answer of this function; what does not fit is refused."""
    match function:
        case Function.READ:
            return RegisterAnswer(di=fields.di_from(data[:4]), payload=data[4:], more=more)
        case Function.READ_FOLLOW_UP:
            if len(data) < 5:
                raise ProtocolError("a follow-up answer ends in its sequence", octets=data)
            return FollowUpAnswer(
                di=fields.di_from(data[:4]), payload=data[4:-1], sequence=data[-1], more=more
            )
        case Function.READ_ADDRESS:
            return AddressAnswer(meter_no=fields.digits_from(fields.exact(data, length=6)))
        case Function.CHANGE_BAUD:
            return BaudAnswer(baud=baud_from(data))
        case Function.CHANGE_PASSWORD:
            level, password = password_from(data)
            return PasswordAnswer(level=level, password=password)
        case Function.RELAY:
            return RelayAnswer(extended=_relay_bits_from(data) if data else None)
        case Function.MULTI_FUNCTION:
            return MultiFunctionAnswer(output=output_from(data))
        case _ if function in _BARE and not data:
            return Acknowledged(function=function)
        case _:
            raise ProtocolError(f"no answer of function {function:02X}", octets=data)


def parse_refusal(function: int, data: bytes) -> PlainAnswer:
    """Read the DATA of a refusal of this function; what does not fit is refused."""
    if function == Function.RELAY and len(data) == 2:
        value = fields.binary_from(data)
        return RelayErrorAnswer(err=frozenset(bit for bit in RelayErrorBit if value & bit))
    value = fields.exact(data, length=1)[0]
    return ErrorAnswer(function=function, err=frozenset(bit for bit in ErrBit if value & bit))


def _relay_bits_from(data: bytes) -> frozenset[RelayBit]:
    value = fields.binary_from(fields.exact(data, length=2))
    return frozenset(bit for bit in RelayBit if value & bit)


def _good(function: int, *, more: bool = False) -> int:
    return ANSWER_BIT | (MORE_BIT if more else 0) | function


def _refused(function: int) -> int:
    return ANSWER_BIT | REFUSED_BIT | function
