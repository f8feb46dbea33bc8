"""What a house begins with: all supply points of a table or none, and each fault by its row and field."""

from dataclasses import replace

import pytest
from tests.unit.services.town import MODELS, NOON, PLATFORM, a_town, an_id

from compuerta.domain.party import AccountKind, CreditAuthority, RoadKind
from compuerta.services import founding
from compuerta.services.acting import Actor
from compuerta.services.founding import PlaceRow, PlacesWish, RowsFaulty, SiteUnknown, SiteWish
from compuerta.services.store_port import Store

ANA = Actor(who="ana", why="the building is ready", origin="command line")


def a_row(number: int, *, tariff_id: int) -> PlaceRow:
    return PlaceRow(
        building="B",
        floor=number // 100,
        place=f"{number}",
        meter_no=f"{777_000_000 + number:012d}",
        customer_no=f"{777_000_000 + number:012d}",
        model="dlt645-standard-4g",
        credit_authority=CreditAuthority.PLATFORM,
        road=RoadKind.MOBILE_4G,
        endpoint_id=f"8600{number}",
        address="",
        baud=None,
        tariff_id=tariff_id,
        register_wh=5_000,
        contracted_w=None,
    )


def a_wish(store: Store) -> PlacesWish:
    town = a_town(store, authorities=(PLATFORM,))
    rows = [a_row(number, tariff_id=town.tariff_id) for number in (101, 102, 201)]
    return PlacesWish(
        founding_id=an_id("founding"), organisation_id=town.organisation_id, site_id=town.site_id, rows=rows
    )


def test_a_building_comes_with_house_accounts_meters_and_stickers(store: Store) -> None:
    wish = a_wish(store)

    founded = founding.found_places(store, wish, models=MODELS, actor=ANA, now=NOON)

    assert (founded.places, founded.endpoints) == (3, 3)
    with store.transaction() as tx:
        points = {each.name: each for each in tx.occupancy.supply_points(wish.site_id)}
        account_id = tx.account_by_token(points["201"].pay_token)
        assert account_id is not None
        view = tx.look_at([account_id], now=NOON)[account_id]
    assert (view.account.kind, view.holdings.register_wh) == (AccountKind.HOUSE, 5_000)
    assert (points["201"].floor, points["201"].building) == (2, "B")


def test_a_table_tried_dry_brings_in_nothing(store: Store) -> None:
    wish = a_wish(store)

    founded = founding.rehearse_places(store, wish, models=MODELS, actor=ANA, now=NOON)

    assert founded.places == 3
    with store.transaction() as tx:
        assert "201" not in {each.name for each in tx.occupancy.supply_points(wish.site_id)}


def test_every_fault_is_told_by_its_row_and_field_and_nothing_is_written(store: Store) -> None:
    wish = a_wish(store)
    first, second, third = wish.rows
    rows = [
        replace(first, meter_no="12", model="abacus"),
        replace(second, place=first.place, tariff_id=99),
        replace(third, road=RoadKind.RS485),
    ]

    with pytest.raises(RowsFaulty) as refused:
        founding.found_places(store, replace(wish, rows=rows), models=MODELS, actor=ANA, now=NOON)

    told = {(each.row, each.field) for each in refused.value.faults}
    assert told == {(1, "meter_no"), (1, "model"), (2, "place"), (2, "tariff_id"), (3, "address")}
    with store.transaction() as tx:
        assert "201" not in {each.name for each in tx.occupancy.supply_points(wish.site_id)}


def test_a_table_twice_is_refused_row_by_row(store: Store) -> None:
    wish = a_wish(store)
    founding.found_places(store, wish, models=MODELS, actor=ANA, now=NOON)

    with pytest.raises(RowsFaulty) as refused:
        founding.found_places(store, wish, models=MODELS, actor=ANA, now=NOON)

    assert {each.field for each in refused.value.faults} == {"place", "meter_no"}


def test_nobody_builds_on_another_ones_site(store: Store) -> None:
    wish = a_wish(store)
    other_id = founding.found_organisation(store, "Mercado")
    theirs = SiteWish(
        organisation_id=other_id,
        name="Mercado Norte",
        zone="Asia/Shanghai",
        currency="CNY",
        till="till-mercado",
        suspense_token=an_id("suspense of theirs"),
    )
    site_id = founding.found_site(store, theirs, now=NOON)

    with pytest.raises(SiteUnknown):
        founding.found_places(store, replace(wish, site_id=site_id), models=MODELS, actor=ANA, now=NOON)

    with store.transaction() as tx:
        till = tx.provider_account("till-mercado")
    assert till is not None and till.organisation_id == other_id


@pytest.mark.parametrize("live", [True, False])
def test_a_till_of_an_organisation_on_trial_takes_play_money(store: Store, *, live: bool) -> None:
    organisation_id = founding.found_organisation(store, "Casa", live=live)
    wish = SiteWish(
        organisation_id=organisation_id,
        name="North",
        zone="Asia/Shanghai",
        currency="CNY",
        till="till-north",
        suspense_token=an_id("suspense"),
    )

    founding.found_site(store, wish, now=NOON)

    with store.transaction() as tx:
        till = tx.provider_account("till-north")
        assert till is not None and till.live is live
        assert tx.is_live(organisation_id) is live
        assert tx.is_live(organisation_id + 1) is False
