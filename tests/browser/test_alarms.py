"""The alarms board, an alarm's page, maintenance windows and the loss map, as people see them."""

import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import Flat
from tests.browser.conftest import Console, a_window
from tests.browser.test_catalogues import untranslated_in
from tests.scenario.loading_bench import Bench, a_bench

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.instruction import Limits
from compuerta.domain.party import AccountKind, CreditAuthority, RoadKind
from compuerta.drivers.abilities import LimitsOrder, MeterState, ReadOrder, Relay
from compuerta.services import losses, observe
from compuerta.services.acting import Actor
from compuerta.services.losses import FeedingWish
from compuerta.services.records import AccountOpening, MeterEntry
from compuerta.virtual.meter import ConstantLoad

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
HOUR = timedelta(hours=1)
ANA = Actor(who="ana", why="the riser is measured", origin="console")


def tells(store: PostgresStore, flat: Flat, *flags: str) -> None:
    now = wiring.now()
    state = MeterState(flags=frozenset(flags), relay=Relay.CLOSED)
    report = observe.MeterReport(meter_id=flat.meter_id, at=now, state=state)
    observe.take_readings(store, [report], now=now)


def a_picture() -> bytes:
    """A small PNG, red from edge to edge."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    side = 64
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = b"".join(b"\x00" + b"\xd0\x30\x20" * side for _ in range(side))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def the_alarm(console: Console, flat: Flat, kind: str) -> UUID:
    found = console.rows(
        "select alarm_id from meter_alarm where meter_id = %s and kind = %s order by raised_at desc",
        flat.meter_id,
        kind,
    )
    return UUID(str(found[0][0]))


def a_feeder(console: Console, store: PostgresStore) -> int:
    """A feeder with two flats behind it: one uses nothing, and a quarter of what is fed is lost."""
    now, idle = wiring.now(), console.other
    began = now - 9 * 24 * HOUR
    ((organisation_id, site_id, tariff_id),) = console.rows(
        "select organisation_id, site_id, tariff_id from account where account_id = %s", idle.account_id
    )
    assert isinstance(organisation_id, int) and isinstance(site_id, int) and isinstance(tariff_id, int)
    with store.transaction() as tx:
        feeder, honest = (
            tx.add_meter(
                MeterEntry(
                    organisation_id=organisation_id, meter_no=f"77{number:010d}", model="dlt645-standard-4g",
                    credit_authority=CreditAuthority.PLATFORM, customer_no=f"{number:012d}",
                    endpoint_id="rs485-901", road=RoadKind.RS485,
                )
            )
            for number in (1, 2)
        )  # fmt: skip
    opening = AccountOpening(
        site_id=site_id, kind=AccountKind.FEEDER, name="Riser", supply_point="riser", building="Torre",
        tariff_id=None, meter_id=feeder, pay_token=uuid4(), opened_at=began,
    )  # fmt: skip
    losses.install_feeder(store, opening, actor=ANA, audit_id=uuid4(), now=now)
    with store.transaction() as tx:
        tx.add_account(
            replace(
                opening, kind=AccountKind.CUSTOMER, supply_point="902", tariff_id=tariff_id, meter_id=honest,
                pay_token=uuid4(),
            )
        )  # fmt: skip
    wish = FeedingWish(
        organisation_id=organisation_id,
        feeder_meter_id=feeder,
        meter_ids=frozenset({idle.meter_id, honest}),
        audit_id=uuid4(),
    )
    losses.feed(store, wish, actor=ANA, now=began)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for meter_id, step_wh in ((feeder, 1_000), (honest, 750), (idle.meter_id, 0)):
        console.rows(
            """insert into reading (meter_id, at, energy_wh, relay)
            select %s, %s::timestamptz - make_interval(hours => n), (200 - n) * %s::bigint, 'closed'
            from generate_series(0, 200) as s (n) where n not between 30 and 33""",
            meter_id,
            hour,
            step_wh,
        )
    return feeder


def test_an_opened_cover_is_looked_after_with_one_tap_and_closed_with_what_was_found(
    signed_in: Opens, console: Console, store: PostgresStore, tmp_path: Path
) -> None:
    flat = console.flats[0]
    page = signed_in(name="tomas", phone=True)
    page.goto("/alarms/")
    tells(store, flat, "terminal_cover_open")

    row = page.locator(".a-board tr", has_text="terminal cover open")
    row.get_by_role("button", name="I look after it").click(timeout=15_000)
    expect(row.get_by_text("tomas")).to_be_visible()
    row.locator(".c-lead a").click()
    picture = tmp_path / "meter.png"
    picture.write_bytes(a_picture())
    page.set_input_files("input[name=photo]", picture)
    page.get_by_role("button", name="Keep the photo").click()
    shown = page.locator(".a-photos img")
    expect(shown).to_be_visible()
    assert shown.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 64
    tells(store, flat)
    page.get_by_role("button", name="Close the alarm").first.click()
    page.select_option("dialog select[name=outcome]", "repaired")
    page.fill("dialog textarea[name=why]", "Screwed shut, sealed anew.")
    page.locator("dialog").get_by_role("button", name="Close the alarm").click()

    expect(page.get_by_text("Screwed shut")).to_be_visible()
    kept = "select outcome, closed_by from meter_alarm where alarm_id = %s"
    assert console.rows(kept, the_alarm(console, flat, "terminal_cover_open")) == [("repaired", "tomas")]


def test_what_is_done_to_a_virtual_meter_is_on_the_board_after_one_poll(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    flat, bench = console.flats[7], a_bench(load=ConstantLoad(power_w=2_000))
    bench.carry_out(LimitsOrder(limits=Limits(power_w_max=3_000)))
    polled(store, flat, bench)
    page = signed_in(name="tomas")
    page.goto("/alarms/")

    core = bench.meter.core
    core.set_cover(True)
    core.set_wiring(replace(core.wiring, reversed=frozenset({0})))
    bench.wait_until(bench.civil + HOUR)
    polled(store, flat, bench)
    core.set_wiring(replace(core.wiring, reversed=frozenset()))
    core.set_load(6_000)
    bench.wait_until(bench.civil + HOUR)
    polled(store, flat, bench)

    for kind in ("cover open", "reverse flow", "overload"):
        row = page.locator(f".a-board tr:has(.c-lead .c-place:text-is('{kind}'))", has_text="308")
        expect(row).to_be_visible(timeout=15_000)
    page.goto(f"/alarms/{the_alarm(console, flat, 'overload')}/")
    expect(page.get_by_text("overload: rest 1 of 3")).to_be_visible()


def polled(store: PostgresStore, flat: Flat, bench: Bench) -> None:
    """Read a virtual meter through its frames; its registers are not those of the flat."""
    state = bench.carry_out(ReadOrder()).state
    told = MeterState(flags=state.flags, counts=state.counts, relay=state.relay)
    now = wiring.now()
    report = observe.MeterReport(meter_id=flat.meter_id, at=now, state=told)
    observe.take_readings(store, [report], now=now)


def test_who_may_not_act_sees_and_cannot(signed_in: Opens, console: Console, store: PostgresStore) -> None:
    flat = console.flats[1]
    tells(store, flat, "cover_open")
    alarm_id = the_alarm(console, flat, "cover_open")
    page = signed_in(name="guest")

    page.goto("/alarms/")
    expect(page.locator(".a-board tr", has_text="cover open").first).to_be_visible()
    expect(page.get_by_role("button", name="I look after it")).to_have_count(0)
    page.goto(f"/alarms/{alarm_id}/")
    expect(page.get_by_role("button", name="Close the alarm")).to_have_count(0)
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    for verb in ("acknowledge", "close", "photos"):
        answer = page.request.post(
            f"/alarms/{alarm_id}/{verb}",
            form={"csrfmiddlewaretoken": cookies["csrftoken"], "act_id": str(uuid4())},
            headers={"Referer": console.address},
        )
        assert answer.status == 403, verb


def test_another_organisation_finds_no_alarm(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    flat = console.flats[2]
    tells(store, flat, "cover_open")
    page = signed_in(name="olga")

    answer = page.goto(f"/alarms/{the_alarm(console, flat, 'cover_open')}/")

    assert answer is not None and answer.status == 404


def test_what_is_no_picture_is_refused(
    signed_in: Opens, console: Console, store: PostgresStore, tmp_path: Path
) -> None:
    flat = console.flats[4]
    tells(store, flat, "cover_open")
    page = signed_in(name="tomas")
    page.goto(f"/alarms/{the_alarm(console, flat, 'cover_open')}/")
    forged = tmp_path / "meter.png"
    forged.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")

    page.set_input_files("input[name=photo]", forged)
    page.get_by_role("button", name="Keep the photo").click()

    expect(page.get_by_text("This is no JPEG, PNG or WebP picture")).to_be_visible()
    expect(page.locator(".a-photos img")).to_have_count(0)


def test_maintenance_is_announced_ahead_and_taken_back(signed_in: Opens, console: Console) -> None:
    page = signed_in(name="tomas")
    page.goto("/alarms/maintenance/")

    def announce(starts: datetime, ends: datetime) -> None:
        page.fill("input[name=starts]", starts.strftime("%Y-%m-%dT%H:%M"))
        page.fill("input[name=ends]", ends.strftime("%Y-%m-%dT%H:%M"))
        page.fill("input[name=why]", "New terminals in the shaft")
        page.get_by_role("button", name="Announce").click()

    now = wiring.now()
    announce(now - 48 * HOUR, now - 24 * HOUR)
    expect(page.get_by_role("alert")).to_contain_text("The end must lie ahead")
    announce(now, now + 24 * HOUR)
    expect(page.locator(".c-rows li.c-open", has_text="New terminals in the shaft")).to_be_visible()
    page.get_by_role("button", name="Take back").first.click()
    page.fill("dialog[open] textarea[name=why]", "done sooner")
    page.locator("dialog[open]").get_by_role("button", name="Take back").click()

    expect(page.locator(".c-rows li", has_text="New terminals").filter(has_text="cancelled")).to_be_visible()
    assert console.rows("select count(*) from maintenance_window where cancelled_at is null") == [(0,)]


def test_the_loss_map_names_who_uses_nothing(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    meter_id = a_feeder(console, store)
    page = signed_in(name="olga")

    page.goto("/losses/")
    page.get_by_text("Riser").first.click()

    assert page.url.endswith(f"/losses/{meter_id}/")
    expect(page.locator(".c-lamp")).to_contain_text("25 %")
    expect(page.locator(".l-cells .l-4").first).to_be_visible()
    assert page.locator(".l-cells i.l-gap").count() >= 2
    suspect = page.locator("ol.c-rows li")
    expect(suspect).to_have_count(1)
    expect(suspect).to_contain_text("occupied, with power, and uses nothing")
    for language in ("es", "zh-hans"):
        phone = signed_in(name="olga", language=language, phone=True)
        require_fits(phone, f"/losses/{meter_id}/", language=language)


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_the_pages_speak_each_language_and_fit_a_phone(
    signed_in: Opens, console: Console, store: PostgresStore, language: str
) -> None:
    flat = console.flats[5]
    tells(store, flat, "cover_open", "overload", "clock_battery_low")
    alarm_id = the_alarm(console, flat, "overload")
    page = signed_in(name="tomas", language=language, phone=True)

    for path in ("/alarms/", f"/alarms/{alarm_id}/", "/alarms/maintenance/", "/losses/"):
        require_fits(page, path, language=language)


def require_fits(page: Page, path: str, *, language: str) -> None:
    page.goto(path)
    if language != "en":
        assert not untranslated_in(page.locator("body").inner_text(), language=language), path
    wide, shown = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= shown, path


def test_whoever_announces_for_a_meter_of_their_site_takes_it_back(console: Console) -> None:
    flat = console.flats[0]
    console.rows(
        """insert into role_grant
            (grant_id, organisation_id, user_name, role, site_id, granted_by, granted_at)
        select gen_random_uuid(), organisation_id, 'resident', 'technician', site_id, 'owner', now()
        from account where account_id = %s""",
        flat.account_id,
    )
    window_id = str(uuid4())
    with closing(a_window(console, "resident")) as window:
        sent = {"csrfmiddlewaretoken": window.cookies["csrftoken"], "act_id": window_id, "why": "works"}
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        until = tomorrow + timedelta(hours=2)
        when = {"starts": f"{tomorrow:%Y-%m-%dT%H:%M}", "ends": f"{until:%Y-%m-%dT%H:%M}"}

        announced = window.post("/alarms/maintenance/", data={**sent, **when, "meter": str(flat.meter_id)})
        cancelled = window.post(f"/alarms/maintenance/{window_id}/cancel", data=sent)

    console.rows("delete from role_grant where user_name = 'resident'")
    assert (announced.status_code, cancelled.status_code) == (302, 302)
    kept = "select cancelled_at is not null from maintenance_window where window_id = %s"
    assert console.rows(kept, window_id) == [(True,)]
