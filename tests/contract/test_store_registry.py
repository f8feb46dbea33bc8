"""The store port: transactions, parties, and the view of an account that a decision rests on."""

from dataclasses import replace

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    a_hold,
    a_meter_entry,
    a_town,
    an_id,
    an_opening,
    the_view,
)

from compuerta.domain.errors import Refused
from compuerta.domain.party import AccountKind, Bearer, RoadKind
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.flat import price_fraction
from compuerta.services.records import Endpoint, MeterSnapshot, ProviderAccount
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


class NightFell(Exception):
    """What ends a use case in the middle."""


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    town = a_town(store)

    with pytest.raises(NightFell), store.transaction() as tx:
        tx.put_hold(a_hold(town.homes[0]))
        tx.add_organisation("never")
        raise NightFell

    assert the_view(store, town.homes[0].account_id).holds == frozenset()


def test_a_refused_row_undoes_what_was_written_before_it(store: Store) -> None:
    town = a_town(store)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_hold(a_hold(town.homes[0]))
        tx.add_meter(a_meter_entry(town.organisation_id, number=1))

    assert the_view(store, town.homes[0].account_id).holds == frozenset()


def test_a_store_goes_on_after_a_transaction_that_failed(store: Store) -> None:
    town = a_town(store)
    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_meter(a_meter_entry(town.organisation_id, number=1))

    with store.transaction() as tx:
        tx.put_hold(a_hold(town.homes[0]))

    assert the_view(store, town.homes[0].account_id).holds == {HoldKind.ADMINISTRATOR}


def test_the_view_of_an_account_tells_all_that_was_entered(store: Store) -> None:
    town = a_town(store, authorities=(METER, PLATFORM), register_wh=7)
    home = town.homes[1]

    view = the_view(store, home.account_id)

    account = view.account
    assert (account.account_id, account.site_id, account.organisation_id) == (
        home.account_id,
        town.site_id,
        town.organisation_id,
    )
    assert (account.kind, account.name, account.supply_point) == (AccountKind.CUSTOMER, "flat 2", "flat 2")
    assert (account.currency, account.zone) == ("CNY", "Asia/Shanghai")
    assert view.schedule is not None
    (period,) = view.schedule.version_at(to_us(NOON)).tariff.energy.periods
    assert period.ladder.prices == (price_fraction("0.53"),)
    assert account.pay_token == an_id("token of flat 2")
    assert (account.period.start, account.period.end) == (NOON, None)
    assert view.meter is not None
    assert (view.meter.meter_no, view.meter.credit_authority) == ("000000000002", PLATFORM)
    assert (view.meter.road, view.meter.endpoint_id) == (RoadKind.RS485, "bus")
    assert view.snapshot == MeterSnapshot(meter_id=home.meter_id)
    assert (view.holdings.register_wh, view.holdings.billed_wh) == (7, 0)
    assert (view.holdings.undelivered_minor, view.holdings.delivered_minor) == (0, 0)


def test_an_account_without_a_meter_has_none_in_its_view(store: Store) -> None:
    town = a_town(store)

    view = the_view(store, town.suspense_id)

    assert view.account.kind is AccountKind.SUSPENSE
    assert (view.meter, view.snapshot, view.holds) == (None, None, frozenset())


def test_accounts_are_locked_once_each_in_the_order_of_their_ids(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    one, two = (home.account_id for home in town.homes)

    with store.transaction() as tx:
        views = tx.lock_accounts([two, one, two, 999], now=NOON)

    assert list(views) == [one, two]


def test_nothing_is_known_of_nobody(store: Store) -> None:
    a_town(store)

    with store.transaction() as tx:
        assert tx.lock_accounts([], now=NOON) == {}
        assert tx.accounts_of_meters([]) == {}
        assert tx.account_by_token(an_id("no such token")) is None
        assert tx.provider_account("nobody") is None


def test_meters_and_endpoints_are_listed_in_order(store: Store) -> None:
    town = a_town(store, authorities=(METER, PLATFORM))
    with store.transaction() as tx:
        another = Endpoint(
            endpoint_id="a-module",
            organisation_id=town.organisation_id,
            road=RoadKind.MOBILE_4G,
            bearer=Bearer.DIAL_IN,
            address="867000000000001",
        )
        tx.add_endpoint(another)

    with store.transaction() as tx:
        meters, endpoints = tx.meters(), tx.endpoints()

    assert [meter.meter_id for meter in meters] == [home.meter_id for home in town.homes]
    assert [endpoint.endpoint_id for endpoint in endpoints] == ["a-module", "bus"]
    assert endpoints[0] == another


def test_a_meter_and_a_token_lead_to_their_account(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home = town.homes[1]

    with store.transaction() as tx:
        assert tx.accounts_of_meters([home.meter_id, 999]) == {home.meter_id: home.account_id}
        assert tx.account_by_token(an_id("token of flat 2")) == home.account_id


def test_a_provider_account_tells_where_its_unplaced_money_waits(store: Store) -> None:
    town = a_town(store)

    with store.transaction() as tx:
        found = tx.provider_account(WECHAT)

    assert found == ProviderAccount(
        provider=WECHAT,
        organisation_id=town.organisation_id,
        kind="wechat",
        suspense_account_id=town.suspense_id,
    )


def test_a_meter_number_stands_for_one_meter(store: Store) -> None:
    town = a_town(store)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_meter(a_meter_entry(town.organisation_id, number=1))


def test_a_meter_measures_for_one_open_account(store: Store) -> None:
    town = a_town(store)
    meter_id = town.homes[0].meter_id

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_account(an_opening(town.site_id, name="flat 9", meter_id=meter_id, tariff_id=town.tariff_id))


def test_a_pay_token_stands_for_one_supply_point(store: Store) -> None:
    town = a_town(store)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_account(an_opening(town.site_id, name="flat 1", meter_id=None, tariff_id=town.tariff_id))


def test_a_road_end_is_entered_once(store: Store) -> None:
    town = a_town(store)
    same_address = Endpoint(
        endpoint_id="another",
        organisation_id=town.organisation_id,
        road=RoadKind.RS485,
        bearer=Bearer.SERIAL,
        address="/dev/one",
        baud=2400,
    )

    for twin in (same_address, replace(same_address, endpoint_id="bus", address="/dev/two")):
        with pytest.raises(Conflict), store.transaction() as tx:
            tx.add_endpoint(twin)


def test_a_provider_account_is_entered_once(store: Store) -> None:
    town = a_town(store)
    twin = ProviderAccount(
        provider=WECHAT, organisation_id=town.organisation_id, kind="till", suspense_account_id=1
    )

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.add_provider_account(twin)


def test_a_meter_needs_a_road_end_that_exists(store: Store) -> None:
    town = a_town(store)
    entry = replace(a_meter_entry(town.organisation_id, number=2), endpoint_id="nowhere")

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.add_meter(entry)


@pytest.mark.parametrize("meter_no", ["1", "00000000001A", "0000000000001"])
def test_a_meter_number_that_is_not_twelve_digits_is_refused(store: Store, meter_no: str) -> None:
    town = a_town(store)
    entry = replace(a_meter_entry(town.organisation_id, number=2), meter_no=meter_no)

    with pytest.raises(Refused), store.transaction() as tx:
        tx.add_meter(entry)


@pytest.mark.parametrize(("zone", "currency"), [("Mars/Olympus", "CNY"), ("Asia/Shanghai", "XXX")])
def test_a_site_of_an_unknown_zone_or_currency_is_refused(store: Store, zone: str, currency: str) -> None:
    town = a_town(store)

    with pytest.raises(Refused), store.transaction() as tx:
        tx.add_site(organisation_id=town.organisation_id, name="South", zone=zone, currency=currency)


def test_only_holds_that_hold_now_are_seen(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="one", kind=HoldKind.SAFETY, end=NOON + 10 * SECOND))
        tx.put_hold(a_hold(home, name="two", kind=HoldKind.PROTECTED, start=NOON + 10 * SECOND))
        tx.put_hold(a_hold(home, name="three", kind=HoldKind.PROTECTED, start=NOON + 12 * SECOND))

    seen = {after: the_view(store, home.account_id, now=NOON + after * SECOND).holds for after in (0, 9, 10)}

    assert seen == {0: {HoldKind.SAFETY}, 9: {HoldKind.SAFETY}, 10: {HoldKind.PROTECTED}}


def test_ending_holds_ends_those_of_the_kind_and_counts_them(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="one"))
        tx.put_hold(a_hold(home, name="two", start=NOON + 30 * SECOND))
        tx.put_hold(a_hold(home, name="over", end=NOON + SECOND))
        tx.put_hold(a_hold(home, name="safety", kind=HoldKind.SAFETY))
        tx.put_hold(a_hold(neighbour, name="next door"))

    with store.transaction() as tx:
        ended = tx.end_holds(home.meter_id, HoldKind.ADMINISTRATOR, at=NOON + 10 * SECOND)

    assert ended == 2
    assert the_view(store, home.account_id, now=NOON + 60 * SECOND).holds == {HoldKind.SAFETY}
    assert the_view(store, neighbour.account_id, now=NOON + 60 * SECOND).holds == {HoldKind.ADMINISTRATOR}


def test_a_hold_says_why_and_has_its_own_id(store: Store) -> None:
    town = a_town(store)
    hold = a_hold(town.homes[0])

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_hold(replace(hold, note=""))
    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_hold(hold)
        tx.put_hold(hold)
