"""What all of Modbus shares: its error, its bounds, and numbers in two bytes."""

from typing import Final

from compuerta.domain.errors import Refused

WORD_MAX: Final = 0xFFFF
UNIT_MAX: Final = 247  # MODBUS serial line 1.02, 2.2; 0 is everybody
BROADCAST: Final = 0
READ_WORDS_MAX: Final = 125  # MODBUS application protocol 1.1b3, 6.3
WRITE_WORDS_MAX: Final = 123  # ... 6.12


class ProtocolError(Refused):
    """Bytes, or values, that Modbus does not allow here."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(f"{reason} [{octets.hex()}]" if octets else reason)
        self.reason = reason
        self.octets = octets


def word(value: int, *, name: str) -> bytes:
    """Return two bytes, the high one first; refuses what does not fit."""
    if not 0 <= value <= WORD_MAX:
        raise ProtocolError(f"{name} {value} is not within 0 and {WORD_MAX}")
    return value.to_bytes(2)


def count_word(value: int, *, count_max: int) -> bytes:
    """Return a number of registers; refuses none, and more than one exchange carries."""
    if not 1 <= value <= count_max:
        raise ProtocolError(f"{value} registers, where 1 to {count_max} go")
    return value.to_bytes(2)
