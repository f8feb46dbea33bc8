"""Outgoing notices of simulated providers: the documented repeats, and on demand everything unkind.

A notice is repeated until it is answered as the provider wants, so often and in such steps as its `Manner`
says; then the provider says nothing more, and only a query tells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import Protocol, TypeVar

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest

PENDING_MAX = 10_000  # notices that wait at once; more means that nobody listens, and they are given up
PPM = 1_000_000

Behaviour = TypeVar("Behaviour")


class BehaviourMalformed(Refused):
    """A behaviour that does not exist, or a value that it cannot have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"behaviour {name[:40]!r} does not exist or cannot have that value")
        self.name = name


class RoadBehaviour(Protocol):
    """What may become of a notice on its way; a world's behaviour has these and its own."""

    @property
    def lost_ppm(self) -> int:
        """Return the share of notices that never arrive."""
        ...

    @property
    def duplicate_ppm(self) -> int:
        """Return the share of notices that arrive twice."""
        ...

    @property
    def probe_ppm(self) -> int:
        """Return the share of notices that come with a probe."""
        ...


def changed(behaviour: Behaviour, wishes: Mapping[str, object]) -> Behaviour:
    """Return a frozen dataclass of switches and shares, some replaced; refuses unknown names and values."""
    names = {field.name for field in fields(behaviour)}  # type: ignore[arg-type]  # every behaviour is one
    for name, wish in wishes.items():
        value: object = getattr(behaviour, name) if name in names else None
        if value is None or type(wish) is not type(value):
            raise BehaviourMalformed(name)
        if isinstance(wish, int) and not 0 <= wish <= PPM:
            raise BehaviourMalformed(name)
    return replace(behaviour, **wishes)  # type: ignore[type-var]  # each was compared with its field above


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
class Manner:
    """How one provider tells: how long it waits for the answer, which one it wants, when it repeats."""

    answer_within: timedelta
    repeats_s: tuple[int, ...]
    is_accepted: Callable[[int, bytes], bool]  # status and body of the merchant's answer
    speedup: int = 1  # the documented waits between repeats are divided by this


# Writes a notice's headers and body anew for each sending; a probe is signed wrongly.
Written = Callable[[datetime, NoticeKind], tuple[Mapping[str, str], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    number: int
    kind: NoticeKind
    url: str
    written: Written
    due_at: datetime
    tries: int = 0
    sent_at: datetime | None = None


class Notices:
    """The notices that wait to be sent or answered; the one owner of their state."""

    def __init__(self, *, manner: Manner, random: Random) -> None:
        self._manner = manner
        self._random = random
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self.tally = Tally()

    def add(
        self, *, url: str, written: Written, due_at: datetime, kind: NoticeKind = NoticeKind.EVENT
    ) -> None:
        """Queue a notice; it is written and signed anew each time it is sent."""
        if len(self._pending) >= PENDING_MAX:
            self.tally = replace(self.tally, given_up=self.tally.given_up + 1)
            return
        self._number += 1
        self._pending[self._number] = _Pending(
            number=self._number, kind=kind, url=url, written=written, due_at=due_at
        )

    def due(self, now: datetime, *, behaviour: RoadBehaviour) -> list[DueNotice]:
        """Return what is to be sent now, in the order in which it falls due."""
        self._lapse(now)
        ready = [p for p in self._pending.values() if p.sent_at is None and p.due_at <= now]
        notices: list[DueNotice] = []
        for pending in sorted(ready, key=lambda p: (p.due_at, p.number)):
            self._pending[pending.number] = replace(pending, sent_at=now)
            if pending.kind is NoticeKind.EVENT and self._draws(behaviour.lost_ppm):
                continue  # it lapses unanswered, as on the real road
            if pending.kind is NoticeKind.EVENT and self._draws(behaviour.probe_ppm):
                self.add(url=pending.url, written=pending.written, due_at=now, kind=NoticeKind.PROBE)
            copies = 2 if self._draws(behaviour.duplicate_ppm) else 1
            notices += [_due(pending, now=now) for _ in range(copies)]
        return notices

    def answered(self, notice: DueNotice, status: int, *, body: bytes = b"", now: datetime) -> None:
        """Take the answer to a notice; 0 is no answer. An answer that came too late counts as none."""
        self._lapse(now)
        pending = self._pending.get(notice.number)
        if pending is None or pending.sent_at is None or pending.tries != notice.tries:
            return
        if pending.kind is NoticeKind.PROBE:
            self._end_probe(pending, believed=200 <= status < 300)
        elif self._manner.is_accepted(status, body):
            del self._pending[pending.number]
            self.tally = replace(self.tally, accepted=self.tally.accepted + 1)
        else:
            self._repeat(pending, now=now)

    def wake_at(self) -> datetime | None:
        """Return when something falls due or lapses next, or None."""
        instants = [p.due_at if p.sent_at is None else self._lapses_at(p) for p in self._pending.values()]
        return min((instant for instant in instants if instant is not None), default=None)

    def _lapses_at(self, pending: _Pending) -> datetime | None:
        return pending.sent_at + self._manner.answer_within if pending.sent_at is not None else None

    def _lapse(self, now: datetime) -> None:
        for pending in list(self._pending.values()):
            lapses_at = self._lapses_at(pending)
            if lapses_at is None or now < lapses_at:
                continue
            if pending.kind is NoticeKind.PROBE:
                self._end_probe(pending, believed=False)
            else:
                self._repeat(pending, now=lapses_at)

    def _repeat(self, pending: _Pending, *, now: datetime) -> None:
        if pending.tries >= len(self._manner.repeats_s):
            del self._pending[pending.number]
            self.tally = replace(self.tally, given_up=self.tally.given_up + 1)
            return
        wait = timedelta(seconds=self._manner.repeats_s[pending.tries]) / self._manner.speedup
        self._pending[pending.number] = replace(
            pending, tries=pending.tries + 1, due_at=now + wait, sent_at=None
        )

    def _end_probe(self, pending: _Pending, *, believed: bool) -> None:
        del self._pending[pending.number]
        if believed:
            self.tally = replace(self.tally, probes_accepted=self.tally.probes_accepted + 1)
        else:
            self.tally = replace(self.tally, probes_refused=self.tally.probes_refused + 1)

    def _draws(self, ppm: int) -> bool:
        # No draw where nothing is wished, so that a switch that is off does not move the others' luck.
        return ppm > 0 and self._random.randrange(PPM) < ppm


def _due(pending: _Pending, *, now: datetime) -> DueNotice:
    headers, body = pending.written(now, pending.kind)
    path = "/" + pending.url.partition("://")[2].partition("/")[2]
    return DueNotice(
        number=pending.number,
        tries=pending.tries,
        kind=pending.kind,
        due_at=pending.due_at,
        url=pending.url,
        request=HttpRequest(method="POST", path=path, headers=headers, body=body),
    )
