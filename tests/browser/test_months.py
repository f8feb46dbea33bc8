"""Months in a real browser: closed with a word, for good; and the journal that somebody verified."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.services import sealing
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.seal_port import JournalCheck

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, whose books began two months ago."""
    with a_console(postgres_server, f"months_{worker_id}") as console:
        _age(console)
        yield console


def _age(console: Console) -> None:
    """Let the first account be of the last day of the month before last, and that day be done."""
    now = wiring.now()
    first = (now.date().replace(day=1) - timedelta(days=1)).replace(day=1)
    day = first - timedelta(days=1)
    store = PostgresStore(console.database_url)
    with store.transaction() as tx:
        site = tx.freezes.sites()[0]
    starts_at, ends_at = bounds_of(day, zone=site.zone)
    console.rows(
        f"""with older as (update account set opened_at = '{starts_at}' where account_id in
        (select min(account_id) from account) returning account_id) select * from older"""
    )
    begun = SiteDay(
        site_id=site.site_id, day=day, organisation_id=site.organisation_id, zone=site.zone,
        currency=site.currency, starts_at=starts_at, ends_at=ends_at, step=DayStep.SEALING, due_at=None,
        provisional=2,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.freezes.put_days([begun])
    sealing.seal_day(store, begun, now)
    with store.transaction() as tx:
        tx.seals.put_checks(
            [
                JournalCheck(
                    site_id=site.site_id, organisation_id=site.organisation_id, at=now, anchor_no=1,
                    postings=12, found=0,
                )
            ]
        )  # fmt: skip
    store.shut()
    console.rows("with done as (update site_day set step = 'done' returning day) select * from done")


def test_a_month_is_closed_with_a_word_and_stays_closed(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="accountant")
    page.goto("/months/")
    page.get_by_role("link", name="to be closed next").click()
    expect(page.get_by_text("needs a word").first).to_be_visible()

    page.get_by_label("Why it is closed though").fill("two meters were out of reach")
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Close the month").click()

    expect(page.get_by_text("Closed by accountant")).to_be_visible()
    expect(page.get_by_role("button", name="Close the month")).to_have_count(0)
    assert console.rows("select why, named from month_close") == [
        ("two meters were out of reach", {"freezes_provisional": 2})
    ]


def test_the_journal_says_when_it_was_verified(signed_in: Callable[..., Page], console: Console) -> None:
    del console
    page = signed_in(name="accountant", phone=True)

    page.goto("/anchors/")

    expect(page.get_by_text("up to anchor 1: as it was sealed")).to_be_visible()
