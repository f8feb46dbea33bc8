"""Days in a real browser: how whole they are, who is not known and why, and what was known before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.drivers.abilities import NOT_FROZEN, MeterFreeze
from compuerta.services import day_end, freezing
from compuerta.services.freeze_port import DayStep, SiteDay, WantedFreeze
from compuerta.services.freezing import FreezeReport

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]
ZONE = "Asia/Shanghai"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own: two days have ended at its first site."""
    with a_console(postgres_server, f"days_{worker_id}") as console:
        store = PostgresStore(console.database_url)
        for back in (3, 2):
            _ended(store, console, day=the_day(back=back))
        store.shut()
        yield console


def the_day(*, back: int) -> date:
    return wiring.now().date() - back * DAY


def _ended(store: PostgresStore, console: Console, *, day: date) -> None:
    """Let a day end: the first flat tells it, the second keeps nothing of it, the third is suddenly at 0."""
    starts_at, ends_at = day_end.bounds_of(day, zone=ZONE)
    begun = SiteDay(
        site_id=1, day=day, organisation_id=1, zone=ZONE, currency="CNY",
        starts_at=starts_at, ends_at=ends_at, due_at=ends_at,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.freezes.put_days([begun])
    told = zip(console.flats, (1_230, None, 5_000 if day == the_day(back=3) else 10), strict=False)
    freezing.take_freezes(
        store,
        [
            FreezeReport(
                wanted=WantedFreeze(meter_id=flat.meter_id, day=day, at=ends_at, zone=ZONE),
                told=MeterFreeze(
                    midnight=(starts_at + DAY).replace(tzinfo=None),
                    energy_wh=energy_wh,
                    reason="" if energy_wh is not None else NOT_FROZEN,
                ),
                at=ends_at,
                clock_off_s=-30,
            )
            for flat, energy_wh in told
        ],
        now=ends_at,
    )
    frozen = freezing.freeze_day(store, begun, ends_at + day_end.GRACE)
    with store.transaction() as tx:
        tx.freezes.save_day(replace(frozen, step=DayStep.DONE, due_at=None))


def test_a_day_tells_who_is_not_known_and_why(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="technician")
    page.goto("/days/")
    page.get_by_role("link", name=str(the_day(back=2))).click()

    lacking = page.locator("section", has_text="Who is not known, and why")
    expect(lacking.locator("tr", has_text="302")).to_contain_text("the meter keeps nothing of this midnight")
    fallen = lacking.locator("tr", has_text="303")
    expect(fallen).to_contain_text("its register ran backwards")
    page.locator("summary", has_text="1 meter is known").click()
    known = page.locator("details tr", has_text="301")
    expect(known).to_contain_text("the meter's own midnight")
    expect(known).to_contain_text("1.23 kWh")
    expect(known).to_contain_text("-30 s")
    expect(page.locator("th", has_text="Balance")).to_have_count(0)  # who sees no money


def test_a_day_of_somebody_elses_site_is_not_there(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="technician")

    for path in (f"/days/2/{the_day(back=2)}/", "/days/1/2026-13-01/", f"/days/1/{the_day(back=9)}/"):
        answer = page.goto(path)
        assert answer is not None and answer.status == 404


@pytest.mark.parametrize(("language", "title"), [("es", "Días"), ("zh-hans", "日结")])
def test_a_phone_shows_days_in_every_language_without_scrolling_sideways(
    signed_in: Callable[..., Page], language: str, title: str
) -> None:
    page = signed_in(name="manager", language=language, phone=True)
    for path in ("/days/", f"/days/1/{the_day(back=2)}/"):
        page.goto(path)
        expect(page.locator("body")).to_contain_text(title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
