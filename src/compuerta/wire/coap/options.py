"""What the options of a message say: paths, queries, formats, observation and blocks."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from compuerta.wire.coap.message import Message, ProtocolError


class Option(IntEnum):
    """Option numbers (RFC 7252 12.2, RFC 7641 2, RFC 7959 2.1 and 4)."""

    IF_MATCH = 1
    URI_HOST = 3
    ETAG = 4
    IF_NONE_MATCH = 5
    OBSERVE = 6
    URI_PORT = 7
    LOCATION_PATH = 8
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    LOCATION_QUERY = 20
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60


TEXTS: Final = frozenset(
    {Option.URI_HOST, Option.LOCATION_PATH, Option.URI_PATH, Option.URI_QUERY, Option.LOCATION_QUERY}
)
NUMBERS: Final = frozenset(
    {
        Option.OBSERVE,
        Option.URI_PORT,
        Option.CONTENT_FORMAT,
        Option.MAX_AGE,
        Option.ACCEPT,
        Option.SIZE1,
        Option.SIZE2,
    }
)
_BLOCK_NO_MAX: Final = 0xFFFFF  # RFC 7959 2.2: 20 bits
_SZX_MAX: Final = 6  # RFC 7959 2.2: blocks of 1,024 bytes; 7 is reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a body (RFC 7959 2.2); `size` is 16 to 1,024 bytes."""

    no: int
    more: bool
    size: int


def number_to(value: int) -> bytes:
    """Write an unsigned number in the fewest bytes; zero has none (RFC 7252 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def number_of(message: Message, option: Option) -> int | None:
    """Read an unsigned number; None where the option is not there. Refuses one longer than four bytes."""
    for number, value in message.options:
        if number == option:
            if len(value) > 4:
                raise ProtocolError(f"{option.name} is too long", octets=value)
            return int.from_bytes(value, "big")
    return None


def texts_of(message: Message, option: Option) -> tuple[str, ...]:
    """Read an option that may come several times, such as a path's segments; refuses what is no UTF-8."""
    try:
        return tuple(value.decode() for number, value in message.options if number == option)
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{option.name} is no text") from error


def texts_to(option: Option, texts: Iterable[str]) -> tuple[tuple[int, bytes], ...]:
    """Write an option several times."""
    return tuple((int(option), text.encode()) for text in texts)


def block_of(message: Message, option: Option) -> Block | None:
    """Read `BLOCK1` or `BLOCK2`; refuses the reserved size."""
    value = number_of(message, option)
    if value is None:
        return None
    if value & 0x07 > _SZX_MAX or value >> 4 > _BLOCK_NO_MAX:
        raise ProtocolError(f"{option.name} of a size that is reserved")
    return Block(no=value >> 4, more=bool(value & 0x08), size=16 << (value & 0x07))


def block_to(block: Block) -> bytes:
    """Write the value of `BLOCK1` or `BLOCK2`."""
    return number_to(block.no << 4 | block.more << 3 | block.size.bit_length() - 5)
