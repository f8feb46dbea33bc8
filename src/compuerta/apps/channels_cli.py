"""The command line for channels: which carriers there are, and whether words come through."""

import asyncio
from typing import Annotated
from uuid import uuid4

import httpx
import typer
from rich.console import Console
from rich.table import Table

from compuerta.apps import config, wiring
from compuerta.apps.channels import CHANNELS_FILE, Account, channels_in, receipts_url_of
from compuerta.apps.config import Settings
from compuerta.domain.address import masked, require_address
from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused
from compuerta.services.notifier_port import Letter, Sent, Verdict

commands = typer.Typer(help="Carriers of words: mail, texts, WeChat, apps, staff.", no_args_is_help=True)


class ChannelUnknown(Refused):
    """There is no carrier of this name in channels.json."""

    def __init__(self, name: str) -> None:
        super().__init__(f"channels.json has no {name!r}; `compuerta channels list` shows them")
        self.name = name


class NotTaken(Refused):
    """A carrier did not take a letter."""

    def __init__(self, name: str, sent: Sent) -> None:
        super().__init__(f"{name} did not take it: {sent.verdict.value}: {sent.detail}")
        self.sent = sent


@commands.command("list")
def list_channels() -> None:
    """List the carriers of channels.json, and where each posts its receipts."""
    given = config.settings()
    table = Table("name", "kind", "channel", "organisation", "receipts")
    for account in asyncio.run(_accounts(given)):
        receipts = receipts_url_of(given, account.name) if account.kind == "aliyun_sms" else ""
        whose = str(account.organisation_id or "all")
        table.add_row(account.name, account.kind, account.channel.value, whose, receipts)
    Console().print(table)


@commands.command()
def check(
    name: Annotated[str, typer.Argument(help="of the carrier, in channels.json")],
    address: Annotated[str, typer.Argument(help="where the test goes: your own")],
    template: Annotated[str, typer.Option(help="which approved template texts and WeChat use")] = "warning",
    language: Annotated[Language, typer.Option(help="its language")] = Language.CHINESE,
) -> None:
    """Send one test to an address of yours, and say what the carrier answered."""
    sent = asyncio.run(_check(config.settings(), name, address, template=template, language=language))
    if sent.verdict is not Verdict.ACCEPTED:
        raise NotTaken(name, sent)
    typer.echo(f"{name} took it for {masked(address)}: {sent.provider_id or sent.detail}")


async def _accounts(given: Settings) -> list[Account]:
    async with httpx.AsyncClient() as client:
        return list(channels_in(given.data_dir / CHANNELS_FILE, client=client).accounts.values())


async def _check(given: Settings, name: str, address: str, *, template: str, language: Language) -> Sent:
    async with httpx.AsyncClient() as client:
        account = channels_in(given.data_dir / CHANNELS_FILE, client=client).accounts.get(name)
        if account is None:
            raise ChannelUnknown(name)
        letter = Letter(
            message_id=uuid4(),
            address=require_address(account.channel, address),
            language=language.value,
            template=template,
            fields={"place": "302", "balance": "19.99", "zero_at": "21:00", "pay_link": given.public_url},
            subject="Compuerta",
            body="Compuerta: a test. Una prueba. 测试。",
        )
        return await account.carrier.send(letter, now=wiring.now(), chance=wiring.chance)
