"""Access as people meet it: signing in, what each role is shown, giving and taking, and what was done."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_window, sign_in
from tests.browser.served import PASSWORD

from compuerta.apps.console import totp

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def menu(page: Page) -> set[str]:
    """Return what somebody's menu offers."""
    links = page.locator("#nav-sidebar-inner a[href]")
    return set(links.evaluate_all("links => links.map(each => new URL(each.href).pathname)"))


@pytest.mark.parametrize(
    ("name", "there", "not_there"),
    [
        ("cashier", {"/till/", "/meters/"}, {"/people/", "/audit/"}),
        ("accountant", {"/audit/", "/meters/"}, {"/till/", "/people/"}),
        ("technician", {"/alarms/", "/meters/"}, {"/till/", "/people/", "/audit/"}),
    ],
)
def test_a_menu_shows_what_its_reader_may_do(
    signed_in: Callable[..., Page], name: str, there: set[str], not_there: set[str]
) -> None:
    page = signed_in(name=name)

    shown = menu(page)

    assert there <= shown
    assert not shown & not_there


def test_a_cashier_sells_and_switches_nothing(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="cashier")

    page.goto(f"/meters/{console.flats[0].meter_id}/")

    expect(page.get_by_role("link", name="Sell a recharge")).to_be_visible()
    assert page.locator("form[action$='/hold']").count() == 0
    assert page.goto("/people/").status == 403  # type: ignore[union-attr]


def test_a_technician_locks_and_sells_nothing(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="technician")

    page.goto(f"/meters/{console.flats[0].meter_id}/")

    assert page.get_by_role("link", name="Sell a recharge").count() == 0
    assert page.locator("form[action$='/hold']").count() > 0
    assert page.goto("/till/").status == 403  # type: ignore[union-attr]


def test_an_accountant_reads_and_switches_nothing(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="accountant")

    page.goto(f"/meters/{console.flats[0].meter_id}/")

    assert page.get_by_role("link", name="Sell a recharge").count() == 0
    assert page.locator("form[action$='/hold']").count() == 0
    assert page.goto("/audit/").status == 200  # type: ignore[union-attr]


def test_somebody_is_added_chooses_a_password_and_sees_one_building_less(
    signed_in: Callable[..., Page], visit: Callable[..., Page], console: Console
) -> None:
    owner = signed_in(name="owner")
    owner.goto("/people/")
    owner.fill("form[action$='/people/new'] input[name=name]", "nadia")
    owner.select_option("form[action$='/people/new'] select[name=role]", "cashier")
    owner.locator("form[action$='/people/new'] button").click()
    once = owner.locator(".a-told .c-big").inner_text()

    guest = visit()
    guest.goto("/sign-in")
    sign_in(guest, name="nadia", password=once)
    guest.wait_for_url("**/me/")
    guest.goto("/till/")
    guest.wait_for_url("**/me/")
    guest.fill("input[name=old_password]", once)
    for field in ("new_password1", "new_password2"):
        guest.fill(f"input[name={field}]", PASSWORD + "-mine")
    guest.get_by_role("button", name="Change the password").click()
    guest.wait_for_load_state()
    guest.goto("/till/")

    expect(guest.locator("h1, .c-till").first).to_be_visible()
    assert guest.url.endswith("/till/")
    assert console.rows("select role, granted_by from role_grant where user_name = 'nadia'") == [
        ("cashier", "owner")
    ]
    assert console.rows("select who, what from audit where subject = 'person nadia'") == [("owner", "grant")]


def test_a_role_is_taken_away_with_a_reason_and_at_once(
    signed_in: Callable[..., Page], console: Console
) -> None:
    console.rows(
        """insert into role_grant (grant_id, organisation_id, user_name, role, granted_by, granted_at)
        select gen_random_uuid(), organisation_id, 'guest', 'cashier', 'ana', now() from organisation
        order by organisation_id limit 1"""
    )
    guest = a_window(console, "guest")
    before = guest.get("/till/").status_code
    owner = signed_in(name="owner")
    owner.goto("/people/")
    row = owner.locator(".a-people > li").filter(
        has=owner.locator(".a-who b", has_text=re.compile("^guest$"))
    )
    row.locator(".a-grant", has_text="Cashier").locator("button").click()
    owner.locator("dialog[open] textarea").fill("left the team")
    owner.locator("dialog[open] .c-danger").click()
    owner.wait_for_load_state()

    after = guest.get("/till/").status_code
    guest.close()

    assert (before, after) == (200, 403)
    owner.goto("/audit/?what=revoke")
    expect(owner.locator(".a-acts")).to_contain_text("left the team")


def test_the_audit_is_taken_away_as_a_file(console: Console) -> None:
    window = a_window(console, "auditor")

    answer = window.get("/audit/file")
    window.close()

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.lstrip("\ufeff").startswith("at,who,what,subject,place,why,origin,before,after")


def test_a_code_of_the_authenticator_is_asked_for_and_taken_once(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="manager")
    page.goto("/me/")
    page.get_by_role("button", name="Set it up").click()
    secret = base64.b32decode(page.locator(".a-qr + .c-no").inner_text())
    page.fill("input[name=code]", code_now(secret))
    page.get_by_role("button", name="Confirm").click()
    recovery = page.locator(".a-codes li").first.inner_text()

    with httpx.Client(base_url=console.address, timeout=20) as window:
        answers = [
            tried(window, "manager", code=code)
            for code in ("", "000000", code_now(secret), recovery, recovery)
        ]

    # That code had been taken by the confirmation; the recovery code lets in once.
    assert answers == [200, 200, 200, 302, 200]
    console.rows("delete from console_second_factor")
    console.rows("delete from console_sign_in_failure")


def test_a_changed_password_ends_every_other_session(console: Console) -> None:
    here, elsewhere = a_window(console, "resident"), a_window(console, "resident")
    sent = {
        "csrfmiddlewaretoken": here.cookies["csrftoken"],
        "old_password": PASSWORD,
        "new_password1": "otra-clave-317",
        "new_password2": "otra-clave-317",
    }

    changed = here.post("/me/password", data=sent)
    after = {here.get("/me/").status_code, elsewhere.get("/me/").status_code}

    assert changed.status_code == 302
    assert after == {200, 302}
    back = {**sent, "old_password": "otra-clave-317", "new_password1": PASSWORD, "new_password2": PASSWORD}
    here.post("/me/password", data={**back, "csrfmiddlewaretoken": here.cookies["csrftoken"]})
    here.close()
    elsewhere.close()


@pytest.mark.parametrize(("verb", "field"), [("password", "old_password"), ("end", "password")])
def test_an_open_session_guesses_the_password_no_oftener_than_the_door(
    console: Console, verb: str, field: str
) -> None:
    window = a_window(console, "technician")
    sent = {"csrfmiddlewaretoken": window.cookies["csrftoken"], field: "wrong"}

    answers = [window.post(f"/me/{verb}", data=sent).text for _number in range(6)]
    right = window.post(f"/me/{verb}", data={**sent, field: PASSWORD}).text
    counted = console.rows("select count(*) from console_sign_in_failure where name = 'technician'")
    console.rows("delete from console_sign_in_failure")
    window.close()

    assert ["not your password" in each for each in answers] == [True] * 5 + [False]
    assert "Too many attempts" in answers[-1] and "Too many attempts" in right
    assert counted == [(5,)]


def test_an_owner_resets_the_authenticator_of_a_colleague(
    signed_in: Callable[..., Page], console: Console
) -> None:
    console.rows(
        """insert into console_second_factor (user_id, secret, confirmed_at, last_step, recovery, failures)
        select id, 'secret', now(), 0, '[]', 20 from auth_user where username in ('manager', 'olga')"""
    )
    owner = signed_in(name="owner")
    owner.goto("/people/")

    owner.get_by_role("button", name="Reset the authenticator…").click()
    owner.locator("dialog[open] textarea").fill("lost the phone")
    owner.locator("dialog[open] .c-danger").click()
    owner.wait_for_load_state()
    left = console.rows("select username from console_second_factor f join auth_user u on u.id = f.user_id")
    console.rows("delete from console_second_factor")

    assert left == [("olga",)]  # of another organisation: there for nobody here
    assert console.rows("select who, subject, why from audit where what = 'reset_factor'") == [
        ("owner", "person manager", "lost the phone")
    ]


def test_who_operates_sees_what_went_wrong_at_the_borders(console: Console) -> None:
    console.rows("update auth_user set is_superuser = true where username = 'guest'")
    window = a_window(console, "guest")

    shown = window.get("/").text
    console.rows("update auth_user set is_superuser = false where username = 'guest'")
    hidden = window.get("/").text
    window.close()

    assert "866000000000777" in shown
    assert "866000000000777" not in hidden


def test_djangos_own_password_form_is_not_served(console: Console) -> None:
    window = a_window(console, "technician")

    answer = window.get("/admin/password_change/")
    window.close()

    assert (answer.status_code, answer.headers["location"]) == (302, "/me/")


def test_after_twenty_wrong_codes_only_a_recovery_code_lets_in(console: Console) -> None:
    secret, recovery = b"12345678901234567890", "ab" * 5
    console.rows(
        """insert into console_second_factor (user_id, secret, confirmed_at, last_step, recovery, failures)
        select id, %s, now(), 0, %s, 19 from auth_user where username = 'manager'""",
        secret,
        json.dumps([hashlib.sha256(recovery.encode()).hexdigest()]),
    )

    with httpx.Client(base_url=console.address, timeout=20) as window:
        answers = [tried(window, "manager", code=code) for code in ("", "000000", code_now(secret), recovery)]
        left = console.rows("select failures from console_second_factor")
        again = tried(window, "manager", code=code_now(secret))

    console.rows("delete from console_second_factor")
    console.rows("delete from console_sign_in_failure")
    assert answers == [200, 200, 200, 302]
    assert (left, again) == ([(0,)], 302)


def test_many_wrong_passwords_from_one_address_make_every_name_wait(console: Console) -> None:
    now = datetime.now(UTC)
    for number in range(31):
        console.rows(
            "insert into console_sign_in_failure (name, address, at) values (%s, '127.0.0.1', %s)",
            f"name {number}",
            now,
        )

    with httpx.Client(base_url=console.address, timeout=20) as window:
        answer = tried(window, "auditor", code="")
        console.rows("delete from console_sign_in_failure")
        later = tried(window, "auditor", code="")

    assert (answer, later) == (200, 302)


@pytest.mark.parametrize("path", ["/till/", "/me/"])
def test_a_session_ends_when_nobody_clicked_for_an_hour(console: Console, path: str) -> None:
    window = a_window(console, "cashier")
    assert window.get(path).status_code == 200
    console.age_session(window.cookies["sessionid"], by_s=3_700)

    answer = window.get(path)
    again = window.get(path)
    window.close()

    assert (answer.status_code, again.status_code) == (302, 302)


def test_what_refreshes_itself_is_no_click(console: Console) -> None:
    window = a_window(console, "cashier")
    window.get("/till/")
    console.age_session(window.cookies["sessionid"], by_s=3_500)

    window.get("/live", headers={"HX-Request": "true"})
    console.age_session(window.cookies["sessionid"], by_s=200)
    answer = window.get("/till/")
    window.close()

    assert answer.status_code == 302


@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
@pytest.mark.parametrize("address", ["/people/", "/audit/", "/me/"])
def test_nothing_is_wider_than_a_phone(signed_in: Callable[..., Page], address: str, language: str) -> None:
    page = signed_in(name="owner", language=language, phone=True)

    page.goto(address)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def code_now(secret: bytes) -> str:
    return totp.code(secret, step=int(datetime.now(UTC).timestamp()) // totp.STEP_S)


def tried(window: httpx.Client, name: str, *, code: str) -> int:
    """Try to sign in, and return what the door said: 302 = come in."""
    window.cookies.clear()
    window.get("/sign-in")
    sent = {
        "csrfmiddlewaretoken": window.cookies["csrftoken"],
        "username": name,
        "password": PASSWORD,
        "code": code,
    }
    return window.post("/sign-in", data=sent).status_code
