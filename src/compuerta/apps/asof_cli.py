"""`compuerta asof`: what we believed of an account at an instant, and what we know of it now."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from compuerta.apps import config

BIGINT_MAX = 2**63 - 1


def asof(
    account: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the account")],
    at: Annotated[str, typer.Option(help="2026-05-03T10:00 by the site's clock, or with +08:00")],
    as_json: Annotated[bool, typer.Option("--json", help="print facts for machines")] = False,
) -> None:
    """Tell what we believed of an account at an instant, and what we know of that instant now."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import statement_facts, wiring
    from compuerta.domain.contact import Language
    from compuerta.services.asof import as_of, instant_at
    from compuerta.services.asof_sheet import asof_sheet

    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        found = as_of(store, account, at=instant_at(store, account, at), now=wiring.now())
    finally:
        store.shut()
    if as_json:
        typer.echo(json.dumps(statement_facts.asof_facts(found), ensure_ascii=False, indent=2))
        return
    sheet, console = asof_sheet(found, language=Language.ENGLISH), Console()
    console.print(sheet.subtitle, sheet.title, *sheet.notes, sep="\n")
    for each in sheet.tables:
        table = Table(*(Column(column.label, overflow="fold") for column in each.columns), title=each.title)
        for row in each.rows:
            table.add_row(*(cell.text for cell in row))
        console.print(table)
