"""The herald: tells partners what happened, signed, until they have heard it or a day has passed.

Several may run, in as many workers. One that dies leaves tellings whose lease ends: they are told again, and
a partner who hears twice knows it by the id.
"""

import asyncio
import hashlib
import hmac
from collections import Counter
from functools import partial
from uuid import UUID

import httpx
import structlog

from compuerta.adapters.notify import outward
from compuerta.apps import poison, wiring
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.services import partnering
from compuerta.services.partner_port import Due
from compuerta.services.partnering import Told
from compuerta.wire.webhook import signature

log = structlog.get_logger()

ROUND_S = 0.5
UNDER_WAY_MAX = 100  # tellings that one process has under way at once


def secret_of(given: Settings, webhook_id: UUID, generation: int) -> str:
    """Return what a webhook is signed with: made of the installation's secret, and kept nowhere."""
    made = hmac.new(given.secret("webhooks"), f"{webhook_id}:{generation}".encode(), hashlib.sha256)
    return f"whsec_{made.hexdigest()}"


class Herald:
    """This will tell partners, for one process."""

    def __init__(self, desk: Desk, given: Settings) -> None:
        self._desk = desk
        self._given = given
        self._under_way: Counter[UUID] = Counter()

    async def run(self) -> None:
        """Tell until cancelled."""
        # Proxies of the environment would connect by the name, and past the address that was looked at.
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            asyncio.TaskGroup() as tellings,
        ):
            while True:
                for due in await self._claim():
                    self._under_way[due.webhook.webhook_id] += 1
                    tellings.create_task(self._carry(due, client))
                await asyncio.sleep(ROUND_S)

    async def _claim(self) -> list[Due]:
        room = UNDER_WAY_MAX - self._under_way.total()
        if room <= 0:
            return []
        busy = [webhook for webhook, number in self._under_way.items() if number >= partnering.EACH_MAX]
        claim = partial(partnering.due, now=wiring.now(), limit=room, busy=busy)
        try:
            return await self._desk.run(claim)
        except Unreachable as error:
            log.warning("worker.database.away", error=str(error))
        except Exception as error:
            await poison.told(self._desk, "what partners are told", error)
        return []

    async def _carry(self, due: Due, client: httpx.AsyncClient) -> None:
        try:
            told = await self._tell(due, client)
            await self._desk.run(partial(partnering.conclude, told=[told], now=wiring.now()))
        except Unreachable as error:
            # Its lease ends, and it is told again: the partner knows it by its id.
            log.warning("worker.database.away", error=str(error))
        except Exception:
            # A defect of ours costs the one telling that met it, and not all those that are under way.
            log.exception("worker.webhook.broke", webhook=str(due.webhook.webhook_id))
        finally:
            self._under_way[due.webhook.webhook_id] -= 1

    async def _tell(self, due: Due, client: httpx.AsyncClient) -> Told:
        body = partnering.body_of(due)
        said = await outward.post(
            due.webhook.url, body, self._headers(due, body), client=client, inside=self._given.webhooks_inside
        )
        log.info(
            "worker.webhook.told",
            webhook=str(due.webhook.webhook_id),
            what=due.delivery.event.value,
            tries=due.delivery.tries,
            detail=said.detail,
        )
        return Told(due=due, was_heard=said.was_heard, detail=said.detail)

    def _headers(self, due: Due, body: bytes) -> dict[str, str]:
        now = wiring.now()
        newest, *older = (
            secret_of(self._given, due.webhook.webhook_id, generation).encode()
            for generation in partnering.generations(due.webhook, now=now)
        )
        before = older[0] if older else None
        return {
            "content-type": "application/json",
            "user-agent": "compuerta",
            signature.ID_HEADER: str(due.delivery.delivery_id),
            signature.HEADER: signature.header_of(body, key=newest, now=now, before=before),
        }
