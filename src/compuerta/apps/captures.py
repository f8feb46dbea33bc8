"""Bytes that somebody has captured from a wire and pastes as hexadecimal."""

from typing import Final

from compuerta.domain.errors import Refused

HEX_CHARS_MAX: Final = 1_000_000  # a capture of half a megabyte; longer ones come in pieces


class NotHexadecimal(Refused):
    """Text that should be bytes in hexadecimal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"write bytes as pairs of 0-9 and A-F: {reason}")


def octets_of(text: str) -> bytes:
    """Return the bytes that `text` writes, whatever spaces are between them; raises `NotHexadecimal`."""
    kept = "".join(text.split())
    if len(kept) > HEX_CHARS_MAX:
        raise NotHexadecimal(f"more than {HEX_CHARS_MAX} characters")
    if len(kept) % 2:
        raise NotHexadecimal(f"{len(kept)} digits are no whole bytes")
    try:
        return bytes.fromhex(kept)
    except ValueError as error:
        raise NotHexadecimal(str(error)) from error
