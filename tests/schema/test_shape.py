"""The shape of the schema: what may be sharded, what may never change, and what it needs to be applied."""

import getpass
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.conftest import url_of
from tests.schema.conftest import Connection

from compuerta.adapters.postgres import migrate
from compuerta.adapters.postgres.server import EmbeddedServer

pytestmark = pytest.mark.postgres

KEPT = (
    "payment",
    "posting",
    "recharge",
    "recharge_instant",
    "charge",
    "reading",
    "warning",
    "inbound_message",
    "audit",
    "payment_reference",
    "bill",
    "tariff_assignment",
    "load_day",
    "adjustment",
    "move",
    "alarm_photo",
    "supply_change",
    "payment_order",
    "recharge_line",
    "cash_movement",
    "meter_freeze",
    "account_day",
    "seal",
    "anchor",
    "posting_late",
    "journal_check",
    "month_close",
    "invoice",
    "book_export",
    "book_export_file",
    "commission_step",
    "book_answer",
    "daily_report",
    "daily_report_told",
    "payout",
    "bank_statement",
)
# The landlord's acts, counts of cash, and others' words about money: the ledger has its own rows of each.
RECEIPTS = {
    "move", "till", "shift", "cash_movement", "till_sale", "payment_claim", "statement",
    "statement_difference", "biller_payment",
    "payout", "bank_account", "bank_statement", "bank_entry", "bank_tie",
}  # fmt: skip

# An organisation's own words are taken back, and ours are there again; keys expire, old news is forgotten; a
# meter is reached by other ways from now on; what was pushed has become a reading.
GIVEN_UP = {
    "message_template",
    "idempotency_key",
    "webhook_delivery",
    "meter_way",
    "way_failure",
    "pushed_reading",
    "road_hour",
    "road_plan",
}

A_KEY = "insert into api_key select '', organisation_id, 'evil', '{sell}', now() from organisation"

_TABLES = """
select c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')
from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
order by c.relname
"""
_UNIQUES = """
select t.relname, i.relname, array(
    select a.attname::text from unnest(x.indkey[0:x.indnkeyatts - 1]) with ordinality as k (attnum, place)
    join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum order by k.place
), x.indisprimary
from pg_index x
join pg_class t on t.oid = x.indrelid
join pg_class i on i.oid = x.indexrelid
where x.indisunique and t.relnamespace = 'public'::regnamespace
order by t.relname, i.relname
"""
_FOREIGN_KEYS = """
select f.conname, s.relname, t.relname,
    array(select a.attname::text from unnest(f.conkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum order by k.place),
    array(select a.attname::text from unnest(f.confkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.attnum order by k.place)
from pg_constraint f
join pg_class s on s.oid = f.conrelid
join pg_class t on t.oid = f.confrelid
where f.contype = 'f' and s.relnamespace = 'public'::regnamespace
order by f.conname
"""
_COLUMNS = """
select table_name::text, column_name::text from information_schema.columns
where table_schema = 'public' and is_updatable = 'YES'
"""


def comments(connection: Connection) -> dict[str, str]:
    return {str(table): str(comment) for table, comment in connection.execute(_TABLES)}


def distributed(connection: Connection) -> set[str]:
    return {table for table, comment in comments(connection).items() if comment.startswith("distributed: ")}


def uniques(connection: Connection) -> list[tuple[str, str, list[str], bool]]:
    found = connection.execute(_UNIQUES).fetchall()
    return [(str(row[0]), str(row[1]), [str(name) for name in row[2]], bool(row[3])) for row in found]  # type: ignore[attr-defined]


def shard_keys(connection: Connection) -> dict[str, str]:
    """Return the column that each distributed table would be sharded by: the first of its key."""
    tables = distributed(connection)
    primary_last = sorted(uniques(connection), key=lambda each: each[3])
    return {table: columns[0] for table, _, columns, _ in primary_last if table in tables}


def test_every_table_says_whether_it_is_distributed_or_reference(connection: Connection) -> None:
    kinds = {table: comment.partition(": ")[0] for table, comment in comments(connection).items()}

    assert kinds
    assert set(kinds.values()) == {"distributed", "reference"}


def test_every_distributed_table_is_keyed_by_account_or_meter(connection: Connection) -> None:
    keys = shard_keys(connection)

    assert keys.keys() == distributed(connection)
    assert set(keys.values()) == {"account_id", "meter_id"}


def test_every_unique_index_of_a_distributed_table_begins_with_its_key(connection: Connection) -> None:
    keys = shard_keys(connection)

    strays = [
        index
        for table, index, columns, _ in uniques(connection)
        if table in keys and columns[0] != keys[table]
    ]

    assert strays == []


def test_foreign_keys_between_distributed_tables_include_the_key(connection: Connection) -> None:
    keys = shard_keys(connection)
    found = connection.execute(_FOREIGN_KEYS).fetchall()
    between = [row for row in found if row[1] in keys and row[2] in keys]

    strays = [
        row[0]
        for row in between
        if (keys[str(row[1])], keys[str(row[2])]) not in zip(row[3], row[4], strict=True)  # type: ignore[call-overload]
    ]

    assert between
    assert strays == []


def test_no_reference_table_points_at_a_distributed_one(connection: Connection) -> None:
    tables = distributed(connection)
    found = connection.execute(_FOREIGN_KEYS).fetchall()

    assert [row[0] for row in found if row[1] not in tables and row[2] in tables] == []


def test_what_holds_money_energy_readings_or_instructions_is_distributed(connection: Connection) -> None:
    tables = comments(connection).keys()
    columns = connection.execute(_COLUMNS).fetchall()
    counting = {str(table) for table, column in columns if str(column).endswith(("_minor", "_wh"))}

    assert (counting & tables - RECEIPTS) | {"instruction", "reading"} <= distributed(connection)
    assert "account_state" in counting


def test_the_schema_needs_no_extension(connection: Connection) -> None:
    found = connection.execute("select extname from pg_extension").fetchall()

    assert found == [("plpgsql",)]


def test_schema_files_are_numbered_from_one_without_gaps() -> None:
    assert migrate.numbers() == list(range(1, len(migrate.numbers()) + 1))


# append-only -------------------------------------------------------------------------------------------


def changes(connection: Connection, table: str) -> Iterator[sql.Composed]:
    column = connection.execute(
        "select attname::text from pg_attribute where attrelid = %s::regclass and attnum = 1", [table]
    ).fetchone()
    assert column is not None
    names = {"table": sql.Identifier(table), "column": sql.Identifier(str(column[0]))}
    yield sql.SQL("update {table} set {column} = {column}").format(**names)
    yield sql.SQL("delete from {table}").format(**names)
    yield sql.SQL("truncate {table} cascade").format(**names)


def test_every_table_that_says_so_is_append_only(connection: Connection) -> None:
    said = {table for table, comment in comments(connection).items() if "append-only" in comment}

    assert said
    assert said <= set(KEPT)


@pytest.mark.slow
def test_no_row_of_a_kept_table_is_changed_by_the_program(lived_in: Connection) -> None:
    for table in KEPT:
        for change in changes(lived_in, table):
            lived_in.execute("set role compuerta_work")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                lived_in.execute(change)
            lived_in.execute("reset role")


@pytest.mark.slow
def test_no_row_of_a_kept_table_is_changed_by_its_owner(lived_in: Connection) -> None:
    for table in KEPT:
        count = lived_in.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
        assert count is not None
        assert count[0], f"{table} is empty: nothing is shown"
        for change in changes(lived_in, table):
            with pytest.raises(psycopg.errors.RestrictViolation):
                lived_in.execute(change)


def test_the_program_cannot_switch_the_guards_off(connection: Connection) -> None:
    connection.execute("set role compuerta_work")

    for order in (
        "alter table posting disable trigger all",
        "alter table posting drop constraint posting_sums_to_zero",
        "drop table posting cascade",
        "create or replace function sums_to_zero(amounts bigint[]) returns boolean language sql return true",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(order)


def test_the_program_deletes_nothing_and_makes_no_keys(connection: Connection) -> None:
    tables = sorted(comments(connection).keys() - GIVEN_UP)
    connection.execute("set role compuerta_work")

    orders = [sql.SQL("delete from {}").format(sql.Identifier(table)) for table in tables]
    for order in (*orders, sql.SQL("update api_key set revoked_at = null"), sql.SQL(A_KEY)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(order)


# applying ----------------------------------------------------------------------------------------------


@pytest.fixture
def untouched_server() -> Iterator[str]:
    """A server that never heard of this schema, nor of its roles."""
    with tempfile.TemporaryDirectory(prefix=f"cpt-{getpass.getuser()}-schema-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedServer(Path(name) / "database", shared_buffers_mb=16, fast_test=True)
        try:
            yield server.start()
        finally:
            server.stop()


def apply_all(connection: Connection) -> None:
    for number in migrate.numbers():
        with connection.transaction():
            connection.execute(migrate.statements(number))


@pytest.mark.slow
def test_the_schema_is_applied_by_a_role_that_is_no_superuser(untouched_server: str) -> None:
    with closing(psycopg.connect(untouched_server, autocommit=True)) as connection:
        connection.execute("create role landlord login createrole createdb")
        connection.execute("create database house owner landlord")
    with closing(psycopg.connect(url_of(untouched_server, "house"), autocommit=True)) as connection:
        connection.execute("set session authorization landlord")
        apply_all(connection)

        connection.execute("set role compuerta_work")
        connection.execute("insert into organisation (name) values ('Casa')")

        assert connection.execute("select current_user, count(*) from organisation").fetchone() == (
            "compuerta_work",
            1,
        )


@pytest.mark.slow
def test_the_schema_is_applied_to_a_second_database_of_the_same_role(untouched_server: str) -> None:
    with closing(psycopg.connect(untouched_server, autocommit=True)) as connection:
        connection.execute("create role landlord login createrole createdb")
    for name in ("house", "mall"):
        with closing(psycopg.connect(untouched_server, autocommit=True)) as connection:
            connection.execute(sql.SQL("create database {} owner landlord").format(sql.Identifier(name)))
        with closing(psycopg.connect(url_of(untouched_server, name), autocommit=True)) as connection:
            connection.execute("set session authorization landlord")
            apply_all(connection)

            assert connection.execute("select count(*) from posting").fetchone() == (0,)


@pytest.mark.slow
def test_the_program_sees_no_table_that_the_schema_has_not_made(untouched_server: str) -> None:
    with closing(psycopg.connect(untouched_server, autocommit=True)) as connection:
        connection.execute("create table auth_user (password text)")
        connection.execute(migrate.statements(1))
        connection.execute("set role compuerta_work")

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select password from auth_user")
