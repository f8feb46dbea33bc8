"""What a master asks and what a meter answers: function codes 03, 04, 05, 06 and 10H, and exceptions.

The words are those of the MODBUS application protocol 1.1b3. A message is a PDU: how it is framed on a line
is another matter.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from compuerta.wire.modbus.fields import (
    READ_WORDS_MAX,
    WRITE_WORDS_MAX,
    ProtocolError,
    count_word,
    word,
)

EXCEPTION_BIT: Final = 0x80
_COIL_ON: Final = 0xFF00
_COIL_OFF: Final = 0x0000


class Function(IntEnum):
    """The function codes that meters use."""

    READ_HOLDING = 0x03
    READ_INPUT = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    WRITE_REGISTERS = 0x10


class Bank(Enum):
    """Where a register lies; the two are numbered apart."""

    HOLDING = "holding"
    INPUT = "input"


READING: Final[Mapping[Bank, Function]] = MappingProxyType(
    {Bank.HOLDING: Function.READ_HOLDING, Bank.INPUT: Function.READ_INPUT}
)
# Plain numbers, since they are compared for every frame that is heard.
_BANKS: Final = {int(function): bank for bank, function in READING.items()}
_SINGLES: Final = frozenset({0x05, 0x06})
_WRITE_REGISTER: Final = int(Function.WRITE_REGISTER)
_WRITE_REGISTERS: Final = int(Function.WRITE_REGISTERS)
_SHORT_PDU_BYTES: Final = 5
_short: Final = struct.Struct(">BHH").unpack
_LONG_PDU_BYTES: Final = 6
_long: Final = struct.Struct(">BHHB").unpack_from
_REGISTERS_AT: Final = 2  # in the answer to a read; an exception is as long


class ReadRegisters(NamedTuple):
    """Read so many registers from `start` on (6.3, 6.4).

    (A tuple, as `Frame` is: it is most of what is asked.)
    """

    start: int
    quantity: int
    bank: Bank = Bank.HOLDING

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        head = bytes((READING[self.bank],)) + word(self.start, name="register")
        return head + count_word(self.quantity, count_max=READ_WORDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCoil:
    """Switch one output (6.5)."""

    at: int
    on: bool

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        state = _COIL_ON if self.on else _COIL_OFF
        return bytes((Function.WRITE_COIL,)) + word(self.at, name="coil") + state.to_bytes(2)


class WriteRegister(NamedTuple):
    """Write one register (6.6)."""

    at: int
    value: int

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        head = bytes((Function.WRITE_REGISTER,)) + word(self.at, name="register")
        return head + word(self.value, name="value")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRegisters:
    """Write registers from `start` on (6.12)."""

    start: int
    values: tuple[int, ...]

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        count = count_word(len(self.values), count_max=WRITE_WORDS_MAX)
        head = bytes((Function.WRITE_REGISTERS,)) + word(self.start, name="register") + count
        return (
            head + bytes((2 * len(self.values),)) + b"".join(word(each, name="value") for each in self.values)
        )


class Registers(NamedTuple):
    """The registers that were asked for, as they lay on the wire: two bytes each, the high one first.

    (A tuple, as `Frame` is: it is most of what is heard.)
    """

    octets: bytes
    bank: Bank = Bank.HOLDING

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        count, odd = divmod(len(self.octets), 2)
        if odd or not 1 <= count <= READ_WORDS_MAX:
            raise ProtocolError(f"{len(self.octets)} bytes are no registers of one answer")
        return bytes((READING[self.bank], len(self.octets))) + self.octets


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistersWritten:
    """The meter took so many registers from `start` on."""

    start: int
    count: int

    def to_pdu(self) -> bytes:
        """Return the bytes; refuses what is out of range."""
        head = bytes((Function.WRITE_REGISTERS,)) + word(self.start, name="register")
        return head + count_word(self.count, count_max=WRITE_WORDS_MAX)


class Denial(IntEnum):
    """Why a meter refuses (7)."""

    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_ADDRESS = 0x02
    ILLEGAL_VALUE = 0x03
    DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    DEVICE_BUSY = 0x06
    MEMORY_PARITY = 0x08
    PATH_UNAVAILABLE = 0x0A
    TARGET_SILENT = 0x0B


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The meter said no; `code` is one of `Denial`, or a vendor's own."""

    function: int
    code: int

    def to_pdu(self) -> bytes:
        """Return the bytes."""
        return bytes((self.function | EXCEPTION_BIT, self.code))


Request = ReadRegisters | WriteCoil | WriteRegister | WriteRegisters
# A coil or a single register that was written is answered by the request itself, byte for byte.
Answer = Registers | WriteCoil | WriteRegister | RegistersWritten | Refusal


def parse_request(pdu: bytes) -> Request:
    """Return what a master asks; refuses what is no request of ours."""
    if len(pdu) == _SHORT_PDU_BYTES:
        function, start, count = _short(pdu)
        bank = _BANKS.get(function)
        if bank is not None and 0 < count <= READ_WORDS_MAX:
            return ReadRegisters(start, count, bank)
        if function in _SINGLES:
            return _single(function, start, count, pdu)
    elif len(pdu) > _LONG_PDU_BYTES:
        function, start, count, size = _long(pdu)
        is_long = function == _WRITE_REGISTERS
        if is_long and len(pdu) == _LONG_PDU_BYTES + size and size == 2 * count and count <= WRITE_WORDS_MAX:
            return WriteRegisters(start=start, values=struct.unpack_from(f">{count}H", pdu, _LONG_PDU_BYTES))
    raise ProtocolError("no request", octets=pdu)


def parse_answer(pdu: bytes) -> Answer:
    """Return what a meter answers; refuses what is no answer of ours."""
    function = pdu[0] if pdu else 0
    bank = _BANKS.get(function)
    if bank is not None:
        size = len(pdu) - _REGISTERS_AT
        if size > 0 and size == pdu[1] and not size & 1:
            return Registers(pdu[_REGISTERS_AT:], bank)
    elif function in _SINGLES and len(pdu) == _SHORT_PDU_BYTES:
        _, at, value = _short(pdu)
        return _single(function, at, value, pdu)
    elif function == _WRITE_REGISTERS and len(pdu) == _SHORT_PDU_BYTES:
        _, start, count = _short(pdu)
        if 1 <= count <= WRITE_WORDS_MAX:
            return RegistersWritten(start=start, count=count)
    elif function & EXCEPTION_BIT and len(pdu) == _REGISTERS_AT:
        return Refusal(function=function & ~EXCEPTION_BIT, code=pdu[1])
    raise ProtocolError("no answer", octets=pdu)


def answers(answer: Answer, request: Request) -> bool:
    """Tell whether `answer` can be the answer to `request`: what it repeats of it must be the same."""
    match request, answer:
        case _, Refusal():
            return answer.function == request.to_pdu()[0]
        case ReadRegisters(), Registers():
            return answer.bank is request.bank and len(answer.octets) == 2 * request.quantity
        case WriteRegisters(), RegistersWritten():
            return (answer.start, answer.count) == (request.start, len(request.values))
        case _:
            return answer == request


def _single(function: int, at: int, value: int, pdu: bytes) -> WriteCoil | WriteRegister:
    if function == _WRITE_REGISTER:
        return WriteRegister(at=at, value=value)
    if value not in (_COIL_ON, _COIL_OFF):
        raise ProtocolError("a coil is on or off", octets=pdu)
    return WriteCoil(at=at, on=value == _COIL_ON)
