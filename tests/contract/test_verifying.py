"""Verifying: whatever somebody changes behind the program's back is found, and named."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from uuid import UUID

import psycopg
import pytest
from tests.contract.conftest import MemoryShelf, PostgresShelf, Shelf
from tests.contract.test_seals import DAY, ONE, a_street, at, booked, ended, last_anchor
from tests.unit.services.town import Town, an_id

from compuerta.adapters.memory.journal import MemoryJournal
from compuerta.adapters.postgres import journal
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.sealing import NOTHING
from compuerta.services import month_close, verifying
from compuerta.services.period_port import LastAnchor, MonthClose
from compuerta.services.verifying import Question, Verified, Wrong

LATER = at(DAY + ONE * 30)
Vandal = Callable[[str], None]


def verified(shelf: Shelf, *, since: date | None = None, kept: tuple[str, ...] = ()) -> Verified:
    question = Question(now=LATER, since=since, kept=kept)
    if isinstance(shelf, MemoryShelf):
        return verifying.verify(MemoryJournal(shelf.store.tables), question, tell=print)
    assert isinstance(shelf, PostgresShelf)
    with journal.opened(shelf.url) as found:
        return verifying.verify(found, question, tell=print)


def a_history(shelf: Shelf) -> Town:
    """Return a town with three sealed days of two accounts, and one posting of today."""
    town = a_street(shelf.store)
    for number in range(3):
        day = DAY + ONE * number
        booked(shelf.store, town, f"morning {number}", when=at(day, 8))
        booked(shelf.store, town, f"evening {number}", when=at(day, 20))
        if number != 1:
            booked(shelf.store, town, f"next door {number}", when=at(day, 9), home=1)
        ended(shelf.store, town, day)
    booked(shelf.store, town, "today", when=at(DAY + ONE * 3, 1))
    return town


def test_a_journal_that_nobody_touched_is_whole(shelf: Shelf) -> None:
    a_history(shelf)

    result = verified(shelf)

    assert result.found == []
    assert (result.postings, result.seals, result.anchors) == (9, 5, 3)


def test_a_part_of_it_is_verified_too(shelf: Shelf) -> None:
    town = a_history(shelf)
    booked(shelf.store, town, "late", when=at(DAY, 7))
    ended(shelf.store, town, DAY + ONE * 3)

    result = verified(shelf, since=DAY + ONE * 2)

    assert result.found == []
    assert (result.seals, result.anchors) == (3, 2)


def test_a_changed_and_a_missing_posting_are_named_in_memory() -> None:
    from compuerta.adapters.memory import MemoryStore

    shelf = MemoryShelf(store=MemoryStore())
    a_history(shelf)
    tables = shelf.store.tables
    changed, missing = an_id("morning 0"), an_id("evening 2")
    tables.postings[changed] = replace(tables.postings[changed], currency="EUR")
    del tables.postings[missing]

    found = verified(shelf).found

    assert [(each.wrong, each.posting_id) for each in found] == [
        (Wrong.CHANGED, changed), (Wrong.MISSING, missing),
    ]  # fmt: skip


def test_an_anchor_that_was_kept_elsewhere_is_known_again(shelf: Shelf) -> None:
    town = a_history(shelf)
    kept = last_anchor(shelf.store, town).digest.hex()[:32]

    assert verified(shelf, kept=(kept,)).is_whole
    assert [each.wrong for each in verified(shelf, kept=("0" * 32,)).found] == [Wrong.ANCHOR_UNKNOWN]


# In PostgreSQL by its owner, past every guard ----------------------------------------------------------


@pytest.fixture
def touched(postgres_url: str) -> Iterator[tuple[PostgresShelf, Vandal]]:
    """A history, and somebody who may do anything with its database."""
    store = PostgresStore(postgres_url)
    shelf = PostgresShelf(store=store, url=postgres_url)
    a_history(shelf)
    store.shut()

    def vandal(statement: str) -> None:
        with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
            connection.execute("set session_replication_role = replica")  # no trigger hears of it
            connection.execute("alter table posting disable trigger all")
            assert connection.execute(statement).rowcount == 1, "somebody did something"

    yield shelf, vandal
    store.shut()


MINE = f"'{an_id('evening 1')}'"
DAY_2 = f"'{DAY + ONE}'"
POSTING = f"where posting_id = {MINE}"
INSERTED = UUID(int=7)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("done", "wrong", "posting_id"),
    [
        (f"update posting set amounts_minor = '{{90, -90}}' {POSTING}", Wrong.CHANGED, an_id("evening 1")),
        (f"update posting set codes[2] = 'house' {POSTING}", Wrong.CHANGED, an_id("evening 1")),
        (
            f"update posting set booked_at = booked_at + interval '1 us' {POSTING}",
            Wrong.CHANGED,
            an_id("evening 1"),
        ),
        (f"update posting set cause_id = '{INSERTED}' {POSTING}", Wrong.CHANGED, an_id("evening 1")),
        (f"delete from posting {POSTING}", Wrong.MISSING, an_id("evening 1")),
        (
            f"""insert into posting select account_id, '{INSERTED}', kind, currency, codes, amounts_minor,
            booked_at, '{INSERTED}' from posting {POSTING}""",
            Wrong.INSERTED,
            INSERTED,
        ),
    ],
)
def test_what_somebody_does_to_a_posting_is_named(
    touched: tuple[PostgresShelf, Vandal], done: str, wrong: Wrong, posting_id: UUID
) -> None:
    shelf, vandal = touched

    vandal(done)

    (found,) = verified(shelf).found
    assert (found.wrong, found.posting_id, found.day) == (wrong, posting_id, DAY + ONE)
    assert found.account_id is not None


@pytest.mark.postgres
def test_a_posting_that_changes_its_account_is_missing_there_and_too_many_here(
    touched: tuple[PostgresShelf, Vandal],
) -> None:
    shelf, vandal = touched

    vandal(f"update posting set account_id = account_id + 1 {POSTING}")

    assert {each.wrong for each in verified(shelf).found} == {Wrong.MISSING, Wrong.INSERTED}


@pytest.mark.postgres
def test_a_posting_of_an_account_that_is_not_there_is_named(touched: tuple[PostgresShelf, Vandal]) -> None:
    shelf, vandal = touched

    vandal(f"""insert into posting select 4711, '{INSERTED}', kind, currency, codes, amounts_minor,
        booked_at, cause_id from posting {POSTING}""")

    (found,) = verified(shelf).found
    assert (found.wrong, found.account_id, found.posting_id) == (Wrong.INSERTED, 4711, INSERTED)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("done", "wrongs"),
    [
        (
            f"delete from seal where day = {DAY_2}",
            {Wrong.SEAL_MISSING, Wrong.INSERTED, Wrong.ANCHOR_CHANGED},
        ),
        (
            f"update seal set digest = sha256(digest) where day = {DAY_2}",
            {Wrong.SEAL_CHANGED, Wrong.ANCHOR_CHANGED},
        ),
        (
            f"update seal set previous = sha256(digest) where day = {DAY_2}",
            {Wrong.SEAL_CHANGED},
        ),
        (f"update anchor set digest = sha256(digest) where day = {DAY_2}", {Wrong.ANCHOR_CHANGED}),
        (f"update anchor set made_at = now() where day = {DAY_2}", {Wrong.ANCHOR_CHANGED}),
        (f"update anchor set postings = 3 where day = {DAY_2}", {Wrong.ANCHOR_CHANGED}),
        (f"delete from anchor where day = {DAY_2}", {Wrong.ANCHOR_MISSING}),
        ("delete from anchor where anchor_no = 3", {Wrong.ANCHOR_MISSING}),
    ],
)
def test_what_somebody_does_to_a_seal_or_an_anchor_is_named(
    touched: tuple[PostgresShelf, Vandal], done: str, wrongs: set[Wrong]
) -> None:
    shelf, vandal = touched

    vandal(done)

    found = verified(shelf).found
    assert {each.wrong for each in found} == wrongs
    assert all(each.day is not None for each in found)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "done",
    [
        """update month_close set totals = '[["CNY", "delivered", 1]]'""",
        "update month_close set closed_by = 'nobody'",
        "update month_close set previous = sha256('')",
        """update month_close set anchors = '[]'""",
    ],
)
def test_a_closed_month_that_somebody_changed_is_named(
    touched: tuple[PostgresShelf, Vandal], done: str
) -> None:
    shelf, vandal = touched
    last = last_anchor(shelf.store, a_street_again(shelf))
    close = MonthClose(
        organisation_id=1, month=date(2020, 1, 1), closed_at=LATER, closed_by="ana", why="", named={},
        totals=(), anchors=(LastAnchor(1, last.anchor_no, last.digest.hex()),), previous=NOTHING,
        digest=NOTHING,
    )  # fmt: skip
    with shelf.store.transaction() as tx:
        tx.periods.put(replace(close, digest=month_close.digest_of(close)))
    assert verified(shelf).is_whole

    vandal(done)

    assert [each.wrong for each in verified(shelf).found] == [Wrong.CLOSE_CHANGED]


@pytest.mark.postgres
def test_a_last_day_that_was_cut_off_is_missed(touched: tuple[PostgresShelf, Vandal]) -> None:
    shelf, vandal = touched
    vandal("delete from anchor where anchor_no = 3")
    with closing(psycopg.connect(shelf.url, autocommit=True)) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(f"delete from seal where day = '{DAY + ONE * 2}'")
        connection.execute(f"delete from posting where posting_id = '{an_id('evening 2')}'")

    (found,) = verified(shelf).found

    assert (found.wrong, found.day) == (Wrong.ANCHOR_MISSING, DAY + ONE * 2)


@pytest.mark.postgres
def test_a_chain_that_was_written_anew_is_found_by_an_anchor_kept_elsewhere(
    touched: tuple[PostgresShelf, Vandal],
) -> None:
    """Whoever owns the database can do this; nothing inside it can tell."""
    shelf, vandal = touched
    town = a_street_again(shelf)
    kept = last_anchor(shelf.store, town).digest.hex()
    vandal(f"update posting set amounts_minor = '{{90, -90}}' {POSTING}")
    for table in ("anchor", "seal", "site_day"):
        with closing(psycopg.connect(shelf.url, autocommit=True)) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(f"delete from {table}")
    for number in range(3):
        ended(shelf.store, town, DAY + ONE * number)

    assert verified(shelf).is_whole
    assert [each.wrong for each in verified(shelf, kept=(kept,)).found] == [Wrong.ANCHOR_UNKNOWN]


def a_street_again(shelf: PostgresShelf) -> Town:
    """Name the town that is there already."""
    from compuerta.adapters.memory import MemoryStore

    return a_street(MemoryStore())


@pytest.mark.postgres
def test_only_one_site_is_verified_where_only_one_is_asked_for(touched: tuple[PostgresShelf, Vandal]) -> None:
    shelf, vandal = touched
    vandal(f"delete from posting {POSTING}")

    with journal.opened(shelf.url, site_id=4711) as found:
        result = verifying.verify(found, Question(now=LATER), tell=print)

    assert result.is_whole
    assert result.postings == 0
