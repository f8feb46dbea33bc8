"""Tariffs as people see them: painted, saved, tried on real use, approved by a second person, explained."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import APIResponse, Locator, Page, expect
from tests.browser.conftest import LOCALES, Console
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.tariff.document import tariff_from
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import observe

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
LIBRARY = sorted((Path(__file__).parents[2] / "tariffs").glob("*.yaml"))
MALL = next(path for path in LIBRARY if "mall" in path.stem)


def begun(page: Page, *, ready: str = "") -> Page:
    """The editor of a new draft, of one price or like one of the library."""
    page.goto("/tariffs/")
    page.locator(f"button.t-ready[value='{ready}']").click()
    page.wait_for_url("**/edit")
    expect(page.locator(".t-stairs svg")).to_be_visible()
    return page


def document(page: Page) -> dict[str, object]:
    """What the editor would save now."""
    text = page.evaluate("Alpine.$data(document.querySelector('.t-editor')).current()")
    return dict(json.loads(text))


def tables(page: Page) -> dict[str, list[str]]:
    """The painted day tables."""
    (energy,) = [each for each in components(page) if each["kind"] == "energy"]
    return dict(energy["day_tables"])  # type: ignore[call-overload]


def components(page: Page) -> Iterator[dict[str, object]]:
    yield from document(page)["components"]  # type: ignore[misc]


def drag(page: Page, strip: Locator, *, start_h: float, end_h: float) -> None:
    """Drag along a day's strip on a desk's screen, where both halves lie side by side."""
    strip.evaluate("strip => strip.scrollIntoView({block: 'center'})")
    box = strip.bounding_box()
    assert box is not None
    y = box["y"] + 20
    page.mouse.move(box["x"] + box["width"] * start_h / 24, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start_h + end_h) / 48, y, steps=3)
    page.mouse.move(box["x"] + box["width"] * end_h / 24, y, steps=3)
    page.mouse.up()


def minor_of(text: str) -> int:
    """Shown yuan as minor units."""
    return int(re.sub(r"[^0-9−]", "", text).replace("−", "-"))


def saved(page: Page) -> Page:
    """The page after its draft was saved."""
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator(".t-notice")).to_have_text("Saved.")
    return page


def posted(page: Page, verb: str, body: str) -> APIResponse:
    """What a forged script of the editor is answered."""
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    headers = {"Referer": page.url, "X-CSRFToken": token, "Content-Type": "application/json"}
    return page.request.post(page.url.removesuffix("edit") + verb, data=body.encode(), headers=headers)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_editor_gives_every_tariff_of_the_library_back_as_it_was(signed_in: Opens, path: Path) -> None:
    page = begun(signed_in(), ready=path.stem)

    given_back = tariff_from({**document(page), "name": "same"})

    assert given_back == tariff_from({**yaml.safe_load(path.read_text()), "name": "same"})
    expect(page.locator(".t-state")).to_have_class("t-state t-yes")


def test_a_dragged_stretch_of_the_day_is_painted_in_one_go_and_undone_in_one(signed_in: Opens) -> None:
    page = begun(signed_in(), ready=MALL.stem)
    name, before = next(iter(tables(page).items()))
    page.locator(".t-brush", has_text="valley").click()

    drag(page, page.locator(".t-strip").first, start_h=9.1, end_h=20.7)

    painted = tables(page)[name]
    assert "09:00 valley" in painted
    assert not [slot for slot in painted if "09:00" < slot[:5] < "21:00"]
    page.keyboard.press("Control+z")
    assert tables(page)[name] == before


def test_the_day_is_painted_by_the_keyboard_alone(signed_in: Opens) -> None:
    page = begun(signed_in())
    page.get_by_role("button", name="Prices by the hour").click()
    strip = page.locator(".t-strip").first
    strip.focus()

    for key in ("Home", "2", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)

    (slots,) = tables(page).values()
    assert slots == ["00:00 all day", "01:00 valley", "02:30 all day"]
    expect(page.locator(".t-table .t-readout").first).to_contain_text("valley")


def test_a_finger_paints_on_a_phone_in_two_halves_of_the_day(signed_in: Opens) -> None:
    page = begun(signed_in(phone=True))
    page.get_by_role("button", name="Prices by the hour").click()
    afternoon = page.locator(".t-half").nth(1)
    afternoon.evaluate("half => half.scrollIntoView({block: 'center'})")
    box = afternoon.bounding_box()
    assert box is not None and box["width"] > 250

    page.mouse.move(box["x"] + 1, box["y"] + 9)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 2, box["y"] + 9, steps=4)
    page.mouse.up()

    (slots,) = tables(page).values()
    assert slots == ["00:00 all day", "12:00 valley", "18:00 all day"]


def test_a_season_is_pulled_by_its_edge_and_nudged_by_keys_but_not_over_its_neighbour(
    signed_in: Opens,
) -> None:
    page = begun(signed_in(), ready=MALL.stem)
    handle = page.locator(".t-handle").nth(1)
    before = int(handle.get_attribute("aria-valuenow") or 0)

    handle.focus()
    page.keyboard.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", str(before + 1))
    for _ in range(20):
        page.keyboard.press("PageUp")

    after = int(handle.get_attribute("aria-valuenow") or 0)
    following = page.locator(".t-handle").nth(2)
    last = 366 if following.count() == 0 else int(following.get_attribute("aria-valuenow") or 0)
    assert before < after < last
    expect(page.locator(".t-state")).to_have_class("t-state t-yes")


def test_a_fault_is_told_at_its_place_and_nothing_is_saved(signed_in: Opens, console: Console) -> None:
    page = begun(signed_in())
    key = tuple(int(part) for part in page.url.split("/")[-3:-1])
    kept = "select document::text from tariff_version where (tariff_id, version_no) = (%s, %s)"
    before = console.rows(kept, *key)
    page.get_by_role("button", name="Another step").click()
    bound = page.locator(".t-bound input").first

    bound.fill("0")
    expect(page.locator(".t-bound em")).to_contain_text("steps must rise")
    expect(page.locator(".t-state")).to_contain_text("1 to put right")
    page.get_by_role("button", name="Save the draft").click()

    expect(page.locator(".t-notice")).to_contain_text("Not saved")
    assert console.rows(kept, *key) == before
    page.locator(".t-state").click()
    page.locator(".t-faults button").click()
    expect(bound).to_be_focused()


def test_a_decimal_comma_is_a_price_and_the_bill_follows_while_one_types(signed_in: Opens) -> None:
    page = begun(signed_in())

    page.locator(".t-price input").first.fill("0,61")
    expect(page.locator(".t-state")).to_contain_text("152.50")
    page.locator(".t-load input").fill("100")

    expect(page.locator(".t-state")).to_contain_text("61.00")


@pytest.mark.parametrize(
    "load",
    [
        {"kwh": "1e999999", "shape": "home"},
        {"kwh": "1e999999999", "shape": "home"},
        {"kwh": "NaN", "shape": "home"},
        {"kwh": "Infinity", "shape": "home"},
        {"account": "9" * 5_000},
    ],
)
def test_a_forged_load_costs_nothing_and_breaks_nothing(signed_in: Opens, load: dict[str, str]) -> None:
    page = begun(signed_in())

    answer = posted(page, "check", json.dumps({"document": document(page), "load": load}))

    assert answer.status == 200
    assert answer.json() == {"faults": []}


def test_a_document_of_twenty_thousand_brackets_is_nothing(signed_in: Opens) -> None:
    page = begun(signed_in())

    assert posted(page, "check", "[" * 20_000).status == 404


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:00"])
def test_a_draft_from_no_year_of_ours_is_not_saved(signed_in: Opens, moment: str) -> None:
    page = begun(signed_in())

    answer = posted(page, "save", json.dumps({"document": document(page), "effective_from": moment}))

    assert answer.status == 422
    assert answer.json()["faults"][0]["place"] == "effective_from"


def test_a_version_is_drafted_by_one_person_and_approved_by_another(
    signed_in: Opens, console: Console
) -> None:
    page = begun(signed_in(), ready=MALL.stem)
    saved_at = page.url.removesuffix("edit")
    page.locator(".t-price input").first.fill("1.99")
    saved(page)
    page.goto(saved_at)
    page.get_by_role("button", name="Propose…").click()
    page.locator("dialog[open] textarea").fill("the grid's prices have changed")
    page.locator("dialog[open]").get_by_role("button", name="Propose").click()

    expect(page.get_by_text("waits for approval")).to_be_visible()
    expect(page.get_by_role("button", name="Approve…")).to_have_count(0)
    page.goto(f"{saved_at}edit")
    page.wait_for_url(saved_at)  # what is proposed is not edited any more

    other = signed_in(name="bruno")
    other.goto("/tariffs/")
    other.locator(".t-waiting a").first.click()
    other.wait_for_url(saved_at)
    other.get_by_role("button", name="Approve…").click()
    other.locator("dialog[open] textarea").fill("checked against the grid's letter")
    other.locator("dialog[open]").get_by_role("button", name="Approve").click()

    expect(other.get_by_text("approved, not yet in force")).to_be_visible()
    expect(other.get_by_text("approved by bruno")).to_be_visible()


def test_who_approves_a_first_version_sees_its_hours_and_all_of_its_lines(signed_in: Opens) -> None:
    page = begun(signed_in(), ready=MALL.stem)

    page.goto(page.url.removesuffix("edit"))

    year = page.locator("[data-look] .t-cloth").bounding_box()
    assert year is not None and year["width"] > 300
    clock = page.locator("[data-look] .t-clock").bounding_box()
    assert clock is not None and clock["y"] == year["y"]  # its hours stand beside it
    told = page.locator(".t-changes")
    expect(told.get_by_role("row", name="Service fee").last).to_contain_text("0.05 CNY per kWh")
    expect(told).to_contain_text("13 % included in Energy")
    expect(told).to_contain_text("00:00 valley, 08:00 peak")


def test_who_may_not_draft_sees_tariffs_and_no_way_to_change_them(signed_in: Opens, console: Console) -> None:
    page = signed_in(name="guest")
    page.goto("/tariffs/")
    expect(page.locator(".t-ready")).to_have_count(0)
    expect(page.get_by_role("button", name="New version")).to_have_count(0)

    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": token, "ready": MALL.stem}
    answer = page.request.post("/tariffs/new", form=form, headers={"Referer": page.url})

    assert answer.status == 403


def test_a_new_version_is_tried_on_the_buildings_own_use(signed_in: Opens) -> None:
    page = signed_in()
    page.goto("/tariffs/")
    page.locator(".t-tariff", has_text="10 accounts").get_by_role("button", name="New version").click()
    page.wait_for_url("**/edit")
    page.locator(".t-price input").first.fill("1.06")
    saved(page)
    page.goto(page.url.removesuffix("edit"))

    page.get_by_role("button", name="Replay").click()

    expect(page.locator(".t-replay tbody tr")).to_have_count(10)
    expect(page.locator(".t-up")).to_have_text("10")
    expect(page.locator(".t-replay")).to_contain_text("+100")
    changes = page.locator(".t-replay tbody tr").evaluate_all("rows => rows.map(row => +row.dataset.change)")
    assert changes == sorted(changes, reverse=True)


def test_minutes_of_use_are_enough_to_try_a_version_on(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    page = signed_in(name="olga")
    page.goto("/tariffs/")
    page.get_by_role("link", name="from the beginning").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".t-sums")).to_contain_text("1 · too little was measured")

    now = datetime.now(UTC)
    for minutes, energy_wh in ((2, 1_000), (1, 3_000)):
        at = now - timedelta(minutes=minutes)
        state = MeterState(energy_wh=energy_wh, balance_minor=5_000, relay=Relay.CLOSED)
        report = observe.MeterReport(meter_id=console.other.meter_id, at=at, state=state)
        observe.take_readings(store, [report], now=now)
    page.get_by_role("button", name="Replay").click()

    expect(page.locator(".t-replay tbody tr")).to_contain_text("¥1.06")
    expect(page.locator(".t-sums")).not_to_contain_text("too little was measured")


def test_a_charge_opens_into_its_lines_for_whoever_manages(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[2]
    page.goto(f"/meters/{flat.meter_id}/")
    page.locator(".c-explain").first.click()

    expect(page.locator(".t-bill").first).to_contain_text("0.53")
    expect(page.locator(".t-rounding")).to_contain_text("Exact sum")


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", r"\w{3} \d+ \w{3}"), ("es", r"\w{3} \d+ [a-z]{3}"), ("zh-hans", r"\d+月\d+日 星期.")],
)
def test_a_day_is_written_as_each_language_writes_it(
    visit: Opens, console: Console, language: str, written: str
) -> None:
    page = visit(language=language, phone=True)

    page.goto(f"/p/{console.flats[2].pay_token}/cost")

    expect(page.locator(".charges b").first).to_have_text(re.compile(f"^{written}$"))


def test_a_resident_sees_what_days_have_cost_and_why_and_no_hour(visit: Opens, console: Console) -> None:
    page, flat = visit(phone=True), console.flats[2]
    page.goto(f"/p/{flat.pay_token}")
    page.get_by_role("link", name="What does it cost?").click()
    expect(page.locator(".balance")).to_be_visible()
    expect(page.locator(".t-today b")).to_contain_text("¥")
    expect(page.locator(".t-bill tfoot")).to_contain_text("¥")
    clock = re.compile(r"\b\d{1,2}:\d{2}\b")
    assert not clock.search(page.locator("main").inner_text())
    days = [minor_of(text) for text in page.locator(".charges .t-sum").all_inner_texts()]
    ((charged,),) = console.rows(
        "select sum(amount_minor)::bigint from charge where account_id = %s", flat.account_id
    )
    assert sum(days) == charged
    page.locator(".charges a").first.click()

    lines = page.locator(".t-bill tbody tr td:last-child").all_inner_texts()
    assert sum(map(minor_of, lines)) == days[0]
    expect(page.locator(".t-bill").first).to_contain_text("0.53")
    assert not clock.search(page.locator("main").inner_text())


@pytest.mark.parametrize("day", ["2001-01-01", "2026-13-41", "tomorrow"])
def test_a_day_without_charges_is_not_there(visit: Opens, console: Console, day: str) -> None:
    answer = visit().goto(f"/p/{console.flats[2].pay_token}/days/{day}")

    assert answer is not None and answer.status == 404


def test_a_charge_itself_has_no_page_for_whoever_holds_the_link(visit: Opens, console: Console) -> None:
    ((charge_id,),) = console.rows(
        "select charge_id from charge where account_id = %s limit 1", console.flats[2].account_id
    )

    answer = visit().goto(f"/p/{console.flats[2].pay_token}/charges/{charge_id}")

    assert answer is not None and answer.status == 404


@pytest.mark.parametrize("path", ["/tariffs/{}/1/", "/tariffs/{}/1/edit", "/tariffs/{}/1/replay"])
def test_another_organisations_tariff_is_not_there(signed_in: Opens, console: Console, path: str) -> None:
    ((theirs,),) = console.rows(
        """select max(tariff_id) from tariff where organisation_id <> (
            select organisation_id from account where account_id = %s)""",
        console.flats[0].account_id,
    )
    page = signed_in()

    answer = page.goto(path.format(theirs))

    assert answer is not None and answer.status == 404


@pytest.mark.parametrize("language", sorted(LOCALES))
def test_the_tariff_screens_fit_a_phone_and_speak_each_language(signed_in: Opens, language: str) -> None:
    page = begun(signed_in(language=language, phone=True))
    edited = page.url

    for path in ("/tariffs/", edited, edited.removesuffix("edit")):
        page.goto(path)
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], path
        # Names are whoever's who gave them, in whatever language.
        page.locator(".t-ready b, .t-tariff h2, .t-waiting .c-place").evaluate_all(
            "names => names.forEach(name => name.remove())"
        )
        shown = page.locator(".c-screen").inner_text()
        assert language == "en" or not untranslated_in(shown, language=language), path
