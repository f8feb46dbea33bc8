"""Delivering: instructions are leased, carried out by a driver, and concluded with evidence.

This is the second of the two transactions of a recharge. Delivery is at least once; the purchase number in
the meter makes it once (promise D1). Only what was read back is done (D3); what met silence is due again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.ledger import DELIVERED, UNDELIVERED, Posting, PostingKind, transfer
from compuerta.domain.naming import derived
from compuerta.domain.party import zone_of
from compuerta.drivers.abilities import (
    Ending,
    LimitsOrder,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
)
from compuerta.drivers.model import Model
from compuerta.services import booking, converging, observe, partnering, rollout, telling, withdrawing
from compuerta.services.records import Case, Claim, Instant, RechargeInstant
from compuerta.services.store_port import Store, Transaction


class Concluded(Enum):
    """What became of a conclusion."""

    WRITTEN = "written"
    LEASE_LOST = "lease_lost"  # somebody else has it now and will find the same evidence: nothing written


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a conversation brought for a claimed instruction."""

    claim: Claim
    result: Result
    at: datetime  # when the meter's last answer came
    endpoint_id: str | None = None  # by which end it was had


@dataclass(slots=True)
class _Batch:
    """What one transaction will write; filled conclusion by conclusion."""

    currencies: dict[int, str]  # of the accounts
    outdated: set[UUID] = field(default_factory=set)  # limits that later ones have replaced meanwhile
    saved: list[Instruction] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    instants: list[RechargeInstant] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    reports: list[observe.MeterReport] = field(default_factory=list)
    not_withdrawn: list[tuple[Instruction, int | None]] = field(
        default_factory=list
    )  # with the meter's count


_EVENTS = {
    Ending.DONE: Event.CONFIRMED,
    Ending.ACCEPTED: Event.ACKNOWLEDGED,
    Ending.REFUSED: Event.DENIED,
    Ending.BUSY: Event.MISSED,
    Ending.SILENT: Event.MISSED,
}


def claim(
    store: Store, meter_ids: Iterable[int], *, now: datetime, owner: str, lease: timedelta = life.LEASE
) -> list[Claim]:
    """Lease the oldest due instruction of each of these meters; at most one per meter is ever in flight."""
    with store.transaction() as tx:
        claims = tx.claim(meter_ids, now=now, owner=owner, lease=lease)
        aged = [each for each in claims if _is_aged(each, now=now)]
        replaced = [_replaced(each.instruction, now=now) for each in aged]
        tx.save_instructions(replaced)
        tx.put_instructions(converging.looks_after(tx, replaced, now=now))
        wanted = [each for each in claims if each not in aged]
        return [_in_time(tx, each, now=now) for each in wanted]


def _in_time(tx: Transaction, claim: Claim, *, now: datetime) -> Claim:
    """Return a claim that can still be kept: a tariff that is late is put off, and told of."""
    if claim.instruction.kind is not Kind.TARIFF or not rollout.is_late(claim, now=now):
        return claim
    told = rollout.lateness(claim, now=now)
    if told is not None:
        case, alarm = told
        tx.put_cases([case])
        tx.put_alarms([alarm])
    late = rollout.put_off(claim, now=now)
    tx.save_instructions([late])
    return replace(claim, instruction=late)


def _is_aged(claim: Claim, *, now: datetime) -> bool:
    if claim.instruction.kind is Kind.TARIFF:
        return rollout.is_aged(claim, now=now)
    # A cut of a gateway that died, or that a meter only said yes to, is claimed again; who has paid meanwhile
    # is not cut for it (promises S1, S4).
    closed, kept = claim.instruction.relay_closed, claim.instruction.kept
    if closed is None or claim.wanted_closed is None or _releases(claim):
        return False
    return (closed, kept) != (claim.wanted_closed, claim.wanted_kept)


def _releases(claim: Claim) -> bool:
    """Whether a switch gives a meter back to its own rules, which is right whatever these then want."""
    release = claim.instruction.relay_closed is True and not claim.instruction.kept
    return release and claim.keeps_power and not claim.wanted_kept and claim.may_close


def _replaced(instruction: Instruction, *, now: datetime) -> Instruction:
    return replace(
        instruction,
        state=life.after(instruction.state, Event.REPLACED),
        lease_until=None,
        lease_owner="",
        ended_at=now,
    )


def due(store: Store, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
    """Return what is due for which of these meters, the longest waiting first, tariffs last."""
    with store.transaction() as tx:
        return tx.due_meters(among, now=now, limit=limit)


def order_for(claim: Claim, *, model: Model, now: datetime) -> Order | Result:
    """Turn a claimed instruction into the order that its driver understands, or into why there is none."""
    instruction = claim.instruction
    if instruction.kind is Kind.TARIFF:
        return rollout.order_for(claim, model=model, now=now)
    if instruction.kind is Kind.RECHARGE:
        assert instruction.amount_minor is not None and instruction.purchase_no is not None
        return RechargeOrder(
            amount_minor=instruction.amount_minor,
            purchase_no=instruction.purchase_no,
            customer_no=claim.meter.customer_no,
            close=claim.may_close,
            permits=claim.permits,
        )
    if instruction.kind is Kind.WITHDRAWAL:
        return withdrawing.order_for(claim)
    local = now.astimezone(zone_of(claim.zone)).replace(tzinfo=None)
    if instruction.kind is Kind.LOOK:
        return ReadOrder(now=local)
    if instruction.kind is Kind.LIMITS:
        assert instruction.limits is not None
        return LimitsOrder(limits=instruction.limits)
    return SwitchOrder(
        relay=Relay.CLOSED if instruction.relay_closed else Relay.OPEN,
        now=local,
        kept=instruction.kept,
        permits=claim.permits,
    )


def conclude(store: Store, conclusions: Sequence[Conclusion], *, now: datetime) -> list[Concluded]:
    """Write what conversations brought: the instruction's state, the delivery's posting, the evidence."""
    with store.transaction() as tx:
        keys = [
            (each.claim.instruction.meter_id, each.claim.instruction.instruction_id) for each in conclusions
        ]
        # Accounts before instructions: the order in which every transaction takes its locks.
        views = tx.lock_accounts({each.claim.instruction.account_id for each in conclusions}, now=now)
        current = tx.instructions(keys)
        batch = _Batch(currencies={account_id: view.account.currency for account_id, view in views.items()})
        batch.outdated |= _outdated(tx, current.values())
        outcomes = []
        for each in conclusions:
            instruction = current[each.claim.instruction.instruction_id]
            if not _is_ours(instruction, each.claim.instruction):
                outcomes.append(Concluded.LEASE_LOST)
                continue
            _conclude_one(batch, instruction, each, now=now)
            outcomes.append(Concluded.WRITTEN)
        _write(tx, batch, now=now)
    return outcomes


def _outdated(tx: Transaction, concluded: Iterable[Instruction]) -> set[UUID]:
    """Return the limits among instructions that are not the last that somebody wished for their meter."""
    limits = [each for each in concluded if each.kind is Kind.LIMITS]
    if not limits:
        return set()
    last = {each.meter_id: each.created_at for each in tx.open_limits({each.meter_id for each in limits})}
    return {
        each.instruction_id
        for each in limits
        if each.meter_id in last and each.created_at < last[each.meter_id]
    }


def wake(store: Store, meter_ids: Iterable[int], *, now: datetime) -> None:
    """Make the waiting instructions of meters that were just heard due at once."""
    with store.transaction() as tx:
        tx.wake(meter_ids, now=now)


def _is_ours(current: Instruction, claimed: Instruction) -> bool:
    return (
        current.state is State.IN_FLIGHT
        and current.lease_owner == claimed.lease_owner
        and current.tries == claimed.tries
    )


def _conclude_one(batch: _Batch, instruction: Instruction, conclusion: Conclusion, *, now: datetime) -> None:
    result = conclusion.result
    denied = _EVENTS[result.ending] is Event.DENIED
    step = _step(instruction, conclusion, now=now)
    outdated = instruction.instruction_id in batch.outdated
    if outdated and life.after(instruction.state, step.event) in life.OPEN:
        step = replace(step, event=Event.REPLACED)  # not tried again: a later wish waits (promise S4)
    state = life.after(instruction.state, step.event)
    open_still = state in life.OPEN
    retry = life.retry_at(created_at=instruction.created_at, tries=instruction.tries, now=now)
    batch.saved.append(
        replace(
            instruction,
            state=state,
            due_at=(step.due_at or retry) if open_still else instruction.due_at,
            lease_until=None,
            lease_owner="",
            ended_at=None if open_still else now,
            last_answer=step.answer,
            endpoint_id=conclusion.endpoint_id or instruction.endpoint_id,
        )
    )
    batch.reports.append(
        observe.MeterReport(
            meter_id=instruction.meter_id,
            at=conclusion.at,
            state=result.state,
            asked_at=_asked_at(conclusion.claim),
        )
    )
    if instruction.kind is Kind.RECHARGE and step.event is Event.CONFIRMED:
        _deliver(batch, instruction, conclusion, now=now)
    if instruction.kind is Kind.WITHDRAWAL and not open_still:
        _withdraw(batch, conclusion, now=now)
    if denied and step.answer != rollout.LATE:  # a late tariff has a case of its own
        batch.cases.append(_refusal(instruction, result, now=now))


def _refusal(instruction: Instruction, result: Result, *, now: datetime) -> Case:
    return Case(
        account_id=instruction.account_id,
        case_id=derived(instruction.instruction_id, "case:refused"),
        kind=f"{instruction.kind.value}_refused",
        detail=result.reason,
        opened_at=now,
    )


def _asked_at(claim: Claim) -> datetime | None:
    """Return when a look began at the earliest: what was read since is newer; all else is proof."""
    return claim.claimed_at if claim.instruction.kind is Kind.LOOK else None


def _step(instruction: Instruction, conclusion: Conclusion, *, now: datetime) -> rollout.Step:
    """Return what a conversation's end means for its instruction."""
    result = conclusion.result
    step = rollout.Step(event=_EVENTS[result.ending], answer=result.reason or result.ending.value)
    match instruction.kind:
        case Kind.TARIFF:
            return rollout.step_after(conclusion.claim, result, step=step, now=now)
        case Kind.RECHARGE if step.event is Event.DENIED:
            # Somebody's money: a case is opened, and it stays open and is tried again until the meter has it.
            return replace(step, event=Event.MISSED, due_at=now + life.RETRY_MAX)
    return step


def delivery_posting(instruction: Instruction, *, currency: str, now: datetime) -> Posting:
    """Return the posting of a recharge that its meter has: credit in force (promise D1)."""
    assert instruction.recharge_id is not None and instruction.amount_minor is not None
    return Posting(
        account_id=instruction.account_id,
        posting_id=derived(instruction.recharge_id, PostingKind.DELIVERY.value),
        kind=PostingKind.DELIVERY,
        currency=currency,
        lines=transfer(debit=UNDELIVERED, credit=DELIVERED, amount_minor=instruction.amount_minor),
        booked_at=now,
        cause_id=instruction.recharge_id,
    )


def credited(instruction: Instruction, *, at: datetime) -> RechargeInstant:
    """Return when a recharge came into force in its meter."""
    assert instruction.recharge_id is not None
    return RechargeInstant(
        account_id=instruction.account_id,
        recharge_id=instruction.recharge_id,
        instant=Instant.CREDITED,
        at=at,
    )


def _deliver(batch: _Batch, instruction: Instruction, conclusion: Conclusion, *, now: datetime) -> None:
    assert conclusion.result.credited, "a recharge is done only when the meter was read and has it"
    currency = batch.currencies[instruction.account_id]
    batch.postings.append(delivery_posting(instruction, currency=currency, now=now))
    batch.instants.append(credited(instruction, at=conclusion.at))


def _withdraw(batch: _Batch, conclusion: Conclusion, *, now: datetime) -> None:
    ended = batch.saved[-1]
    if ended.state is State.DONE:
        assert conclusion.result.credited, (
            "a withdrawal is done only when the meter was read and has counted it"
        )
        currency = batch.currencies[ended.account_id]
        batch.postings.append(withdrawing.posting(ended, currency=currency, now=now))
    else:
        batch.not_withdrawn.append((ended, conclusion.result.state.purchase_no))


def _write(tx: Transaction, batch: _Batch, *, now: datetime) -> None:
    tx.save_instructions(batch.saved)
    booking.book(tx, batch.postings)
    partnering.keep_instants(tx, batch.instants)
    tx.put_cases(batch.cases)
    withdrawing.refused(tx, batch.not_withdrawn, now=now)
    observe.absorb(tx, batch.reports, now=now)
    telling.payment_arrived(tx, _arrived(batch), now=now)


def _arrived(batch: _Batch) -> list[telling.PaymentArrived]:
    in_force = {each.recharge_id for each in batch.instants}
    return [
        telling.PaymentArrived(
            account_id=each.account_id, recharge_id=each.recharge_id, amount_minor=each.amount_minor
        )
        for each in batch.saved
        if each.recharge_id in in_force and each.amount_minor is not None
    ]
