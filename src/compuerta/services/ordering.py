"""Ordering: an attempt is written before a provider hears of it, and followed until its end is known.

The provider is asked, not only listened to: every two seconds while somebody looks at the pay page or
till, then ever less often. At its end an attempt is closed at the provider; if the payer was faster, the
money is honoured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import Attempt, AttemptState, advanced
from compuerta.services.acting import Act, Actor, entry
from compuerta.services.payment_ports import Capabilities, OrderAnswer, OrderState, Presentation
from compuerta.services.store_port import Store

ASK_WATCHED = timedelta(seconds=2)
# A page says that it is open every two seconds; three missed words and nobody looks any more.
WATCH_FOR = timedelta(seconds=8)
# payments.md 5: 15 s, 30 s, 1 min, 3 min, 10 min, then every 30 min until the end.
ASK_UNWATCHED = tuple(timedelta(seconds=seconds) for seconds in (15, 30, 60, 180, 600, 1800))
# After the end: a close that did not get through is tried again, and late money is looked for, this often.
ASKS_MAX = 200


class AmountOutOfBounds(Refused):
    """An amount below the smallest or above the largest recharge."""

    def __init__(self, amount_minor: int, *, least_minor: int, most_minor: int, currency: str) -> None:
        least = format_minor(least_minor, currency=currency)
        most = format_minor(most_minor, currency=currency)
        super().__init__(f"a recharge is between {least} and {most} {currency}")
        self.amount_minor = amount_minor


class AccountNotRechargeable(Refused):
    """The account is closed, unknown, or has no meter; money taken for it could not be delivered."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} cannot be recharged: it is closed or has no meter")
        self.account_id = account_id


class ReferenceTaken(Refused):
    """Another order has this reference already."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"order {reference} exists already")
        self.reference = reference


class CurrencyNotTaken(Refused):
    """The provider account does not take this currency."""

    def __init__(self, provider: str, currency: str) -> None:
        super().__init__(f"{provider} does not take {currency}; choose another way to pay")
        self.provider = provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody wants to pay; the ids are the caller's, stored before use."""

    attempt_id: UUID
    account_id: int
    provider: str
    reference: str
    amount_minor: int
    actor: Actor | None = None  # who signs for it: a cashier, a machine; residents order unsigned
    least_minor: int = 100
    most_minor: int = 1_000_000


def open_attempt(
    store: Store, order: Order, *, capabilities: Capabilities, expires_in: timedelta, now: datetime
) -> Attempt:
    """Write an attempt, so that it is known before the provider hears of it; doing it again is harmless.

    Refuses what could not be credited later: amounts out of bounds, closed accounts, foreign currencies.
    An order that somebody signs for leaves its audit row in the same transaction.
    """
    with store.transaction() as tx:
        view = tx.lock_accounts([order.account_id], now=now).get(order.account_id)
        if view is None or view.meter is None or view.account.kind is not AccountKind.CUSTOMER:
            raise AccountNotRechargeable(order.account_id)
        account = view.account
        if account.period.end is not None:
            raise AccountNotRechargeable(order.account_id)
        if not order.least_minor <= order.amount_minor <= order.most_minor:
            raise AmountOutOfBounds(
                order.amount_minor,
                least_minor=order.least_minor,
                most_minor=order.most_minor,
                currency=account.currency,
            )
        if account.currency not in capabilities.currencies:
            raise CurrencyNotTaken(order.provider, account.currency)
        attempt = Attempt(
            attempt_id=order.attempt_id,
            account_id=order.account_id,
            provider=order.provider,
            reference=order.reference,
            amount_minor=order.amount_minor,
            currency=account.currency,
            # The payer's wallet shows it, and anybody may scan a sticker: the place, and nobody's name.
            description=account.supply_point[:127],
            created_at=now,
            expires_at=now + min(max(expires_in, capabilities.expiry_min), capabilities.expiry_max),
            watched_until=now + WATCH_FOR,
            ask_at=now + ASK_WATCHED if capabilities.query else None,
        )
        is_new = tx.put_attempt(attempt)
        if is_new and order.actor is not None:
            ordered = f"{format_minor(order.amount_minor, currency=account.currency)} {account.currency}"
            act = Act(act_id=order.attempt_id, what="order recharge", after=f"{ordered} by {order.provider}")
            tx.put_audit([entry(account, order.actor, act, now=now)])
    return attempt if is_new else _same(store, order)


def _same(store: Store, order: Order) -> Attempt:
    """Return the attempt of the same order, which somebody made before a crash and makes again after it."""
    # A payment takes the attempt and then its account; who holds the account and asks for the attempt would
    # wait for it for ever, and it for them: two clicks at a till did.
    with store.transaction() as tx:
        known = tx.attempt(order.attempt_id)
    wanted = (order.account_id, order.provider, order.reference, order.amount_minor)
    if known is None or (known.account_id, known.provider, known.reference, known.amount_minor) != wanted:
        raise ReferenceTaken(order.reference)
    return known


def presented(store: Store, attempt_id: UUID, presentation: Presentation) -> None:
    """Keep what the payer is shown, so that a page that is opened again shows the same."""
    with store.transaction() as tx:
        attempt = tx.attempt(attempt_id)
        if attempt is not None:
            state = advanced(attempt.state, AttemptState.PRESENTED)
            tx.save_attempts([replace(attempt, state=state, presented=presentation.content)])


def watch(store: Store, attempt_id: UUID, *, now: datetime) -> Attempt | None:
    """Say that somebody looks at the attempt now, so that the provider is asked often; returns it."""
    with store.transaction() as tx:
        attempt = tx.attempt(attempt_id)
        if attempt is None or attempt.ask_at is None or attempt.state is AttemptState.PAID:
            return attempt
        watched = replace(
            attempt, watched_until=now + WATCH_FOR, ask_at=min(attempt.ask_at, now + ASK_WATCHED)
        )
        tx.save_attempts([watched])
        return watched


def due_attempts(store: Store, *, now: datetime, limit: int) -> list[Attempt]:
    """Take the attempts whose provider is to be asked now; a crash before `answered` asks again later."""
    with store.transaction() as tx:
        return tx.claim_attempts(now=now, until=now + ASK_UNWATCHED[0], limit=limit)


class Question(Enum):
    """What a provider is to be asked about an attempt."""

    QUERY = "query"
    CLOSE = "close"


def question(attempt: Attempt, *, now: datetime) -> Question:
    """Ask what became of it while it lives; at its end, close it (which tells if it was paid)."""
    return Question.CLOSE if now >= attempt.expires_at else Question.QUERY


def answered(store: Store, answers: Mapping[UUID, OrderAnswer], *, now: datetime) -> None:
    """Keep what providers said of attempts; PAID is not kept here but by `vend.accept_payments`."""
    with store.transaction() as tx:
        saved = []
        for attempt_id, answer in sorted(answers.items()):
            attempt = tx.attempt(attempt_id)
            if attempt is not None and attempt.state is not AttemptState.PAID:
                saved.append(_after_answer(attempt, answer, now=now))
        tx.save_attempts(saved)


def _after_answer(attempt: Attempt, answer: OrderAnswer, *, now: datetime) -> Attempt:
    asks = attempt.asks + 1
    if answer.state is OrderState.CLOSED:
        return replace(attempt, state=advanced(attempt.state, AttemptState.CLOSED), ask_at=None, asks=asks)
    state = attempt.state
    if now >= attempt.expires_at:
        state = advanced(state, AttemptState.EXPIRED)
    return replace(attempt, state=state, asks=asks, ask_at=_ask_at(attempt, asks, now=now))


def _ask_at(attempt: Attempt, asks: int, *, now: datetime) -> datetime | None:
    if asks >= ASKS_MAX:
        return None
    if attempt.watched_until is not None and now < attempt.watched_until:
        return now + ASK_WATCHED
    age = now - attempt.created_at
    rhythm = next((step for step in ASK_UNWATCHED if age < 4 * step), ASK_UNWATCHED[-1])
    if now < attempt.expires_at:
        return min(now + rhythm, attempt.expires_at)
    return now + rhythm
