"""The refunder: tells providers what is to go back to a payer, and asks until they have done it.

Several may run, in as many workers: refunds are claimed, and one that dies is told again under its reference.
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
from compuerta.domain.payment import Refund
from compuerta.services import refunding
from compuerta.services.payment_ports import PaymentProvider, RefundAnswer
from compuerta.services.refunding import RefundQuestion
from compuerta.services.store_port import Store

log = structlog.get_logger()

ROUND_S = 1.0
REFUNDS_PER_ROUND_MAX = 20  # providers bear few at a time; what is left over goes in the next round
ANSWER_S_MAX = 10.0
UNKNOWN = RefundAnswer(state=None)


class Refunder:
    """This will see to what is due, for one process."""

    def __init__(self, desk: Desk, providers: Mapping[str, PaymentProvider]) -> None:
        self._desk = desk
        self._providers = providers

    async def run(self, client: httpx.AsyncClient) -> None:
        """Tell and ask until cancelled."""
        while True:
            asked = 0
            try:
                asked = await self.refund_round(client)
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
            except Exception as error:
                await poison.told(self._desk, "a round of refunds", error)
            if asked < REFUNDS_PER_ROUND_MAX:
                await asyncio.sleep(ROUND_S)

    async def refund_round(self, client: httpx.AsyncClient) -> int:
        """Tell or ask once about all that is due, within a bound; returns how many that were."""
        able = {name: provider.capabilities for name, provider in self._providers.items()}
        take = partial(refunding.due, now=wiring.now(), limit=REFUNDS_PER_ROUND_MAX, capabilities=able)
        due = await self._desk.run(take)
        if not due:
            return 0
        told = await asyncio.gather(*(self._ask(question, client) for question in due))
        for question, answer in zip(due, told, strict=True):
            one = [(question.refund, answer)]
            await poison.each_alone(self._desk, _write, one, what=f"refund {question.refund.reference}")
        return len(due)

    async def _ask(self, question: RefundQuestion, client: httpx.AsyncClient) -> RefundAnswer | Refused:
        name = question.refund.provider
        provider = self._providers.get(name)
        if provider is None:
            log.warning("worker.provider.unknown", provider=name)
            return RefundAnswer(state=None, reason="not in providers.json")
        steps = provider.query_refund if question.is_sent else provider.refund
        try:
            return await converse(
                steps(question.wish, now=wiring.now(), chance=wiring.chance),
                client=client,
                base_url=wiring.base_url(name),
                timeout_s=ANSWER_S_MAX,
            )
        except Refused as error:
            return error
        except Unreachable as error:
            log.info("worker.provider.silent", provider=name, error=str(error))
        except Exception as error:
            await poison.told(self._desk, f"an answer of {name}", error)
        return UNKNOWN


def _write(store: Store, *, items: Sequence[tuple[Refund, RefundAnswer | Refused]]) -> None:
    for refund, answer in items:
        if isinstance(answer, Refused):
            log.warning("worker.refund.refused", provider=refund.provider, reference=refund.reference)
            refunding.refused(store, refund, reason=str(answer), now=wiring.now())
            continue
        state = "unknown" if answer.state is None else answer.state.value
        log.info("worker.refund.told", provider=refund.provider, reference=refund.reference, state=state)
        refunding.answered(store, [(refund, answer)], now=wiring.now())
