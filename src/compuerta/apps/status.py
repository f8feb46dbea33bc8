"""What `compuerta status` shows: who lives, what is reached, what is open and how old it is."""

from rich.console import Console
from rich.table import Table

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.config import Settings
from compuerta.services import beating

_BEATS = "select role, instance, started_at, beat_at from role_beat where beat_at > %(since)s order by role"
_ENDS = """
select e.endpoint_id, e.road, coalesce(s.alive, false) as alive, s.changed_at
from endpoint e left join endpoint_state s using (endpoint_id) order by e.road, e.endpoint_id
"""
_OPEN = """
select kind, state, count(*) as number, min(created_at) as oldest
from instruction where ended_at is null group by kind, state order by kind, state
"""


def report(console: Console, given: Settings) -> None:
    """Print the state of an installation."""
    now = wiring.now()
    store = PostgresStore(wiring.database_url(given))
    beats = Table("process", "instance", "alive for", title="Processes")
    for row in store.query(_BEATS, {"since": now - beating.SILENT_FOR}):
        beats.add_row(row["role"], row["instance"], str(row["beat_at"] - row["started_at"]).split(".")[0])
    ends = Table("road", "end", "state", title="Roads")
    for row in store.query(_ENDS, {}):
        ends.add_row(row["road"], row["endpoint_id"], "[green]alive" if row["alive"] else "[red]silent")
    work = Table("instruction", "state", "number", "oldest", title="Open instructions")
    for row in store.query(_OPEN, {}):
        work.add_row(row["kind"], row["state"], str(row["number"]), str(now - row["oldest"]).split(".")[0])
    for table in (beats, ends, work):
        console.print(table)
    store.shut()
