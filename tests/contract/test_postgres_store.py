"""What only PostgreSQL does: locks of whoever is gone end, and who and what there is has a mark."""

from contextlib import closing

import psycopg
import pytest
from tests.unit.services.town import a_town

from compuerta.adapters.postgres import registry
from compuerta.adapters.postgres import store as postgres
from compuerta.adapters.postgres.store import DatabaseAway, PostgresStore
from compuerta.apps import gateway, ingest

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_process_that_is_frozen_inside_a_transaction_loses_its_locks(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(psycopg.connect(postgres_url, autocommit=True)) as other:
        if other.info.server_version < postgres._LONGEST_TRANSACTION_SINCE:
            pytest.skip("transactions are bounded since PostgreSQL 17")
        monkeypatch.setattr(postgres, "_LONGEST_TRANSACTION", "set transaction_timeout = '100ms'")
        other.execute("insert into organisation (name) values ('Casa')")
        other.execute("set lock_timeout = '5s'")
        frozen = PostgresStore(postgres_url)

        with pytest.raises(DatabaseAway), frozen.transaction() as tx:
            tx.query("select name from organisation for update", {})
            other.execute("update organisation set name = 'Casa Verde'")

        assert frozen.query("select name from organisation", {}) == [{"name": "Casa Verde"}]
        frozen.shut()


def test_a_store_notices_a_machine_that_is_gone(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)

    kept = store.query("select reset_val from pg_settings where name = 'tcp_keepalives_idle'", {})
    store.shut()

    assert kept == [{"reset_val": "10"}]


@pytest.mark.parametrize(
    "change",
    [
        "update endpoint set address = 'elsewhere'",
        "update meter set model = 'another'",
        "insert into meter_way (meter_id, rank, endpoint_id) select meter_id, 1, endpoint_id from meter",
        "update site set zone = 'Europe/Madrid'",
        "update installation set ended_at = started_at + interval '1 day'",
    ],
)
def test_the_mark_of_who_and_what_there_is_is_another_after_each_change(
    postgres_url: str, change: str
) -> None:
    store = PostgresStore(postgres_url)
    a_town(store)

    with store.transaction() as tx:
        before, again = registry.mark(tx), registry.mark(tx)
        tx.run(change, {})
        after = registry.mark(tx)
    store.shut()

    assert before == again != after


def test_who_and_what_there_is_is_read_anew_only_where_it_is_another(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    town = a_town(store)

    meters = gateway.registered(store, known=gateway.Register())
    devices = ingest.registered(store, known=ingest.Register())
    again = gateway.registered(store, known=meters), ingest.registered(store, known=devices)
    with store.transaction() as tx:
        tx.run("update meter set model = 'another'", {})
    changed = gateway.registered(store, known=meters), ingest.registered(store, known=devices)
    store.shut()

    assert [each.meter_id for each in meters.meters] == [home.meter_id for home in town.homes]
    assert again[0] is meters and again[1] is devices
    assert {each.model for each in changed[0].meters} == {"another"}
    assert changed[1] is not devices
