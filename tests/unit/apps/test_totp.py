"""One-time codes, by the vectors of RFC 6238 appendix B."""

from datetime import UTC, datetime

import pytest

from compuerta.apps.console import totp

SECRET = b"12345678901234567890"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HERE = int(NOON.timestamp()) // totp.STEP_S


@pytest.mark.parametrize(
    ("instant_s", "told"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_of_the_standard_are_made(instant_s: int, told: str) -> None:
    assert totp.code(SECRET, step=instant_s // totp.STEP_S, digits=8) == told


@pytest.mark.parametrize("aside", [-1, 0, 1])
def test_a_code_of_this_half_minute_or_its_neighbours_is_taken(aside: int) -> None:
    typed = totp.code(SECRET, step=HERE + aside)

    assert totp.step_of(SECRET, typed, now=NOON) == HERE + aside


@pytest.mark.parametrize("aside", [-2, 2])
def test_a_code_of_another_time_is_not(aside: int) -> None:
    assert totp.step_of(SECRET, totp.code(SECRET, step=HERE + aside), now=NOON) is None


def test_a_code_is_taken_once() -> None:
    typed = totp.code(SECRET, step=HERE)

    assert totp.step_of(SECRET, typed, now=NOON, used=range(HERE + 1)) is None


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "\x00"])
def test_what_is_no_code_is_not_taken(typed: str) -> None:
    assert totp.step_of(SECRET, typed, now=NOON) is None


def test_the_qr_says_who_and_what() -> None:
    told = totp.address_of(SECRET, name="ana maría")

    assert told == (
        "otpauth://totp/Compuerta%3Aana%20mar%C3%ADa?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Compuerta"
    )
