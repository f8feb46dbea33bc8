"""Payments are divided alike on both stores, and once however many doors hear of them at once."""

import json
from dataclasses import replace
from itertools import count

import pytest
from tests.contract.door import at_once, rows
from tests.unit.services.town import (
    CAPABILITIES,
    HOUR,
    METER,
    NOON,
    PLATFORM,
    WECHAT,
    Home,
    a_notice,
    a_town,
    an_id,
    the_view,
)
from tests.unit.services.vending import in_debt

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.division import DebtKind
from compuerta.services import ordering, promises, vend
from compuerta.services.indebting import DebtOpening
from compuerta.services.store_port import Store
from compuerta.services.vend import Outcome
from compuerta.sim.looking import books_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
POLICY = {
    "recharge_fee_minor": 100,
    "recharge_fee_tax_ppm": 160_000,
    "monthly_fee_minor": 300,
    "paid_twice": "suspend",
}


def a_debtor(store: Store) -> Home:
    """Let somebody owe 30.00 from before, under a policy with fees."""
    home = a_town(store, authorities=(METER, PLATFORM)).homes[0]
    opening = DebtOpening(
        account_id=home.account_id,
        debt_id=an_id("debt"),
        kind=DebtKind.ARREARS,
        name="from before",
        amount_minor=3_000,
    )
    in_debt(store, opening)
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=json.dumps(POLICY))
    return home


def an_attempt(store: Store, home: Home, reference: str) -> None:
    """Open one more attempt of the one order."""
    order = ordering.Order(
        attempt_id=an_id(f"attempt {reference}"),
        account_id=home.account_id,
        provider=WECHAT,
        reference=reference,
        amount_minor=5_000,
        order_id=an_id("the order"),
    )
    ordering.open_attempt(store, order, capabilities=CAPABILITIES, expires_in=HOUR, now=NOON)


def a_history(store: Store) -> list[Outcome]:
    home = a_debtor(store)
    an_attempt(store, home, "order1")
    an_attempt(store, home, "order2")
    notices = [
        a_notice(),
        a_notice(transaction_no="t2", reference="order2"),
        a_notice(transaction_no="t3", reference="nobody's"),
    ]
    return vend.accept_payments(store, notices, now=NOON)


def test_a_payment_is_divided_alike_on_both_stores(postgres_url: str) -> None:
    memory, postgres = MemoryStore(), PostgresStore(postgres_url)
    outcomes = a_history(memory), a_history(postgres)
    postgres.shut()

    there, here = books.load(postgres_url, now=NOON), books_of(memory, now=NOON)

    assert outcomes[0] == outcomes[1] == [Outcome.CREDITED, Outcome.PAID_TWICE, Outcome.REFERENCE_UNKNOWN]
    for name in ("payments", "recharges", "recharge_lines", "debts", "postings", "attempts", "instructions"):
        assert set(getattr(there, name)) == set(getattr(here, name)), name
    assert [line.kind.value for line in there.recharge_lines] == ["fee", "tax", "fixed", "debt", "energy"]
    assert promises.broken(promises.check(there, now=NOON)) == []


def test_doors_that_hear_of_two_attempts_at_once_credit_one_of_them(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    home = a_debtor(store)
    for number in range(4):
        an_attempt(store, home, f"order{number}")
    numbers = count()

    def told() -> Outcome:
        number = next(numbers)
        notice = a_notice(transaction_no=f"t{number}", reference=f"order{number}")
        door = PostgresStore(postgres_url)
        try:
            (outcome,) = vend.accept_payments(door, [notice], now=NOON)
        finally:
            door.shut()
        return outcome

    outcomes = at_once(4, told)

    assert sorted(each.value for each in outcomes) == ["credited", *["paid_twice"] * 3]
    assert the_view(store, home.account_id).holdings.undelivered_minor == 5_000 - 116 - 300 - 2_292
    store.shut()
    assert promises.broken(promises.check(books.load(postgres_url, now=NOON), now=NOON)) == []


def test_doors_that_hear_of_two_payments_at_once_recover_a_debt_and_a_month_once(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    home = a_debtor(store)
    numbers = count()

    def told() -> Outcome:
        notice = replace(a_notice(transaction_no=f"t{next(numbers)}", reference=""), payee="flat 1")
        door = PostgresStore(postgres_url)
        try:
            (outcome,) = vend.accept_payments(door, [notice], now=NOON)
        finally:
            door.shut()
        return outcome

    outcomes = at_once(4, told)

    assert outcomes == [Outcome.CREDITED] * 4
    taken = "select sum(amount_minor)::bigint as minor from recharge_line where kind = %s"
    assert rows(postgres_url, taken, "debt") == [{"minor": 3_000}]
    assert rows(postgres_url, taken, "fixed") == [{"minor": 300}]
    with store.transaction() as tx:
        assert tx.dues.open_debts([home.account_id]) == []
    store.shut()
    assert promises.broken(promises.check(books.load(postgres_url, now=NOON), now=NOON)) == []
