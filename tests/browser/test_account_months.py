"""Statements, as-of and pictures of use in a real browser: for staff, owners and residents."""

import io
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

import openpyxl  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import Flat
from tests.browser.conftest import Console
from tests.browser.test_living import a_contact, prove

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import Freeze, FreezeBasis, SiteDay

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

DAYS_FROZEN = 12
_DAY = timedelta(days=1)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def frozen_days(console: Console, store: PostgresStore, flat: Flat) -> date:
    """Freeze a flat's last days, one of them supposed and one unknown, and roll them; returns the last."""
    ((site_id, organisation_id, zone),) = console.rows(
        """select s.site_id, s.organisation_id, s.zone from site s join account a using (site_id)
        where a.account_id = %s""",
        flat.account_id,
    )
    assert isinstance(site_id, int) and isinstance(organisation_id, int) and isinstance(zone, str)
    last = wiring.now().date() - 2 * _DAY
    bases = {5: FreezeBasis.PROVISIONAL, 8: FreezeBasis.MISSING}
    for number in range(DAYS_FROZEN):
        day = last - _DAY * (DAYS_FROZEN - 1 - number)
        starts_at, ends_at = bounds_of(day, zone=zone)
        basis = bases.get(number, FreezeBasis.METER)
        freeze = Freeze(
            meter_id=flat.meter_id,
            day=day,
            version=1,
            site_id=site_id,
            account_id=flat.account_id,
            at=ends_at,
            basis=basis,
            known_at=ends_at,
            energy_wh=None if basis is FreezeBasis.MISSING else 1_000_000 + number * number * 400,
        )
        ended = SiteDay(
            site_id=site_id,
            day=day,
            organisation_id=organisation_id,
            zone=zone,
            currency="CNY",
            starts_at=starts_at,
            ends_at=ends_at,
            due_at=None,
        )
        with store.transaction() as tx:
            tx.freezes.put_freezes([freeze])
        with store.transaction() as tx:
            tx.days.roll(ended)
    return last


def test_staff_reads_a_month_and_takes_it_as_a_file(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    page, flat = signed_in(phone=True), console.flats[1]
    last = frozen_days(console, store, flat)

    page.goto(f"/meters/{flat.meter_id}/")
    page.get_by_role("link", name="Statement", exact=True).click()
    page.goto(f"{page.url}?month={last:%Y-%m}")

    expect(page.get_by_role("heading", name="Day by day")).to_be_visible()
    expect(page.get_by_role("img", name="Energy by day")).to_be_visible()
    assert fits(page)
    found = page.request.get(f"{page.url}&form=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(found.body()))
    assert any("Day by day" in name for name in book.sheetnames)
    assert page.request.get(f"{page.url}&form=pdf").body().startswith(b"%PDF")


def test_what_was_believed_is_found_by_date_and_time(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page, flat = signed_in(language="es", phone=True), console.flats[1]

    page.goto(f"/accounts/{flat.account_id}/as-of")
    expect(page.get_by_role("heading", name="Lo que creíamos entonces")).to_be_visible()
    assert fits(page)
    page.fill("input[name=at]", "2001-01-01T10:00")
    page.locator("form.ao-form button").click()

    expect(page.locator(".c-warnbox")).to_contain_text("La cuenta aún no existía")

    # In 1991 Shanghai put its clocks back at two o'clock.
    page.fill("input[name=at]", "1991-09-15T01:30")
    page.locator("form.ao-form button").click()
    first, second = page.locator("section a.c-button").all()
    expect(first).to_contain_text("UTC+09:00")
    second.click()

    expect(page.locator(".ao-at")).to_contain_text("1991-09-15 01:30:00 UTC+08:00")


def test_a_picture_hatches_what_is_supposed_and_leaves_blank_what_is_not_known(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    page, flat = signed_in(), console.flats[2]
    last = frozen_days(console, store, flat)
    supposed, unknown = (last - _DAY * (DAYS_FROZEN - 1 - number) for number in (5, 8))

    page.goto(f"/accounts/{flat.account_id}/energy?stretch=year&on={last}")
    expect(page.get_by_role("img", name="Use of a year")).to_be_visible()
    page.goto(f"/accounts/{flat.account_id}/energy?stretch=week&on={supposed}")

    bar = page.locator("rect", has=page.locator("title", has_text=f"{supposed}:"))
    expect(bar).to_have_class("sh-supposed")
    page.goto(f"/accounts/{flat.account_id}/energy?stretch=month&on={unknown}")
    expect(page.locator("rect", has=page.locator("title", has_text=f"{unknown}:"))).to_have_class(
        "sh-unknown"
    )


def test_pictures_are_of_the_month_that_was_read_and_lead_back_to_it(
    signed_in: Callable[..., Page], console: Console
) -> None:
    month = f"{wiring.now():%Y-%m}"
    page, flat = signed_in(), console.flats[0]

    page.goto(f"/accounts/{flat.account_id}/energy?on={month}-01")
    expect(page.get_by_role("link", name="Statement", exact=True)).to_have_attribute(
        "href", f"/accounts/{flat.account_id}/statement?month={month}"
    )
    page.goto(f"/accounts/{flat.account_id}/statement?month={month}")
    expect(page.get_by_role("link", name="Pictures of use")).to_have_attribute(
        "href", f"/accounts/{flat.account_id}/energy?on={month}-01"
    )


def test_an_owner_reads_a_site(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(language="zh-hans")

    page.goto("/owner-statement/")

    expect(page.get_by_role("heading", name="代管资金")).to_be_visible()
    assert fits(page)


def test_a_resident_reads_their_months_after_a_code_and_the_sticker_alone_tells_none(
    visit: Callable[..., Page], console: Console
) -> None:
    page, flat = visit(phone=True), console.flats[4]
    a_contact(console, flat)
    address = f"{console.address}/p/{flat.pay_token}/statement"

    page.goto(f"{address}?form=xlsx")  # no file either
    expect(page).to_have_url(re.compile("/prove"))
    prove(page, console, account_id=flat.account_id)

    expect(page).to_have_url(re.compile("/statement$"))
    expect(page.get_by_role("heading", name=re.compile("Account statement"))).to_be_visible()
    assert fits(page)
    ((opened_at,),) = console.rows("select opened_at from account where account_id = %s", flat.account_id)
    assert isinstance(opened_at, datetime)
    before = opened_at - timedelta(days=40)
    assert page.request.get(f"{address}?month={before:%Y-%m}").status == 404
