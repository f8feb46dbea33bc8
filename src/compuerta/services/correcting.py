"""Correcting: what went wrong with money is put right by two people, step by step, and one thing at a time.

A person proposes, another decides; the rest goes by itself. Each step is one transaction that leaves the
correction in a state from which the next one goes on, whoever crashed in between: a sweep takes up what takes
back. Money goes to nobody before it has come back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from compuerta.domain.correction import (
    OF_PAYMENT,
    Correction,
    CorrectionKind,
    CorrectionState,
    Event,
    OwnProposal,
    Way,
)
from compuerta.domain.division import DebtKind
from compuerta.domain.errors import Broken, Refused
from compuerta.domain.instruction import State
from compuerta.domain.ledger import (
    GOODWILL,
    MOVED,
    REFUNDING,
    SUSPENSE,
    Posting,
    PostingKind,
    cash,
    transfer,
)
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.services import (
    booking,
    converging,
    crediting,
    indebting,
    proposing,
    refunding,
    shifts,
    taking_back,
    withdrawing,
)
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.crediting import Grant
from compuerta.services.indebting import DebtOpening, Lowering
from compuerta.services.occupancy_port import Adjustment
from compuerta.services.payment_ports import Capabilities
from compuerta.services.proposing import NotProposable, Proposal
from compuerta.services.records import AccountView, Alarm
from compuerta.services.shift_port import MovementKind
from compuerta.services.store_port import Store, Transaction

SWEPT_MAX: Final = 100  # far more than one account ever has, so that a page never ends inside of one
FAULT_CHARS_MAX: Final = 200


class CorrectionUnknown(Refused):
    """There is no such correction."""

    def __init__(self, correction_id: UUID) -> None:
        super().__init__("this correction is not there")
        self.correction_id = correction_id


class StateDiffers(Refused):
    """The correction stands elsewhere by now."""

    def __init__(self, state: CorrectionState) -> None:
        super().__init__(f"this correction is {state.value.replace('_', ' ')}: look at it again")
        self.state = state


class RefundInDoubt(Refused):
    """A refund is at the provider: it may still be paid."""

    def __init__(self) -> None:
        super().__init__("the provider may still pay this refund: wait for its answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """A sale to be undone; who asked for it does not decide."""

    correction_id: UUID
    account_id: int
    payment_id: UUID
    asked_by: str


def propose(
    store: Store, wish: Proposal, *, actor: Actor, capabilities: Capabilities | None = None, now: datetime
) -> Correction:
    """Write a proposal, for another person to decide; the same one twice is one.

    Refuses what could not be carried out: more than is left of the payment, or than is unspent; a refund by a
    provider that gives none back, or none so old or so small. `capabilities` are of the payment's provider.
    """
    require_reason(actor)
    with store.transaction() as tx:
        views = tx.lock_accounts({wish.account_id, wish.to_account_id or wish.account_id}, now=now)
        known = tx.corrections.correction(wish.account_id, wish.correction_id)
        if known is not None:
            return known
        view = views.get(wish.account_id)
        if view is None or (wish.to_account_id is not None and wish.to_account_id not in views):
            raise NotProposable("there is no such account")
        proposing.require_whole(tx, wish, view, views.get(wish.to_account_id or 0), capabilities, now)
        correction = _proposed(wish, view, actor, now=now)
        tx.corrections.put(correction)
        _keep_act(tx, view, correction, actor, what="propose", act_id=wish.correction_id, now=now)
        return correction


def approve(
    store: Store, account_id: int, correction_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> Correction:
    """Decide for a correction, and begin it at once; whoever proposed it is refused (promise A2)."""
    with store.transaction() as tx:
        views, correction = _locked(tx, account_id, correction_id, now=now)
        _require_state(correction, CorrectionState.PROPOSED)
        approved = correction.decided(Event.APPROVED, by=actor.who, note=actor.why, now=now)
        tx.corrections.save(approved)
        _keep_act(tx, views[account_id], approved, actor, what="approve", act_id=act_id, now=now)
        return _advance(tx, views, approved, now=now)


def reject(
    store: Store, account_id: int, correction_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> Correction:
    """Decide against a correction; whoever proposed it is refused."""
    require_reason(actor)
    with store.transaction() as tx:
        views, correction = _locked(tx, account_id, correction_id, now=now)
        _require_state(correction, CorrectionState.PROPOSED)
        rejected = correction.decided(Event.REJECTED, by=actor.who, note=actor.why, now=now)
        tx.corrections.save(rejected)
        _keep_act(tx, views[account_id], rejected, actor, what="reject", act_id=act_id, now=now)
        return rejected


def sweep(store: Store, *, after: int, now: datetime) -> int | None:
    """Take a page of corrections one step on, each in a transaction of its own; returns where to go on.

    Those that pay are not looked at: they wait for a provider or a till, which takes them on, and hundreds of
    them may lie in one suspense account.
    """
    with store.transaction() as tx:
        page = tx.corrections.taking_back(after=after, limit=SWEPT_MAX)
    for each in page:
        try:
            _step(store, each, now=now)
        except (Broken, Refused, ValueError) as error:
            # One that cannot go on keeps none of those behind it, and is seen.
            fault = ascii(f"{type(error).__name__}: {error}")[:FAULT_CHARS_MAX]
            alarm = Alarm(kind="correction_broke", subject=str(each.correction_id), detail=fault, at=now)
            with store.transaction() as tx:
                tx.put_alarms([alarm])
    return page[-1].account_id if len(page) == SWEPT_MAX else None


def _step(store: Store, each: Correction, *, now: datetime) -> None:
    with store.transaction() as tx:
        views, correction = _locked(tx, each.account_id, each.correction_id, now=now)
        if correction.state is CorrectionState.TAKING_BACK:
            _advance(tx, views, correction, now=now)


def take_up(
    store: Store, account_id: int, correction_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> Correction:
    """Try a correction again that was stuck: from where its money is."""
    require_reason(actor)
    with store.transaction() as tx:
        views, correction = _locked(tx, account_id, correction_id, now=now)
        _require_state(correction, CorrectionState.STUCK)
        is_back = bool(_refunding_minor(tx, correction))
        event = Event.PAID_ANEW if is_back or correction.payment_id is None else Event.TAKEN_UP
        taken = correction.after(event, now=now, note=actor.why)
        tx.corrections.save(taken)
        refunding.ask_again(tx, taken, now=now)
        _keep_act(tx, views[account_id], taken, actor, what="take up", act_id=act_id, now=now)
        return _advance(tx, views, taken, now=now)


def give_up(
    store: Store, account_id: int, correction_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> Correction:
    """End a correction that is stuck; what had come back is credited again, or is in suspense again."""
    require_reason(actor)
    with store.transaction() as tx:
        views, correction = _locked(tx, account_id, correction_id, now=now)
        _require_state(correction, CorrectionState.STUCK)
        if refunding.is_in_doubt(tx, correction):
            raise RefundInDoubt
        refunding.give_up(tx, correction, now=now)
        ended = correction.after(Event.GIVEN_UP, now=now, note=actor.why)
        tx.corrections.save(ended)
        if _refunding_minor(tx, correction):
            _give_back(tx, views[account_id], ended, now=now)
        _keep_act(tx, views[account_id], ended, actor, what="give up", act_id=act_id, now=now)
        return ended


def pay_out(
    store: Store,
    account_id: int,
    correction_id: UUID,
    *,
    till: str,
    actor: Actor,
    act_id: UUID,
    now: datetime,
) -> Correction:
    """Book that a refund was handed over in cash at a till: only once its credit is back, and once.

    Out of a drawer that is counted it is handed by whose shift it is, as far as it holds so much.
    """
    with store.transaction() as tx:
        views, correction = _locked(tx, account_id, correction_id, now=now)
        _require_state(correction, CorrectionState.PAYING)
        if correction.way is not Way.CASH:
            raise NotProposable("this refund goes back by its provider, not in cash")
        outlay = shifts.Outlay(
            till=till,
            organisation_id=correction.organisation_id,
            cashier=actor.who,
            amount_minor=correction.amount_minor,
            currency=correction.currency,
        )
        shifts.require_payable(tx, outlay, now=now)
        refunding.book(tx, correction, debit=REFUNDING, credit=cash(till), now=now)
        shifts.moved_at(
            tx,
            till,
            MovementKind.REFUND,
            amount_minor=-correction.amount_minor,
            cause_id=correction_id,
            now=now,
        )
        paid = _settled(tx, correction, now=now)
        _keep_act(tx, views[account_id], paid, actor, what="pay out", act_id=act_id, now=now)
        return paid


def void(store: Store, wish: Void, *, actor: Actor, now: datetime) -> Correction:
    """Undo a sale whose recharge was never sent to its meter: its money is in `refunding` afterwards.

    Starts no refund: the caller books in the same transaction where the money goes. Refuses `TakenByMeter`,
    `CreditUsed`, and `OwnProposal` where who asked for it decides. The same void twice is one.
    """
    require_reason(actor)
    if actor.who.casefold() == wish.asked_by.casefold():
        raise OwnProposal(actor.who)
    with store.transaction() as tx:
        view = _view(tx, wish.account_id, now=now)
        known = tx.corrections.correction(wish.account_id, wish.correction_id)
        if known is not None:
            return known
        payment = tx.corrections.payment(wish.account_id, wish.payment_id)
        if payment is None or taking_back.spoken_for(tx, payment):
            raise NotProposable("there is no such sale, or a part of it was put right before")
        proposal = Proposal(
            correction_id=wish.correction_id,
            kind=CorrectionKind.VOID,
            account_id=wish.account_id,
            amount_minor=payment.amount_minor,
            payment_id=payment.payment_id,
        )
        asked = _proposed(proposal, view, replace(actor, who=wish.asked_by), now=now)
        approved = asked.decided(Event.APPROVED, by=actor.who, note="", now=now)
        tx.corrections.put(approved)
        returned = taking_back.undo(tx, view, approved, now=now)
        _keep_act(tx, view, returned, actor, what="void", act_id=wish.correction_id, now=now)
        return _settled(tx, returned, now=now)


# Step by step.

_Paying = Callable[[Transaction, Mapping[int, AccountView], Correction, datetime], Correction]


def _advance(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, *, now: datetime
) -> Correction:
    """Go as far as it goes now: it waits for a meter, a provider, a till or a person, or it is done."""
    if correction.kind in OF_PAYMENT and taking_back.is_gone(tx, correction):
        return withdrawing.hinder(tx, correction, reason=taking_back.MONEY_GONE, now=now)
    if correction.state is CorrectionState.TAKING_BACK:
        if correction.kind in OF_PAYMENT:
            correction = taking_back.take_back(tx, views[correction.account_id], correction, now=now)
        else:
            correction = correction.after(Event.RETURNED, now=now)  # nothing was given that could come back
            tx.corrections.save(correction)
    if correction.state is CorrectionState.PAYING:
        return _PAYING[correction.kind](tx, views, correction, now)
    return correction


def _place(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, now: datetime
) -> Correction:
    assert correction.to_account_id is not None
    target = views[correction.to_account_id]
    if not proposing.can_be_credited(target):
        return withdrawing.hinder(tx, correction, reason="account_closed", now=now)
    _book(tx, correction, PostingKind.PLACEMENT, debit=REFUNDING, credit=MOVED, cause="placed", now=now)
    _credit(tx, target, correction, debit=MOVED, kind=PostingKind.PLACEMENT, now=now)
    return _settled(tx, correction, now=now)


def _refund(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, now: datetime
) -> Correction:
    if correction.way is Way.PROVIDER:
        refunding.order(tx, correction, taking_back.payment_of(tx, correction), now=now)
    return correction  # its end comes from the provider, or from a till


def _give_credit(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, now: datetime
) -> Correction:
    view = views[correction.account_id]
    if not proposing.can_be_credited(view):
        return withdrawing.hinder(tx, correction, reason="account_closed", now=now)
    _credit(tx, view, correction, debit=GOODWILL, kind=PostingKind.RECHARGE, now=now)
    return _settled(tx, correction, now=now)


def _open_debt(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, now: datetime
) -> Correction:
    opening = DebtOpening(
        account_id=correction.account_id,
        debt_id=derived(correction.correction_id, "debt"),
        kind=DebtKind.ARREARS,
        name=correction.why[: indebting.NAME_MAX],
        amount_minor=correction.amount_minor,
        cause_id=correction.correction_id,
    )
    indebting.opened(tx, opening, actor=_decider(correction), now=now)
    return _settled(tx, correction, now=now)


def _write_off(
    tx: Transaction, views: Mapping[int, AccountView], correction: Correction, now: datetime
) -> Correction:
    assert correction.debt_id is not None
    debt = tx.dues.debt(correction.account_id, correction.debt_id)
    if debt is None or debt.remaining_minor < correction.amount_minor:
        return withdrawing.hinder(tx, correction, reason="debt_paid", now=now)
    lowering = Lowering(
        account_id=correction.account_id,
        debt_id=correction.debt_id,
        amount_minor=correction.amount_minor,
        cause_id=correction.correction_id,
    )
    indebting.lower(tx, lowering, actor=_decider(correction), now=now)
    return _settled(tx, correction, now=now)


def _decider(correction: Correction) -> Actor:
    """Return who answers for what a correction does by itself."""
    return Actor(who=correction.decided_by or correction.proposed_by, why=correction.why, origin="correction")


_PAYING: Mapping[CorrectionKind, _Paying] = {
    CorrectionKind.PLACE: _place,
    CorrectionKind.MOVE: _place,
    CorrectionKind.REFUND: _refund,
    CorrectionKind.VOID: _refund,
    CorrectionKind.ADJUST: _give_credit,
    CorrectionKind.OPEN_DEBT: _open_debt,
    CorrectionKind.WRITE_OFF: _write_off,
}


def _give_back(tx: Transaction, view: AccountView, correction: Correction, *, now: datetime) -> None:
    """Credit again what had come back; where nobody could have it, it waits in suspense."""
    if proposing.can_be_credited(view):
        _credit(tx, view, correction, debit=REFUNDING, kind=PostingKind.PLACEMENT, now=now)
        return
    _book(tx, correction, PostingKind.PLACEMENT, debit=REFUNDING, credit=SUSPENSE, cause="back", now=now)


def _credit(
    tx: Transaction,
    view: AccountView,
    correction: Correction,
    *,
    debit: str,
    kind: PostingKind,
    now: datetime,
) -> None:
    account_id = view.account.account_id
    adjustment_id = derived(correction.correction_id, "adjustment")
    tx.occupancy.put_adjustments(
        [
            Adjustment(
                account_id=account_id,
                adjustment_id=adjustment_id,
                amount_minor=correction.amount_minor,
                who=_decider(correction).who,
                why=correction.why,
                at=now,
                kind="goodwill" if debit == GOODWILL else "placed",
                correction_id=correction.correction_id,
            )
        ]
    )
    grant = Grant(
        grant_id=adjustment_id,
        amount_minor=correction.amount_minor,
        debit=debit,
        paid_at=now,
        kind=kind,
        is_adjustment=True,
    )
    batch = crediting.begun(tx, {account_id: view}, now=now)
    crediting.credit(batch, view, grant, now=now)
    crediting.write(tx, batch)
    converging.converge(tx, [account_id], now=now)


def _settled(tx: Transaction, correction: Correction, *, now: datetime) -> Correction:
    done = correction.after(Event.SETTLED, now=now)
    tx.corrections.save(done)
    return done


def _refunding_minor(tx: Transaction, correction: Correction) -> int:
    """Return what of a correction's money is back, and went nowhere yet."""
    if correction.payment_id is None:
        return 0
    kinds = (PostingKind.PLACEMENT, PostingKind.WITHDRAWAL)
    is_back = any(
        tx.corrections.posting(correction.account_id, correction.correction_id, kind) for kind in kinds
    ) or any(each.state is State.DONE for each in tx.corrections.withdrawals(correction.correction_id))
    return correction.amount_minor if is_back else 0


def _book(
    tx: Transaction,
    correction: Correction,
    kind: PostingKind,
    *,
    debit: str,
    credit: str,
    cause: str,
    now: datetime,
) -> None:
    cause_id = derived(correction.correction_id, cause)
    booking.book(
        tx,
        [
            Posting(
                account_id=correction.account_id,
                posting_id=derived(cause_id, kind.value),
                kind=kind,
                currency=correction.currency,
                lines=transfer(debit=debit, credit=credit, amount_minor=correction.amount_minor),
                booked_at=now,
                cause_id=cause_id,
            )
        ],
    )


# What all of them need.


def _proposed(wish: Proposal, view: AccountView, actor: Actor, *, now: datetime) -> Correction:
    return Correction(
        account_id=wish.account_id,
        correction_id=wish.correction_id,
        organisation_id=view.account.organisation_id,
        kind=wish.kind,
        amount_minor=wish.amount_minor,
        currency=view.account.currency,
        why=actor.why,
        proposed_by=actor.who,
        proposed_at=now,
        payment_id=wish.payment_id,
        to_account_id=wish.to_account_id,
        debt_id=wish.debt_id,
        way=wish.way,
    )


def _view(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    view = tx.lock_accounts([account_id], now=now).get(account_id)
    if view is None:
        raise NotProposable("there is no such account")
    return view


def _locked(
    tx: Transaction, account_id: int, correction_id: UUID, *, now: datetime
) -> tuple[dict[int, AccountView], Correction]:
    """Lock a correction's accounts, and then it; whom it is for never changes."""
    first = tx.corrections.glance(account_id, correction_id)
    if first is None:
        raise CorrectionUnknown(correction_id)
    views = tx.lock_accounts({account_id, first.to_account_id or account_id}, now=now)
    correction = tx.corrections.correction(account_id, correction_id)
    assert correction is not None and account_id in views, "corrections are never deleted"
    return views, correction


def _require_state(correction: Correction, state: CorrectionState) -> None:
    if correction.state is not state:
        raise StateDiffers(correction.state)


def _keep_act(
    tx: Transaction,
    view: AccountView,
    correction: Correction,
    actor: Actor,
    *,
    what: str,
    act_id: UUID,
    now: datetime,
) -> None:
    amount = format_minor(correction.amount_minor, currency=correction.currency)
    after = f"{amount} {correction.currency}, {correction.state.value}"
    act = Act(act_id=act_id, what=f"{what} {correction.kind.value}", after=after)
    tx.put_audit([entry(view.account, actor, act, now=now)])
