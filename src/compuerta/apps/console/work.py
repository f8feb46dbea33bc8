"""The console's way to services: stores to run use cases on, and payment providers."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, Full, LifoQueue
from typing import Protocol, TypeVar

import httpx
from django.conf import settings

from compuerta.adapters.payments.http import Steps, converse
from compuerta.adapters.payments.wechat_identity import WechatIdentity
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import walls, wiring
from compuerta.apps.desk import tried
from compuerta.domain.payment import Attempt
from compuerta.services.payment_ports import PaymentProvider, Presentation

STORES_IDLE_MAX = 8  # connections kept for the next change; more at once are opened and shut again
PROVIDER_TIMEOUT_S = 5.0  # nobody looks at a page without a word for longer

Result = TypeVar("Result")


class Talk(Protocol):
    """How a conversation with a provider is driven to its result."""

    def __call__(self, name: str, steps: Steps[Result]) -> Result: ...


_idle: LifoQueue[PostgresStore] = LifoQueue(maxsize=STORES_IDLE_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The providers that a resident's page can order from, by name, and how to talk to each."""

    providers: Mapping[str, PaymentProvider]
    talk: Talk
    identities: Mapping[str, WechatIdentity] = field(default_factory=dict)  # who tell who pays


def over_http(base_urls: Mapping[str, str]) -> Talk:
    """Return how to talk to providers at these addresses, a connection per conversation."""

    async def conversation(name: str, steps: Steps[Result]) -> Result:
        async with httpx.AsyncClient() as client:
            return await converse(
                steps, client=client, base_url=base_urls[name], timeout_s=PROVIDER_TIMEOUT_S
            )

    def talk(name: str, steps: Steps[Result]) -> Result:
        return asyncio.run(conversation(name, steps))  # views run in threads of their own, without a loop

    return talk


class _Outer:
    """The one owner of what the program attached."""

    outside = Outside(providers={}, talk=over_http({}))


def attach(outside: Outside) -> None:
    """Give the console its payment providers; without them a resident's page sends to the till."""
    _Outer.outside = outside


def providers() -> Mapping[str, PaymentProvider]:
    """Return the providers that residents can pay by."""
    return _Outer.outside.providers


def present(provider: PaymentProvider, attempt: Attempt) -> Presentation:
    """Place an order and return what its payer is shown; raises `Unreachable` or `Refused`."""
    steps = provider.create(attempt, now=wiring.now(), chance=wiring.chance)
    return _Outer.outside.talk(provider.name, steps)


def identity(provider: str) -> WechatIdentity | None:
    """Return who tells who pays by a provider; None where nobody does."""
    return _Outer.outside.identities.get(provider)


def identify(provider: str, code: str) -> str:
    """Return who somebody is to a provider; raises `Unreachable` or `Refused`."""
    return _Outer.outside.talk(provider, _Outer.outside.identities[provider].identify(code))


@contextmanager
def store() -> Iterator[PostgresStore]:
    """Lend a store, with its connection, to one thread at a time."""
    try:
        lent = _idle.get_nowait()
    except Empty:
        lent = PostgresStore(settings.DATABASE_URL)
    try:
        with lent.within(walls.for_acting()):
            yield lent
    except BaseException:
        lent.shut()
        raise
    try:
        _idle.put_nowait(lent)
    except Full:
        lent.shut()


def run(use_case: Callable[[PostgresStore], Result]) -> Result:
    """Run a use case on a store of the console's."""
    with store() as lent:
        return tried(lent, use_case)
