"""A sale at the till: cash becomes an order, a payment and a recharge, and leaves an audit row.

The order's id is made when the form is shown. The same form twice, a reload, or a second click while the
first is under way therefore find the same order, and the payment credits once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.till import CashTill
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.payment import reference_of
from compuerta.services import ordering, vend
from compuerta.services.acting import Actor
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.services.store_port import Store

# A form that was left open is no sale any more; the cashier looks the customer up again.
SALE_WITHIN = timedelta(hours=1)


class SaleDiffers(Refused):
    """The same form came again with another amount."""

    def __init__(self) -> None:
        super().__init__("this sale was made already, with another amount; begin a new one")


class CashTooLittle(Refused):
    """Less cash than the sale costs."""

    def __init__(self) -> None:
        super().__init__("the cash is less than the amount")


class SaleSuspended(Refused):
    """The money is booked, but could not be credited; a case says why."""

    def __init__(self, outcome: vend.Outcome) -> None:
        super().__init__(f"the money is kept and a case is open: {outcome.value}")
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What a cashier sells: cash in hand for an amount."""

    attempt_id: UUID
    account_id: int
    till: str
    currency: str
    amount_minor: int
    tendered_minor: int

    @property
    def change_minor(self) -> int:
        """What the cashier gives back."""
        return self.tendered_minor - self.amount_minor


def sell(store: Store, sale: Sale, *, actor: Actor, now: datetime) -> None:
    """Sell a recharge once, however often this is called with the same sale.

    Raises `Conflict` where two clicks meet: the same call again finds what the other did.
    """
    if sale.change_minor < 0:
        raise CashTooLittle
    till = CashTill(sale.till, frozenset({sale.currency}))
    order = ordering.Order(
        attempt_id=sale.attempt_id,
        account_id=sale.account_id,
        provider=sale.till,
        reference=reference_of(sale.attempt_id),
        amount_minor=sale.amount_minor,
        actor=replace(actor, why=f"cash in hand: {_cash(sale)}"),
    )
    try:
        attempt = ordering.open_attempt(
            store, order, capabilities=till.capabilities, expires_in=SALE_WITHIN, now=now
        )
    except ordering.ReferenceTaken:
        raise SaleDiffers from None
    taken = converse_with(till.create(attempt, now=now, chance=bytes), _nobody)
    assert taken.paid is not None, "cash is there when the order is made"
    (outcome,) = vend.accept_payments(store, [taken.paid], now=now)
    if outcome not in (vend.Outcome.CREDITED, vend.Outcome.ALREADY_CREDITED):
        raise SaleSuspended(outcome)


def _cash(sale: Sale) -> str:
    return f"{format_minor(sale.tendered_minor, currency=sale.currency)} {sale.currency}"


def _nobody(request: HttpRequest) -> HttpResponse:
    raise AssertionError("a till talks to nobody")
