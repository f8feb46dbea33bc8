"""What a payment was divided into comes back with it: debts are owed again, and fees are given back."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.scenario.correction_bench import (
    ANA,
    LATER,
    a_proposal,
    answer,
    approved,
    meter_says,
    proposed,
    swept,
)
from tests.scenario.moving_bench import Bench
from tests.unit.services.town import NOON, WECHAT, Home, an_id, concluded, paid, taken

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import CorrectionState
from compuerta.domain.division import DebtKind
from compuerta.domain.ledger import DEBT, DELIVERED, REFUNDING, UNDELIVERED, cash
from compuerta.domain.payment import RefundState
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import indebting
from compuerta.services.indebting import DebtOpening
from compuerta.services.proposing import AmountNotFree

IN_CREDIT = MeterState(energy_wh=0, balance_minor=0, purchase_no=2, relay=Relay.CLOSED)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(bench: Bench) -> Iterator[Bench]:
    """The flats of the room, whose books keep every promise, whatever a test has done."""
    yield bench
    if isinstance(bench.store, MemoryStore):
        assert bench.broken(now=LATER + 30 * MINUTE) == []


def owe(bench: Bench, home: Home, *, amount_minor: int) -> None:
    """Let a home owe something that recharges pay before anything else."""
    opening = DebtOpening(
        account_id=home.account_id,
        debt_id=an_id("debt"),
        kind=DebtKind.ARREARS,
        name="Rent of August",
        amount_minor=amount_minor,
        share_ppm=1_000_000,
    )
    with bench.store.transaction() as tx:
        indebting.opened(tx, opening, actor=ANA, now=NOON)


def an_indebted_payment(bench: Bench, home: Home) -> int:
    """Let a home owe something, and pay; returns how much of that became credit."""
    owe(bench, home, amount_minor=900)
    paid(bench.store, home, name="1", amount_minor=5_000)
    assert bench.codes(home.account_id, DEBT) == [0]
    return 4_100


@pytest.mark.parametrize("number", [0, 1])
def test_a_whole_payment_comes_back_with_the_debt_that_it_paid(bench: Bench, number: int) -> None:
    home = bench.homes[number]
    an_indebted_payment(bench, home)

    assert approved(bench, a_proposal(home)).state is CorrectionState.PAYING

    assert bench.codes(home.account_id, UNDELIVERED, DELIVERED, DEBT, REFUNDING) == [0, 0, 900, -5_000]
    with bench.store.transaction() as tx:
        (debt,) = tx.dues.open_debts([home.account_id])
    assert debt.remaining_minor == 900


@pytest.mark.parametrize("number", [0, 1])
def test_a_payment_that_was_all_debt_comes_back_without_any_meter(bench: Bench, number: int) -> None:
    home = bench.homes[number]
    owe(bench, home, amount_minor=9_000)
    paid(bench.store, home, name="1", amount_minor=5_000)
    assert bench.codes(home.account_id, DEBT, UNDELIVERED, DELIVERED) == [4_000, 0, 0]
    wish = a_proposal(home)

    assert approved(bench, wish).state is CorrectionState.PAYING
    answer(bench, RefundState.DONE)

    assert bench.codes(home.account_id, DEBT, REFUNDING, cash(WECHAT)) == [9_000, 0, 0]
    with bench.store.transaction() as tx:
        assert tx.corrections.withdrawals(wish.correction_id) == []


def test_a_whole_payment_comes_back_out_of_a_meter_with_its_debt(bench: Bench) -> None:
    home = bench.home
    credit_minor = an_indebted_payment(bench, home)
    there = MeterState(energy_wh=0, balance_minor=credit_minor, purchase_no=1, relay=Relay.CLOSED)
    meter_says(bench, home, Ending.DONE, now=NOON, state=there)
    wish = a_proposal(home)
    approved(bench, wish)
    claim = taken(bench.store, home, now=LATER)
    assert claim.instruction.amount_minor == credit_minor
    concluded(bench.store, claim, ending=Ending.DONE, at=LATER, state=IN_CREDIT)
    assert bench.codes(home.account_id, DEBT, REFUNDING) == [0, -credit_minor]

    assert swept(bench, wish).state is CorrectionState.PAYING
    swept(bench, wish)

    assert bench.codes(home.account_id, DELIVERED, DEBT, REFUNDING) == [0, 900, -5_000]


def test_a_part_of_a_payment_comes_back_out_of_its_credit_alone(bench: Bench) -> None:
    home = bench.homes[1]
    credit_minor = an_indebted_payment(bench, home)

    with pytest.raises(AmountNotFree) as refused:
        proposed(bench, a_proposal(home, amount_minor=credit_minor + 1))

    assert refused.value.most_minor == credit_minor
    approved(bench, a_proposal(home, amount_minor=credit_minor))
    assert bench.codes(home.account_id, DELIVERED, DEBT, REFUNDING) == [0, 0, -credit_minor]
