"""Selling: from a wish to pay to what the payer is shown, over a provider that may be slow or away.

The attempt is written first; then the provider hears of it; then what the payer sees is kept. A crash between
any two of them leaves an attempt that the worker follows to its end.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from compuerta.adapters.payments.http import Steps
from compuerta.apps import wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Refused
from compuerta.domain.payment import Attempt, Flow
from compuerta.services import ordering, tilling, vend
from compuerta.services.payment_ports import PaymentProvider, Presentation

EXPIRES_IN = timedelta(minutes=15)

Result = TypeVar("Result")


class Talk(Protocol):
    """How this process speaks to providers."""

    async def __call__(self, name: str, steps: Steps[Result], /) -> Result:
        """Drive a conversation with the provider of a name to its result."""
        ...


class ProviderUnknown(Refused):
    """There is no such way to pay here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no payment provider {name!r} here")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """An attempt, and what its payer is to be shown."""

    attempt: Attempt
    presentation: Presentation


async def sell(desk: Desk, order: ordering.Order, *, provider: PaymentProvider, talk: Talk) -> Sale:
    """Order at a provider; where the money is there at once, as at a till, it is credited too.

    Doing it again with the same order is harmless; another order with the same ids is `ReferenceTaken`.
    Raises `Refused`, or `Unreachable` while the provider does not answer: the attempt stays, and the same
    call may be made again.
    """
    expires_in = tilling.CODE_WITHIN if order.flow is Flow.CODE else EXPIRES_IN
    if provider.capabilities.immediate:
        await desk.run(lambda store: tilling.require_unattended(store, provider.name))
    attempt = await desk.run(
        lambda store: ordering.open_attempt(
            store, order, capabilities=provider.capabilities, expires_in=expires_in, now=wiring.now()
        )
    )
    presentation = await talk(provider.name, provider.create(attempt, now=wiring.now(), chance=wiring.chance))
    paid = presentation.paid
    if paid is not None:
        await desk.run(lambda store: vend.accept_payments(store, [paid], now=wiring.now()))
    else:
        await desk.run(lambda store: ordering.presented(store, attempt.attempt_id, presentation))
    return Sale(attempt=attempt, presentation=presentation)


async def cancel(desk: Desk, attempt: Attempt, *, provider: PaymentProvider, talk: Talk) -> None:
    """Make an attempt unpayable; where the payer was faster, the money is honoured instead.

    Raises `Unreachable` while the provider does not answer: it may be paid still, and the worker follows it.
    """
    closing = provider.close(attempt, now=wiring.now(), chance=wiring.chance)
    answer = await talk(provider.name, closing)
    paid = answer.paid
    if paid is not None:
        await desk.run(lambda store: vend.accept_payments(store, [paid], now=wiring.now()))
    else:
        await desk.run(lambda store: ordering.answered(store, {attempt.attempt_id: answer}, now=wiring.now()))
