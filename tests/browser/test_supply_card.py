"""The supply card: what holds, what decides, who may lift it; placed, lent and taken where it is shown."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
CARD = ".s-card"


def lend(page: Page, *, kwh: str, why: str = "moves out on Friday") -> None:
    page.get_by_role("button", name="Lend supply…").click()
    page.locator("dialog[open] input[name=kwh]").fill(kwh)
    page.locator("dialog[open] textarea").fill(why)
    page.locator("dialog[open] .c-button:not([type=button])").click()
    page.wait_for_load_state()


def test_supply_is_lent_shown_with_its_end_and_taken_back(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[6]
    page.goto(f"/meters/{flat.meter_id}/")

    lend(page, kwh="2.5")

    decides = page.locator(f"{CARD} .s-decides")
    expect(decides).to_contain_text("temporary supply")
    expect(decides).to_contain_text("ana: “moves out on Friday”")
    page.get_by_role("button", name="Lift…").click()
    page.locator("dialog[open] textarea").fill("has paid")
    page.locator("dialog[open] .c-button:not([type=button])").click()
    expect(page.locator(f"{CARD} .s-decides")).not_to_contain_text("temporary supply")
    expect(page.locator(f"{CARD} .s-story li").first).to_be_attached()


def test_what_cannot_be_lent_is_refused_at_the_form(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[6]
    page.goto(f"/meters/{flat.meter_id}/")

    page.get_by_role("button", name="Lend supply…").click()
    page.locator("dialog[open] textarea").fill("for ever")
    page.locator("dialog[open] .c-button:not([type=button])").click()

    expect(page.get_by_text("Say when it ends, or after how much energy.")).to_be_visible()


def test_emergency_credit_is_taken_where_it_is_offered(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    page, flat = signed_in(), console.flats[6]
    with store.transaction() as tx:
        document = '{"emergency_minor": 1000, "emergency_below_minor": 100000000}'
        tx.put_policy(scope="account", scope_id=flat.account_id, document=document)
    page.goto(f"/meters/{flat.meter_id}/")

    page.get_by_role("button", name="Take it…").click()
    page.locator("dialog[open] textarea").fill("asked at the desk")
    page.locator("dialog[open] .c-button:not([type=button])").click()

    expect(page.locator(CARD)).to_contain_text("comes back when it is repaid")
    taken = "select taken_by from emergency_credit where account_id = %s"
    assert console.rows(taken, flat.account_id) == [("ana",)]


def test_who_may_not_switch_sees_the_reasons_and_no_way_to_change_them(
    signed_in: Opens, console: Console
) -> None:
    page, flat = signed_in(name="guest"), console.flats[5]

    page.goto(f"/meters/{flat.meter_id}/")

    expect(page.locator(f"{CARD} .s-stack li").first).to_be_visible()
    expect(page.locator(f"{CARD} button")).to_have_count(0)
    for verb in ("hold", "lift", "emergency"):
        token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
        form = {"csrfmiddlewaretoken": token, "act_id": "0" * 32, "kind": "temporary", "why": "x"}
        answer = page.request.post(
            f"/meters/{flat.meter_id}/{verb}", form=form, headers={"Referer": page.url}
        )
        assert answer.status == 403


@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
def test_the_card_is_whole_on_a_phone_in_every_language(
    signed_in: Opens, console: Console, language: str
) -> None:
    page, flat = signed_in(language=language, phone=True), console.flats[6]

    page.goto(f"/meters/{flat.meter_id}/")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if language != "en":
        assert not untranslated_in(page.locator(CARD).inner_text(), language=language)
