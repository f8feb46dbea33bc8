"""`compuerta tariff`: look at tariffs, check a file, and begin a draft from one."""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Column, Table

from compuerta.apps import config

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.domain.tariff.components import Tariff

BIGINT_MAX = 2**63 - 1
JSON_BYTES_MAX = 1_000_000  # a rate has ten thousand

commands = typer.Typer(help="Look at tariffs, check a file, begin a draft from one.", no_args_is_help=True)

TariffFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="YAML, or JSON")]
Urdb = Annotated[bool, typer.Option("--urdb", help="the file is a rate of the OpenEI database, in JSON")]
Currency = Annotated[str, typer.Option(help="of an OpenEI rate, which does not say it")]

_LINES = """
select t.tariff_id, t.name, t.currency, v.version_no, v.state, v.effective_from, v.drafted_by, v.proposed_by,
    v.decided_by
from tariff t join tariff_version v using (tariff_id)
order by t.organisation_id, t.name, t.tariff_id, v.version_no
"""


@commands.command("list")
def list_tariffs() -> None:
    """List all tariffs with their versions."""
    table = Table("tariff", "name", "currency", "version", "state", "from", "drafted, proposed, decided by")
    with _store() as store:
        for row in store.query(_LINES, {}):
            people = [row[name] or "-" for name in ("drafted_by", "proposed_by", "decided_by")]
            table.add_row(
                str(row["tariff_id"]), row["name"], row["currency"], str(row["version_no"]), row["state"],
                f"{row['effective_from']:%Y-%m-%d %H:%M}", ", ".join(people),
            )  # fmt: skip
    Console().print(table)


@commands.command()
def show(
    tariff: Annotated[int, typer.Argument(min=1, max=BIGINT_MAX, help="number of the tariff")],
    version: Annotated[int, typer.Argument(min=1, max=BIGINT_MAX, help="number of the version")],
) -> None:
    """Show what a version says, and how far the meters are with it."""
    import yaml

    from compuerta.apps import wiring
    from compuerta.domain.tariff.document import mapping_of
    from compuerta.services import rollout, tariffing

    with _store() as store:
        kept = tariffing.version(store, (tariff, version))
        models = wiring.models(config.settings())
        stands = rollout.rollout(store, (tariff, version), models=models, now=wiring.now())
    console = Console()
    console.print(f"{kept.state.value}, from {kept.version.effective_from:%Y-%m-%d %H:%M} at each site\n")
    typer.echo(yaml.safe_dump(mapping_of(kept.version.tariff), allow_unicode=True, sort_keys=False))
    table = Table(
        "meters",
        "number",
        Column("which, and why", overflow="fold"),
        title="Meters that deduct by themselves",
    )
    for stand in rollout.Stand:
        meters = stands.at(stand)
        told = [": ".join([each.meter_no, *each.reasons]) for each in meters]
        table.add_row(stand.value, str(len(meters)), "\n".join(told))
    console.print(table)
    console.print(f"The platform deducts for {stands.by_platform} accounts.")


@commands.command()
def send(
    tariff: Annotated[int, typer.Argument(min=1, max=BIGINT_MAX, help="number of the tariff")],
    version: Annotated[int, typer.Argument(min=1, max=BIGINT_MAX, help="number of the version")],
    why: Annotated[str, typer.Option(help="for whoever looks at it later")],
) -> None:
    """Send an approved version to the meters that lack it: new ones, and those that refused it."""
    from compuerta.apps import wiring
    from compuerta.services import rollout, tariffing
    from compuerta.services.acting import Actor

    actor = Actor(who=getpass.getuser(), why=why, origin="command line")
    with _store() as store:
        tariffing.version(store, (tariff, version))  # a mistyped number is refused, and not "0 meters"
        count = rollout.send_again(
            store,
            (tariff, version),
            actor=actor,
            act_id=uuid4(),
            models=wiring.models(config.settings()),
            now=wiring.now(),
        )
    Console().print(f"{count} meters are told")


@commands.command()
def check(file: TariffFile, urdb: Urdb = False, currency: Currency = "USD") -> None:
    """Check a tariff's file, and tell which meter models could deduct by it themselves."""
    from compuerta.apps import wiring
    from compuerta.domain.tariff.fitting import Loading, Unfit, fit

    tariff = _read(file, urdb=urdb, currency=currency)
    table = Table("model", "deducts by itself", Column("why not", overflow="fold"))
    loading = Loading(at=datetime(2000, 1, 1))  # noqa: DTZ001 the first of a year: every window begins
    for name, model in sorted(wiring.models(config.settings()).items()):
        if model.tariff is None or model.tariff.prices is None:
            table.add_row(name, "no", "it holds no money" if model.recharge is None else "it takes no tables")
            continue
        fitted = fit(tariff, profile=model.tariff, loading=loading)
        misfits = fitted.misfits if isinstance(fitted, Unfit) else ()
        reasons = "\n".join(f"{each.place}: {each.reason}" for each in misfits)
        table.add_row(name, "no" if misfits else "yes", reasons)
    console = Console()
    console.print(f"{tariff.name}: no faults")
    console.print(table)


@commands.command("import")
def import_file(
    file: TariffFile,
    organisation: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the organisation")],
    effective: Annotated[datetime, typer.Option("--from", help="from when, by the wall clock of each site")],
    urdb: Urdb = False,
    currency: Currency = "USD",
) -> None:
    """Begin a tariff with a draft made of a file; it bills nobody until two people have approved it."""
    from compuerta.apps import wiring
    from compuerta.services import tariffing
    from compuerta.services.acting import Actor

    tariff = _read(file, urdb=urdb, currency=currency)
    actor = Actor(who=getpass.getuser(), why=f"from {file.name}", origin="command line")
    with _store() as store:
        tariff_id, version_no = tariffing.begin(
            store,
            tariff,
            organisation_id=organisation,
            effective_from=effective.replace(tzinfo=None),
            actor=actor,
            now=wiring.now(),
        )
    Console().print(f"{tariff.name} is tariff {tariff_id}; version {version_no} is a draft")


@commands.command()
def library() -> None:
    """List the ready tariffs."""
    from compuerta.adapters.tariffs import LIBRARY, load_tariffs

    table = Table(Column("file", overflow="fold"), "name", "currency", "components")
    for name, tariff in load_tariffs(LIBRARY).items():
        components = ", ".join(each.name for each in tariff.components)
        table.add_row(f"{name}.yaml", tariff.name, tariff.currency, components)
    Console().print(table)
    typer.echo(f"in {LIBRARY}")


def _read(file: Path, *, urdb: bool, currency: str) -> "Tariff":
    from compuerta.adapters.tariffs import load_tariff
    from compuerta.domain.tariff.checking import refuse_faults
    from compuerta.domain.tariff.urdb import tariff_from_urdb

    if not urdb:
        return load_tariff(file)
    tariff = tariff_from_urdb(_rate_of(file), currency=currency)
    refuse_faults(tariff)
    return tariff


def _rate_of(file: Path) -> dict[str, object]:
    """Return the rate in a file: by itself, or as the only item of the service's answer."""
    from compuerta.adapters.yaml_files import FileRefused

    if file.stat().st_size > JSON_BYTES_MAX:
        raise FileRefused(path=file, line=1, field="", reason=f"larger than {JSON_BYTES_MAX} bytes")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise FileRefused(path=file, line=error.lineno, field="", reason=error.msg) from error
    except (ValueError, RecursionError) as error:
        raise FileRefused(path=file, line=1, field="", reason="is not JSON in UTF-8") from error
    items = found.get("items") if isinstance(found, dict) else None
    rate = items[0] if isinstance(items, list) and len(items) == 1 else found
    if not isinstance(rate, dict):
        raise FileRefused(path=file, line=1, field="", reason="is not one rate")
    return rate


@contextmanager
def _store() -> Iterator["PostgresStore"]:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        yield store
    finally:
        store.shut()
