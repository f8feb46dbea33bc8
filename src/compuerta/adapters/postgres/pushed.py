"""The inbox of pushed registers: kept by COPY before anybody reckons with them, and taken a page at a time.

What devices push comes in bursts, after a power cut from all of them at once. To keep it asks for no lock on
any account, so it is kept as fast as rows can be copied. To take it is the matter of `bulk.take_registers`.
A page that was taken and not yet forgotten is taken again, which changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from psycopg.rows import dict_row

from compuerta.adapters.postgres import binary, bulk
from compuerta.adapters.postgres.binary import EPOCH_US
from compuerta.adapters.postgres.bulk_rows import VALUES
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.errors import Unreachable
from compuerta.domain.tariff.columns import Int64s
from compuerta.services.deducting import Registers

# As many as are taken by columns at once.
PAGE_ROWS = bulk.METERS_PER_BATCH
# The lock of the one ingest that takes; the number is nobody else's.
_TAKER = 7_645_001

_PAGE = """
select array_agg(pushed_id) as pushed_id, array_agg(meter_id) as meter_id, array_agg(at) as at,
    array_agg(energy_wh) as energy_wh,
    array_agg(coalesce(array_position(%(relays)s::text[], relay) - 1, %(none)s)::bigint) as relay,
    array_agg(coalesce(power_w, %(none)s)) as power_w
from (select * from pushed_reading order by meter_id, at, pushed_id limit %(limit)s) page
"""
_FORGET = """
delete from pushed_reading p
using unnest(%(meter_id)s::bigint[], %(pushed_id)s::bigint[]) as t (meter_id, pushed_id)
where p.meter_id = t.meter_id and p.pushed_id = t.pushed_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some pushed registers that wait to be taken."""

    pushed_id: Int64s
    registers: Registers


def keep(store: PostgresStore, registers: Registers) -> None:
    """Keep what was pushed, all or nothing; the same register twice is kept twice, and taken once."""
    with store.copying() as (_, connection):
        cursor = connection.cursor(binary=True)
        bulk.copy_readings(cursor, registers, table="pushed_reading")


@contextmanager
def taking_alone(store: PostgresStore) -> Iterator[bool]:
    """Tell whether it is ours to take now: two ingests that took would do the same work twice."""
    is_ours = _locked(store, "pg_try_advisory_lock")
    try:
        yield is_ours
    finally:
        if is_ours:
            with suppress(Unreachable):  # a connection that is gone holds no lock
                _locked(store, "pg_advisory_unlock")


def _locked(store: PostgresStore, function: str) -> bool:
    [row] = store.query(f"select {function}(%(taker)s) as is_so", {"taker": _TAKER})
    return bool(row["is_so"])


def next_page(store: PostgresStore, *, limit: int = PAGE_ROWS) -> Page | None:
    """Return what waits, meter by meter, or None."""
    with store.copying() as (_, connection):
        cursor = connection.cursor(binary=True, row_factory=dict_row)
        binary.speak_arrays(cursor)
        row = cursor.execute(_PAGE, {**VALUES, "limit": limit}).fetchone()
    if row is None or row["meter_id"] is None:
        return None
    columns = {name: row[name] for name in ("meter_id", "energy_wh", "relay", "power_w")}
    return Page(pushed_id=row["pushed_id"], registers=Registers(at_us=row["at"] + EPOCH_US, **columns))


def forget(store: PostgresStore, page: Page) -> None:
    """Forget a page that was taken."""
    with store.copying() as (_, connection):
        cursor = connection.cursor(binary=True)
        binary.speak_arrays(cursor)
        cursor.execute(_FORGET, {"meter_id": page.registers.meter_id, "pushed_id": page.pushed_id})
