"""The worker: asks providers what became of orders, since their notices may be late, or never come.

Several workers may run: attempts are claimed, and one that dies asks nothing for a quarter of a minute.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

import httpx
import structlog

from compuerta.adapters.payments.http import converse
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.auditor import Auditor
from compuerta.apps.beats import beat_on
from compuerta.apps.channels import CHANNELS_FILE, channels_in
from compuerta.apps.claimant import Claimant
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.apps.herald import Herald
from compuerta.apps.night_watch import NightWatch
from compuerta.apps.postman import Postman
from compuerta.apps.refunder import Refunder
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Attempt, PaymentNotice
from compuerta.services import (
    commissioning,
    correcting,
    gauging,
    holding,
    losses,
    masses,
    ordering,
    partnering,
    rollout,
    standing,
    vend,
    watching,
)
from compuerta.services.ordering import Question
from compuerta.services.payment_ports import OrderAnswer, OrderState, PaymentProvider
from compuerta.services.store_port import Store

log = structlog.get_logger()

ROUND_S = 0.25
# Providers allow far more; what is left over is asked in the next round.
ATTEMPTS_PER_ROUND_MAX = 50
ANSWER_S_MAX = 5.0
SWEEP_S = 2.0
CORRECT_S = 2.0  # a meter has given credit back: whoever waits for the money sees it go on
WATCH_S = 20.0  # what only the clock shows is told about as soon as what meters tell
STAND_S = 600.0  # a site's day ends at its own hour
USE_S = 3_600.0  # what units used over days, and what was lost
DECIDE_S = 3_600.0  # every supply is looked at anew: whoever crashed between two pages missed some
BILL_S = 3_600.0  # what a head has not told by the end of a month comes in the hours after it


class Sweep(Protocol):
    """A use case that goes through rows a page at a time."""

    def __call__(self, store: PostgresStore, /, *, after: int, now: datetime) -> int | None:
        """Do one page; returns where to go on, or None."""
        ...


class Worker:
    """This will follow attempts until their end is known, supply where a hold has ended, and days."""

    def __init__(self, given: Settings) -> None:
        self._given = given
        self._desk = Desk(wiring.database_url(given))
        self._providers = wiring.providers()

    async def run(self) -> None:
        """Work until cancelled."""
        async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
            group.create_task(self._ask_on(client))
            group.create_task(beat_on(self._desk, "worker"))
            group.create_task(self._postman(client).run())
            group.create_task(Herald(self._desk, self._given).run())
            group.create_task(Claimant(self._desk, self._providers).run(client))
            group.create_task(Refunder(self._desk, self._providers).run(client))
            group.create_task(Auditor(self._own_desk(), self._providers).run(client))
            group.create_task(NightWatch(self._own_desk()).run())
            group.create_task(self._sweep_on())
            for sweep, every_s in SWEEPS:
                group.create_task(self._page_on(sweep, every_s=every_s))

    def _own_desk(self) -> Desk:
        return Desk(wiring.database_url(self._given))

    def _postman(self, client: httpx.AsyncClient) -> Postman:
        channels = channels_in(self._given.data_dir / CHANNELS_FILE, client=client)
        return Postman(self._desk, channels, self._given)

    async def _ask_on(self, client: httpx.AsyncClient) -> None:
        while True:
            try:
                asked = await self._ask_round(client)
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
                asked = 0
            except Exception as error:
                await poison.told(self._desk, "a round of orders", error)
                asked = 0
            if asked < ATTEMPTS_PER_ROUND_MAX:
                await asyncio.sleep(ROUND_S)

    async def _ask_round(self, client: httpx.AsyncClient) -> int:
        due = await self._desk.run(
            lambda store: ordering.due_attempts(store, now=wiring.now(), limit=ATTEMPTS_PER_ROUND_MAX)
        )
        if not due:
            return 0
        answers = await asyncio.gather(*(self._ask(attempt, client) for attempt in due))
        paid = [answer.paid for answer in answers if answer.paid is not None]
        open_still = [
            (attempt.attempt_id, answer)
            for attempt, answer in zip(due, answers, strict=True)
            if answer.paid is None
        ]
        if paid:
            await poison.each_alone(self._desk, _accept, paid, what="a payment")
        if open_still:
            await poison.each_alone(self._desk, _answered, open_still, what="an order's answer")
        return len(due)

    async def _ask(self, attempt: Attempt, client: httpx.AsyncClient) -> OrderAnswer:
        provider = self._providers.get(attempt.provider)
        if provider is None:
            log.warning("worker.provider.unknown", provider=attempt.provider)
            return OrderAnswer(state=OrderState.UNKNOWN)
        try:
            return await self._converse(provider, attempt, client)
        except (Unreachable, Refused) as error:
            log.info("worker.provider.silent", provider=attempt.provider, error=str(error))
        except Exception as error:
            await poison.told(self._desk, f"an answer of {attempt.provider}", error)
        return OrderAnswer(state=OrderState.UNKNOWN)

    async def _converse(
        self, provider: PaymentProvider, attempt: Attempt, client: httpx.AsyncClient
    ) -> OrderAnswer:
        now = wiring.now()
        ask = provider.close if ordering.question(attempt, now=now) is Question.CLOSE else provider.query
        return await converse(
            ask(attempt, now=now, chance=wiring.chance),
            client=client,
            base_url=wiring.base_url(attempt.provider),
            timeout_s=ANSWER_S_MAX,
        )

    async def _sweep_on(self) -> None:
        while True:
            swept = 0
            try:
                swept = await self._desk.run(partial(holding.sweep, now=wiring.now()))
                await self._desk.run(partial(rollout.tell_overdue, now=wiring.now()))
                await self._desk.run(partial(masses.advance, now=wiring.now()))
                await self._desk.run(partial(commissioning.follow, now=wiring.now()))
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
            except Exception as error:
                await poison.told(self._desk, "a sweep", error)
            if swept < holding.SWEPT_MAX:
                await asyncio.sleep(SWEEP_S)

    async def _page_on(self, sweep: Sweep, *, every_s: float) -> None:
        """Sweep page by page until there is none, again and again; looking twice changes nothing."""
        while True:
            after: int | None = 0
            try:
                while after is not None:
                    after = await self._desk.run(partial(sweep, after=after, now=wiring.now()))
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
            except Exception as error:
                await poison.told(self._desk, f"a page, every {every_s:.0f} s", error)
            await asyncio.sleep(every_s)


def _bill(store: PostgresStore, *, after: int, now: datetime) -> int | None:
    with store.transaction() as tx:
        if not tx.interval_accounts(after=after, limit=1):
            return None
    # Its compiled kernel takes a quarter of a second and much memory, which most houses never need.
    from compuerta.adapters.postgres import bulk_bills

    return bulk_bills.bill_some(store, after=after, until=now, now=now)


def _decide(store: PostgresStore, *, after: int, now: datetime) -> int | None:
    # Numpy takes its memory when it is first needed, and not when the house comes up.
    from compuerta.adapters.postgres import bulk_supply

    return bulk_supply.decide_page(store, after=after, now=now).after


def _accept(store: Store, *, items: Sequence[PaymentNotice]) -> None:
    vend.accept_payments(store, items, now=wiring.now())


def _answered(store: Store, *, items: Sequence[tuple[UUID, OrderAnswer]]) -> None:
    ordering.answered(store, dict(items), now=wiring.now())


SWEEPS: Sequence[tuple[Sweep, float]] = (
    (watching.sweep, WATCH_S),
    (correcting.sweep, CORRECT_S),
    (standing.charge_silent, STAND_S),
    (watching.sweep_use, USE_S),
    (losses.sweep, USE_S),
    (partnering.sweep, USE_S),
    (gauging.forget_old, USE_S),
    (_bill, BILL_S),
    (_decide, DECIDE_S),
)
