"""Observing: what meters say becomes readings, charges, warnings and supply.

Missing is not zero, and a register that runs backwards or jumps is not billed: the account's billing is held
and a case says why (promise T2). A charge is round(bill up to now) - round(bill up to before) (M4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from compuerta.domain.energy import Delta, judge_delta
from compuerta.domain.forecast import Shape
from compuerta.domain.freeze import is_off
from compuerta.domain.instruction import State
from compuerta.domain.ledger import Posting
from compuerta.domain.naming import named
from compuerta.domain.tariff.civil import HOUR_US, to_us
from compuerta.domain.tariff.fitting import rates_of
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.domain.tariff.tally import Span
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import (
    alarming,
    booking,
    charging,
    converging,
    forecasting,
    overloading,
    partnering,
    telling,
    warning,
)
from compuerta.services.records import (
    AccountView,
    BillOpening,
    Case,
    Charge,
    Holdings,
    Instant,
    MeterSnapshot,
    Reading,
    RechargeInstant,
    Warned,
)
from compuerta.services.store_port import Store, Transaction

# Clocks of two gateways differ by less. What is known from further ahead was kept by a clock that was wrong:
# it must not silence all that comes until then, since supply would be switched by it again and again.
AHEAD_MAX = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReport:
    """What a meter said, and when we heard it."""

    meter_id: int
    at: datetime
    state: MeterState
    asked_at: datetime | None = None  # when the conversation began; None = what it says is of `at`
    clock_off_s: int | None = None  # by how much its clock was ahead; None = it was not read


@dataclass(slots=True)
class _Batch:
    """What one transaction will write; filled report by report."""

    readings: list[Reading] = field(default_factory=list)
    snapshots: dict[int, MeterSnapshot] = field(default_factory=dict)
    holdings: dict[int, Holdings] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    bills: list[BillOpening] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    unmeasured: set[int] = field(default_factory=set)  # meters whose registers fell or jumped
    warnings: list[Warned] = field(default_factory=list)
    balances_minor: dict[int, int] = field(default_factory=dict)  # after the charges of this batch
    changes: list[alarming.Change] = field(default_factory=list)  # of meters, in the order of time
    seen_closed: dict[int, datetime] = field(default_factory=dict)
    runs_by: Mapping[int, VersionKey] = field(default_factory=dict)  # whose tables a meter was seen to run
    shapes: Mapping[int, Shape] = field(default_factory=dict)  # of accounts that are warned by days


def take_readings(store: Store, reports: Sequence[MeterReport], *, now: datetime) -> None:
    """Take what meters said; a report twice is a report once."""
    with store.transaction() as tx:
        absorb(tx, reports, now=now)


def absorb(tx: Transaction, reports: Sequence[MeterReport], *, now: datetime) -> None:
    """Take what meters said, inside somebody's transaction, and converge supply after it."""
    accounts = tx.accounts_of_meters({report.meter_id for report in reports})
    views = tx.lock_accounts(sorted(set(accounts.values())), now=now)
    # Somebody moved, or a meter was swapped, while its account was waited for: the next report tells.
    accounts = {each: account_id for each, account_id in accounts.items() if _has(views[account_id], each)}
    batch = _Batch(
        runs_by=_runs_by(tx, reports, accounts, views),
        shapes=_shapes(tx, reports, accounts, views, now=now),
    )
    for report in sorted(reports, key=lambda each: (each.meter_id, each.at)):
        account_id = accounts.get(report.meter_id)
        if account_id is not None:
            _absorb_one(batch, report, views[account_id], now=now)
    tx.put_readings(batch.readings)
    tx.save_snapshots(list(batch.snapshots.values()))
    tx.save_holdings(list(batch.holdings.values()))
    booking.book(tx, batch.postings)
    tx.put_bills(batch.bills)
    tx.put_charges(batch.charges)
    tx.put_cases(batch.cases)
    if batch.unmeasured:
        converging.end_lent(tx, batch.unmeasured, now=now)
    tx.put_warnings(batch.warnings)
    telling.warned(tx, batch.warnings, now=now)
    alarming.absorb(tx, batch.changes, now=now)
    overloading.absorb(tx, batch.changes, now=now)
    _keep_closings(tx, batch)
    converging.converge(tx, sorted(set(accounts.values())), now=now)


def _has(view: AccountView, meter_id: int) -> bool:
    return view.meter is not None and view.meter.meter_id == meter_id


def _runs_by(
    tx: Transaction,
    reports: Sequence[MeterReport],
    accounts: Mapping[int, int],
    views: Mapping[int, AccountView],
) -> dict[int, VersionKey]:
    """Return by which version's tables meters run that tell their use by rate, where rates have prices."""
    asked = set()
    for report in reports:
        view = views.get(accounts.get(report.meter_id, 0))
        if report.state.rates_wh is not None and view is not None and view.schedule is not None:
            periods = view.schedule.version_at(to_us(report.at)).tariff.energy.periods
            asked |= {report.meter_id} if len(periods) > 1 else set()
    loadings = tx.loadings(sorted(asked)) if asked else []
    return {
        each.meter_id: (each.tariff_id, each.version_no)
        for each in loadings
        if each.state is State.DONE and each.tariff_id is not None and each.version_no is not None
    }


def _shapes(
    tx: Transaction,
    reports: Sequence[MeterReport],
    accounts: Mapping[int, int],
    views: Mapping[int, AccountView],
    *,
    now: datetime,
) -> Mapping[int, Shape]:
    """Return the habits of accounts that are warned by days: once an hour, or after a recharge, is enough."""
    asked = {}
    for report in reports:
        view = views.get(accounts.get(report.meter_id, 0))
        if view is None or not warning.counts_hours(view):
            continue
        last_at = view.holdings.register_at
        same_hour = last_at is not None and to_us(last_at) // HOUR_US == to_us(report.at) // HOUR_US
        if not same_hour or view.balance_minor != view.holdings.warned_minor:
            asked[view.account.account_id] = view
    return forecasting.shapes_of(tx, asked.values(), now=now)


def rates_used(tx: Transaction, report: MeterReport, view: AccountView) -> tuple[int, ...] | None:
    """Return the use by the tariff's periods up to a reading that ends an account, where meters tell it."""
    account_id = view.account.account_id
    runs_by = _runs_by(tx, [report], {report.meter_id: account_id}, {account_id: view})
    return _rates_used(_Batch(runs_by=runs_by), report, view, view.holdings)


def _rates_used(
    batch: _Batch, report: MeterReport, view: AccountView, holdings: Holdings
) -> tuple[int, ...] | None:
    """Return the use by the tariff's periods as the meter's own registers tell it.

    Only where the meter ran by the tables of the one version that bills all of this use, and the registers
    of the rates add up to the total; else the use is spread evenly over time.
    """
    before, after = holdings.register_rates_wh, report.state.rates_wh
    runs_by, schedule = batch.runs_by.get(report.meter_id), view.schedule
    if before is None or after is None or len(before) != len(after) or schedule is None:
        return None
    start = holdings.register_at or view.account.period.start
    version = schedule.version_at(to_us(report.at) - 1)
    if not runs_by == version.key == schedule.version_at(to_us(start)).key:
        return None
    numbers = rates_of(version.tariff.energy.periods, rates_max=len(after))
    if max(numbers) > len(after):
        return None
    used = tuple(after[number - 1] - before[number - 1] for number in numbers)
    whole_wh = (report.state.energy_wh or 0) - (holdings.register_wh or 0)
    return used if min(used) >= 0 and sum(used) == whole_wh else None


def _absorb_one(batch: _Batch, report: MeterReport, view: AccountView, *, now: datetime) -> None:
    assert view.snapshot is not None
    before = batch.snapshots.get(report.meter_id, view.snapshot)
    known_at = before.read_at
    if known_at is not None and (report.asked_at or report.at) <= known_at <= now + AHEAD_MAX:
        # Older than what is known, the same again, or asked while another conversation brought newer figures:
        # two gateways that share a bus would else see a register run backwards.
        return
    after = _merged(before, report)
    batch.snapshots[report.meter_id] = after
    batch.changes.append(alarming.Change(view=view, before=before, after=after))
    state = report.state
    if state == MeterState():
        return
    batch.readings.append(
        Reading(
            meter_id=report.meter_id,
            at=report.at,
            energy_wh=state.energy_wh,
            balance_minor=state.balance_minor,
            relay=state.relay,
            purchase_no=state.purchase_no,
            power_w=state.power_w,
            rates_wh=state.rates_wh,
        )
    )
    if state.relay is Relay.CLOSED:
        batch.seen_closed[view.account.account_id] = report.at
    if state.energy_wh is not None and not view.by_intervals:
        _bill(batch, report, view, now=now)
    if state.balance_minor is not None and before.balance_minor is not None and warning.is_of_meter(view):
        # What a meter holds rises by recharges alone: from the top of the rise it falls again.
        top_minor = max(before.balance_minor, state.balance_minor)
        _warn(batch, report, view, before_minor=top_minor, after_minor=state.balance_minor)


def _merged(before: MeterSnapshot, report: MeterReport) -> MeterSnapshot:
    state = report.state
    said_something = state != MeterState()
    if report.clock_off_s is not None and is_off(report.clock_off_s):
        before = replace(before, clock_off_s=report.clock_off_s, clock_off_at=report.at)
    return replace(
        before,
        relay=before.relay if state.relay is None else state.relay,
        energy_wh=before.energy_wh if state.energy_wh is None else state.energy_wh,
        balance_minor=before.balance_minor if state.balance_minor is None else state.balance_minor,
        purchase_no=before.purchase_no if state.purchase_no is None else state.purchase_no,
        power_w=before.power_w if state.power_w is None else state.power_w,
        # Flags are of the status words, as the relay is: what did not read them tells of neither.
        flags=before.flags if state.relay is None else state.flags,
        counts={**before.counts, **state.counts},
        read_at=report.at if said_something else before.read_at,
        heard_at=report.at if said_something else before.heard_at,
    )


def _bill(batch: _Batch, report: MeterReport, view: AccountView, *, now: datetime) -> None:
    account_id = view.account.account_id
    holdings = batch.holdings.get(account_id, view.holdings)
    register_wh = report.state.energy_wh
    assert register_wh is not None
    if holdings.register_wh is None:
        batch.holdings[account_id] = replace(
            holdings,
            register_wh=register_wh,
            register_at=report.at,
            register_rates_wh=report.state.rates_wh,
        )
        return
    last_at = holdings.register_at or view.account.period.start
    if (report.asked_at or report.at) < last_at <= now + AHEAD_MAX and holdings.register_at is not None:
        return  # somebody has read the meter since, on the day of a move: this was asked before
    elapsed_s = int((report.at - last_at).total_seconds()) + 1
    verdict = judge_delta(before_wh=holdings.register_wh, after_wh=register_wh, elapsed_s=elapsed_s)
    if report.at > now:
        verdict = Delta.FROM_THE_FUTURE
    if holdings.billing_held:
        return  # the case is open; a person decides where billing goes on
    if verdict is not Delta.PLAUSIBLE:
        _hold(batch, report, view, verdict, holdings)
    else:
        _charge(batch, report, view, holdings, now=now)


def _hold(batch: _Batch, report: MeterReport, view: AccountView, verdict: Delta, holdings: Holdings) -> None:
    account_id = view.account.account_id
    batch.holdings[account_id] = replace(holdings, billing_held=True)
    if verdict is not Delta.FROM_THE_FUTURE:
        batch.unmeasured.add(report.meter_id)
    batch.cases.append(
        Case(
            account_id=account_id,
            case_id=named("case:register", account_id, report.at.isoformat()),
            kind=f"register_{verdict.value}",
            detail=f"{holdings.register_wh} Wh, then {report.state.energy_wh} Wh at {report.at.isoformat()}",
            opened_at=report.at,
        )
    )


def _charge(
    batch: _Batch, report: MeterReport, view: AccountView, holdings: Holdings, *, now: datetime
) -> None:
    """Charge the use since the register was billed last: one charge in each bill that it reaches into."""
    assert report.state.energy_wh is not None and holdings.register_wh is not None
    if view.schedule is None:
        return
    use = charging.Use(
        meter_id=report.meter_id,
        span=Span(
            start=holdings.register_at or view.account.period.start,
            end=report.at,
            energy_wh=report.state.energy_wh - holdings.register_wh,
            rates_wh=_rates_used(batch, report, view, holdings),
        ),
    )
    charged = charging.charge(view, holdings, use, now=now)
    batch.bills += charged.bills
    batch.charges += charged.charges
    batch.postings += charged.postings
    account_id = view.account.account_id
    batch.holdings[account_id] = replace(
        charged.holdings,
        register_wh=report.state.energy_wh,
        register_at=report.at,
        register_rates_wh=report.state.rates_wh,
    )
    was = batch.balances_minor.get(account_id, view.holdings.delivered_minor)
    is_now = batch.balances_minor[account_id] = was - charged.amount_minor
    if warning.is_of_ledger(view):
        _warn(batch, report, view, before_minor=was, after_minor=is_now)


def _warn(
    batch: _Batch, report: MeterReport, view: AccountView, *, before_minor: int, after_minor: int
) -> None:
    account_id = view.account.account_id
    kept, said = warning.decided(
        view,
        batch.holdings.get(account_id, view.holdings),
        warning.Change(before_minor=before_minor, after_minor=after_minor, at=report.at),
        shape=batch.shapes.get(account_id),
    )
    batch.holdings[account_id] = kept
    batch.warnings += said


def _keep_closings(tx: Transaction, batch: _Batch) -> None:
    # Only what was credited before the relay was seen: an older look proves nothing for a newer recharge.
    unlit = tx.recharges_unlit(batch.seen_closed)
    partnering.keep_instants(
        tx,
        [
            RechargeInstant(
                account_id=account_id,
                recharge_id=recharge_id,
                instant=Instant.CLOSED,
                at=batch.seen_closed[account_id],
            )
            for account_id, recharge_id in unlit
        ],
    )
