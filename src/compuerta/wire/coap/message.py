"""One CoAP message, to bytes and back (RFC 7252 3): header, token, options in order, payload."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from compuerta.domain.errors import Refused

TOKEN_BYTES_MAX: Final = 8
# A datagram beyond this would be cut in pieces on its way (RFC 7252 4.6), and radio loses whole pieces.
MESSAGE_BYTES_MAX: Final = 1_152
OPTIONS_MAX: Final = 32  # of one message; what meters say needs seven
_VERSION: Final = 1
_PAYLOAD_MARKER: Final = 0xFF
_OPTION_NO_MAX: Final = 0xFFFF


class ProtocolError(Refused):
    """Bytes, or values, that CoAP does not allow here."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(f"{reason} [{octets.hex()}]" if octets else reason)
        self.reason = reason
        self.octets = octets


class Kind(IntEnum):
    """How a message wants to be taken (RFC 7252 4.2, 4.3)."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Code(IntEnum):
    """Methods and answers that meters use (RFC 7252 12.1); class in the upper three bits."""

    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    PUT = 0x03
    DELETE = 0x04
    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    INCOMPLETE = 0x88
    TOO_LARGE = 0x8D
    UNSUPPORTED_FORMAT = 0x8F
    BROKEN = 0xA0
    UNAVAILABLE = 0xA3


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it is on the wire; `options` are (number, value) in the order of their numbers."""

    kind: Kind
    code: int  # one of `Code`, or one that we do not know
    message_id: int  # 0 to 65535
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    @property
    def is_request(self) -> bool:
        """Whether it asks for something (RFC 7252 5.1)."""
        return 0 < self.code < 0x20


def code_name(code: int) -> str:
    """Return a code as the standard writes it: 0x45 -> "2.05"."""
    return f"{code >> 5}.{code & 0x1F:02d}"


def encode(message: Message) -> bytes:
    """Return the bytes of a message; refuses what would not fit one datagram."""
    if len(message.token) > TOKEN_BYTES_MAX:
        raise ProtocolError("a token has at most eight bytes", octets=message.token)
    if not 0 <= message.message_id <= 0xFFFF:
        raise ProtocolError(f"message id {message.message_id} is not of 16 bits")
    octets = bytearray((_VERSION << 6 | message.kind << 4 | len(message.token), message.code))
    octets += message.message_id.to_bytes(2, "big")
    octets += message.token
    number_before = 0
    for number, value in sorted(message.options, key=lambda each: each[0]):
        octets += _option(number - number_before, value)
        number_before = number
    if message.payload:
        octets.append(_PAYLOAD_MARKER)
        octets += message.payload
    if len(octets) > MESSAGE_BYTES_MAX:
        raise ProtocolError(f"a message of {len(octets)} bytes would not travel in one piece")
    return bytes(octets)


def decode(datagram: bytes) -> Message:
    """Read a message; refuses whatever RFC 7252 3 calls a message format error."""
    if not 4 <= len(datagram) <= MESSAGE_BYTES_MAX:
        raise ProtocolError(f"{len(datagram)} bytes are no message")
    first, code = datagram[0], datagram[1]
    token_length = first & 0x0F
    if first >> 6 != _VERSION:
        raise ProtocolError(f"version {first >> 6} is not CoAP's", octets=datagram[:1])
    if token_length > TOKEN_BYTES_MAX or 4 + token_length > len(datagram):
        raise ProtocolError("the token does not fit", octets=datagram[:4])
    if code == Code.EMPTY and len(datagram) != 4:
        raise ProtocolError("an empty message holds more than its header", octets=datagram[:8])  # 4.1
    options, payload = _options_and_payload(datagram, 4 + token_length)
    return Message(
        kind=Kind(first >> 4 & 0x03),
        code=code,
        message_id=int.from_bytes(datagram[2:4], "big"),
        token=datagram[4 : 4 + token_length],
        options=options,
        payload=payload,
    )


def _options_and_payload(datagram: bytes, at: int) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    options: list[tuple[int, bytes]] = []
    number = 0
    while at < len(datagram):
        if datagram[at] == _PAYLOAD_MARKER:
            if at + 1 == len(datagram):
                raise ProtocolError("a payload marker without payload")  # RFC 7252 3
            return tuple(options), datagram[at + 1 :]
        if len(options) == OPTIONS_MAX:
            raise ProtocolError(f"more than {OPTIONS_MAX} options")
        head = datagram[at]
        delta, at = _extended(datagram, at + 1, head >> 4)
        length, at = _extended(datagram, at, head & 0x0F)
        number += delta
        if at + length > len(datagram) or number > _OPTION_NO_MAX:
            raise ProtocolError(f"option {number} does not fit")
        options.append((number, datagram[at : at + length]))
        at += length
    return tuple(options), b""


def _extended(datagram: bytes, at: int, nibble: int) -> tuple[int, int]:
    """Read a delta or length of RFC 7252 3.1: 13 has one more byte, 14 has two, 15 is reserved."""
    if nibble < 13:
        return nibble, at
    size = nibble - 12
    if nibble == 15 or at + size > len(datagram):
        raise ProtocolError("an option breaks off")
    more = int.from_bytes(datagram[at : at + size], "big")
    return more + (13 if size == 1 else 269), at + size


def _option(delta: int, value: bytes) -> bytes:
    delta_nibble, delta_more = _nibble(delta)
    length_nibble, length_more = _nibble(len(value))
    return bytes((delta_nibble << 4 | length_nibble,)) + delta_more + length_more + value


def _nibble(number: int) -> tuple[int, bytes]:
    if number < 13:
        return number, b""
    if number < 269:
        return 13, bytes((number - 13,))
    return 14, (number - 269).to_bytes(2, "big")
