"""`compuerta organisation`, `compuerta site`, `compuerta places`: what a house begins with."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from compuerta.apps import config

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.founding import PlaceRow, RowFault

BIGINT_MAX = 2**63 - 1
COLUMNS = (
    "building", "floor", "place", "meter_no", "customer_no", "model", "credit_authority", "road",
    "endpoint_id", "address", "baud", "tariff_id", "register_kwh", "contracted_kw",
)  # fmt: skip
CELL_MAX = 200

organisation = typer.Typer(help="Organisations: whoever owns sites.", no_args_is_help=True)
site = typer.Typer(help="Sites: buildings and compounds of an organisation.", no_args_is_help=True)
places = typer.Typer(help="Supply points with their meters and house accounts.", no_args_is_help=True)

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
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=f"CSV: {','.join(COLUMNS)}")
    ],
    organisation: Number,
    site: Annotated[int, typer.Option(min=1, max=BIGINT_MAX, help="number of the site")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
) -> None:
    """Bring in the supply points of a file, all or none; every fault is told with its row and field."""
    from compuerta.apps import wiring
    from compuerta.services import founding
    from compuerta.services.acting import Actor

    wish = founding.PlacesWish(
        founding_id=uuid4(), organisation_id=organisation, site_id=site, rows=_rows(file)
    )
    actor = Actor(who="operator", why=f"brought in from {file.name}", origin="command line")
    found = founding.rehearse_places if dry_run else founding.found_places
    models = wiring.models(config.settings())
    with _store() as store:
        founded = found(store, wish, models=models, actor=actor, now=wiring.now())
    would = "would be brought in" if dry_run else "brought in"
    typer.echo(f"{founded.places} places {would}, {founded.endpoints} new road ends")


def _rows(file: Path) -> "list[PlaceRow]":
    from compuerta.services.founding import ROWS_MAX, RowFault, RowsFaulty, RowsTooMany

    faults: list[RowFault] = []
    found: list[PlaceRow] = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise RowsFaulty(
                [RowFault(row=0, field=name, reason="this column is missing") for name in sorted(missing)]
            )
        for number, cells in enumerate(reader, start=1):
            if number > ROWS_MAX:
                raise RowsTooMany(number)
            reasons = _Reasons(number, faults)
            row = _row({name: (cells.get(name) or "").strip() for name in COLUMNS}, reasons)
            if row is not None:
                found.append(row)
    if faults:
        raise RowsFaulty(faults)
    return found


class _Reasons:
    """Gathers what is wrong in one row."""

    def __init__(self, row: int, faults: "list[RowFault]") -> None:
        self._row, self._faults, self.is_fine = row, faults, True

    def add(self, field: str, reason: str) -> None:
        from compuerta.services.founding import RowFault

        self.is_fine = False
        self._faults.append(RowFault(row=self._row, field=field, reason=reason))


def _row(cells: Mapping[str, str], reasons: _Reasons) -> "PlaceRow | None":
    from compuerta.domain.party import CreditAuthority, RoadKind
    from compuerta.services.founding import PlaceRow

    for name, text in cells.items():
        if len(text) > CELL_MAX:
            reasons.add(name, f"is longer than {CELL_MAX} letters")
    authorities = {each.value: each for each in CreditAuthority}
    roads = {each.value: each for each in RoadKind}
    authority = authorities.get(cells["credit_authority"])
    road = roads.get(cells["road"])
    if authority is None:
        reasons.add("credit_authority", f"write one of {', '.join(authorities)}")
    if road is None:
        reasons.add("road", f"write one of {', '.join(roads)}")
    tariff_id = _whole(cells, "tariff_id", reasons)
    if tariff_id is None:
        reasons.add("tariff_id", "write the number of a tariff")
    floor, baud = _whole(cells, "floor", reasons), _whole(cells, "baud", reasons)
    register_wh = _thousandths(cells, "register_kwh", reasons)
    contracted_w = _thousandths(cells, "contracted_kw", reasons)
    if not reasons.is_fine or authority is None or road is None or tariff_id is None:
        return None
    return PlaceRow(
        building=cells["building"],
        floor=floor,
        place=cells["place"],
        meter_no=cells["meter_no"],
        customer_no=cells["customer_no"] or cells["meter_no"],
        model=cells["model"],
        credit_authority=authority,
        road=road,
        endpoint_id=cells["endpoint_id"],
        address=cells["address"],
        baud=baud,
        tariff_id=tariff_id,
        register_wh=register_wh or 0,
        contracted_w=contracted_w,
    )


def _whole(cells: Mapping[str, str], field: str, reasons: _Reasons) -> int | None:
    text = cells[field]
    if not text:
        return None
    digits = text.removeprefix("-") if field == "floor" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        reasons.add(field, "write a whole number")
        return None
    return int(text)


def _thousandths(cells: Mapping[str, str], field: str, reasons: _Reasons) -> int | None:
    """Read kilowatt-hours, or kilowatts, as watt-hours, or watts."""
    text = cells[field]
    if not text:
        return None
    try:
        amount = Decimal(text) * 1000
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount != int(amount) or not 0 <= amount < 10**12:
        reasons.add(field, "write a number with at most three decimals, 0 or more")
        return None
    return int(amount)


@contextmanager
def _store() -> "Iterator[PostgresStore]":
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        yield store
    finally:
        store.shut()
