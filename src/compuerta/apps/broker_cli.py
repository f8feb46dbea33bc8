"""The command line for the broker of 4G meters: what mosquitto needs, written and renewed."""

import contextlib
import getpass
import os
import shutil
import signal
from pathlib import Path
from typing import Annotated

import typer

from compuerta.apps import broker_files, config, wiring
from compuerta.domain.party import Bearer
from compuerta.services import revoking
from compuerta.services.acting import Actor

commands = typer.Typer(help="The MQTT broker that 4G meters come to.", no_args_is_help=True)


@commands.command("config")
def write_config(
    directory: Annotated[Path, typer.Argument(file_okay=False, help="where mosquitto reads it")],
    name: Annotated[str, typer.Option(help="what devices call the broker")] = "localhost",
    host: Annotated[str, typer.Option(help="the address it listens at")] = "0.0.0.0",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="its port")] = 8883,
    user: Annotated[str, typer.Option(help="the machine's user that runs it (default: you)")] = "",
) -> None:
    """Write configuration, words, rights and a certificate for all devices that are entered.

    Again, it takes over who was entered or whose key was taken back, and tells a running broker.
    """
    from compuerta.adapters.postgres.store import PostgresStore

    given = config.settings()
    secret = given.secret("roads")
    store = PostgresStore(wiring.database_url(given))
    try:
        with store.transaction() as tx:
            ends = tx.endpoints()
    finally:
        store.shut()
    words = broker_files.words_of(ends, secret=secret)
    place = broker_files.Place(host=host, port=port, name=name, user=user or getpass.getuser())
    changed = broker_files.write(directory, words, place=place, now=wiring.now())
    if user:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, user)
    told = changed and _tell(directory)
    typer.echo(f"devices: {len(words) - 1}")
    typer.echo(f"run: mosquitto -c {directory.resolve() / broker_files.CONFIGURATION}")
    ca = directory.resolve() / broker_files.CA
    typer.echo(f"COMPUERTA_MQTT_URL=mqtts://{name}:{port}?ca={ca}")
    if told:
        typer.echo("the running broker was told")


@commands.command()
def word(device: Annotated[str, typer.Argument(help="its name, or platform")]) -> None:
    """Tell the word that a device, or the platform, shows to the broker: to be written into the device."""
    from compuerta.adapters.postgres.store import PostgresStore

    given = config.settings()
    store = PostgresStore(wiring.database_url(given))
    try:
        with store.transaction() as tx:
            words = broker_files.words_of(tx.endpoints(), secret=given.secret("roads"))
    finally:
        store.shut()
    if device not in words:
        raise broker_files.DeviceUnknown(device)
    typer.echo(words[device])


@commands.command("new-word")
def new_word(
    device: Annotated[str, typer.Argument(help="its name")],
    who: Annotated[str, typer.Option(help="who wants it")],
    why: Annotated[str, typer.Option(help="for the audit")],
) -> None:
    """Take a device's word away, and tell the next one; `broker config` then tells the broker."""
    from compuerta.adapters.postgres.store import PostgresStore

    given = config.settings()
    store = PostgresStore(wiring.database_url(given))
    try:
        actor = Actor(who=who, why=why, origin="command line")
        end = revoking.revoke(store, Bearer.MQTT, device, actor, now=wiring.now())
    finally:
        store.shut()
    typer.echo(broker_files.words_of([end], secret=given.secret("roads"))[device])


def _tell(directory: Path) -> bool:
    """Let a broker that runs by these files read them again."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        os.kill(int((directory / broker_files.PID).read_text(encoding="ascii")), signal.SIGHUP)
        return True
    return False
