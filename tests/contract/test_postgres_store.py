"""What only PostgreSQL can do to a store: whoever holds locks and is gone does not hold them for ever."""

from contextlib import closing

import psycopg
import pytest

from compuerta.adapters.postgres import store as postgres
from compuerta.adapters.postgres.store import DatabaseAway, PostgresStore

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
