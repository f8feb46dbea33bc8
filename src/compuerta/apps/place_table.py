"""A table of supply points with their meters, as text: each row read by its fields, every fault told."""

import csv
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from compuerta.services.founding import PlaceRow, RowFault

COLUMNS = (
    "building", "floor", "place", "meter_no", "customer_no", "model", "credit_authority", "road",
    "endpoint_id", "address", "baud", "tariff_id", "register_kwh", "contracted_kw",
)  # fmt: skip
MORE_COLUMNS = ("bearer", "unit_no")  # may be left out
_ALL = (*COLUMNS, *MORE_COLUMNS)
CELL_MAX = 200
UNIT_MAX = 247  # of a Modbus line

Kind = TypeVar("Kind", bound=Enum)


def rows_of(lines: Iterable[str]) -> "list[PlaceRow]":
    """Read a table's lines; raises `RowsFaulty` with every fault, or `RowsTooMany`."""
    from compuerta.services.founding import ROWS_MAX, RowFault, RowsFaulty, RowsTooMany

    faults: list[RowFault] = []
    found: list[PlaceRow] = []
    reader = csv.DictReader(lines)
    try:
        _require_columns(set(COLUMNS) - set(reader.fieldnames or ()))
        for number, cells in enumerate(reader, start=1):
            if number > ROWS_MAX:
                raise RowsTooMany(number)
            reasons = _Reasons(number, faults)
            row = _row({name: (cells.get(name) or "").strip() for name in _ALL}, reasons)
            if row is not None:
                found.append(row)
    except csv.Error as error:
        raise RowsFaulty(
            [RowFault(row=reader.line_num, field="-", reason=str(error), code="no_csv")]
        ) from error
    if faults:
        raise RowsFaulty(faults)
    return found


def _require_columns(missing: set[str]) -> None:
    from compuerta.services.founding import RowFault, RowsFaulty

    if missing:
        reason = "this column is missing"
        raise RowsFaulty(
            [RowFault(row=0, field=name, reason=reason, code="column_missing") for name in sorted(missing)]
        )


class _Reasons:
    """Gathers what is wrong in one row."""

    def __init__(self, row: int, faults: "list[RowFault]") -> None:
        self._row, self._faults, self.is_fine = row, faults, True

    def add(self, field: str, reason: str, *, code: str) -> None:
        from compuerta.services.founding import RowFault

        self.is_fine = False
        self._faults.append(RowFault(row=self._row, field=field, reason=reason, code=code))


def _row(cells: Mapping[str, str], reasons: _Reasons) -> "PlaceRow | None":
    from compuerta.domain.party import Bearer, CreditAuthority, RoadKind
    from compuerta.services.founding import PlaceRow

    for name, text in cells.items():
        if len(text) > CELL_MAX:
            reasons.add(name, f"is longer than {CELL_MAX} letters", code="too_long")
    authority = _one_of(cells, "credit_authority", CreditAuthority, reasons)
    road = _one_of(cells, "road", RoadKind, reasons)
    bearer = _one_of(cells, "bearer", Bearer, reasons) if cells["bearer"] else None
    unit_no = _whole(cells, "unit_no", reasons)
    if unit_no is not None and not 1 <= unit_no <= UNIT_MAX:
        reasons.add("unit_no", f"write a number from 1 to {UNIT_MAX}", code="number")
    tariff_id = _whole(cells, "tariff_id", reasons)
    if tariff_id is None:
        reasons.add("tariff_id", "write the number of a tariff", code="whole")
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
        bearer=bearer,
        unit_no=unit_no,
    )


def _one_of(cells: Mapping[str, str], field: str, kind: type[Kind], reasons: _Reasons) -> Kind | None:
    known = {each.value: each for each in kind}
    if cells[field] not in known:
        reasons.add(field, f"write one of {', '.join(known)}", code="one_of")
    return known.get(cells[field])


def _whole(cells: Mapping[str, str], field: str, reasons: _Reasons) -> int | None:
    text = cells[field]
    if not text:
        return None
    digits = text.removeprefix("-") if field == "floor" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        reasons.add(field, "write a whole number", code="whole")
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
        reasons.add(field, "write a number with at most three decimals, 0 or more", code="number")
        return None
    return int(amount)
