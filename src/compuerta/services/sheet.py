"""A sheet: figures, charts and tables in a language, as pages, paper and spreadsheets show them alike.

What is written is text already, as its reader writes it; beside it stands the whole number that it is made
of, so that a spreadsheet reckons with exactly that. Where things stand is said elsewhere.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from compuerta.domain import wording
from compuerta.domain.contact import Language
from compuerta.domain.energy import format_kwh

UNKNOWN: Final = "–"
_WHOLE: Final = re.compile(r"[0-9]+")


class Unit(Enum):
    """What a number counts."""

    TEXT = "text"  # it is no number, whatever it looks like
    MONEY = "money"  # minor units of the sheet's currency
    ENERGY = "energy"  # watt-hours
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of a table."""

    text: str
    unit: Unit = Unit.TEXT
    amount: int | None = None  # None = text, or not known
    path: str = ""  # the page that explains it, on screens
    is_alert: bool = False  # somebody should look at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure in large letters."""

    label: str
    cell: Cell
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The head of a column; numbers stand to the right."""

    label: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `sums` is how many of its last rows are sums."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    sums: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One bar of a chart; None = not known, which is not zero."""

    label: str
    amount: int | None
    text: str
    is_marked: bool = False
    is_supposed: bool = False  # it is drawn hatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars over time, from left to right."""

    title: str
    unit: Unit
    points: tuple[Point, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is anything to draw."""
        return any(point.amount for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that is told, from top to bottom."""

    language: Language
    currency: str
    owner: str
    title: str
    subtitle: str
    notes: tuple[str, ...]  # what nobody may overlook
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    foot: str  # on every page


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes amounts into cells as readers of a language do."""

    language: Language
    currency: str

    def text(self, text: str, *, path: str = "", is_alert: bool = False) -> Cell:
        """Return a cell of words."""
        return Cell(text=text, path=path, is_alert=is_alert)

    def money(self, amount_minor: int | None, *, path: str = "", is_alert: bool = False) -> Cell:
        """Return a cell of money; None = not known."""
        told = UNKNOWN if amount_minor is None else self.money_text(amount_minor)
        return Cell(text=told, unit=Unit.MONEY, amount=amount_minor, path=path, is_alert=is_alert)

    def energy(self, energy_wh: int | None, *, path: str = "", is_alert: bool = False) -> Cell:
        """Return a cell of energy, in kWh with two decimals; None = not known."""
        told = UNKNOWN if energy_wh is None else self.energy_text(energy_wh)
        return Cell(text=told, unit=Unit.ENERGY, amount=energy_wh, path=path, is_alert=is_alert)

    def count(self, number: int | None, *, path: str = "", is_alert: bool = False) -> Cell:
        """Return a cell of a count; None = not known."""
        told = UNKNOWN if number is None else str(number)
        return Cell(text=told, unit=Unit.COUNT, amount=number, path=path, is_alert=is_alert)

    def money_text(self, amount_minor: int) -> str:
        """Return an amount as a reader writes it."""
        told = wording.amount(amount_minor, currency=self.currency, language=self.language)
        return grouped(told, language=self.language)

    def energy_text(self, energy_wh: int) -> str:
        """Return energy as a reader writes it."""
        digits = format_kwh(energy_wh)
        told = digits.replace(".", ",") if self.language is Language.SPANISH else digits
        return f"{grouped(told, language=self.language)} kWh"


def grouped(told: str, *, language: Language) -> str:
    """Return a number that is written out with its thousands apart, as a reader of a language does."""
    separator = "." if language is Language.SPANISH else ","
    return _WHOLE.sub(lambda found: f"{int(found[0]):,}".replace(",", separator), told, count=1)
