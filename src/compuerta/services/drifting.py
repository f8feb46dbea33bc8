"""Drifting: at each freeze, books, meter and recomputation are held against each other, in money.

A difference that nothing on its way explains becomes one case per account and cause, with its figures. It
ends by itself only when the figures agree again; a suspicion is ended by people. Nothing is adjusted (T1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain.drift import (
    Cause,
    DayUse,
    Evidence,
    Given,
    UnderWay,
    clock_minor_max,
    explain,
    is_tampered,
    tolerance_minor,
)
from compuerta.domain.instruction import TAKEN_BACK, Instruction, Kind, State
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.services import day_end, recomputing, suspecting
from compuerta.services.day_port import AccountDay, AccountWeight, ChargedSince, Drift
from compuerta.services.drift_cases import Drifts, Figures
from compuerta.services.freeze_port import DayStep, Freeze, SiteDay
from compuerta.services.recomputing import Recomputed
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

PAGE_ACCOUNTS_MAX: Final = 200
PAGES_MAX: Final = 100_000
DAY: Final = timedelta(days=1)
# What was given so long ago is not lost tonight.
GIVEN_SINCE: Final = timedelta(days=3)
# A meter that is heard takes a recharge within seconds; what it has not taken by the next day is lost.
OVERDUE: Final = timedelta(days=1)
# Clocks of meters are right to minutes: a recharge so near to midnight may be on either side of it.
NEAR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What is known of some accounts of a site when their day is weighed."""

    day: SiteDay
    now: datetime
    views: Mapping[int, AccountView]
    freezes: Mapping[int, Freeze]  # of the day, by meter: facts only
    rolled: Mapping[int, AccountDay]
    weights: Mapping[int, AccountWeight]
    charged: Mapping[int, ChargedSince]
    deliveries: Mapping[int, Sequence[Instruction]]  # by meter
    runs_by: Mapping[int, VersionKey]  # by meter
    drifts: Mapping[int, Sequence[Drift]]  # that are not gone, by account
    uses: Mapping[int, DayUse]  # by meter


def weigh_day(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Weigh a day of a site; see `day_end.Step`. A day twice finds what it found."""
    after = 0
    for _ in range(PAGES_MAX):
        with store.transaction() as tx:
            ids = tx.accounts_in(scope="site", scope_id=day.site_id, after=after, limit=PAGE_ACCOUNTS_MAX)
            if ids:
                _weigh(tx, _page(tx, ids, day, now=now))
        if len(ids) < PAGE_ACCOUNTS_MAX:
            break
        after = ids[-1]
    with store.transaction() as tx:
        return day_end.go_on(tx, day, to=DayStep.SEALING)


def _page(tx: Transaction, account_ids: Sequence[int], day: SiteDay, *, now: datetime) -> _Page:
    views = {
        account_id: view
        for account_id, view in tx.lock_accounts(account_ids, now=now).items()
        if view.meter is not None
        and view.snapshot is not None
        # A feeder buys nothing, and has no money to drift.
        and view.schedule is not None
        and view.account.period.start < day.ends_at
    }
    meters = {view.meter.meter_id: view for view in views.values() if view.meter is not None}
    freezes = tx.freezes.freezes_of(meters, since=day.day - suspecting.BEFORE, until=day.day + DAY)
    facts = [each for each in freezes if each.basis in suspecting.FACTS and each.energy_wh is not None]
    weights = tx.days.weights(views)
    begun = {account_id: _weight(weights, view) for account_id, view in views.items()}
    after_wh = {account_id: each.charged_wh for account_id, each in begun.items() if each is not None}
    deliveries: dict[int, list[Instruction]] = {}
    for each in tx.days.deliveries(meters, since=day.starts_at - GIVEN_SINCE):
        deliveries.setdefault(each.meter_id, []).append(each)
    drifts: dict[int, list[Drift]] = {}
    for drift in tx.days.drifts_of(views):
        drifts.setdefault(drift.account_id, []).append(drift)
    return _Page(
        day=day,
        now=now,
        views=views,
        freezes={each.meter_id: each for each in facts if each.day == day.day},
        rolled={
            each.account_id: each for each in tx.days.of_accounts(views, since=day.day, until=day.day + DAY)
        },
        weights={account_id: each for account_id, each in begun.items() if each is not None},
        charged=tx.days.charged(after_wh, before=day.ends_at),
        deliveries=deliveries,
        runs_by=_runs_by(tx, meters, at=day.ends_at),
        drifts=drifts,
        uses=suspecting.day_uses(tx, meters, facts, day),
    )


def _weight(weights: Mapping[int, AccountWeight], view: AccountView) -> AccountWeight | None:
    known, begun = weights.get(view.account.account_id), recomputing.begun(view)
    if known is None or begun is None:
        return begun
    # Another meter, or a register that a person has set anew: what was before tells nothing.
    return known if (known.meter_id, known.offset_wh) == (begun.meter_id, begun.offset_wh) else begun


def _runs_by(tx: Transaction, meter_ids: Iterable[int], *, at: datetime) -> dict[int, VersionKey]:
    """Return by which version's tables meters were seen to run."""
    return {
        each.meter_id: (each.tariff_id, each.version_no)
        for each in tx.loadings(meter_ids)
        if each.state is State.DONE
        and each.tariff_id is not None
        and each.version_no is not None
        and each.effective_at is not None
        and each.effective_at < at
    }


def _weigh(tx: Transaction, page: _Page) -> None:
    weights = dict(page.weights)
    for account_id, view in page.views.items():
        recomputed = _recomputed(page, view)
        if recomputed is not None:
            weights[account_id] = recomputed.weight
        drifts = Drifts(view, page.day, page.drifts.get(account_id, ()), now=page.now)
        figures = figures_of(view, page.rolled.get(account_id), _freeze(page, view), recomputed)
        # Where billing is held a case says why, and what is billed by intervals is billed later.
        if figures is not None and not view.holdings.billing_held and not view.by_intervals:
            _tell(tx, page, view, drifts, figures, recomputed)
        _tell_tampered(tx, page, view, drifts, figures)
        drifts.write(tx)
    tx.days.save_weights(list(weights.values()))


def _freeze(page: _Page, view: AccountView) -> Freeze | None:
    return None if view.meter is None else page.freezes.get(view.meter.meter_id)


def _recomputed(page: _Page, view: AccountView) -> Recomputed | None:
    weight, freeze = page.weights.get(view.account.account_id), _freeze(page, view)
    if weight is None or freeze is None or view.schedule is None:
        return None
    charged = page.charged[view.account.account_id]
    runs_by = page.runs_by.get(freeze.meter_id)
    return recomputing.recompute(view, weight, freeze, charged, runs_by=runs_by)


def figures_of(
    view: AccountView, rolled: AccountDay | None, freeze: Freeze | None, recomputed: Recomputed | None
) -> Figures | None:
    """Return the figures of an account at the freeze, or at its last reading where the freeze has none.

    Ours are all that is owed, less the use that is not charged yet: both of the same register.
    """
    held, snapshot = view.holdings, view.snapshot
    if rolled is not None and recomputed is not None and freeze is not None:
        books_minor = rolled.closing_minor - recomputed.unread_minor
        gap_minor = recomputed.gap_minor
        figures = Figures(
            books_minor=books_minor,
            meter_minor=freeze.balance_minor if view.credit_in_meter else None,
            recomputed_minor=None if gap_minor is None else books_minor + gap_minor,
        )
        if figures.meter_minor is not None or not view.credit_in_meter:
            return figures
    has_frozen = freeze is not None and freeze.balance_minor is not None
    if has_frozen or snapshot is None or not view.credit_in_meter or snapshot.balance_minor is None:
        return None
    if snapshot.read_at is None or snapshot.read_at != held.register_at:
        return None
    books_minor = held.undelivered_minor + held.delivered_minor
    return Figures(books_minor=books_minor, meter_minor=snapshot.balance_minor)


def _tell(
    tx: Transaction,
    page: _Page,
    view: AccountView,
    drifts: Drifts,
    figures: Figures,
    recomputed: Recomputed | None,
) -> None:
    tolerance = _tolerance_minor(page, view, recomputed)
    if figures.meter_minor is None:
        known_minor = figures.recomputed_minor
        gap_minor = 0 if known_minor is None else known_minor - figures.books_minor
        if abs(gap_minor) > tolerance:
            drifts.tell(tx, Cause.UNEXPLAINED, gap_minor, figures)  # of its day alone
        return
    rest_minor = _rest_minor(drifts, figures, tolerance=tolerance)
    verdict = explain(_evidence(page, view, recomputed, rest_minor, tolerance=tolerance))
    if isinstance(verdict, Cause):
        drifts.tell(tx, verdict, rest_minor, figures)


def _rest_minor(drifts: Drifts, figures: Figures, *, tolerance: int) -> int:
    """Return what no drift has explained before of the meter's difference; drifts that are over end here."""
    assert figures.meter_minor is not None
    gap_minor = figures.meter_minor - figures.books_minor
    known = drifts.of_meter()
    rest_minor = gap_minor - sum(each.minor for each in known)
    if abs(gap_minor) <= tolerance:
        drifts.end(known, figures)
        return gap_minor
    over = [each for each in known if abs(rest_minor + each.minor) <= tolerance < abs(rest_minor)][:1]
    drifts.end(over, figures)
    drifts.see([each for each in known if each not in over], figures)
    return rest_minor + sum(each.minor for each in over)


def _tell_tampered(
    tx: Transaction, page: _Page, view: AccountView, drifts: Drifts, figures: Figures | None
) -> None:
    assert view.meter is not None
    use, held = page.uses.get(view.meter.meter_id), view.holdings
    if use is None or view.schedule is None or drifts.has(Cause.TAMPER) or not is_tampered(use):
        return
    prices = recomputing.prices_at(view, page.day.ends_at)
    minor = max(round(prices.high * use.missing_wh), 1)
    books = Figures(books_minor=held.undelivered_minor + held.delivered_minor)
    drifts.tell(tx, Cause.TAMPER, -minor, figures or books)


def _tolerance_minor(page: _Page, view: AccountView, recomputed: Recomputed | None) -> int:
    unread_wh = 0 if recomputed is None else recomputed.unread_wh
    return tolerance_minor(recomputing.prices_at(view, page.day.ends_at), unread_wh=unread_wh)


def _evidence(
    page: _Page, view: AccountView, recomputed: Recomputed | None, gap_minor: int, *, tolerance: int
) -> Evidence:
    assert view.meter is not None and view.snapshot is not None
    meter_id = view.meter.meter_id
    of_meter = page.deliveries.get(meter_id, ())
    freeze = _freeze(page, view)
    given = [each for each in of_meter if each.kind is Kind.RECHARGE and each.state is State.DONE]
    other_minor, clock_max = None, 0
    if recomputed is not None:
        other_minor = recomputing.other_version_minor(view, recomputed.span, page.runs_by.get(meter_id))
        clock_max = clock_minor_max(
            recomputing.prices_at(view, page.day.ends_at),
            used_wh=recomputed.used_wh,
            clock_off_s=None if freeze is None else freeze.clock_off_s,
            edges=recomputing.edges(view, recomputed.span),
        )
    return Evidence(
        gap_minor=gap_minor,
        tolerance_minor=tolerance,
        under_way=tuple(_under_way(each, view, page) for each in of_meter if _is_under_way(each, page)),
        given=tuple(
            Given(purchase_no=each.purchase_no or 0, amount_minor=each.amount_minor or 0) for each in given
        ),
        meter_no=view.snapshot.purchase_no,
        other_version_minor=other_minor,
        clock_minor_max=clock_max,
    )


def _is_under_way(each: Instruction, page: _Page) -> bool:
    """Whether a recharge or withdrawal may be on one side of midnight alone."""
    if each.ended_at is not None and each.last_answer == TAKEN_BACK:
        return False
    return each.ended_at is None or each.ended_at > page.day.ends_at - NEAR


def _under_way(each: Instruction, view: AccountView, page: _Page) -> UnderWay:
    assert view.snapshot is not None and each.amount_minor is not None
    heard_at = view.snapshot.heard_at
    overdue = each.ended_at is None and heard_at is not None and heard_at - each.created_at > OVERDUE
    # Booked after midnight, a meter with a fast clock may have it before: then it is above our books.
    after = each.kind is Kind.RECHARGE and each.created_at >= page.day.ends_at
    return UnderWay(amount_minor=each.amount_minor if after else -each.amount_minor, overdue=overdue)
