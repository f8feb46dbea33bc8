"""The night watch: ends the days of all sites, and tells of them; long work, at a desk of its own."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.services import closing_days, reporting

log = structlog.get_logger()

# A midnight is over when gateways have asked their meters, which they do within minutes.
ROUND_S: Final = 20.0
# Of days that nobody was there to end; more wait for the next round.
SWEEPS_PER_ROUND_MAX: Final = 100


class NightWatch:
    """This will see to the ends of days, for one process; others may do the same beside it."""

    def __init__(self, desk: Desk) -> None:
        """Take a desk that nobody else works at; it is shut when `run` ends."""
        self._desk = desk

    async def run(self) -> None:
        """Go round until cancelled."""
        try:
            while True:
                await self._tried("the end of a day", self._end_days)
                await self._tried("a report", self._tell)
                await asyncio.sleep(ROUND_S)
        finally:
            await self._desk.shut()

    async def _tried(self, what: str, act: Callable[[PostgresStore], None]) -> None:
        try:
            await self._desk.run(act)
        except Unreachable as error:
            log.warning("worker.database.away", error=str(error))
        except Exception as error:
            await poison.told(self._desk, what, error)

    @staticmethod
    def _end_days(store: PostgresStore) -> None:
        for _ in range(SWEEPS_PER_ROUND_MAX):
            if not closing_days.sweep(store, now=wiring.now()):
                return

    @staticmethod
    def _tell(store: PostgresStore) -> None:
        reporting.sweep(store, now=wiring.now())
