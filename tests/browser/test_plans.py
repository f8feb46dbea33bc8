"""The adviser's page: a site is drawn or brought, roads are chosen for it, and the plan says why."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.test_catalogues import untranslated_in

from compuerta.apps.console import plan_words
from compuerta.services.advice_csv import Wrong

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
SITE = """place,building,floor,x_m,y_m,meters,rsrp_4g_dbm,rsrp_nb_dbm,lan
A cellar,A,-1,20,30,6,-130,-112,no
A ground,A,0,20,30,24,-101,-99,yes
A 1,A,1,20,30,24,-97,-95,no
<b>gate</b>,,0,200,40,1,-90,-88,no
"""


def advise(page: Page, table: str) -> None:
    page.goto("/plans/")
    page.fill("textarea[name=table]", table)
    page.fill("input[name=name]", "North wing")
    page.locator("form .c-strong").click()


def test_a_table_becomes_a_plan_with_its_bill_and_reasons(signed_in: Opens, tmp_path: Path) -> None:
    page = signed_in(name="tomas")
    advise(page, SITE)
    page.wait_for_url("**/plans/*/", timeout=60_000)

    expect(page.locator("#site svg circle[r='4']")).to_have_count(4)
    expect(page.get_by_text("Bill of materials")).to_be_visible()
    expect(page.get_by_text("4G: not heard")).to_be_visible()
    expect(page.locator("b", has_text="gate")).to_have_count(0)  # a name is text, and never markup

    page.goto("/plans/")
    expect(page.get_by_role("link", name="North wing").first).to_be_visible()


def test_each_fault_of_a_table_has_words_of_its_own() -> None:
    assert set(plan_words.WRONG) == set(Wrong)


def test_a_click_on_the_plan_adds_a_place(signed_in: Opens) -> None:
    page = signed_in(name="tomas")
    page.goto("/plans/")

    page.locator(".pl-draw").click(position={"x": 90, "y": 60})

    rows = page.input_value("textarea[name=table]").strip().split("\n")
    assert len(rows) == 2
    assert rows[1].startswith("A 0-1,A,0,")
    expect(page.locator(".pl-draw circle")).to_have_count(1)


def test_a_field_that_cannot_be_used_is_told_by_its_row_in_the_readers_language(signed_in: Opens) -> None:
    page = signed_in(name="tomas", language="es")

    advise(page, SITE.replace("24,-97", "many,-97"))

    expect(page.locator("#faults")).to_contain_text("meters")
    expect(page.locator("#faults")).to_contain_text("«many» no es un número entero de 1 a")
    expect(page.locator("#faults .c-no")).to_have_text("4")
    assert "many" in page.input_value("textarea[name=table]")


def test_a_site_that_stands_fills_in_its_table(signed_in: Opens) -> None:
    page = signed_in(name="tomas")
    page.goto("/plans/?site=1")

    rows = page.input_value("textarea[name=table]").strip().split("\n")

    assert rows[0].startswith("place,x_m,y_m,meters")
    assert len(rows) > 5
    assert ",rs485," in rows[1] or ",4g," in rows[1]


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_the_pages_fit_a_phone_in_every_language(signed_in: Opens, language: str) -> None:
    page = signed_in(name="tomas", language=language, phone=True)
    advise(page, SITE)
    page.wait_for_url("**/plans/*/", timeout=60_000)

    for address in (page.url, "/plans/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not untranslated_in(page.locator("body").inner_text(), language=language)
