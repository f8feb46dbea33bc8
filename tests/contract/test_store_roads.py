"""The store port: ways to meters, the ends of roads, and how well they serve."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import HOUR, NOON, SECOND, Home, a_town

from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import GATEWAY_SILENT, EndContact, EndState, RoadSign, Way, WayFailure
from compuerta.domain.road_figures import BUCKETS, Gauge, RoadHour
from compuerta.services import beating
from compuerta.services.beating import SILENT_FOR, Beat
from compuerta.services.gauging import RoadNews
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store

BUS = Way(endpoint_id="bus", road=RoadKind.RS485)
MODULE = Way(endpoint_id="module", road=RoadKind.NBIOT)
BEAT = Beat(role="gateway", instance="one", started_at=NOON, at=NOON)


def a_home(store: Store) -> Home:
    """Return a home on the bus, with a module beside it."""
    town = a_town(store)
    module = Endpoint(
        endpoint_id="module",
        organisation_id=town.organisation_id,
        road=RoadKind.NBIOT,
        bearer=Bearer.COAP,
        address="860000000000001",
        contact_s=3_600,
    )
    with store.transaction() as tx:
        tx.add_endpoint(module)
        tx.roads.put_ways({town.homes[0].meter_id: ["module"]})
    return town.homes[0]


def an_hour(**more: object) -> RoadHour:
    return replace(RoadHour(endpoint_id="bus", hour=NOON), **more)  # type: ignore[arg-type]


def test_a_meter_has_its_own_way_first_and_the_further_ones_in_their_order(store: Store) -> None:
    home = a_home(store)

    with store.transaction() as tx:
        tx.roads.put_ways({home.meter_id: ["bus", "module"]})  # its own once more tells nothing new
        ways = tx.roads.ways()
        tx.roads.put_ways({home.meter_id: []})
        none = tx.roads.ways([home.meter_id])

    assert ways == {home.meter_id: (BUS, MODULE)}
    assert none == {home.meter_id: (BUS,)}


def test_another_end_can_lead_to_a_meter(store: Store) -> None:
    home = a_home(store)

    with store.transaction() as tx:
        tx.roads.lead(home.meter_id, "module")
        tx.roads.put_ways({home.meter_id: ["bus"]})
        ways = tx.roads.ways([home.meter_id])
        (meter,) = [each for each in tx.meters() if each.meter_id == home.meter_id]

    assert ways == {home.meter_id: (MODULE, BUS)}
    assert (meter.endpoint_id, meter.road) == ("module", RoadKind.NBIOT)


def test_failures_of_ways_are_written_over_and_away(store: Store) -> None:
    home = a_home(store)
    first, second = WayFailure(failed_at=NOON, times=1), WayFailure(failed_at=NOON + SECOND, times=2)
    bus, module = (home.meter_id, "bus"), (home.meter_id, "module")

    with store.transaction() as tx:
        tx.roads.put_failures({bus: first, module: first})
    with store.transaction() as tx:
        tx.roads.put_failures({bus: second, module: None})
        failures = tx.roads.failures()

    assert failures == {bus: second}


def test_an_end_tells_when_it_was_met_and_why_it_is_gone(store: Store) -> None:
    a_home(store)
    sign = RoadSign(at=NOON, rsrp_dbm=-110, snr_db=-3, csq=None, cell="460-00-1")
    met = EndContact(endpoint_id="module", at=NOON, next_at=NOON + HOUR, sign=sign)
    slept = EndContact(endpoint_id="module", lost_reason="asleep")
    later = replace(BEAT, at=NOON + 4 * SECOND)

    beating.beat(store, BEAT, ends={"module": True}, alarms=[], roads=RoadNews(contacts=[met]))
    beating.beat(store, later, ends={"module": False}, alarms=[], roads=RoadNews(contacts=[slept]))
    with store.transaction() as tx:
        ends, alive = tx.roads.ends(["module", "bus"]), tx.roads.alive()

    assert ends == {
        "module": EndState(
            is_alive=False,
            changed_at=NOON + 4 * SECOND,
            contact_at=NOON,
            next_contact_at=NOON + HOUR,
            lost_reason="asleep",
        )
    }
    assert alive == {}


def test_an_end_that_comes_again_is_lost_for_no_reason_any_more(store: Store) -> None:
    a_home(store)
    slept = EndContact(endpoint_id="module", lost_reason="asleep")

    beating.beat(store, BEAT, ends={"module": True}, alarms=[])
    beating.beat(store, BEAT, ends={"module": False}, alarms=[], roads=RoadNews(contacts=[slept]))
    beating.beat(store, BEAT, ends={"module": True}, alarms=[])
    with store.transaction() as tx:
        (end,) = tx.roads.ends(["module"]).values()
        alive = tx.roads.alive()

    assert (end.is_alive, end.lost_reason, alive) == (True, "", {"module": "one"})


def test_the_ends_of_a_gateway_that_died_are_lost_with_it(store: Store) -> None:
    a_home(store)
    beating.beat(store, BEAT, ends={"module": True}, alarms=[])
    other = Beat(role="gateway", instance="two", started_at=NOON, at=NOON + SILENT_FOR)

    beating.beat(store, other, ends={}, alarms=[])
    beating.beat(store, replace(other, at=other.at + SECOND), ends={}, alarms=[])
    with store.transaction() as tx:
        (end,) = tx.roads.ends(["module"]).values()

    assert (end.is_alive, end.lost_reason, end.changed_at) == (False, GATEWAY_SILENT, other.at)


def test_the_figures_of_an_hour_are_added_up(store: Store) -> None:
    a_home(store)
    quick, slow = (1, *(0,) * (BUCKETS - 1)), (*(0,) * (BUCKETS - 1), 2)
    first = an_hour(exchanges=3, repeats=1, done=1, latencies=quick, csq=gauge(20))
    second = an_hour(exchanges=2, silences=1, strays=4, failed=1, latencies=slow, csq=gauge(12))

    for some in (first, second):
        beating.beat(store, BEAT, ends={}, alarms=[], roads=RoadNews(hours=[some]))
    with store.transaction() as tx:
        (hour,) = tx.roads.hours(since=NOON, until=NOON + HOUR)

    assert hour == an_hour(
        exchanges=5,
        repeats=1,
        silences=1,
        strays=4,
        done=1,
        failed=1,
        latencies=(1, *(0,) * (BUCKETS - 2), 2),
        csq=Gauge(count=2, minimum=12, total=32, last=12),
    )


def gauge(value: int) -> Gauge:
    return Gauge(count=1, minimum=value, total=value, last=value)


@pytest.mark.parametrize(("before", "left"), [(timedelta(0), 2), (HOUR, 1), (2 * HOUR, 0)])
def test_old_figures_are_forgotten(store: Store, before: timedelta, left: int) -> None:
    a_home(store)
    with store.transaction() as tx:
        tx.roads.add_hours([an_hour(done=1), an_hour(hour=NOON + HOUR, done=1)])

    with store.transaction() as tx:
        gone = tx.roads.forget_hours(before=NOON + before)
        hours = tx.roads.hours(since=NOON, until=NOON + 2 * HOUR)

    assert (gone, len(hours)) == (2 - left, left)


def test_a_key_of_an_end_is_taken_back_by_its_next_generation(store: Store) -> None:
    a_home(store)

    with store.transaction() as tx:
        renewed, stranger = tx.roads.renew_key("module"), tx.roads.renew_key("nowhere")
        generations = {end.endpoint_id: end.key_generation for end in tx.endpoints()}

    assert (renewed, stranger) == (2, None)
    assert generations == {"bus": 1, "module": 2}
