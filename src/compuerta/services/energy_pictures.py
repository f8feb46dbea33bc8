"""Pictures of use: a day by the hour, a week and a month by the day, a year by the month.

Days are those that were rolled forward from frozen registers; hours are what meters measured by intervals, or
between readings. What nobody knows is blank, and what rests on a supposed register, or on some accounts only,
says so (promise T2).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final

from compuerta.domain.party import BUYING, zone_of
from compuerta.domain.tariff.tally import Span
from compuerta.services.day_end import bounds_of
from compuerta.services.day_port import AccountDay
from compuerta.services.history_port import Tenancy
from compuerta.services.owner_statements import SiteUnknown
from compuerta.services.resident_statements import AccountUnknown
from compuerta.services.statement_months import month_of
from compuerta.services.store_port import Store, Transaction

_HOUR: Final = timedelta(hours=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_NOTHING: Final = timedelta()
_DAY: Final = timedelta(days=1)


class Stretch(Enum):
    """How long a picture is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What was used in an hour, a day or a month; None = not known."""

    label: str  # hour, day or month, by the site's calendar
    used_wh: int | None
    is_supposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The use of an account, or of a site's accounts together."""

    tenancy: Tenancy  # whose, or one of them
    stretch: Stretch
    first: date
    after: date  # the day after the last
    uses: tuple[Use, ...]

    @property
    def used_wh(self) -> int | None:
        """What is known of it; None = nothing."""
        known = [each.used_wh for each in self.uses if each.used_wh is not None]
        return sum(known) if known else None

    @property
    def before(self) -> date:
        """A day of the picture before this one."""
        return self.first - _DAY


def account_picture(store: Store, account_id: int, *, stretch: Stretch, day: date, now: datetime) -> Picture:
    """Return the use of an account around a day; of whoever lived there before, nothing."""
    with store.transaction() as tx:
        tenancy = tx.histories.tenancy(account_id)
        if tenancy is None:
            raise AccountUnknown(account_id)
        return _pictured(tx, tenancy, [tenancy], stretch, day, now=now)


def site_picture(store: Store, site_id: int, *, stretch: Stretch, day: date, now: datetime) -> Picture:
    """Return the use of all of a site's accounts around a day."""
    with store.transaction() as tx:
        known = tx.histories.tenancies([site_id], since=now - _DAY * 366 * 100, until=now)
        buying = [each for each in known if each.kind in BUYING]
        if not buying:
            raise SiteUnknown(f"site {site_id}")
        return _pictured(tx, buying[0], buying, stretch, day, now=now)


def _pictured(
    tx: Transaction,
    tenancy: Tenancy,
    tenancies: Sequence[Tenancy],
    stretch: Stretch,
    day: date,
    *,
    now: datetime,
) -> Picture:
    first, after = _edges(stretch, day)
    if stretch is Stretch.DAY:
        uses = tuple(_hours(tx, tenancies, day, zone=tenancy.zone, now=now))
    else:
        ids = [each.account_id for each in tenancies]
        rolled: dict[date, list[AccountDay]] = {}
        for each in tx.days.of_accounts(ids, since=first, until=after):
            rolled.setdefault(each.day, []).append(each)
        days = [(first + _DAY * number) for number in range((after - first).days)]
        by_day = {each: _day(tenancies, each, rolled.get(each, ()), now=now) for each in days}
        uses = tuple(_months(by_day) if stretch is Stretch.YEAR else by_day.values())
    return Picture(tenancy=tenancy, stretch=stretch, first=first, after=after, uses=uses)


def _edges(stretch: Stretch, day: date) -> tuple[date, date]:
    match stretch:
        case Stretch.DAY:
            return day, day + _DAY
        case Stretch.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + 7 * _DAY
        case Stretch.MONTH:
            return month_of(day).first, month_of(day).after.first
    return date(day.year, 1, 1), date(day.year + 1, 1, 1)


def _day(tenancies: Sequence[Tenancy], day: date, rolled: Sequence[AccountDay], *, now: datetime) -> Use:
    starts_at, ends_at = bounds_of(day, zone=tenancies[0].zone)
    there = [
        each.account_id
        for each in tenancies
        if each.opened_at < min(ends_at, now) and (each.closed_at is None or each.closed_at > starts_at)
    ]
    known = [each for each in rolled if each.used_wh is not None and each.account_id in there]
    return Use(
        label=day.isoformat(),
        used_wh=sum(each.used_wh or 0 for each in known) if known else None,
        is_supposed=bool(known) and (len(known) < len(there) or any(each.is_provisional for each in known)),
    )


def _months(by_day: Mapping[date, Use]) -> Iterator[Use]:
    months: dict[str, list[Use]] = {}
    for day, use in by_day.items():
        months.setdefault(str(month_of(day)), []).append(use)
    for month, uses in months.items():
        known = [each for each in uses if each.used_wh is not None]
        is_whole = len(known) == len(uses) and not any(each.is_supposed for each in known)
        yield Use(
            label=month,
            used_wh=sum(each.used_wh or 0 for each in known) if known else None,
            is_supposed=bool(known) and not is_whole,
        )


def _hours(
    tx: Transaction, tenancies: Sequence[Tenancy], day: date, *, zone: str, now: datetime
) -> Iterator[Use]:
    """Yield the hours of a day, of which there are 23, 24 or 25."""
    starts_at, ends_at = bounds_of(day, zone=zone)
    until = min(ends_at, now)
    fitted = tx.histories.fitted([each.account_id for each in tenancies], since=starts_at, until=until)
    # What began before midnight, or ended after it, is shared out.
    found = tx.messages.uses_of(
        {each.meter_id for each in fitted}, since=starts_at - _HOUR, until=min(until + _HOUR, now)
    )
    used: dict[datetime, int] = {}
    known: dict[datetime, timedelta] = {}
    for each in fitted:
        # What a meter measured before, or after, is of somebody else.
        spans = [
            span
            for span in found.get(each.meter_id, ())
            if span.start >= each.started_at and (each.ended_at is None or span.end <= each.ended_at)
        ]
        for hour, energy_wh, covered in shared_out(spans, anchor=starts_at):
            used[hour] = used.get(hour, 0) + energy_wh
            known[hour] = known.get(hour, _NOTHING) + covered
    whole = len(fitted) * _HOUR
    here = starts_at
    while here < ends_at:
        label = f"{here.astimezone(zone_of(zone)):%H}"
        is_supposed = _NOTHING < known.get(here, _NOTHING) < whole
        yield Use(label=label, used_wh=used.get(here), is_supposed=is_supposed)
        here += _HOUR


def shared_out(spans: Sequence[Span], *, anchor: datetime) -> Iterator[tuple[datetime, int, timedelta]]:
    """Yield the hours that uses lie in, each with its share in whole Wh and the time that it rests on.

    Hours begin as the anchor does: a zone's clock may be half an hour off.
    """
    for span in spans:
        at, left_wh = span.start, span.energy_wh
        while at < span.end:
            hour = anchor + (at - anchor) // _HOUR * _HOUR
            until = min(hour + _HOUR, span.end)
            share_wh = left_wh * ((until - at) // _MICROSECOND) // ((span.end - at) // _MICROSECOND)
            yield hour, share_wh, until - at
            at, left_wh = until, left_wh - share_wh
