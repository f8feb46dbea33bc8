"""Moving out: a tenant's account is charged for the last time, settled and closed, and the house takes over.

What is in a meter with credit stays in it: whoever leaves is paid for it, or it is set against what they owe,
and the house account has it from then on. Nothing of the old account is seen by whoever comes next.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import DELIVERED, DEPOSIT, FEE, HOUSE, OWED, cash
from compuerta.domain.money import format_minor
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import AttemptState, advanced
from compuerta.domain.supply import FORBIDDING, HoldKind
from compuerta.domain.tariff.components import Terms
from compuerta.services import booking, converging, indebting, moving, receiving, withdrawing
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.moving import Closed, Rest, Shown
from compuerta.services.occupancy_port import Move, MoveKind
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

# They speak for whoever lived there, and not for the place.
TENANTS_HOLDS = (HoldKind.PROTECTED, HoldKind.TEMPORARY)


class RechargeOnItsWay(Refused):
    """Money was paid that the meter has not taken yet."""

    def __init__(self, account_id: int, amount_minor: int, currency: str) -> None:
        amount = format_minor(amount_minor, currency=currency)
        super().__init__(
            f"{amount} {currency} is on its way to the meter: wait until it has arrived, or swap the meter"
        )
        self.account_id = account_id
        self.amount_minor = amount_minor


class NobodyToMoveOut(Refused):
    """The house itself holds the place."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is the house's own: nobody lives there")
        self.account_id = account_id


class DepositTooSmall(Refused):
    """More would be withheld than was left as security."""

    def __init__(self, *, withheld_minor: int, deposit_minor: int, currency: str) -> None:
        withheld = format_minor(withheld_minor, currency=currency)
        deposit = format_minor(deposit_minor, currency=currency)
        super().__init__(f"{withheld} cannot be withheld of a deposit of {deposit} {currency}")
        self.field = "withheld_minor"


class PowerCannotStay(Refused):
    """The house would keep power where a hold keeps it off."""

    def __init__(self, kinds: frozenset[HoldKind]) -> None:
        names = ", ".join(sorted(kind.value for kind in kinds))
        super().__init__(f"supply is held off ({names}): lift that first, or let supply go off")
        self.field = "keeps_power"
        self.kinds = kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOut:
    """Who leaves, what the meter shows, and how money is settled."""

    account_id: int
    shown: Shown = field(default_factory=Shown)
    rest: Rest = Rest.CASH
    till: str = "till"
    withheld_minor: int = 0  # of the deposit, for what the reason says
    keeps_power: bool = False  # the house keeps supply on while nobody lives there


def move_out(store: Store, leaving: MoveOut, *, actor: Actor, move_id: UUID, now: datetime) -> Move:
    """Close a tenant's account and let the house take over; the same move twice is one move."""
    return moving.done(store, partial(moved_out, leaving=leaving, actor=actor, move_id=move_id, now=now))


def rehearse_out(store: Store, leaving: MoveOut, *, actor: Actor, move_id: UUID, now: datetime) -> Move:
    """Return what moving out would come to; nothing of it stays."""
    return moving.rehearsed(store, partial(moved_out, leaving=leaving, actor=actor, move_id=move_id, now=now))


def moved_out(tx: Transaction, leaving: MoveOut, *, actor: Actor, move_id: UUID, now: datetime) -> Move:
    """Move somebody out, inside a transaction."""
    require_reason(actor)
    moving.require_amounts(withheld_minor=leaving.withheld_minor)
    expire_orders(tx, leaving.account_id)
    view = moving.view_of(tx, leaving.account_id, now=now)
    known = moving.known(tx, view.account, MoveKind.OUT, move_id=move_id)
    if known is not None:
        return known
    require_leaving(view)
    assert view.meter is not None
    withdrawing.refuse_open(tx, view.meter.meter_id, account_id=view.account.account_id)
    if leaving.keeps_power and view.holds & FORBIDDING:
        raise PowerCannotStay(view.holds & FORBIDDING)
    closed = moving.last_charge(tx, view, leaving.shown, now=now)
    indebting.called_in(tx, closed.view, move_id=move_id, actor=actor, now=now)
    settled = _settle(tx, closed, leaving, move_id=move_id, now=now)
    house = hand_to_house(tx, closed, move_id=move_id, now=now)
    _switch(tx, house, leaving, actor=actor, move_id=move_id, now=now)
    receiving.stop(tx, tx.messages.contacts_of([leaving.account_id]), now=now)
    opened_id = house.account.account_id
    move = moving.receipt(
        closed, MoveKind.OUT, settled, opened_account_id=opened_id, actor=actor, move_id=move_id, now=now
    )
    tx.occupancy.put_move(move)
    act = Act(
        act_id=move_id,
        what="move out",
        before=view.account.name,
        after=f"rest {format_minor(settled['rest_minor'], currency=view.account.currency)}",
    )
    tx.put_audit([entry(view.account, actor, act, now=now)])
    converging.converge(tx, [house.account.account_id], now=now)
    return move


def require_leaving(view: AccountView) -> None:
    """Refuse who cannot leave now, and say what to do first."""
    moving.require_open(view)
    account = view.account
    if account.kind is not AccountKind.CUSTOMER:
        raise NobodyToMoveOut(account.account_id)
    undelivered_minor = view.holdings.undelivered_minor
    if undelivered_minor:
        raise RechargeOnItsWay(account.account_id, undelivered_minor, account.currency)


def expire_orders(tx: Transaction, account_id: int) -> None:
    """Let the orders that nobody has paid yet expire: money that comes all the same goes to suspense.

    Call it before the account is locked: a payment takes its order first, and its account after it.
    """
    orders = tx.occupancy.open_attempts(account_id)
    tx.save_attempts(
        [
            replace(each, state=advanced(each.state, AttemptState.EXPIRED), watched_until=None)
            for each in orders
        ]
    )


def repay_emergency(tx: Transaction, view: AccountView, *, now: datetime) -> None:
    """End the emergency credit that was taken: what of it is used is in the balance that is settled."""
    taken = tx.emergencies([view.account.account_id]).get(view.account.account_id)
    if taken is not None:
        tx.put_emergency(replace(taken, repaid_at=max(now, taken.taken_at)))


def hand_to_house(tx: Transaction, closed: Closed, *, move_id: UUID, now: datetime) -> AccountView:
    """Begin the house account; what is in the meter is the landlord's from now on."""
    kept = Terms(contracted_w=closed.view.terms_at(now).contracted_w)
    opening = moving.opening_at(closed, kind=AccountKind.HOUSE, name=moving.HOUSE_NAME, terms=kept, now=now)
    house = moving.follow(tx, closed, opening, now=now)
    house = moving.begin_steps(tx, closed, house, moving.steps_at(closed), now=now)
    taken_minor = closed.in_meter_minor
    moves = [(HOUSE, taken_minor), (DELIVERED, -taken_minor)]
    booking.book(tx, moving.settlement(house, move_id, moves, now=now))
    return house


def _settle(
    tx: Transaction, closed: Closed, leaving: MoveOut, *, move_id: UUID, now: datetime
) -> dict[str, int]:
    """Bring the tenant's account to zero, but for what is booked as owed; returns the receipt's amounts."""
    view = closed.view
    owed_minor, deposit_minor = moving.owed_and_deposit(tx, view)
    if leaving.withheld_minor > deposit_minor:
        raise DepositTooSmall(
            withheld_minor=leaving.withheld_minor,
            deposit_minor=deposit_minor,
            currency=view.account.currency,
        )
    rest_minor = closed.balance_minor + deposit_minor - owed_minor - leaving.withheld_minor
    if rest_minor and leaving.rest is Rest.CASH:
        moving.take_cash(tx, leaving.till, view.account, amount_minor=-rest_minor, move_id=move_id, now=now)
    paid = OWED if leaving.rest is Rest.BOOKED else cash(leaving.till)
    moves = [
        (DELIVERED, closed.balance_minor),
        (DEPOSIT, deposit_minor),
        (OWED, -owed_minor),
        (FEE, -leaving.withheld_minor),
        (paid, -rest_minor),
    ]
    booking.book(tx, moving.settlement(view, move_id, moves, now=now))
    repay_emergency(tx, view, now=now)
    return {
        "charged_minor": closed.charged_minor,
        "balance_minor": closed.balance_minor,
        "deposit_minor": deposit_minor,
        "owed_minor": owed_minor,
        "withheld_minor": leaving.withheld_minor,
        "rest_minor": rest_minor,  # above zero: the tenant gets it
        "booked": int(leaving.rest is Rest.BOOKED),
        "in_meter_minor": closed.in_meter_minor,
    }


def _switch(
    tx: Transaction, house: AccountView, leaving: MoveOut, *, actor: Actor, move_id: UUID, now: datetime
) -> None:
    """Let supply go off while nobody lives there, or stay on for the house."""
    moving.end_holds(tx, house, TENANTS_HOLDS, actor=actor, now=now)
    if leaving.keeps_power:
        # Not for money: the landlord would be cut off from the landlord's own.
        moving.put_hold(tx, house, HoldKind.PROTECTED, actor=actor, move_id=move_id, now=now)
    elif HoldKind.VACANCY not in house.holds:
        moving.put_hold(tx, house, HoldKind.VACANCY, actor=actor, move_id=move_id, now=now)
