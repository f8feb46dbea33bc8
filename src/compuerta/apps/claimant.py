"""The claimant: asks providers whether unsigned words about money are true.

Several may run, in as many workers: claims are taken one by one, and one that dies is asked about again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import httpx
import structlog

from compuerta.adapters.payments.http import converse
from compuerta.apps import poison, wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import claiming
from compuerta.services.claim_port import KeptClaim
from compuerta.services.payment_ports import OrderAnswer, OrderState, PaymentProvider
from compuerta.services.records import Key
from compuerta.services.store_port import Store

log = structlog.get_logger()

ROUND_S = 0.5
CLAIMS_PER_ROUND_MAX = 20  # a bill's page each; what is left over is asked in the next round
ANSWER_S_MAX = 5.0


class Claimant:
    """This will ask about what is due, for one process."""

    def __init__(self, desk: Desk, providers: Mapping[str, PaymentProvider]) -> None:
        self._desk = desk
        self._providers = providers

    async def run(self, client: httpx.AsyncClient) -> None:
        """Ask until cancelled."""
        while True:
            asked = 0
            try:
                asked = await self.ask_round(client)
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
            except Exception as error:
                await poison.told(self._desk, "a round of claims", error)
            if asked < CLAIMS_PER_ROUND_MAX:
                await asyncio.sleep(ROUND_S)

    async def ask_round(self, client: httpx.AsyncClient) -> int:
        """Ask once about all that is due, within a bound; returns how many that were."""
        take = partial(claiming.due_claims, now=wiring.now(), limit=CLAIMS_PER_ROUND_MAX)
        due = await self._desk.run(take)
        if not due:
            return 0
        told = await asyncio.gather(*(self._ask(kept, client) for kept in due))
        answers = [(kept.key, answer) for kept, answer in zip(due, told, strict=True)]
        await poison.each_alone(self._desk, _write, answers, what="a claim")
        return len(due)

    async def _ask(self, kept: KeptClaim, client: httpx.AsyncClient) -> OrderAnswer:
        name = kept.claim.provider
        provider = self._providers.get(name)
        if provider is None:
            log.warning("worker.provider.unknown", provider=name)
            return OrderAnswer(state=OrderState.UNKNOWN, reason="not in providers.json")
        try:
            return await converse(
                provider.confirm(kept.claim, now=wiring.now(), chance=wiring.chance),
                client=client,
                base_url=wiring.base_url(name),
                timeout_s=ANSWER_S_MAX,
            )
        except (Unreachable, Refused) as error:
            log.info("worker.provider.silent", provider=name, error=str(error))
            return OrderAnswer(state=OrderState.UNKNOWN, reason=str(error))
        except Exception as error:
            await poison.told(self._desk, f"an answer of {name}", error)
            return OrderAnswer(state=OrderState.UNKNOWN, reason=type(error).__name__)


def _write(store: Store, *, items: Sequence[tuple[Key, OrderAnswer]]) -> None:
    states = claiming.answered(store, dict(items), now=wiring.now())
    for (provider, transaction_no), state in states.items():
        log.info("worker.claim.told", provider=provider, transaction=transaction_no, state=state.value)
