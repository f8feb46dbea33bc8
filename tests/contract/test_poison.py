"""One row that breaks costs itself: the others are written, the process lives, and one alarm tells of it."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.contract.door import closing_store, rows
from tests.unit.services.town import NOON, a_town

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.services.records import Alarm

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
POISON = "poi\x00son"


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(wiring, "now", lambda: NOON)
    with closing_store(postgres_url) as store:
        a_town(store)
    return postgres_url


def kept(store: PostgresStore, *, items: Sequence[str]) -> None:
    with store.transaction() as tx:
        tx.put_alarms([Alarm(kind="kept", subject=each, detail="", at=NOON) for each in items])


def away(store: PostgresStore, *, items: Sequence[str]) -> None:
    raise Unreachable("the database is away")


def worked(url: str, work: poison.Work[str], items: Sequence[str]) -> None:
    async def working() -> None:
        desk = Desk(url)
        try:
            await poison.each_alone(desk, work, items, what="a row")
        finally:
            await desk.shut()

    asyncio.run(working())


def alarms(url: str, kind: str) -> dict[str, int]:
    found = rows(url, "select subject, times from alarm where kind = %s", kind)
    return {row["subject"]: row["times"] for row in found}


def test_a_row_that_breaks_costs_itself(url: str) -> None:
    worked(url, kept, ["first", POISON, "last"])
    worked(url, kept, [POISON])

    assert alarms(url, "kept") == {"first": 1, "last": 1}
    assert alarms(url, "worker_broke") == {"a row": 2}


def test_rows_of_a_database_that_is_away_are_not_broken(url: str) -> None:
    with pytest.raises(Unreachable):
        worked(url, away, ["first", "last"])

    assert alarms(url, "worker_broke") == {}
