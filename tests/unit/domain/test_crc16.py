"""The check sum of Modbus: the known one, at any length, whole and in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.crc16 import crc16, remainder


def divided_bit_by_bit(octets: bytes) -> int:
    """The sum as MODBUS serial line 1.02, 6.2.2, tells it in words."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register, is_odd = register >> 1, register & 1
            if is_odd:
                register ^= 0xA001
    return register


@pytest.mark.parametrize(
    ("text", "crc"),
    [("0207", "4112"), ("01030000000A", "C5CD"), ("", "FFFF"), ("84", "BF23")],  # the last is Acrel's login
)
def test_known_sums_are_made(text: str, crc: str) -> None:
    assert crc16(bytes.fromhex(text)).hex().upper() == crc


@given(st.binary(max_size=600), st.integers(0, 600))
def test_words_and_pieces_divide_as_bits_do(octets: bytes, cut: int) -> None:
    assert remainder(octets) == divided_bit_by_bit(octets)
    assert remainder(octets[cut:], after=remainder(octets[:cut])) == remainder(octets)
    assert remainder(octets + crc16(octets)) == 0
