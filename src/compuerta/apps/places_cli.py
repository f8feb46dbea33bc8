"""`compuerta organisation`, `compuerta site`, `compuerta places`: what a house begins with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from compuerta.apps import config
from compuerta.apps.place_table import COLUMNS, MORE_COLUMNS

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore

BIGINT_MAX = 2**63 - 1
organisation = typer.Typer(help="Organisations: whoever owns sites.", no_args_is_help=True)
site = typer.Typer(help="Sites: buildings and compounds of an organisation.", no_args_is_help=True)
places = typer.Typer(help="Supply points with their meters and house accounts.", no_args_is_help=True)
_HELP = f"CSV: {','.join(COLUMNS)}; may be left out: {','.join(MORE_COLUMNS)}"

Number = Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the organisation")]


@organisation.command("add")
def add_organisation(
    name: str,
    trial: Annotated[bool, typer.Option("--trial", help="paid with play money, for good")] = False,
) -> None:
    """Add an organisation; its number is told."""
    from compuerta.services import founding

    with _store() as store:
        typer.echo(str(founding.found_organisation(store, name, live=not trial)))


@site.command("add")
def add_site(
    name: str,
    organisation: Number,
    zone: Annotated[str, typer.Option(help="IANA name, such as Asia/Shanghai")],
    currency: Annotated[str, typer.Option(help="such as CNY")],
    till: Annotated[str | None, typer.Option(help="name of a new till that takes cash here")] = None,
) -> None:
    """Add a site; its number is told."""
    from compuerta.apps import wiring
    from compuerta.services import founding

    wish = founding.SiteWish(
        organisation_id=organisation,
        name=name,
        zone=zone,
        currency=currency,
        till=till,
        suspense_token=uuid4(),
    )
    with _store() as store:
        typer.echo(str(founding.found_site(store, wish, now=wiring.now())))


@places.command("import")
def import_places(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=_HELP)],
    organisation: Number,
    site: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the site")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
) -> None:
    """Bring in the supply points of a file, all or none; every fault is told with its row and field."""
    from compuerta.apps import place_table, wiring
    from compuerta.services import founding
    from compuerta.services.acting import Actor

    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = place_table.rows_of(lines)
    wish = founding.PlacesWish(founding_id=uuid4(), organisation_id=organisation, site_id=site, rows=rows)
    actor = Actor(who="operator", why=f"brought in from {file.name}", origin="command line")
    found = founding.rehearse_places if dry_run else founding.found_places
    models = wiring.models(config.settings())
    with _store() as store:
        founded = found(store, wish, models=models, actor=actor, now=wiring.now())
    would = "would be brought in" if dry_run else "brought in"
    typer.echo(f"{founded.places} places {would}, {founded.endpoints} new road ends")


@contextmanager
def _store() -> "Iterator[PostgresStore]":
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        yield store
    finally:
        store.shut()
