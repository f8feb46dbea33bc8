"""Outposts, in memory."""

from collections.abc import Mapping
from uuid import UUID

from compuerta.adapters.memory.tables import Tables
from compuerta.services.outpost_port import Outpost


class MemoryOutposts:
    """See `outpost_port.Outposts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def outposts(self) -> dict[str, Outpost]:
        return dict(sorted(self._tables.outposts.items()))

    def put(self, outpost: Outpost) -> None:
        self._tables.outposts[outpost.outpost_id] = outpost

    def marks(self, outpost_id: str) -> Mapping[UUID, int]:
        kept = self._tables.outpost_marks
        return {journal_id: number for (known, journal_id), number in kept.items() if known == outpost_id}

    def mark(self, outpost_id: str, journal_id: UUID, *, record_no: int) -> None:
        before = self._tables.outpost_marks.get((outpost_id, journal_id), 0)
        self._tables.outpost_marks[outpost_id, journal_id] = max(before, record_no)
