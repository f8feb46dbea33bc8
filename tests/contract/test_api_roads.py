"""What the API tells of roads: how they serve, the ways to a meter, and when a recharge arrives."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.contract.door import OTHERS_METER_NO, Place, bearer

from compuerta.apps import wiring
from compuerta.apps.api.keys import make_key

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("is_alive", "next_contact", "delivery"),
    [
        (True, None, "now"),
        (False, "1 hour", "at_contact"),
        (False, "-9 days", "road_dead"),
        (False, None, "road_dead"),
    ],
)
def test_a_recharge_under_way_tells_when_it_arrives(
    place: Place, is_alive: bool, next_contact: str | None, delivery: str
) -> None:
    account_id, attempt_id = place.homes[1].account_id, uuid4()
    place.recharge(account_id, attempt_id=attempt_id, provider="till")
    with psycopg.connect(place.url) as connection:
        connection.execute(
            """insert into endpoint_state (endpoint_id, alive, gateway, changed_at, next_contact_at)
            select m.endpoint_id, %s, 'one', now(), now() + %s::interval
            from installation i join meter m using (meter_id)
            where i.account_id = %s and i.ended_at is null
            on conflict (endpoint_id) do update
                set alive = excluded.alive, next_contact_at = excluded.next_contact_at""",
            (is_alive, next_contact, account_id),
        )

    told = place.ask(f"/recharges/{attempt_id}").json()

    assert told["delivery"] == delivery
    assert (told["delivery_at"] is None) == (delivery == "now")
    assert told["endpoint_id"] is None


def test_a_recharge_that_was_tried_tells_by_which_end(place: Place) -> None:
    account_id, attempt_id = place.homes[2].account_id, uuid4()
    place.recharge(account_id, attempt_id=attempt_id, provider="till")
    with psycopg.connect(place.url) as connection:
        connection.execute(
            """update instruction i set endpoint_id = m.endpoint_id from meter m
            where m.meter_id = i.meter_id and i.account_id = %s and i.kind = 'recharge'""",
            (account_id,),
        )

    told = place.ask(f"/recharges/{attempt_id}").json()

    (meter,) = (each for each in place.ask("/meters").json() if each["meter_no"] == place.homes[2].meter_no)
    assert (told["endpoint_id"], told["road"]) == (meter["endpoint_id"], meter["road"])


def settled(place: Place, ends: list[str], *, act_id: UUID | None = None) -> Any:
    """Settle the ways of the second home's meter."""
    key = make_key(
        place.url, name="fitter", organisation_id=place.organisation_id, scopes=["see", "commission"]
    )
    body = {"act_id": str(act_id or uuid4()), "endpoint_ids": ends, "why": "the bus is noisy"}
    address = f"/api/v1/meters/{place.homes[1].meter_no}/ways"
    return place.client.request("PUT", address, headers=bearer(key), json=body)


def an_end(place: Place, endpoint_id: str) -> str:
    with psycopg.connect(place.url) as connection:
        connection.execute(
            """insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
            values (%s, %s, '4g', 'dial_in', %s) on conflict do nothing""",
            [endpoint_id, place.organisation_id, endpoint_id],
        )
    return endpoint_id


def test_the_ways_to_a_meter_are_put_in_another_order_once(place: Place) -> None:
    second, act_id = an_end(place, "second"), uuid4()
    address = f"/meters/{place.homes[1].meter_no}/ways"
    own = [each["endpoint_id"] for each in place.ask(address).json()["ways"]]

    answers = [settled(place, [second, *own], act_id=act_id) for _ in range(2)]
    told = place.ask(address).json()["ways"]
    back = settled(place, own)

    assert [answer.status_code for answer in (*answers, back)] == [200, 200, 200]
    assert [each["endpoint_id"] for each in told] == [second, *own]
    assert told[0] | {"state_at": None} == {
        "endpoint_id": "second", "road": "4g", "bearer": "dial_in", "state": "dead", "state_at": None,
        "failures": 0,
    }  # fmt: skip
    (audit,) = place.rows("select what, before, after from audit where audit_id = %s", act_id)
    assert audit == {"what": "settle ways", "before": own[0], "after": f"second, {own[0]}"}


@pytest.mark.parametrize(("ends", "told"), [(["nowhere"], "no such end"), (["second", "second"], "twice")])
def test_ways_that_cannot_be_are_refused_and_change_nothing(place: Place, ends: list[str], told: str) -> None:
    an_end(place, "second")
    address = f"/meters/{place.homes[1].meter_no}/ways"
    before = place.ask(address).json()

    refused = settled(place, ends)

    assert (refused.status_code, told in refused.json()["detail"]) == (422, True)
    assert place.ask(address).json() == before
    assert place.ask(f"/meters/{OTHERS_METER_NO}/ways").status_code == 404


def test_roads_tell_how_they_serve(place: Place) -> None:
    end = an_end(place, "served")
    with psycopg.connect(place.url) as connection:
        connection.execute(
            """insert into road_hour (endpoint_id, hour, exchanges, repeats, silences, strays, done, failed,
                latencies)
            select %s, date_trunc('hour', %s::timestamptz, 'UTC') - interval '1 hour', 10, 2, 1, 0, 9, 1,
                array_fill(0, array[9]) || 10 || array_fill(0, array[9])""",
            [end, wiring.now()],
        )

    found = {each["endpoint_id"]: each for each in place.ask("/roads").json()}

    served = {name: found[end][name] for name in ("success_percent", "repeats_percent", "p50_ms", "state")}
    assert served == {"success_percent": 90, "repeats_percent": 20, "p50_ms": 2_000, "state": "dead"}
    assert found.keys().isdisjoint({OTHERS_METER_NO})
