"""Closing months: an organisation's books of a month are looked through, added up, and locked for good.

Nothing is booked before the end of a closed month any more: `PeriodClosed` refuses it in both stores. What is
found to be wrong later is put right by a reversal that is booked then and names its posting.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.domain.sealing import NOTHING
from compuerta.services import telling_books
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.freeze_port import FrozenSite
from compuerta.services.period_port import Check, MonthClose, Reach
from compuerta.services.statement_months import month_of, running
from compuerta.services.store_port import Store, Transaction

# Longer than a booking may be late before the database looks at it: a machine whose clock is behind cannot
# book into a month that was closed at once. (0019_periods.sql looks from one hour on.)
CLOSABLE_AFTER: Final = timedelta(hours=2)
MONTHS_MAX: Final = 600  # fifty years of them
# These stop a month from being closed; all others need a word.
BLOCKING: Final = frozenset(
    {
        Check.DAYS_OPEN, Check.DAYS_UNSEALED, Check.SHIFTS_OPEN, Check.BILLS_WAITING, Check.DIFFERENCES_OPEN,
    }
)  # fmt: skip


class MonthNotOver(Refused):
    """A month that has not ended everywhere cannot be closed."""

    def __init__(self, closable_at: datetime | None) -> None:
        when = "when there is a site" if closable_at is None else f"from {closable_at:%Y-%m-%d %H:%M} UTC on"
        super().__init__(f"this month can be closed {when}")
        self.closable_at = closable_at


class MonthOutOfOrder(Refused):
    """Months are closed one after another."""

    def __init__(self, next_month: date) -> None:
        super().__init__(f"the next month to close is {next_month:%Y-%m}")
        self.next_month = next_month


class MonthBlocked(Refused):
    """Something has to be finished first."""

    def __init__(self, blocked_by: Mapping[Check, int]) -> None:
        told = ", ".join(f"{each.value} {number}" for each, number in blocked_by.items())
        super().__init__(f"this has to be finished before the month is closed: {told}")
        self.blocked_by = blocked_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """How a month stands."""

    month: date
    closable_at: datetime | None  # None = the organisation has no site that took part
    counted: Mapping[Check, int]  # every check, in the order in which they are worked off

    @property
    def blocking(self) -> dict[Check, int]:
        """What has to be finished before the month is closed."""
        return {check: number for check, number in self.counted.items() if number and check in BLOCKING}

    @property
    def to_name(self) -> dict[Check, int]:
        """What a month is closed with only by saying why."""
        return {check: number for check, number in self.counted.items() if number and check not in BLOCKING}


def months(tx: Transaction, organisation_id: int, *, now: datetime) -> list[date]:
    """Return the first days of an organisation's months, from its first account to now, the last first."""
    sites = _sites(tx, organisation_id)
    if not sites:
        return []
    first = min(running(each.since, zone=each.zone) for each in sites)
    month = max(running(now, zone=each.zone) for each in sites)
    found: list[date] = []
    while month >= first and len(found) < MONTHS_MAX:
        found.append(month.first)
        month = month.before
    return found


def taken_in_by(month: date, closes: Collection[MonthClose]) -> MonthClose | None:
    """Return the close that has a month in it, or None; the first close has all months before it."""
    later = [each for each in closes if each.month >= month]
    return min(later, key=lambda each: each.month, default=None)


def checklist(tx: Transaction, organisation_id: int, month: date) -> Checklist:
    """Look a month through."""
    sites = _sites(tx, organisation_id)
    reach = _reach(organisation_id, month, sites)
    if not reach.ends:
        return Checklist(month=month, closable_at=None, counted=dict.fromkeys(Check, 0))
    expected = sum(
        (reach.last_day - max(month, each.since.astimezone(zone_of(each.zone)).date())).days + 1
        for each in sites
        if each.site_id in reach.ends
    )
    found = tx.periods.standing(reach)
    found[Check.DAYS_OPEN] = expected - tx.periods.days_done(reach)
    found[Check.BANK_UNTIED] = tx.bank.untied_until(organisation_id, reach.last_day)
    counted = {check: found.get(check, 0) for check in Check}
    return Checklist(month=month, closable_at=reach.until + CLOSABLE_AFTER, counted=counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A month to close."""

    organisation_id: int
    month: date  # its first day


def close_month(store: Store, closing: Closing, *, actor: Actor, act: Act, now: datetime) -> MonthClose:
    """Close a month for good; what it is closed with that is not as it should be needs a reason.

    The same month again is harmless. Refuses what is not over, not in order, or not finished.
    """
    with store.transaction() as tx:
        tx.periods.hold(closing.organisation_id)
        closes = tx.periods.closes(closing.organisation_id)
        known = next((each for each in closes if each.month == closing.month), None)
        if known is not None:
            return known
        last = closes[0] if closes else None
        if last is not None and closing.month != month_of(last.month).after.first:
            raise MonthOutOfOrder(month_of(last.month).after.first)
        looked = require_closable(tx, closing, now=now)
        if looked.to_name:
            require_reason(actor)
        made = _made(tx, closing, looked, last, actor=actor, now=now)
        tx.periods.put(made)
        telling_books.closed_month(tx, closing.organisation_id, closing.month, now=now)
        told = replace(act, after=f"{made.digest.hex()[:32]} {_told(made.named)}".strip())
        subject = f"month {closing.month:%Y-%m}"
        tx.put_audit([entry_about(subject, actor, told, organisation_id=closing.organisation_id, now=now)])
        return made


def require_closable(tx: Transaction, closing: Closing, *, now: datetime) -> Checklist:
    """Refuse a month that is not over, or has something open that has to be finished first."""
    looked = checklist(tx, closing.organisation_id, closing.month)
    if looked.closable_at is None or now < looked.closable_at:
        raise MonthNotOver(looked.closable_at)
    if looked.blocking:
        raise MonthBlocked(looked.blocking)
    return looked


def digest_of(close: MonthClose) -> bytes:
    """Return what the digest of a close has to be: over all that it says, and the close before it."""
    said = [
        close.organisation_id,
        close.month.isoformat(),
        close.closed_at.isoformat(),
        close.closed_by,
        close.why,
        sorted(close.named.items()),
        close.totals,
        close.anchors,
    ]
    return sha256(
        close.previous + json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    ).digest()


def _made(
    tx: Transaction,
    closing: Closing,
    looked: Checklist,
    last: MonthClose | None,
    *,
    actor: Actor,
    now: datetime,
) -> MonthClose:
    reach = _reach(closing.organisation_id, closing.month, _sites(tx, closing.organisation_id))
    made = MonthClose(
        organisation_id=closing.organisation_id,
        month=closing.month,
        closed_at=now,
        closed_by=actor.who,
        why=actor.why,
        named={check.value: number for check, number in looked.to_name.items()},
        totals=tuple(tx.periods.totals(reach)),
        anchors=tuple(tx.periods.anchors(reach)),
        previous=NOTHING if last is None else last.digest,
        digest=NOTHING,
    )
    return replace(made, digest=digest_of(made))


def _told(named: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in named.items())


def _sites(tx: Transaction, organisation_id: int) -> list[FrozenSite]:
    return [each for each in tx.freezes.sites() if each.organisation_id == organisation_id]


def _reach(organisation_id: int, month: date, sites: list[FrozenSite]) -> Reach:
    bounds = {each.site_id: month_of(month).bounds(zone=each.zone) for each in sites}
    took_part = [each.site_id for each in sites if each.since < bounds[each.site_id][1]]
    return Reach(
        organisation_id=organisation_id,
        month=month,
        last_day=month_of(month).after.first - timedelta(days=1),
        begins={site_id: bounds[site_id][0] for site_id in took_part},
        ends={site_id: bounds[site_id][1] for site_id in took_part},
    )
