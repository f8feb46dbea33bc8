"""The signature of our own webhooks: HMAC-SHA256 over the time and the body, joined by a dot."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

HEADER: Final = "compuerta-signature"
ID_HEADER: Final = "idempotency-key"
TOLERANCE: Final = timedelta(minutes=5)  # an older message may be one that somebody has kept and repeats
_FORM = re.compile(r"t=(?P<at>[0-9]{1,12})(?P<macs>(?:,v1=[0-9a-f]{64}){1,2})", re.ASCII)


def header_of(body: bytes, *, key: bytes, now: datetime, before: bytes | None = None) -> str:
    """Return the signature header of a body; `before` is the key that it was signed with until lately."""
    at = str(int(now.timestamp()))
    keys = [key] if before is None else [key, before]
    return ",".join([f"t={at}", *(f"v1={_mac(body, key=each, at=at)}" for each in keys)])


def is_genuine(body: bytes, header: str, *, key: bytes, now: datetime) -> bool:
    """Tell whether a body was signed with this key, and lately."""
    found = _FORM.fullmatch(header)
    if found is None:
        return False
    ours = _mac(body, key=key, at=found["at"])
    if not any(hmac.compare_digest(ours, mac) for mac in found["macs"].split(",v1=")[1:]):
        return False
    return abs(now.timestamp() - int(found["at"])) <= TOLERANCE.total_seconds()


def _mac(body: bytes, *, key: bytes, at: str) -> str:
    return hmac.new(key, at.encode() + b"." + body, hashlib.sha256).hexdigest()
