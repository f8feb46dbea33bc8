"""The command line for NB-IoT meters: what is written into a device so that it is let in."""

from typing import Annotated

import typer

from compuerta.apps import config, wiring
from compuerta.domain.party import Bearer
from compuerta.services import revoking, road_keys
from compuerta.services.acting import Actor
from compuerta.services.records import Endpoint

commands = typer.Typer(help="Meters on NB-IoT.", no_args_is_help=True)


Name = Annotated[str, typer.Argument(help="the device's LwM2M name")]


@commands.command()
def key(name: Name) -> None:
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
        raise revoking.EndUnknown(Bearer.COAP, name)
    _tell(ends[name], secret=given.secret("roads"))


@commands.command("new-key")
def new_key(
    name: Name,
    who: Annotated[str, typer.Option(help="who wants it")],
    why: Annotated[str, typer.Option(help="for the audit")],
) -> None:
    """Take a device's key away, and tell the next one."""
    from compuerta.adapters.postgres.store import PostgresStore

    given = config.settings()
    store = PostgresStore(wiring.database_url(given))
    try:
        actor = Actor(who=who, why=why, origin="command line")
        end = revoking.revoke(store, Bearer.COAP, name, actor, now=wiring.now())
    finally:
        store.shut()
    _tell(end, secret=given.secret("roads"))


def _tell(end: Endpoint, *, secret: bytes) -> None:
    typer.echo(f"identity: {end.address}")
    typer.echo(f"key: {road_keys.key_of(end, secret=secret).hex()}")
