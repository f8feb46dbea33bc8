"""Moving in a real browser: the settlement is seen while one types, and a receipt is left."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own: whoever moves is missed by other tests."""
    with a_console(postgres_server, f"moving_{worker_id}") as console:
        yield console


Opens = Callable[..., Page]


def kind_at(console: Console, meter_id: int) -> object:
    ((kind,),) = console.rows(
        """select a.kind from installation i join account a using (account_id)
        where i.meter_id = %s and i.ended_at is null""",
        meter_id,
    )
    return kind


def register_of(console: Console, meter_id: int) -> str:
    ((energy_wh,),) = console.rows("select energy_wh from meter_state where meter_id = %s", meter_id)
    assert isinstance(energy_wh, int)
    return f"{energy_wh / 1000:.3f}"


@pytest.mark.parametrize("phone", [False, True])
def test_somebody_moves_out_and_another_in(signed_in: Opens, console: Console, phone: bool) -> None:
    flat = console.flats[7 if phone else 8]
    page = signed_in(name="marta", phone=phone)
    page.goto(f"/meters/{flat.meter_id}/")
    page.get_by_role("link", name="Move out").click()
    page.locator("[name=register]").fill(register_of(console, flat.meter_id))
    expect(page.locator(".m-total")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.locator("[name=why]").fill("the lease ends")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Do it").click()

    expect(page.locator(".m-receipt")).to_contain_text("the lease ends")
    assert kind_at(console, flat.meter_id) == "house"
    page.get_by_role("link", name="Back to the meter").click()
    page.get_by_role("link", name="Move in").click()
    page.locator("[name=register]").fill(register_of(console, flat.meter_id))
    page.locator("[name=name]").fill("Rosa Vidal")
    page.locator("[name=deposit]").fill("100")
    expect(page.locator("#totals")).to_contain_text("To collect")
    page.locator("[name=why]").fill("a new lease")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator(".m-receipt")).to_contain_text("Rosa Vidal")
    assert kind_at(console, flat.meter_id) == "customer"


def test_a_register_that_runs_backwards_is_told_while_one_types(signed_in: Opens, console: Console) -> None:
    page = signed_in(name="marta")
    page.goto(f"/meters/{console.flats[6].meter_id}/move/out")

    page.locator("[name=register]").fill("0.01")

    expect(page.locator("#totals [role=alert]")).to_be_visible()


def test_a_move_that_is_refused_goes_on_saying_why(signed_in: Opens, console: Console) -> None:
    flat = console.flats[6]
    page = signed_in(name="marta")
    page.goto(f"/meters/{flat.meter_id}/move/out")
    page.locator("[name=register]").fill(register_of(console, flat.meter_id))
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Do it").click()

    page.wait_for_load_state("networkidle")
    expect(page.locator("#totals [role=alert]")).to_be_visible()
    assert kind_at(console, flat.meter_id) == "customer"


def test_a_meter_is_swapped_by_a_technician_and_not_by_a_cashier(signed_in: Opens, console: Console) -> None:
    flat = next(each for each in console.flats[5:] if each.platform)
    page = signed_in(name="tomas")
    page.goto(f"/meters/{flat.meter_id}/move/swap")
    page.locator("[name=register]").fill(register_of(console, flat.meter_id))
    page.locator("[name=meter_no]").fill("202611229999")
    page.locator("[name=why]").fill("burnt")
    page.locator("[name=why]").blur()
    page.locator(".c-actions button").click()
    page.locator("button[name=do]").click()

    expect(page.locator(".m-receipt")).to_contain_text("202611229999")
    assert page.goto(f"/meters/{flat.meter_id}/move/out").status in (403, 404)
    cashier = signed_in(name="ana")
    other = console.flats[4].meter_id
    assert cashier.goto(f"/meters/{other}/move/swap").status == 403
