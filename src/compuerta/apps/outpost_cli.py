"""`compuerta outpost`: enter one, give it its files, and take its key away."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compuerta.apps import config
from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from compuerta.apps.outpost_files import LinePlan
    from compuerta.services.outpost_port import Outpost

BIGINT_MAX = 2**63 - 1
commands = typer.Typer(help="Small gateways beside buses, without a database.", no_args_is_help=True)

Line = Annotated[
    list[str],
    typer.Option("--line", help="repeatable: device:baud, such as /dev/ttyUSB0:2400; counted from 1"),
]
Who = Annotated[str, typer.Option(help="who does this")]
Why = Annotated[str, typer.Option(help="why, for whoever looks at it later")]
Platform = Annotated[str, typer.Option(help="host:port by which the outpost reaches this installation")]
Directory = Annotated[Path, typer.Argument(help="of the outpost's files; move it to the outpost by hand")]


class LineMalformed(Refused):
    """A line that is no device with a baud rate."""

    def __init__(self, text: str) -> None:
        super().__init__(f"line {text!r}: write device:baud, such as /dev/ttyUSB0:2400")
        self.text = text


class PlatformMalformed(Refused):
    """An address that is no host with a port."""

    def __init__(self, text: str) -> None:
        super().__init__(f"platform {text!r}: write host:port")
        self.text = text


@commands.command()
def enter(
    name: str,
    directory: Directory,
    organisation: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the organisation")],
    line: Line,
    platform: Platform,
    who: Who,
    why: Why,
    keeps: Annotated[bool, typer.Option("--keeps", help="it opens no relay while it is alone")] = False,
    hours: Annotated[int, typer.Option(help="after so long alone it opens none any more")] = 72,
) -> None:
    """Enter an outpost with its lines, and write its files; the ends of its lines are told."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring
    from compuerta.services import outposts
    from compuerta.services.acting import Actor
    from compuerta.services.outpost_port import Outpost

    given, plans = config.settings(), _lines(line)
    _address(platform)
    outpost = Outpost(outpost_id=name, organisation_id=organisation, cuts=not keeps, mandate_h=hours)
    store = PostgresStore(wiring.database_url(given))
    try:
        ends = outposts.enter(
            store,
            outpost,
            Actor(who=who, why=why, origin="command line"),
            bauds={each.line: each.baud for each in plans},
            now=wiring.now(),
        )
    finally:
        store.shut()
    typer.echo(str(_write(outpost, directory, plans, platform=platform)))
    for end in ends:
        typer.echo(end.endpoint_id)


@commands.command("new-key")
def new_key(name: str, directory: Directory, line: Line, platform: Platform, who: Who, why: Why) -> None:
    """Take an outpost's key away, and write its files anew with the next one."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring
    from compuerta.services import outposts
    from compuerta.services.acting import Actor

    given, plans = config.settings(), _lines(line)
    _address(platform)
    store = PostgresStore(wiring.database_url(given))
    try:
        outpost = outposts.revoke(
            store, name, Actor(who=who, why=why, origin="command line"), now=wiring.now()
        )
    finally:
        store.shut()
    typer.echo(str(_write(outpost, directory, plans, platform=platform)))


def _write(outpost: "Outpost", directory: Path, lines: "tuple[LinePlan, ...]", *, platform: str) -> Path:
    from compuerta.adapters.links import outpost_certificate
    from compuerta.adapters.links.outpost_client import Identity
    from compuerta.apps import wiring
    from compuerta.apps.outpost_files import OutpostPlan, write_plan
    from compuerta.apps.roadheads.outpost import CERTIFICATE_FILE, ROADS_SECRET
    from compuerta.services import road_keys

    given = config.settings()
    pem = given.kept(CERTIFICATE_FILE, make=lambda: outpost_certificate.made(now=wiring.now()))
    host, port = _address(platform)
    key = road_keys.named_key(
        outpost.outpost_id, generation=outpost.key_generation, secret=given.secret(ROADS_SECRET)
    )
    identity = Identity(
        outpost_id=outpost.outpost_id,
        key=key,
        host=host,
        port=port,
        certificate=outpost_certificate.certificate_of(pem.read_bytes()),
    )
    return write_plan(OutpostPlan(directory=directory, identity=identity, lines=lines))


def _lines(texts: list[str]) -> "tuple[LinePlan, ...]":
    from compuerta.apps.outpost_files import LinePlan

    plans = []
    for number, text in enumerate(texts, start=1):
        device, _, baud = text.rpartition(":")
        if not device or not baud.isdecimal():
            raise LineMalformed(text)
        plans.append(LinePlan(line=number, device=device, baud=int(baud)))
    return tuple(plans)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:
        raise PlatformMalformed(text)
    return host, int(port)
