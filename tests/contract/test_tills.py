"""Tills in both stores: no sale outside a shift, a number for every sale, a drawer that the ledger knows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import CAPABILITIES, METER, NOON, PLATFORM, SECOND, Town, a_town, an_id

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.desk import tried
from compuerta.domain.errors import CompuertaError, Refused
from compuerta.domain.ledger import OVER_SHORT, REFUNDING, SAFE, UNDELIVERED, cash
from compuerta.domain.payment import PaymentNotice
from compuerta.services import deliver, shifts, taking_back, tilling, vend
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.shift_port import MovementKind, Shift, TillSale
from compuerta.services.shift_report import Report, report
from compuerta.services.shifts import Count, Opening, Taking, TillWish
from compuerta.services.store_port import Store
from compuerta.services.tilling import Sale, Undoing

ANA = Actor(who="ana", why="", origin="console")
BEA = Actor(who="bea", why="counted twice", origin="console")
TILL, SHIFT = "counter 1", an_id("shift")


def a_till(store: Store, town: Town, *, name: str = TILL, drawer_max_minor: int | None = None) -> None:
    wish = TillWish(
        name=name,
        organisation_id=town.organisation_id,
        site_id=town.site_id,
        for_all=False,
        drawer_max_minor=drawer_max_minor,
        live=True,
        suspense_token=an_id(f"books of {name}"),
    )
    shifts.found_till(store, wish, actor=BEA, act_id=an_id(f"found {name}"), now=NOON)


def a_shop(store: Store, *, float_minor: int = 10_000, drawer_max_minor: int | None = None) -> Town:
    """Return a town with a till and ana's shift at it."""
    town = a_town(store, authorities=(PLATFORM, METER))
    a_till(store, town, drawer_max_minor=drawer_max_minor)
    opened(store, town, float_minor=float_minor)
    return town


def opened(
    store: Store, town: Town, *, actor: Actor = ANA, shift_id: UUID = SHIFT, till: str = TILL,
    float_minor: int = 0,
) -> Shift:  # fmt: skip
    opening = Opening(
        shift_id=shift_id, organisation_id=town.organisation_id, till=till, float_minor=float_minor
    )
    return shifts.open_shift(store, opening, actor=actor, now=NOON)


def a_sale(
    town: Town, name: str = "sale", *, home: int = 0, amount_minor: int = 5_000, **tenders: int
) -> Sale:
    return Sale(
        attempt_id=an_id(name),
        organisation_id=town.organisation_id,
        account_id=town.homes[home].account_id,
        currency="CNY",
        amount_minor=amount_minor,
        tenders=tenders or {"cash": amount_minor},
    )


def sold(store: Store, sale: Sale, *, actor: Actor = ANA) -> TillSale:
    return tilling.sell(store, sale, actor=actor, now=NOON)


def counted(store: Store, town: Town, counted_minor: int, *, actor: Actor = ANA) -> Shift:
    wish = Count(
        act_id=an_id(f"count {actor.who}"), organisation_id=town.organisation_id, counted_minor=counted_minor
    )
    return shifts.count(store, wish, actor=actor, now=NOON + SECOND)


def taken_out(store: Store, town: Town, amount_minor: int, *, name: str = "drop") -> None:
    taking = Taking(
        movement_id=an_id(name),
        organisation_id=town.organisation_id,
        kind=MovementKind.DROP,
        amount_minor=amount_minor,
    )
    shifts.take_out(store, taking, actor=replace(ANA, why="to the safe"), now=NOON + SECOND)


def the_report(store: Store, town: Town, shift_id: UUID = SHIFT) -> Report:
    with store.transaction() as tx:
        shift = tx.shifts.shift(town.organisation_id, shift_id)
        assert shift is not None
        return report(tx.shifts.movements(shift), tx.shifts.sales(shift))


def refused(refusal: type[CompuertaError], act: Callable[[], object]) -> None:
    with pytest.raises(refusal):
        act()


def test_nobody_sells_outside_a_shift(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(PLATFORM,))
    a_till(shelf.store, town)

    refused(shifts.ShiftMissing, lambda: sold(shelf.store, a_sale(town)))

    assert shelf.count("payment") == 0
    assert shelf.count("attempt") == 0


def test_a_sale_has_the_next_number_and_its_change(shelf: Shelf) -> None:
    town = a_shop(shelf.store)

    first = sold(shelf.store, a_sale(town, "first", amount_minor=4_500, cash=5_000))
    second = sold(shelf.store, a_sale(town, "second", home=1))

    assert (first.receipt_no, second.receipt_no) == (1, 2)
    assert (first.change_minor, first.cash_minor, first.amount_minor) == (500, 4_500, 4_500)


def test_a_sale_that_is_refused_takes_no_number(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    sold(shelf.store, a_sale(town, "first"))

    refused(Refused, lambda: sold(shelf.store, a_sale(town, "too much", amount_minor=10**9)))

    assert sold(shelf.store, a_sale(town, "second")).receipt_no == 2
    assert shelf.count("payment") == 2


def test_the_same_form_twice_is_one_sale(shelf: Shelf) -> None:
    town = a_shop(shelf.store)

    first = sold(shelf.store, a_sale(town))
    again = sold(shelf.store, a_sale(town))

    assert again == first
    assert shelf.count("payment") == shelf.count("till_sale") == 1


def test_the_same_form_with_another_amount_is_refused(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    sold(shelf.store, a_sale(town))

    refused(tilling.SaleDiffers, lambda: sold(shelf.store, a_sale(town, amount_minor=6_000)))
    refused(tilling.SaleDiffers, lambda: sold(shelf.store, a_sale(town, cash=6_000)))


@pytest.mark.parametrize(
    ("tenders", "refusal"),
    [
        ({"cash": 4_999}, tilling.CashTooLittle),
        ({"cash": 4_000, "card": 999}, tilling.CashTooLittle),
        ({"card": 5_001}, tilling.ChangeOnlyOfCash),
        ({"card": 6_000, "cash": 500}, tilling.ChangeOnlyOfCash),
        ({"cash": 6_000, "card": -1_000}, tilling.CashTooLittle),
    ],
)
def test_tenders_that_do_not_pay_the_sale_are_refused(
    shelf: Shelf, tenders: dict[str, int], refusal: type[Refused]
) -> None:
    town = a_shop(shelf.store)

    refused(refusal, lambda: sold(shelf.store, replace(a_sale(town), tenders=tenders)))

    assert shelf.count("payment") == 0


def test_a_card_is_no_cash_in_the_drawer(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    sold(shelf.store, a_sale(town, amount_minor=8_000, cash=5_100, card=3_000))

    assert shelf.booked_minor(cash(TILL)) == the_report(shelf.store, town).drawer_minor == 15_000
    assert shelf.booked_minor(tilling.besides_cash(TILL, "card")) == 3_000
    assert the_report(shelf.store, town).tenders == {"card": 3_000, "cash": 5_000}


def test_the_ledger_knows_the_drawer_through_a_whole_shift(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    sold(shelf.store, a_sale(town, "one"))
    taken_out(shelf.store, town, 12_000)
    sold(shelf.store, a_sale(town, "two", home=1, cash=10_000))

    before = shelf.booked_minor(cash(TILL))
    shift = counted(shelf.store, town, 7_900)
    shifts.explain(shelf.store, SHIFT, organisation_id=town.organisation_id, actor=replace(ANA, why="a slip"),
                   act_id=an_id("explain"), now=NOON)  # fmt: skip
    waiting = shelf.booked_minor(cash(TILL))
    shifts.accept(shelf.store, SHIFT, organisation_id=town.organisation_id, actor=BEA, act_id=an_id("accept"),
                  now=NOON + SECOND)  # fmt: skip

    assert before == waiting == shift.expected_minor == 8_000
    assert shelf.booked_minor(cash(TILL)) == 0
    assert shelf.booked_minor(OVER_SHORT) == 100
    assert shelf.booked_minor(SAFE) == -10_000 + 12_000 + 7_900


def test_a_count_that_agrees_closes_the_shift(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    shift = counted(shelf.store, town, 10_000)

    assert shift.closed_at is not None
    assert shelf.booked_minor(cash(TILL)) == shelf.booked_minor(OVER_SHORT) == shelf.booked_minor(SAFE) == 0


def test_nothing_is_sold_or_moved_in_a_shift_that_is_counted(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    counted(shelf.store, town, 9_000)

    refused(shifts.ShiftMissing, lambda: sold(shelf.store, a_sale(town)))
    refused(shifts.ShiftMissing, lambda: taken_out(shelf.store, town, 100))
    refused(shifts.ShiftMissing, lambda: counted(shelf.store, town, 10_000))

    assert shelf.count("till_sale") == 0


def test_the_next_shift_begins_while_a_difference_waits(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    counted(shelf.store, town, 9_000)

    next_shift = opened(shelf.store, town, shift_id=an_id("next"))

    assert next_shift.shift_no == 2


def test_who_counted_accepts_no_difference_of_their_own(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    counted(shelf.store, town, 9_000)
    at = {"organisation_id": town.organisation_id, "now": NOON}
    shifts.explain(shelf.store, SHIFT, actor=replace(ANA, why="?"), act_id=an_id("e"), **at)  # type: ignore[arg-type]

    refused(
        shifts.OwnShift,
        lambda: shifts.accept(shelf.store, SHIFT, actor=ANA, act_id=an_id("a"), **at),  # type: ignore[arg-type]
    )


def test_a_difference_without_a_reason_is_not_accepted(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    counted(shelf.store, town, 9_000)
    at = {"organisation_id": town.organisation_id, "now": NOON}

    refused(
        ReasonMissing,
        lambda: shifts.accept(shelf.store, SHIFT, actor=BEA, act_id=an_id("a"), **at),  # type: ignore[arg-type]
    )


def test_a_difference_is_accepted_once(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    counted(shelf.store, town, 9_000)
    at = {"organisation_id": town.organisation_id, "now": NOON}
    shifts.explain(shelf.store, SHIFT, actor=replace(ANA, why="?"), act_id=an_id("e"), **at)  # type: ignore[arg-type]
    shifts.accept(shelf.store, SHIFT, actor=BEA, act_id=an_id("a"), **at)  # type: ignore[arg-type]

    refused(
        shifts.ShiftNotCounted,
        lambda: shifts.accept(shelf.store, SHIFT, actor=BEA, act_id=an_id("b"), **at),  # type: ignore[arg-type]
    )
    assert shelf.booked_minor(OVER_SHORT) == 1_000


def test_one_shift_is_open_at_a_till_and_one_of_a_cashier(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    a_till(shelf.store, town, name="counter 2")

    refused(shifts.TillBusy, lambda: opened(shelf.store, town, actor=BEA, shift_id=an_id("bea")))
    refused(shifts.ShiftOpen, lambda: opened(shelf.store, town, shift_id=an_id("two"), till="counter 2"))


def test_the_same_opening_twice_is_one_shift(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    opened(shelf.store, town, float_minor=10_000)

    assert shelf.count("shift") == shelf.count("cash_movement") == 1
    assert shelf.booked_minor(cash(TILL)) == 10_000


def test_a_full_drawer_takes_no_more_cash_until_some_is_in_the_safe(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000, drawer_max_minor=18_000)
    sold(shelf.store, a_sale(town, "fits"))

    refused(tilling.DrawerFull, lambda: sold(shelf.store, a_sale(town, "cash")))
    sold(shelf.store, a_sale(town, "card", card=5_000))
    taken_out(shelf.store, town, 10_000)
    last = sold(shelf.store, a_sale(town, "cash"))

    assert last.receipt_no == 3


@pytest.mark.parametrize("amount_minor", [0, -1, 10_001])
def test_only_what_lies_in_the_drawer_is_taken_out(shelf: Shelf, amount_minor: int) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    refused(shifts.CashAmountUnfit, lambda: taken_out(shelf.store, town, amount_minor))

    assert shelf.booked_minor(cash(TILL)) == 10_000


def test_the_same_drop_twice_moves_cash_once(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    taken_out(shelf.store, town, 4_000)
    taken_out(shelf.store, town, 4_000)

    assert shelf.booked_minor(cash(TILL)) == 6_000


def test_a_till_of_another_site_does_not_sell_here(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(PLATFORM,))
    with shelf.store.transaction() as tx:
        site_id = tx.add_site(
            organisation_id=town.organisation_id, name="South", zone="Asia/Shanghai", currency="CNY"
        )
    a_till(shelf.store, replace(town, site_id=site_id))
    opened(shelf.store, town)

    refused(tilling.SiteNotServed, lambda: sold(shelf.store, a_sale(town)))

    assert shelf.count("payment") == 0


@pytest.mark.parametrize("name", ["", "a:b", "x" * 41, "a\nb", TILL])
def test_a_name_that_is_none_or_taken_makes_no_till(shelf: Shelf, name: str) -> None:
    town = a_shop(shelf.store)

    refused(shifts.TillNameUnfit, lambda: a_till(shelf.store, town, name=name))


def test_a_phone_that_pays_gives_the_sale_its_number(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    by_phone(shelf.store, town)
    before = the_report(shelf.store, town)

    paid_by_phone(shelf.store, town)
    tilling.number_paid(shelf.store, SHIFT, organisation_id=town.organisation_id)
    tilling.number_paid(shelf.store, SHIFT, organisation_id=town.organisation_id)

    after = the_report(shelf.store, town)
    assert before.sales == 0
    assert (after.receipt_no_first, after.receipt_no_last) == (1, 1)
    assert after.tenders == {"wechat": 5_000}
    assert after.drawer_minor == shelf.booked_minor(cash(TILL)) == 10_000


def test_a_shift_is_not_counted_while_a_phone_may_still_pay(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    by_phone(shelf.store, town)

    refused(shifts.SalesWaiting, lambda: counted(shelf.store, town, 10_000))
    paid_by_phone(shelf.store, town)
    counted(shelf.store, town, 10_000)

    assert the_report(shelf.store, town).receipt_no_last == 1


def test_a_code_that_is_scanned_twice_is_one_sale_even_after_it_was_paid(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    by_phone(shelf.store, town)
    by_phone(shelf.store, town)
    paid_by_phone(shelf.store, town)
    by_phone(shelf.store, town)

    counted(shelf.store, town, 10_000)

    assert the_report(shelf.store, town).receipt_no_last == 1


def by_phone(store: Store, town: Town) -> None:
    sale = a_sale(town, "phone", wechat=5_000)
    tilling.open_by_phone(
        store, sale, code="134567890123456789", capabilities=CAPABILITIES, actor=ANA, now=NOON
    )


def paid_by_phone(store: Store, town: Town) -> None:
    notice = PaymentNotice(
        provider="wechat",
        transaction_no="42",
        reference=an_id("phone").hex,
        amount_minor=5_000,
        currency="CNY",
        paid_at=NOON + SECOND,
    )
    (outcome,) = vend.accept_payments(store, [notice], now=NOON + timedelta(seconds=2))
    assert outcome is vend.Outcome.CREDITED


@pytest.mark.slow
@pytest.mark.postgres
def test_many_clicks_at_once_are_one_sale_and_numbers_have_no_gap(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    town = a_shop(store)

    def click(name: str) -> int | None:
        clicked = PostgresStore(postgres_url)
        try:
            return tried(clicked, lambda each: sold(each, a_sale(town, name, home=int(name)))).receipt_no
        finally:
            clicked.shut()

    with ThreadPoolExecutor(max_workers=8) as clicks:
        numbers = list(clicks.map(click, ["0", "1"] * 4))
    store.shut()

    assert set(numbers) == {1, 2}


def a_void(town: Town, name: str = "sale", *, home: int = 1) -> Undoing:
    return Undoing(
        correction_id=an_id(f"void {name}"),
        organisation_id=town.organisation_id,
        account_id=town.homes[home].account_id,
        attempt_id=an_id(name),
    )


def voided(store: Store, town: Town, *, actor: Actor = BEA) -> TillSale:
    return tilling.void(store, a_void(town), actor=actor, now=NOON + SECOND)


def test_a_sale_that_is_undone_gives_its_money_back_under_a_number_of_its_own(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    sold(shelf.store, a_sale(town, home=1, amount_minor=8_000, cash=6_000, card=3_000))

    first = voided(shelf.store, town)
    again = voided(shelf.store, town)

    assert (first.receipt_no, first.void_receipt_no) == (1, 2)
    assert again == first
    assert shelf.booked_minor(cash(TILL)) == the_report(shelf.store, town).drawer_minor == 10_000
    assert shelf.booked_minor(tilling.besides_cash(TILL, "card")) == 0
    assert shelf.booked_minor(REFUNDING) == shelf.booked_minor(UNDELIVERED) == 0
    assert the_report(shelf.store, town).voids == 1


def test_who_sold_undoes_nothing(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    sold(shelf.store, a_sale(town, home=1))

    refused(tilling.VoidOwn, lambda: voided(shelf.store, town, actor=replace(ANA, why="mine")))

    assert shelf.booked_minor(cash(TILL)) == 15_000


def test_what_the_meter_may_have_is_not_undone(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    sold(shelf.store, a_sale(town, home=1))
    deliver.claim(shelf.store, [town.homes[1].meter_id], now=NOON, owner="g1")

    refused(taking_back.TakenByMeter, lambda: voided(shelf.store, town))

    assert shelf.booked_minor(cash(TILL)) == 15_000
    assert sold(shelf.store, a_sale(town, "next")).receipt_no == 2


def test_nothing_is_undone_in_a_shift_that_is_counted(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    sold(shelf.store, a_sale(town, home=1))
    counted(shelf.store, town, 15_000)

    refused(shifts.ShiftCounted, lambda: voided(shelf.store, town))

    assert shelf.booked_minor(SAFE) == 5_000


def test_what_a_phone_paid_is_not_given_back_in_cash(shelf: Shelf) -> None:
    town = a_shop(shelf.store)
    by_phone(shelf.store, town)
    paid_by_phone(shelf.store, town)
    tilling.number_paid(shelf.store, SHIFT, organisation_id=town.organisation_id)

    refused(
        tilling.PaidElsewhere,
        lambda: tilling.void(shelf.store, a_void(town, "phone", home=0), actor=BEA, now=NOON),
    )


def test_a_machine_does_not_sell_by_a_till_with_shifts(shelf: Shelf) -> None:
    a_shop(shelf.store)

    refused(tilling.ShiftNeeded, lambda: tilling.require_unattended(shelf.store, TILL))
    tilling.require_unattended(shelf.store, "wechat")


def test_cash_that_others_book_at_a_till_needs_a_shift_and_is_in_its_drawer(shelf: Shelf) -> None:
    town = a_shop(shelf.store, float_minor=10_000)

    def moved(cause: str) -> None:
        with shelf.store.transaction() as tx:
            shifts.moved_at(
                tx, TILL, MovementKind.MOVE, amount_minor=700, cause_id=an_id(cause), now=NOON + SECOND
            )

    moved("deposit")
    counted(shelf.store, town, 10_700)

    refused(shifts.ShiftMissing, lambda: moved("later"))
    assert the_report(shelf.store, town).moved[MovementKind.MOVE] == 700


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cashier": "carl"}, shifts.ShiftMissing),
        ({"amount_minor": 10_001}, shifts.CashAmountUnfit),
        ({"currency": "MXN"}, shifts.TillCurrencyDiffers),
        ({"organisation_id": 99}, shifts.TillUnknown),
        ({"till": "wechat"}, shifts.TillUnknown),
    ],
)
def test_cash_is_handed_out_of_ones_own_drawer_as_far_as_it_goes(
    shelf: Shelf, change: dict[str, Any], fault: type[Refused]
) -> None:
    town = a_shop(shelf.store, float_minor=10_000)
    whole = shifts.Outlay(
        till=TILL,
        organisation_id=town.organisation_id,
        cashier=ANA.who,
        amount_minor=10_000,
        currency="CNY",
    )

    def asked(outlay: shifts.Outlay) -> None:
        with shelf.store.transaction() as tx:
            shifts.require_payable(tx, outlay, now=NOON)

    asked(whole)
    refused(fault, lambda: asked(replace(whole, **change)))


def test_a_cashier_is_told_whom_and_within_which_limits(shelf: Shelf) -> None:
    town = a_shop(shelf.store)

    customer = tilling.customer(shelf.store, town.homes[0].account_id, now=NOON)

    assert customer is not None
    assert (customer.owed_minor, customer.holds) == (0, ())
    assert customer.limits.least_minor < customer.limits.most_minor
    assert tilling.customer(shelf.store, town.suspense_id, now=NOON) is None
