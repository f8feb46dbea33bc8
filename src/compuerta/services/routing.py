"""Routing: by which of its ways a meter is reached now.

A meter's ways have an order. One that has just failed it is left to the others: nobody who has paid waits for
it until a poll has found that it serves again, and the polls leave it for a rest that grows, within a bound.
Where every way has failed, they are tried in turn. Gateways decide alike, since they read the same rows: the
one whose way is not the best one now leaves the meter to the other. Should they differ for the seconds in
which they have not learned of each other, the lease of an instruction still lets but one of them speak.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from compuerta.domain.party import Meter
from compuerta.domain.road import Way, WayFailure
from compuerta.services.store_port import Store

# A way that failed once is asked by the next poll after this; doubled with each further failure, to a bound
# within which a way that is well again is found.
REST = timedelta(seconds=15)
REST_MAX = timedelta(minutes=5)
_DOUBLINGS_MAX = 5  # a rest doubled so often is more than REST_MAX
_NEVER = datetime.min.replace(tzinfo=UTC)

Failures = Mapping[tuple[int, str], WayFailure | None]  # by meter and end; None = it serves again


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A meter, and the way that is taken to it now."""

    meter: Meter
    way: Way


def own_way(meter: Meter) -> Way:
    """Return the way to a meter's own end: the first of its ways."""
    return Way(endpoint_id=meter.endpoint_id, road=meter.road)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the rows tell of all ways."""

    ways: Mapping[int, tuple[Way, ...]] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()  # ends that other gateways reach


class Routing:
    """Which way a gateway takes to each meter."""

    def __init__(self) -> None:
        self._known = Known()
        self._failures: dict[tuple[int, str], WayFailure] = {}
        self._here: set[str] = set()
        self._unwritten: dict[tuple[int, str], WayFailure | None] = {}
        self._on_end: dict[str, list[int]] = {}  # the meters that have a way by each end
        self._changed: set[int] = set()  # meters whose way may be another than it was

    def follow(self, known: Known) -> None:
        """Take over what the rows tell; what was seen here and is not written yet is newer."""
        told = {**known.failures, **self._unwritten}
        failures = {key: each for key, each in told.items() if each is not None}
        former, self._known = self._known, known
        if known.ways != former.ways:
            self._changed.update(former.ways, known.ways)
            self._on_end = _meters_on_ends(known.ways)
        for end in known.elsewhere ^ former.elsewhere:
            self._changed.update(self._on_end.get(end, ()))
        self._changed.update(meter_id for meter_id, _ in {*failures, *self._failures})
        self._failures = failures

    def take_changed(self) -> set[int]:
        """Return, once, the meters whose way may be another: for all others it is the one that it was."""
        changed, self._changed = self._changed, set()
        return changed

    def opened(self, endpoint_id: str) -> None:
        """Note that an end is reached from here; what had failed before it came may serve now."""
        self._here.add(endpoint_id)
        self._changed.update(self._on_end.get(endpoint_id, ()))
        for meter_id, failed_id in list(self._failures):
            if failed_id == endpoint_id:
                self._forget(meter_id, endpoint_id)

    def lost(self, endpoint_id: str) -> None:
        """Note that an end is no longer reached from here."""
        self._here.discard(endpoint_id)
        self._changed.update(self._on_end.get(endpoint_id, ()))

    def way(self, meter_id: int, *, now: datetime, is_poll: bool = False) -> Way | None:
        """Return the way to take from here; None = there is none, or another gateway has a better one."""
        ways = self._known.ways.get(meter_id, ())
        if len(ways) == 1:  # most meters have but one: this is asked for all of them many times a second
            return ways[0] if ways[0].endpoint_id in self._here else None
        living = self._living(meter_id)
        if len(living) > 1:
            living.sort(key=lambda way: self._rank(meter_id, way, now=now if is_poll else None))
        return living[0] if living and living[0].endpoint_id in self._here else None

    def reached(self, meters: Iterable[Meter], *, now: datetime, is_poll: bool = False) -> list[Reached]:
        """Return the meters that are this gateway's to speak to now, each with its way."""
        found = ((meter, self.way(meter.meter_id, now=now, is_poll=is_poll)) for meter in meters)
        return [Reached(meter=meter, way=way) for meter, way in found if way is not None]

    def has_several(self, meter_id: int) -> bool:
        """Tell whether a meter has more than one way, living or not."""
        return len(self._known.ways.get(meter_id, ())) > 1

    def has_another(self, meter_id: int, way: Way) -> bool:
        """Tell whether a meter has another way that lives and has not failed it."""
        return any(
            each != way and (meter_id, each.endpoint_id) not in self._failures
            for each in self._living(meter_id)
        )

    def failed(self, meter_id: int, way: Way, *, at: datetime) -> None:
        """Note that a way met silence; of no matter where it is the only one."""
        if self.has_several(meter_id):
            key = meter_id, way.endpoint_id
            before = self._failures.get(key)
            failure = WayFailure(failed_at=at, times=1 if before is None else before.times + 1)
            self._failures[key] = self._unwritten[key] = failure
            self._changed.add(meter_id)

    def failed_at(self, meter_id: int, endpoint_id: str) -> datetime | None:
        """Return when a meter was silent by an end last; None = it has answered by it since."""
        failure = self._failures.get((meter_id, endpoint_id))
        return None if failure is None else failure.failed_at

    def served(self, meter_id: int, way: Way) -> None:
        """Note that a meter answered by a way."""
        if (meter_id, way.endpoint_id) in self._failures:
            self._forget(meter_id, way.endpoint_id)

    def take_unwritten(self) -> Failures:
        """Return what the rows do not tell yet, once."""
        unwritten, self._unwritten = self._unwritten, {}
        return unwritten

    def keep(self, unwritten: Failures) -> None:
        """Take back what may not have been written."""
        self._unwritten = {**unwritten, **self._unwritten}

    def _living(self, meter_id: int) -> list[Way]:
        here, elsewhere = self._here, self._known.elsewhere
        return [
            way
            for way in self._known.ways.get(meter_id, ())
            if way.endpoint_id in here or way.endpoint_id in elsewhere
        ]

    def _rank(self, meter_id: int, way: Way, *, now: datetime | None) -> tuple[bool, datetime]:
        """Return what sorts ways by their worth; `now` is given where one that has rested may be tried."""
        failure = self._failures.get((meter_id, way.endpoint_id))
        if failure is None or (now is not None and now >= rests_until(failure)):
            return False, _NEVER
        return True, failure.failed_at

    def _forget(self, meter_id: int, endpoint_id: str) -> None:
        del self._failures[meter_id, endpoint_id]
        self._unwritten[meter_id, endpoint_id] = None
        self._changed.add(meter_id)


def rests_until(failure: WayFailure) -> datetime:
    """Return until when polls leave a way that failed, while another lives."""
    doublings = min(failure.times - 1, _DOUBLINGS_MAX)
    return failure.failed_at + min(REST * (1 << doublings), REST_MAX)


def _meters_on_ends(ways: Mapping[int, tuple[Way, ...]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for meter_id, each in ways.items():
        for way in each:
            found.setdefault(way.endpoint_id, []).append(meter_id)
    return found


def learn(store: Store, *, gateway: str, ways: Mapping[int, tuple[Way, ...]] | None = None) -> Known:
    """Read what the rows tell of all ways, for one gateway; `ways` that are known already are not read."""
    with store.transaction() as tx:
        alive = tx.roads.alive()
        return Known(
            ways=tx.roads.ways() if ways is None else ways,
            failures=tx.roads.failures(),
            elsewhere=frozenset(end for end, holder in alive.items() if holder != gateway),
        )


def put_failures(store: Store, failures: Failures) -> None:
    """Write which ways have failed meters, or serve them again."""
    with store.transaction() as tx:
        tx.roads.put_failures(failures)
