"""The port to daily reports: what a day comes to by its rows, and the documents that were made of it.

A document is never changed: what is learned later makes the next version, and the last one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from compuerta.services.daily_report import DayFacts, Standing
from compuerta.services.freeze_port import DayKey, SiteDay

GAPS_MAX = 200  # meters that are named; the counts are of all
REDS_MAX = 50
DRIFTS_MAX = 100
DIFFERENCES_MAX = 100
HOURLY_METERS_MAX = 2_000  # of a larger site the hours are not added up: a day has two million readings


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """A version of a site's daily report, as it was made."""

    site_id: int
    day: date
    version: int
    organisation_id: int
    made_at: datetime
    document: str  # see `daily_report.text_of`
    bills: str  # the state of the providers' bills that it rests on: another one makes it again
    money: str  # what of it is money: while it is the same, nobody is told again
    tell_at: datetime | None  # when people are told of it; None = they are not

    @property
    def key(self) -> DayKey:
        """Which day it is of."""
        return DayKey(self.site_id, self.day)


class Reports(Protocol):
    """What a use case may ask about daily reports."""

    def site_name(self, site_id: int) -> tuple[str, str]:
        """Return the names of a site, and of its organisation."""
        ...

    def facts(self, day: SiteDay) -> DayFacts:
        """Add up all that is of a day itself; in sets, so that a large site takes seconds."""
        ...

    def standing(self, day: SiteDay, *, now: datetime) -> Standing:
        """Add up what stands now at a site: debts, who is without credit or power, open cases."""
        ...

    def hourly_meters(self, key: DayKey) -> list[int]:
        """Return the meters of a day that measured for customers; none where they are too many for hours."""
        ...

    def bills(self, day: SiteDay) -> str:
        """Return the state of the providers' bills of a day's date, as one text."""
        ...

    def put_daily(self, report: KeptReport) -> None:
        """Keep a version; raises `Conflict` where it is there."""
        ...

    def daily(self, key: DayKey, *, version: int | None = None) -> KeptReport | None:
        """Return a version of a day's report; without a number, the last."""
        ...

    def known_days(self, site_id: int) -> tuple[date, date] | None:
        """Return the first and the last day of a site that have a report; None where none has."""
        ...

    def dailies(self, site_id: int, *, since: date, until: date) -> list[KeptReport]:
        """Return the last versions of a site's reports of [since, until), by day."""
        ...

    def overtaken(self, *, since: date, limit: int) -> list[DayKey]:
        """Return days from one on whose bills are not as their report's last version knew them, by day."""
        ...

    def untold(self, *, since: date, now: datetime, limit: int) -> list[KeptReport]:
        """Return the last versions, of days from one on, that people are to be told of now and were not.

        Of a day whose money was told as it still is, nobody is told again.
        """
        ...

    def put_told(self, reports: Sequence[KeptReport], *, at: datetime) -> None:
        """Write down that people were told; twice is once."""
        ...
