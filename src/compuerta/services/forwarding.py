"""Forwarding: what an outpost noted while it was alone becomes readings, charges and supply, once.

Records are numbered by the outpost's journal. What is kept, and up to which number, is written in one
transaction; only then is the outpost told that it may forget. So a record that is sent twice is taken once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.supply import STAGES, Reason
from compuerta.drivers.abilities import MeterState
from compuerta.services import observe
from compuerta.services.observe import AHEAD_MAX, MeterReport
from compuerta.services.outposts import is_line_of
from compuerta.services.records import AccountView, Alarm, MeterSnapshot, Reading, SupplyChange
from compuerta.services.store_port import Store, Transaction

# By these a supply is on for its credit alone, which an outpost has found to be used up; "" = nobody decided.
_BY_CREDIT = frozenset({"", *(reason.value for reason in STAGES | {Reason.IN_CREDIT})})
RECORDS_MAX = 200  # taken at once: their accounts are locked together


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Why an outpost opened a relay by itself."""

    out_since: datetime  # since when credit had ended
    register_wh: int  # at which it was opened
    ends_wh: int | None  # at which credit ended, by the tariff's inverse
    balance_minor: int  # by the outpost's reckoning
    issued_at: datetime  # of the orders that it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of an outpost's journal: what a meter said, and whether its relay was opened on it."""

    record_no: int  # counted from one
    meter_id: int
    at: datetime
    state: MeterState
    asked_at: datetime | None = None
    clock_off_s: int | None = None
    cut: Cut | None = None


def take_records(
    store: Store, *, outpost_id: str, journal_id: UUID, records: Sequence[Record], now: datetime
) -> int:
    """Take records of an outpost's journal; returns up to which number all is committed.

    `records` follow each other by number. A meter that is on none of the outpost's lines is not touched, and
    what was noted by a clock that is ahead is not believed; both are alarms.
    """
    with store.transaction() as tx:
        kept_no = tx.outposts.marks(outpost_id).get(journal_id, 0)
        new = [each for each in records if each.record_no > kept_no]
        if not new:
            return kept_no
        ours = _meters_of(tx, outpost_id)
        known = [each for each in new if each.meter_id in ours and each.at <= now + AHEAD_MAX]
        refused = [each for each in new if each not in known]
        tx.put_alarms(
            [_refused(each, outpost_id, is_ours=each.meter_id in ours, now=now) for each in refused]
        )
        _adopt_cuts(tx, known, now=now)
        _keep_overtaken(tx, known)
        observe.absorb(tx, [_report(each) for each in known], now=now)
        last_no = max(each.record_no for each in new)
        tx.outposts.mark(outpost_id, journal_id, record_no=last_no)
    return last_no


def _meters_of(tx: Transaction, outpost_id: str) -> set[int]:
    outpost = tx.outposts.outposts().get(outpost_id)
    if outpost is None:
        return set()
    ends = {each.endpoint_id for each in tx.endpoints() if is_line_of(each, outpost)}
    return {
        meter_id for meter_id, ways in tx.roads.ways().items() if any(way.endpoint_id in ends for way in ways)
    }


def _adopt_cuts(tx: Transaction, records: Sequence[Record], *, now: datetime) -> None:
    """Take over what the outpost decided, so that stages that ran there are not run again here.

    Whoever has paid since, or is protected now, is lit again by the converging that follows.
    """
    cuts = {each.meter_id: each for each in records if each.cut is not None}
    accounts = tx.accounts_of_meters(cuts)
    views = tx.lock_accounts(sorted(set(accounts.values())), now=now)
    snapshots: list[MeterSnapshot] = []
    changes: list[SupplyChange] = []
    for meter_id, account_id in sorted(accounts.items()):
        view, record = views[account_id], cuts[meter_id]
        before = view.snapshot
        assert record.cut is not None
        if before is None or before.meter_id != meter_id or before.wanted_closed is False:
            continue
        if before.wanted_reason not in _BY_CREDIT:
            continue  # a hold, or credit beyond zero, that was placed since or is decided on here
        after = replace(
            before,
            wanted_closed=False,
            wanted_reason=Reason.OUT_OF_CREDIT.value,
            out_since=record.cut.out_since,
        )
        snapshots.append(after)
        changes += _changes(view, before, record, record.cut)
    tx.save_snapshots(snapshots)
    tx.put_supply_changes(changes)


def _changes(view: AccountView, before: MeterSnapshot, record: Record, cut: Cut) -> list[SupplyChange]:
    """Return what was decided there: a last chance, if one was given and not begun here, and its end."""
    ended = SupplyChange(
        meter_id=before.meter_id,
        account_id=view.account.account_id,
        at=record.at,
        closed=False,
        kept=False,
        reason=Reason.OUT_OF_CREDIT.value,
        was_closed=before.wanted_closed,
        was_reason=before.wanted_reason,
        read_at=record.at,
    )
    has_begun = before.wanted_reason in {stage.value for stage in STAGES}
    if has_begun or cut.out_since >= record.at:
        return [ended]
    begun = replace(
        ended, at=cut.out_since, closed=True, reason=Reason.LAST_CHANCE.value, until=record.at, read_at=None
    )
    return [begun, replace(ended, was_closed=True, was_reason=Reason.LAST_CHANCE.value)]


def _keep_overtaken(tx: Transaction, records: Sequence[Record]) -> None:
    """Keep readings that another road has overtaken: they charge nothing, and nothing read is lost."""
    readings = [
        Reading(
            meter_id=each.meter_id,
            at=each.at,
            energy_wh=each.state.energy_wh,
            balance_minor=each.state.balance_minor,
            relay=each.state.relay,
            purchase_no=each.state.purchase_no,
            power_w=each.state.power_w,
            rates_wh=each.state.rates_wh,
        )
        for each in records
        if each.state.energy_wh is not None
    ]
    tx.put_readings(readings)


def _report(record: Record) -> MeterReport:
    return MeterReport(
        meter_id=record.meter_id,
        at=record.at,
        state=record.state,
        asked_at=record.asked_at,
        clock_off_s=record.clock_off_s,
    )


def _refused(record: Record, outpost_id: str, *, is_ours: bool, now: datetime) -> Alarm:
    """Return what tells of a record that is not taken: a stranger's meter, or a clock that is ahead."""
    if is_ours:
        detail = f"a reading of {record.at.isoformat()}, which is still to come; set its clock"
        return Alarm(kind="outpost_clock_ahead", subject=outpost_id, detail=detail, at=now)
    detail = f"a record of meter {record.meter_id}, which is on none of its lines"
    return Alarm(kind="outpost_meter_foreign", subject=outpost_id, detail=detail, at=now)
