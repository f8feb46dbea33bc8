"""Drifts in a real browser: the three figures, their case, and what silence costs."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console
from tests.unit.services.town import an_id

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.drift import Cause
from compuerta.services.day_port import Drift
from compuerta.services.records import Case

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own: two meters drift, and one end of a road is silent for two days."""
    with a_console(postgres_server, f"drifts_{worker_id}") as console:
        store = PostgresStore(console.database_url)
        drifting(store, console, Cause.LOST_INSTRUCTION, -5_000, flat=0)
        drifting(store, console, Cause.UNEXPLAINED, 123, flat=1)
        store.shut()
        silent(console)
        yield console


def drifting(store: PostgresStore, console: Console, cause: Cause, minor: int, *, flat: int) -> None:
    where, now = console.flats[flat], wiring.now()
    case = Case(
        account_id=where.account_id,
        case_id=an_id(f"drift {flat}"),
        kind=f"drift_{cause.value}",
        detail="books and meter",
        opened_at=now - DAY,
    )
    drift = Drift(
        account_id=where.account_id,
        drift_id=case.case_id,
        site_id=1,
        meter_id=where.meter_id,
        cause=cause,
        day=now.date() - 2 * DAY,
        seen_day=now.date() - DAY,
        books_minor=10_000,
        meter_minor=10_000 + minor,
        recomputed_minor=None,
        minor=minor,
        opened_at=now - DAY,
    )
    with store.transaction() as tx:
        tx.put_cases([case])
        tx.days.put_drifts([drift])


def silent(console: Console) -> None:
    """Let nobody hear the platform's meters for two days; a mean day cost 12.00."""
    with psycopg.connect(console.database_url, autocommit=True) as connection:
        connection.execute(
            """update meter_state t set heard_at = now() - interval '2 days', relay = 'closed'
            from meter m where m.meter_id = t.meter_id and m.credit_authority = 'platform'"""
        )
        connection.execute(
            """insert into account_day (account_id, day, version, site_id, opening_minor, recharged_minor,
                adjusted_minor, charged_minor, closing_minor, undelivered_minor, postings)
            select account_id, current_date - n, 1, site_id, 1200, 0, 0, 1200, 0, 0, 1
            from account, generate_series(3, 9) n"""
        )


def test_the_largest_difference_comes_first_with_its_figures_and_its_case(
    signed_in: Callable[..., Page],
) -> None:
    page = signed_in(name="accountant")
    page.goto("/drifts/")

    first = page.locator("article").first
    expect(first).to_contain_text("the meter has not what it was given")
    expect(first.locator(".dr-figures")).to_contain_text("¥100.00")
    expect(first.locator(".dr-figures")).to_contain_text("¥50.00")
    expect(first.locator(".dr-gap")).to_contain_text("−¥50.00")
    expect(page.locator("article")).to_have_count(2)

    first.get_by_role("link", name="To the case").click()

    expect(page.locator(":target")).to_contain_text("the meter has not what it was given")
    page.locator(":target").get_by_role("link", name="Look").click()
    expect(page.locator("article").first).to_be_visible()  # and back to its figures


def test_in_spanish_the_sign_stands_behind_as_on_paper(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="accountant", language="es")
    page.goto("/drifts/")

    expect(page.locator("article .dr-figures").first).to_contain_text("100,00\u00a0¥")


def test_silent_ends_are_sorted_by_what_nobody_has_paid_for(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="accountant")
    page.goto("/drifts/")

    rows = page.locator(".dr-risk tbody tr")

    expect(rows.first).to_contain_text("2 d")
    expect(rows.first).to_contain_text("¥0.50")
    expect(rows.first).to_contain_text("¥24.00")


def test_whoever_sees_no_money_sees_no_drift(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="technician")

    response = page.goto("/drifts/")

    assert response is not None and response.status == 403
