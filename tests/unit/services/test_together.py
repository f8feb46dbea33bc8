"""Many at once on PostgreSQL: whoever comes first does the work, and nobody does it twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    a_notice,
    a_town,
    ordered,
    paid,
    the_view,
)

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.payment import PaymentNotice
from compuerta.services import deliver
from compuerta.services.store_port import Conflict
from compuerta.services.vend import Outcome, accept_payments

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TRIES_MAX = 5  # a conflict says: the same batch will find its work when run again


Result = TypeVar("Result")


def together(url: str, works: Sequence[Callable[[PostgresStore], Result]]) -> list[Result]:
    """Run each piece of work on a connection of its own, all beginning at the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[PostgresStore], Result]) -> Result:
        store = PostgresStore(url)
        try:
            with store.transaction():
                pass  # connected before the start
            start.wait(timeout=10)
            for _ in range(TRIES_MAX):
                try:
                    return work(store)
                except Conflict:
                    continue
            raise AssertionError(f"{TRIES_MAX} conflicts in a row")
        finally:
            store.shut()

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return list(pool.map(run, works))


def accepting(*transaction_nos: str, reference: str = "order1") -> Callable[[PostgresStore], list[Outcome]]:
    notices = [a_notice(transaction_no=number, reference=reference) for number in transaction_nos]
    return lambda store: accept_payments(store, notices, now=NOON + SECOND)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(postgres_url)
    yield store
    store.shut()


def test_sixteen_hear_the_same_notice_and_one_credits(store: PostgresStore, postgres_url: str) -> None:
    home = a_town(store).homes[0]
    ordered(store, home)

    outcomes = together(postgres_url, [accepting("t1")] * 16)

    said = Counter(outcome for batch in outcomes for outcome in batch)
    assert said == {Outcome.CREDITED: 1, Outcome.ALREADY_CREDITED: 15}
    assert the_view(store, home.account_id).holdings.undelivered_minor == 5_000


def test_sixteen_clicks_on_one_sale_do_not_wait_for_each_other_for_ever(
    store: PostgresStore, postgres_url: str
) -> None:
    home = a_town(store).homes[0]
    stuck: list[str] = []

    def sale(store: PostgresStore) -> Outcome:
        try:
            return paid(store, home)
        except Conflict as conflict:
            stuck.append(str(conflict))
            raise

    outcomes = together(postgres_url, [sale] * 16)

    assert Counter(outcomes) == {Outcome.CREDITED: 1, Outcome.ALREADY_CREDITED: 15}
    assert not stuck


def test_sixteen_hear_the_same_unknown_reference_and_one_suspends(
    store: PostgresStore, postgres_url: str
) -> None:
    a_town(store)

    outcomes = together(postgres_url, [accepting("t1", reference="nobody's")] * 16)

    said = Counter(outcome for batch in outcomes for outcome in batch)
    assert said == {Outcome.REFERENCE_UNKNOWN: 1, Outcome.ALREADY_CREDITED: 15}


def test_two_payments_of_one_account_get_purchase_numbers_one_and_two(
    store: PostgresStore, postgres_url: str
) -> None:
    home = a_town(store).homes[0]
    ordered(store, home, reference="order1")
    ordered(store, home, reference="order2")

    together(postgres_url, [accepting("t1", reference="order1"), accepting("t2", reference="order2")])

    snapshot = the_view(store, home.account_id).snapshot
    assert snapshot is not None
    assert snapshot.purchase_no_last == 2
    first = deliver.claim(store, [home.meter_id], now=NOON + SECOND, owner="gateway")
    assert [each.instruction.purchase_no for each in first] == [1]
    assert the_view(store, home.account_id).holdings.undelivered_minor == 10_000


def test_batches_that_cross_each_other_both_come_through(store: PostgresStore, postgres_url: str) -> None:
    homes = a_town(store, authorities=(METER, PLATFORM)).homes
    for number, home in enumerate(homes, start=1):
        ordered(store, home, reference=f"order{number}")
    there = [a_notice(transaction_no=f"t{number}", reference=f"order{number}") for number in (1, 2)]
    back = there[::-1]

    def accept(notices: list[PaymentNotice]) -> Callable[[PostgresStore], list[Outcome]]:
        return lambda store: accept_payments(store, notices, now=NOON + SECOND)

    outcomes = together(postgres_url, [accept(there), accept(back)] * 4)

    assert Counter(outcome for batch in outcomes for outcome in batch) == {
        Outcome.CREDITED: 2,
        Outcome.ALREADY_CREDITED: 14,
    }


def test_eight_gateways_never_carry_one_instruction_twice(store: PostgresStore, postgres_url: str) -> None:
    homes = a_town(store, authorities=(METER,) * 12).homes
    for number, home in enumerate(homes, start=1):
        ordered(store, home, reference=f"order{number}")
        accept_payments(store, [a_notice(transaction_no=f"t{number}", reference=f"order{number}")], now=NOON)
    meter_ids = [home.meter_id for home in homes]

    def claim(owner: str) -> Callable[[PostgresStore], list[int]]:
        return lambda store: [
            each.meter.meter_id for each in deliver.claim(store, meter_ids, now=NOON, owner=owner)
        ]

    claimed = together(postgres_url, [claim(f"gateway {number}") for number in range(8)])

    taken = sorted(meter_id for batch in claimed for meter_id in batch)
    assert len(taken) == len(set(taken))
    rest = deliver.claim(store, meter_ids, now=NOON, owner="last")
    assert sorted(taken + [each.meter.meter_id for each in rest]) == meter_ids
