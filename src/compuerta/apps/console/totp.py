"""One-time codes of a phone's authenticator: RFC 6238 with SHA-1, six digits, half a minute each."""

import base64
import hashlib
import hmac
from collections.abc import Container
from datetime import datetime
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20  # RFC 4226 4: 160 bits are recommended
# RFC 6238 5.2: one step for the road and for a clock that goes wrong.
STEPS_ASIDE = 1


def code(secret: bytes, *, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step of time."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    # RFC 4226 5.3: the last four bits say where the four bytes begin.
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(secret: bytes, typed: str, *, now: datetime, used: Container[int] = ()) -> int | None:
    """Return the step that a typed code is of, or None where it is wrong, too old, or used already."""
    here = int(now.timestamp()) // STEP_S
    for step in range(here - STEPS_ASIDE, here + STEPS_ASIDE + 1):
        if step not in used and hmac.compare_digest(code(secret, step=step).encode(), typed.encode()):
            return step
    return None


def address_of(secret: bytes, *, name: str) -> str:
    """Return what an authenticator reads from the QR."""
    told = {"secret": base64.b32encode(secret).decode(), "issuer": "Compuerta"}
    return f"otpauth://totp/{quote(f'Compuerta:{name}')}?{urlencode(told)}"
