"""Reporting: a day that is frozen, rolled, weighed and sealed becomes its report, and people are told of it.

A report is made again whenever its day is, or a provider's bill of its date has come; it gets a new version
only where something is different. People are told once, at the hour that site or organisation have settled;
of a later version only where money is different.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from compuerta.domain.access import USUAL, Place, Right, rights_in
from compuerta.domain.contact import Topic
from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.domain.policy import policy_of_texts
from compuerta.domain.tariff.civil import civil_us, from_us
from compuerta.services import daily_report, day_end, energy_pictures, sealing, telling, telling_books
from compuerta.services.daily_report import DailyReport, DayFacts, DriftLine
from compuerta.services.day_port import Drift
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay
from compuerta.services.message_port import Contact
from compuerta.services.report_port import DRIFTS_MAX, KeptReport
from compuerta.services.store_port import Store, Transaction

LOOK_BACK: Final = timedelta(days=62)  # bills and freezes of an older day are expected no more
TELL_LATE_MAX: Final = timedelta(days=2)  # a report that was made later is no news
AT_ONCE_MAX: Final = 20
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class ReportUnknown(Refused):
    """There is no report of this day."""

    def __init__(self, key: DayKey, *, known: tuple[date, date] | None) -> None:
        advice = (
            "no day of this site has ended yet; the first report is made some minutes after its midnight"
            if known is None
            else f"there are reports from {known[0]} to {known[1]}"
        )
        super().__init__(f"there is no report of site {key.site_id} on {key.day}: {advice}")
        self.key = key
        self.known = known


def report_day(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Report a day, which is then done; see `day_end.Step`."""
    with store.transaction() as tx:
        here = tx.freezes.day(day.key)
        assert here is not None, "a day that is reported was begun"
        if not day_end.is_ours(here, day):
            return here  # somebody has opened it again
        _make(tx, here, now=now)
        done = replace(here, step=DayStep.DONE, due_at=None, done_at=now)
        tx.freezes.save_day(done)
        telling_books.closed_day(tx, done, now=now)
    return done


def sweep(store: Store, *, now: datetime) -> int:
    """Report days again whose bills have come, and tell people what is due; returns how much was done."""
    since = (now - LOOK_BACK).date()
    with store.transaction() as tx:
        overtaken = tx.reports.overtaken(since=since, limit=AT_ONCE_MAX)
    for key in overtaken:
        with store.transaction() as tx:
            day = tx.freezes.day(key)
            if day is not None and day.step is DayStep.DONE:
                _make(tx, day, now=now)
    with store.transaction() as tx:
        untold = tx.reports.untold(since=since, now=now, limit=AT_ONCE_MAX)
        for kept in untold:
            report = daily_report.report_of(kept.document)
            telling.day_reported(tx, report, _listeners(tx, report), now=now)
        tx.reports.put_told(untold, at=now)
    return len(overtaken) + len(untold)


def report(store: Store, key: DayKey, *, version: int | None = None) -> DailyReport:
    """Return a day's report, without a number its last version; raises `ReportUnknown`."""
    with store.transaction() as tx:
        kept = tx.reports.daily(key, version=version)
        if kept is None:
            raise ReportUnknown(key, known=tx.reports.known_days(key.site_id))
    return daily_report.report_of(kept.document)


def days_before(store: Store, key: DayKey, *, days: int) -> list[DailyReport]:
    """Return the reports of the days up to one, by day; those that are not there are left out."""
    with store.transaction() as tx:
        kept = tx.reports.dailies(key.site_id, since=key.day - (days - 1) * DAY, until=key.day + DAY)
    return [daily_report.report_of(each.document) for each in kept]


def _make(tx: Transaction, day: SiteDay, *, now: datetime) -> None:
    known = tx.reports.daily(day.key)
    last = None if known is None else daily_report.report_of(known.document)
    site, organisation = tx.reports.site_name(day.site_id)
    made = DailyReport(
        site_id=day.site_id,
        site=site,
        organisation_id=day.organisation_id,
        organisation=organisation,
        day=day.day.isoformat(),
        zone=day.zone,
        currency=day.currency,
        day_hours=(day.ends_at - day.starts_at) // HOUR,
        version=1,
        made_at=now.isoformat(),
        facts=_facts(tx, day, last, now=now),
        standing=tx.reports.standing(day, now=now) if last is None else last.standing,
    )
    renewed = daily_report.renewed(made, last=last)
    if renewed is None:
        return
    tx.reports.put_daily(
        KeptReport(
            site_id=day.site_id,
            day=day.day,
            version=renewed.version,
            organisation_id=day.organisation_id,
            made_at=now,
            document=daily_report.text_of(renewed),
            bills=tx.reports.bills(day),
            money=daily_report.money_told(renewed),
            tell_at=_tell_at(tx, day, known, now=now),
        )
    )


def _facts(tx: Transaction, day: SiteDay, last: DailyReport | None, *, now: datetime) -> DayFacts:
    facts = tx.reports.facts(day)
    drifts = tx.days.drifts(day.key)
    # Later anchors go over this day too: the one that it was told with first is the one to look for.
    anchor = last.facts.anchor if last is not None else ""
    return replace(
        facts,
        energy=replace(facts.energy, hours_wh=_hours(tx, day)),
        drifts=_drift_lines(tx, drifts, now=now),
        drifts_minor=sum(abs(each.minor) for each in drifts),
        drifts_number=len(drifts),
        anchor=anchor or sealing.anchor_text(tx, day.key),
    )


def _drift_lines(tx: Transaction, drifts: Sequence[Drift], *, now: datetime) -> tuple[DriftLine, ...]:
    shown = sorted(drifts, key=lambda each: (-abs(each.minor), each.account_id))[:DRIFTS_MAX]
    views = tx.look_at([each.account_id for each in shown], now=now)
    lines = []
    for each in shown:
        account = views[each.account_id].account
        lines.append(
            DriftLine(
                account_id=each.account_id,
                meter_id=each.meter_id,
                place=" ".join(part for part in (account.building, account.supply_point) if part),
                name=account.name,
                cause=each.cause.value,
                differs_minor=each.minor,
            )
        )
    return tuple(lines)


def _hours(tx: Transaction, day: SiteDay) -> tuple[int, ...]:
    """Return what was used in each hour of a day, of the meters whose readings tell it; () = of none."""
    meter_ids = tx.reports.hourly_meters(day.key)
    spans = tx.messages.uses_of(meter_ids, since=day.starts_at - HOUR, until=day.ends_at + HOUR)
    hours = (day.ends_at - day.starts_at) // HOUR
    used = dict.fromkeys((day.starts_at + number * HOUR for number in range(hours)), 0)
    for own in spans.values():
        for hour, energy_wh, _ in energy_pictures.shared_out(own, anchor=day.starts_at):
            if hour in used:
                used[hour] += energy_wh
    return tuple(used.values()) if any(used.values()) else ()


def _tell_at(tx: Transaction, day: SiteDay, known: KeptReport | None, *, now: datetime) -> datetime | None:
    """Return when people are told: at the settled hour after the day, or after it was made again."""
    scopes = (("organisation", day.organisation_id), ("site", day.site_id))
    settled = [tx.settled(scope=scope, scope_id=scope_id) for scope, scope_id in scopes]
    hour = policy_of_texts(*(each.document for each in settled if each is not None)).daily_report_at
    if hour is None or (known is not None and known.tell_at is None):
        return None
    zone = zone_of(day.zone)

    def at_on(local: date) -> datetime:
        return from_us(civil_us(datetime.combine(local, hour), zone=zone))

    told_at = at_on(day.day + DAY)
    if known is None:
        return told_at if now - told_at <= TELL_LATE_MAX else None
    today = now.astimezone(zone).date()
    return max(told_at, at_on(today) if now <= at_on(today) else at_on(today + DAY))


def _listeners(tx: Transaction, report: DailyReport) -> list[Contact]:
    """Return who wants daily reports, and may see the money of this site."""
    staff = tx.messages.staff_of([report.organisation_id], wants=Topic.DAILY_REPORT)
    if not staff:
        return []
    grants = tx.access.grants(report.organisation_id)
    roles = {**USUAL, **tx.access.own_roles(report.organisation_id)}
    place = Place(organisation_id=report.organisation_id, site_id=report.site_id)

    def may_see(contact: Contact) -> bool:
        own = [each for each in grants if each.user_name == contact.user_name]
        return Right.SEE_MONEY in rights_in(place, own, roles=roles)

    return [each for each in staff if may_see(each)]
