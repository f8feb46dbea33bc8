"""The port to machines that ask: what was answered under their keys, and what they want to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID


class Event(Enum):
    """What a partner can be told of; the words are part of the contract with them."""

    PAID = "order.paid"
    CREDITED = "order.credited"
    POWER = "order.power"
    FAILED = "order.failed"
    RECEIPT = "receipt.issued"
    DAY_CLOSED = "day.closed"
    MONTH_CLOSED = "month.closed"
    EXPORT_MADE = "export.made"


class DeliveryState(Enum):
    """Where a telling stands."""

    WAITING = "waiting"
    DONE = "done"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """What tells one idempotency key from all others: two machines may choose the same."""

    organisation_id: int
    caller: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered, to the byte."""

    status: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key, the request that it came with, and the answer; without one, somebody works, or has crashed."""

    name: KeyName
    request_mark: str
    created_at: datetime
    taken_at: datetime | None  # since when somebody works on it; None = nobody
    answer: Answer | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where a partner is told; what it is signed with is made of the id and the generation."""

    webhook_id: UUID
    organisation_id: int
    url: str
    events: frozenset[Event]
    made_by: str
    made_at: datetime
    generation: int = 1
    rotated_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that partners may be told of; its id is made of what happened, so that it happens once.

    It is of an account, or of an organisation's books: then `about` has what is told, as JSON.
    """

    happening_id: UUID
    event: Event
    account_id: int | None
    at: datetime
    recharge_id: UUID | None = None
    attempt_id: UUID | None = None
    organisation_id: int | None = None  # only where it is of no account
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a partner is told of a happening: facts that never change, so that every try says the same."""

    order_id: UUID | None
    attempt_id: UUID | None
    caller_reference: str
    amount_minor: int | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One telling of one happening to one webhook; `delivery_id` is the happening's id."""

    webhook_id: UUID
    delivery_id: UUID
    organisation_id: int
    account_id: int | None  # None = it is of the organisation's books
    event: Event
    at: datetime
    recharge_id: UUID | None
    attempt_id: UUID | None
    state: DeliveryState
    tries: int
    due_at: datetime | None
    last_answer: str
    created_at: datetime
    ended_at: datetime | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A telling that somebody has leased, with where it goes and what it says."""

    delivery: Delivery
    webhook: Webhook
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How much somebody can tell now, and until when it is theirs."""

    until: datetime
    limit: int
    each_max: int  # of one webhook: a slow one keeps no other waiting
    busy: frozenset[UUID] = frozenset()  # webhooks that are to be left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class BillerPayment:
    """A payment as a biller names it, for ever; without an account it was taken back before it came."""

    provider: str
    reference: str  # the biller's own
    organisation_id: int
    said_at: datetime
    account_id: int | None = None
    attempt_id: UUID | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reversed_at: datetime | None = None


class Partners(Protocol):
    """What a use case may ask about partners' keys, webhooks, and what billers have paid."""

    def key(self, name: KeyName) -> KeyRow | None:
        """Return a key, locked until the transaction ends."""
        ...

    def put_key(self, row: KeyRow) -> bool:
        """Write a new key; False where it is there."""
        ...

    def save_key(self, row: KeyRow) -> None:
        """Write who works on a key, and its answer."""
        ...

    def drop_keys(self, *, created_before: datetime, limit: int) -> int:
        """Forget keys that have expired; returns how many."""
        ...

    def webhook(self, webhook_id: UUID, *, organisation_id: int) -> Webhook | None:
        """Return an organisation's webhook, locked until the transaction ends."""
        ...

    def webhooks(self, organisation_id: int) -> list[Webhook]:
        """Return an organisation's webhooks that have not ended, by when they were made."""
        ...

    def put_webhook(self, webhook: Webhook) -> None: ...
    def save_webhook(self, webhook: Webhook) -> None:
        """Write a webhook's generation, or its end."""
        ...

    def tell(self, happenings: Sequence[Happening], *, now: datetime) -> None:
        """Queue what happened for every webhook that wants it; costs no statement of its own."""
        ...

    def claim_deliveries(self, wish: Wish, *, now: datetime) -> list[Due]:
        """Take what is due to be told; it is due again when the lease ends."""
        ...

    def delivery(self, webhook_id: UUID, delivery_id: UUID) -> Delivery | None: ...
    def save_deliveries(self, deliveries: Sequence[Delivery]) -> None: ...
    def drop_deliveries(self, *, ended_before: datetime, limit: int) -> int:
        """Forget what was told long ago; returns how many."""
        ...

    def lock_biller_payment(self, payment: BillerPayment) -> tuple[BillerPayment, bool]:
        """Write a biller's payment, or lock the one of its reference; and whether it is new."""
        ...

    def biller_payment(self, *, provider: str, reference: str) -> BillerPayment | None: ...
    def save_biller_payment(self, payment: BillerPayment) -> None:
        """Write what a biller's payment has become."""
        ...
