"""How the simulated Stripe tells: signed notices, repeated for days, and on demand everything unkind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from compuerta.virtual.providers.notices import Manner, NoticeKind, Written
from compuerta.wire.stripe import requests, signature

# It repeats in ever longer steps for up to three days.
REPEATS_S = (300, 1_800, 7_200, 18_000, 36_000, 43_200, 43_200, 43_200, 43_200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the provider misbehaves; all zero is a good day."""

    lost_ppm: int = 0  # share of notices that never arrive
    duplicate_ppm: int = 0  # share of notices that arrive twice
    probe_ppm: int = 0  # share of notices that come with a wrongly signed copy
    late_ms_max: int = 0  # each notice is late by 0 to this; the three of one payment change places
    refuse_next: int = 0  # so many requests are answered with 429
    fail_next: int = 0  # so many requests are answered with 500, after they were done
    answer_delay_ms: int = 0  # the server waits so long before it answers
    race_on_close: bool = False  # the payer pays in the moment before a page is ended
    changing_secret: bool = False  # notices are signed with the old secret and with the new one
    other_mode: bool = False  # notices say that they are of the other kind of account
    refunds_fail: bool = False  # refunds are accepted, and end at a closed card


def manner(*, speedup: int) -> Manner:
    """Return how it waits for answers and repeats."""
    return Manner(
        answer_within=timedelta(seconds=20),
        repeats_s=REPEATS_S,
        is_accepted=lambda status, body: 200 <= status < 300,
        speedup=speedup,
    )


def event_body(kind: str, about: Mapping[str, object], *, number: int, at: datetime, is_live: bool) -> bytes:
    """Return the body of a notice."""
    event = {
        "id": f"evt_{number:024d}",
        "object": "event",
        "api_version": requests.API_VERSION,
        "created": int(at.timestamp()),
        "data": {"object": about},
        "livemode": is_live,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
    return json.dumps(event, indent=2).encode("utf-8")


def signed(body: bytes, *, secrets: tuple[bytes, ...]) -> Written:
    """Return what writes a notice: it is signed anew each time it is sent, and a probe wrongly."""

    def written(now: datetime, kind: NoticeKind) -> tuple[Mapping[str, str], bytes]:
        keys = (b"whsec_of_somebody_else",) if kind is NoticeKind.PROBE else secrets
        header = signature.signature_header(body, secrets=keys, at_s=int(now.timestamp()))
        return {"content-type": "application/json", signature.HEADER: header}, body

    return written
