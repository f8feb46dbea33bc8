"""Reading a document value by value: each knows its place, and refuses what it is not."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from typing import TypeVar

from compuerta.domain.errors import Refused
from compuerta.domain.tariff.components import MonthDay

Tree = str | int | bool | list["Tree"] | dict[str, "Tree"]
Word = TypeVar("Word", bound=Enum)

CHARACTERS_MAX = 120
WHOLE_MAX = 10_000
PRICE_DECIMALS = 9  # published prices have up to seven
ENERGY_DECIMALS = 3  # kWh to Wh, kW to W

_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.(?P<part>[0-9]{1,9}))?", re.ASCII)
_MONTH_DAY = re.compile(r"(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class TariffMalformed(Refused):
    """A document that cannot be read; `place` is a path such as `components[0].periods[1].name`."""

    def __init__(self, *, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A value of the document, and the place where it stands."""

    value: object
    place: str

    def refused(self, reason: str) -> TariffMalformed:
        return TariffMalformed(place=self.place, reason=reason)

    def fields(self, required: str, defaults: dict[str, Tree]) -> "dict[str, Spot]":
        """Return every field of a mapping, those left out with their default."""
        if not isinstance(self.value, Mapping):
            raise self.refused("write a mapping of fields")
        known = [*required.split(), *defaults]
        given: dict[str, object] = {}
        for key, value in self.value.items():
            if not isinstance(key, str):
                raise self.refused("write the names of fields as texts")
            if key not in known:
                unknown = self._at(key[:CHARACTERS_MAX])
                raise unknown.refused(f"is not known here; known are {', '.join(known)}")
            given[key] = value
        missing = [key for key in required.split() if key not in given]
        if missing:
            raise self.refused(f"{missing[0]} is missing")
        whole: dict[str, object] = {**defaults, **given}
        return {key: Spot(value=whole[key], place=self._at(key).place) for key in known}

    def named(self, most: int) -> "dict[str, Spot]":
        """Return the entries of a mapping whose keys are names, sorted by them."""
        if not isinstance(self.value, Mapping):
            raise self.refused("write a mapping of names")
        if len(self.value) > most:
            raise self.refused(f"has {len(self.value)} entries, at most {most} are taken")
        for key in self.value:
            Spot(value=key, place=self.place).text()
        return {key: Spot(value=self.value[key], place=self._at(key).place) for key in sorted(self.value)}

    def items(self, most: int) -> "list[Spot]":
        if not isinstance(self.value, list | tuple):
            raise self.refused("write a list")
        if len(self.value) > most:
            raise self.refused(f"has {len(self.value)} entries, at most {most} are taken")
        return [Spot(value=value, place=f"{self.place}[{number}]") for number, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.refused("write a text, in quotes")
        if not 0 < len(self.value) <= CHARACTERS_MAX:
            raise self.refused(f"write a text of 1 to {CHARACTERS_MAX} characters")
        if not self.value.isprintable() or self.value != self.value.strip():
            raise self.refused("write it without control characters, and without spaces around it")
        return self.value

    def word(self, kind: type[Word]) -> Word:
        words = {word_of(each): each for each in kind}
        if not isinstance(self.value, str) or self.value not in words:
            raise self.refused(f"write one of {', '.join(words)}")
        return words[self.value]

    def one_of(self, names: Iterable[str]) -> int:
        """Return which of these names the text is."""
        known = tuple(names)
        if not isinstance(self.value, str) or self.value not in known:
            raise self.refused(f"write one of {', '.join(known)}")
        return known.index(self.value)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.refused("write true or false")
        return self.value

    def whole(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.refused("write a whole number, without quotes")
        if not 0 <= self.value <= WHOLE_MAX:
            raise self.refused(f"write a whole number from 0 to {WHOLE_MAX}")
        return self.value

    def decimal(self, decimals: int = PRICE_DECIMALS) -> Fraction:
        if not isinstance(self.value, str):
            raise self.refused('write it in quotes, such as "0.5300": without them it may change on the way')
        found = _DECIMAL.fullmatch(self.value)
        if found is None or len(found["part"] or "") > decimals:
            raise self.refused(f'write digits such as "12.5", with at most {decimals} decimals')
        return Fraction(self.value)

    def thousandths(self) -> int:
        """Return kWh as Wh, or kW as W."""
        return int(self.decimal(ENERGY_DECIMALS) * 1_000)

    def month_day(self) -> MonthDay:
        found = _MONTH_DAY.fullmatch(self.value) if isinstance(self.value, str) else None
        if found is None:
            raise self.refused('write month and day in quotes, such as "06-01"')
        return MonthDay(month=int(found["month"]), day=int(found["day"]))

    def day(self) -> date:
        if isinstance(self.value, date) and not isinstance(self.value, datetime):
            return self.value  # YAML reads a date without quotes as what it is
        try:
            if isinstance(self.value, str) and _DAY.fullmatch(self.value):
                return date.fromisoformat(self.value)
        except ValueError:
            raise self.refused("is not a day of the calendar") from None
        raise self.refused("write a date such as 2026-10-01")

    def _at(self, key: str) -> "Spot":
        return Spot(value="", place=f"{self.place}.{key}" if self.place else key)


def word_of(kind: Enum) -> str:
    """Return the word by which a document calls a member of an Enum."""
    return kind.name.lower()
