"""Webhooks: believe what Compuerta told, and know what was told before.

Give the body as it came, byte for byte: a body that was read and written again has another signature.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from compuerta_client.shapes import instant

TOLERANCE = timedelta(minutes=5)  # an older message may be one that somebody has kept and repeats
_FORM = re.compile(r"t=(?P<at>[0-9]{1,12})(?P<macs>(?:,v1=[0-9a-f]{64}){1,2})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What happened; the same happening always has the same id, however often it is told."""

    id: str
    event: str
    at: datetime
    account_id: int
    order_id: str | None
    attempt_id: str | None
    recharge_id: str | None
    reference: str
    amount_minor: int | None
    currency: str


def told_by(
    body: bytes, headers: Mapping[str, str], *, secret: str, now: datetime | None = None
) -> Told | None:
    """Return what was told, or None where Compuerta did not tell it, or not lately: then answer 400.

    While a secret is being changed, what is told is signed with both.
    """
    given = {name.lower(): value for name, value in headers.items()}
    found = _FORM.fullmatch(given.get("compuerta-signature", ""))
    if found is None:
        return None
    ours = hmac.new(secret.encode(), found["at"].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(ours, mac) for mac in found["macs"].split(",v1=")[1:]):
        return None
    age = (now or datetime.now(UTC)) - datetime.fromtimestamp(int(found["at"]), UTC)
    if abs(age) > TOLERANCE:
        return None
    told = json.loads(body)
    names: tuple[str, ...] = Told.__slots__
    return Told(**{**{name: told[name] for name in names}, "at": instant(told["at"])})
