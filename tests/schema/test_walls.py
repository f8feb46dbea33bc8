"""The walls: one organisation's rows are not there for another, whatever a statement forgets (promise A1)."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from tests.schema.conftest import Connection
from tests.schema.test_shape import comments

from compuerta.adapters.postgres import walls
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.walls import Wall, around
from compuerta.domain.access import Place

pytestmark = pytest.mark.postgres

# What providers sent is nobody's, until it is an organisation's payment; how the whole installation lives,
# and what went wrong at its borders, is no organisation's.
OF_NOBODY = {"inbound_message", "alarm", "role_beat"}
OURS, THEIRS = Wall(organisation_id=1), Wall(organisation_id=2)

# What no use case of the fixture writes: a row each, so that every wall has something behind it.
_MORE = """
insert into organisation (name) values ('next door');
insert into outpost (outpost_id, organisation_id) values ('post-1', 1);
insert into outpost_mark values ('post-1', gen_random_uuid(), 1);
insert into emergency_credit (account_id, taken_at, limit_minor, taken_by) values (2, now(), 100, 'ana');
insert into maintenance_window (window_id, organisation_id, site_id, starts_at, ends_at, who, why)
    values (gen_random_uuid(), 1, 1, now(), now() + interval '1 hour', 'ana', 'works');
insert into feeding (feeder_meter_id, meter_id, started_at) values (2, 1, now());
insert into contact
    (contact_id, organisation_id, account_id, channel, address, language, wants, created_at)
    values (gen_random_uuid(), 1, 2, 'sms', '+8613800138000', 'en', '{warning}', now());
insert into message (message_id, occasion, organisation_id, account_id, contact_id, channel, template,
        language, fields, urgent, subject, body, state, created_at, due_at)
    select gen_random_uuid(), gen_random_uuid(), 1, 2, contact_id, 'sms', 'low', 'en', '{}', false,
        's', 'b',
        'waiting', now(), now() from contact;
insert into message_template (organisation_id, name, language, subject, body, changed_by, changed_at)
    values (1, 'low', 'en', 'low', 'low', 'ana', now());
insert into role (organisation_id, role, rights) values (1, 'guard', '{see}');
insert into role_grant (grant_id, organisation_id, user_name, role, site_id, granted_by, granted_at)
    values (gen_random_uuid(), 1, 'bea', 'guard', 1, 'ana', now());
insert into api_key (key_hash, organisation_id, name, created_at) values ('x', 1, 'kiosk', now());
insert into mass_operation (operation_id, organisation_id, kind, hold, state, why, errors_max, undo_min,
        proposed_by, proposed_at)
    values (gen_random_uuid(), 1, 'hold', 'administrator', 'proposed', 'works', 0, 0, 'ana', now());
insert into mass_item (operation_id, account_id, wave, state)
    select operation_id, 2, 1, 'waiting' from mass_operation;
insert into alarm (kind, subject, detail, first_at, last_at) values ('a', 'b', 'c', now(), now());
insert into pushed_reading (meter_id, at, energy_wh) values (1, now(), 0);
insert into role_beat (role, instance, started_at, beat_at) values ('worker', '1', now(), now());
insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
    values ('spare', 1, '4g', 'mqtt', 'spare');
insert into endpoint_state (endpoint_id, alive, gateway, changed_at)
    select endpoint_id, true, '1', now() from endpoint;
insert into survey (survey_id, organisation_id, endpoint_id, protocol, asked_by, asked_at)
    values (gen_random_uuid(), 1, 'spare', 'dlt645', 'ana', now());
insert into survey_finding (survey_id, organisation_id, address, found_at)
    select survey_id, organisation_id, '1', now() from survey;
insert into road_plan values (gen_random_uuid(), 1, 'site', 'place', '', 10000, 980000, '{}', '', '', '', '',
    'ana', now());
insert into meter_way (meter_id, rank, endpoint_id)
    select meter_id, 1, 'spare' from meter order by meter_id limit 1;
insert into road_hour (endpoint_id, hour, exchanges, repeats, silences, strays, done, failed, latencies)
    select endpoint_id, date_trunc('hour', now(), 'UTC'), 1, 0, 0, 0, 1, 0, array_fill(0, '{19}')
    from endpoint;
insert into way_failure (meter_id, endpoint_id, failed_at, times)
    select meter_id, 'spare', now(), 1 from meter order by meter_id limit 1;
insert into debt (account_id, debt_id, kind, name, opened_minor, remaining_minor, opened_at,
        opened_by, why, cause_id)
    values (2, gen_random_uuid(), 'arrears', 'from before', 100, 100, now(), 'ana', 'why',
        gen_random_uuid());
insert into receipt (account_id, recharge_id, token, number, issued_at)
    select account_id, recharge_id, gen_random_uuid(), '1', now() from recharge limit 1;
insert into correction (account_id, correction_id, organisation_id, kind, state, amount_minor,
        currency, way, why,
        proposed_by, proposed_at, payment_id)
    select account_id, gen_random_uuid(), 1, 'refund', 'proposed', 100, 'CNY', 'cash', 'why', 'ana', now(),
        payment_id
    from payment limit 1;
insert into refund (account_id, refund_id, correction_id, payment_id, provider, reference,
        amount_minor, currency,
        state, created_at)
    select account_id, gen_random_uuid(), correction_id, payment_id, 'wechat', 'r1', 100, 'CNY',
        'waiting', now()
    from correction;
insert into dispute (account_id, dispute_id, provider, dispute_no, payment_id, amount_minor,
        currency, state,
        opened_at)
    select account_id, gen_random_uuid(), 'wechat', 'd1', payment_id, 100, 'CNY', 'opened',
        now() from payment limit 1;
insert into payment_claim (provider, transaction_no, amount_minor, currency, paid_at, heard_at, state, ask_at)
    select provider, 't', 100, 'CNY', now(), now(), 'waiting', now() from provider_account limit 1;
insert into idempotency_key (organisation_id, caller, key, request_mark, created_at) values (1,
        'k', 'k', 'm', now());
insert into webhook (webhook_id, organisation_id, url, events, made_by, made_at)
    values (gen_random_uuid(), 1, 'https://partner.example', '{order.paid}', 'ana', now());
insert into webhook_delivery (webhook_id, delivery_id, organisation_id, account_id, event, at, state, due_at,
        created_at)
    select webhook_id, gen_random_uuid(), 1, 2, 'order.paid', now(), 'waiting', now(), now() from webhook;
insert into biller_payment (provider, reference, organisation_id, said_at, reversed_at)
    select provider, 'b1', 1, now(), now() from provider_account limit 1;
insert into till_sale (account_id, attempt_id, organisation_id, provider, shift_id, receipt_no,
        tenders, sold_by,
        sold_at)
    select a.account_id, a.attempt_id, 1, s.provider, s.shift_id, 1, '{}', 'ana',
        now() from attempt a, shift s limit 1;
insert into statement (provider, day, kind, organisation_id, currency)
    select provider, '2026-11-21', 'trade', 1, 'CNY' from till;
insert into statement_difference
    (provider, day, kind, difference_no, organisation_id, what, transaction_no, currency, at)
    select provider, day, kind, 1, 1, 'amount', 't', 'CNY', now() from statement;
insert into bank_entry
    select bank_account_id, gen_random_uuid(), 1, 1, '2026-11-21', 9 from bank_account;
insert into bank_tie (bank_account_id, entry_id, kind, provider, number, organisation_id, amount_minor,
        tied_by, tied_at)
    select bank_account_id, entry_id, 'payout', provider, payout_no, 1, 9, 'ana', now()
    from bank_entry, payout;
insert into site_day (site_id, day, organisation_id, zone, currency, starts_at, ends_at, step)
    values (1, '2026-11-21', 1, 'Asia/Shanghai', 'CNY', now() - interval '1 day', now(), 'done');
insert into seller values (1, 'A', 'Casa', 'ES', 'ESB12345674', '', '', '', '');
insert into buyer values (2, 'Ana', 'ES', '', '', '', '', '');
insert into invoice_series values (1, 'A', 1);
insert into invoice (account_id, invoice_id, organisation_id, series, number, kind, month, issue, currency,
        net_minor, tax_minor, total_minor, sheet, digest, issued_on, made_at, made_by)
    values (2, gen_random_uuid(), 1, 'A', 1, '380', '2026-10-01', 1, 'CNY', 1, 0, 1, '{}', repeat('0', 64),
        '2026-11-01', now(), 'ana');
insert into invoice_number select organisation_id, series, number, account_id, invoice_id from invoice;
insert into case_file (account_id, case_id, kind, detail, opened_at)
    values (2, gen_random_uuid(), 'k', 'd', now());
insert into chart_account values (1, 'bank', '1002', 'bank');
insert into voucher_layout values (1, '{}');
insert into drift (account_id, drift_id, site_id, meter_id, cause, day, seen_day, books_minor, minor,
        opened_at)
    select account_id, case_id, 1, 1, 'clock', '2026-11-21', '2026-11-21', 0, 1, now() from case_file;
insert into account_weight values (2, 1, now(), 0, null, '{}', 0, 0, 0);
"""


@pytest.fixture
def street(lived_in: Connection) -> Connection:
    """A database in which every table has a row of organisation 1, and organisation 2 has nothing."""
    lived_in.execute(_MORE)
    return lived_in


@contextmanager
def behind(connection: Connection, wall: Wall) -> Iterator[None]:
    """Work in a transaction as people and machines do, and undo it."""
    with connection.transaction(force_rollback=True):
        connection.execute(walls.PUT_UP, wall.values)
        yield


def number_of_rows(connection: Connection, table: str) -> int:
    found = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
    assert found is not None
    return int(str(found[0]))


def walled(connection: Connection) -> list[str]:
    return sorted(comments(connection).keys())


@pytest.mark.slow
def test_a_row_of_another_organisation_is_not_there_in_any_table(street: Connection) -> None:
    for table in walled(street):
        assert number_of_rows(street, table), f"{table} is empty: give it a row in _MORE"
        with behind(street, THEIRS):
            there = number_of_rows(street, table)

        assert there == (table == "organisation"), f"{table} shows rows of another organisation"


@pytest.mark.slow
def test_ones_own_rows_are_all_there(street: Connection) -> None:
    for table in walled(street):
        with behind(street, OURS):
            there = number_of_rows(street, table)

        if table in OF_NOBODY:
            assert there == 0
        else:
            assert there == number_of_rows(street, table) - (table == "organisation"), table


@pytest.mark.slow
def test_a_row_of_another_organisation_is_not_changed_in_any_table(street: Connection) -> None:
    for table in walled(street):
        column = street.execute(
            """select attname::text from pg_attribute
            where attrelid = %s::regclass and attnum > 0 and not attisdropped and attidentity = ''
            order by attnum limit 1""",
            [table],
        ).fetchone()
        assert column is not None
        change = sql.SQL("update {table} set {column} = {column} where true").format(
            table=sql.Identifier(table), column=sql.Identifier(str(column[0]))
        )
        with behind(street, THEIRS):
            try:
                changed = street.execute(change).rowcount
            except psycopg.errors.InsufficientPrivilege:
                continue  # nobody may change it at all

            assert changed == (table == "organisation"), f"{table} lets others change its rows"


@pytest.mark.slow
def test_a_row_of_another_organisation_is_written_into_no_table(street: Connection) -> None:
    for table in walled(street):
        names = street.execute(
            """select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0
                and not attisdropped and attgenerated = '' order by attnum""",
            [table],
        ).fetchall()
        row = street.execute(
            sql.SQL("select to_jsonb({0}.*) from {0} limit 1").format(sql.Identifier(table))
        ).fetchone()
        assert row is not None
        write = sql.SQL(
            "insert into {0} ({1}) overriding system value"
            " select {1} from jsonb_populate_record(null::{0}, %s)"
        ).format(sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(str(name)) for (name,) in names))

        with pytest.raises(psycopg.errors.InsufficientPrivilege), behind(street, THEIRS):
            street.execute(write, [Jsonb(row[0])])


@pytest.mark.slow
def test_who_says_for_whom_they_work_sees_nothing_before_they_say_it(street: Connection) -> None:
    with street.transaction(force_rollback=True):
        street.execute("set local role compuerta_desk")

        assert [table for table in walled(street) if number_of_rows(street, table)] == []


@pytest.mark.slow
def test_a_row_of_ones_own_does_not_name_what_belongs_to_another(street: Connection) -> None:
    street.execute("insert into site (organisation_id, name, zone, currency) values (2, 'x', 'UTC', 'CNY')")

    for theft in (
        "insert into installation (meter_id, account_id, started_at) values (1, 2, now())",
        """insert into provider_account (provider, organisation_id, kind, suspense_account_id)
        values ('till-9', 2, 'till', 1)""",
        """insert into maintenance_window (window_id, organisation_id, meter_id, starts_at,
        ends_at, who, why)
        values (gen_random_uuid(), 2, 1, now(), now() + interval '1 hour', 'olga', 'works')""",
        """insert into role_grant
            (grant_id, organisation_id, user_name, role, site_id, granted_by, granted_at)
        values (gen_random_uuid(), 2, 'bea', 'owner', 1, 'olga', now())""",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), behind(street, THEIRS):
            street.execute(theft)


@pytest.mark.slow
def test_who_reaches_one_building_sees_nothing_of_the_others(street: Connection) -> None:
    street.execute("update supply_point set building = 'A' where supply_point_id = 2")
    of_all = {table: number_of_rows(street, table) for table in walled(street)}
    scope = around(1, [Place(organisation_id=1, site_id=1, building="A")])

    with behind(street, scope):
        accounts = street.execute("select account_id, supply_point_id from account").fetchall()
        meters = street.execute("select meter_id from meter").fetchall()
        readings = street.execute("select distinct meter_id from reading").fetchall()
        sites = street.execute("select site_id from site").fetchall()
        audited = street.execute("select distinct subject from audit").fetchall()

    assert [row[1] for row in accounts] == [2]
    assert len(meters) == 1
    assert set(readings) <= set(meters)
    assert sites == [(1,)]
    assert {str(row[0]) for row in audited} <= {f"account {accounts[0][0]}"}
    assert of_all["account"] > 1 and of_all["meter"] > 1


@pytest.mark.slow
def test_who_reaches_another_site_sees_no_supply_at_all(street: Connection) -> None:
    tables = ("site", "supply_point", "account", "meter", "reading", "posting", "charge")

    with behind(street, around(1, [Place(organisation_id=1, site_id=99)])):
        seen = [table for table in tables if number_of_rows(street, table)]

    assert seen == []


@pytest.mark.slow
def test_who_reaches_another_site_sees_no_day_of_this_one(street: Connection) -> None:
    tables = ("site_day", "anchor", "journal_check", "daily_report", "daily_report_told", "meter_freeze")

    with behind(street, around(1, [Place(organisation_id=1, site_id=1)])):
        own = [table for table in tables if number_of_rows(street, table)]
    with behind(street, around(1, [Place(organisation_id=1, site_id=99)])):
        seen = [table for table in tables if number_of_rows(street, table)]

    assert own == list(tables)
    assert seen == []


def test_who_has_no_place_reaches_nothing() -> None:
    assert around(1, []) == Wall(organisation_id=1, scope=())
    assert around(1, [Place(organisation_id=2)]) == Wall(organisation_id=1, scope=())
    assert around(1, [Place(organisation_id=1, site_id=3), Place(organisation_id=1)]).scope is None


@pytest.mark.slow
def test_a_store_is_held_to_its_wall_for_one_block(street: Connection, postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    count = "select count(*) as meters, current_user::text as role from meter"

    with closing_store(store):
        with store.within(THEIRS):
            within = store.query(count, {})
        after = store.query(count, {})

    assert within == [{"meters": 0, "role": "compuerta_desk"}]
    assert after == [{"meters": number_of_rows(street, "meter"), "role": "compuerta_work"}]


@contextmanager
def closing_store(store: PostgresStore) -> Iterator[None]:
    try:
        yield
    finally:
        store.shut()
