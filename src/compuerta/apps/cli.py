"""The command line: `compuerta --help`."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compuerta import __version__
from compuerta.apps import (
    acrel_cli,
    advise_cli,
    asof_cli,
    broker_cli,
    bus_cli,
    channels_cli,
    clearing_cli,
    coap_cli,
    config,
    export_cli,
    head_end_cli,
    invoice_cli,
    modbus_cli,
    nbiot_cli,
    outpost_cli,
    places_cli,
    providers_cli,
    report_cli,
    tariff_cli,
    verify_cli,
)
from compuerta.apps.captures import octets_of
from compuerta.apps.console_setup import set_up_django
from compuerta.domain.access import Right, Role
from compuerta.domain.errors import Broken, CompuertaError, Refused

app = typer.Typer(
    help="Prepaid electricity, from the payment to the relay.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
decoders = typer.Typer(help="Tell what bytes from a wire contain.", no_args_is_help=True)
app.add_typer(decoders, name="decode")
decoders.command("acrel")(acrel_cli.decode)
decoders.command("coap")(coap_cli.decode)
decoders.command("modbus")(modbus_cli.decode)
app.add_typer(places_cli.organisation, name="organisation")
app.add_typer(places_cli.site, name="site")
app.add_typer(places_cli.places, name="places")
app.add_typer(tariff_cli.commands, name="tariff")
app.add_typer(channels_cli.commands, name="channels")
app.add_typer(broker_cli.commands, name="broker")
app.add_typer(providers_cli.commands, name="providers")
app.add_typer(export_cli.commands, name="export")
export_cli.commands.command("camt053")(clearing_cli.camt053)
export_cli.commands.command("ubl")(invoice_cli.ubl)
export_cli.commands.command("seller")(invoice_cli.seller)
app.add_typer(report_cli.commands, name="report")
app.add_typer(bus_cli.commands, name="bus")
app.add_typer(outpost_cli.commands, name="outpost")
app.add_typer(nbiot_cli.commands, name="nbiot")
app.add_typer(head_end_cli.intervals, name="intervals")
app.add_typer(head_end_cli.registers, name="registers")
app.command("advise")(advise_cli.advised)
app.command("asof")(asof_cli.asof)
app.command("verify")(verify_cli.verify)

BIGINT_MAX = 2**63 - 1


def main() -> None:
    """Run the command line; what we refuse is told in one line, with exit code 1."""
    _log_to_stderr()
    try:
        app(prog_name="compuerta")
    except Broken as error:
        _complain(error, str(error))
    except CompuertaError as error:
        _complain(error, " ".join(str(error).split()))
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date; starts the embedded server if it does not run."""
    from compuerta.apps import wiring

    given = config.settings()
    set_up_django(given, url=given.database_url or wiring.embedded(given).start())
    from django.core.management import call_command

    with _database_errors():
        call_command("migrate", interactive=False, verbosity=1)


@app.command()
def up() -> None:
    """Run everything on this machine: database, migrations, door, gateway and worker."""
    from compuerta.apps.up import run

    run(config.settings())


@app.command()
def door() -> None:
    """Run the door: payment notices, the machines' API and the console."""
    import uvicorn

    from compuerta.apps.api.heads import BoundedHeads
    from compuerta.apps.door import app_for

    given = config.settings()
    uvicorn.run(
        app_for(given),
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http=BoundedHeads,
    )


@app.command()
def gateway() -> None:
    """Run a gateway: the roads to the meters."""
    from compuerta.apps.gateway import Gateway

    _run_until_ended(Gateway(config.settings()).run())


@outpost_cli.commands.command("run")
def outpost_run(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="with its outpost.json")],
) -> None:
    """Run an outpost: its lines are the platform's while that is there, and its own while it is not."""
    from compuerta.apps.outpost import outpost_in

    _run_until_ended(outpost_in(directory, models=config.settings().models).run())


@app.command()
def ingest() -> None:
    """Run an ingest: takes what meters push by MQTT."""
    from compuerta.apps.ingest import Ingest

    _run_until_ended(Ingest(config.settings()).run())


@app.command()
def worker() -> None:
    """Run a worker: asks payment providers, ends what is over."""
    from compuerta.apps.worker import Worker

    _run_until_ended(Worker(config.settings()).run())


@app.command()
def status() -> None:
    """Show which processes live, which roads are reached, and what is open."""
    from compuerta.apps.status import report

    report(Console(), config.settings())


@app.command()
def person(
    name: str,
    organisation: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the organisation")],
    language: Literal["en", "es", "zh-hans"] = "es",
    role: Annotated[list[Role] | None, typer.Option(help="repeatable; owner without it")] = None,
) -> None:
    """Add somebody who may sign in to the console; the password is asked for, or in COMPUERTA_PASSWORD."""
    from compuerta.apps.wiring import database_url

    password = os.environ.get("COMPUERTA_PASSWORD") or typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    given = config.settings()
    set_up_django(given, url=database_url(given))
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError
    from django.db import DataError, IntegrityError

    from compuerta.apps.console.people import add_person

    try:
        validate_password(password)
        with _database_errors():
            add_person(
                name,
                password=password,
                organisation_id=organisation,
                language=language,
                roles=[each.value for each in role or (Role.OWNER,)],
            )
    except ValidationError as error:
        raise PersonRefused(name, " ".join(error.messages)) from error
    except (IntegrityError, DataError, ValueError) as error:
        reason = f"the name is taken or unusable, or there is no organisation {organisation}"
        raise PersonRefused(name, reason) from error


@app.command()
def key(
    name: str,
    organisation: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the organisation")],
    right: Annotated[list[Right] | None, typer.Option(help="repeatable; none: it only reads")] = None,
    site: Annotated[int | None, typer.Option(min=1, max=BIGINT_MAX, help="only there")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="until it expires")] = None,
    sell: Annotated[bool, typer.Option(help="the same as --right sell")] = False,
) -> None:
    """Make an API key for a machine; it is shown once."""
    from compuerta.apps.api.keys import make_key
    from compuerta.apps.wiring import database_url, now
    from compuerta.services.granting import NEVER_FOR_KEYS, RightNotForKeys

    rights = {*(right or ()), *([Right.SELL] if sell else ())}
    if rights & NEVER_FOR_KEYS:
        raise RightNotForKeys(rights & NEVER_FOR_KEYS)
    made = make_key(
        database_url(config.settings()),
        name=name,
        organisation_id=organisation,
        scopes=sorted(each.value for each in rights),
        site_id=site,
        expires_at=None if days is None else now() + timedelta(days=days),
    )
    typer.echo(made)


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="run the story once, without the console, and end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the story's facts as JSON")] = False,
    story: Annotated[str, typer.Option(help="which story: loop, supply, payments or month")] = "loop",
) -> None:
    """Run a small town on this machine: a balance falls, the relay opens, a payment closes it; or more."""
    from compuerta.apps.demo import run

    sys.exit(run(story=story, once=once, as_json=as_json))


@app.command()
def sim(
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="the first seed")] = 1,
    trace: Annotated[bool, typer.Option(help="one line per event")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="processes at once")] = os.cpu_count() or 1,
) -> None:
    """Run the whole world on a virtual clock with faults; exits 1 at the first broken promise."""
    from compuerta.sim import runner

    sys.exit(runner.run_many(seeds=seeds, first=seed, jobs=1 if trace else jobs, trace=trace))


@decoders.command("dlt645")
def decode_dlt645(
    text: Annotated[str, typer.Argument(metavar="HEX", help="bytes in hexadecimal; spaces do not matter")],
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False,
) -> None:
    """Tell what DL/T 645-2007 frames some bytes contain; what is no frame gives nothing."""
    from compuerta.wire.dlt645.decode import explain

    found = explain(octets_of(text))
    if as_json:
        rows = [
            {
                "address": each.address,
                "control": each.control,
                "data_hex": each.data_hex,
                "meaning": each.meaning,
            }
            for each in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("address", "control", "data", "meaning")
    for each in found:
        table.add_row(each.address, f"{each.control:02X}", each.data_hex, Text(each.meaning))
    Console().print(table if found else "no frame")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


class PersonRefused(Refused):
    """Somebody who cannot be added to the console."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r} cannot be added: {reason}")
        self.name = name


def _complain(error: CompuertaError, text: str) -> NoReturn:
    complaint = Text.assemble((type(error).__name__, "bold red"), f": {text}")
    Console(stderr=True).print(complaint, soft_wrap=True)
    sys.exit(1)


@contextmanager
def _database_errors() -> Iterator[None]:
    """Turn what Django says of a database into the same words as the rest of the house."""
    from django.db import InterfaceError, OperationalError, ProgrammingError

    from compuerta.adapters.postgres.store import DatabaseAway, SchemaMissing

    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise DatabaseAway(str(error)) from error
    except ProgrammingError as error:
        if "does not exist" not in str(error):
            raise
        raise SchemaMissing from error


def _run_until_ended(work: Coroutine[None, None, None]) -> None:
    import signal

    async def run() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        failures: list[BaseException] = []

        def fail(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError):
                # The system is short of something for now, such as room for one more connection.
                structlog.get_logger().warning("role.system.refused", error=str(error))
                return
            # A callback that failed leaves something that hangs in silence; ended, we are started again.
            failures.append(error if isinstance(error, BaseException) else Broken(str(context["message"])))
            task.cancel()

        loop.set_exception_handler(fail)
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await work
        except asyncio.CancelledError:
            if failures:
                raise failures[0] from None
        except BaseExceptionGroup as group:
            refused = group.subgroup(CompuertaError)
            raise (refused or group).exceptions[0] from None

    asyncio.run(run())


def _log_to_stderr() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    main()
