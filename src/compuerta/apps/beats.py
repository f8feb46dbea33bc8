"""Beats: how a process of this installation is called, and how it says that it lives."""

import asyncio
import os
from functools import partial
from uuid import uuid4

import structlog

from compuerta.apps import wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.services import beating

log = structlog.get_logger()

BEAT_S = beating.BEAT.total_seconds()


def name_of(role: str) -> str:
    """Return a name that no other process has, now or later."""
    return f"{role}-{os.getpid()}-{uuid4().hex[:6]}"


async def beat_on(desk: Desk, role: str) -> None:
    """Say that a process without roads lives, until cancelled."""
    name, started = name_of(role), wiring.now()
    while True:
        sign = beating.Beat(role=role, instance=name, started_at=started, at=wiring.now())
        try:
            await desk.run(partial(beating.beat, sign=sign, ends={}, alarms=[]))
        except Unreachable as error:
            log.warning(f"{role}.database.away", error=str(error))
        await asyncio.sleep(BEAT_S)
