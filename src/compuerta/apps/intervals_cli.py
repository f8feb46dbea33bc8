"""`compuerta intervals`: bring in what a head-end has measured, day by day."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compuerta.apps import config
from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.store_port import LoadDay

DAYS_PER_BATCH = 1_000
YEARS = range(2000, 2200)
_COLUMNS = ["meter_no", "starts_at", "minutes", "wh"]

commands = typer.Typer(help="Bring in what meters have measured by intervals.", no_args_is_help=True)

DaysFile = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV: meter_no,starts_at,minutes,wh"),
]


class LineMalformed(Refused):
    """A line that tells of no day."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}; of the lines before it, whole thousands were taken")
        self.line = line
        self.reason = reason


@commands.command("import")
def import_days(file: DaysFile) -> None:
    """Take the days of a file; what was taken before is not taken again."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring
    from compuerta.services import profiling

    store = PostgresStore(wiring.database_url(config.settings()))
    outcomes: Counter[str] = Counter()
    try:
        for days in _batches(file, _meter_ids(store)):
            outcomes.update(each.value for each in profiling.take_load_days(store, days, now=wiring.now()))
    finally:
        store.shut()
    for outcome, times in sorted(outcomes.items()):
        typer.echo(f"{outcome}: {times}")


def _meter_ids(store: "PostgresStore") -> dict[str, int]:
    rows = store.query("select meter_no, meter_id from meter", {})
    return {row["meter_no"]: row["meter_id"] for row in rows}


def _batches(file: Path, meter_ids: dict[str, int]) -> Iterator[list["LoadDay"]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        days = []
        for line, row in _rows(lines):
            days.append(_day(row, line, meter_ids))
            if len(days) == DAYS_PER_BATCH:
                yield days
                days = []
        if days:
            yield days


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines)
    try:
        if reader.fieldnames != _COLUMNS:
            raise LineMalformed(1, f"the columns are {','.join(_COLUMNS)}")
        for row in reader:
            yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise LineMalformed(reader.line_num + 1, str(error)) from error


def _day(row: dict[str, str], line: int, meter_ids: dict[str, int]) -> "LoadDay":
    """Read `000000000001,2026-10-01T00:00+08:00,60,10 20 30 ...`."""
    from compuerta.services.store_port import LoadDay

    try:
        starts_at = datetime.fromisoformat(row["starts_at"])
        minutes, wh = int(row["minutes"]), tuple(map(int, row["wh"].split()))
    except (ValueError, TypeError) as error:
        raise LineMalformed(line, str(error)) from error
    if starts_at.tzinfo is None:
        raise LineMalformed(line, "starts_at needs its offset from UTC, such as 2026-10-01T00:00+08:00")
    if starts_at.year not in YEARS:
        raise LineMalformed(line, f"write a year from {YEARS[0]} to {YEARS[-1]}")
    # A number that nobody knows is told with the other outcomes.
    meter_id = meter_ids.get(row["meter_no"], 0)
    return LoadDay(meter_id=meter_id, starts_at=starts_at, minutes=minutes, wh=wh)
