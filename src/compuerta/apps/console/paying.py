"""A resident's order: written, placed at the provider, and followed until there is power."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.apps.console import amounts, histories, work
from compuerta.apps.console.histories import AttemptRow, PayPlace, Stopwatch
from compuerta.apps.console.pay_ways import Way
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import reference_of
from compuerta.services import crediting, ordering, quoting
from compuerta.services.payment_ports import PresentationKind
from compuerta.services.quoting import Limits, Quote

QR_LIVES = timedelta(minutes=5)
# A stranger with a photograph of the sticker can order, but not without end.
UNPAID_MAX = 6
UNPAID_WITHIN = timedelta(minutes=10)
_SHOWN = frozenset(
    {PresentationKind.QR, PresentationKind.WALLET, PresentationKind.REDIRECT, PresentationKind.PROMPT}
)


class TooManyOrders(Refused):
    """Many orders for one account, and none of them paid."""

    def __init__(self) -> None:
        super().__init__("too many unpaid orders; wait some minutes")


class Progress(Enum):
    """What the resident's page says; the order of the members is the way of the money."""

    ORDERED = "ordered"  # the provider has not answered yet
    WAITING = "waiting"  # the payer has it: a QR, a link, a question on their phone
    EXPIRED = "expired"
    PAID = "paid"  # in our books, on its way to the meter
    CREDITED = "credited"  # in force; the relay was not seen closed yet
    POWER = "power"
    KEPT = "kept"  # the money is here, but a person has to place it


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Where an order stands, with the seconds since the payment."""

    progress: Progress
    waited_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a resident wants to pay, and how; the ids are the browser's, made with the form."""

    attempt_id: UUID
    way: Way
    amount_minor: int
    payer: str = ""  # what the way asks for, see `Flow`
    order_id: UUID | None = None  # of the order that is paid another way now; None = a new one


def limits(place: PayPlace, *, now: datetime) -> Limits | None:
    """Return within which amounts a place may be recharged now; None where it may not at all."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([place.account_id], now=now).get(place.account_id)
        if view is None or not quoting.is_rechargeable(view):
            return None
        return quoting.limits_of(
            view, crediting.owing_of(tx, {place.account_id: view}, now=now)[place.account_id]
        )


def suggested(place: PayPlace, limits: Limits | None) -> list[int]:
    """Return the amounts of the quick buttons, those that would be taken."""
    quick = amounts.quick_minor(place.currency)
    if limits is None:
        return quick
    most_minor = limits.most_minor if limits.room_minor is None else min(limits.most_minor, limits.room_minor)
    return [each for each in quick if limits.least_minor <= each <= most_minor]


def quote(place: PayPlace, amount_minor: int, *, now: datetime) -> Quote:
    """Return what an amount comes to, line by line; refuses what would not be taken."""
    return work.run(lambda store: quoting.quote(store, place.account_id, amount_minor, now=now))


def order(place: PayPlace, wish: Wish, *, now: datetime) -> None:
    """Write an order, once per id; refuses too many unpaid ones, and amounts out of bounds."""
    if histories.attempt(place.account_id, wish.attempt_id) is not None:
        return
    if len(histories.attempts_unpaid(place.account_id, since=UNPAID_WITHIN, now=now)) >= UNPAID_MAX:
        raise TooManyOrders
    wanted = ordering.Order(
        attempt_id=wish.attempt_id,
        account_id=place.account_id,
        provider=wish.way.provider.name,
        reference=reference_of(wish.attempt_id),
        amount_minor=wish.amount_minor,
        order_id=wish.order_id,
        flow=wish.way.flow,
        payer=wish.payer,
    )
    capabilities = wish.way.provider.capabilities
    work.run(
        lambda store: ordering.open_attempt(
            store, wanted, capabilities=capabilities, expires_in=QR_LIVES, now=now
        )
    )


def place_at_provider(place: PayPlace, attempt_id: UUID, *, now: datetime) -> None:
    """Ask the provider for what the payer is shown, if there is nothing yet.

    Raises `Unreachable` where nobody answers, and `Refused` where the provider will not have the order.
    """
    attempt = work.run(lambda store: ordering.watch(store, attempt_id, now=now))
    if attempt is None or attempt.account_id != place.account_id:
        return
    provider = work.providers().get(attempt.provider)
    if attempt.presented is not None or now >= attempt.expires_at or provider is None:
        return
    presentation = work.present(provider, attempt)
    if presentation.kind in _SHOWN:
        work.run(lambda store: ordering.presented(store, attempt_id, presentation))


def watch(place: PayPlace, attempt_id: UUID, *, now: datetime) -> None:
    """Say that somebody looks, so that the provider is asked every two seconds."""
    try:
        work.run(lambda store: ordering.watch(store, attempt_id, now=now))
    except Unreachable:
        return  # the next look says it again


def followed(attempt: AttemptRow, *, now: datetime) -> Followed:
    """Tell where an order stands."""
    if attempt.state == "paid":
        watch = histories.stopwatch_of(
            attempt.account_id, provider=attempt.provider, reference=attempt.reference
        )
        return Followed(progress=Progress.KEPT) if watch is None else _after_payment(watch, now=now)
    if now >= attempt.expires_at or attempt.state in ("expired", "closed"):
        return Followed(progress=Progress.EXPIRED)
    return Followed(progress=Progress.ORDERED if attempt.presented is None else Progress.WAITING)


def _after_payment(watch: Stopwatch, *, now: datetime) -> Followed:
    progress = Progress.PAID
    if watch.credited_at is not None:
        progress = Progress.CREDITED
    if watch.closed_at is not None:
        progress = Progress.POWER
    waited = (watch.closed_at or now) - watch.paid_at
    return Followed(progress=progress, waited_ms=max(0, waited // timedelta(milliseconds=1)))
