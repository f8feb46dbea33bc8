"""Moving: what every move has in common: a closing reading, a last charge, a settlement, and a receipt.

Every supply point has at most one open account. While nobody lives there it is a house account, the
landlord's own; so metering and billing always have somebody. A move is one transaction, it is done once
however often it is asked for, and it can be rehearsed: done, looked at, and undone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar
from uuid import UUID

from compuerta.domain.energy import Delta, format_kwh, judge_delta
from compuerta.domain.errors import Refused
from compuerta.domain.ledger import DEPOSIT, OWED, Line, Posting, PostingKind
from compuerta.domain.naming import derived
from compuerta.domain.party import BUYING, Account, AccountKind
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.packing import packed
from compuerta.domain.tariff.tally import Span, Tally, taken_over
from compuerta.drivers.abilities import MeterState
from compuerta.services import booking, charging, observe, shifts
from compuerta.services.acting import Actor
from compuerta.services.occupancy_port import Move, MoveKind
from compuerta.services.records import AccountOpening, AccountView, BillOpening, Hold
from compuerta.services.shift_port import MovementKind
from compuerta.services.store_port import Store, Transaction

# What was read within this time is what the meter shows now, but for minutes of use.
FRESH_MAX = timedelta(minutes=15)
Result = TypeVar("Result")
HOUSE_NAME = "House"


class Rest(Enum):
    """What becomes of the rest when an account is settled, whoever owes it."""

    CASH = "cash"  # paid out, or collected, at the till
    BOOKED = "booked"  # owed, and seen in the books until it is paid


class Steps(Enum):
    """Where a tenant begins in the steps of the tariff."""

    RESET = "reset"
    INHERIT = "inherit"  # what was used in the place in this window counts


class AccountUnknown(Refused):
    """Nobody has such an account."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"there is no account {account_id} with a meter that buys electricity")
        self.account_id = account_id


class MoveDiffers(Refused):
    """Another move has this id."""

    def __init__(self, move_id: UUID) -> None:
        super().__init__(f"another move has the id {move_id}: make a new one")
        self.field = "move_id"
        self.move_id = move_id


class AccountClosed(Refused):
    """The account has ended already: somebody else was faster, or it was another day."""

    def __init__(self, account_id: int, at: datetime) -> None:
        super().__init__(f"account {account_id} ended at {at.isoformat()}: look again at who lives there")
        self.account_id = account_id


class BillingHeld(Refused):
    """A reading is in doubt: nobody knows what the last charge would be."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"a reading of account {account_id} is in doubt: settle its case first")
        self.account_id = account_id


class BilledByIntervals(Refused):
    """What meters measure by intervals is billed when the cycle ends."""

    def __init__(self, account_id: int) -> None:
        super().__init__(
            f"account {account_id} is billed by intervals, once a cycle: bill it by its register first"
        )
        self.account_id = account_id


class ReadingMissing(Refused):
    """The meter was not read lately, and nobody said what it shows."""

    def __init__(self, read_at: datetime | None) -> None:
        last = "never" if read_at is None else read_at.isoformat()
        super().__init__(f"the meter was read last: {last}; type what its register shows")
        self.field = "register_wh"
        self.read_at = read_at


class ReadingBackwards(Refused):
    """A register that shows less than what was billed already."""

    def __init__(self, *, known_wh: int, given_wh: int) -> None:
        super().__init__(
            f"{format_kwh(given_wh)} kWh is less than the {format_kwh(known_wh)} kWh that are billed already"
        )
        self.field = "register_wh"
        self.known_wh = known_wh
        self.given_wh = given_wh


class ReadingTooFar(Refused):
    """A register that no supply could have brought so far since it was read last."""

    def __init__(self, *, known_wh: int, given_wh: int) -> None:
        super().__init__(
            f"{format_kwh(given_wh)} kWh cannot be: {format_kwh(known_wh)} kWh was billed last; look again"
        )
        self.field = "register_wh"
        self.known_wh = known_wh
        self.given_wh = given_wh


class RatesDiffer(Refused):
    """Registers by rate that do not add up to the total."""

    def __init__(self, *, register_wh: int, rates_wh: tuple[int, ...]) -> None:
        super().__init__(
            f"the rates add up to {format_kwh(sum(rates_wh))} kWh, and the total is "
            f"{format_kwh(register_wh)} kWh: look again"
        )
        self.field = "rates_wh"


class AmountNegative(Refused):
    """An amount below zero where only zero or more makes sense."""

    def __init__(self, field: str, amount_minor: int) -> None:
        super().__init__(f"{field}: {amount_minor} is below zero")
        self.field = field
        self.amount_minor = amount_minor


class TillUnknown(Refused):
    """Cash is counted at a till, and this is none of the organisation's."""

    def __init__(self, till: str) -> None:
        super().__init__(f"there is no till {till!r} in this organisation")
        self.field = "till"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a meter shows, typed by whoever stands before it; None = the last reading is meant."""

    register_wh: int | None = None
    rates_wh: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """An account after its last charge."""

    view: AccountView  # with what it holds now
    register_wh: int
    rates_wh: tuple[int, ...] | None
    charged_minor: int

    @property
    def balance_minor(self) -> int:
        """What is left, by our books."""
        return self.view.holdings.delivered_minor

    @property
    def in_meter_minor(self) -> int:
        """What stays in the meter, whoever it belongs to."""
        return self.balance_minor if self.view.credit_in_meter else 0


class _Undone(Exception):
    """What a rehearsal ends with, so that nothing of it stays."""


def done(store: Store, act: Callable[[Transaction], Result]) -> Result:
    """Do a move in a transaction of its own."""
    with store.transaction() as tx:
        return act(tx)


def rehearsed(store: Store, act: Callable[[Transaction], Result]) -> Result:
    """Return what a move would come to: it is done, looked at, and undone."""
    found: list[Result] = []
    try:
        with store.transaction() as tx:
            found.append(act(tx))
            raise _Undone
    except _Undone:
        return found[0]


def known(tx: Transaction, account: Account, kind: MoveKind, *, move_id: UUID) -> Move | None:
    """Return the move of this id, if it was made before; refuses an id that is of another one."""
    found = tx.occupancy.move(organisation_id=account.organisation_id, move_id=move_id)
    if found is not None and (found.kind, found.closed_account_id) != (kind, account.account_id):
        raise MoveDiffers(move_id)
    return found


def view_of(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    """Lock an account that has, or had, a meter and buys electricity."""
    view = tx.lock_accounts([account_id], now=now).get(account_id)
    if view is None or view.account.kind not in BUYING:
        raise AccountUnknown(account_id)
    return view


def require_open(view: AccountView) -> None:
    """Refuse an account that has ended, or that nothing measures for."""
    account = view.account
    if account.period.end is not None:
        raise AccountClosed(account.account_id, account.period.end)
    if view.meter is None:
        raise AccountUnknown(account.account_id)


def take_cash(
    tx: Transaction, till: str, account: Account, *, amount_minor: int, move_id: UUID, now: datetime
) -> None:
    """Let a till's drawer know of cash that a move's posting brings; below zero it is paid out.

    Refuses a till that is not the organisation's, and one that has shifts where none is open.
    """
    known = tx.provider_account(till)
    if known is None or known.organisation_id != account.organisation_id or known.kind != "till":
        raise TillUnknown(till)
    cause_id = derived(move_id, f"cash of account {account.account_id}")
    shifts.moved_at(tx, till, MovementKind.MOVE, amount_minor=amount_minor, cause_id=cause_id, now=now)


def require_amounts(**amounts_minor: int) -> None:
    """Refuse amounts below zero, by their field."""
    for field, amount_minor in amounts_minor.items():
        if amount_minor < 0:
            raise AmountNegative(field, amount_minor)


def register_of(view: AccountView, shown: Shown, *, now: datetime) -> Shown:
    """Return what the register shows: as it was typed, or as it was read a short while ago."""
    snapshot = view.snapshot
    assert snapshot is not None
    if shown.register_wh is not None:
        if shown.rates_wh is not None and sum(shown.rates_wh) != shown.register_wh:
            raise RatesDiffer(register_wh=shown.register_wh, rates_wh=shown.rates_wh)
        return shown
    if shown.rates_wh is not None:
        return Shown(register_wh=sum(shown.rates_wh), rates_wh=shown.rates_wh)
    read_at = snapshot.read_at
    if snapshot.energy_wh is None or read_at is None or now - read_at > FRESH_MAX:
        raise ReadingMissing(read_at)
    same = view.holdings.register_wh == snapshot.energy_wh
    return Shown(register_wh=snapshot.energy_wh, rates_wh=view.holdings.register_rates_wh if same else None)


def last_charge(tx: Transaction, view: AccountView, shown: Shown, *, now: datetime) -> Closed:
    """Charge what was used until now, and the standing charges of the days until now.

    Amounts that fall due when a billing cycle ends, such as a minimum, are not asked of who leaves before.
    """
    shown = register_of(view, shown, now=now)
    register_wh, holdings = shown.register_wh, view.holdings
    assert register_wh is not None and view.schedule is not None and view.meter is not None
    if holdings.billing_held:
        raise BillingHeld(view.account.account_id)
    if view.by_intervals:
        raise BilledByIntervals(view.account.account_id)
    _refuse_odd(view, register_wh, now=now)
    known_wh = register_wh if holdings.register_wh is None else holdings.register_wh
    start = holdings.register_at or view.account.period.start
    # A clock that is behind the meter's last reading still charges after it: a charge is named by its end.
    end = max(now, start + timedelta(milliseconds=1))
    state = MeterState(energy_wh=register_wh, rates_wh=shown.rates_wh)
    report = observe.MeterReport(meter_id=view.meter.meter_id, at=end, state=state)
    rates_wh = observe.rates_used(tx, report, view)
    span = Span(start=start, end=end, energy_wh=register_wh - known_wh, rates_wh=rates_wh)
    use = charging.Use(meter_id=view.meter.meter_id, span=span)
    charged = charging.charge(view, holdings, use, now=now)
    after = replace(
        charged.holdings,
        register_wh=register_wh,
        register_at=span.end,
        register_rates_wh=shown.rates_wh,
        delivered_minor=holdings.delivered_minor - charged.amount_minor,
    )
    tx.save_holdings([after])
    booking.book(tx, charged.postings)
    tx.put_bills(charged.bills)
    tx.put_charges(charged.charges)
    return Closed(
        view=replace(view, holdings=after),
        register_wh=register_wh,
        rates_wh=shown.rates_wh,
        charged_minor=charged.amount_minor,
    )


def _refuse_odd(view: AccountView, register_wh: int, *, now: datetime) -> None:
    """Refuse what is no way on from the register that was billed last (promise T2)."""
    if register_wh < 0:
        raise AmountNegative("register_wh", register_wh)
    known_wh = view.holdings.register_wh
    if known_wh is None:
        return
    since = view.holdings.register_at or view.account.period.start
    elapsed_s = max(int((now - since).total_seconds()), 0) + 1
    match judge_delta(before_wh=known_wh, after_wh=register_wh, elapsed_s=elapsed_s):
        case Delta.BACKWARDS:
            raise ReadingBackwards(known_wh=known_wh, given_wh=register_wh)
        case Delta.JUMP:
            raise ReadingTooFar(known_wh=known_wh, given_wh=register_wh)
        case _:
            return


def current_tariff(view: AccountView, *, now: datetime) -> int:
    """Return the tariff that bills an account now."""
    assert view.schedule is not None
    return view.schedule.version_at(to_us(now)).tariff_id


def has_steps(view: AccountView, *, now: datetime) -> bool:
    """Tell whether a price depends on how much was used before."""
    assert view.schedule is not None
    periods = view.schedule.version_at(to_us(now)).tariff.energy.periods
    return any(len(period.ladder.prices) > 1 for period in periods)


def opening_at(
    closed: Closed, *, kind: AccountKind, name: str, terms: Terms, tariff_id: int | None = None, now: datetime
) -> AccountOpening:
    """Return the opening of the account that follows another at its supply point, with the same meter."""
    account, meter = closed.view.account, closed.view.meter
    assert meter is not None
    return AccountOpening(
        site_id=account.site_id,
        kind=kind,
        name=name,
        supply_point=account.supply_point,
        building=account.building,
        tariff_id=current_tariff(closed.view, now=now) if tariff_id is None else tariff_id,
        meter_id=meter.meter_id,
        pay_token=account.pay_token,
        opened_at=now,
        register_wh=closed.register_wh,
        terms=terms,
    )


def follow(tx: Transaction, closed: Closed, opening: AccountOpening, *, now: datetime) -> AccountView:
    """End an account and begin the next one at its place, by the register that was read."""
    tx.occupancy.close_account(closed.view.account.account_id, at=now)
    return begun(tx, closed, opening, now=now)


def begun(tx: Transaction, closed: Closed, opening: AccountOpening, *, now: datetime) -> AccountView:
    """Begin an account where another has ended, by the register that was read there."""
    account_id = tx.add_account(opening)
    view = tx.lock_accounts([account_id], now=now)[account_id]
    holdings = replace(view.holdings, register_at=now, register_rates_wh=closed.rates_wh)
    tx.save_holdings([holdings])
    return replace(view, holdings=holdings)


def steps_at(closed: Closed) -> Steps:
    """Return how steps go on by themselves: a meter that deducts knows nothing of who lives there."""
    return Steps.INHERIT if closed.view.credit_in_meter else Steps.RESET


def begin_steps(
    tx: Transaction, closed: Closed, begun: AccountView, steps: Steps, *, now: datetime
) -> AccountView:
    """Let an account go on in its predecessor's steps, where that is wanted and the tariff is the same."""
    if steps is Steps.RESET or begun.schedule is None:
        return begun
    before = charging.tally_of(closed.view, closed.view.holdings)
    return open_bill(tx, begun, taken_over(before, schedule=begun.schedule, at=now), now=now)


def open_bill(tx: Transaction, view: AccountView, tally: Tally, *, now: datetime) -> AccountView:
    """Begin an account's bill with a tally."""
    holdings = replace(view.holdings, tally=packed(tally))
    tx.save_holdings([holdings])
    opening = BillOpening(account_id=view.account.account_id, bill_start=now, tally=holdings.tally)
    tx.put_bills([opening])
    return replace(view, holdings=holdings)


def owed_and_deposit(tx: Transaction, view: AccountView) -> tuple[int, int]:
    """Return what somebody still owes besides their use, and the security that they have left."""
    sums = tx.occupancy.codes_minor(view.account.account_id, (OWED, DEPOSIT))
    return sums[OWED], -sums[DEPOSIT]


def settlement(
    view: AccountView,
    move_id: UUID,
    moves: list[tuple[str, int]],
    *,
    kind: PostingKind = PostingKind.SETTLEMENT,
    now: datetime,
) -> list[Posting]:
    """Return the posting of a move on one account; lines of one code are one, and of nothing none."""
    sums: dict[str, int] = {}
    for code, amount_minor in moves:
        sums[code] = sums.get(code, 0) + amount_minor
    lines = tuple(Line(code=code, amount_minor=minor) for code, minor in sums.items() if minor)
    if not lines:
        return []
    account = view.account
    return [
        Posting(
            account_id=account.account_id,
            posting_id=derived(move_id, f"{kind.value}:{account.account_id}"),
            kind=kind,
            currency=account.currency,
            lines=lines,
            booked_at=now,
            cause_id=move_id,
        )
    ]


def receipt(
    closed: Closed,
    kind: MoveKind,
    settled: Mapping[str, int],
    *,
    opened_account_id: int,
    actor: Actor,
    move_id: UUID,
    now: datetime,
) -> Move:
    """Return what is kept of a move at one place, whose meter goes on by the register that was read."""
    account, meter = closed.view.account, closed.view.meter
    assert meter is not None
    return Move(
        organisation_id=account.organisation_id,
        move_id=move_id,
        kind=kind,
        at=now,
        who=actor.who,
        why=actor.why,
        closed_account_id=account.account_id,
        opened_account_id=opened_account_id,
        old_meter_id=meter.meter_id,
        closing_wh=closed.register_wh,
        opening_wh=closed.register_wh,
        settled=settled,
    )


def end_holds(
    tx: Transaction, view: AccountView, kinds: tuple[HoldKind, ...], *, actor: Actor, now: datetime
) -> None:
    """End the holds of these kinds that are the account's and not the place's."""
    assert view.meter is not None
    for kind in kinds:
        if kind in view.holds:
            tx.end_holds(view.meter.meter_id, kind, at=now, by=actor.who)


def put_hold(
    tx: Transaction, view: AccountView, kind: HoldKind, *, actor: Actor, move_id: UUID, now: datetime
) -> None:
    """Place a hold that a move brings with it."""
    assert view.meter is not None
    tx.put_hold(
        Hold(
            meter_id=view.meter.meter_id,
            hold_id=derived(move_id, kind.value),
            kind=kind,
            owner=actor.who,
            note=actor.why,
            start=now,
        )
    )
