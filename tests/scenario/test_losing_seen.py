"""The check of promise M2 sees of each payment what leaves suspense, goes elsewhere, or goes back twice."""

from dataclasses import replace

import pytest
from tests.scenario.correction_bench import (
    LATER,
    a_dispute,
    a_proposal,
    answer,
    approved,
    suspense_of,
    the_payment,
    unknown_money,
)
from tests.scenario.moving_bench import Bench, a_bench
from tests.unit.services.town import PLATFORM, an_id, paid

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import CorrectionKind, CorrectionState
from compuerta.domain.payment import DisputeState, RefundState
from compuerta.services import disputing, promises, taking_back
from compuerta.services.facts import Books
from compuerta.sim.looking import books_of


@pytest.fixture
def bench() -> Bench:
    """The flats of the room in memory, whose books may break what they like."""
    memory = MemoryStore()
    return a_bench(memory, lambda now: books_of(memory, now=now), PLATFORM, PLATFORM)


def broken(books: Books) -> list[str]:
    return [line for line in promises.broken(promises.check(books, now=LATER)) if line.startswith("M2")]


def refunded_books(bench: Bench) -> Books:
    """One payment of 50.00 of which 30.00 went back."""
    paid(bench.store, bench.homes[0], name="1", amount_minor=5_000)
    approved(bench, a_proposal(bench.homes[0], amount_minor=3_000))
    answer(bench, RefundState.DONE)
    return bench.books(LATER)


def test_money_that_left_suspense_twice_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_back, "spoken_for", lambda tx, payment: 0)
    unknown_money(bench)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED, transaction_no="tlost")], now=LATER)
    wish = a_proposal(
        suspense_of(bench),
        kind=CorrectionKind.PLACE,
        payment_id=the_payment("lost"),
        to_account_id=bench.homes[1].account_id,
    )

    assert approved(bench, wish).state is CorrectionState.DONE

    assert broken(bench.books(LATER)) == ["M2: tlost: 5000 left suspense that was not there"]


def test_books_of_one_refund_are_good(bench: Bench) -> None:
    assert broken(refunded_books(bench)) == []


def test_a_correction_that_was_refunded_twice_is_seen(bench: Bench) -> None:
    books = refunded_books(bench)
    again = replace(books.refunds[0], refund_id=an_id("again"), reference="again")

    (line,) = broken(replace(books, refunds=(*books.refunds, again)))

    assert "done, 2 refunds" in line


def test_a_correction_that_was_given_up_and_refunded_is_seen(bench: Bench) -> None:
    books = refunded_books(bench)
    (correction,) = books.corrections

    (line,) = broken(replace(books, corrections=(replace(correction, state=CorrectionState.REJECTED),)))

    assert "rejected, 1 refunds" in line


def test_more_put_right_than_was_paid_is_seen(bench: Bench) -> None:
    books = refunded_books(bench)
    besides = replace(
        books.corrections[0],
        correction_id=an_id("besides"),
        kind=CorrectionKind.MOVE,
        way=None,
        to_account_id=bench.homes[1].account_id,
    )

    (line,) = broken(replace(books, corrections=(*books.corrections, besides)))

    assert line == "M2: t1: 6000 of it was put right"


def test_more_given_back_than_was_paid_is_seen(bench: Bench) -> None:
    books = refunded_books(bench)
    (payment,) = books.payments

    lines = broken(replace(books, payments=(replace(payment, amount_minor=2_000),)))

    assert "M2: t1: 3000 of it went back" in lines
