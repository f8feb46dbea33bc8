"""The signature of our own webhooks: HMAC-SHA256 over the time and the body, joined by a dot."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

HEADER: Final = "compuerta-signature"
ID_HEADER: Final = "idempotency-key"
TOLERANCE: Final = timedelta(minutes=5)  # an older message may be one that somebody has kept and repeats
_FORM = re.compile(r"t=(?P<at>[0-9]{1,12}),v1=(?P<mac>[0-9a-f]{64})", re.ASCII)


def header_of(body: bytes, *, key: bytes, now: datetime) -> str:
    """Return the signature header of a body."""
    at = str(int(now.timestamp()))
    return f"t={at},v1={_mac(body, key=key, at=at)}"


def is_genuine(body: bytes, header: str, *, key: bytes, now: datetime) -> bool:
    """Tell whether a body was signed with this key, and lately."""
    found = _FORM.fullmatch(header)
    if found is None or not hmac.compare_digest(found["mac"], _mac(body, key=key, at=found["at"])):
        return False
    return abs(now.timestamp() - int(found["at"])) <= TOLERANCE.total_seconds()


def _mac(body: bytes, *, key: bytes, at: str) -> str:
    return hmac.new(key, at.encode() + b"." + body, hashlib.sha256).hexdigest()
