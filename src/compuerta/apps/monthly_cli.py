"""`compuerta report monthly`: an owner's statement of a month, as a file."""

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from compuerta.apps import config
from compuerta.domain.contact import Language

BIGINT_MAX = 2**63 - 1


class Form(Enum):
    """What a statement is written as."""

    PDF = "pdf"
    XLSX = "xlsx"
    JSON = "json"


def monthly(
    month: Annotated[str, typer.Option(help="such as 2026-05, by the site's calendar")],
    site: Annotated[int | None, typer.Option(min=1, max=BIGINT_MAX, help="number of the site")] = None,
    organisation: Annotated[
        int | None, typer.Option(min=1, max=BIGINT_MAX, help="or of the organisation, with all its sites")
    ] = None,
    form: Annotated[Form, typer.Option("--format")] = Form.PDF,
    language: Annotated[Language, typer.Option()] = Language.ENGLISH,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="file; else it goes to the output")] = None,
) -> None:
    """Write the owner's statement of a month: what came in, what was used, what is owed."""
    from compuerta.adapters.paper import sheet_press, spreadsheet
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import statement_facts, wiring
    from compuerta.services import owner_statements, statement_months
    from compuerta.services.owner_sheet import owner_sheet

    if (site is None) == (organisation is None):
        raise typer.BadParameter("name a --site, or an --organisation")
    wanted, now = statement_months.parsed(month), wiring.now()
    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        if site is not None:
            stated = owner_statements.site_statement(store, site, month=wanted, now=now)
        else:
            assert organisation is not None, "one of the two is named"
            stated = owner_statements.organisation_statement(store, organisation, month=wanted, now=now)
    finally:
        store.shut()
    sheet = owner_sheet(stated, language=language)
    match form:
        case Form.PDF:
            written = sheet_press.pdf(sheet)
        case Form.XLSX:
            written = spreadsheet.xlsx(sheet)
        case Form.JSON:
            facts = statement_facts.owner_facts(stated)
            written = json.dumps(facts, ensure_ascii=False, indent=2).encode()
    if out is None:
        sys.stdout.buffer.write(written)
    else:
        out.write_bytes(written)
