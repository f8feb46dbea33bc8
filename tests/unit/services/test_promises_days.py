"""The check of T1: true days pass, and each way in which a day can be untrue is seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.contract.test_days import DAY, FIRST, HOUR, a_site_day, rolled
from tests.unit.services.town import METER, NOON, PLATFORM, a_town, paid, told

from compuerta.adapters.memory import MemoryStore
from compuerta.services.day_port import AccountDay
from compuerta.services.facts import Books, View, World
from compuerta.services.freeze_port import DayStep
from compuerta.services.promises_days import t1, t1_settled
from compuerta.sim.looking import books_of

NOW = NOON + 36 * HOUR


def true_books() -> Books:
    """Two days of two accounts, rolled and done."""
    store = MemoryStore()
    town = a_town(store, authorities=(PLATFORM, METER))
    paid(store, town.homes[0])
    paid(store, town.homes[1], name="2")
    told(store, town.homes[0], at=NOON + HOUR, energy_wh=10_000)
    for number in range(2):
        rolled(store, town, FIRST + number * DAY)
        day = a_site_day(store, town, FIRST + number * DAY)
        with store.transaction() as tx:
            tx.freezes.save_day(replace(day, step=DayStep.DONE, due_at=None, done_at=day.ends_at))
    return books_of(store, now=NOW)


def broken(books: Books, *, after: timedelta = timedelta()) -> list[str]:
    view = View(books, World(), now=NOW + after, before=None)
    return [line for check in (t1, t1_settled) for line in check(view) if line is not None]


def in_days(day: date, change: Callable[[AccountDay], AccountDay]) -> Books:
    """Change the row of the first account on a day."""
    books = true_books()
    account_id = min(each.account_id for each in books.account_days if each.recharged_minor)
    rows = [
        change(each) if (each.account_id, each.day) == (account_id, day) else each
        for each in books.account_days
    ]
    return replace(books, account_days=tuple(rows))


def test_true_days_are_true() -> None:
    assert broken(true_books()) == []


@pytest.mark.parametrize(
    ("day", "change", "told"),
    [
        (FIRST, lambda each: replace(each, recharged_minor=1), "is not 4470"),
        (FIRST, lambda each: replace(each, closing_minor=0, adjusted_minor=-4_470), "closes with 0"),
        (FIRST + DAY, lambda each: replace(each, opening_minor=1, adjusted_minor=4_469), "opens with 1"),
        (FIRST, lambda each: replace(each, recharged_minor=4_000, adjusted_minor=1_000), "postings say"),
        (FIRST, lambda each: replace(each, undelivered_minor=1), "postings say"),
        (FIRST, lambda each: replace(each, used_wh=0), "used 0"),
        (FIRST, lambda each: replace(each, used_wh=5, opening_wh=1, closing_wh=7), "used 5"),
    ],
)
def test_an_untrue_day_is_told(day: date, change: Callable[[AccountDay], AccountDay], told: str) -> None:
    assert any(told in line for line in broken(in_days(day, change)))


def test_an_account_without_a_day_is_told() -> None:
    books = true_books()
    lost = replace(books, account_days=books.account_days[1:])

    assert [line for line in broken(lost) if "has no" in line]


def test_a_posting_that_is_in_no_day_is_told() -> None:
    books = true_books()
    charge = next(each for each in books.postings if each.kind.value == "charge")
    earlier = replace(charge, booked_at=charge.booked_at - 2 * DAY)
    others = [each for each in books.postings if each is not charge]

    assert [line for line in broken(replace(books, postings=(*others, earlier))) if "postings say" in line]


def test_a_day_that_waits_and_a_day_that_nobody_began_are_told() -> None:
    books = true_books()
    waiting = replace(books.site_days[1], step=DayStep.SEALING)
    waits = replace(books, site_days=(books.site_days[0], waiting))

    assert [line for line in broken(waits, after=2 * HOUR) if "waits for sealing" in line]
    assert [line for line in broken(books, after=2 * DAY) if "no day was ended since" in line]


def test_a_house_that_ends_no_days_promises_none() -> None:
    books = replace(true_books(), site_days=(), account_days=())

    assert broken(books, after=9 * DAY) == []
