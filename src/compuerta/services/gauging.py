"""Gauging: what a gateway notices of its roads, kept in memory until it is written with the next beat.

Figures are hints for people and the adviser, not evidence: a gateway that is killed loses those of two
seconds, and those whose commit nobody heard of are counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from compuerta.domain.road import EndContact, RoadSign, believed
from compuerta.domain.road_figures import RoadHour, gauged, merged
from compuerta.drivers.line import LineCounts
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store

# Two hours of ten thousand ends, while the database is away; the oldest make room.
HOURS_MAX = 20_000
HOURS_KEPT = timedelta(days=100)  # a season: what the adviser weighs an existing site by
# That an end was heard is written no more often, unless something else of it is new.
CONTACT_GRAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadNews:
    """What is to be written of roads with one beat."""

    contacts: Sequence[EndContact] = ()
    hours: Sequence[RoadHour] = ()


@dataclass(slots=True, kw_only=True)
class Gauges:
    """What is noticed of the roads of one gateway, and not written yet."""

    _hours: dict[tuple[str, datetime], RoadHour] = field(default_factory=dict)
    _contacts: dict[str, EndContact] = field(default_factory=dict)
    _told_at: dict[str, datetime] = field(default_factory=dict)  # when each end's contact was written last

    def count(self, endpoint_id: str, counts: LineCounts, *, at: datetime) -> None:
        """Add what a line has counted since it was asked last."""
        self._add(
            RoadHour(
                endpoint_id=endpoint_id,
                hour=_hour(at),
                exchanges=counts.exchanges,
                repeats=counts.repeats,
                silences=counts.silences,
                strays=counts.strays,
                done=counts.done,
                failed=counts.failed,
                latencies=tuple(counts.latencies),
            )
        )

    def met(self, end: Endpoint, *, at: datetime) -> None:
        """Note that an end was heard."""
        known = self._contacts.get(end.endpoint_id)
        told_at = self._told_at.get(end.endpoint_id)
        if known is None and told_at is not None and at - told_at < CONTACT_GRAIN:
            return
        sign = None if known is None else known.sign
        next_at = None if end.contact_s is None else at + timedelta(seconds=end.contact_s)
        if sign is not None and sign.next_contact_at is not None:
            next_at = sign.next_contact_at
        self._contacts[end.endpoint_id] = EndContact(
            endpoint_id=end.endpoint_id, at=at, next_at=next_at, sign=sign
        )

    def lost(self, end: Endpoint, *, reason: str) -> None:
        """Note why an end is no longer there; when it comes again stays as it was told."""
        known = self._contacts.get(end.endpoint_id)
        self._contacts[end.endpoint_id] = EndContact(
            endpoint_id=end.endpoint_id,
            at=None if known is None else known.at,
            next_at=None if known is None else known.next_at,
            sign=None if known is None else known.sign,
            lost_reason=reason,
        )

    def signed(self, end: Endpoint, sign: RoadSign) -> None:
        """Keep what an end told of its road, as far as it can be true."""
        sign = believed(sign)
        self._add(
            RoadHour(
                endpoint_id=end.endpoint_id,
                hour=_hour(sign.at),
                rsrp=None if sign.rsrp_dbm is None else gauged(sign.rsrp_dbm),
                snr=None if sign.snr_db is None else gauged(sign.snr_db),
                csq=None if sign.csq is None else gauged(sign.csq),
            )
        )
        usual = None if end.contact_s is None else sign.at + timedelta(seconds=end.contact_s)
        self._contacts[end.endpoint_id] = EndContact(
            endpoint_id=end.endpoint_id, at=sign.at, next_at=sign.next_contact_at or usual, sign=sign
        )

    def take(self) -> RoadNews:
        """Return what is to be written, once."""
        news = RoadNews(contacts=list(self._contacts.values()), hours=list(self._hours.values()))
        self._told_at.update((each.endpoint_id, each.at) for each in news.contacts if each.at is not None)
        self._contacts, self._hours = {}, {}
        return news

    def keep(self, news: RoadNews) -> None:
        """Take back what may not have been written; what came since is newer."""
        for old in news.contacts:
            new = self._contacts.get(old.endpoint_id, old)
            self._contacts[old.endpoint_id] = replace(
                new, at=new.at or old.at, next_at=new.next_at or old.next_at, sign=new.sign or old.sign
            )
        since, self._hours = self._hours, {}
        for each in [*news.hours, *since.values()][-HOURS_MAX:]:
            self._add(each)

    def _add(self, hour: RoadHour) -> None:
        key = hour.endpoint_id, hour.hour
        before = self._hours.get(key)
        self._hours[key] = hour if before is None else merged(before, hour)


def forget_old(store: Store, *, after: int, now: datetime) -> int | None:
    """Forget figures of long ago; see `worker.Sweep`. There is but one page of them."""
    assert after == 0, "what is old goes at once"
    with store.transaction() as tx:
        tx.roads.forget_hours(before=now - HOURS_KEPT)
    return None


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
