"""Exchanging rooms: two tenants change places; what each has goes along, and what each owes stays behind.

Meters stay where they are, and so does the money in them. Who moves to a meter with credit finds what is in
it, and settles the difference to what they had: they pay what is more, and are paid what is less.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import DELIVERED, DEPOSIT, MOVED, OWED, cash
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind
from compuerta.services import booking, converging, indebting, moving, receiving
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.moving import Closed, Rest, Shown
from compuerta.services.moving_out import TENANTS_HOLDS, expire_orders, repay_emergency, require_leaving
from compuerta.services.occupancy_port import Move, MoveKind
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction


class SameRoom(Refused):
    """One room cannot be exchanged for itself, nor for one of another site."""

    def __init__(self) -> None:
        super().__init__("choose two different rooms of one site")
        self.field = "other_account_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Who changes places, what both meters show, and how differences are settled."""

    account_id: int
    other_account_id: int
    shown: Shown = field(default_factory=Shown)
    other_shown: Shown = field(default_factory=Shown)
    rest: Rest = Rest.CASH
    till: str = "till"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What somebody takes along."""

    closed: Closed
    moved_minor: int  # credit
    deposit_minor: int
    stays_owed_minor: int


def exchange_rooms(
    store: Store, exchange: Exchange, *, actor: Actor, move_id: UUID, now: datetime
) -> tuple[Move, Move]:
    """Let two tenants change places; the same exchange twice is one. Returns both receipts."""
    return moving.done(store, partial(exchanged, exchange=exchange, actor=actor, move_id=move_id, now=now))


def rehearse_exchange(
    store: Store, exchange: Exchange, *, actor: Actor, move_id: UUID, now: datetime
) -> tuple[Move, Move]:
    """Return what an exchange would come to; nothing of it stays."""
    return moving.rehearsed(
        store, partial(exchanged, exchange=exchange, actor=actor, move_id=move_id, now=now)
    )


def exchanged(
    tx: Transaction, exchange: Exchange, *, actor: Actor, move_id: UUID, now: datetime
) -> tuple[Move, Move]:
    """Exchange two rooms, inside a transaction."""
    require_reason(actor)
    ids = (exchange.account_id, exchange.other_account_id)
    for account_id in sorted(set(ids)):
        expire_orders(tx, account_id)
    tx.lock_accounts(ids, now=now)  # in id order, whatever the order of the two
    here, there = (moving.view_of(tx, account_id, now=now) for account_id in ids)
    known = _known(tx, here, there, move_id)
    if known is not None:
        return known
    if here.account.site_id != there.account.site_id or ids[0] == ids[1]:
        raise SameRoom
    require_leaving(here)
    require_leaving(there)
    for each in (here, there):
        indebting.called_in(tx, each, move_id=move_id, actor=actor, now=now)
    mine = _leave(tx, here, exchange.shown, move_id=move_id, now=now)
    others = _leave(tx, there, exchange.other_shown, move_id=move_id, now=now)
    tx.occupancy.close_account(ids[0], at=now)
    tx.occupancy.close_account(ids[1], at=now)
    at_others = _arrive(tx, mine, others.closed, exchange, move_id=move_id, now=now)
    at_mine = _arrive(tx, others, mine.closed, exchange, move_id=move_id, now=now)
    first = _receipt(tx, mine, at_others, others.closed, actor=actor, move_id=move_id, now=now)
    second = _receipt(tx, others, at_mine, mine.closed, actor=actor, move_id=_other(move_id), now=now)
    for view, left in ((at_others, mine), (at_mine, others)):
        moving.end_holds(tx, view, TENANTS_HOLDS, actor=actor, now=now)
        _tell_there(tx, left, view, move_id=move_id, now=now)
    converging.converge(tx, [at_others.account.account_id, at_mine.account.account_id], now=now)
    return first, second


def _known(tx: Transaction, here: AccountView, there: AccountView, move_id: UUID) -> tuple[Move, Move] | None:
    first = moving.known(tx, here.account, MoveKind.EXCHANGE, move_id=move_id)
    second = moving.known(tx, there.account, MoveKind.EXCHANGE, move_id=_other(move_id))
    return None if first is None or second is None else (first, second)


def _other(move_id: UUID) -> UUID:
    return derived(move_id, "other")


def _leave(tx: Transaction, view: AccountView, shown: Shown, *, move_id: UUID, now: datetime) -> _Left:
    """Charge for the last time; credit and security go along, and a debt stays with the old account."""
    closed = moving.last_charge(tx, view, shown, now=now)
    owed_minor, deposit_minor = moving.owed_and_deposit(tx, closed.view)
    moved_minor, debt_minor = max(closed.balance_minor, 0), max(-closed.balance_minor, 0)
    moves = [
        (DELIVERED, closed.balance_minor),
        (DEPOSIT, deposit_minor),
        (OWED, debt_minor),
        (MOVED, -moved_minor - deposit_minor),
    ]
    booking.book(tx, moving.settlement(closed.view, move_id, moves, now=now))
    repay_emergency(tx, view, now=now)
    return _Left(
        closed=closed,
        moved_minor=moved_minor,
        deposit_minor=deposit_minor,
        stays_owed_minor=owed_minor + debt_minor,
    )


def _arrive(
    tx: Transaction, left: _Left, place: Closed, exchange: Exchange, *, move_id: UUID, now: datetime
) -> AccountView:
    """Begin somebody's account at the other place, with what they have brought and what is there."""
    account = left.closed.view.account
    opening = moving.opening_at(
        place,
        kind=AccountKind.CUSTOMER,
        name=account.name,
        terms=left.closed.view.terms_at(now),
        now=now,
    )
    view = moving.begun(tx, place, opening, now=now)
    view = moving.begin_steps(tx, place, view, moving.steps_at(place), now=now)
    rest_minor = _rest_minor(left, place)
    if rest_minor and exchange.rest is Rest.CASH:
        moving.take_cash(tx, exchange.till, view.account, amount_minor=-rest_minor, move_id=move_id, now=now)
    payer = OWED if exchange.rest is Rest.BOOKED else cash(exchange.till)
    moves = [
        (MOVED, left.moved_minor + left.deposit_minor),
        (DEPOSIT, -left.deposit_minor),
        (DELIVERED, -left.moved_minor + rest_minor),
        (payer, -rest_minor),
    ]
    booking.book(tx, moving.settlement(view, move_id, moves, now=now))
    return view


def _tell_there(tx: Transaction, left: _Left, begun: AccountView, *, move_id: UUID, now: datetime) -> None:
    """Let the tenant's contacts go along: what they are told from now on is of the new place."""
    contacts = tx.messages.contacts_of([left.closed.view.account.account_id])
    receiving.stop(tx, contacts, now=now)
    for each in contacts:
        if each.opted_out_at is None:
            contact_id = derived(move_id, str(each.contact_id))
            tx.messages.put_contact(replace(each, contact_id=contact_id, account_id=begun.account.account_id))


def _rest_minor(left: _Left, place: Closed) -> int:
    """Return what somebody gets back, where less is in the meter than they bring; below zero they pay."""
    if not place.view.credit_in_meter:
        return 0
    return left.moved_minor - place.balance_minor


def _receipt(
    tx: Transaction,
    left: _Left,
    begun: AccountView,
    place: Closed,
    *,
    actor: Actor,
    move_id: UUID,
    now: datetime,
) -> Move:
    account, new = left.closed.view.account, begun.meter
    assert new is not None
    receipt = moving.receipt(
        left.closed,
        MoveKind.EXCHANGE,
        {
            "charged_minor": left.closed.charged_minor,
            "balance_minor": left.closed.balance_minor,
            "deposit_minor": left.deposit_minor,
            "owed_minor": left.stays_owed_minor,  # stays with the old account
            "moved_minor": left.moved_minor,
            "taken_over_minor": place.in_meter_minor,
            "rest_minor": _rest_minor(left, place),
        },
        opened_account_id=begun.account.account_id,
        actor=actor,
        move_id=move_id,
        now=now,
    )
    move = replace(receipt, new_meter_id=new.meter_id, opening_wh=place.register_wh)
    tx.occupancy.put_move(move)
    rest = format_minor(move.settled["rest_minor"], currency=account.currency)
    act = Act(
        act_id=move_id,
        what="exchange rooms",
        before=account.supply_point,
        after=f"{begun.account.supply_point}, rest {rest}",
    )
    tx.put_audit([entry(account, actor, act, now=now)])
    return move
