"""`compuerta intervals` and `compuerta registers`: bring in what a head-end has read of many meters."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compuerta.apps import config
from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.deducting import Registers
    from compuerta.services.records import LoadDay

DAYS_PER_BATCH = 1_000
YEARS = range(2000, 2200)
_KWH = re.compile(r"(?P<whole>[0-9]{1,9})(\.(?P<decimals>[0-9]{1,3}))?", re.ASCII)
_DAY_COLUMNS = ["meter_no", "starts_at", "minutes", "wh"]
REGISTERS_PER_BATCH = 100_000  # memory stays small, and what is taken of a file is told in few steps
_REGISTER_COLUMNS = ["meter_no", "at", "kwh"]

intervals = typer.Typer(help="Bring in what meters have measured by intervals.", no_args_is_help=True)
registers = typer.Typer(help="Bring in what registers of many meters showed.", no_args_is_help=True)

DaysFile = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV: meter_no,starts_at,minutes,wh"),
]


RegistersFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV: meter_no,at,kwh")
]


class LineMalformed(Refused):
    """A line that cannot be read."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}; whole batches of the lines before it were taken")
        self.line = line
        self.reason = reason


@intervals.command("import")
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


@registers.command("import")
def import_registers(file: RegistersFile) -> None:
    """Take the registers of a file: use becomes charges, balances and supply; a register twice is one."""
    from compuerta.adapters.postgres import bulk
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    store = PostgresStore(wiring.database_url(config.settings()))
    totals: Counter[str] = Counter()
    try:
        for batch, strangers in _register_batches(file, _meter_ids(store)):
            taken = bulk.take_registers(store, batch, now=wiring.now())
            totals["meter_unknown"] += strangers
            totals["taken"] += taken.by_columns + taken.one_by_one
    finally:
        store.shut()
    for outcome, times in sorted(totals.items()):
        typer.echo(f"{outcome}: {times}")


def _meter_ids(store: "PostgresStore") -> dict[str, int]:
    rows = store.query("select meter_no, meter_id from meter", {})
    return {row["meter_no"]: row["meter_id"] for row in rows}


def _batches(file: Path, meter_ids: dict[str, int]) -> Iterator[list["LoadDay"]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        days = []
        for line, row in _rows(lines, _DAY_COLUMNS):
            days.append(_day(row, line, meter_ids))
            if len(days) == DAYS_PER_BATCH:
                yield days
                days = []
        if days:
            yield days


def _register_batches(file: Path, meter_ids: dict[str, int]) -> Iterator[tuple["Registers", int]]:
    """Yield registers as columns, with how many lines told of meters that nobody knows."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        known: list[tuple[int, int, int]] = []
        strangers = 0
        for line, row in _rows(lines, _REGISTER_COLUMNS):
            meter_id = meter_ids.get(row["meter_no"])
            at_us, energy_wh = _register(row, line)
            if meter_id is None:
                strangers += 1
            else:
                known.append((meter_id, at_us, energy_wh))
            if len(known) == REGISTERS_PER_BATCH:
                yield _columns(known), strangers
                known, strangers = [], 0
        yield _columns(known), strangers


def _columns(rows: Sequence[tuple[int, int, int]]) -> "Registers":
    import numpy as np

    from compuerta.services.charge_columns import NONE
    from compuerta.services.deducting import Registers

    table = np.array(rows, np.int64).reshape(-1, 3)
    unsaid = np.full(len(rows), NONE, np.int64)
    return Registers(
        meter_id=table[:, 0].copy(),
        at_us=table[:, 1].copy(),
        energy_wh=table[:, 2].copy(),
        relay=unsaid,
        power_w=unsaid,
    )


def _register(row: dict[str, str], line: int) -> tuple[int, int]:
    """Read `000000000001,2026-10-01T00:00+08:00,1234.56`: the instant, and whole Wh."""
    from compuerta.domain.tariff.civil import to_us

    at = _instant(row["at"], line)
    found = _KWH.fullmatch(row["kwh"] or "")
    if found is None:
        raise LineMalformed(line, f"{row['kwh']!r} is no register: write kWh such as 1234.56")
    return to_us(at), int(found["whole"]) * 1_000 + int(f"{found['decimals'] or '':0<3}")


def _rows(lines: Iterable[str], columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines)
    try:
        if reader.fieldnames != columns:
            raise LineMalformed(1, f"the columns are {','.join(columns)}")
        for row in reader:
            yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise LineMalformed(reader.line_num + 1, str(error)) from error


def _day(row: dict[str, str], line: int, meter_ids: dict[str, int]) -> "LoadDay":
    """Read `000000000001,2026-10-01T00:00+08:00,60,10 20 30 ...`."""
    from compuerta.services.records import LoadDay

    starts_at = _instant(row["starts_at"], line)
    try:
        minutes, wh = int(row["minutes"]), tuple(map(int, row["wh"].split()))
    except (ValueError, TypeError) as error:
        raise LineMalformed(line, str(error)) from error
    # A number that nobody knows is told with the other outcomes.
    meter_id = meter_ids.get(row["meter_no"], 0)
    return LoadDay(meter_id=meter_id, starts_at=starts_at, minutes=minutes, wh=wh)


def _instant(text: str | None, line: int) -> datetime:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise LineMalformed(line, str(error)) from error
    if at.tzinfo is None:
        raise LineMalformed(line, "an instant needs its offset from UTC, such as 2026-10-01T00:00+08:00")
    if at.year not in YEARS:
        raise LineMalformed(line, f"write a year from {YEARS[0]} to {YEARS[-1]}")
    return at
