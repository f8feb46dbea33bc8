"""The check of promise M3 sees whatever is missing, too much, or booked as something else."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest
from tests.unit.services.town import NOON, a_town, paid
from tests.unit.services.vending import owing, settled

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.division import PartKind
from compuerta.domain.ledger import DEBT, FEE, Line, PostingKind
from compuerta.services import promises
from compuerta.services.facts import Books
from compuerta.sim.looking import books_of


@lru_cache(maxsize=1)
def good_books() -> Books:
    """One recharge of 50.00 with every part."""
    store = MemoryStore()
    home = a_town(store).homes[0]
    owing(store, home, amount_minor=2_000)
    settled(store, home, recharge_fee_minor=100, recharge_fee_tax_ppm=160_000, monthly_fee_minor=300)
    paid(store, home)
    return books_of(store, now=NOON)


def broken(books: Books) -> list[str]:
    return [line for line in promises.broken(promises.check(books, now=NOON)) if line.startswith("M3")]


def without_a_line(books: Books) -> Books:
    return replace(books, recharge_lines=books.recharge_lines[1:])


def with_a_line_twice(books: Books) -> Books:
    return replace(books, recharge_lines=(*books.recharge_lines, books.recharge_lines[0]))


def with_a_line_of_another_kind(books: Books) -> Books:
    lines = (
        replace(line, kind=PartKind.TAX) if line.kind is PartKind.FEE else line
        for line in books.recharge_lines
    )
    return replace(books, recharge_lines=tuple(lines))


def with_parts_that_are_not_the_payment(books: Books) -> Books:
    (recharge,) = books.recharges
    return replace(books, recharges=(replace(recharge, credit_minor=recharge.credit_minor + 1),))


def with_another_payment_than_was_divided(books: Books) -> Books:
    (payment,) = books.payments
    return replace(books, payments=(replace(payment, amount_minor=payment.amount_minor + 1),))


def with_another_order_than_was_paid(books: Books) -> Books:
    (attempt,) = books.attempts
    return replace(books, attempts=(replace(attempt, amount_minor=attempt.amount_minor - 1),))


def with_a_debt_that_nobody_paid_down(books: Books) -> Books:
    (debt,) = books.debts
    return replace(books, debts=(replace(debt, remaining_minor=debt.opened_minor),))


def with_a_debt_that_is_gone(books: Books) -> Books:
    postings = (each for each in books.postings if each.kind is not PostingKind.DEBT)
    return replace(books, postings=tuple(postings))


def with_debt_booked_as_fee(books: Books) -> Books:
    def as_fee(line: Line) -> Line:
        return replace(line, code=FEE) if line.code == DEBT else line

    postings = (
        replace(each, lines=tuple(map(as_fee, each.lines))) if each.kind is PostingKind.RECHARGE else each
        for each in books.postings
    )
    return replace(books, postings=tuple(postings))


def test_good_books_keep_the_promise() -> None:
    verdict = promises.check(good_books(), now=NOON)["M3"]

    assert verdict.broken == ()
    assert verdict.checked > 10


@pytest.mark.parametrize(
    "spoil",
    [
        without_a_line,
        with_a_line_twice,
        with_a_line_of_another_kind,
        with_parts_that_are_not_the_payment,
        with_another_payment_than_was_divided,
        with_another_order_than_was_paid,
        with_a_debt_that_nobody_paid_down,
        with_a_debt_that_is_gone,
        with_debt_booked_as_fee,
    ],
)
def test_books_that_were_spoiled_break_it(spoil: Callable[[Books], Books]) -> None:
    assert broken(spoil(good_books()))
