"""Outgoing notices of the simulated provider: the documented repeats, and on demand everything unkind.

A notice is repeated until it is answered with 200 or 204 within five seconds, fifteen times at most; then
the provider says nothing more, and only a query tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from random import Random

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.wechat.keys import ProviderKeys
from compuerta.wire.wechat import signature

ANSWER_WITHIN = timedelta(seconds=5)
# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h: 24 h 4 min in all, as documented.
REPEATS_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
PENDING_MAX = 10_000  # notices that wait at once; more means that nobody listens, and they are given up
PPM = 1_000_000
_ACCEPTED = (200, 204)


class BehaviourMalformed(Refused):
    """A behaviour that does not exist, or a value that it cannot have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"behaviour {name[:40]!r} does not exist or cannot have that value")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the provider misbehaves; all zero is a good day."""

    certificate_ppm: int = 0  # share of notices signed with the old certificate instead of the public key
    lost_ppm: int = 0  # share of notices that never arrive
    duplicate_ppm: int = 0  # share of notices that arrive twice
    probe_ppm: int = 0  # share of notices that come with a signature probe
    late_ms_max: int = 0  # each first notice is late by 0 to this; two late ones may change places
    refuse_next: int = 0  # so many requests are answered with 429
    fail_next: int = 0  # so many requests are answered with 500
    answer_delay_ms: int = 0  # the server waits so long before it answers
    unsigned_answers: bool = False  # answers carry no signature, as from a stranger on the road
    race_on_close: bool = False  # the payer pays in the moment before a close


def changed(behaviour: Behaviour, wishes: Mapping[str, object]) -> Behaviour:
    """Return a behaviour with some of its fields replaced; refuses unknown names and wrong values."""
    for name, wish in wishes.items():
        value: object = getattr(behaviour, name) if name in Behaviour.__slots__ else None
        if value is None or type(wish) is not type(value):
            raise BehaviourMalformed(name)
        if isinstance(wish, int) and not 0 <= wish <= PPM:
            raise BehaviourMalformed(name)
    return replace(behaviour, **wishes)  # type: ignore[arg-type]  # each was compared with its field above


class NoticeKind(Enum):
    """What a notice is for."""

    EVENT = "event"
    PROBE = "probe"  # wrongly signed on purpose: whoever accepts it does not verify


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A notice to be sent now, to `url`; `request.path` is the path of that URL."""

    number: int
    tries: int  # how often it was sent before
    kind: NoticeKind
    due_at: datetime
    url: str
    request: HttpRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How notices ended so far."""

    accepted: int = 0
    given_up: int = 0
    probes_refused: int = 0  # as it should be
    probes_accepted: int = 0  # the merchant does not verify


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    number: int
    kind: NoticeKind
    url: str
    body: bytes
    due_at: datetime
    tries: int = 0
    sent_at: datetime | None = None


class Notices:
    """The notices that wait to be sent or answered; the one owner of their state."""

    def __init__(self, *, keys: ProviderKeys, random: Random, speedup: int) -> None:
        self._keys = keys
        self._random = random
        self._speedup = speedup
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self.tally = Tally()

    def add(self, *, url: str, body: bytes, due_at: datetime, kind: NoticeKind = NoticeKind.EVENT) -> None:
        """Queue a notice; it is signed anew each time it is sent."""
        if len(self._pending) >= PENDING_MAX:
            self.tally = replace(self.tally, given_up=self.tally.given_up + 1)
            return
        self._number += 1
        self._pending[self._number] = _Pending(
            number=self._number, kind=kind, url=url, body=body, due_at=due_at
        )

    def due(self, now: datetime, *, behaviour: Behaviour) -> list[DueNotice]:
        """Return what is to be sent now, in the order in which it falls due."""
        self._lapse(now)
        ready = [p for p in self._pending.values() if p.sent_at is None and p.due_at <= now]
        notices: list[DueNotice] = []
        for pending in sorted(ready, key=lambda p: (p.due_at, p.number)):
            self._pending[pending.number] = replace(pending, sent_at=now)
            if pending.kind is NoticeKind.EVENT and self._draws(behaviour.lost_ppm):
                continue  # it lapses unanswered, as on the real road
            if pending.kind is NoticeKind.EVENT and self._draws(behaviour.probe_ppm):
                self.add(url=pending.url, body=pending.body, due_at=now, kind=NoticeKind.PROBE)
            copies = 2 if self._draws(behaviour.duplicate_ppm) else 1
            notices += [self._signed(pending, now=now, behaviour=behaviour) for _ in range(copies)]
        return notices

    def answered(self, notice: DueNotice, status: int, *, now: datetime) -> None:
        """Take the answer to a notice; 0 is no answer. An answer that came too late counts as none."""
        self._lapse(now)
        pending = self._pending.get(notice.number)
        if pending is None or pending.sent_at is None or pending.tries != notice.tries:
            return
        if pending.kind is NoticeKind.PROBE:
            self._end_probe(pending, believed=200 <= status < 300)
        elif status in _ACCEPTED:
            del self._pending[pending.number]
            self.tally = replace(self.tally, accepted=self.tally.accepted + 1)
        else:
            self._repeat(pending, now=now)

    def wake_at(self) -> datetime | None:
        """Return when something falls due or lapses next, or None."""
        instants = [
            p.due_at if p.sent_at is None else p.sent_at + ANSWER_WITHIN for p in self._pending.values()
        ]
        return min(instants, default=None)

    def _lapse(self, now: datetime) -> None:
        for pending in list(self._pending.values()):
            if pending.sent_at is None or now < pending.sent_at + ANSWER_WITHIN:
                continue
            if pending.kind is NoticeKind.PROBE:
                self._end_probe(pending, believed=False)
            else:
                self._repeat(pending, now=pending.sent_at + ANSWER_WITHIN)

    def _repeat(self, pending: _Pending, *, now: datetime) -> None:
        if pending.tries >= len(REPEATS_S):
            del self._pending[pending.number]
            self.tally = replace(self.tally, given_up=self.tally.given_up + 1)
            return
        wait = timedelta(seconds=REPEATS_S[pending.tries]) / self._speedup
        self._pending[pending.number] = replace(
            pending, tries=pending.tries + 1, due_at=now + wait, sent_at=None
        )

    def _end_probe(self, pending: _Pending, *, believed: bool) -> None:
        del self._pending[pending.number]
        if believed:
            self.tally = replace(self.tally, probes_accepted=self.tally.probes_accepted + 1)
        else:
            self.tally = replace(self.tally, probes_refused=self.tally.probes_refused + 1)

    def _signed(self, pending: _Pending, *, now: datetime, behaviour: Behaviour) -> DueNotice:
        certified = self._draws(behaviour.certificate_ppm)
        serial = self._keys.certificate_serial if certified else self._keys.public_key_id
        headers = {"content-type": "application/json"} | signature.signed_headers(
            serial=serial,
            stamp=signature.stamp(now=now, chance=self._random.randbytes(16)),
            body=pending.body,
            signer=self._keys.signers[serial],
        )
        if pending.kind is NoticeKind.PROBE:
            headers[signature.SIGNATURE] = signature.PROBE_PREFIX + headers[signature.SIGNATURE]
        path = "/" + pending.url.partition("://")[2].partition("/")[2]
        return DueNotice(
            number=pending.number,
            tries=pending.tries,
            kind=pending.kind,
            due_at=pending.due_at,
            url=pending.url,
            request=HttpRequest(method="POST", path=path, headers=headers, body=pending.body),
        )

    def _draws(self, ppm: int) -> bool:
        # No draw where nothing is wished, so that a switch that is off does not move the others' luck.
        return ppm > 0 and self._random.randrange(PPM) < ppm
