"""The store port: orders with their attempts, debts, and the lines of recharges."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from tests.unit.domain.debts import a_debt
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    SECOND,
    Home,
    a_meter_entry,
    a_payment,
    a_recharge,
    a_town,
    an_attempt,
    an_id,
    an_opening,
)

from compuerta.domain.division import PartKind
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import AttemptState, PaymentOrder
from compuerta.services.dues_port import RechargeLine
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


def a_home(store: Store) -> Home:
    return a_town(store).homes[0]


def an_order(home: Home, *, name: str = "order") -> PaymentOrder:
    return PaymentOrder(
        account_id=home.account_id,
        order_id=an_id(name),
        door="app",
        amount_minor=5_000,
        currency="CNY",
        created_at=NOON,
        caller="kiosk",
        caller_reference="K-1",
    )


def a_line(
    home: Home, *, line_no: int = 1, kind: PartKind = PartKind.ENERGY, period: str = "", name: str = ""
) -> RechargeLine:
    recharge = a_recharge(home)
    return RechargeLine(
        account_id=home.account_id,
        recharge_id=recharge.recharge_id,
        line_no=line_no,
        kind=kind,
        amount_minor=5_000,
        period=period,
        name=name,
    )


def recharged(store: Store, home: Home, lines: Sequence[RechargeLine]) -> None:
    with store.transaction() as tx:
        tx.put_payments([a_payment(home.account_id)])
        tx.put_recharges([a_recharge(home)])
        tx.dues.put_lines(lines)


# orders ------------------------------------------------------------------------------------------------


def test_an_order_is_found_under_its_account(store: Store) -> None:
    home = a_home(store)
    order = an_order(home)
    with store.transaction() as tx:
        tx.dues.put_order(order)

    with store.transaction() as tx:
        assert tx.dues.order(home.account_id, order.order_id) == order
        assert tx.dues.order(home.account_id + 1, order.order_id) is None
        assert tx.dues.order(home.account_id, an_id("another")) is None


def test_an_order_is_written_once(store: Store) -> None:
    order = an_order(a_home(store))
    with store.transaction() as tx:
        tx.dues.put_order(order)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.dues.put_order(replace(order, amount_minor=1))


def test_an_order_has_its_attempts_and_no_others(store: Store) -> None:
    home = a_home(store)
    order = an_order(home)
    first = replace(an_attempt(home.account_id, reference="first"), order_id=order.order_id)
    second = replace(first, attempt_id=an_id("second"), reference="second", created_at=NOON + SECOND)
    with store.transaction() as tx:
        tx.dues.put_order(order)
        for attempt in (second, first, an_attempt(home.account_id, reference="alone")):
            tx.put_attempt(attempt)

    with store.transaction() as tx:
        assert tx.dues.attempts_of(home.account_id, order.order_id) == [first, second]


def test_an_order_is_paid_once_one_of_its_attempts_is(store: Store) -> None:
    home = a_home(store)
    paid, open_still = an_order(home), an_order(home, name="open")
    keys = [(home.account_id, paid.order_id), (home.account_id, open_still.order_id)]
    with store.transaction() as tx:
        for number, order in enumerate((paid, open_still, paid)):
            if number < 2:
                tx.dues.put_order(order)
            attempt = an_attempt(home.account_id, reference=f"order{number}")
            state = AttemptState.PAID if number == 2 else AttemptState.CLOSED
            tx.put_attempt(replace(attempt, order_id=order.order_id, state=state))

    with store.transaction() as tx:
        assert tx.dues.orders_paid(keys) == {paid.order_id}
        assert tx.dues.orders_paid([]) == set()


# payees ------------------------------------------------------------------------------------------------


def meant(store: Store, named: str, *, organisation_id: int = 1) -> int | None:
    with store.transaction() as tx:
        return tx.dues.payee(organisation_id=organisation_id, named=named)


def test_a_payee_is_meant_by_the_number_of_their_meter_or_the_name_of_their_room(store: Store) -> None:
    home = a_home(store)

    assert meant(store, "000000000001") == home.account_id
    assert meant(store, "flat 1") == home.account_id
    assert meant(store, "flat 1 ") is None
    assert meant(store, "1") is None
    assert meant(store, "") is None


def test_nobody_is_meant_in_another_organisation(store: Store) -> None:
    a_home(store)
    with store.transaction() as tx:
        next_door = tx.add_organisation("Next door")

    assert meant(store, "000000000001", organisation_id=next_door) is None
    assert meant(store, "flat 1", organisation_id=next_door) is None


def test_nobody_is_meant_by_a_room_that_is_there_twice(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        other_site = tx.add_site(
            organisation_id=town.organisation_id, name="South", zone="Asia/Shanghai", currency="CNY"
        )
        opening = an_opening(other_site, name="flat 1", meter_id=None, tariff_id=town.tariff_id)
        tx.add_account(replace(opening, pay_token=an_id("another token")))

    assert meant(store, "flat 1") is None
    assert meant(store, "000000000001") == town.homes[0].account_id


def test_nobody_is_meant_where_no_customer_lives(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        spare = tx.add_meter(a_meter_entry(town.organisation_id, number=8))
        feeder = an_opening(town.site_id, name="main", meter_id=spare, kind=AccountKind.FEEDER)
        tx.add_account(feeder)
        tx.add_meter(a_meter_entry(town.organisation_id, number=9))  # on the shelf
        tx.occupancy.close_account(town.homes[0].account_id, at=NOON + HOUR)

    assert meant(store, "000000000008") is None
    assert meant(store, "main") is None
    assert meant(store, "000000000009") is None
    assert meant(store, "flat 1") is None
    assert meant(store, "suspense") is None
    assert meant(store, "-") is None


def test_a_number_of_a_meter_that_nobody_has_is_not_taken_for_a_room(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        tx.add_meter(a_meter_entry(town.organisation_id, number=9))
        tx.add_account(an_opening(town.site_id, name="000000000009", meter_id=None, tariff_id=town.tariff_id))

    assert meant(store, "000000000009") is None


# debts -------------------------------------------------------------------------------------------------


def test_debts_are_found_by_account_in_the_order_in_which_they_are_recovered(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    here, there = (home.account_id for home in town.homes)
    last, first = a_debt("last", account_id=here), a_debt("first", account_id=here, rank=1)
    others = a_debt("other", account_id=there, share_ppm=1, least_minor=2, suspended_until=NOON)
    ended = replace(a_debt("ended", account_id=here), remaining_minor=0)
    with store.transaction() as tx:
        tx.dues.put_debts([last, others, first, ended])

    with store.transaction() as tx:
        assert tx.dues.open_debts([there, here]) == [first, last, others]
        assert tx.dues.open_debts([here]) == [first, last]
        assert tx.dues.debt(here, ended.debt_id) == ended
        assert tx.dues.debt(there, last.debt_id) is None


def test_of_a_debt_only_its_rest_and_its_terms_change(store: Store) -> None:
    debt = a_debt(account_id=a_home(store).account_id)
    with store.transaction() as tx:
        tx.dues.put_debts([debt])
    changed = replace(debt, remaining_minor=1, suspended_until=NOON, share_ppm=250_000)

    with store.transaction() as tx:
        tx.dues.save_debts([replace(changed, name="another", opened_minor=2)])

    with store.transaction() as tx:
        assert tx.dues.debt(debt.account_id, debt.debt_id) == changed


@pytest.mark.parametrize("remaining_minor", [-1, 10_001])
def test_a_debt_is_never_below_nothing_nor_above_what_it_was(store: Store, remaining_minor: int) -> None:
    debt = a_debt(account_id=a_home(store).account_id)
    with store.transaction() as tx:
        tx.dues.put_debts([debt])

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.dues.save_debts([replace(debt, remaining_minor=remaining_minor)])


# lines -------------------------------------------------------------------------------------------------


def test_the_lines_of_a_recharge_come_in_their_order(store: Store) -> None:
    home = a_home(store)
    debt = a_debt(account_id=home.account_id)
    of_debt = replace(
        a_line(home, line_no=1, kind=PartKind.DEBT, name="arrears"), debt_id=debt.debt_id, remaining_minor=7
    )
    energy = a_line(home, line_no=2)
    with store.transaction() as tx:
        tx.dues.put_debts([debt])
    recharged(store, home, [energy, of_debt])

    with store.transaction() as tx:
        assert tx.dues.lines(home.account_id, energy.recharge_id) == [of_debt, energy]
        assert tx.dues.lines(home.account_id + 1, energy.recharge_id) == []


def test_months_that_were_paid_are_known(store: Store) -> None:
    home = a_home(store)
    fees = [
        a_line(home, line_no=number, kind=PartKind.FIXED, period=period)
        for number, period in enumerate(("2026-10", "2026-09"), start=1)
    ]
    recharged(store, home, [*fees, a_line(home, line_no=3)])

    with store.transaction() as tx:
        assert tx.dues.months_paid([home.account_id, home.account_id + 1]) == {
            home.account_id: ["2026-09", "2026-10"]
        }


def test_a_month_is_paid_for_once(store: Store) -> None:
    home = a_home(store)
    fee = a_line(home, kind=PartKind.FIXED, period="2026-10")

    with pytest.raises(Conflict):
        recharged(store, home, [fee, replace(fee, line_no=2)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 0},
        {"kind": PartKind.DEBT},
        {"kind": PartKind.FIXED},
        {"period": "2026-10"},
        {"remaining_minor": 5},
        {"recharge_id": UUID(int=7)},
    ],
)
def test_a_line_that_says_too_little_or_too_much_is_refused(store: Store, wrong: dict[str, object]) -> None:
    home = a_home(store)
    line = replace(a_line(home), **wrong)  # type: ignore[arg-type]

    with pytest.raises(ConstraintBroken):
        recharged(store, home, [line])
