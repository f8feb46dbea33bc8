"""Batches make themselves, and no item of a batch can harm its neighbours."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from compuerta.adapters.postgres.store import DatabaseAway, PostgresStore
from compuerta.apps import desk as desks
from compuerta.apps.desk import BATCH_MAX, TRIES_MAX, WAITING_MAX, Desk, DeskFull, Gathering, OutcomesMissing
from compuerta.domain.errors import Broken, CompuertaError
from compuerta.services.store_port import Conflict, ConstraintBroken

NOWHERE = "host=/nowhere dbname=nothing"  # nothing here connects
PATIENCE_S = 10.0


@dataclass
class Writer:
    """What writes batches: keeps them, waits at the gate, and fails as it is told to."""

    batches: list[list[str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    refusal: Callable[[Sequence[str]], Exception | None] = lambda items: None

    def write(self, _: PostgresStore, items: Sequence[str]) -> list[str]:
        assert self.gate.wait(PATIENCE_S)
        error = self.refusal(items)
        if error is not None:
            raise error
        self.batches.append(list(items))
        return [item.upper() for item in items]


def a_writer(
    *, open_gate: bool = True, refusal: Callable[[Sequence[str]], Exception | None] | None = None
) -> Writer:
    writer = Writer(refusal=refusal or (lambda items: None))
    if open_gate:
        writer.gate.set()
    return writer


@asynccontextmanager
async def gathering(writer: Writer) -> AsyncIterator[Gathering[str, str]]:
    desk = Desk(NOWHERE)
    try:
        yield Gathering(desk, writer.write)
    finally:
        writer.gate.set()
        await desk.shut()


async def asked(gathered: Gathering[str, str], items: Sequence[str]) -> list[str | BaseException]:
    return await asyncio.gather(*map(gathered.put, items), return_exceptions=True)


async def begun(gathered: Gathering[str, str], items: Sequence[str]) -> list[asyncio.Task[str]]:
    """Hand items in and return once all of them wait."""
    tasks = [asyncio.create_task(gathered.put(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


def test_a_line_that_is_too_long_is_refused_and_a_batch_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "IN_LINE_MAX", 1)
    writer = a_writer(open_gate=False)

    async def story() -> str:
        desk = Desk(NOWHERE)
        first = asyncio.create_task(desk.run(lambda store: writer.write(store, ["a"])))
        await asyncio.sleep(0)
        with pytest.raises(DeskFull):
            await desk.run(lambda store: writer.write(store, ["b"]))
        (batched,) = await begun(Gathering(desk, writer.write), ["c"])
        writer.gate.set()
        assert await first == ["A"]
        assert await desk.run(lambda store: writer.write(store, ["d"])) == ["D"]
        await desk.shut()
        return await batched

    assert asyncio.run(story()) == "C"


def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    writer = a_writer(open_gate=False)

    async def story() -> list[str]:
        async with gathering(writer) as gathered:
            first = await begun(gathered, ["a"])
            await asyncio.sleep(0)
            later = await begun(gathered, ["b", "c"])
            writer.gate.set()
            return await asyncio.gather(*first, *later)

    outcomes = asyncio.run(story())

    assert outcomes == ["A", "B", "C"]
    assert writer.batches == [["a"], ["b", "c"]]


def test_a_batch_has_a_bound_and_keeps_the_order_of_asking() -> None:
    writer = a_writer()
    items = [f"item {number}" for number in range(2 * BATCH_MAX + 1)]

    async def story() -> list[str | BaseException]:
        async with gathering(writer) as gathered:
            return await asked(gathered, items)

    outcomes = asyncio.run(story())

    assert outcomes == [item.upper() for item in items]
    assert [item for batch in writer.batches for item in batch] == items
    assert max(map(len, writer.batches)) == BATCH_MAX


def test_when_too_many_wait_the_next_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "WAITING_MAX", 3)
    writer = a_writer(open_gate=False)

    async def story() -> list[str | BaseException]:
        async with gathering(writer) as gathered:
            waiting = await begun(gathered, ["a", "b", "c"])
            with pytest.raises(DeskFull, match="try again"):
                await gathered.put("d")
            writer.gate.set()
            return await asyncio.gather(*waiting, return_exceptions=True)

    assert asyncio.run(story()) == ["A", "B", "C"]
    assert WAITING_MAX > BATCH_MAX
    assert all("d" not in batch for batch in writer.batches)


@pytest.mark.parametrize("error", [ConstraintBroken("poison"), Conflict("poison"), ValueError("poison")])
def test_an_item_that_cannot_be_written_harms_none_of_its_neighbours(error: Exception) -> None:
    writer = a_writer(refusal=lambda items: error if "poison" in items else None)

    async def story() -> list[str | BaseException]:
        async with gathering(writer) as gathered:
            return await asked(gathered, ["a", "poison", "b"])

    outcomes = asyncio.run(story())

    assert outcomes == ["A", error, "B"]
    assert writer.batches == [["a"], ["b"]]


def test_a_database_that_is_away_is_asked_once_and_told_to_all() -> None:
    away = DatabaseAway("away")
    tries: list[int] = []

    def refusal(items: Sequence[str]) -> Exception:
        tries.append(len(items))
        return away

    writer = a_writer(refusal=refusal)

    async def story() -> list[str | BaseException]:
        async with gathering(writer) as gathered:
            return await asked(gathered, ["a", "b", "c"])

    assert asyncio.run(story()) == [away, away, away]
    assert tries == [3]


def test_what_comes_after_a_failed_batch_is_written() -> None:
    writer = a_writer(refusal=lambda items: DatabaseAway("away") if items[0] == "first" else None)

    async def story() -> tuple[list[str | BaseException], str]:
        async with gathering(writer) as gathered:
            failed = await asked(gathered, ["first"])
            return failed, await gathered.put("second")

    failed, second = asyncio.run(story())

    assert isinstance(failed[0], DatabaseAway)
    assert second == "SECOND"


def test_an_asker_who_goes_away_harms_nobody_and_its_item_is_written() -> None:
    writer = a_writer(open_gate=False)

    async def story() -> list[str | BaseException]:
        async with gathering(writer) as gathered:
            tasks = await begun(gathered, ["a", "gone", "b"])
            tasks[1].cancel()
            writer.gate.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    first, gone, last = asyncio.run(story())

    assert (first, last) == ("A", "B")
    assert isinstance(gone, asyncio.CancelledError)
    assert sorted(item for batch in writer.batches for item in batch) == ["a", "b", "gone"]


def test_a_use_case_that_loses_an_outcome_is_told_as_a_bug_and_nobody_waits_for_ever() -> None:
    async def story() -> list[str | BaseException]:
        desk = Desk(NOWHERE)
        forgetful: Gathering[str, str] = Gathering(desk, lambda store, items: [])
        outcomes = await asyncio.wait_for(asked(forgetful, ["a", "b"]), PATIENCE_S)
        await desk.shut()
        return outcomes

    outcomes = asyncio.run(story())

    assert [type(outcome) for outcome in outcomes] == [OutcomesMissing, OutcomesMissing]
    assert issubclass(OutcomesMissing, Broken)


@pytest.mark.parametrize(
    ("conflicts", "tries"), [(0, 1), (1, 2), (TRIES_MAX - 1, TRIES_MAX), (99, TRIES_MAX)]
)
def test_a_conflict_is_tried_again_within_bounds(conflicts: int, tries: int) -> None:
    seen: list[int] = []

    def work(_: PostgresStore) -> str:
        seen.append(1)
        if len(seen) <= conflicts:
            raise Conflict("somebody was faster")
        return "done"

    async def story() -> str:
        desk = Desk(NOWHERE)
        try:
            return await desk.run(work)
        except CompuertaError as error:
            return type(error).__name__
        finally:
            await desk.shut()

    assert asyncio.run(story()) == ("done" if conflicts < TRIES_MAX else "Conflict")
    assert len(seen) == tries
