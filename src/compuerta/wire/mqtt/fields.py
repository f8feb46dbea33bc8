"""The small parts of MQTT packets: numbers, texts and properties.

Decoding is strict: what the standard does not allow is refused, never guessed.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from compuerta.domain.errors import Refused

TEXT_BYTES_MAX: Final = 65_535  # MQTT 5.0 1.5.4
VARIABLE_BYTES_MAX: Final = 4  # MQTT 5.0 1.5.5


class ProtocolError(Refused):
    """Bytes, or values, that MQTT 5 does not allow here."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(f"{reason} [{octets.hex()}]" if octets else reason)
        self.reason = reason
        self.octets = octets


class Property(IntEnum):
    """The properties that we say or obey (MQTT 5.0 2.2.2.2); the others are read over."""

    MESSAGE_EXPIRY_S = 2
    CONTENT_TYPE = 3
    SESSION_EXPIRY_S = 17
    SERVER_KEEP_ALIVE_S = 19
    REASON = 31
    RECEIVE_MAX = 33
    RETAIN_AVAILABLE = 37
    PACKET_BYTES_MAX = 39


Properties = Mapping[int, int | str]
NO_PROPERTIES: Final[Properties] = MappingProxyType({})

_BYTE, _SHORT, _LONG, _VARIABLE, _TEXT, _BINARY, _PAIR = range(7)
# MQTT 5.0 2.2.2.2, table 2-4.
_KINDS: Final[Mapping[int, int]] = MappingProxyType(
    {
        **dict.fromkeys((1, 23, 25, 36, 37, 40, 41, 42), _BYTE),
        **dict.fromkeys((19, 33, 34, 35), _SHORT),
        **dict.fromkeys((2, 17, 24, 39), _LONG),
        11: _VARIABLE,
        **dict.fromkeys((3, 8, 18, 21, 26, 28, 31), _TEXT),
        **dict.fromkeys((9, 22), _BINARY),
        38: _PAIR,
    }
)
_WIDTHS: Final = {_BYTE: 1, _SHORT: 2, _LONG: 4}
_REPEATABLE: Final = (_VARIABLE, _PAIR)


class Reader:
    """This will read the parts of one packet in turn; what is not there is refused."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next so many bytes."""
        end = self._at + count
        if end > len(self._octets):
            raise ProtocolError("a packet ends too early", octets=self._octets[-16:])
        taken, self._at = self._octets[self._at : end], end
        return taken

    def number(self, width: int) -> int:
        """Return a number of so many bytes, high byte first."""
        return int.from_bytes(self.take(width), "big")

    def variable(self) -> int:
        """Return a number that says by itself how long it is (MQTT 5.0 1.5.5)."""
        value = 0
        for place in range(VARIABLE_BYTES_MAX):
            octet = self.number(1)
            value |= (octet & 0x7F) << 7 * place
            if not octet & 0x80:
                return value
        raise ProtocolError("a length of more than four bytes")

    def binary(self) -> bytes:
        """Return bytes that have their length before them."""
        return self.take(self.number(2))

    def text(self) -> str:
        """Return a text (MQTT 5.0 1.5.4)."""
        octets = self.binary()
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError("a text that is not UTF-8", octets=octets[:16]) from error
        if "\0" in text:
            raise ProtocolError("a text with a zero in it", octets=octets[:16])
        return text

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._octets) - self._at)

    @property
    def is_empty(self) -> bool:
        """Tell that nothing is left."""
        return self._at == len(self._octets)

    def properties(self) -> Properties:
        """Return the properties that we know of, and read over the others."""
        size = self.variable()
        if not size:
            return NO_PROPERTIES
        inner = Reader(self.take(size))
        found: dict[int, int | str] = {}
        while not inner.is_empty:
            name = inner.variable()
            kind = _KINDS.get(name)
            if kind is None:
                raise ProtocolError(f"there is no property {name}")
            if name in found and kind not in _REPEATABLE:
                raise ProtocolError(f"property {name} twice")
            found[name] = inner._value(kind)
        return found

    def _value(self, kind: int) -> int | str:
        if kind in _WIDTHS:
            return self.number(_WIDTHS[kind])
        if kind == _VARIABLE:
            return self.variable()
        if kind == _TEXT:
            return self.text()
        if kind == _BINARY:
            return self.binary().hex()
        return f"{self.text()}={self.text()}"


def variable(value: int) -> bytes:
    """Write a number that says by itself how long it is (MQTT 5.0 1.5.5)."""
    if not 0 <= value < 1 << 7 * VARIABLE_BYTES_MAX:
        raise ProtocolError(f"{value} does not fit a length")
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def binary(octets: bytes) -> bytes:
    """Write bytes with their length before them."""
    if len(octets) > TEXT_BYTES_MAX:
        raise ProtocolError(f"{len(octets)} bytes where {TEXT_BYTES_MAX} fit")
    return len(octets).to_bytes(2, "big") + octets


def text(words: str) -> bytes:
    """Write a text."""
    return binary(words.encode("utf-8"))


def properties(values: Properties) -> bytes:
    """Write properties that have a value; None is never among them."""
    octets = bytearray()
    for name, value in values.items():
        octets.append(name)
        kind = _KINDS[name]
        if isinstance(value, str):
            octets += text(value)
        elif not 0 <= value < 1 << 8 * _WIDTHS[kind]:
            raise ProtocolError(f"property {name} cannot be {value}")
        else:
            octets += value.to_bytes(_WIDTHS[kind], "big")
    return variable(len(octets)) + bytes(octets)
