"""A carrier: who takes words to people, as the worker drives it; those over HTTP share one driver."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from compuerta.adapters.payments.http import converse
from compuerta.services.notifier_port import HttpNotifier, Letter, Sent
from compuerta.services.payment_ports import Chance

ANSWER_S_MAX = 10.0  # carriers answer within one; a lease of the outbox is many times as long


class Carrier(Protocol):
    """One account at one carrier."""

    @property
    def repeat_within(self) -> timedelta:
        """For how long sending the same message id again is harmless; zero where it never is."""
        ...

    async def send(self, letter: Letter, *, now: datetime, chance: Chance) -> Sent:
        """Hand a letter over; whatever the carrier says or does, it becomes a verdict, in bounded time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OverHttp:
    """This will drive the conversations of a carrier that is reached over HTTP."""

    notifier: HttpNotifier
    client: httpx.AsyncClient
    base_url: str
    answer_s_max: float = ANSWER_S_MAX

    @property
    def repeat_within(self) -> timedelta:
        """See `Carrier`."""
        return self.notifier.repeat_within

    async def send(self, letter: Letter, *, now: datetime, chance: Chance) -> Sent:
        """See `Carrier`."""
        return await converse(
            self.notifier.send(letter, now=now, chance=chance),
            client=self.client,
            base_url=self.base_url,
            timeout_s=self.answer_s_max,
        )
