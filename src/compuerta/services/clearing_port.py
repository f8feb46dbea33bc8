"""The port to clearing accounts: what a provider, or a till, has held for us, and what moved it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.ledger import PostingKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An organisation's money under one code, booked in [since, until)."""

    organisation_id: int
    code: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one posting moved under a code, with the numbers that others know it by."""

    account_id: int
    posting_id: UUID
    kind: PostingKind
    amount_minor: int
    currency: str
    booked_at: datetime
    valued_at: datetime  # when the payer paid, or the provider paid out; else when it was booked
    codes: tuple[str, ...]  # all codes of the posting
    transaction_no: str = ""  # the provider's, of the payment or payout
    reference: str = ""  # of the order
    refund_reference: str = ""


class Clearing(Protocol):
    """What a use case may ask about clearing accounts."""

    def held_minor(self, span: Span) -> dict[str, int]:
        """Return what was held when the span began, by currency."""
        ...

    def movements(self, span: Span, *, limit: int) -> list[Movement]:
        """Return what moved in the span, by the instant of booking, account and posting."""
        ...
