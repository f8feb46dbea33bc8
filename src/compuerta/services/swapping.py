"""Swapping: another meter measures for an account, and nothing is lost or counted twice between the two.

Registers of two meters are never compared: the old one is charged up to its closing register, and the new
one counts from its opening register. Steps and bill go on. Money that is in the old meter, or on its way to
it, is carried to wherever the new one has it. What the old meter was still to do is cancelled.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.energy import format_kwh
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.ledger import DELIVERED, OWED, UNDELIVERED, PostingKind
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import CreditAuthority, Meter, require_meter_no
from compuerta.domain.tariff.tally import opened
from compuerta.services import (
    booking,
    converging,
    deliver,
    moving,
    partnering,
    rollout,
    settling,
    withdrawing,
)
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.moving import Closed, Shown
from compuerta.services.occupancy_port import Adjustment, Move, MoveKind
from compuerta.services.records import (
    AccountView,
    Case,
    Endpoint,
    Instant,
    MeterEntry,
    Recharge,
    RechargeInstant,
)
from compuerta.services.rollout import Models
from compuerta.services.store_port import Store, Transaction

# Both round once: a meter by the watt-second, and the books by the register's step.
DRIFT_MAX_MINOR = 1


class SendingNow(Refused):
    """A recharge is being sent to the old meter at this moment."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"a recharge is being sent to meter {meter_no}: try in a minute")
        self.meter_no = meter_no


class DisplayUnknown(Refused):
    """Nobody said how much money the old meter shows."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"type the money that meter {meter_no} shows, or say that its display is dark")
        self.field = "display_minor"


class PurchasesUnknown(Refused):
    """A recharge was tried, and nobody knows whether the old meter has taken it."""

    def __init__(self, meter_no: str, purchase_no: int) -> None:
        super().__init__(
            f"purchase {purchase_no} was tried and not confirmed: type what meter {meter_no} counts"
        )
        self.field = "purchase_no"


class PurchasesOdd(Refused):
    """A count that the old meter cannot show."""

    def __init__(self, *, given: int, least: int, most: int) -> None:
        super().__init__(f"the old meter counts {least} to {most} purchases, not {given}: look again")
        self.field = "purchase_no"


class MeterTaken(Refused):
    """The new meter measures, or has measured, for somebody; or it is the old one."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter {meter_no} is in use, or was taken out of use: enter another one")
        self.field = "meter_no"


class MeterDiffers(Refused):
    """A meter of this number is known, and it is another kind of meter."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter {meter_no} is known with another model, owner or road: look again")
        self.field = "meter_no"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSwap:
    """What the installer has read off both meters."""

    account_id: int
    new_meter: MeterEntry
    closing: Shown = field(default_factory=Shown)  # of the old meter
    opening: Shown = field(default_factory=lambda: Shown(register_wh=0))  # of the new one
    display_minor: int | None = None  # the money that the old meter shows
    purchase_no: int | None = None  # how many purchases the old meter counts
    new_purchase_no: int = 0  # ... and the new one
    new_module: Endpoint | None = None  # the end of its road, where it brings one of its own
    dark: bool = False  # the old display cannot be read: last reading and books must do


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What became of the recharges that the old meter had not confirmed."""

    counted_minor: int  # in the meter after all
    cancelled_minor: int  # never got there: carried


def swap_meter(
    store: Store, swap: MeterSwap, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Let another meter measure for an account; the same swap twice is one swap."""
    return moving.done(
        store, partial(swapped, swap=swap, models=models, actor=actor, move_id=move_id, now=now)
    )


def rehearse_swap(
    store: Store, swap: MeterSwap, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Return what a swap would come to; nothing of it stays."""
    return moving.rehearsed(
        store, partial(swapped, swap=swap, models=models, actor=actor, move_id=move_id, now=now)
    )


def swapped(
    tx: Transaction, swap: MeterSwap, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Swap a meter, inside a transaction."""
    require_reason(actor)
    view = moving.view_of(tx, swap.account_id, now=now)
    known = moving.known(tx, view.account, MoveKind.SWAP, move_id=move_id)
    if known is not None:
        return known
    moving.require_open(view)
    assert view.meter is not None
    withdrawing.refuse_open(tx, view.meter.meter_id, account_id=view.account.account_id)
    new = _registered(tx, view, swap)
    closed = moving.last_charge(tx, view, _closing(view, swap), now=now)
    found = _end_instructions(tx, closed, swap, now=now)
    carried = _carried(tx, closed, found, swap, new, move_id=move_id, now=now)
    _exchange(tx, closed, swap, new, move_id=move_id, now=now)
    installed = tx.lock_accounts([swap.account_id], now=now)[swap.account_id]
    _send(tx, installed, carried["sent_minor"], actor=actor, move_id=move_id, now=now)
    if new.credit_authority is CreditAuthority.METER:
        rollout.send(tx, rollout.onward(installed, now=now), models=models, by_hand=True, now=now)
    settling.order_limits(tx, [swap.account_id], act_id=move_id, models=models, now=now)
    settled = {**carried, "steps_anew": int(_begins_steps(closed.view, new, now=now))}
    move = moving.receipt(
        closed,
        MoveKind.SWAP,
        settled,
        opened_account_id=swap.account_id,
        actor=actor,
        move_id=move_id,
        now=now,
    )
    move = replace(move, new_meter_id=new.meter_id, opening_wh=swap.opening.register_wh or 0)
    tx.occupancy.put_move(move)
    told = f"{format_kwh(move.closing_wh or 0)} kWh", f"{format_kwh(move.opening_wh or 0)} kWh"
    act = Act(
        act_id=move_id,
        what="swap meter",
        before=f"meter {view.meter.meter_no} at {told[0]}",
        after=f"meter {new.meter_no} at {told[1]}",
    )
    tx.put_audit([entry(view.account, actor, act, now=now)])
    converging.converge(tx, [swap.account_id], now=now)
    return move


def _registered(tx: Transaction, view: AccountView, swap: MeterSwap) -> Meter:
    """Return the new meter, entered if nobody knows it; one that measured before is not used again."""
    entry = swap.new_meter
    require_meter_no(entry.meter_no)
    if entry.organisation_id != view.account.organisation_id:
        raise MeterDiffers(entry.meter_no)
    known = tx.occupancy.meter_by_no(entry.meter_no)
    if known is None:
        if swap.new_module is not None:
            tx.add_endpoint(swap.new_module)
        tx.add_meter(entry)
        known = tx.occupancy.meter_by_no(entry.meter_no)
        assert known is not None, "it was entered a moment ago"
        return known
    if tx.occupancy.was_installed(known.meter_id):
        raise MeterTaken(entry.meter_no)
    if (known.organisation_id, known.model, known.endpoint_id) != (
        entry.organisation_id,
        entry.model,
        entry.endpoint_id,
    ):
        raise MeterDiffers(entry.meter_no)
    return known


def _closing(view: AccountView, swap: MeterSwap) -> Shown:
    """Return the closing register; of a dark meter the last that was billed: nothing is supposed beyond."""
    if swap.dark and swap.closing == Shown():
        return Shown(register_wh=view.holdings.register_wh or 0, rates_wh=view.holdings.register_rates_wh)
    return swap.closing


# What the old meter was still to do.


def _end_instructions(tx: Transaction, closed: Closed, swap: MeterSwap, *, now: datetime) -> _Found:
    """End every open instruction of the old meter: by its purchase count, or cancelled."""
    assert closed.view.meter is not None
    instructions = tx.occupancy.open_instructions(closed.view.meter.meter_id)
    recharges = [each for each in instructions if each.kind is Kind.RECHARGE]
    others = [each for each in instructions if each.kind is not Kind.RECHARGE]
    tx.save_instructions([_dropped(each, now=now) for each in others])
    _require_count(closed.view, swap)
    counted: list[Instruction] = []
    cancelled: list[Instruction] = []
    for each in recharges:
        (counted if _is_counted(each, closed.view, swap, now=now) else cancelled).append(each)
    currency = closed.view.account.currency
    tx.save_instructions([_ended(each, Event.CONFIRMED, "counted_at_swap", now=now) for each in counted])
    booking.book(tx, [deliver.delivery_posting(each, currency=currency, now=now) for each in counted])
    partnering.keep_instants(tx, [deliver.credited(each, at=now) for each in counted])
    tx.save_instructions([_ended(each, Event.ABANDONED, "meter_swapped", now=now) for each in cancelled])
    tx.put_cases([_doubt(each, now=now) for each in cancelled if each.tries and swap.purchase_no is None])
    return _Found(
        counted_minor=sum(each.amount_minor or 0 for each in counted),
        cancelled_minor=sum(each.amount_minor or 0 for each in cancelled),
    )


def _require_count(view: AccountView, swap: MeterSwap) -> None:
    assert view.snapshot is not None
    if swap.purchase_no is None:
        return
    least = view.snapshot.purchase_no or 0
    most = max(view.snapshot.purchase_no_last, least)
    if not least <= swap.purchase_no <= most:
        raise PurchasesOdd(given=swap.purchase_no, least=least, most=most)


def _is_counted(each: Instruction, view: AccountView, swap: MeterSwap, *, now: datetime) -> bool:
    """Tell whether the old meter has a recharge, by its count; what was never tried it cannot have."""
    assert view.meter is not None and view.snapshot is not None and each.purchase_no is not None
    if each.lease_until is not None and each.lease_until > now:
        raise SendingNow(view.meter.meter_no)
    counts = view.snapshot.purchase_no if swap.purchase_no is None else swap.purchase_no
    if counts is not None and each.purchase_no <= counts:
        return True
    # The last reading may be older than the last try, so that only who looks now can say that it is not in.
    if each.tries and swap.purchase_no is None and not swap.dark:
        raise PurchasesUnknown(view.meter.meter_no, each.purchase_no)
    return False


def _ended(each: Instruction, event: Event, answer: str, *, now: datetime) -> Instruction:
    """Return a recharge as it ended: found in the meter's count, or given up with the meter."""
    state = each.state
    if state is State.IN_FLIGHT:
        state = life.after(state, Event.MISSED)  # its lease ran out: nobody speaks to the meter any more
    if event is Event.CONFIRMED:
        state = life.after(state, Event.CLAIMED)
    return replace(
        each,
        state=life.after(state, event),
        lease_until=None,
        lease_owner="",
        ended_at=now,
        last_answer=answer,
    )


def _dropped(each: Instruction, *, now: datetime) -> Instruction:
    """Return a switch, tariff, look or limits that the old meter need not see to any more."""
    event = Event.REPLACED if each.state is State.IN_FLIGHT else Event.ABANDONED
    return replace(
        each,
        state=life.after(each.state, event),
        lease_until=None,
        lease_owner="",
        ended_at=now,
        last_answer="meter_swapped",
    )


def _doubt(each: Instruction, *, now: datetime) -> Case:
    return Case(
        account_id=each.account_id,
        case_id=derived(each.instruction_id, "case:doubt"),
        kind="recharge_in_doubt",
        detail=f"purchase {each.purchase_no} was tried, and the old meter's display is dark: it was carried",
        opened_at=now,
    )


# Money.


def _carried(
    tx: Transaction,
    closed: Closed,
    found: _Found,
    swap: MeterSwap,
    new: Meter,
    *,
    move_id: UUID,
    now: datetime,
) -> dict[str, int]:
    """Book what of the old meter's money is on its way to the new one; returns the receipt's amounts."""
    view = closed.view
    balance_minor = closed.balance_minor + found.counted_minor
    content_minor, drift_minor = _content(view, swap, balance_minor)
    if drift_minor:
        tx.put_cases([_drift(view, content_minor, balance_minor, move_id=move_id, now=now)])
    waits_minor, owed_minor = found.cancelled_minor, 0
    if new.credit_authority is CreditAuthority.PLATFORM:
        carried_minor = -waits_minor  # nothing is to be delivered: what waited is in force
    else:
        carried_minor = max(content_minor, -waits_minor)
        owed_minor = max(-(content_minor + waits_minor), 0)  # a new meter begins with no debt in it
    carry = [(DELIVERED, carried_minor), (UNDELIVERED, -carried_minor)]
    debt = [(OWED, owed_minor), (DELIVERED, -owed_minor)]
    booking.book(
        tx,
        [
            *moving.settlement(view, move_id, carry, kind=PostingKind.CARRIED, now=now),
            *moving.settlement(view, move_id, debt, now=now),
        ],
    )
    return {
        "charged_minor": closed.charged_minor,
        "balance_minor": balance_minor,
        "display_minor": content_minor,
        "drift_minor": drift_minor,
        "counted_minor": found.counted_minor,
        "cancelled_minor": found.cancelled_minor,
        "owed_minor": owed_minor,
        "sent_minor": carried_minor + waits_minor,
    }


def _content(view: AccountView, swap: MeterSwap, balance_minor: int) -> tuple[int, int]:
    """Return what is in the old meter, and by how much the books say otherwise."""
    assert view.meter is not None
    if not view.credit_in_meter or swap.dark:
        return balance_minor, 0
    if swap.display_minor is None:
        raise DisplayUnknown(view.meter.meter_no)
    drift_minor = balance_minor - swap.display_minor
    if abs(drift_minor) <= DRIFT_MAX_MINOR:
        return balance_minor, 0
    return swap.display_minor, drift_minor


def _drift(
    view: AccountView, content_minor: int, balance_minor: int, *, move_id: UUID, now: datetime
) -> Case:
    account = view.account
    shows = format_minor(content_minor, currency=account.currency)
    books = format_minor(balance_minor, currency=account.currency)
    return Case(
        account_id=account.account_id,
        case_id=derived(move_id, "case:drift"),
        kind="drift_at_swap",
        detail=f"the old meter showed {shows}, the books say {books}: what it showed was carried",
        opened_at=now,
    )


def _send(
    tx: Transaction, view: AccountView, amount_minor: int, *, actor: Actor, move_id: UUID, now: datetime
) -> None:
    """Send the new meter what was carried: an adjustment grants it, as a payment grants a recharge."""
    if not amount_minor:
        return
    assert view.meter is not None and view.snapshot is not None
    account_id, meter_id = view.account.account_id, view.meter.meter_id
    adjustment_id = derived(move_id, "carried")
    recharge_id = derived(adjustment_id, "recharge")
    tx.occupancy.put_adjustments(
        [
            Adjustment(
                account_id=account_id,
                adjustment_id=adjustment_id,
                amount_minor=amount_minor,
                who=actor.who,
                why=actor.why,
                at=now,
            )
        ]
    )
    tx.put_recharges(
        [
            Recharge(
                account_id=account_id,
                recharge_id=recharge_id,
                payment_id=None,
                adjustment_id=adjustment_id,
                meter_id=meter_id,
                paid_minor=amount_minor,
                credit_minor=amount_minor,
            )
        ]
    )
    posted = RechargeInstant(account_id=account_id, recharge_id=recharge_id, instant=Instant.POSTED, at=now)
    partnering.keep_instants(tx, [posted])
    tx.put_instructions([_delivery(view, recharge_id, amount_minor, now=now)])


def _delivery(view: AccountView, recharge_id: UUID, amount_minor: int, *, now: datetime) -> Instruction:
    assert view.meter is not None and view.snapshot is not None
    last = view.snapshot.purchase_no_last or view.snapshot.purchase_no or 0
    return Instruction(
        meter_id=view.meter.meter_id,
        instruction_id=derived(recharge_id, "delivery"),
        account_id=view.account.account_id,
        kind=Kind.RECHARGE,
        created_at=now,
        due_at=now,
        amount_minor=amount_minor,
        purchase_no=last + 1,
        recharge_id=recharge_id,
    )


# From one to the other.


def _exchange(
    tx: Transaction, closed: Closed, swap: MeterSwap, new: Meter, *, move_id: UUID, now: datetime
) -> None:
    """Let the new meter measure from its opening register on; what held supply at the old holds it here."""
    view, opening = closed.view, swap.opening
    assert view.meter is not None
    moving.require_amounts(opening_wh=opening.register_wh or 0, new_purchase_no=swap.new_purchase_no)
    tx.occupancy.exchange_meter(
        view.account.account_id, old_meter_id=view.meter.meter_id, new_meter_id=new.meter_id, at=now
    )
    # Never compared: the next use is counted from here.
    begun = replace(
        view,
        holdings=replace(view.holdings, register_wh=opening.register_wh, register_rates_wh=opening.rates_wh),
    )
    tx.save_holdings([begun.holdings])
    if _begins_steps(view, new, now=now):
        assert view.schedule is not None
        moving.open_bill(tx, begun, opened(schedule=view.schedule, at=now), now=now)
    installed = tx.lock_accounts([view.account.account_id], now=now)[view.account.account_id]
    assert installed.snapshot is not None
    if swap.new_purchase_no:
        tx.save_snapshots([replace(installed.snapshot, purchase_no=swap.new_purchase_no)])
    offset_wh = (opening.register_wh or 0) - closed.register_wh
    for hold in tx.holds_of([view.meter.meter_id], at=now):
        tx.end_holds(view.meter.meter_id, hold.kind, at=now, by="system")
        until_wh = None if hold.until_wh is None else max(hold.until_wh + offset_wh, 0)
        tx.put_hold(
            replace(
                hold,
                meter_id=new.meter_id,
                hold_id=derived(move_id, str(hold.hold_id)),
                start=now,
                until_wh=until_wh,
            )
        )


def _begins_steps(view: AccountView, new: Meter, *, now: datetime) -> bool:
    """Tell whether steps begin anew: a new meter that deducts by itself knows nothing of the old one's."""
    return new.credit_authority is CreditAuthority.METER and moving.has_steps(view, now=now)
