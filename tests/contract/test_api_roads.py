"""What the API tells of roads: by which a recharge went, and when one that is under way arrives."""

from uuid import uuid4

import psycopg
import pytest
from tests.contract.door import Place

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
