"""What `compuerta status` shows: who lives, what is reached, what is open and how old it is."""

from datetime import datetime, timedelta

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
_WORDS = """
select channel, count(*) filter (where state = 'waiting') as waiting,
    min(due_at) filter (where state = 'waiting' and due_at <= %(now)s) as oldest,
    count(*) filter (where sent_at > %(day)s) as sent,
    count(*) filter (where state = 'failed' and ended_at > %(day)s) as failed,
    (array_agg(last_answer order by ended_at desc) filter (where state = 'failed'))[1] as answer
from message where created_at > %(week)s group by channel order by channel
"""
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


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
    for table in (beats, ends, work, _words(store, now=now)):
        console.print(table)
    store.shut()


def _words(store: PostgresStore, *, now: datetime) -> Table:
    """Return what waits in the outbox of words, and what became of it lately, by channel."""
    words = Table(
        "channel", "waiting", "late by", "sent today", "failed today", "last answer", title="Channels"
    )
    for row in store.query(_WORDS, {"now": now, "day": now - _DAY, "week": now - _WEEK}):
        late = str(now - row["oldest"]).split(".")[0] if row["oldest"] is not None else ""
        counts = [str(row[name]) for name in ("sent", "failed")]
        words.add_row(row["channel"], str(row["waiting"]), late, *counts, row["answer"] or "")
    return words
