"""Commissioning as a fitter does it: on a phone, step by step, with a meter that follows."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import LOCALES, Console
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.config import settings
from compuerta.drivers.abilities import Ending, MeterState, Relay, Result
from compuerta.drivers.searching import FoundMeter
from compuerta.services import commissioning, deliver, observe, surveying
from compuerta.services.commission_port import SurveyState
from compuerta.services.deliver import Conclusion
from compuerta.services.observe import MeterReport
from compuerta.services.surveying import Progress

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
MODEL = "dlt645-remote-rs485"
COLUMNS = (
    "building,floor,place,meter_no,customer_no,model,credit_authority,road,endpoint_id,address,baud,tariff_id,"
    "register_kwh,contracted_kw"
)


def follow(console: Console, store: PostgresStore, meter_no: str, *, relay: Relay) -> None:
    """Let the meter do what it is told, and say so."""
    ((meter_id,),) = console.rows("select meter_id from meter where meter_no = %s", meter_no)
    assert isinstance(meter_id, int)
    state = MeterState(energy_wh=7_000, relay=relay)
    for _ in range(4):
        for claim in deliver.claim(store, [meter_id], now=wiring.now(), owner="g1"):
            done = Result(ending=Ending.DONE, state=state)
            conclusion = Conclusion(claim=claim, result=done, at=wiring.now())
            deliver.conclude(store, [conclusion], now=wiring.now())
    report = MeterReport(meter_id=meter_id, at=wiring.now(), state=state)
    observe.take_readings(store, [report], now=wiring.now())
    commissioning.follow(store, now=wiring.now())


def a_line(console: Console) -> str:
    ((endpoint_id,),) = console.rows("select endpoint_id from endpoint where road = 'rs485' limit 1")
    return str(endpoint_id)


def test_a_meter_goes_from_a_search_to_whoever_lives_there(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    meter_no, line = "777000000001", a_line(console)
    page = signed_in(name="tomas", phone=True)
    page.goto("/commissioning/")
    page.select_option("select[name=endpoint_id]", value=line)
    page.get_by_role("button", name="Search", exact=False).click()
    page.wait_for_url("**/searches/*/")
    (survey,) = surveying.claim(store, {line}, gateway="g1", now=wiring.now())
    models = wiring.models(settings())
    found = FoundMeter(meter_no=meter_no, registers=surveying.registers_of(models[MODEL]), energy_wh=7_000)
    progress = Progress(
        survey_id=survey.survey_id, gateway="g1", probes=13, found=[found], ended=SurveyState.DONE
    )
    surveying.tell(store, progress, models=models, now=wiring.now())

    page.get_by_role("link", name="Claim", exact=True).click()
    expect(page.locator("input[name=meter_no]")).to_have_value(meter_no)
    expect(page.locator("input[name=register_kwh]")).to_have_value("7")
    page.select_option("select[name=model]", value=MODEL)  # how it closes no register tells
    page.fill("input[name=place]", "cellar 1")
    page.get_by_role("button", name="Claim this meter").click()
    page.wait_for_url("**/commissioning/*-*/")
    follow(console, store, meter_no, relay=Relay.CLOSED)
    page.reload()
    for step, relay, answer in (
        ("Switch off", Relay.OPEN, "It is dark"),
        ("Switch on", Relay.CLOSED, "There is light"),
    ):
        page.get_by_role("button", name=step).click()
        page.wait_for_load_state()
        follow(console, store, meter_no, relay=relay)
        page.get_by_role("button", name=answer).click()
        page.wait_for_load_state()
    page.get_by_role("button", name="Hand it over").click()

    expect(page.locator(".k-steps li.k-done")).to_have_count(8)
    held = console.rows(
        """select 1 from supply_hold join meter using (meter_id)
        where meter_no = %s and (ended_at is null or ended_at > now())""",
        meter_no,
    )
    assert held == []


def test_a_meter_that_is_there_already_is_refused_by_its_field(signed_in: Opens, console: Console) -> None:
    ((meter_no,),) = console.rows("select meter_no from meter order by meter_id limit 1")
    page = signed_in(name="tomas", phone=True)

    page.goto("/commissioning/claim")
    page.fill("input[name=meter_no]", f"SN:{meter_no}")
    page.select_option("select[name=model]", value=MODEL)
    page.select_option("select[name=endpoint_id]", value=a_line(console))
    page.fill("input[name=place]", "cellar 2")
    page.get_by_role("button", name="Claim this meter").click()

    expect(page.locator("[role=alert]")).to_contain_text("is there already")
    expect(page.locator("input[name=meter_no]")).to_have_attribute("aria-invalid", "true")


def test_a_table_is_tried_dry_and_then_claimed_whole(signed_in: Opens, console: Console) -> None:
    ((tariff_id,),) = console.rows("select tariff_id from tariff order by tariff_id limit 1")
    line = a_line(console)
    row = f"A,1,shop {{0}},77700000010{{0}},,{MODEL},platform,rs485,{line},,,{tariff_id},0,"
    page = signed_in(name="tomas")
    page.goto("/commissioning/table")
    expect(page.get_by_text("may be left out: bearer,unit_no")).to_be_visible()

    page.fill("textarea[name=table]", "\n".join([COLUMNS, row.format(1), row.format(1)]))
    page.locator("button[name=try]").click()
    expect(page.locator("#faults tbody tr")).to_have_count(2)  # the place, and the number
    page.fill("textarea[name=table]", "\n".join([COLUMNS, row.format(1), row.format(2)]))
    page.locator("button[name=try]").click()
    expect(page.locator("#sure tbody tr")).to_have_count(2)
    before = console.rows("select count(*) from commission")
    page.locator("button[name=claim]").click()
    page.wait_for_url("**/commissioning/")

    assert before[0] == (_under_way(console) - 2,)


def _under_way(console: Console) -> int:
    ((count,),) = console.rows("select count(*) from commission")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("language", sorted(LOCALES))
@pytest.mark.parametrize("phone", [True, False])
def test_every_page_fits_and_speaks_the_readers_language(
    signed_in: Opens, console: Console, language: str, *, phone: bool
) -> None:
    page = signed_in(name="tomas", language=language, phone=phone)
    named = [str(name) for (name,) in console.rows("select name from tariff")]  # in whatever language

    for path in ("/commissioning/", "/commissioning/claim", "/commissioning/table", "/virtual/"):
        page.goto(path)

        too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not too_wide, path
        shown = page.locator(".c-screen").inner_text()
        for name in named:
            shown = shown.replace(name, "")
        assert language == "en" or untranslated_in(shown, language=language) == [], path
