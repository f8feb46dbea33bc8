"""A resident's order: written, placed at the provider, and followed until there is power."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.apps.console import histories, work
from compuerta.apps.console.histories import AttemptRow, PayPlace, Stopwatch
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import reference_of
from compuerta.services import ordering
from compuerta.services.payment_ports import PaymentProvider, PresentationKind

QR_LIVES = timedelta(minutes=5)
# A stranger with a photograph of the sticker can order, but not without end.
UNPAID_MAX = 6
UNPAID_WITHIN = timedelta(minutes=10)


class TooManyOrders(Refused):
    """Many orders for one account, and none of them paid."""

    def __init__(self) -> None:
        super().__init__("too many unpaid orders; wait some minutes")


class Progress(Enum):
    """What the resident's page says; the order of the members is the way of the money."""

    ORDERED = "ordered"  # the provider has not answered yet
    WAITING = "waiting"  # the QR is shown
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


def ways(place: PayPlace) -> list[PaymentProvider]:
    """Return the providers that the place's organisation is paid through online."""
    ours = {row.provider for row in histories.provider_accounts(place.organisation_id)}
    return [
        provider
        for name, provider in sorted(work.providers().items())
        if name in ours
        and not provider.capabilities.immediate
        and place.currency in provider.capabilities.currencies
    ]


def order(
    place: PayPlace, *, attempt_id: UUID, provider: PaymentProvider, amount_minor: int, now: datetime
) -> None:
    """Write an order, once per id; refuses too many unpaid ones, and amounts out of bounds."""
    wanted = ordering.Order(
        attempt_id=attempt_id,
        account_id=place.account_id,
        provider=provider.name,
        reference=reference_of(attempt_id),
        amount_minor=amount_minor,
    )
    if histories.attempt(place.account_id, attempt_id) is not None:
        return
    if len(histories.attempts_unpaid(place.account_id, since=UNPAID_WITHIN, now=now)) >= UNPAID_MAX:
        raise TooManyOrders
    work.run(
        lambda store: ordering.open_attempt(
            store, wanted, capabilities=provider.capabilities, expires_in=QR_LIVES, now=now
        )
    )


def place_at_provider(place: PayPlace, attempt_id: UUID, *, now: datetime) -> None:
    """Ask the provider for the QR, if there is none yet; raises `Unreachable` where nobody answers."""
    attempt = work.run(lambda store: ordering.watch(store, attempt_id, now=now))
    if attempt is None or attempt.account_id != place.account_id:
        return
    provider = work.providers().get(attempt.provider)
    if attempt.presented is not None or now >= attempt.expires_at or provider is None:
        return
    presentation = work.present(provider, attempt)
    if presentation.kind is PresentationKind.QR:
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
