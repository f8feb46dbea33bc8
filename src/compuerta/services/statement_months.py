"""Months of a site: from the midnight that begins the first day to the one that ends the last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.services.day_end import bounds_of
from compuerta.services.local_instants import YEAR_MAX, YEAR_MIN


class MonthMalformed(Refused):
    """A month that is none."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no month; write it as 2026-05")
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Month:
    """A month of the calendar, wherever it is lived through."""

    year: int
    number: int  # 1 to 12

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def after(self) -> "Month":
        """The next month."""
        return month_of(self.first + timedelta(days=31))

    @property
    def before(self) -> "Month":
        """The month before."""
        return month_of(self.first - timedelta(days=1))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    def days(self) -> Iterator[date]:
        """Yield its days."""
        day = self.first
        while day < self.after.first:
            yield day
            day += timedelta(days=1)

    def bounds(self, *, zone: str) -> tuple[datetime, datetime]:
        """Return the instants at which it begins and ends in a zone; summer time may begin within it."""
        return bounds_of(self.first, zone=zone)[0], bounds_of(self.after.first, zone=zone)[0]


def month_of(day: date) -> Month:
    """Return the month of a day."""
    return Month(year=day.year, number=day.month)


def running(now: datetime, *, zone: str) -> Month:
    """Return the month that a zone is in."""
    return month_of(now.astimezone(zone_of(zone)).date())


def parsed(text: str) -> Month:
    """Return the month that somebody wrote as 2026-05; refuses what is none."""
    try:
        month = month_of(date.fromisoformat(f"{text}-01"))
    except ValueError:
        raise MonthMalformed(text) from None
    if not YEAR_MIN <= month.year <= YEAR_MAX:
        raise MonthMalformed(text)
    return month
