"""Moving in: the house account ends, and a tenant's begins, by what the meter shows.

What is in a meter with credit is there, and goes over to whoever comes: paid for at the till, owed, or given
by the landlord. Where the platform holds the balance, a tenant begins with nothing.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import partial
from uuid import UUID

from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language
from compuerta.domain.errors import Refused
from compuerta.domain.ledger import DELIVERED, DEPOSIT, FEE, HOUSE, OWED, PostingKind, cash
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Terms
from compuerta.services import booking, contacting, converging, moving, rollout, settling, telling
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.contacting import ContactWish
from compuerta.services.moving import Closed, Shown, Steps
from compuerta.services.moving_out import TENANTS_HOLDS
from compuerta.services.occupancy_port import Move, MoveKind
from compuerta.services.records import AccountOpening, AccountView, VersionState
from compuerta.services.rollout import Models
from compuerta.services.store_port import Store, Transaction

NAME_MAX = 100


class Credit(Enum):
    """Who pays for what is in the meter already."""

    PAID = "paid"  # the tenant, at the till
    OWED = "owed"  # the tenant, later
    GIVEN = "given"  # the landlord


class SomebodyLivesThere(Refused):
    """A place with a tenant takes no other one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} lives there: move them out first")
        self.field = "account_id"


class StepsAreTheMeters(Refused):
    """A meter that deducts by itself goes on in its steps, whoever lives there."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter {meter_no} deducts by itself: its steps go on, and cannot begin anew")
        self.field = "steps"


class NameOdd(Refused):
    """A tenant without a name, or with a novel for one."""

    def __init__(self) -> None:
        super().__init__(f"write the tenant's name, in at most {NAME_MAX} letters")
        self.field = "name"


class TariffOdd(Refused):
    """A tariff that cannot bill this place."""

    def __init__(self, tariff_id: int) -> None:
        super().__init__(
            f"tariff {tariff_id} is not one of this organisation, in the site's currency, and approved"
        )
        self.field = "tariff_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Where the tenant wants to be told of their supply and money."""

    channel: Channel
    address: str
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveIn:
    """Who comes, what the meter shows, and what is paid."""

    account_id: int  # the house's, which ends
    name: str
    shown: Shown = field(default_factory=Shown)
    steps: Steps | None = None  # None = as the meter does, where it deducts by itself; else they begin anew
    deposit_minor: int = 0
    fee_minor: int = 0  # the first fee
    credit: Credit = Credit.PAID
    till: str = "till"
    stays_off: bool = False  # a vacancy is not lifted yet
    tariff_id: int | None = None  # None = the place's
    terms: Terms = field(default_factory=Terms)
    reached: Reached | None = None


def move_in(
    store: Store, coming: MoveIn, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Open a tenant's account at a place that the house holds; the same move twice is one move."""
    return moving.done(
        store, partial(moved_in, coming=coming, models=models, actor=actor, move_id=move_id, now=now)
    )


def rehearse_in(
    store: Store, coming: MoveIn, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Return what moving in would come to; nothing of it stays."""
    return moving.rehearsed(
        store, partial(moved_in, coming=coming, models=models, actor=actor, move_id=move_id, now=now)
    )


def moved_in(
    tx: Transaction, coming: MoveIn, *, models: Models, actor: Actor, move_id: UUID, now: datetime
) -> Move:
    """Move somebody in, inside a transaction."""
    require_reason(actor)
    moving.require_amounts(deposit_minor=coming.deposit_minor, fee_minor=coming.fee_minor)
    name = coming.name.strip()
    if not name or len(name) > NAME_MAX:
        raise NameOdd
    view = moving.view_of(tx, coming.account_id, now=now)
    known = moving.known(tx, view.account, MoveKind.IN, move_id=move_id)
    if known is not None:
        return known
    moving.require_open(view)
    _require_steps(view, coming, now=now)
    if view.account.kind is not AccountKind.HOUSE:
        raise SomebodyLivesThere(view.account.name)
    _require_tariff(tx, view, coming.tariff_id)
    closed = moving.last_charge(tx, view, coming.shown, now=now)
    book_house_out(tx, closed, move_id=move_id, now=now)
    tenant = _begin(tx, closed, coming, name=name, now=now)
    settled = _settle(tx, closed, tenant, coming, move_id=move_id, now=now)
    _load(tx, closed, tenant, models=models, now=now)
    # What the last tenant had settled is in the meter still.
    settling.order_limits(tx, [tenant.account.account_id], act_id=move_id, models=models, now=now)
    ended = TENANTS_HOLDS if coming.stays_off else (*TENANTS_HOLDS, HoldKind.VACANCY)
    moving.end_holds(tx, tenant, ended, actor=actor, now=now)
    opened_id = tenant.account.account_id
    move = moving.receipt(
        closed, MoveKind.IN, settled, opened_account_id=opened_id, actor=actor, move_id=move_id, now=now
    )
    tx.occupancy.put_move(move)
    paid = format_minor(settled["paid_minor"], currency=tenant.account.currency)
    act = Act(act_id=move_id, what="move in", after=f"{name}, paid {paid}")
    tx.put_audit([entry(tenant.account, actor, act, now=now)])
    if coming.reached is not None:
        contacting.added(tx, _wish(coming.reached, tenant, move_id), actor, now=now)
    telling.welcome(tx, [tenant.account.account_id], now=now)
    converging.converge(tx, [tenant.account.account_id], now=now)
    return move


def book_house_out(tx: Transaction, closed: Closed, *, move_id: UUID, now: datetime) -> None:
    """Bring a house account to zero: what it has, or has used, is the landlord's."""
    moves = [(DELIVERED, closed.balance_minor), (HOUSE, -closed.balance_minor)]
    booking.book(tx, moving.settlement(closed.view, move_id, moves, now=now))


def _require_steps(view: AccountView, coming: MoveIn, *, now: datetime) -> None:
    assert view.meter is not None
    if coming.steps is Steps.RESET and view.credit_in_meter and moving.has_steps(view, now=now):
        raise StepsAreTheMeters(view.meter.meter_no)


def _require_tariff(tx: Transaction, view: AccountView, tariff_id: int | None) -> None:
    if tariff_id is None:
        return
    line = tx.tariff(tariff_id)
    fits = line is not None and (line.organisation_id, line.currency) == (
        view.account.organisation_id,
        view.account.currency,
    )
    if not fits or not any(each.state is VersionState.APPROVED for each in tx.versions([tariff_id])):
        raise TariffOdd(tariff_id)


def _begin(tx: Transaction, closed: Closed, coming: MoveIn, *, name: str, now: datetime) -> AccountView:
    terms = coming.terms
    if terms.contracted_w is None:  # the place's, whoever lives there
        terms = replace(terms, contracted_w=closed.view.terms_at(now).contracted_w)
    opening: AccountOpening = moving.opening_at(
        closed, kind=AccountKind.CUSTOMER, name=name, terms=terms, tariff_id=coming.tariff_id, now=now
    )
    tenant = moving.follow(tx, closed, opening, now=now)
    steps = moving.steps_at(closed) if coming.steps is None else coming.steps
    return moving.begin_steps(tx, closed, tenant, steps, now=now)


def _wish(reached: Reached, tenant: AccountView, move_id: UUID) -> ContactWish:
    return ContactWish(
        contact_id=derived(move_id, "contact"),
        account_id=tenant.account.account_id,
        channel=reached.channel,
        address=reached.address,
        language=reached.language,
        wants=RESIDENTS_TOPICS,
    )


def _settle(
    tx: Transaction, closed: Closed, tenant: AccountView, coming: MoveIn, *, move_id: UUID, now: datetime
) -> dict[str, int]:
    """Book what the tenant takes over, leaves as security, and pays; returns the receipt's amounts."""
    taken_minor = closed.in_meter_minor
    till = cash(coming.till)
    payer = {Credit.PAID: till, Credit.OWED: OWED, Credit.GIVEN: HOUSE}[coming.credit]
    paid_minor = coming.deposit_minor + coming.fee_minor
    paid_minor += taken_minor if coming.credit is Credit.PAID else 0
    if paid_minor:
        moving.take_cash(tx, coming.till, tenant.account, amount_minor=paid_minor, move_id=move_id, now=now)
    moves = [
        (payer, taken_minor),
        (DELIVERED, -taken_minor),
        (till, coming.fee_minor),
        (FEE, -coming.fee_minor),
    ]
    deposit = [(till, coming.deposit_minor), (DEPOSIT, -coming.deposit_minor)]
    booking.book(
        tx,
        [
            *moving.settlement(tenant, move_id, moves, now=now),
            *moving.settlement(tenant, move_id, deposit, kind=PostingKind.DEPOSIT, now=now),
        ],
    )
    return {
        "taken_over_minor": taken_minor,
        "credit_paid_minor": taken_minor if coming.credit is Credit.PAID else 0,
        "credit_owed_minor": taken_minor if coming.credit is Credit.OWED else 0,
        "credit_given_minor": taken_minor if coming.credit is Credit.GIVEN else 0,
        "deposit_minor": coming.deposit_minor,
        "fee_minor": coming.fee_minor,
        "paid_minor": paid_minor,  # below zero: the tenant gets it
        "house_charged_minor": closed.charged_minor,
    }


def _load(tx: Transaction, closed: Closed, tenant: AccountView, *, models: Models, now: datetime) -> None:
    """Tell the meter, where the tenant is billed by another tariff than the house was."""
    assert tenant.schedule is not None and closed.view.schedule is not None
    if moving.current_tariff(tenant, now=now) != moving.current_tariff(closed.view, now=now):
        rollout.send(tx, rollout.onward(tenant, now=now), models=models, by_hand=True, now=now)
