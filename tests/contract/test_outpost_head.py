"""Records of an outpost's journal: one that breaks costs itself, and the outpost goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from tests.contract.door import closing_store, rows
from tests.contract.test_store_outposts import JOURNAL, a_record, an_outpost
from tests.unit.services.town import HOUR, NOON

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.outpost_server import Guest
from compuerta.adapters.links.roadhead import Keeper
from compuerta.apps import config, wiring
from compuerta.apps.roadheads.outpost import OutpostHead
from compuerta.services.forwarding import Record

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(slots=True, kw_only=True)
class Post:
    """An outpost that is connected, and waits for its acknowledgement."""

    outpost_id: str = "post-1"
    kept: list[int] = field(default_factory=list)
    sent_off: list[str] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, record_no: int) -> None:
        self.kept.append(record_no)
        self.answered.set()

    def send_off(self, reason: str) -> None:
        self.sent_off.append(reason)
        self.answered.set()


def told(given: config.Settings, records: Sequence[Record]) -> Post:
    async def telling() -> Post:
        head, post = OutpostHead(cast(Keeper, None), given=given), Post()
        try:
            head.told(cast(Guest, post), outpost_text.records_text(JOURNAL, records))
            async with asyncio.timeout(5):
                await post.answered.wait()
        finally:
            await head.shut()
        return post

    return asyncio.run(telling())


def test_a_record_that_breaks_costs_itself(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "now", lambda: NOON + HOUR)
    given = replace(config.settings({"COMPUERTA_DATA": str(tmp_path)}), database_url=postgres_url)
    with closing_store(postgres_url) as store:
        an_outpost(store)
        good = [a_record(store, number, energy_wh=1_000 + number) for number in (1, 2, 3)]
    monstrous = replace(good[1], clock_off_s=2**62)

    post = told(given, [good[0], monstrous, good[2]])

    assert (post.kept, post.sent_off) == ([3], [])
    registers = rows(postgres_url, "select energy_wh from reading order by at")
    assert [each["energy_wh"] for each in registers] == [1_001, 1_003]
    subjects = rows(postgres_url, "select subject from alarm where kind = 'worker_broke'")
    assert subjects == [{"subject": "a record of outpost post-1"}]
