"""Outposts, in PostgreSQL."""

from collections.abc import Mapping
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.services.outpost_port import Outpost

_PUT = """
insert into outpost (outpost_id, organisation_id, key_generation, cuts, mandate_h)
values (%(outpost_id)s, %(organisation_id)s, %(key_generation)s, %(cuts)s, %(mandate_h)s)
on conflict (outpost_id) do update
set key_generation = excluded.key_generation, cuts = excluded.cuts, mandate_h = excluded.mandate_h
"""
_MARK = """
insert into outpost_mark (outpost_id, journal_id, record_no)
values (%(outpost_id)s, %(journal_id)s, %(record_no)s)
on conflict (outpost_id, journal_id) do update
set record_no = greatest(outpost_mark.record_no, excluded.record_no)
"""


class PostgresOutposts:
    """See `outpost_port.Outposts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def outposts(self) -> dict[str, Outpost]:
        found = self._tx.query(
            "select outpost_id, organisation_id, key_generation, cuts, mandate_h from outpost "
            "order by outpost_id",
            {},
        )
        return {row["outpost_id"]: Outpost(**row) for row in found}

    def put(self, outpost: Outpost) -> None:
        self._tx.run(_PUT, rows.columns(outpost))

    def marks(self, outpost_id: str) -> Mapping[UUID, int]:
        # The outpost itself is locked too: of two that say they are it, one is heard after the other.
        named = {"outpost_id": outpost_id}
        self._tx.query("select outpost_id from outpost where outpost_id = %(outpost_id)s for update", named)
        found = self._tx.query(
            "select journal_id, record_no from outpost_mark where outpost_id = %(outpost_id)s "
            "order by journal_id",
            named,
        )
        return {row["journal_id"]: row["record_no"] for row in found}

    def mark(self, outpost_id: str, journal_id: UUID, *, record_no: int) -> None:
        values = {"outpost_id": outpost_id, "journal_id": journal_id, "record_no": record_no}
        self._tx.run(_MARK, values)
