"""The signature of Stripe's notices: HMAC-SHA256 over the time and the body, under each secret in force.

While a secret is being changed, Stripe signs with both, and sends one `v1` for each.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from compuerta.domain.errors import Refused

HEADER = "stripe-signature"
SKEW_S_MAX = 300  # Stripe's own tolerance; a repeated notice is signed anew, so none is older
HEADER_CHARS_MAX = 2_048
SIGNATURES_MAX = 16  # two secrets in two schemes are four; each costs a comparison
_PART = re.compile(r"(?P<name>[a-z0-9]{1,8})=(?P<value>[0-9a-f]{1,64})", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Unbelieved(Refused):
    """A notice that is not shown to come from Stripe; each subclass says why."""


class HeaderUnusable(Unbelieved):
    """The header that verification needs is missing, or holds what no signer writes."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"header {HEADER}: {reason}")
        self.reason = reason


class Stale(Unbelieved):
    """A notice whose time is too far from now, either way."""

    def __init__(self, skew_s: int) -> None:
        super().__init__(f"signed {skew_s} s away from now; {SKEW_S_MAX} s are allowed")
        self.skew_s = skew_s


class SignatureWrong(Unbelieved):
    """A notice that none of the secrets in force signed."""

    def __init__(self) -> None:
        super().__init__("the signature belongs to none of the configured secrets")


def signature_header(body: bytes, *, secrets: Sequence[bytes], at_s: int) -> str:
    """Return the header of a notice as Stripe writes it, with one signature per secret."""
    return ",".join([f"t={at_s}", *(f"v1={_mac(body, secret=secret, at_s=at_s)}" for secret in secrets)])


def verify(header: str, body: bytes, *, secrets: Sequence[bytes], now: datetime) -> None:
    """Believe a notice, or raise the `Unbelieved` that says why not; `body` is what travelled."""
    at_s, signatures = _parts(header)
    skew_s = abs(int(now.timestamp()) - at_s)
    if skew_s > SKEW_S_MAX:
        raise Stale(skew_s)
    expected = [_mac(body, secret=secret, at_s=at_s) for secret in secrets]
    # Every pair is compared, so that the time it takes tells nobody which secret was near.
    matches = [hmac.compare_digest(mac, told) for mac in expected for told in signatures]
    if not any(matches):
        raise SignatureWrong


def _parts(header: str) -> tuple[int, list[str]]:
    if not header:
        raise HeaderUnusable("missing")
    if len(header) > HEADER_CHARS_MAX:
        raise HeaderUnusable("too long")
    parts = [_PART.fullmatch(part) for part in header.split(",")]
    if not all(parts) or len(parts) > SIGNATURES_MAX:
        raise HeaderUnusable("not as Stripe writes it")
    named = [(part["name"], part["value"]) for part in parts if part]
    times = [value for name, value in named if name == "t"]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        raise HeaderUnusable("has no one time")
    signatures = [value for name, value in named if name == "v1"]  # other schemes are of other keys
    if not signatures:
        raise HeaderUnusable("has no signature of the scheme v1")
    return int(times[0]), signatures


def _mac(body: bytes, *, secret: bytes, at_s: int) -> str:
    return hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
