"""Daily reports in a real browser: a day with its pictures and tables, its files, and who is sent them."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console, a_window

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.services import reporting, rolling
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayStep, Freeze, FreezeBasis, SiteDay

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]
ZONE = "Asia/Shanghai"
SITE = 1
DAYS = 12
DAY = timedelta(days=1)
DAY_WH = 4_000  # of each flat, and more at the weekend
BASES = {0: FreezeBasis.MISSING, 1: FreezeBasis.PROVISIONAL}  # of the last day, by flat


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, in which some days have ended."""
    with a_console(postgres_server, f"daily_reports_{worker_id}") as console:
        store = PostgresStore(console.database_url)
        for back in range(DAYS, 0, -1):
            ended(store, console, last_day() - (back - 1) * DAY)
        store.shut()
        yield console


def last_day() -> date:
    """Return a day that has ended at the site, whatever the hour."""
    return wiring.now().date() - 2 * DAY


def ended(store: PostgresStore, console: Console, day: date) -> None:
    """Let a day end: every flat froze, but for those that did not on the last day."""
    starts_at, ends_at = bounds_of(day, zone=ZONE)
    freezes = [_freeze(console, flat, day, ends_at) for flat in range(len(console.flats))]
    known = [each.basis for each in freezes]
    site_day = SiteDay(
        site_id=SITE, day=day, organisation_id=1, zone=ZONE, currency="CNY", starts_at=starts_at,
        ends_at=ends_at, due_at=ends_at, step=DayStep.ROLLING, meters=len(freezes),
        valid=known.count(FreezeBasis.METER), provisional=known.count(FreezeBasis.PROVISIONAL),
        missing=known.count(FreezeBasis.MISSING),
    )  # fmt: skip
    now = ends_at + timedelta(minutes=5)
    with store.transaction() as tx:
        tx.freezes.put_days([site_day])
        tx.freezes.put_freezes(freezes)
    rolled = replace(rolling.roll_day(store, site_day, now), step=DayStep.REPORTING)
    with store.transaction() as tx:
        tx.freezes.save_day(rolled)
    reporting.report_day(store, rolled, now)


def _freeze(console: Console, flat: int, day: date, ends_at: datetime) -> Freeze:
    number = (day - date(2026, 1, 1)).days
    basis = BASES.get(flat, FreezeBasis.METER) if day == last_day() else FreezeBasis.METER
    weekends = number * 2 // 7
    return Freeze(
        meter_id=console.flats[flat].meter_id,
        day=day,
        version=1,
        site_id=SITE,
        account_id=console.flats[flat].account_id,
        at=ends_at,
        basis=basis,
        known_at=ends_at,
        energy_wh=None if basis is FreezeBasis.MISSING else (number + weekends) * (DAY_WH + 350 * flat),
        reason="" if basis is FreezeBasis.METER else "silent_answer",
    )


def address_of(day: date) -> str:
    return f"/reports/{SITE}/{day.isoformat()}/"


def test_an_owner_opens_yesterday_from_the_list(signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    page.goto("/reports/")

    page.get_by_role("link", name=last_day().isoformat()).click()

    expect(page.locator(".sh-figure")).to_have_count(8)
    expect(page.locator(".sh-chart").first).to_contain_text("Energy by day")
    expect(page.get_by_text("8 / 10")).to_be_visible()
    expect(page.get_by_text("1 missing, 1 supposed")).to_be_visible()


def test_a_day_that_the_list_does_not_reach_is_chosen(signed_in: Callable[..., Page]) -> None:
    page = signed_in()
    page.goto("/reports/")

    page.get_by_label("Day").first.fill(last_day().isoformat())
    page.get_by_role("button", name="Show").first.click()

    expect(page).to_have_url(re.compile(re.escape(address_of(last_day()))))


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_a_report_on_a_phone_is_not_wider_than_the_phone(
    signed_in: Callable[..., Page], language: str
) -> None:
    page = signed_in(language=language, phone=True)

    page.goto(address_of(last_day()))

    expect(page.locator(".sh-figure")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_day_without_a_report_says_which_there_are(signed_in: Callable[..., Page]) -> None:
    page = signed_in()

    answer = page.goto(address_of(last_day() + 30 * DAY))

    assert answer is not None and answer.status == 404
    page.get_by_role("link", name="Open the latest").click()
    expect(page.locator(".sh-figure").first).to_be_visible()


@pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF"), ("xlsx", b"PK"), ("json", b"{")])
def test_a_report_comes_as_a_file(console: Console, form: str, begins: bytes) -> None:
    with closing(a_window(console, "ana")) as window:
        answer = window.get(f"{address_of(last_day())}{form}")

    assert answer.status_code == 200 and answer.content.startswith(begins)
    assert f"report-1-{last_day()}-v1.{form}" in answer.headers["content-disposition"]


def test_a_file_has_the_figures_of_the_report(console: Console) -> None:
    with closing(a_window(console, "ana")) as window:
        told = json.loads(window.get(f"{address_of(last_day())}json").content)

    assert told["facts"]["completeness"]["missing"] == 1
    assert {each["what"]: each["differs_minor"] for each in told["ties"]} == {
        "received": 0, "divided": 0, "charged": 0, "closing": 0,
    }  # fmt: skip


def test_reports_are_sent_to_whoever_asks_and_no_more_to_who_ends_it(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in()
    page.goto("/reports/")
    page.select_option("select[name=channel]", "email")
    page.fill("input[name=address]", "ana@example.org")
    page.get_by_role("button", name="Send it to me").click()
    expect(page.locator(".c-rows").get_by_text("ana@example.org")).to_be_visible()
    asked = console.rows("select wants from contact where user_name = 'ana' and opted_out_at is null")

    page.locator(".c-rows").get_by_role("button", name="Remove").click()

    expect(page.locator(".c-rows").get_by_text("ana@example.org")).to_have_count(0)
    assert asked == [(["daily_report"],)]
    assert console.rows("select 1 from contact where user_name = 'ana' and opted_out_at is null") == []


def test_an_address_that_is_none_is_refused_in_words(console: Console) -> None:
    with closing(a_window(console, "marta")) as window:
        sent = {
            "csrfmiddlewaretoken": window.cookies["csrftoken"], "channel": "email", "address": "nobody",
            "language": "en", "act_id": "0b0c61c2-3f8e-4a80-9a3c-0a49c1f5c1f1",
        }  # fmt: skip
        answer: httpx.Response = window.post("/reports/subscribe", data=sent)

    assert answer.status_code == 422 and "Look at how it is written" in answer.text
