"""Ordering: an attempt is written before a provider hears of it, and followed until its end is known.

The provider is asked, not only listened to: every two seconds while somebody looks at the pay page or
till, then ever less often. At its end an attempt is closed at the provider; if the payer was faster, the
money is honoured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.payment import Attempt, AttemptState, Flow, PaymentOrder, advanced
from compuerta.services import partnering, quoting
from compuerta.services.acting import Act, Actor, entry
from compuerta.services.payment_ports import Capabilities, OrderAnswer, OrderState, Presentation
from compuerta.services.records import AccountView, Case, Key
from compuerta.services.store_port import Store, Transaction

ASK_WATCHED = timedelta(seconds=2)
# A page says that it is open every two seconds; three missed words and nobody looks any more.
WATCH_FOR = timedelta(seconds=8)
# payments.md 5: 15 s, 30 s, 1 min, 3 min, 10 min, then every 30 min until the end.
ASK_UNWATCHED = tuple(timedelta(seconds=seconds) for seconds in (15, 30, 60, 180, 600, 1800))
# After the end: a close that did not get through is tried again, and late money is looked for, so long.
LATE_FOR = timedelta(days=4)
# ... and a page that is still open makes it urgent so long, and not for as long as a tab is forgotten.
LOOKED_AT_FOR = timedelta(minutes=10)


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


class OrderPaid(Refused):
    """Somebody has paid this order; whoever pays it again pays twice."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"order {order_id} is paid; make a new one to buy more")
        self.order_id = order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How somebody wants to pay; the ids are the caller's, stored before use.

    Attempts with the same `order_id` are of one order; without one, an attempt is an order of its own.
    """

    attempt_id: UUID
    account_id: int
    provider: str
    reference: str
    amount_minor: int
    actor: Actor | None = None  # who signs for it: a cashier, a machine; residents order unsigned
    order_id: UUID | None = None
    door: str = "page"  # this and the next two are written with the first attempt of an order
    caller: str = ""
    caller_reference: str = ""
    flow: Flow = Flow.QR
    payer: str = ""  # see `Flow`


def open_attempt(
    store: Store, order: Order, *, capabilities: Capabilities, expires_in: timedelta, now: datetime
) -> Attempt:
    """Write an attempt, so that it is known before the provider hears of it; doing it again is harmless.

    Refuses what could not be credited later, as `quoting.quote` does, foreign currencies, and orders that are
    paid. An attempt that somebody signs for leaves its audit row in the same transaction.
    """
    try:
        with store.transaction() as tx:
            view = tx.lock_accounts([order.account_id], now=now).get(order.account_id)
            view = quoting.require_rechargeable(view, order.account_id)
            if view.account.currency not in capabilities.currencies:
                raise CurrencyNotTaken(order.provider, view.account.currency)
            quoting.takeable(tx, view, order.amount_minor, now=now)
            lives = min(max(expires_in, capabilities.expiry_min), capabilities.expiry_max)
            ask_at = now + ASK_WATCHED if capabilities.query else None
            attempt = _attempt(view, order, now=now, expires_at=now + lives, ask_at=ask_at)
            if _write(tx, view, order, attempt, now=now):
                return attempt
    except Refused:
        # It may have been made before, and paid: what was right then is refused now, and is there already.
        known = _same(store, order)
        if known is None:
            raise
        return known
    known = _same(store, order)
    if known is None:
        raise ReferenceTaken(order.reference)
    return known


def _attempt(
    view: AccountView, order: Order, *, now: datetime, expires_at: datetime, ask_at: datetime | None
) -> Attempt:
    return Attempt(
        attempt_id=order.attempt_id,
        account_id=order.account_id,
        provider=order.provider,
        reference=order.reference,
        amount_minor=order.amount_minor,
        currency=view.account.currency,
        # The payer's wallet shows it, and anybody may scan a sticker: the place, and nobody's name.
        description=view.account.supply_point[:127],
        created_at=now,
        expires_at=expires_at,
        watched_until=now + WATCH_FOR,
        ask_at=ask_at,
        order_id=order.order_id or order.attempt_id,
        flow=order.flow,
        payer=order.payer,
    )


def _write(tx: Transaction, view: AccountView, order: Order, attempt: Attempt, *, now: datetime) -> bool:
    """Write an attempt with its order; False where its reference is taken."""
    wanted = _order_of(order, attempt)
    known = None if order.order_id is None else _known_order(tx, wanted)
    if known is not None and tx.dues.orders_paid([(known.account_id, known.order_id)]):
        raise OrderPaid(known.order_id)
    is_new = tx.put_attempt(attempt)
    if is_new and known is None:
        tx.dues.put_order(wanted)
    if is_new and order.actor is not None:
        ordered = f"{format_minor(order.amount_minor, currency=attempt.currency)} {attempt.currency}"
        act = Act(act_id=order.attempt_id, what="order recharge", after=f"{ordered} by {order.provider}")
        tx.put_audit([entry(view.account, order.actor, act, now=now)])
    return is_new


def _order_of(order: Order, attempt: Attempt) -> PaymentOrder:
    return PaymentOrder(
        account_id=order.account_id,
        order_id=order.order_id or order.attempt_id,
        door=order.door,
        amount_minor=order.amount_minor,
        currency=attempt.currency,
        created_at=attempt.created_at,
        caller=order.caller,
        caller_reference=order.caller_reference,
    )


def _known_order(tx: Transaction, order: PaymentOrder) -> PaymentOrder | None:
    """Return the order of this id, if it is there; refuses one of another amount."""
    known = tx.dues.order(order.account_id, order.order_id)
    if known is not None and (known.amount_minor, known.currency) != (order.amount_minor, order.currency):
        raise ReferenceTaken(str(order.order_id))
    return known


def _same(store: Store, order: Order) -> Attempt | None:
    """Return the attempt of the same order, which somebody made before a crash and makes again after it.

    None where there is none; refuses one that is another.
    """
    # A payment takes the attempt and then its account; who holds the account and asks for the attempt would
    # wait for it for ever, and it for them: two clicks at a till did.
    with store.transaction() as tx:
        known = tx.attempt(order.attempt_id)
    if known is None:
        return None
    wanted = (order.account_id, order.provider, order.reference, order.amount_minor)
    if (known.account_id, known.provider, known.reference, known.amount_minor) != wanted:
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
        if now >= attempt.expires_at + LOOKED_AT_FOR:
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
    """Keep what providers said of attempts; PAID is not kept here but by `vend.accept_payments`.

    A close gives back what was paid between its question and itself, as the cancelling of a code does. What
    is paid here stays paid then, and a person is told: the provider's word or its bill says if money is gone.
    """
    with store.transaction() as tx:
        saved, undone = [], []
        for attempt_id, answer in sorted(answers.items()):
            attempt = tx.attempt(attempt_id)
            if attempt is not None and attempt.state is not AttemptState.PAID:
                saved.append(_after_answer(attempt, answer, now=now))
            elif attempt is not None and answer.state is OrderState.CLOSED:
                undone.append(_closed_after_paid(attempt, answer, now=now))
        tx.save_attempts(saved)
        tx.put_cases(undone)
        partnering.tell_closed(tx, saved, now=now)


def _closed_after_paid(attempt: Attempt, answer: OrderAnswer, *, now: datetime) -> Case:
    amount = format_minor(attempt.amount_minor, currency=attempt.currency)
    said = f", and said {answer.reason!r}" if answer.reason else ""
    return Case(
        account_id=attempt.account_id,
        case_id=derived(attempt.attempt_id, "closed after paid"),
        kind="closed_after_paid",
        detail=f"{attempt.provider} closed {attempt.reference}, {amount}, after it was paid{said}",
        opened_at=now,
    )


def _after_answer(attempt: Attempt, answer: OrderAnswer, *, now: datetime) -> Attempt:
    asks = attempt.asks + 1
    if answer.state is OrderState.CLOSED:
        return replace(attempt, state=advanced(attempt.state, AttemptState.CLOSED), ask_at=None, asks=asks)
    state = attempt.state
    if now >= attempt.expires_at:
        state = advanced(state, AttemptState.EXPIRED)
    return replace(attempt, state=state, asks=asks, ask_at=_ask_at(attempt, now=now))


def _ask_at(attempt: Attempt, *, now: datetime) -> datetime | None:
    if now >= attempt.expires_at + LATE_FOR:
        return None
    if attempt.watched_until is not None and now < attempt.watched_until:
        return now + ASK_WATCHED
    age = now - attempt.created_at
    rhythm = next((step for step in ASK_UNWATCHED if age < 4 * step), ASK_UNWATCHED[-1])
    if now < attempt.expires_at:
        return min(now + rhythm, attempt.expires_at)
    return now + rhythm


def ask_now(store: Store, keys: Sequence[Key], *, now: datetime) -> None:
    """Ask at once about orders that their provider says it has ended: its word is no evidence of a close."""
    if not keys:
        return
    with store.transaction() as tx:
        attempts = tx.attempts_by_reference(keys).values()
        waiting = [each for each in attempts if each.state not in (AttemptState.PAID, AttemptState.CLOSED)]
        tx.save_attempts([replace(each, ask_at=now) for each in waiting])
