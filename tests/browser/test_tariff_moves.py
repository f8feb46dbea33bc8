"""Accounts that change their tariff, seen from outside: told before, refused at its place, done once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import LOCALES, Console
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.tariffs import load_tariffs
from compuerta.services import tariffing
from compuerta.services.tariffing import Founders

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
LIBRARY = load_tariffs(Path(__file__).parents[2] / "tariffs")
STEPS = "monthly-two-steps"  # a meter of the building can deduct by it
ALLOWANCE = "dormitory-free-allowance"  # none can
HOUSEHOLDS = "china-residential-annual-steps"  # asks for persons


def a_tariff(store: PostgresStore, console: Console, ready: str) -> tuple[int, str]:
    """An approved tariff of the library under a name of its own."""
    name = f"{ready} {uuid4().hex[:6]}"
    ((organisation_id,),) = console.rows(
        "select organisation_id from account where account_id = %s", console.flats[0].account_id
    )
    assert isinstance(organisation_id, int)
    with store.transaction() as tx:
        tariff_id = tariffing.found(
            tx,
            replace(LIBRARY[ready], name=name),
            organisation_id=organisation_id,
            founders=Founders(drafted_by="manager", approved_by="owner"),
            now=datetime.now(UTC),
        )
    return tariff_id, name


def assigned(console: Console, tariff_id: int) -> list[tuple[object, ...]]:
    return console.rows(
        """select account_id, persons, starts_at at time zone 'Asia/Shanghai' from tariff_assignment
        where tariff_id = %s order by account_id""",
        tariff_id,
    )


def asked(page: Page, name: str, *, why: str = "a new contract") -> Page:
    """The form of a meter's account, with a tariff chosen and a reason given."""
    page.locator(".t-choice", has_text=name).locator("input").check()
    page.locator("textarea[name=why]").fill(why)
    return page


def test_an_account_moves_with_its_next_bill_and_its_page_says_so(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, name = a_tariff(store, console, STEPS)
    page, flat = signed_in(), console.flats[4]
    page.goto(f"/meters/{flat.meter_id}/")
    page.locator(".c-facts a").click()
    expect(page.locator(".t-choice", has_text=name)).to_contain_text("this meter can deduct by it")

    asked(page, name).get_by_role("button", name="Change the tariff").click()

    expect(page.locator(".t-reigns")).to_contain_text(name)
    ((account_id, _persons, starts_at),) = assigned(console, tariff_id)
    assert account_id == flat.account_id
    assert isinstance(starts_at, datetime)
    assert (starts_at.day, starts_at.hour) == (1, 0)
    ((who, why),) = console.rows(
        "select who, why from audit where subject = %s and what = 'assign tariff' and after like %s",
        f"account {flat.account_id}",
        f"{name}%",
    )
    assert (who, why) == ("ana", "a new contract")


def test_a_meter_that_cannot_is_told_before_and_refused_where_it_was_chosen(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, name = a_tariff(store, console, ALLOWANCE)
    page, flat = signed_in(), console.flats[6]
    page.goto(f"/meters/{flat.meter_id}/tariff")
    expect(page.locator(".t-choice", has_text=name)).to_contain_text("a meter knows no free energy")

    asked(page, name).get_by_role("button", name="Change the tariff").click()

    expect(page.locator(".t-told")).to_contain_text("a meter knows no free energy")
    assert assigned(console, tariff_id) == []
    page.locator("input[name=by_hand]").check()
    page.get_by_role("button", name="Change the tariff").click()
    expect(page.locator(".t-reigns")).to_contain_text(name)
    cases = "select count(*) from case_file where account_id = %s and kind = 'tariff_by_hand'"
    assert console.rows(cases, flat.account_id) == [(1,)]
    expect(
        signed_in(language="es").locator(".c-why", has_text="no conoce la energía gratuita")
    ).to_be_visible()


def test_the_past_and_a_bill_begun_are_refused_at_their_place(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, name = a_tariff(store, console, HOUSEHOLDS)
    page, flat = signed_in(), console.flats[8]
    page.goto(f"/meters/{flat.meter_id}/tariff")
    moment = page.locator("input[name=starts_at]")
    persons = page.locator(f"input[name=persons_{flat.account_id}]")
    expect(persons).not_to_be_visible()
    asked(page, name)
    expect(persons).to_be_visible()

    for day, typed, told in (
        (-1, "5", "over"),
        (+40, "x", "how many persons"),
        (+40, "5", "change where a bill begins"),
    ):
        page.locator("form.t-move").evaluate("form => { form.noValidate = true }")
        at = datetime.now(UTC) + timedelta(days=day, hours=3)
        moment.fill(f"{at.replace(day=17, hour=9) if day > 0 else at:%Y-%m-%dT%H:%M}")
        persons.fill(typed)
        page.get_by_role("button", name="Change the tariff").click()
        expect(page.locator("label:has(.t-bad) .t-told")).to_contain_text(told)

    assert assigned(console, tariff_id) == []


def test_a_house_moves_at_once_and_who_cannot_is_told_beside_its_name(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, name = a_tariff(store, console, HOUSEHOLDS)
    page, (by_platform, by_meter) = signed_in(), (console.flats[2], console.flats[7])
    page.goto("/tariffs/")
    page.locator(".t-tariff", has_text=name).get_by_role("link", name="Move accounts here").click()
    for flat in (by_platform, by_meter):
        page.locator(f"#account-{flat.account_id}").check()
        page.locator(f"input[name=persons_{flat.account_id}]").fill("6")
    page.locator("textarea[name=why]").fill("the house's new contract")

    page.get_by_role("button", name="Move accounts here").click()

    expect(page.locator("tr", has=page.locator(f"#account-{by_meter.account_id}"))).to_contain_text(
        "a meter puts the same on every rate's price"
    )
    expect(page.locator(".t-who .t-told")).to_have_count(1)
    expect(page.locator(".t-who")).to_contain_text("moves here")
    ((account_id, persons, _starts_at),) = assigned(console, tariff_id)
    assert (account_id, persons) == (by_platform.account_id, 6)


def test_who_may_not_move_accounts_sees_by_what_they_are_billed_and_no_more(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, _name = a_tariff(store, console, STEPS)
    page, flat = signed_in(name="guest"), console.flats[0]
    page.goto(f"/meters/{flat.meter_id}/tariff")
    expect(page.locator(".t-reigns")).to_contain_text("Flat 0.5300")
    expect(page.locator("form.t-move")).to_have_count(0)

    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {
        "csrfmiddlewaretoken": token,
        "tariff": str(tariff_id),
        "starts_at": "2099-01-01T00:00",
        "why": "because",
        "act_id": str(uuid4()),
    }
    answers = [
        page.request.post(path, form=form, headers={"Referer": page.url})
        for path in (f"/meters/{flat.meter_id}/tariff", f"/tariffs/{tariff_id}/move")
    ]

    assert [answer.status for answer in answers] == [403, 403]
    assert assigned(console, tariff_id) == []
    theirs = signed_in().goto(f"/meters/{console.other.meter_id}/tariff")
    assert theirs is not None and theirs.status == 404


def test_a_version_is_tried_on_accounts_that_would_move_to_it(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, _name = a_tariff(store, console, STEPS)
    page = signed_in()
    page.goto(f"/tariffs/{tariff_id}/1/")
    page.locator("select[name=whose]").select_option(label="Torre 3 (10 accounts)")

    page.get_by_role("button", name="Replay").click()

    rows = page.locator(".t-replay tbody tr[data-change]")
    expect(rows).to_have_count(10)
    expect(page.locator(".t-replay progress")).to_have_count(0)
    changes = rows.evaluate_all("rows => rows.map(row => +row.dataset.change)")
    told = page.locator(".t-sums .c-tile").last.inner_text()
    assert f"{sum(changes) / 100:,.2f}".lstrip("-") in told
    dearer = page.locator(".t-sums .t-up").inner_text()
    assert int(dearer) == sum(change > 0 for change in changes)


def test_a_version_that_meters_cannot_hold_is_approved_by_hand_alone_and_told_again(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    tariff_id, name = a_tariff(store, console, STEPS)
    page, flat = signed_in(), console.flats[1]
    page.goto(f"/meters/{flat.meter_id}/tariff")
    asked(page, name).get_by_role("button", name="Change the tariff").click()
    expect(page.locator(".t-reigns")).to_contain_text(name)
    page.goto("/tariffs/")
    page.locator(".t-tariff", has_text=name).get_by_role("button", name="New version").click()
    page.wait_for_url("**/edit")
    page.get_by_role("button", name="+ minimum").click()
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator(".t-notice")).to_have_text("Saved.")
    page.goto(page.url.removesuffix("edit"))
    page.get_by_role("button", name="Propose…").click()
    page.locator("#propose-dialog textarea").fill("everybody pays a little")
    page.locator("#propose-dialog").get_by_role("button", name="Propose").click()
    expect(page.get_by_text("a meter knows no minimum")).to_be_visible()

    other = signed_in(name="bruno")
    other.goto(page.url)
    other.get_by_role("button", name="Approve…").click()
    other.locator("#approve-dialog textarea").fill("as agreed")
    other.locator("#approve-dialog").get_by_role("button", name="Approve").click()
    expect(other.get_by_text("Some meters cannot deduct by it")).to_be_visible()
    other.get_by_role("button", name="Approve…").click()
    other.locator("#approve-dialog textarea").fill("as agreed, and set by hand")
    other.locator("#approve-dialog input[name=by_hand]").check()
    other.locator("#approve-dialog").get_by_role("button", name="Approve").click()

    expect(other.get_by_text("approved by bruno")).to_be_visible()
    expect(other.get_by_text("this meter cannot: set by hand")).to_be_visible()
    cases = "select detail from case_file where account_id = %s and kind = 'tariff_by_hand'"
    assert any("minimum" in str(detail) for (detail,) in console.rows(cases, flat.account_id))

    other.get_by_role("button", name="Tell these meters…").click()
    other.locator("#tell-dialog textarea").fill("it has another module now")
    other.locator("#tell-dialog").get_by_role("button", name="Tell these meters").click()

    expect(other.get_by_text("approved by bruno")).to_be_visible()
    told = "select who, after from audit where subject = %s and what = 'send tariff again'"
    assert console.rows(told, f"tariff {tariff_id} version 2") == [("bruno", "1 meters")]


RATE = {
    "utility": "Volta Light",
    "energyratestructure": [
        [{"rate": 0.11, "max": 100}, {"rate": 0.17}],
        [{"rate": 0.31, "max": 100}, {"rate": 0.4}],
    ],
    "energyweekdayschedule": [[0] * 17 + [1] * 4 + [0] * 3] * 12,
    "energyweekendschedule": [[0] * 24] * 12,
}


def given(page: Page, rate: object) -> Page:
    """The page after a file was imported."""
    page.goto("/tariffs/")
    text = rate if isinstance(rate, bytes) else json.dumps(rate).encode()
    page.set_input_files(
        "input[name=urdb]", {"name": "rate.json", "mimeType": "application/json", "buffer": text}
    )
    page.locator("form:has(input[name=urdb]) button").click()
    page.wait_for_load_state()
    return page


def test_an_openei_rate_becomes_a_draft(signed_in: Opens) -> None:
    page = given(signed_in(), {"items": [{**RATE, "name": uuid4().hex}]})

    page.wait_for_url("**/edit")
    expect(page.locator(".t-price input").first).to_have_value("0.11")
    expect(page.locator(".t-state")).to_have_class("t-state t-yes")


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (b"<html>", "Este archivo no es el JSON"),
        ({**RATE, "demandratchetpercentage": [0.5] * 12}, "demandratchetpercentage: aquí no se cobra"),
        ({**RATE, "energyratestructure": [[]]}, "energyratestructure[0]: no tiene tramos"),
        ({**RATE, "energyweekdayschedule": [[0] * 24] * 11}, "escriba 12 meses"),
    ],
)
def test_an_openei_rate_that_cannot_be_one_is_refused_in_the_readers_language(
    signed_in: Opens, console: Console, rate: object, told: str
) -> None:
    before = console.rows("select count(*) from tariff")

    page = given(signed_in(language="es"), rate)

    expect(page.get_by_text(told)).to_be_visible()
    assert console.rows("select count(*) from tariff") == before


@pytest.mark.parametrize("language", sorted(LOCALES))
def test_moving_fits_a_phone_and_speaks_each_language(
    signed_in: Opens, console: Console, store: PostgresStore, language: str
) -> None:
    tariff_id, _name = a_tariff(store, console, ALLOWANCE)
    page = signed_in(language=language, phone=True)

    for path in (f"/meters/{console.flats[0].meter_id}/tariff", f"/tariffs/{tariff_id}/move"):
        page.goto(path)
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], path
        page.locator(".t-choice b, .c-hero .c-big, .c-place, .t-who a, .t-reigns a").evaluate_all(
            "names => names.forEach(name => name.remove())"
        )
        shown = page.locator(".c-screen").inner_text()
        assert language == "en" or not untranslated_in(shown, language=language), path
