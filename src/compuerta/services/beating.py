"""Beating: processes say that they live, what ends of roads they reach, and what knocked in vain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from compuerta.services.gauging import RoadNews
from compuerta.services.records import Alarm
from compuerta.services.store_port import Store

BEAT = timedelta(seconds=2)  # between two signs of life
# A gateway that missed four beats is dead, or so slow that another may as well go on with its meters: what it
# had in flight is found done or not by reading back, and its own conclusions no longer count.
SILENT_FOR = 4 * BEAT
NO_NEWS = RoadNews()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One sign of life of one process."""

    role: str  # "door", "gateway", "worker"
    instance: str
    started_at: datetime
    at: datetime


def beat(
    store: Store, sign: Beat, *, ends: Mapping[str, bool], alarms: Sequence[Alarm], roads: RoadNews = NO_NEWS
) -> None:
    """Keep a sign of life, the ends that were won or lost, what is new of roads, and alarms, together.

    Leases and roads of gateways that gave no sign for `SILENT_FOR` end now: nobody waits for a dead process,
    and no screen shows a road that nobody holds.
    """
    silent_since = sign.at - SILENT_FOR
    with store.transaction() as tx:
        tx.put_beat(role=sign.role, instance=sign.instance, started_at=sign.started_at, at=sign.at)
        tx.put_ends(dict(ends), gateway=sign.instance, at=sign.at)
        tx.roads.put_contacts(roads.contacts)
        tx.roads.add_hours(roads.hours)
        tx.put_alarms(alarms)
        tx.end_leases(owners_silent_since=silent_since, at=sign.at)
        tx.lose_ends(gateways_silent_since=silent_since, at=sign.at)
