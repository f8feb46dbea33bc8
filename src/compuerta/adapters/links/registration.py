"""How a meter or DTU that dials in says who it is: registration packets and heartbeats as templates.

A template is text with one placeholder of a fixed length, so that it can be told from what follows it in the
same TCP segment: `CPT1:{imei}`, `SN{sn:8}`. With `written="hex"` the fixed text is hexadecimal.
Everything here is pure: bytes in, bytes and names out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compuerta.domain.crc16 import crc16
from compuerta.domain.errors import Refused

TEMPLATE_BYTES_MAX = 128  # DTUs let 40 to 80 bytes be set
Written = Literal["ascii", "hex"]

_HOLE = re.compile(r"\{(imei|iccid|meter_no|sn:(\d{1,2}))\}")
_HOLE_BYTES = {"imei": 15, "iccid": 20, "meter_no": 12}
_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# DL/T 645-2007 5.2: 68 A0..A5 68 C L DATA CS 16; L is the tenth byte.
_FRAME_START = 0x68
_FRAME_HEAD_BYTES = 10
_FRAME_AROUND_BYTES = 12
# Modbus application protocol 1.1b3, 6: what follows unit and function, by function.
_RTU_UNIT_MAX = 247
_RTU_COUNTED = frozenset({0x01, 0x02, 0x03, 0x04})  # an answer says how many bytes it brings
_RTU_FIXED = frozenset({0x05, 0x06, 0x0F, 0x10})
_RTU_REFUSED_BIT = 0x80
_RTU_REFUSED_BYTES = 5
_RTU_FIXED_BYTES = 8  # of requests to read, too


class TemplateMalformed(Refused):
    """A registration or heartbeat template that cannot be told apart on the wire."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"template {text!r}: {reason}")
        self.text = text
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A packet of a fixed length: for each of its bytes the values that it may have, and where the id is."""

    allowed: tuple[bytes, ...]
    hole: slice

    @property
    def length(self) -> int:
        """Tell how many bytes the packet has."""
        return len(self.allowed)

    def agrees_with(self, received: bytes) -> bool:
        """Tell whether `received`, as far as it goes, is this packet."""
        return all(octet in allowed for octet, allowed in zip(received, self.allowed, strict=False))

    def id_in(self, received: bytes) -> str | None:
        """Return the id if `received` begins with this packet; without a placeholder it is ""."""
        if len(received) < self.length or not self.agrees_with(received):
            return None
        return received[self.hole].decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialProfile:
    """What one kind of gateway sends by itself."""

    registration: Template  # once after dialing, or again before every packet
    heartbeats: tuple[Template, ...] = ()
    heartbeat_s: int = 60


def template(text: str, *, written: Written = "ascii") -> Template:
    """Compile `text`; raises `TemplateMalformed` where it could not be told apart on the wire."""
    holes = list(_HOLE.finditer(text))
    if len(holes) > 1:
        raise TemplateMalformed(text, "has more than one placeholder")
    if not holes:
        allowed = _literal(text, text=text, written=written)
        hole = slice(0, 0)
    else:
        before = _literal(text[: holes[0].start()], text=text, written=written)
        after = _literal(text[holes[0].end() :], text=text, written=written)
        hole_bytes = int(holes[0][2]) if holes[0][2] else _HOLE_BYTES[holes[0][1]]
        is_digits = holes[0][1] in ("imei", "meter_no")
        allowed = before + (_DIGITS if is_digits else _DIGITS + _LETTERS,) * hole_bytes + after
        hole = slice(len(before), len(before) + hole_bytes)
    if not 0 < len(allowed) <= TEMPLATE_BYTES_MAX:
        raise TemplateMalformed(text, f"is not 1 to {TEMPLATE_BYTES_MAX} bytes long")
    return Template(allowed=allowed, hole=hole)


def _literal(part: str, *, text: str, written: Written) -> tuple[bytes, ...]:
    if "{" in part or "}" in part:
        raise TemplateMalformed(text, "knows {imei}, {iccid}, {meter_no} and {sn:LENGTH}")
    try:
        octets = bytes.fromhex(part) if written == "hex" else part.encode("ascii")
    except ValueError as error:
        raise TemplateMalformed(text, f"is not {written}") from error
    return tuple(bytes((octet,)) for octet in octets)


class Sieve:
    """Takes the packets of `swallowed` out of a stream, but only between frames: never out of one.

    Bytes that may turn out to be a packet, or the head of a frame, are held until more come.
    """

    def __init__(self, swallowed: Sequence[Template]) -> None:
        self._swallowed = tuple(swallowed)
        self._held = b""
        self._frame_left = 0
        self._before = 0  # the byte before this one, if it was in no frame: the unit of a Modbus frame

    def receive(self, data: bytes) -> bytes:
        """Return what of the stream is for the codec."""
        stream = self._held + data
        passed = bytearray()
        place = 0
        while place < len(stream):
            if self._frame_left == 0:
                rest = stream[place : place + TEMPLATE_BYTES_MAX]
                swallowed_bytes = self._packet_bytes(rest)
                frame_bytes = 0 if swallowed_bytes else _frame_bytes(self._before, rest)
                if swallowed_bytes is None or frame_bytes is None:
                    break
                place += swallowed_bytes
                self._frame_left = frame_bytes
                self._before = rest[0] if frame_bytes == 1 else 0
            passed += stream[place : place + self._frame_left]
            taken = min(self._frame_left, len(stream) - place)
            self._frame_left -= taken
            place += taken
        self._held = stream[place:]
        return bytes(passed)

    def _packet_bytes(self, rest: bytes) -> int | None:
        """Return the length of the packet that begins here; 0 = none does; None = cut short."""
        agreeing = [packet for packet in self._swallowed if packet.agrees_with(rest)]
        whole = max((packet.length for packet in agreeing if packet.length <= len(rest)), default=0)
        return None if agreeing and not whole else whole


def _frame_bytes(before: int, rest: bytes) -> int | None:
    """Return how long what begins here goes on as a frame; 1 = it begins none; None = too short to tell.

    A Modbus frame is known at its second byte, since its first may be any: only lengths are looked at, as the
    check sum is the codec's.
    """
    if 0 < before <= _RTU_UNIT_MAX and (sizes := _rtu_sizes(rest)):
        return sizes[0] - 1
    if 0 < before <= _RTU_UNIT_MAX and rest[0] in _RTU_COUNTED and len(rest) == 1:
        return None
    if rest[0] != _FRAME_START:
        return 1
    if len(rest) < _FRAME_HEAD_BYTES:
        return None
    return rest[9] + _FRAME_AROUND_BYTES if rest[7] == _FRAME_START else 1


def _rtu_sizes(rest: bytes) -> tuple[int, ...]:
    """Return how long a Modbus frame may be whose function, and what follows, is `rest`; () = not to be told.

    What begins with function 03 may be an answer, which counts its bytes, or another master's request.
    """
    function = rest[0]
    if function in _RTU_FIXED:
        return (_RTU_FIXED_BYTES,)
    if function in _RTU_COUNTED and len(rest) > 1:
        return (rest[1] + _RTU_REFUSED_BYTES, _RTU_FIXED_BYTES)
    if function ^ _RTU_REFUSED_BIT in _RTU_COUNTED | _RTU_FIXED:
        return (_RTU_REFUSED_BYTES,)
    return ()


def rtu_bytes(octets: bytes) -> int | None:
    """Return the length of the Modbus RTU frame at the beginning; 0 = none begins there; None = cut short."""
    if octets and not 0 < octets[0] <= _RTU_UNIT_MAX:
        return 0
    if len(octets) < 2:
        return None
    sizes = _rtu_sizes(octets[1:3])
    for size in sizes:
        if len(octets) >= size and crc16(octets[: size - 2]) == octets[size - 2 : size]:
            return size
    if sizes:
        return None if max(sizes) > len(octets) else 0
    return None if octets[1] in _RTU_COUNTED else 0
