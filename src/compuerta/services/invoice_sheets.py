"""Sheets of invoices as they are kept: text of which the same sheet is made again."""

import json
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from enum import Enum

from compuerta.wire.ubl.writing import Category, Kind, Line, Party, Sheet, Tax, decimal_text


def text_of(sheet: Sheet) -> str:
    """Return a sheet as text."""
    return json.dumps(asdict(sheet), default=_plain, ensure_ascii=False, sort_keys=True)


def sheet_of(text: str) -> Sheet:
    """Return the sheet of a text that `text_of` has made."""
    kept = json.loads(text)
    corrects_of = kept["corrects_of"]
    return Sheet(
        **{
            **kept,
            "kind": Kind(kept["kind"]),
            "issued_on": date.fromisoformat(kept["issued_on"]),
            "first_day": date.fromisoformat(kept["first_day"]),
            "last_day": date.fromisoformat(kept["last_day"]),
            "corrects_of": None if corrects_of is None else date.fromisoformat(corrects_of),
            "seller": Party(**kept["seller"]),
            "buyer": Party(**kept["buyer"]),
            "lines": tuple(
                Line(
                    **{
                        **each,
                        "quantity": Decimal(each["quantity"]),
                        "price": Decimal(each["price"]),
                        "percent": Decimal(each["percent"]),
                        "category": Category(each["category"]),
                    }
                )
                for each in kept["lines"]
            ),
            "taxes": tuple(
                Tax(**{**each, "percent": Decimal(each["percent"]), "category": Category(each["category"])})
                for each in kept["taxes"]
            ),
        }
    )


def turned(sheet: Sheet) -> Sheet:
    """Return the credit note of a sheet that comes to less than nothing, seen from the other side."""
    return replace(
        sheet,
        kind=Kind.CREDIT_NOTE,
        lines=tuple(
            replace(each, quantity=-each.quantity, amount_minor=-each.amount_minor) for each in sheet.lines
        ),
        taxes=tuple(
            replace(each, base_minor=-each.base_minor, tax_minor=-each.tax_minor) for each in sheet.taxes
        ),
    )


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, date):
        return value.isoformat()
    assert isinstance(value, Enum)
    return str(value.value)
