"""Statements and as-of as plain facts, for machines: whole numbers, instants in ISO 8601, names."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from uuid import UUID

from pydantic import JsonValue

from compuerta.services.asof import AsOf
from compuerta.services.owner_statements import OwnerStatement, Way
from compuerta.services.resident_statements import Effect, ResidentStatement
from compuerta.services.statement_months import Month

Facts = dict[str, JsonValue]


def asof_facts(found: AsOf) -> Facts:
    """Return what an account was at an instant."""
    books = {
        **_facts(found.books),
        "balance_minor": found.books.balance_minor,
        "known_now_minor": found.books.known_now_minor,
    }
    return {**_facts(found), "books": books}


def resident_facts(statement: ResidentStatement) -> Facts:
    """Return a month of an account."""
    sums: Facts = {f"{each.value}_minor": statement.minor(each) for each in Effect}
    return {**_facts(statement), **sums, "used_wh": statement.used_wh, "days_missing": statement.days_missing}


def owner_facts(statement: OwnerStatement) -> Facts:
    """Return a month of a site, or of an organisation."""
    return {
        **_facts(statement),
        "opening_minor": statement.opening_minor,
        "moves": {way.value: statement.moved_minor(way) for way in Way},
        "closing_minor": statement.closing_minor,
        "charged_wh": statement.charged_wh,
    }


def _facts(record: object) -> Facts:
    assert is_dataclass(record)
    return {each.name: _plain(getattr(record, each.name)) for each in fields(record)}


def _plain(value: object) -> JsonValue:
    match value:
        case None | bool() | int() | str():
            return value
        case Enum():
            return str(value.value)
        case datetime() | date():
            return value.isoformat()
        case UUID() | Month() | Fraction():
            return str(value)
        case Mapping():
            return {str(_plain(key)): _plain(each) for key, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
    return _facts(value)
