"""Every screen with every role: the table below says who may; a screen that it does not name fails.

To add a screen: write the name of its URL and what it asks for. `Ask(get=..., post=...)` where looking and
changing ask for different things; None = there is no such method.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest
from tests.browser.building import SHIFT_ID
from tests.browser.conftest import NOBODY, Console, a_console, a_window

from compuerta.apps import wiring
from compuerta.domain.access import USUAL, Right, Role

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PUBLIC, SIGNED_IN = "public", "signed in"
Needed = Right | tuple[Right, ...] | str | None  # several rights: any of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a screen asks of whoever looks at it, and of whoever sends it a form."""

    get: Needed = None
    post: Needed = None


LOOK = Ask(get=Right.SEE)
GRANT = Ask(post=Right.GRANT)
ALARMS = Ask(post=Right.ALARMS)
SELL = Ask(get=Right.SELL)
MONEY = Ask(get=(Right.SEE_MONEY, Right.CORRECT, Right.APPROVE_CORRECTION))
OPERATIONS = (Right.PROPOSE_MASS, Right.APPROVE_MASS, Right.AUDIT)
PAY = Ask(get=PUBLIC)
ASKED: Mapping[str, Ask] = {
    "dashboard": LOOK,
    "dashboard_live": LOOK,
    "sign_in": Ask(get=PUBLIC),
    "speak": Ask(post=PUBLIC),
    "board": LOOK,
    "operations": Ask(get=OPERATIONS),
    "operation_new": Ask(get=Right.PROPOSE_MASS, post=Right.PROPOSE_MASS),
    "operation": Ask(get=OPERATIONS),
    "operation_live": Ask(get=OPERATIONS),
    "operation_act approve": Ask(post=Right.APPROVE_MASS),
    "operation_act withdraw": Ask(post=(Right.PROPOSE_MASS, Right.APPROVE_MASS)),
    "commissioning": Ask(get=Right.COMMISSION),
    "survey_new": Ask(post=Right.COMMISSION),
    "survey": Ask(get=Right.COMMISSION),
    "survey_live": Ask(get=Right.COMMISSION),
    "commission_new": Ask(get=Right.COMMISSION, post=Right.COMMISSION),
    "commission_table": Ask(get=Right.COMMISSION, post=Right.COMMISSION),
    "commission": Ask(get=Right.COMMISSION),
    "commission_live": Ask(get=Right.COMMISSION),
    "commission_act hand_over": Ask(post=Right.COMMISSION),
    "roads": LOOK,
    "road": LOOK,
    "road_key": Ask(post=Right.COMMISSION),
    "road_ways": Ask(post=Right.COMMISSION),
    "plans": Ask(get=Right.COMMISSION, post=Right.COMMISSION),
    "plan": Ask(get=Right.COMMISSION),
    "plan_table": Ask(get=Right.COMMISSION),
    "plan_forget": Ask(post=Right.COMMISSION),
    "virtual_meters": Ask(get=Right.COMMISSION),
    "virtual_meter_act cover": Ask(post=Right.COMMISSION),
    "meters": LOOK,
    "meter": LOOK,
    "meter_live": LOOK,
    "meter_hold administrator": Ask(post=Right.SWITCH),
    "meter_hold safety": Ask(post=Right.LOCK),
    "meter_hold protected": Ask(post=Right.PROTECT),
    "meter_lift administrator": Ask(post=Right.SWITCH),
    "meter_lift safety": Ask(post=Right.LOCK),
    "meter_emergency": Ask(post=Right.SWITCH),
    "move_new out": Ask(get=Right.MOVE, post=Right.MOVE),
    "move_new in": Ask(get=Right.MOVE, post=Right.MOVE),
    "move_new swap": Ask(get=Right.EXCHANGE, post=Right.EXCHANGE),
    "move": Ask(get=(Right.MOVE, Right.EXCHANGE, Right.SEE_MONEY)),
    "meter_tariff": Ask(get=Right.SEE, post=Right.ASSIGN_TARIFF),
    "meter_debt": Ask(post=Right.CORRECT),
    "charge": LOOK,
    "account_statement": Ask(get=Right.SEE_MONEY),
    "account_day": Ask(get=Right.SEE_MONEY),
    "as_of": LOOK,
    "account_energy": LOOK,
    "site_energy": LOOK,
    "owner_statement": Ask(get=Right.SEE_MONEY),
    "pay_statement": PAY,
    "alarms": LOOK,
    "maintenance": Ask(get=Right.SEE, post=Right.ALARMS),
    "maintenance_cancel": ALARMS,
    "alarm": LOOK,
    "alarm_acknowledge": ALARMS,
    "alarm_close": ALARMS,
    "alarm_photos": ALARMS,
    "alarm_photo": LOOK,
    "losses": LOOK,
    "loss_map": LOOK,
    "days": LOOK,
    "day": LOOK,
    "loss_feed": ALARMS,
    "chart": Ask(get=MONEY.get, post=Right.KEEP_BOOKS),
    "voucher_columns": Ask(post=Right.KEEP_BOOKS),
    "invoices": Ask(get=MONEY.get, post=Right.KEEP_BOOKS),
    "invoices_seller": Ask(post=Right.KEEP_BOOKS),
    "invoice": MONEY,
    "invoice_file": MONEY,
    "invoice_buyer": Ask(post=Right.KEEP_BOOKS),
    "invoice_take_back": Ask(post=Right.KEEP_BOOKS),
    "exports": Ask(get=MONEY.get, post=Right.KEEP_BOOKS),
    "export_file": MONEY,
    "export_answers": Ask(post=Right.KEEP_BOOKS),
    "months": MONEY,
    "month": MONEY,
    "month_close": Ask(post=Right.CLOSE_MONTH),
    "anchors": MONEY,
    "bank": Ask(get=MONEY.get, post=Right.KEEP_BOOKS),
    "bank_import": Ask(get=Right.KEEP_BOOKS, post=Right.KEEP_BOOKS),
    "bank_entry": Ask(get=MONEY.get, post=Right.KEEP_BOOKS),
    "suspense": MONEY,
    "statements": MONEY,
    "daily_reports": MONEY,
    "daily_report": MONEY,
    "daily_report_file": MONEY,
    "daily_report_subscribe": Ask(post=Right.SEE_MONEY),
    "daily_report_end": Ask(post=Right.SEE_MONEY),
    "statement_fetch": Ask(post=Right.CORRECT),
    "statement_end": Ask(post=Right.CORRECT),
    "corrections": MONEY,
    "correction_new": Ask(get=Right.CORRECT, post=Right.CORRECT),
    "correction_give": Ask(get=Right.CORRECT, post=Right.CORRECT),
    "correction_act approve": Ask(post=Right.APPROVE_CORRECTION),
    "correction_act give_up": Ask(post=Right.CORRECT),
    "correction_act pay_out": Ask(post=Right.SELL),
    "drifts": MONEY,
    "cases": MONEY,
    "case_act take": Ask(post=Right.CORRECT),
    "till": SELL,
    "till_sale": Ask(get=Right.SELL, post=Right.SELL),
    "till_quote": SELL,
    "till_receipt": SELL,
    "till_receipt_live": SELL,
    "till_receipts": SELL,
    "till_void": Ask(post=Right.SUPERVISE),
    "shift": SELL,
    "shift_act drop": Ask(post=Right.SELL),
    "shifts": Ask(get=(Right.SELL, Right.SUPERVISE)),
    "shift_report": Ask(get=Right.SUPERVISE),
    "shift_decide accept": Ask(post=Right.SUPERVISE),
    "tills": Ask(get=Right.SUPERVISE, post=Right.SUPERVISE),
    "receipt": LOOK,
    "receipt_pdf": LOOK,
    "tariffs": LOOK,
    "tariff_new": Ask(post=Right.DRAFT_TARIFF),
    "tariff_move": Ask(get=Right.ASSIGN_TARIFF, post=Right.ASSIGN_TARIFF),
    "tariff_version": LOOK,
    "tariff_edit": LOOK,
    "tariff_check": Ask(post=Right.DRAFT_TARIFF),
    "tariff_save": Ask(post=Right.DRAFT_TARIFF),
    "tariff_replay": LOOK,
    "tariff_decide propose": Ask(post=Right.DRAFT_TARIFF),
    "tariff_decide approve": Ask(post=Right.APPROVE_TARIFF),
    "tariff_decide tell": Ask(post=Right.APPROVE_TARIFF),
    "policies": Ask(get=Right.SEE, post=Right.SETTLE),
    "warnings": Ask(get=Right.SEE, post=Right.WARN),
    "warning_preview": LOOK,
    "words": LOOK,
    "word": Ask(get=Right.SEE, post=Right.WARN),
    "contacts": Ask(get=Right.SEE, post=Right.WARN),
    "contact_remove": Ask(post=Right.WARN),
    "stickers": LOOK,
    "me": Ask(get=SIGNED_IN),
    "me_act begin": Ask(post=SIGNED_IN),
    "people": Ask(get=Right.GRANT),
    "person_new": GRANT,
    "grant_new": GRANT,
    "grant_revoke": GRANT,
    "factor_reset": GRANT,
    "role_define": GRANT,
    "key_new": GRANT,
    "key_revoke": GRANT,
    "webhooks": Ask(get=Right.GRANT),
    "webhook_new": GRANT,
    "webhook_act show": GRANT,
    "webhook_act rotate": GRANT,
    "webhook_act end": GRANT,
    "webhook_again": GRANT,
    "audit": Ask(get=Right.AUDIT),
    "audit_file": Ask(get=Right.AUDIT),
    "pay": PAY,
    "pay_use": PAY,
    "pay_messages": PAY,
    "pay_confirm": PAY,
    "pay_prove": PAY,
    "pay_proof": PAY,
    "pay_emergency": Ask(post=PUBLIC),
    "pay_cost": PAY,
    "pay_day": PAY,
    "pay_quote": PAY,
    "pay_wallet": PAY,
    "pay_receipt": PAY,
    "pay_receipt_pdf": PAY,
    "genuine": PAY,
    "pay_returned": PAY,
    "pay_order": PAY,
    "pay_status": PAY,
    "pay_unknown": PAY,
}
PEOPLE = {
    **{role.value: USUAL[role.value] for role in Role},
    "guest": frozenset({Right.SEE, Right.SEE_MONEY}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A console with something at the end of every route."""

    console: Console
    values: Mapping[str, object]
    windows: Mapping[str, httpx.Client]  # by who is signed in

    def address(self, name: str) -> str:
        """Return where a screen is, with a verb where the table names one."""
        route, _space, verb = name.partition(" ")
        values = {**self.values, "verb": verb, "kind": verb}
        return "/" + re.sub(r"<\w+:(\w+)>", lambda found: str(values[found[1]]), self.console.routes[route])

    def form(self, name: str, window: httpx.Client) -> dict[str, str]:
        _route, _space, verb = name.partition(" ")
        return {
            "csrfmiddlewaretoken": window.cookies.get("csrftoken", ""),
            "act_id": str(uuid4()),
            "why": "",
            "kind": verb,
        }


_FACTS = (
    '{"currency": "CNY", "years": 8, "cost_minor": 0, "gap_ppm": 0, "proven": true, "meters": {}, '
    '"meters_without": 0, "bill": [], "lines": [], "places": [], "alone": {}}'
)
_FURNISH = """
with alarm as (
    insert into meter_alarm (meter_id, alarm_id, organisation_id, account_id, kind, severity, detail,
        raised_at, last_at)
    select m.meter_id, gen_random_uuid(), m.organisation_id, %(account_id)s, 'cover_open', 'danger', '',
        now(), now() from meter m where m.meter_id = %(meter_id)s returning *
), photo as (
    insert into alarm_photo select meter_id, alarm_id, gen_random_uuid(), 'image/png', 'x', 'ana', now()
    from alarm returning *
), "window" as (
    insert into maintenance_window (window_id, organisation_id, starts_at, ends_at, who, why)
    select gen_random_uuid(), organisation_id, now(), now() + interval '1 hour', 'ana', 'works' from alarm
    returning *
), operation as (
    insert into mass_operation (operation_id, organisation_id, kind, hold, state, why, errors_max, undo_min,
        proposed_by, proposed_at)
    select gen_random_uuid(), organisation_id, 'hold', 'administrator', 'proposed', 'works', 0, 0, 'ana',
        now() from alarm returning *
), item as (
    insert into mass_item (operation_id, account_id, wave, state)
    select operation_id, %(account_id)s, 1, 'waiting' from operation
), moved as (
    insert into move (organisation_id, move_id, kind, at, closed_account_id, opened_account_id, old_meter_id,
        settled, who, why)
    select organisation_id, gen_random_uuid(), 'out', now(), %(account_id)s, %(account_id)s, meter_id,
        '{"rest_minor": 0}', 'ana', 'moves away' from alarm returning *
), contact as (
    insert into contact (contact_id, organisation_id, account_id, channel, address, language, wants,
        created_at)
    select gen_random_uuid(), organisation_id, %(account_id)s, 'sms', '+8613800138000', 'en', '{warning}',
        now() from alarm returning *
), made as (
    insert into api_key (key_hash, organisation_id, name, created_at)
    select 'x', organisation_id, 'kiosk', now() from alarm returning *
), correction as (
    insert into correction (account_id, correction_id, organisation_id, kind, state, amount_minor, currency,
        why, proposed_by, proposed_at)
    select %(account_id)s, gen_random_uuid(), organisation_id, 'adjust', 'proposed', 1, 'CNY', 'why', 'ana',
        now() from alarm returning *
), line as (
    insert into survey (survey_id, organisation_id, endpoint_id, protocol, asked_by, asked_at)
    select gen_random_uuid(), organisation_id, endpoint_id, 'dlt645', 'ana', now()
    from meter where meter_id = %(meter_id)s returning *
), begun as (
    insert into commission (account_id, commission_id, organisation_id, meter_id, found_by, began_by,
        began_at)
    select %(account_id)s, gen_random_uuid(), organisation_id, meter_id, 'label', 'ana', now() from alarm
    returning *
), planned as (
    insert into road_plan
    select gen_random_uuid(), organisation_id, 'site', 'place', '', 10000, 980000, %(facts)s, '', '', '', '',
        'ana', now() from alarm returning *
), doubt as (
    insert into case_file (account_id, case_id, kind, detail, opened_at)
    select %(account_id)s, gen_random_uuid(), 'register_jump', 'why', now() from alarm returning *
)
select a.alarm_id, p.photo_id, w.window_id, o.operation_id, v.move_id, k.key_id, c.contact_id, t.tariff_id,
    (select charge_id from charge where account_id = %(account_id)s limit 1) as charge_id,
    (select attempt_id from attempt where account_id = %(account_id)s limit 1) as attempt_id,
    (select recharge_id from recharge where account_id = %(account_id)s limit 1) as recharge_id,
    (select payment_id from payment where account_id = %(account_id)s limit 1) as payment_id,
    (select correction_id from correction) as correction_id, (select case_id from doubt) as case_id,
    (select survey_id from line) as survey_id, (select commission_id from begun) as commission_id,
    (select plan_id from planned) as plan_id,
    (select grant_id from role_grant where user_name = 'auditor') as grant_id
from alarm a, photo p, "window" w, operation o, moved v, made k, contact c,
    (select tariff_id from account where account_id = %(account_id)s) t
"""


@pytest.fixture(scope="module")
def house(postgres_server: str, worker_id: str) -> Iterator[House]:
    """A console of this module's own: what is tried here must not disturb anybody."""
    with a_console(postgres_server, f"every_role_{worker_id}") as console:
        flat = next(flat for flat in console.flats if flat.platform)
        ids = {"meter_id": flat.meter_id, "account_id": flat.account_id}
        names = ("alarm_id", "photo_id", "window_id", "operation_id", "move_id", "key_id", "contact_id",
                 "tariff_id", "charge_id", "attempt_id", "recharge_id", "payment_id", "correction_id",
                 "case_id", "survey_id", "commission_id", "plan_id", "grant_id")  # fmt: skip
        (found,) = console.furnish(_FURNISH, {**ids, "facts": _FACTS})
        values = {**ids, **dict(zip(names, found, strict=True))}
        values |= {"version_no": 1, "pay_token": flat.pay_token, "day": "2026-11-20", "number": 0}
        values |= {"name": "warning", "language": "en", "paper": "80", "reference": "none"}
        values |= {"token": flat.pay_token, "shift_id": SHIFT_ID, "provider": "wechat", "difference_no": 1}
        values |= {"webhook_id": flat.pay_token, "delivery_id": flat.pay_token}
        values |= {"month": f"{wiring.now():%Y-%m}"}
        values |= {"form": "json", "site_id": 1, "export_no": 1, "invoice_id": flat.pay_token}
        values |= {"entry_id": flat.pay_token}
        ((values["endpoint_id"],),) = console.rows(
            "select endpoint_id from meter where meter_id = %s", flat.meter_id
        )
        windows = {name: a_window(console, name) for name in (*PEOPLE, NOBODY)}
        yield House(console=console, values=values, windows=windows)
        for window in windows.values():
            window.close()


def is_enough(name: str, needed: Needed) -> bool:
    if needed == PUBLIC:
        return True
    if name == NOBODY or needed is None:
        return False
    if needed == SIGNED_IN:
        return True
    wanted = needed if isinstance(needed, tuple) else (needed,)
    return any(right in PEOPLE[name] for right in wanted)


def is_turned_away(answer: httpx.Response, name: str) -> bool:
    """Tell whether somebody got nothing: a page that says so, or the way to sign in."""
    if name == NOBODY:
        return answer.status_code == 302 and answer.headers["location"].startswith("/sign-in?")
    return answer.status_code == 403


def test_every_screen_is_in_the_table(house: House) -> None:
    assert {name.split()[0] for name in ASKED} == house.console.routes.keys()


@pytest.mark.parametrize("name", [*PEOPLE, NOBODY])
def test_who_looks_sees_what_their_rights_say_and_nothing_else(house: House, name: str) -> None:
    wrong = []
    for screen, ask in ASKED.items():
        if ask.get is None:
            continue
        answer = house.windows[name].get(house.address(screen))
        if is_turned_away(answer, name) == is_enough(name, ask.get) or answer.status_code >= 500:
            wrong.append((screen, answer.status_code, answer.headers.get("location")))

    assert wrong == []


@pytest.mark.parametrize("name", [*PEOPLE, NOBODY])
def test_who_changes_something_may(house: House, name: str) -> None:
    wrong, window = [], house.windows[name]
    for screen, ask in ASKED.items():
        if ask.post is None or (ask.post == PUBLIC):
            continue
        answer = window.post(house.address(screen), data=house.form(screen, window))
        if is_turned_away(answer, name) == is_enough(name, ask.post) or answer.status_code >= 500:
            wrong.append((screen, answer.status_code, answer.headers.get("location")))

    assert wrong == []


# What is of all sites together: accounts at banks and providers, and numbers that run through all of them.
OF_ALL_SITES = (
    "bank", "bank_import", "bank_entry", "statements", "statement_fetch", "statement_end", "months", "month",
    "month_close", "invoices", "invoice", "export_answers",
)  # fmt: skip


def test_who_keeps_the_books_of_one_site_has_none_that_are_of_all(house: House) -> None:
    house.console.rows(
        """with given as (
            insert into role (organisation_id, role, rights)
            values (1, 'bookkeeper', '{see,see_money,correct,keep_books,close_month}')
        ) insert into role_grant
            (grant_id, organisation_id, user_name, role, site_id, granted_by, granted_at)
        values (gen_random_uuid(), 1, 'resident', 'bookkeeper', 1, 'owner', now())"""
    )
    with closing(a_window(house.console, "resident")) as window:
        drifts = window.get(house.address("drifts"))
        let_in = [
            screen
            for screen in OF_ALL_SITES
            for ask in [ASKED[screen]]
            if (ask.get is not None and window.get(house.address(screen)).status_code != 403)
            or (
                ask.post is not None
                and window.post(house.address(screen), data=house.form(screen, window)).status_code != 403
            )
        ]

    house.console.rows("delete from role_grant where user_name = 'resident' and role = 'bookkeeper'")
    assert drifts.status_code == 200
    assert let_in == []


def test_a_form_from_another_site_is_refused_on_every_screen(house: House) -> None:
    window = house.windows[Role.OWNER.value]

    taken = [
        screen
        for screen, ask in ASKED.items()
        if ask.post is not None and window.post(house.address(screen), data={}).status_code != 403
    ]

    assert taken == []


def test_the_list_of_all_sign_ins_is_the_operators_alone(house: House) -> None:
    for name in (*PEOPLE, NOBODY):
        answer = house.windows[name].get("/admin/auth/user/")

        assert answer.status_code in (302, 403), name


def test_what_belongs_to_another_organisation_is_not_there(house: House) -> None:
    other = house.console.other
    addresses = {
        "meter": f"/meters/{other.meter_id}/",
        "till": f"/till/{other.meter_id}/",
        "live": f"/meters/{other.meter_id}/live",
        "tariff": f"/meters/{other.meter_id}/tariff",
    }

    found = {what: house.windows["owner"].get(address).status_code for what, address in addresses.items()}

    assert set(found.values()) == {404}


def test_an_unknown_id_tells_nothing(house: House) -> None:
    window = house.windows["owner"]

    for address in (f"/alarms/{UUID(int=1)}/", f"/operations/{UUID(int=1)}/", "/meters/999999/"):
        assert window.get(address).status_code == 404
