"""The daily report of a site as a document: what was used, paid and owed, and what is not known of it.

Whole numbers only: money in minor units, energy in watt-hours. What is of the day itself is told anew in each
version; what only stands at an instant (debts, who is off, open cases) is told once, when the first was made.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, cast

from compuerta.domain.losses import is_too_much
from compuerta.domain.party import zone_of
from compuerta.domain.policy import Json
from compuerta.domain.tariff.civil import day_start_us, from_us

FORM: Final = 1  # of the document
AGES_DAYS: Final = (30, 60, 90)  # where debts become older debts


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What was used, by the freezes at both ends of the day."""

    used_wh: int
    provisional_wh: int  # of it: rests on a freeze that is supposed
    accounts: int  # of which it is known
    unknown: int  # accounts of which it is not: missing is not zero
    rates_wh: tuple[int, ...]  # by the meters' registers of rates, of those that tell them
    hours_wh: tuple[int, ...]  # by hour, where readings tell; () = not known

    @property
    def told_wh(self) -> int | None:
        """What was used, or None where it is known of nobody: missing is not zero."""
        return None if self.unknown and not self.accounts else self.used_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The roll-forward of all accounts (promise T1): opening + recharged + adjusted - charged = closing."""

    accounts: int
    opening_minor: int
    recharged_minor: int
    adjusted_minor: int
    charged_minor: int
    closing_minor: int
    undelivered_minor: int  # of the closing: on its way to a meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The same sums by another road: from the lines of the ledger, and from what accounts hold."""

    received_minor: int  # money that came, by what providers and tills hold
    charged_minor: int  # income, tax and levies of charges
    closing_minor: int  # holdings now, less what was booked after the day


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the money that came was for; together with what waits it is all of it (promise M3)."""

    credit_minor: int
    fixed_minor: int
    debt_minor: int
    fee_minor: int
    tax_minor: int
    change_minor: int
    suspended_minor: int  # not placed yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Payments of the day by one provider account, or at one till."""

    provider: str
    kind: str
    payments: int
    paid_minor: int
    refunds: int
    refunded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A provider's own bill of this date, for all sites that it takes money for."""

    provider: str
    state: str
    version: int
    lines: int
    differing: int
    gross_minor: int
    refunded_minor: int
    fee_minor: int
    differs_minor: int  # by how much it says more than our books


@dataclass(frozen=True, slots=True, kw_only=True)
class BillDifference:
    """A line of a bill that does not agree."""

    provider: str
    what: str
    transaction_no: str
    theirs_minor: int | None
    ours_minor: int | None
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """What went into a building, and what the meters behind its feeder measured of it."""

    meter_id: int
    name: str
    fed_wh: int | None
    used_wh: int
    meters: int
    unknown: int  # meters behind it of which the day is not known

    @property
    def lost_wh(self) -> int | None:
        """What is not measured again; None = not known."""
        return None if self.fed_wh is None or self.unknown else self.fed_wh - self.used_wh

    @property
    def is_too_much(self) -> bool:
        """Whether more is lost than wires explain."""
        lost_wh = self.lost_wh
        return self.fed_wh is not None and lost_wh is not None and is_too_much(self.fed_wh, lost_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCount:
    """Alarms of a kind that were raised on the day."""

    kind: str
    severity: str
    raised: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A meter whose freeze is missing, supposed or held, and why."""

    meter_id: int
    meter_no: str
    place: str
    name: str
    basis: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Of how many meters the day's freeze is known; `gaps` are the first of those of which it is not."""

    meters: int
    valid: int
    provisional: int
    missing: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLine:
    """An account whose books, meter and recomputation differ."""

    account_id: int
    meter_id: int
    place: str
    name: str
    cause: str
    differs_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """Debts that are not recovered yet, by age."""

    accounts: int
    debts: int
    owed_minor: int
    by_age_minor: tuple[int, ...]  # younger than each of `AGES_DAYS`, and the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class InTheRed:
    """An account without credit."""

    account_id: int
    meter_id: int
    place: str
    name: str
    balance_minor: int
    is_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCount:
    """Open cases of a kind."""

    kind: str
    open: int
    oldest_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stood when the first version was made."""

    at: str  # ISO 8601, in UTC
    arrears: Arrears
    red: int
    red_minor: int
    off: int
    reds: tuple[InTheRed, ...]  # the deepest
    cases: tuple[CaseCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFacts:
    """All that is of the day itself, as rows tell it."""

    energy: Energy
    money: Money
    books: Books
    parts: Parts
    channels: tuple[Channel, ...]
    bills: tuple[Bill, ...]
    bill_differences: tuple[BillDifference, ...]
    feeders: tuple[Feeder, ...]
    alarms: tuple[AlarmCount, ...]
    completeness: Completeness
    drifts: tuple[DriftLine, ...]
    drifts_minor: int  # of all, whatever their sign
    drifts_number: int
    anchor: str  # of the day's postings; "" = not sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure that the version before told otherwise."""

    figure: str
    was: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReport:
    """A site's day."""

    site_id: int
    site: str
    organisation_id: int
    organisation: str
    day: str  # ISO 8601, the site's own
    zone: str
    currency: str
    day_hours: int  # 23, 24 or 25
    version: int
    made_at: str  # ISO 8601, in UTC
    facts: DayFacts
    standing: Standing
    changes: tuple[Change, ...] = ()
    form: int = FORM

    @property
    def date(self) -> date:
        """Which day it is of."""
        return date.fromisoformat(self.day)

    @property
    def received_minor(self) -> int:
        """Money that came, by the payments that we know."""
        return sum(each.paid_minor for each in self.facts.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A total by two roads, which must be one."""

    what: str  # "received", "divided", "charged", "closing", "bills"
    ours_minor: int
    theirs_minor: int

    @property
    def differs_minor(self) -> int:
        """By how much the second road comes to more."""
        return self.theirs_minor - self.ours_minor


def ties(report: DailyReport) -> list[Tie]:
    """Hold the report's totals against the ledger's, and against the bills of providers that are there."""
    facts = report.facts
    found = [
        Tie(what="received", ours_minor=report.received_minor, theirs_minor=facts.books.received_minor),
        Tie(
            what="divided",
            ours_minor=report.received_minor,
            theirs_minor=sum(value for _, value in parts_of(facts.parts)),
        ),
        Tie(
            what="charged",
            ours_minor=facts.money.charged_minor,
            theirs_minor=facts.books.charged_minor,
        ),
        Tie(what="closing", ours_minor=facts.money.closing_minor, theirs_minor=facts.books.closing_minor),
    ]
    known = [each for each in facts.bills if each.state == "matched"]
    if known:
        gross_minor = sum(each.gross_minor for each in known)
        ours_minor = gross_minor - sum(each.differs_minor for each in known)
        found.append(Tie(what="bills", ours_minor=ours_minor, theirs_minor=gross_minor))
    return found


def parts_of(parts: Parts) -> list[tuple[str, int]]:
    """Return what money was for, by the name of each part without its unit."""
    return [(name.removesuffix("_minor"), value) for name, value in asdict(parts).items()]


def renewed(report: DailyReport, *, last: DailyReport | None) -> DailyReport | None:
    """Return a report as the version after the last one; None where nothing has changed."""
    if last is None:
        return report
    if report.facts == last.facts:
        return None
    figures, before = dict(_figures(report)), dict(_figures(last))
    changes = tuple(
        Change(figure=name, was=before.get(name, 0), now=now)
        for name, now in figures.items()
        if before.get(name, 0) != now
    )
    return replace(report, version=last.version + 1, standing=last.standing, changes=changes)


def money_told(report: DailyReport) -> str:
    """Return what of a report is money: while it is the same, nobody is told of the day again."""
    told = {"money": asdict(report.facts.money), "received": report.received_minor}
    return json.dumps(told, sort_keys=True)


def text_of(report: DailyReport) -> str:
    """Write a report as JSON; the same report gives the same text."""
    return json.dumps(asdict(report), ensure_ascii=False, separators=(",", ":"))


def report_of(text: str) -> DailyReport:
    """Read a report that `text_of` wrote."""
    read = cast(Mapping[str, Json], json.loads(text))
    return cast(DailyReport, _built(DailyReport, read))


_OF: Final[Mapping[tuple[str, str], type]] = {
    ("DailyReport", "facts"): DayFacts,
    ("DailyReport", "standing"): Standing,
    ("DailyReport", "changes"): Change,
    ("DayFacts", "energy"): Energy,
    ("DayFacts", "money"): Money,
    ("DayFacts", "books"): Books,
    ("DayFacts", "parts"): Parts,
    ("DayFacts", "channels"): Channel,
    ("DayFacts", "bills"): Bill,
    ("DayFacts", "bill_differences"): BillDifference,
    ("DayFacts", "feeders"): Feeder,
    ("DayFacts", "alarms"): AlarmCount,
    ("DayFacts", "completeness"): Completeness,
    ("DayFacts", "drifts"): DriftLine,
    ("Completeness", "gaps"): Gap,
    ("Standing", "arrears"): Arrears,
    ("Standing", "reds"): InTheRed,
    ("Standing", "cases"): CaseCount,
}


def _built(kind: type, read: Mapping[str, Json]) -> object:
    values = {}
    for name, value in read.items():
        inner = _OF.get((kind.__name__, name))
        if isinstance(value, Mapping):
            assert inner is not None, f"{kind.__name__}.{name} is no object"
            values[name] = _built(inner, value)
        elif isinstance(value, list):
            values[name] = tuple(_item(inner, each) for each in value)
        else:
            values[name] = value
    return kind(**values)


def _item(inner: type | None, each: Json) -> object:
    return _built(inner, each) if inner is not None and isinstance(each, Mapping) else each


def _figures(report: DailyReport) -> Iterator[tuple[str, int]]:
    """Return the figures that versions are compared by: `part.figure` with its number."""
    facts = report.facts
    yield "energy.used_wh", facts.energy.used_wh
    yield "energy.provisional_wh", facts.energy.provisional_wh
    yield "energy.unknown", facts.energy.unknown
    for name, value in asdict(facts.money).items():
        yield f"money.{name}", value
    yield "received_minor", report.received_minor
    yield "completeness.valid", facts.completeness.valid
    yield "completeness.provisional", facts.completeness.provisional
    yield "completeness.missing", facts.completeness.missing
    yield "bills.matched", sum(each.state == "matched" for each in facts.bills)
    yield "bills.differing", sum(each.differing for each in facts.bills)
    yield "fee_minor", sum(each.fee_minor for each in facts.bills)
    yield "lost_wh", _lost(facts.feeders)
    yield "alarms", sum(each.raised for each in facts.alarms)
    yield "drifts_number", facts.drifts_number


def _lost(feeders: Sequence[Feeder]) -> int:
    return sum(each.lost_wh or 0 for each in feeders)


def hours_of(report: DailyReport) -> list[datetime]:
    """Return the instants at which the hours of a report's day begin."""
    starts_at = from_us(day_start_us(report.date, zone=zone_of(report.zone)))
    return [starts_at + timedelta(hours=number) for number in range(report.day_hours)]


def instant_of(text: str) -> datetime:
    """Read an instant of a report."""
    return datetime.fromisoformat(text)
