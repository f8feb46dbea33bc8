"""Revoking: the key of one end is taken away, by name and with a reason, and its next one is another."""

from dataclasses import replace

import pytest
from tests.unit.services.town import NOON, a_town

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services import revoking, road_keys
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import Endpoint
from compuerta.services.revoking import EndUnknown

ANA = Actor(who="ana", why="the box was stolen", origin="command line")
SECRET = bytes(32)


def a_place() -> MemoryStore:
    """Return a store with two devices that have one name at two doors."""
    store = MemoryStore()
    organisation_id = a_town(store).organisation_id
    with store.transaction() as tx:
        for name, road, bearer in (
            ("by coap", RoadKind.NBIOT, Bearer.COAP),
            ("by mqtt", RoadKind.MOBILE_4G, Bearer.MQTT),
        ):
            tx.add_endpoint(
                Endpoint(
                    endpoint_id=name,
                    organisation_id=organisation_id,
                    road=road,
                    bearer=bearer,
                    address="box-1",
                )
            )
    return store


def keys(store: MemoryStore) -> dict[str, bytes]:
    with store.transaction() as tx:
        return {end.endpoint_id: road_keys.key_of(end, secret=SECRET) for end in tx.endpoints()}


def test_the_next_key_of_an_end_is_another_and_everybody_elses_stay() -> None:
    store = a_place()
    before = keys(store)

    renewed = revoking.revoke(store, Bearer.MQTT, "box-1", ANA, now=NOON)

    after = keys(store)
    assert (renewed.endpoint_id, renewed.key_generation) == ("by mqtt", 2)
    assert {name for name in after if after[name] != before[name]} == {"by mqtt"}
    (entry,) = store.tables.audit
    assert (entry.subject, entry.who, entry.why) == ("end by mqtt", "ana", ANA.why)
    assert (entry.before, entry.after) == ("key 1", "key 2")


@pytest.mark.parametrize(
    ("bearer", "actor", "refusal"),
    [(Bearer.DIAL_IN, ANA, EndUnknown), (Bearer.MQTT, replace(ANA, why=" "), ReasonMissing)],
)
def test_nobodys_key_is_taken_away_without_a_reason_or_by_another_door(
    bearer: Bearer, actor: Actor, refusal: type[Exception]
) -> None:
    store = a_place()
    before = keys(store)

    with pytest.raises(refusal):
        revoking.revoke(store, bearer, "box-1", actor, now=NOON)

    assert keys(store) == before
    assert store.tables.audit == []
