"""The port to what was handed out for recharges, and to the rows that a receipt is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.services.records import Instant, Recharge


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOut:
    """That a recharge has a receipt: under which number, and what only its handing out knows."""

    account_id: int
    recharge_id: UUID
    token: UUID  # leads to the page that says whether it is genuine; never guessed
    number: str  # as printed
    issued_at: datetime
    bought_wh: int | None = None  # at the prices then; None = handed out when they were others already
    prints: int = 0  # on paper; all but the first are copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """A recharge with its payment and what has become of it, as the rows say it now."""

    recharge: Recharge
    organisation: str
    site: str
    meter_no: str
    currency: str
    provider: str = ""  # "" = nobody paid: money was placed, or given
    transaction_no: str = ""
    attempt_id: UUID | None = None  # None = nobody ordered it here
    instants: Mapping[Instant, datetime] = field(default_factory=dict)
    balance_after_minor: int | None = None  # as the credit authority said, or counted, then
    undone: bool = False  # its credit was taken back by two people
    refunded_minor: int = 0  # gone back to the payer since, or taken back by their bank


class Receipts(Protocol):
    """What a use case may ask about what was handed out for recharges."""

    def sold(self, account_id: int, recharge_id: UUID) -> Sold | None:
        """Return a recharge with all that a receipt says of it; None where there is no such recharge."""
        ...

    def recharge_of(self, account_id: int, *, provider: str, reference: str) -> UUID | None:
        """Return the recharge that an order led to; None while it is not paid, or not credited."""
        ...

    def handed_out(self, account_id: int, recharge_id: UUID) -> HandedOut | None:
        """Return the receipt of a recharge, locked until the transaction ends; None where there is none."""
        ...

    def by_token(self, token: UUID) -> HandedOut | None: ...
    def put(self, receipt: HandedOut) -> None:
        """Write a new receipt; raises `Conflict` where the recharge has one."""
        ...

    def count_print(self, receipt: HandedOut) -> None:
        """Write how often a receipt was printed."""
        ...
