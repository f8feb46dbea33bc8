"""Rerouting: only ends that the organisation has, and by roads that the meter speaks."""

from dataclasses import replace

import pytest
from tests.unit.services.town import MODELS, NOON, Town, a_town, an_id

from compuerta.adapters.memory.store import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services import rerouting
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import Endpoint
from compuerta.services.rerouting import MeterUnknown, Unfit, WaysUnfit, WaysWish

ANA = Actor(who="ana", why="the bus is noisy", origin="the tests")


def a_wish(town: Town, *ends: str) -> WaysWish:
    return WaysWish(
        organisation_id=town.organisation_id,
        meter_id=town.homes[0].meter_id,
        endpoint_ids=ends,
        act_id=an_id("reroute"),
    )


def a_place(model: str) -> tuple[MemoryStore, Town]:
    """Return a home on a bus, with an end of each road beside it, and one that is somebody else's."""
    store = MemoryStore()
    town = a_town(store, model=model)
    ends = [
        ("module", RoadKind.MOBILE_4G, Bearer.DIAL_IN, 0),
        ("platform", RoadKind.MOBILE_4G, Bearer.OPERATOR, 0),
        ("sleeper", RoadKind.NBIOT, Bearer.COAP, 0),
        ("foreign", RoadKind.MOBILE_4G, Bearer.DIAL_IN, 1),
    ]
    with store.transaction() as tx:
        other = tx.add_organisation("Otra")
        for name, road, bearer, is_foreign in ends:
            organisation_id = other if is_foreign else town.organisation_id
            tx.add_endpoint(
                Endpoint(
                    endpoint_id=name, organisation_id=organisation_id, road=road, bearer=bearer, address=name
                )
            )
    return store, town


def test_the_first_way_becomes_the_meters_own_and_the_audit_tells_both_orders() -> None:
    store, town = a_place("modbus-generic")
    wish = a_wish(town, "module", "bus")

    ways = rerouting.settle_ways(store, wish, models=MODELS, actor=ANA, now=NOON)

    assert [way.endpoint_id for way in ways] == ["module", "bus"]
    with store.transaction() as tx:
        (meter,) = tx.meters()
    assert (meter.endpoint_id, meter.road) == ("module", RoadKind.MOBILE_4G)


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ((), Unfit.COUNT),
        (tuple(f"end {number}" for number in range(11)), Unfit.COUNT),
        (("bus", "bus"), Unfit.TWICE),
        (("bus", "nowhere"), Unfit.UNKNOWN),
        (("bus", "foreign"), Unfit.UNKNOWN),
        (("bus", "platform"), Unfit.STORED),
        (("bus", "sleeper"), Unfit.ROAD),
    ],
)
def test_ways_that_cannot_be_are_refused(ends: tuple[str, ...], reason: Unfit) -> None:
    store, town = a_place("modbus-generic")

    with pytest.raises(WaysUnfit) as refused:
        rerouting.settle_ways(store, a_wish(town, *ends), models=MODELS, actor=ANA, now=NOON)

    assert refused.value.reason is reason
    with store.transaction() as tx:
        assert [way.endpoint_id for way in tx.roads.ways()[town.homes[0].meter_id]] == ["bus"]


@pytest.mark.parametrize(
    ("actor", "meter_id", "refusal"),
    [(replace(ANA, why=" "), None, ReasonMissing), (ANA, 9_999, MeterUnknown)],
)
def test_nobody_reroutes_without_a_reason_or_what_is_not_theirs(
    actor: Actor, meter_id: int | None, refusal: type[Refused]
) -> None:
    store, town = a_place("modbus-generic")
    wish = a_wish(town, "bus")
    wish = replace(wish, meter_id=meter_id or wish.meter_id)

    with pytest.raises(refusal):
        rerouting.settle_ways(store, wish, models=MODELS, actor=actor, now=NOON)


def test_what_a_network_brings_late_a_meter_that_dates_its_orders_refuses_by_itself() -> None:
    store, town = a_place("dlt645-standard-4g")

    ways = rerouting.settle_ways(store, a_wish(town, "platform"), models=MODELS, actor=ANA, now=NOON)

    assert [way.endpoint_id for way in ways] == ["platform"]


def test_nobody_reroutes_the_meter_of_another_organisation() -> None:
    store, town = a_place("modbus-generic")
    with store.transaction() as tx:
        (foreign,) = (end for end in tx.endpoints() if end.endpoint_id == "foreign")
    wish = replace(a_wish(town, "foreign"), organisation_id=foreign.organisation_id)

    with pytest.raises(MeterUnknown):
        rerouting.settle_ways(store, wish, models=MODELS, actor=ANA, now=NOON)
