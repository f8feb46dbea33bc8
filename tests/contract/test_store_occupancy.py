"""Places, accounts that follow each other there, meters that are exchanged, receipts: both stores alike."""

import threading
from dataclasses import replace
from uuid import UUID

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    a_delivery,
    a_meter_entry,
    a_posting,
    a_town,
    an_id,
    an_opening,
    ordered,
)

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.ledger import DELIVERED, HOUSE, Line
from compuerta.services import moving_out
from compuerta.services.acting import Actor
from compuerta.services.moving import AccountClosed, Rest, Shown
from compuerta.services.moving_out import MoveOut
from compuerta.services.occupancy_port import Move, MoveKind
from compuerta.services.store_port import Conflict, Store

ANA = Actor(who="ana", why="the lease ends", origin="console")


def a_move(organisation_id: int, *, name: str = "move") -> Move:
    return Move(
        organisation_id=organisation_id,
        move_id=an_id(name),
        kind=MoveKind.OUT,
        at=NOON,
        who="ana",
        why="the lease ends",
        closing_wh=5,
        settled={"rest_minor": -40},
    )


def test_a_place_has_one_open_account(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    again = an_opening(town.site_id, name="flat 1", meter_id=None, tariff_id=town.tariff_id)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_account(again)


def test_a_place_is_used_again_with_its_sticker(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    again = an_opening(town.site_id, name="flat 1", meter_id=home.meter_id, tariff_id=town.tariff_id)
    later = replace(again, pay_token=an_id("another token"), opened_at=NOON + SECOND)

    with store.transaction() as tx:
        tx.occupancy.close_account(home.account_id, at=NOON + SECOND)
        next_id = tx.add_account(later)

    with store.transaction() as tx:
        assert tx.account_by_token(an_id("token of flat 1")) == next_id
        assert tx.account_by_token(an_id("another token")) is None
        views = tx.look_at([home.account_id, next_id], now=NOON + SECOND)
        points = {each.name: each for each in tx.occupancy.supply_points(town.site_id)}
    assert points["flat 1"].pay_token == an_id("token of flat 1")
    assert views[home.account_id].meter is None
    assert views[home.account_id].account.period.end == NOON + SECOND
    assert views[next_id].account.meter_id == home.meter_id


def test_a_meter_is_exchanged_and_known_to_have_been_used(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    with store.transaction() as tx:
        new_id = tx.add_meter(a_meter_entry(town.organisation_id, number=9))
        assert not tx.occupancy.was_installed(new_id)
        tx.occupancy.exchange_meter(
            home.account_id, old_meter_id=home.meter_id, new_meter_id=new_id, at=NOON + SECOND
        )

    with store.transaction() as tx:
        assert tx.accounts_of_meters([home.meter_id, new_id]) == {new_id: home.account_id}
        assert tx.occupancy.was_installed(home.meter_id)
        assert tx.look_at([home.account_id], now=NOON + SECOND)[home.account_id].account.meter_id == new_id
        found = tx.occupancy.meter_by_no(f"{9:012d}")
        assert found is not None and found.meter_id == new_id
        assert tx.occupancy.meter_by_no("999999999999") is None


def test_a_receipt_is_kept_and_found_by_its_organisation(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        tx.occupancy.put_move(a_move(town.organisation_id))

    with store.transaction() as tx:
        kept = tx.occupancy.move(organisation_id=town.organisation_id, move_id=an_id("move"))
        assert tx.occupancy.move(organisation_id=99, move_id=an_id("move")) is None
    assert kept == a_move(town.organisation_id)


def test_a_receipt_is_written_once(store: Store) -> None:
    town = a_town(store)

    with pytest.raises(Conflict):
        for _ in range(2):
            with store.transaction() as tx:
                tx.occupancy.put_move(a_move(town.organisation_id))


def test_what_postings_made_is_summed_by_code(store: Store) -> None:
    home = a_town(store).homes[0]
    lines = (Line(code=HOUSE, amount_minor=700), Line(code=DELIVERED, amount_minor=-700))
    with store.transaction() as tx:
        tx.book([a_posting(home.account_id, lines=lines)])

    with store.transaction() as tx:
        sums = tx.occupancy.codes_minor(home.account_id, (HOUSE, "deposit"))
    assert sums == {HOUSE: 700, "deposit": 0}


def test_open_orders_and_instructions_are_found(store: Store) -> None:
    home = a_town(store, authorities=(METER,)).homes[0]
    attempt = ordered(store, home)
    with store.transaction() as tx:
        tx.put_instructions([a_delivery(home, purchase_no=2), a_delivery(home, purchase_no=1)])

    with store.transaction() as tx:
        assert [each.attempt_id for each in tx.occupancy.open_attempts(home.account_id)] == [
            attempt.attempt_id
        ]
        assert [each.purchase_no for each in tx.occupancy.open_instructions(home.meter_id)] == [1, 2]


def test_a_site_is_of_its_organisation(store: Store) -> None:
    town = a_town(store)

    with store.transaction() as tx:
        own = tx.occupancy.site_of(organisation_id=town.organisation_id, site_id=town.site_id)
        foreign = tx.occupancy.site_of(organisation_id=99, site_id=town.site_id)
    assert (own, foreign) == ("CNY", None)


@pytest.mark.postgres
@pytest.mark.slow
def test_of_two_who_move_somebody_out_at_once_one_wins(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    both_begun = threading.Barrier(2)
    outcomes: dict[UUID, str] = {}

    def leave(move_id: UUID) -> None:
        own = PostgresStore(postgres_url)
        leaving = MoveOut(account_id=home.account_id, shown=Shown(register_wh=0), rest=Rest.BOOKED)
        both_begun.wait(timeout=10)
        try:
            moving_out.move_out(own, leaving, actor=ANA, move_id=move_id, now=NOON + SECOND)
            outcomes[move_id] = "moved"
        except AccountClosed:
            outcomes[move_id] = "told"
        finally:
            own.shut()

    movers = [threading.Thread(target=leave, args=(an_id(name),)) for name in ("one", "other")]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join(timeout=30)

    with store.transaction() as tx:
        followed = tx.accounts_of_meters([home.meter_id])
    store.shut()
    assert sorted(outcomes.values()) == ["moved", "told"]
    assert list(followed.values()) != [home.account_id]
