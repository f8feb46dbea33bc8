"""Billing by intervals: what meters measure hour by hour becomes one charge for each bill that has ended.

Missing is not zero: a bill whose intervals are not all there waits, and a case says which day is missing
(promise T2). What was billed is in the tally, so that a run that ended half-way goes on where it stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from compuerta.domain.naming import named
from compuerta.domain.tariff.tally import Span, cycle_end
from compuerta.services import booking, charging, converging, telling, warning
from compuerta.services.records import AccountView, Case, LoadDay, Warned
from compuerta.services.store_port import Transaction

# A bill takes tens of milliseconds here; locks are held no longer than a second or two.
ACCOUNTS_PER_BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run over the accounts has done."""

    billed: int = 0
    waiting: int = 0  # a bill has ended, and its intervals are not all there


def bill_accounts(tx: Transaction, account_ids: Sequence[int], *, until: datetime, now: datetime) -> Run:
    """Bill some accounts inside a transaction, and converge supply after it."""
    views = tx.lock_accounts(account_ids, now=now)
    due = {
        account_id: end
        for account_id, view in views.items()
        if view.by_intervals and (end := _end_of_bill(view)) <= until
    }
    days = _days(tx, [views[account_id] for account_id in due], until=max(due.values(), default=until))
    billed: list[int] = []
    for account_id, end in due.items():
        spans = charging.intervals_of(days.get(account_id, ()), since=_since(views[account_id]), until=end)
        gap = _gap(spans, since=_since(views[account_id]), until=end)
        if gap is None:
            _charge(tx, views[account_id], spans, now=now)
            billed.append(account_id)
        else:
            tx.put_cases([_case(account_id, gap, end=end, now=now)])
    converging.converge(tx, billed, now=now)
    further = Run()
    if billed:  # a run may be late by more than a bill
        further = bill_accounts(tx, billed, until=until, now=now)
    return Run(billed=len(billed) + further.billed, waiting=len(due) - len(billed) + further.waiting)


def _end_of_bill(view: AccountView) -> datetime:
    assert view.schedule is not None
    return cycle_end(charging.tally_of(view, view.holdings), schedule=view.schedule)


def _since(view: AccountView) -> datetime:
    return charging.tally_of(view, view.holdings).until


def _days(tx: Transaction, views: Sequence[AccountView], *, until: datetime) -> Mapping[int, list[LoadDay]]:
    """Return each account's days, from that on in which its bill has arrived."""
    account_of = {view.meter.meter_id: view.account.account_id for view in views if view.meter}
    if not account_of:
        return {}
    since = min(map(_since, views)) - charging.LONGEST_DAY
    days: dict[int, list[LoadDay]] = {}
    for day in tx.load_days(account_of, since=since, until=until):
        days.setdefault(account_of[day.meter_id], []).append(day)
    return days


def _gap(spans: Sequence[Span], *, since: datetime, until: datetime) -> datetime | None:
    """Return the first instant of which nothing is known; an account owns no interval that it began in."""
    if not spans or spans[0].start - since >= spans[0].end - spans[0].start:
        return since
    for before, after in pairwise(spans):
        if before.end < after.start:
            return before.end
    return spans[-1].end if spans[-1].end < until else None


def _case(account_id: int, gap: datetime, *, end: datetime, now: datetime) -> Case:
    return Case(
        account_id=account_id,
        case_id=named("case:intervals", account_id, end.isoformat(), gap.isoformat()),
        kind="intervals_missing",
        detail=f"the bill to {end.isoformat()} waits: nothing is known from {gap.isoformat()} on",
        opened_at=now,
    )


def _charge(tx: Transaction, view: AccountView, spans: Sequence[Span], *, now: datetime) -> None:
    assert view.meter is not None
    charged = charging.charge_intervals(view, view.meter.meter_id, spans, now=now)
    was_minor = view.holdings.delivered_minor
    change = warning.Change(
        before_minor=was_minor, after_minor=was_minor - charged.amount_minor, at=spans[-1].end
    )
    holdings, warnings = charged.holdings, list[Warned]()
    if warning.is_of_ledger(view):
        holdings, warnings = warning.decided(view, holdings, change)
    tx.save_holdings([holdings])
    booking.book(tx, charged.postings)
    tx.put_bills(charged.bills)
    tx.put_charges(charged.charges)
    tx.put_warnings(warnings)
    telling.warned(tx, warnings, now=now)
