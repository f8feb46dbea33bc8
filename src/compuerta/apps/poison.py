"""Poison: a row that meets a defect of ours costs itself, and neither the process nor all other rows.

What is there is claimed with a lease, so such a row is not tried again at once; its alarm is counted.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol, TypeVar

import structlog

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.services.records import Alarm
from compuerta.services.store_port import Store

log = structlog.get_logger()

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)
DETAIL_CHARS_MAX = 200


class Work(Protocol[Taken]):
    """A use case for several items at once."""

    def __call__(self, store: PostgresStore, /, *, items: Sequence[Taken]) -> object:
        """Do it, for all of them or for none."""
        ...


async def each_alone(desk: Desk, work: Work[Item], items: Sequence[Item], *, what: str) -> None:
    """Run a use case for all items; where that breaks, for each alone, and tell of those that still break.

    Raises `Unreachable` as it comes: then nothing is wrong with any of them.
    """
    try:
        await desk.run(partial(work, items=items))
    except Unreachable:
        raise
    except Exception as error:
        if len(items) == 1:
            await told(desk, what, error)
            return
        for item in items:
            await each_alone(desk, work, [item], what=what)


async def told(desk: Desk, what: str, error: Exception) -> None:
    """Log a defect with its trace, and keep one alarm of it; never raises what the database says to that."""
    log.exception("worker.broke", what=what, exc_info=error)
    # Whatever text broke the row would break the alarm as well.
    detail = ascii(f"{type(error).__name__}: {error}")[:DETAIL_CHARS_MAX]
    alarm = Alarm(kind="worker_broke", subject=what, detail=detail, at=wiring.now())
    try:
        await desk.run(partial(_keep, alarm=alarm))
    except Exception:
        log.exception("worker.alarm.not_kept", what=what)


def _keep(store: Store, *, alarm: Alarm) -> None:
    with store.transaction() as tx:
        tx.put_alarms([alarm])
