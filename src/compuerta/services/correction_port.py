"""The port to putting money right: corrections by two people, refunds, disputes, cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.correction import Correction
from compuerta.domain.instruction import Instruction
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.payment import DisputeState, Refund
from compuerta.services.records import Payment, Recharge

CorrectionKey = tuple[int, UUID]  # account, correction


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment that its payer's bank takes back."""

    account_id: int
    dispute_id: UUID
    provider: str
    dispute_no: str
    payment_id: UUID
    amount_minor: int
    currency: str
    state: DisputeState
    opened_at: datetime
    debt_id: UUID | None = None  # of credit that was given; None = the money was in suspense
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case with who looks at it and what came of it."""

    account_id: int
    case_id: UUID
    kind: str
    detail: str
    opened_at: datetime
    owner: str | None = None
    outcome: str | None = None
    closed_at: datetime | None = None


class Corrections(Protocol):
    """What a use case may ask about putting money right: corrections by two people, refunds, disputes."""

    def put(self, correction: Correction) -> None:
        """Write a new correction; raises `Conflict` where another of its payment is open."""
        ...

    def save(self, correction: Correction) -> None:
        """Write what becomes of a correction: its state, decision, note and end."""
        ...

    def glance(self, account_id: int, correction_id: UUID) -> Correction | None:
        """Return a correction as it stands, without a lock: its accounts are locked before it."""
        ...

    def correction(self, account_id: int, correction_id: UUID) -> Correction | None:
        """Return a correction, locked until the transaction ends."""
        ...

    def of_payment(self, account_id: int, payment_id: UUID) -> list[Correction]:
        """Return all corrections of a payment, the oldest first."""
        ...

    def taking_back(self, *, after: int, limit: int) -> list[Correction]:
        """Return corrections that take back, of accounts after one, by account; locks nothing."""
        ...

    def payment(self, account_id: int, payment_id: UUID) -> Payment | None: ...
    def recharge_of(self, account_id: int, payment_id: UUID) -> Recharge | None: ...
    def posting(self, account_id: int, cause_id: UUID, kind: PostingKind) -> Posting | None:
        """Return the posting of a kind that tells of a cause."""
        ...

    def withdrawals(self, correction_id: UUID) -> list[Instruction]:
        """Return the withdrawals that were ordered for a correction, locked, the oldest first."""
        ...

    def give_back_number(self, meter_id: int, *, purchase_no: int) -> None:
        """Give a number out again that the meter never took; later ones, unsent as they are, move down.

        The instruction that had it must have ended as refused or cancelled.
        """
        ...

    # refunds
    def put_refund(self, refund: Refund) -> None: ...
    def save_refunds(self, refunds: Sequence[Refund]) -> None: ...
    def claim_refunds(self, *, now: datetime, until: datetime, limit: int) -> list[Refund]:
        """Take refunds whose provider is to be told or asked now; they are due again at `until`."""
        ...

    def refund(self, account_id: int, refund_id: UUID) -> Refund | None:
        """Return a refund, locked until the transaction ends."""
        ...

    def refunds_of(self, account_id: int, payment_id: UUID) -> list[Refund]:
        """Return all refunds of a payment, the oldest first."""
        ...

    def refund_by_reference(self, *, provider: str, reference: str) -> Refund | None: ...

    # disputes
    def put_dispute(self, dispute: Dispute) -> None: ...
    def save_dispute(self, dispute: Dispute) -> None: ...
    def dispute(self, account_id: int, dispute_id: UUID) -> Dispute | None: ...
    def disputes_of(self, account_id: int, payment_id: UUID) -> list[Dispute]:
        """Return all disputes of a payment, the oldest first."""
        ...

    # cases
    def case(self, account_id: int, case_id: UUID) -> CaseFile | None:
        """Return a case, locked until the transaction ends."""
        ...

    def save_case(self, case: CaseFile) -> None:
        """Write who looks at a case, and what came of it."""
        ...
