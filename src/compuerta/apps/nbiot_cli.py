"""The command line for NB-IoT meters: what is written into a device so that it is let in."""

from typing import Annotated

import typer

from compuerta.apps import config, wiring
from compuerta.domain.errors import Refused
from compuerta.domain.party import Bearer
from compuerta.services import road_keys

commands = typer.Typer(help="Meters on NB-IoT.", no_args_is_help=True)


class DeviceUnknown(Refused):
    """No end of CoAP is entered under this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no NB-IoT device {name!r} is entered")
        self.name = name


@commands.callback()
def of_nbiot() -> None:
    """Keep `key` a command of a group: a group of one would be taken for it."""


@commands.command()
def key(name: Annotated[str, typer.Argument(help="the device's LwM2M name")]) -> None:
    """Tell a device's identity and key for DTLS, to be written into it."""
    from compuerta.adapters.postgres.store import PostgresStore

    given = config.settings()
    store = PostgresStore(wiring.database_url(given))
    try:
        with store.transaction() as tx:
            ends = {end.address: end for end in tx.endpoints() if end.bearer is Bearer.COAP}
    finally:
        store.shut()
    if name not in ends:
        raise DeviceUnknown(name)
    typer.echo(f"identity: {name}")
    typer.echo(f"key: {road_keys.key_of(ends[name], secret=given.secret('roads')).hex()}")
