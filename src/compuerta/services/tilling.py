"""Tilling: a sale at a till is an order, a payment, a recharge and a number, all at once or not at all.

The order's id is made when the form is shown: the same form twice, a reload, or a second click while the
first is under way therefore find the same sale. A receipt's number is given in the transaction that books the
money, under the lock of the till's row: numbers have no gap, and every number is a sale, or its undoing.

A customer may also show a code on a phone; then another provider has the money, and the sale has its number
once that is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.domain.division import Debt
from compuerta.domain.errors import Refused
from compuerta.domain.ledger import REFUNDING, Line, Posting, PostingKind, cash
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.payment import Attempt, Flow, PaymentNotice, payment_id, reference_of
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.civil import to_us
from compuerta.services import (
    booking,
    correcting,
    crediting,
    ordering,
    quoting,
    receipt_numbers,
    shifts,
    vend,
)
from compuerta.services.acting import Actor
from compuerta.services.joining import Joined
from compuerta.services.payment_ports import Capabilities
from compuerta.services.shift_port import CASH, MovementKind, Shift, Till, TillSale
from compuerta.services.shift_report import drawer_minor
from compuerta.services.store_port import Store, Transaction

# A form that was left open is no sale any more; the cashier looks the customer up again.
SALE_WITHIN = timedelta(hours=1)
# So long a queue, or an app, waits for a customer's password; a code on a phone lives for a minute.
CODE_WITHIN = timedelta(seconds=45)
NOTE_MAX = 80
# What a till takes besides cash; each has its own account beside the drawer's.
TENDERS = ("card", "transfer", "cheque")


class SaleDiffers(Refused):
    """The same form came again with another amount."""

    def __init__(self) -> None:
        super().__init__("this sale was made already, with another amount; begin a new one")


class CashTooLittle(Refused):
    """Less was handed over than the sale costs."""

    def __init__(self) -> None:
        super().__init__("the cash is less than the amount")


class ChangeOnlyOfCash(Refused):
    """More by card, transfer or cheque than the sale costs: that would be cash from a card."""

    def __init__(self) -> None:
        super().__init__("only cash gives change: the other ways pay no more than the amount")


class SaleRefused(Refused):
    """The money could not become credit; nothing is booked, and the customer keeps it."""

    def __init__(self, outcome: vend.Outcome) -> None:
        super().__init__(f"nothing is booked, give the money back: {outcome.value}")
        self.outcome = outcome


class DrawerFull(Refused):
    """More cash than may lie in this drawer."""

    def __init__(self, most_minor: int) -> None:
        super().__init__("the drawer is full: take cash to the safe first, or sell another way")
        self.most_minor = most_minor


class SiteNotServed(Refused):
    """This till sells for another site."""

    def __init__(self, till: str) -> None:
        super().__init__(f"{till} does not sell for this site")


class CodeUnknown(Refused):
    """What was scanned is no payment code of a provider that takes them here."""

    def __init__(self) -> None:
        super().__init__("this is no payment code of a phone that is taken here")


class SaleVoided(Refused):
    """The sale was undone already, or has no number yet."""

    def __init__(self) -> None:
        super().__init__("this sale was undone already, or is not paid")


class VoidOwn(Refused):
    """A cashier's own sale is undone by somebody else."""

    def __init__(self) -> None:
        super().__init__("a second person undoes a sale: never who sold it")


class PaidElsewhere(Refused):
    """The money of this sale is not at the till: it goes back by the provider that has it."""

    def __init__(self) -> None:
        super().__init__("this was paid by phone: propose a refund, and the money goes back the way it came")


class ShiftNeeded(Refused):
    """A machine cannot sell by a till that has shifts."""

    def __init__(self, till: str) -> None:
        super().__init__(f"{till} sells in shifts, by a cashier; name another provider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What a cashier sells, and what was handed over for it, by kind."""

    attempt_id: UUID
    organisation_id: int
    account_id: int
    currency: str
    amount_minor: int
    tenders: Mapping[str, int]
    note: str = ""

    @property
    def change_minor(self) -> int:
        """What the cashier gives back."""
        return sum(self.tenders.values()) - self.amount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What a cashier is told of somebody before any amount is typed."""

    tariff: str  # "" where nothing is bought by one
    debts: tuple[Debt, ...]
    limits: quoting.Limits
    holds: tuple[HoldKind, ...]

    @property
    def owed_minor(self) -> int:
        """All debts together."""
        return sum(debt.remaining_minor for debt in self.debts)


def customer(store: Store, account_id: int, *, now: datetime) -> Customer | None:
    """Return what a cashier is told of an account; None where it cannot be recharged."""
    with store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        if view is None or not quoting.is_rechargeable(view):
            return None
        owing = crediting.owing_of(tx, {account_id: view}, now=now)[account_id]
        at = to_us(now)
        return Customer(
            tariff="" if view.schedule is None else view.schedule.version_at(at).tariff.name,
            debts=owing.debts,
            limits=quoting.limits_of(view, owing),
            holds=tuple(sorted(view.holds, key=lambda each: each.value)),
        )


def capabilities_of(currencies: frozenset[str]) -> Capabilities:
    """Return what every counter can do: money is there when the order is made."""
    return Capabilities(
        currencies=currencies,
        notices=False,
        query=True,
        close=True,
        immediate=True,
        expiry_min=timedelta(0),
        expiry_max=timedelta(days=1),
        flows=frozenset({Flow.CASH}),
        refunds=False,  # cash is handed back by a person, out of a drawer that is counted
    )


def notice_of(attempt: Attempt) -> PaymentNotice:
    """Return the word of a till that it has the money of an attempt; every repetition is the same notice."""
    return PaymentNotice(
        provider=attempt.provider,
        transaction_no=transaction_no_of(attempt.reference),
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        paid_at=attempt.created_at,
    )


def require_unattended(store: Store, provider: str) -> None:
    """Refuse a till that sells in shifts: whoever asks is no cashier."""
    with store.transaction() as tx:
        if tx.shifts.till(provider) is not None:
            raise ShiftNeeded(provider)


def transaction_no_of(reference: str) -> str:
    """Return what a till calls the payment of an order: the order alone decides it."""
    return f"till:{reference}"


def sell(store: Store, sale: Sale, *, actor: Actor, now: datetime) -> TillSale:
    """Sell a recharge once in the actor's own shift, however often this is called with the same sale.

    Raises `Conflict` where two clicks meet: the same call again finds what the other did.
    """
    _require_tenders(sale)
    with store.transaction() as tx:
        tx.lock_accounts([sale.account_id], now=now)  # a second click waits here, and finds the first's sale
        known = tx.shifts.sale(sale.account_id, sale.attempt_id)
        if known is not None:
            return _same(known, sale)
        shift = shifts.require_shift(tx, organisation_id=sale.organisation_id, cashier=actor.who)
        signed = replace(actor, why=f"handed over: {_told(sale)}")
        attempt = ordering.open_attempt(
            Joined(tx),
            _order(sale, provider=shift.provider, actor=signed),
            capabilities=capabilities_of(frozenset({sale.currency})),
            expires_in=SALE_WITHIN,
            now=now,
        )
        (outcome,) = vend.accept_payments(Joined(tx), [notice_of(attempt)], now=now)
        if outcome is not vend.Outcome.CREDITED:
            raise SaleRefused(outcome)
        _book_besides_cash(tx, attempt, sale.tenders, now=now)
        till, shift = _ready(tx, shift, sale, now=now)
        sold = _row(sale, shift, sold_by=actor.who, now=now)
        sold = replace(sold, receipt_no=receipt_numbers.next_number(tx, till))
        tx.shifts.put_sale(sold)
        return sold


def open_by_phone(
    store: Store, sale: Sale, *, code: str, capabilities: Capabilities, actor: Actor, now: datetime
) -> Attempt:
    """Write a sale that the customer pays by the code on a phone, before the provider hears of it.

    The sale's one tender names the provider. It has no number until it is paid; the same again is harmless.
    Raises `Conflict` where two clicks meet, as `sell` does.
    """
    (provider,) = sale.tenders
    with store.transaction() as tx:
        known = tx.shifts.sale(sale.account_id, sale.attempt_id)
        if known is not None:
            # Without the account: a payment locks the attempt first, and would wait for us as we for it.
            _same(known, sale)
            attempt = tx.attempt(sale.attempt_id)
            assert attempt is not None, "a sale by phone is written with its attempt"
            return attempt
        tx.lock_accounts([sale.account_id], now=now)
        shift = shifts.require_shift(tx, organisation_id=sale.organisation_id, cashier=actor.who)
        signed = replace(actor, why=f"by phone: {_told(sale)}")
        attempt = ordering.open_attempt(
            Joined(tx),
            _order(sale, provider=provider, actor=signed, flow=Flow.CODE, payer=code),
            capabilities=capabilities,
            expires_in=CODE_WITHIN,
            now=now,
        )
        _, shift = _ready(tx, shift, sale, now=now)
        tx.shifts.put_sale(_row(sale, shift, sold_by=actor.who, now=now))
        return attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """A sale to undo; the id is the caller's, and names what puts it right."""

    correction_id: UUID
    organisation_id: int
    account_id: int
    attempt_id: UUID


def void(store: Store, wish: Undoing, *, actor: Actor, now: datetime) -> TillSale:
    """Undo another's sale in its own open shift, while the meter has not taken it; under a number of its own.

    The cash goes out of the drawer; what was paid otherwise is given back there. Doing it again is harmless.
    Refusals are `VoidOwn`, `SaleVoided`, `PaidElsewhere`, those of `correcting.void`, and `ShiftCounted`.
    """
    with store.transaction() as tx:
        tx.lock_accounts([wish.account_id], now=now)
        sale = tx.shifts.sale(wish.account_id, wish.attempt_id)
        if sale is None or sale.organisation_id != wish.organisation_id or sale.receipt_no is None:
            raise SaleVoided
        if sale.voided_at is not None:
            return sale
        if sale.sold_by.casefold() == actor.who.casefold():
            raise VoidOwn
        if not sale.tenders.keys() <= {CASH, *TENDERS}:
            raise PaidElsewhere
        shift = tx.shifts.shift(wish.organisation_id, sale.shift_id)
        assert shift is not None, "a sale is in a shift"
        correcting.void(Joined(tx), _correction(sale, wish), actor=actor, now=now)
        till, shift = shifts.locked(tx, shift)
        _give_back(tx, shift, sale, wish, actor=actor, now=now)
        voided = replace(
            sale,
            voided_at=now,
            voided_by=actor.who,
            void_why=actor.why,
            void_receipt_no=receipt_numbers.next_number(tx, till),
        )
        tx.shifts.save_sales([voided])
        return voided


def _correction(sale: TillSale, wish: Undoing) -> correcting.Void:
    transaction_no = transaction_no_of(reference_of(sale.attempt_id))
    return correcting.Void(
        correction_id=wish.correction_id,
        account_id=sale.account_id,
        payment_id=payment_id(provider=sale.provider, transaction_no=transaction_no),
        asked_by=sale.sold_by,
    )


def _give_back(
    tx: Transaction, shift: Shift, sale: TillSale, wish: Undoing, *, actor: Actor, now: datetime
) -> None:
    if sale.cash_minor > drawer_minor(tx.shifts.movements(shift), tx.shifts.sales(shift)):
        raise shifts.CashAmountUnfit(sale.cash_minor)
    parts = {besides_cash(sale.provider, kind): sale.tenders.get(kind, 0) for kind in TENDERS}
    parts[cash(sale.provider)] = sale.cash_minor
    given = [
        Line(code=code, amount_minor=-amount_minor) for code, amount_minor in parts.items() if amount_minor
    ]
    posting = Posting(
        account_id=sale.account_id,
        posting_id=derived(wish.correction_id, "given back at the till"),
        kind=PostingKind.REFUND,
        currency=_currency_of(tx, sale, now=now),
        lines=(Line(code=REFUNDING, amount_minor=sale.amount_minor), *given),
        booked_at=now,
        cause_id=wish.correction_id,
    )
    booking.book(tx, [posting])
    if sale.cash_minor:
        movement_id = derived(wish.correction_id, "cash")
        shifts.note(
            tx, shift, MovementKind.REFUND, amount_minor=-sale.cash_minor, why=actor.why,
            movement_id=movement_id, who=actor.who, now=now,
        )  # fmt: skip


def _currency_of(tx: Transaction, sale: TillSale, *, now: datetime) -> str:
    (view,) = tx.look_at([sale.account_id], now=now).values()
    return view.account.currency


def number_paid(store: Store, shift_id: UUID, *, organisation_id: int) -> None:
    """Give their numbers to the sales of a shift that were paid by phone."""
    with store.transaction() as tx:
        shift = tx.shifts.shift(organisation_id, shift_id)
        if shift is not None and shift.counted_at is None:
            receipt_numbers.number_paid(tx, shift)


def _order(
    sale: Sale, *, provider: str, actor: Actor, flow: Flow = Flow.CASH, payer: str = ""
) -> ordering.Order:
    return ordering.Order(
        attempt_id=sale.attempt_id,
        account_id=sale.account_id,
        provider=provider,
        reference=reference_of(sale.attempt_id),
        amount_minor=sale.amount_minor,
        actor=actor,
        door="till",
        caller=actor.who,
        flow=flow,
        payer=payer,
    )


def _require_tenders(sale: Sale) -> None:
    if sale.change_minor < 0 or any(amount_minor < 0 for amount_minor in sale.tenders.values()):
        raise CashTooLittle
    if sale.change_minor > sale.tenders.get(CASH, 0):
        raise ChangeOnlyOfCash
    assert sale.tenders.keys() <= {CASH, *TENDERS}, "ways to pay are chosen from ours"


def _same(known: TillSale, sale: Sale) -> TillSale:
    if (known.amount_minor, dict(known.tenders)) != (sale.amount_minor, dict(sale.tenders)):
        raise SaleDiffers
    return known


def _ready(tx: Transaction, shift: Shift, sale: Sale, *, now: datetime) -> tuple[Till, Shift]:
    """Lock the till, and refuse what it does not take now."""
    till, shift = shifts.locked(tx, shift)
    _require_served(tx, till, sale.account_id, now=now)
    cash_minor = sale.tenders.get(CASH, 0) - sale.change_minor
    if till.drawer_max_minor is not None and cash_minor > 0:
        held_minor = drawer_minor(tx.shifts.movements(shift), tx.shifts.sales(shift))
        if held_minor + cash_minor > till.drawer_max_minor:
            raise DrawerFull(till.drawer_max_minor)
    return till, shift


def _require_served(tx: Transaction, till: Till, account_id: int, *, now: datetime) -> None:
    (view,) = tx.look_at([account_id], now=now).values()
    if till.site_id not in (None, view.account.site_id) or till.currency != view.account.currency:
        raise SiteNotServed(till.provider)


def _book_besides_cash(
    tx: Transaction, attempt: Attempt, tenders: Mapping[str, int], *, now: datetime
) -> None:
    """Move what was not paid in cash out of the drawer's account, so that this is the drawer exactly."""
    besides = {kind: tenders.get(kind, 0) for kind in TENDERS if tenders.get(kind)}
    if not besides:
        return
    notice = notice_of(attempt)
    paid_id = payment_id(provider=notice.provider, transaction_no=notice.transaction_no)
    lines = [
        Line(code=besides_cash(attempt.provider, kind), amount_minor=amount_minor)
        for kind, amount_minor in besides.items()
    ]
    lines.append(Line(code=cash(attempt.provider), amount_minor=-sum(besides.values())))
    posting = Posting(
        account_id=attempt.account_id,
        posting_id=derived(attempt.attempt_id, "tenders"),
        kind=PostingKind.SHIFT,
        currency=attempt.currency,
        lines=tuple(lines),
        booked_at=now,
        cause_id=paid_id,
    )
    booking.book(tx, [posting])


def besides_cash(till: str, kind: str) -> str:
    """Return the code of what a till took by card, by transfer, or by cheque."""
    return cash(f"{till}:{kind}")


def _row(sale: Sale, shift: Shift, *, sold_by: str, now: datetime) -> TillSale:
    return TillSale(
        account_id=sale.account_id,
        attempt_id=sale.attempt_id,
        organisation_id=sale.organisation_id,
        provider=shift.provider,
        shift_id=shift.shift_id,
        tenders={kind: minor for kind, minor in sale.tenders.items() if minor},
        change_minor=sale.change_minor,
        note=sale.note[:NOTE_MAX],
        sold_by=sold_by,
        sold_at=now,
    )


def _told(sale: Sale) -> str:
    parts = [
        f"{kind} {format_minor(amount_minor, currency=sale.currency)}"
        for kind, amount_minor in sorted(sale.tenders.items())
        if amount_minor
    ]
    return f"{', '.join(parts)} {sale.currency}{' ' + sale.note if sale.note else ''}"
