"""Months in both stores: what is closed stays closed, and nothing is booked behind it."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta

import psycopg
import pytest
from tests.contract.conftest import Shelf
from tests.contract.test_seals import ZONE, at, booked, ended
from tests.unit.services.town import Home, Town, an_id, an_opening

from compuerta.adapters.postgres.periods import PostgresPeriods
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.ledger import DELIVERED, REVENUE_ENERGY, Posting, PostingKind, transfer
from compuerta.domain.party import AccountKind
from compuerta.domain.sealing import NOTHING
from compuerta.services import booking, month_close
from compuerta.services.acting import Act, Actor, ReasonMissing
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay
from compuerta.services.month_close import BLOCKING, Closing, MonthBlocked, MonthNotOver, MonthOutOfOrder
from compuerta.services.period_port import Check, MonthClose, PeriodClosed, Reach, Total
from compuerta.services.records import Case
from compuerta.services.store_port import Store

ONE = timedelta(days=1)
MONTH, NEXT = date(2025, 2, 1), date(2025, 3, 1)
LAST = NEXT - ONE
ANA = Actor(who="ana", why="", origin="console")


def a_past_street(store: Store) -> Town:
    """Return a site whose accounts are as old as the last day of a month in the past."""
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(organisation_id=organisation_id, name="North", zone=ZONE, currency="CNY")
        openings = (
            an_opening(
                site_id, name=f"flat {n}", meter_id=None, kind=AccountKind.SUSPENSE, opened_at=at(LAST, 0)
            )
            for n in (1, 2)
        )
        homes = tuple(Home(meter_id=0, account_id=tx.add_account(opening)) for opening in openings)
    return Town(organisation_id=organisation_id, site_id=site_id, suspense_id=0, tariff_id=0, homes=homes)


def done(store: Store, town: Town, day: date = LAST, **counts: int) -> None:
    ended(store, town, day)
    with store.transaction() as tx:
        sealed = tx.freezes.day(DayKey(town.site_id, day))
        assert sealed is not None
        tx.freezes.save_day(replace(sealed, step=DayStep.DONE, due_at=None, **counts))


def closed(
    store: Store, town: Town, month: date = MONTH, *, why: str = "", now: datetime | None = None
) -> MonthClose:
    return month_close.close_month(
        store,
        Closing(organisation_id=town.organisation_id, month=month),
        actor=replace(ANA, why=why),
        act=Act(act_id=an_id(f"close {month}"), what="close a month"),
        now=now or at(NEXT, 9),
    )


def test_a_month_that_is_finished_is_closed_with_its_totals(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    booked(shelf.store, town, "a", when=at(LAST), amount_minor=100)
    booked(shelf.store, town, "b", when=at(LAST), amount_minor=50, home=1)
    booked(shelf.store, town, "of the next", when=at(NEXT), amount_minor=7)
    done(shelf.store, town)

    close = closed(shelf.store, town)

    assert close.totals == (Total("CNY", DELIVERED, 150), Total("CNY", REVENUE_ENERGY, -150))
    assert [(each.site_id, each.anchor_no) for each in close.anchors] == [(town.site_id, 1)]
    assert (close.named, close.previous) == ({}, NOTHING)
    assert shelf.count("audit") == 1


def test_what_is_read_again_has_the_digest_that_was_written(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    booked(shelf.store, town, "a", when=at(LAST))
    done(shelf.store, town, provisional=2)
    written = closed(shelf.store, town, why="两户没有读数")

    with shelf.store.transaction() as tx:
        (read,) = tx.periods.closes(town.organisation_id)

    assert read == written
    assert month_close.digest_of(read) == read.digest


def test_closing_twice_is_closing_once(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    done(shelf.store, town)
    first = closed(shelf.store, town)

    again = closed(shelf.store, town, now=at(NEXT, 10))

    assert again == first
    assert (shelf.count("month_close"), shelf.count("audit")) == (1, 1)


def test_nothing_is_booked_before_the_end_of_a_closed_month(shelf: Shelf) -> None:
    """By the site's clock, and not by ours: Shanghai's month ends eight hours before the month of UTC."""
    town = a_past_street(shelf.store)
    done(shelf.store, town)
    closed(shelf.store, town)
    last, first = at(NEXT, 0) - timedelta(microseconds=1), at(NEXT, 0)

    for when in (last, at(LAST), at(MONTH - ONE * 400)):
        with pytest.raises(PeriodClosed, match=r"closed up to 2025-02.*reversal"):
            booked(shelf.store, town, f"at {when}", when=when)
    booked(shelf.store, town, "in time", when=first)

    assert shelf.count("posting") == 1


def test_a_machine_whose_clock_is_behind_books_nothing_into_it(shelf: Shelf) -> None:
    """Nobody closes a month so early that such a booking would still pass for one in time."""
    town = a_past_street(shelf.store)
    done(shelf.store, town)

    with pytest.raises(MonthNotOver) as refused:
        closed(shelf.store, town, now=at(NEXT, 0) + month_close.CLOSABLE_AFTER - timedelta(seconds=1))

    assert refused.value.closable_at == at(NEXT, 2)
    assert shelf.count("month_close") == 0


def test_a_mistake_of_a_closed_month_is_reversed_now(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    wrong = booked(shelf.store, town, "wrong", when=at(LAST))
    done(shelf.store, town)
    closed(shelf.store, town)
    reversal = Posting(
        account_id=town.homes[0].account_id,
        posting_id=an_id("reversal"),
        kind=PostingKind.REVERSAL,
        currency="CNY",
        lines=transfer(debit=REVENUE_ENERGY, credit=DELIVERED, amount_minor=100),
        booked_at=at(NEXT),
        cause_id=an_id("why"),
        reverses=wrong,
    )

    with shelf.store.transaction() as tx:
        booking.book(tx, [reversal])

    assert shelf.booked_minor(DELIVERED) == 0


def test_the_same_booking_again_is_harmless_after_its_month_is_closed(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    booked(shelf.store, town, "a", when=at(LAST))
    done(shelf.store, town)
    closed(shelf.store, town)

    booked(shelf.store, town, "a", when=at(LAST))

    assert shelf.count("posting") == 1


@pytest.mark.postgres
def test_nothing_is_booked_into_a_month_while_it_is_added_up(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(postgres_url)
    town = a_past_street(store)
    booked(store, town, "a", when=at(LAST))
    done(store, town)
    add_up, refused = PostgresPeriods.totals, []

    def totals(self: PostgresPeriods, reach: Reach) -> list[Total]:
        found = add_up(self, reach)
        with closing(psycopg.connect(postgres_url)) as beside:
            beside.execute("set lock_timeout = '10ms'")
            try:
                beside.execute(
                    """insert into posting (account_id, posting_id, kind, currency, codes, amounts_minor,
                        booked_at, cause_id)
                    select account_id, gen_random_uuid(), kind, currency, codes, amounts_minor, booked_at,
                        gen_random_uuid() from posting"""
                )
            except psycopg.errors.LockNotAvailable as error:
                refused.append(error)
        return found

    monkeypatch.setattr(PostgresPeriods, "totals", totals)
    try:
        close = closed(store, town)
    finally:
        store.shut()

    assert len(refused) == 1
    assert [each.amount_minor for each in close.totals] == [100, -100]


def test_another_organisation_books_as_it_likes(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    done(shelf.store, town)
    with shelf.store.transaction() as tx:
        other = tx.add_organisation("other")
        close = closed_row(other)
        tx.periods.put(close)

    booked(shelf.store, town, "a", when=at(LAST))

    assert shelf.count("posting") == 1


def closed_row(organisation_id: int, month: date = MONTH) -> MonthClose:
    return MonthClose(
        organisation_id=organisation_id, month=month, closed_at=at(NEXT), closed_by="ana", why="", named={},
        totals=(), anchors=(), previous=NOTHING, digest=NOTHING,
    )  # fmt: skip


def test_months_are_closed_one_after_another(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    done(shelf.store, town)
    closed(shelf.store, town)

    with pytest.raises(MonthOutOfOrder) as refused:
        closed(shelf.store, town, date(2025, 4, 1), now=at(date(2025, 5, 2)))

    assert refused.value.next_month == NEXT


def _day_open(store: Store, town: Town) -> None:
    starts_at, ends_at = bounds_of(LAST, zone=ZONE)
    day = SiteDay(
        site_id=town.site_id, day=LAST, organisation_id=town.organisation_id, zone=ZONE, currency="CNY",
        starts_at=starts_at, ends_at=ends_at, due_at=ends_at,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.freezes.put_days([day])


def _never_begun(store: Store, town: Town) -> None:
    del store, town


@pytest.mark.parametrize("unfinished", [_day_open, _never_begun])
def test_a_day_that_is_not_done_blocks_the_month(
    shelf: Shelf, unfinished: Callable[[Store, Town], None]
) -> None:
    town = a_past_street(shelf.store)
    unfinished(shelf.store, town)

    with pytest.raises(MonthBlocked) as refused:
        closed(shelf.store, town, why="I want to")

    assert refused.value.blocked_by == {Check.DAYS_OPEN: 1, Check.DAYS_UNSEALED: 1}
    assert shelf.count("month_close") == 0


def test_what_is_only_supposed_or_open_is_closed_with_a_word(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)
    case = Case(
        account_id=town.homes[0].account_id,
        case_id=an_id("case"),
        kind="drift",
        detail="-",
        opened_at=at(LAST),
    )
    with shelf.store.transaction() as tx:
        tx.put_cases([case])
    done(shelf.store, town, provisional=3, missing=1)

    with pytest.raises(ReasonMissing):
        closed(shelf.store, town)
    close = closed(shelf.store, town, why="the meters were out of reach; the case is with the police")

    assert close.named == {"freezes_missing": 1, "freezes_provisional": 3, "cases_open": 1}


def test_the_months_of_an_organisation_begin_with_its_first_account(shelf: Shelf) -> None:
    town = a_past_street(shelf.store)

    with shelf.store.transaction() as tx:
        months = month_close.months(tx, town.organisation_id, now=at(date(2025, 4, 10)))

    assert months == [date(2025, 4, 1), NEXT, MONTH]


def test_every_check_either_blocks_or_needs_a_word() -> None:
    assert set(Check) > BLOCKING
