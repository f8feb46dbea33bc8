"""A database in which every kept table has a row, written by the use cases themselves."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    MODELS,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    a_notice,
    a_town,
    an_id,
    concluded,
    ordered,
    taken,
    told,
)

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import holding, tariffing, vend
from compuerta.services.acting import Actor
from compuerta.services.records import Assignment, Inbound

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection]:
    """The owner's connection to an empty database with the schema."""
    with closing(psycopg.connect(postgres_url, autocommit=True)) as opened:
        yield opened


# Of kept tables that the use cases above do not reach.
_RAW = (
    "insert into payout select provider, 'p1', 1, '2026-11-21', 9, 'CNY', now(), gen_random_uuid() "
    "from provider_account limit 1",
    "insert into bank_account values (gen_random_uuid(), 1, 'Main', 'GB33', 'CNY')",
    """insert into bank_statement
    select bank_account_id, 1, 1, 'd', '2026-11-21', '2026-11-21', 0, 9, 1, 'ana', now() from bank_account""",
    """insert into meter_freeze (meter_id, day, version, site_id, account_id, at, basis, known_at, energy_wh)
    values (1, '2026-11-21', 1, 1, 2, now(), 'meter', now(), 1000)""",
    "insert into account_day values (2, '2026-11-21', 1, 1, 0, 100, 0, 40, 60, 0, 2)",
    """insert into book_export (organisation_id, export_no, form, part, month, layout, vouchers, size, digest,
            previous, seal, made_by, made_at)
    select organisation_id, 1, 'csv', 'journal', '2026-11-01', 'plain', 1, 1, repeat('1', 64),
        repeat('0', 64), repeat('2', 64), 'ana', now() from organisation limit 1""",
    "insert into book_export_file select organisation_id, export_no, 'x' from book_export",
    """insert into book_answer
    select organisation_id, export_no, 1, 1, '17', true, '', null, 'ana', now() from book_export""",
    """insert into invoice (account_id, invoice_id, organisation_id, series, number, kind, month, issue,
        currency, net_minor, tax_minor, total_minor, sheet, digest, issued_on, made_at, made_by)
    values (2, gen_random_uuid(), 1, 'X', 1, '380', '2026-09-01', 1, 'CNY', 1, 0, 1, '{}', repeat('0', 64),
        '2026-10-01', now(), 'ana')""",
    """insert into seal values
    (2, 1, 1, '2026-11-21', now(), 1, sha256(''), sha256(''), substr(sha256(''), 1, 24))""",
    """insert into anchor values
    (1, 1, 1, '2026-11-21', now(), now(), 1, 1, sha256(''), sha256(''))""",
    "insert into posting_late values (2, gen_random_uuid())",
    "insert into journal_check values (1, now(), 1, 1, 1, 0)",
    """insert into month_close values
    (1, '2020-01-01', now(), 'ana', '', '{}', '[]', '[]', sha256(''), sha256(''))""",
    "insert into adjustment values (2, gen_random_uuid(), 'carried', 100, 'ana', 'meter exchanged', now())",
    """insert into move (organisation_id, move_id, kind, at, who, why)
    select organisation_id, gen_random_uuid(), 'out', now(), 'ana', 'moves away' from organisation limit 1""",
    """with raised as (
        insert into meter_alarm
            (meter_id, alarm_id, organisation_id, kind, severity, detail, raised_at, last_at)
        values (1, gen_random_uuid(), 1, 'cover_open', 'danger', 'opened', now(), now())
        returning meter_id, alarm_id
    )
    insert into alarm_photo
    select meter_id, alarm_id, gen_random_uuid(), 'image/png', 'x', 'ana', now() from raised""",
    """insert into supply_change (meter_id, account_id, at, closed, kept, reason, was_reason)
    values (1, 2, now(), true, false, 'in_credit', '')""",
    """insert into payment_order (account_id, order_id, door, amount_minor, currency, created_at)
    values (2, gen_random_uuid(), 'page', 100, 'CNY', now())""",
    """insert into recharge_line (account_id, recharge_id, line_no, kind, name, amount_minor)
    select account_id, recharge_id, 2, 'energy', '', paid_minor from recharge limit 1""",
    """insert into till (provider, organisation_id, currency)
    select provider, 1, 'CNY' from provider_account limit 1""",
    """insert into shift (provider, shift_id, organisation_id, shift_no, cashier, opened_at, float_minor)
    select provider, gen_random_uuid(), 1, 1, 'ana', now(), 0 from till""",
    """insert into cash_movement
    select provider, gen_random_uuid(), 1, shift_id, 'drop', -1, 'safe', 'ana', now() from shift""",
    """insert into daily_report values (1, '2026-11-21', 1, 1, now(), '{}', '', '{}', now())""",
    """with begun as (
        insert into commission (account_id, commission_id, organisation_id, meter_id, found_by, began_by,
            began_at)
        values (2, gen_random_uuid(), 1, 1, 'label', 'ana', now()) returning *
    )
    insert into commission_step
    select account_id, commission_id, gen_random_uuid(), 'claimed', 'done', 'ana', now(), 'label'
    from begun""",
    "insert into daily_report_told values (1, '2026-11-21', 1, '{}', now())",
)


@pytest.fixture
def lived_in(postgres_url: str, connection: Connection) -> Connection:
    """The owner's connection to a database in which a recharge went its whole way."""
    store = PostgresStore(postgres_url)
    town = a_town(store, authorities=(METER, PLATFORM))
    mine, platforms = town.homes
    for number, home in enumerate((mine, platforms), start=1):
        ordered(store, home, reference=f"order{number}", amount_minor=6_000)
    notices = [
        a_notice(transaction_no=f"t{number}", reference=f"order{number}", amount_minor=6_000)
        for number in (1, 2)
    ]
    message = Inbound(
        inbound_id=an_id("inbound"), provider=WECHAT, heard_at=NOON, headers={}, body=b"{}", verdict="genuine"
    )
    vend.accept_payments(store, notices, now=NOON, inbound=[message])
    state = MeterState(energy_wh=0, balance_minor=6_000, relay=Relay.CLOSED, purchase_no=1)
    concluded(store, taken(store, mine, now=NOON), ending=Ending.DONE, at=NOON + SECOND, state=state)
    told(store, platforms, at=NOON + HOUR, energy_wh=20_000, relay=Relay.CLOSED)
    ana = Actor(who="ana", why="works in the shaft", origin="console")
    holding.place_hold(
        store, mine.account_id, kind=HoldKind.SAFETY, actor=ana, hold_id=an_id("hold"), now=NOON + HOUR
    )
    line = Assignment(account_id=platforms.account_id, starts_at=NOON + 2 * HOUR, tariff_id=town.tariff_id)
    tariffing.assign(store, line, actor=ana, act_id=an_id("assign"), models=MODELS, now=NOON + HOUR)
    store.shut()
    connection.execute(
        "insert into load_day (meter_id, starts_at, minutes, wh) values (%s, %s, 60, '{1, 2, 3}')",
        (platforms.meter_id, NOON),
    )
    for row in _RAW:
        connection.execute(row)
    return connection
