"""`compuerta export camt053`: a provider's account as banks tell of theirs."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from compuerta.apps import export_cli
from compuerta.domain.errors import Refused
from compuerta.services import statement_months

Day = Annotated[str | None, typer.Option(help="YYYY-MM-DD, by the clock of the account's site")]
Month = Annotated[str | None, typer.Option(help="YYYY-MM, in place of a day")]


class DaysUnclear(Refused):
    """Neither a day nor a month, or both, or something else."""

    def __init__(self) -> None:
        super().__init__("name one day by --day YYYY-MM-DD, or one month by --month YYYY-MM")


def camt053(
    provider: Annotated[str, typer.Option(help="name of the provider account, or of the till")],
    day: Day = None,
    month: Month = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="else to the screen")] = None,
) -> None:
    """Write what a provider, or a till, held for us in a day or month, as camt.053.001.08."""
    from compuerta.apps import wiring
    from compuerta.services import clearing

    first_day, last_day = days_of(day, month)
    with export_cli.the_store() as store:
        told = clearing.camt053(store, provider, first_day=first_day, last_day=last_day, now=wiring.now())
    if out is None:
        typer.echo(told, nl=False)
    else:
        out.write_bytes(told)


def days_of(day: str | None, month: str | None) -> tuple[date, date]:
    """Return the first and the last day that somebody names."""
    try:
        if day is not None and month is None:
            named = date.fromisoformat(day)
            return named, named
    except ValueError:
        raise DaysUnclear from None
    if month is None or day is not None:
        raise DaysUnclear
    wanted = statement_months.parsed(month)
    return wanted.first, wanted.after.first - timedelta(days=1)
