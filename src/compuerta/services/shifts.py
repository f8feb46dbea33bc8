"""Shifts: a till has a drawer, a drawer has one cashier at a time, and what is in it is counted blind.

Cash goes from the safe into the drawer (float), from customers (services/tilling.py), out of it to the safe
or for a reason, and at the end all of it to the safe. Each step is booked in the books of the till, which are
the suspense account of its provider account: `cash:<till>` is at every instant what should lie in the drawer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import HOUSE, OVER_SHORT, SAFE, Line, Posting, PostingKind, cash
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind
from compuerta.services import booking, receipt_numbers
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import AccountOpening, ProviderAccount
from compuerta.services.shift_port import CashMovement, MovementKind, Shift, Till, TillSale
from compuerta.services.shift_report import Report, drawer_minor, report
from compuerta.services.store_port import Store, Transaction

WARNED_PERCENT = 80  # of a drawer's limit: from here on the cashier is told
AMOUNT_MAX_MINOR = 10**12  # a slip, and not a drawer's content
NAME_MAX = 40
_NAMELESS = "-"
_AGAINST: Mapping[MovementKind, str] = {
    MovementKind.FLOAT: SAFE,
    MovementKind.DROP: SAFE,
    MovementKind.PAYOUT: HOUSE,  # the landlord's: whatever it was paid for is in the landlord's own books
}


class TillNameUnfit(Refused):
    """A till's name is taken, or is none."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is taken, or no name for a till: 1 to {NAME_MAX} letters, without a colon"
        )
        self.name = name


class TillUnknown(Refused):
    """There is no such till in this organisation."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no till {name!r} here")
        self.name = name


class TillBusy(Refused):
    """Somebody else's shift is open at this till."""

    def __init__(self, cashier: str) -> None:
        super().__init__(f"the shift of {cashier} is open at this till; it is counted first")
        self.cashier = cashier


class ShiftOpen(Refused):
    """This cashier has a shift at another till."""

    def __init__(self, till: str) -> None:
        super().__init__(f"your shift at {till} is open; count it first")
        self.till = till


class ShiftMissing(Refused):
    """Nothing is sold, and no cash moves, outside a shift."""

    def __init__(self) -> None:
        super().__init__("no shift is open here: open one first")


class ShiftCounted(Refused):
    """The shift is counted, and nothing goes into it any more."""

    def __init__(self, shift_no: int) -> None:
        super().__init__(f"shift {shift_no} is counted already")
        self.shift_no = shift_no


class ShiftNotCounted(Refused):
    """There is no count to accept."""

    def __init__(self, shift_no: int) -> None:
        super().__init__(f"shift {shift_no} waits for no acceptance")
        self.shift_no = shift_no


class SalesWaiting(Refused):
    """A customer's phone may still pay."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} payments by phone are not known yet; wait for them, then count")
        self.waiting = waiting


class OwnShift(Refused):
    """A cashier's own difference is accepted by somebody else."""

    def __init__(self) -> None:
        super().__init__("a second person accepts a difference: never who counted it")


class CashAmountUnfit(Refused):
    """An amount below zero, too large, or more than lies in the drawer."""

    def __init__(self, amount_minor: int) -> None:
        super().__init__("write an amount that the drawer can give")
        self.amount_minor = amount_minor


class TillCurrencyDiffers(Refused):
    """A till whose drawer holds other money."""

    def __init__(self, till: str, currency: str) -> None:
        super().__init__(f"{till} holds {currency}: choose a till of the account's currency")
        self.till = till
        self.currency = currency


@dataclass(frozen=True, slots=True, kw_only=True)
class TillWish:
    """A till to add: its books are with a site, and it sells for that site or for all."""

    name: str
    organisation_id: int
    site_id: int
    for_all: bool
    drawer_max_minor: int | None
    live: bool
    suspense_token: UUID


def found_till(store: Store, wish: TillWish, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Add a till; one that sold without shifts until now sells in shifts from now on."""
    _require_amount(wish.drawer_max_minor or 0)
    with store.transaction() as tx:
        currency = tx.occupancy.site_of(organisation_id=wish.organisation_id, site_id=wish.site_id)
        if currency is None:
            raise TillUnknown(wish.name)
        known = tx.provider_account(wish.name)
        if known is None:
            _add_account(tx, wish, now=now)
        elif (known.organisation_id, known.kind) != (wish.organisation_id, "till") or tx.shifts.till(
            wish.name
        ):
            raise TillNameUnfit(wish.name)
        till = Till(
            provider=wish.name,
            organisation_id=wish.organisation_id,
            site_id=None if wish.for_all else wish.site_id,
            currency=currency,
            drawer_max_minor=wish.drawer_max_minor,
        )
        tx.shifts.add_till(till)
        act = Act(act_id=act_id, what="add a till", after=f"drawer up to {wish.drawer_max_minor}")
        _audit(tx, till, actor, act, now=now)


def _add_account(tx: Transaction, wish: TillWish, *, now: datetime) -> None:
    # With a colon a name could be that of what another till's card terminal took.
    if not 1 <= len(wish.name) <= NAME_MAX or not wish.name.isprintable() or ":" in wish.name:
        raise TillNameUnfit(wish.name)
    books = AccountOpening(
        site_id=wish.site_id,
        kind=AccountKind.SUSPENSE,
        name=f"Suspense {wish.name}",
        supply_point=_NAMELESS,
        tariff_id=None,
        meter_id=None,
        pay_token=wish.suspense_token,
        opened_at=now,
    )
    tx.add_provider_account(
        ProviderAccount(
            provider=wish.name,
            organisation_id=wish.organisation_id,
            kind="till",
            suspense_account_id=tx.add_account(books),
            live=wish.live,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A shift to open; the id is the caller's."""

    shift_id: UUID
    organisation_id: int
    till: str
    float_minor: int


def open_shift(store: Store, opening: Opening, *, actor: Actor, now: datetime) -> Shift:
    """Open a shift with cash from the safe; the same again is harmless."""
    _require_amount(opening.float_minor)
    with store.transaction() as tx:
        till = tx.shifts.till(opening.till)
        if till is None or till.organisation_id != opening.organisation_id:
            raise TillUnknown(opening.till)
        known = tx.shifts.shift(opening.organisation_id, opening.shift_id)
        if known is not None:
            return known
        _require_free(tx, till, cashier=actor.who)
        shift = Shift(
            provider=till.provider,
            shift_id=opening.shift_id,
            organisation_id=till.organisation_id,
            shift_no=till.shift_no_last + 1,
            cashier=actor.who,
            opened_at=now,
            float_minor=opening.float_minor,
        )
        tx.shifts.save_till(replace(till, shift_no_last=shift.shift_no))
        tx.shifts.put_shift(shift)
        if shift.float_minor:
            wish = _Moved(kind=MovementKind.FLOAT, amount_minor=shift.float_minor, why="float")
            _move(tx, shift, wish, movement_id=derived(shift.shift_id, "float"), who=actor.who, now=now)
        act = Act(act_id=shift.shift_id, what="open a shift", after=f"float {shift.float_minor}")
        _audit(tx, till, actor, act, now=now)
        return shift


def _require_free(tx: Transaction, till: Till, *, cashier: str) -> None:
    own = tx.shifts.shift_of(till.organisation_id, cashier)
    if own is not None:
        raise ShiftOpen(own.provider)
    other = tx.shifts.shift_at(till.provider)
    if other is not None:
        raise TillBusy(other.cashier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A cashier's open shift, and how it stands with the drawer."""

    till: Till
    shift: Shift
    drawer_minor: int

    @property
    def is_nearly_full(self) -> bool:
        """Tell whether cash should go to the safe soon."""
        most_minor = self.till.drawer_max_minor
        return most_minor is not None and 100 * self.drawer_minor >= WARNED_PERCENT * most_minor


def standing(store: Store, *, organisation_id: int, cashier: str) -> Standing | None:
    """Return a cashier's open shift with its drawer; None where there is none."""
    with store.transaction() as tx:
        shift = tx.shifts.shift_of(organisation_id, cashier)
        if shift is None:
            return None
        till = tx.shifts.till(shift.provider)
        assert till is not None, "a shift is at a till"
        held_minor = drawer_minor(tx.shifts.movements(shift), tx.shifts.sales(shift))
        return Standing(till=till, shift=shift, drawer_minor=held_minor)


def figures(store: Store, shift_id: UUID, *, organisation_id: int) -> tuple[Shift, Report, list[TillSale]]:
    """Return a shift with its figures and its sales; refuses one that is not the organisation's."""
    with store.transaction() as tx:
        shift = tx.shifts.shift(organisation_id, shift_id)
        if shift is None:
            raise ShiftMissing
        sales = tx.shifts.sales(shift)
        return shift, report(tx.shifts.movements(shift), sales), sales


def require_shift(tx: Transaction, *, organisation_id: int, cashier: str) -> Shift:
    """Return the shift that a cashier has open; refuses where there is none."""
    shift = tx.shifts.shift_of(organisation_id, cashier)
    if shift is None:
        raise ShiftMissing
    return shift


def locked(tx: Transaction, shift: Shift) -> tuple[Till, Shift]:
    """Lock the till of a shift, and return both as they stand; refuses a shift that is counted meanwhile."""
    till = tx.shifts.till(shift.provider)
    assert till is not None, "a shift is at a till"
    current = tx.shifts.shift(shift.organisation_id, shift.shift_id)
    assert current is not None, "shifts are never deleted"
    if current.counted_at is not None:
        raise ShiftCounted(shift.shift_no)
    return till, current


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Cash to take out of one's drawer: to the safe, or for the reason that the actor gives."""

    movement_id: UUID
    organisation_id: int
    kind: MovementKind
    amount_minor: int


def take_out(store: Store, taking: Taking, *, actor: Actor, now: datetime) -> None:
    """Take cash out of the cashier's own drawer, once per id."""
    require_reason(actor)
    _require_amount(taking.amount_minor)
    with store.transaction() as tx:
        found = require_shift(tx, organisation_id=taking.organisation_id, cashier=actor.who)
        till, shift = locked(tx, found)
        movements = tx.shifts.movements(shift)
        if any(each.movement_id == taking.movement_id for each in movements):
            return
        if not 0 < taking.amount_minor <= drawer_minor(movements, tx.shifts.sales(shift)):
            raise CashAmountUnfit(taking.amount_minor)
        wish = _Moved(kind=taking.kind, amount_minor=-taking.amount_minor, why=actor.why)
        _move(tx, shift, wish, movement_id=taking.movement_id, who=actor.who, now=now)
        act = Act(act_id=taking.movement_id, what=f"cash {taking.kind.value}", after=f"{taking.amount_minor}")
        _audit(tx, till, actor, act, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    kind: MovementKind
    amount_minor: int
    why: str


def _move(
    tx: Transaction, shift: Shift, moved: _Moved, *, movement_id: UUID, who: str, now: datetime
) -> None:
    note(tx, shift, moved.kind, amount_minor=moved.amount_minor, why=moved.why, movement_id=movement_id,
         who=who, now=now)  # fmt: skip
    lines = (
        Line(code=cash(shift.provider), amount_minor=moved.amount_minor),
        Line(code=_AGAINST[moved.kind], amount_minor=-moved.amount_minor),
    )
    _book(tx, shift, lines, cause_id=movement_id, now=now)


def note(
    tx: Transaction,
    shift: Shift,
    kind: MovementKind,
    *,
    amount_minor: int,
    why: str,
    movement_id: UUID,
    who: str,
    now: datetime,
) -> None:
    """Write down cash that went in or out of a drawer without a sale; its posting is the caller's."""
    tx.shifts.put_movement(
        CashMovement(
            provider=shift.provider,
            movement_id=movement_id,
            organisation_id=shift.organisation_id,
            shift_id=shift.shift_id,
            kind=kind,
            amount_minor=amount_minor,
            why=why,
            who=who,
            at=now,
        )
    )


def moved_at(
    tx: Transaction, till: str, kind: MovementKind, *, amount_minor: int, cause_id: UUID, now: datetime
) -> None:
    """Write down cash that another use case books at a till with shifts; below zero it is paid out.

    Refuses where no shift is open there; a till without shifts counts nothing.
    """
    if tx.shifts.till(till) is None:
        return
    shift = tx.shifts.shift_at(till)
    if shift is None:
        raise ShiftMissing
    note(tx, shift, kind, amount_minor=amount_minor, why=kind.value,
         movement_id=derived(cause_id, "cash"), who=shift.cashier, now=now)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlay:
    """Cash that somebody wants to hand out of a till."""

    till: str
    organisation_id: int
    cashier: str
    amount_minor: int
    currency: str


def require_payable(tx: Transaction, outlay: Outlay, *, now: datetime) -> None:
    """Refuse what a till cannot hand out: another currency's, out of another's shift, or not in its drawer.

    Of a till without shifts nobody knows what lies in it.
    """
    known = tx.provider_account(outlay.till)
    if known is None or (known.organisation_id, known.kind) != (outlay.organisation_id, "till"):
        raise TillUnknown(outlay.till)
    books = tx.look_at([known.suspense_account_id], now=now)[known.suspense_account_id]
    if books.account.currency != outlay.currency:
        raise TillCurrencyDiffers(outlay.till, books.account.currency)
    if tx.shifts.till(outlay.till) is None:
        return
    shift = tx.shifts.shift_at(outlay.till)
    if shift is None or shift.cashier != outlay.cashier:
        raise ShiftMissing
    if outlay.amount_minor > drawer_minor(tx.shifts.movements(shift), tx.shifts.sales(shift)):
        raise CashAmountUnfit(outlay.amount_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What lies in the drawer, counted before anybody says what should."""

    act_id: UUID
    organisation_id: int
    counted_minor: int
    denominations: Mapping[str, int] = field(default_factory=dict)


def count(store: Store, counted: Count, *, actor: Actor, now: datetime) -> Shift:
    """End the cashier's own shift by a count.

    One that agrees closes it; a difference waits for a second person.
    """
    _require_amount(counted.counted_minor)
    with store.transaction() as tx:
        found = require_shift(tx, organisation_id=counted.organisation_id, cashier=actor.who)
        waiting = receipt_numbers.number_paid(tx, found)
        if waiting:
            raise SalesWaiting(waiting)
        till, shift = locked(tx, found)
        shift = replace(
            shift,
            counted_minor=counted.counted_minor,
            counted_at=now,
            expected_minor=drawer_minor(tx.shifts.movements(shift), tx.shifts.sales(shift)),
            denominations=counted.denominations,
        )
        if shift.over_minor == 0:
            shift = replace(shift, closed_at=now)
            _empty(tx, shift, now=now)
        tx.shifts.save_shift(shift)
        act = Act(
            act_id=counted.act_id,
            what="count a drawer",
            before=f"{shift.expected_minor}",
            after=f"{shift.counted_minor}",
        )
        _audit(tx, till, actor, act, now=now)
        return shift


def explain(
    store: Store, shift_id: UUID, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> None:
    """Say why the cashier's own count differs; a later word replaces an earlier one until it is accepted."""
    require_reason(actor)
    with store.transaction() as tx:
        till, shift = _counted(tx, shift_id, organisation_id=organisation_id)
        if shift.cashier != actor.who:
            raise ShiftMissing
        tx.shifts.save_shift(replace(shift, reason=actor.why))
        act = Act(act_id=act_id, what="explain a difference", before=shift.reason, after=actor.why)
        _audit(tx, till, actor, act, now=now)


def accept(
    store: Store, shift_id: UUID, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> None:
    """Accept another's difference and close the shift; the reason of the cashier is not optional."""
    with store.transaction() as tx:
        till, shift = _counted(tx, shift_id, organisation_id=organisation_id)
        if shift.cashier.casefold() == actor.who.casefold():
            raise OwnShift
        require_reason(replace(actor, why=shift.reason))
        shift = replace(shift, accepted_by=actor.who, closed_at=now)
        tx.shifts.save_shift(shift)
        _empty(tx, shift, now=now)
        act = Act(act_id=act_id, what="accept a difference", after=f"{shift.over_minor}: {shift.reason}")
        _audit(tx, till, actor, act, now=now)


def _counted(tx: Transaction, shift_id: UUID, *, organisation_id: int) -> tuple[Till, Shift]:
    found = tx.shifts.shift(organisation_id, shift_id)
    if found is None:
        raise ShiftMissing
    till = tx.shifts.till(found.provider)
    shift = tx.shifts.shift(organisation_id, shift_id)  # as it stands under the lock
    assert till is not None and shift is not None, "a shift is at a till, and never deleted"
    if shift.counted_at is None or shift.closed_at is not None:
        raise ShiftNotCounted(shift.shift_no)
    return till, shift


def _empty(tx: Transaction, shift: Shift, *, now: datetime) -> None:
    """Take what was counted to the safe; what it differs by is an expense, or the opposite of one."""
    assert shift.expected_minor is not None and shift.counted_minor is not None
    movement_id = derived(shift.shift_id, "count")
    lines = (
        Line(code=SAFE, amount_minor=shift.counted_minor),
        Line(code=OVER_SHORT, amount_minor=-shift.over_minor),
        Line(code=cash(shift.provider), amount_minor=-shift.expected_minor),
    )
    _book(tx, shift, lines, cause_id=movement_id, now=now)
    if shift.expected_minor:
        note(tx, shift, MovementKind.COUNT, amount_minor=-shift.expected_minor, why="count",
             movement_id=movement_id, who=shift.cashier, now=now)  # fmt: skip


def _book(tx: Transaction, shift: Shift, lines: tuple[Line, ...], *, cause_id: UUID, now: datetime) -> None:
    moving = tuple(line for line in lines if line.amount_minor)
    if not moving:
        return
    books = tx.provider_account(shift.provider)
    till = tx.shifts.till(shift.provider)
    assert books is not None and till is not None, "a till is a provider account"
    posting = Posting(
        account_id=books.suspense_account_id,
        posting_id=derived(cause_id, "posting"),
        kind=PostingKind.SHIFT,
        currency=till.currency,
        lines=moving,
        booked_at=now,
        cause_id=cause_id,
    )
    booking.book(tx, [posting])


def _require_amount(amount_minor: int) -> None:
    if not 0 <= amount_minor <= AMOUNT_MAX_MINOR:
        raise CashAmountUnfit(amount_minor)


def _audit(tx: Transaction, till: Till, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"till {till.provider}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=till.organisation_id, now=now)])
