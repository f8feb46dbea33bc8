"""Many supplies at once and the floor board, seen from outside: by two persons, in waves, in one look."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import Flat
from tests.browser.conftest import LOCALES, Console, a_window
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.services import masses

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
ROOMS = "305, 308, 309"


def proposed(page: Page, *, why: str, rooms: str = ROOMS) -> str:
    """Choose rooms, try it dry, and propose it; returns the operation's address."""
    page.goto("/operations/new")
    page.select_option("select[name=order]", value="hold administrator")
    page.fill("textarea[name=rooms]", rooms)
    page.fill("textarea[name=why]", why)
    page.locator("button[name=try]").click()
    expect(page.locator("#tried .c-place")).to_have_count(len(rooms.split(",")))
    page.locator("button[name=propose]").click()
    page.wait_for_url("**/operations/*-*/")
    return page.url


def decide(page: Page, verb: str, *, why: str = "agreed") -> None:
    page.locator(f"[data-opens=ask-{verb}]").click()
    page.locator(f"#ask-{verb} textarea").fill(why)
    page.locator(f"#ask-{verb} .c-button:not([data-close])").click()
    page.wait_for_load_state()


@contextmanager
def on_floors(console: Console, *flats: Flat) -> Iterator[None]:
    """Put flats on the third floor of a tower of their own for a while."""
    ids = [flat.account_id for flat in flats]
    where = "supply_point_id in (select supply_point_id from account where account_id = any(%s))"
    console.rows(f"update supply_point set building = 'Tower', floor = 3 where {where}", ids)
    try:
        yield
    finally:
        console.rows(f"update supply_point set building = '', floor = null where {where}", ids)


def test_whoever_reaches_one_building_decides_on_no_others(signed_in: Opens, console: Console) -> None:
    address = proposed(signed_in(name="paula"), why="works on the riser")
    console.rows(
        """insert into role_grant
            (grant_id, organisation_id, user_name, role, site_id, building, granted_by, granted_at)
        select gen_random_uuid(), organisation_id, 'resident', 'owner', site_id, 'Annex', 'owner', now()
        from account where account_id = %s""",
        console.flats[0].account_id,
    )

    with closing(a_window(console, "resident")) as window:
        sent = {"csrfmiddlewaretoken": window.cookies["csrftoken"], "why": "mine"}
        answers = [window.post(f"{address}{verb}", data=sent).status_code for verb in ("approve", "withdraw")]

    console.rows("delete from role_grant where user_name = 'resident' and building = 'Annex'")
    assert answers == [403, 403]


def test_two_persons_order_for_many_and_one_undoes_it(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    ana, why = signed_in(name="paula"), f"works {uuid4().hex[:6]}"
    address = proposed(ana, why=why)
    expect(ana.locator("[data-opens=ask-approve]")).to_have_count(0)
    bruno = signed_in(name="quim")
    bruno.goto("/operations/")
    bruno.get_by_text(why).click()
    bruno.wait_for_url(address)

    decide(bruno, "approve")
    masses.advance(store, now=datetime.now(UTC))

    expect(bruno.locator(".o-waves .o-item-ordered")).to_have_text("1")
    operation_id = address.rstrip("/").rsplit("/", 1)[1]
    held = "select owner from supply_hold where note = %s and ended_at is null"
    assert console.rows(held, why) == [("quim",)]
    decide(bruno, "pause")
    expect(bruno.locator(".o-hero .o-paused")).to_be_visible()

    ana.goto(address)
    decide(ana, "undo", why="the wrong floor")
    masses.advance(store, now=datetime.now(UTC))

    expect(ana.locator(".o-hero .o-undone")).to_be_visible()
    assert console.rows(held, why) == []
    states = "select state, count(*) from mass_item where operation_id = %s group by 1 order by 1"
    assert console.rows(states, operation_id) == [("undone", 1), ("waiting", 2)]


def test_a_dry_run_writes_nothing_and_a_room_that_is_not_there_is_named_at_its_field(
    signed_in: Opens, console: Console
) -> None:
    page, before = signed_in(name="paula"), console.rows("select count(*) from mass_operation")
    page.goto("/operations/new")
    page.fill("textarea[name=rooms]", "301, 9999")

    page.locator("button[name=try]").click()

    expect(page.locator(".c-alert")).to_be_visible()
    expect(page.locator("textarea[name=rooms][aria-invalid]")).to_have_value("301, 9999")
    assert console.rows("select count(*) from mass_operation") == before


def test_who_may_not_propose_has_no_way_in(signed_in: Opens) -> None:
    page = signed_in(name="guest")

    answers = [page.goto(path) for path in ("/operations/", "/operations/new")]

    assert [answer.status for answer in answers if answer] == [403, 403]


def test_the_board_shows_each_unit_by_its_state(signed_in: Opens, console: Console) -> None:
    off, low, silent = console.flats[3], console.flats[4], console.flats[7]
    with on_floors(console, off, low, silent):
        page = signed_in(name="guest")
        page.goto("/board/")

        for flat, state in ((off, "off"), (silent, "silent")):
            expect(page.locator(f"#unit-{flat.meter_id}")).to_have_class(f"b-unit b-{state}")
        tower = page.locator(".b-building", has_text="Tower")
        expect(tower.locator(".b-unit")).to_have_count(3)
        expect(tower.locator(".b-level")).to_have_text("3")


def test_the_board_tells_more_of_a_unit_and_leads_to_its_meter(signed_in: Opens, console: Console) -> None:
    flat = console.flats[0]
    page = signed_in(name="guest")
    page.goto("/board/")
    unit = page.locator(f"#unit-{flat.meter_id}")
    expect(unit.locator(".b-more")).to_be_hidden()

    unit.hover()

    expect(unit.locator(".b-more")).to_be_visible()
    expect(unit.locator(".b-money")).to_contain_text("¥")
    unit.click()
    page.wait_for_url(f"**/meters/{flat.meter_id}/")


def test_a_state_of_the_legend_dims_all_others(signed_in: Opens, console: Console) -> None:
    page = signed_in(name="guest")
    page.goto("/board/")

    page.locator(".b-key:has(.b-silent)").click()

    expect(page.locator(".b-unit.b-silent.b-dim")).to_have_count(0)
    shown = page.locator(".b-unit:not(.b-dim)").count()
    assert shown == page.locator(".b-unit.b-silent").count() > 0
    expect(page.locator(f"#unit-{console.flats[7].meter_id}")).to_have_class("b-unit b-silent")


@pytest.mark.parametrize("path", ["/board/", "/operations/", "/operations/new"])
@pytest.mark.parametrize("language", sorted(LOCALES))
def test_every_screen_speaks_each_language_and_fits_a_phone(
    signed_in: Opens, path: str, language: str
) -> None:
    page = signed_in(name="paula", language=language, phone=True)

    page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert language == "en" or not untranslated_in(page.locator(".c-screen").inner_text(), language=language)
