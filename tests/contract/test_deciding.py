"""Supplies decided by columns: who is called settled, converging leaves as it is, and nobody is missed."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_hold,
    a_town,
    paid,
    taken,
    told,
)

from compuerta.adapters.postgres import bulk_supply
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services import converging

pytestmark = pytest.mark.postgres
HOMES = 40
LATER = NOON + HOUR
TABLES = ("meter_state", "instruction", "supply_change", "emergency_credit", "supply_hold")


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url)
    yield store
    store.shut()


def rows(store: PostgresStore) -> dict[str, list[dict[str, Any]]]:
    return {table: store.query(f"select * from {table} t order by t::text", {}) for table in TABLES}


def lived(store: PostgresStore, *, seed: int) -> Town:
    """Return a town in which everybody has had another day."""
    chance = Random(seed)
    town = a_town(store, authorities=(METER, PLATFORM) * (HOMES // 2))
    if chance.random() < 0.5:
        with store.transaction() as tx:
            document = '{"last_chance_min": 30, "emergency_minor": 500, "emergency_automatic": true}'
            tx.put_policy(scope="site", scope_id=town.site_id, document=document)
    for number, home in enumerate(town.homes):
        if chance.random() < 0.6:
            paid(store, home, name=f"{number}", amount_minor=chance.choice([100, 5_000]))
        for kind in HoldKind:
            if chance.random() < 0.12:
                end = chance.choice([None, LATER - SECOND, LATER + HOUR])
                with store.transaction() as tx:
                    tx.put_hold(a_hold(home, name=f"{kind} {number}", kind=kind, end=end))
        relay = chance.choice([Relay.CLOSED, Relay.OPEN, Relay.PERMITTED])
        told(
            store, home, at=NOON + SECOND, relay=relay, energy_wh=chance.choice([0, 2_000]),
            balance_minor=chance.choice([-5, 0, 700]),
        )  # fmt: skip
        if chance.random() < 0.5:
            follow(store, home)
    return town


def follow(store: PostgresStore, home: Home) -> None:
    """Let a meter be as it is wanted, and nothing be under way."""
    store.query(
        """with ended as (
            update instruction set state = 'done', ended_at = %(now)s, lease_until = null
            where meter_id = %(id)s and ended_at is null
        )
        update meter_state set relay = case when wanted_closed then 'closed' else 'open' end
        where meter_id = %(id)s returning meter_id""",
        {"id": home.meter_id, "now": NOON + 2 * SECOND},
    )
    with store.transaction() as tx:
        converging.converge(tx, [home.account_id], now=NOON + 3 * SECOND)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_after_a_page_was_decided_converging_finds_nothing_to_write(store: PostgresStore, seed: int) -> None:
    town = lived(store, seed=seed)

    decided = bulk_supply.decide_page(store, after=0, now=LATER)

    after = rows(store)
    with store.transaction() as tx:
        converging.converge(tx, [home.account_id for home in town.homes], now=LATER)
    assert rows(store) == after
    assert decided.looked_at == HOMES
    assert 0 < decided.converged < HOMES


def test_looking_twice_finds_everybody_settled_who_can_be(store: PostgresStore) -> None:
    (home,) = a_town(store, authorities=(PLATFORM,)).homes
    told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)
    first = bulk_supply.decide_page(store, after=0, now=LATER)

    taken(store, home, now=LATER)
    follow(store, home)
    second = bulk_supply.decide_page(store, after=0, now=LATER)

    assert (first.looked_at, second.converged, second.after) == (1, 0, first.after)
    assert bulk_supply.decide_page(store, after=first.after or 0, now=LATER).after is None


def test_who_was_missed_by_a_policy_is_found(store: PostgresStore) -> None:
    (home,) = (town := a_town(store, authorities=(PLATFORM,))).homes
    paid(store, home)
    told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)
    store.query("update account_state set delivered_minor = -1 returning account_id", {})

    decided = bulk_supply.decide_page(store, after=0, now=NOON + timedelta(minutes=1))

    snapshot = store.query("select wanted_reason from meter_state", {})
    assert (decided.converged, len(town.homes)) == (1, 1)
    assert snapshot[0]["wanted_reason"] != "in_credit"
