"""The command line for payment providers: which accounts there are, and whether their keys work."""

import asyncio
from collections.abc import Generator
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from compuerta.adapters.payments.http import converse
from compuerta.adapters.payments.mpesa import MpesaPay
from compuerta.apps import wiring
from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import Check, HttpRequest, HttpResponse, NotOffered, PaymentProvider

commands = typer.Typer(help="Accounts at payment providers.", no_args_is_help=True)

ANSWER_S_MAX = 20.0  # somebody waits, and would rather wait than be told nothing


class ProviderUnknown(Refused):
    """There is no account of this name in providers.json."""

    def __init__(self, name: str) -> None:
        super().__init__(f"providers.json has no {name!r}; `compuerta providers list` shows them")
        self.name = name


class CheckFailed(Refused):
    """An account's own test did not pass."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: what failed is said above")
        self.name = name


@commands.command("list")
def list_providers() -> None:
    """List the accounts of providers.json, and what each can do."""
    table = Table("name", "money", "currencies", "ways to pay", "refunds")
    for name, provider in wiring.providers().items():
        found = provider.capabilities
        flows = ", ".join(sorted(flow.value for flow in found.flows))
        money = "live" if found.live else "test"
        table.add_row(
            name, money, ", ".join(sorted(found.currencies)), flows, "yes" if found.refunds else "no"
        )
    Console().print(table)


@commands.command()
def check(name: Annotated[str, typer.Argument(help="of the account, in providers.json")]) -> None:
    """Try an account's keys and addresses; no money moves."""
    provider = _provider(name)
    _tell(name, provider.self_test(now=wiring.now(), chance=wiring.chance))


@commands.command()
def register(name: Annotated[str, typer.Argument(help="of the account, in providers.json")]) -> None:
    """Tell M-Pesa the addresses of a short code; in earnest it takes them once."""
    provider = _provider(name)
    if not isinstance(provider, MpesaPay):
        raise NotOffered(name, "registering: its console has a page for it")
    _tell(name, provider.register(now=wiring.now()))


def _provider(name: str) -> PaymentProvider:
    provider = wiring.providers().get(name)
    if provider is None:
        raise ProviderUnknown(name)
    return provider


def _tell(name: str, steps: Generator[HttpRequest, HttpResponse, list[Check]]) -> None:
    async def talk() -> list[Check]:
        async with httpx.AsyncClient() as client:
            return await converse(
                steps, client=client, base_url=wiring.base_url(name), timeout_s=ANSWER_S_MAX
            )

    checks = asyncio.run(talk())
    for each in checks:
        typer.echo(f"{'ok' if each.ok else 'FAILED'}  {each.name}{': ' if each.detail else ''}{each.detail}")
    if not all(each.ok for each in checks):
        raise CheckFailed(name)
