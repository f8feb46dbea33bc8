"""The port to bank statements, what providers and safes sent to banks, and what answers what."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, NamedTuple, Protocol
from uuid import UUID

MACHINE: Final = "bank statement"  # who ties what is plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """Money that a provider sent to our bank, by its fund bill; below zero it came back."""

    provider: str
    payout_no: str
    organisation_id: int
    day: date  # the provider's own
    amount_minor: int
    currency: str
    at: datetime
    posting_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """An account of the organisation at a bank."""

    bank_account_id: UUID
    organisation_id: int
    name: str
    number: str  # as the bank's statements say it, without blanks: an IBAN where there is one
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankEntry:
    """One movement on a bank account, by the bank's statement."""

    bank_account_id: UUID
    entry_id: UUID
    statement_no: int
    organisation_id: int
    booked_on: date
    amount_minor: int  # what came in; what went out is negative
    reference: str
    text: str
    case_id: UUID | None = None  # who could not be tied is somebody's case


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatement:
    """A stretch of days of a bank account; its balances and entries tie."""

    bank_account_id: UUID
    statement_no: int
    organisation_id: int
    digest: str  # SHA-256 of what it says
    starts_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    entries: int  # those that are new with it
    taken_by: str
    taken_at: datetime


class TargetKind(Enum):
    """What an entry at the bank may answer."""

    PAYOUT = "payout"  # of a provider
    DEPOSIT = "deposit"  # cash that left a drawer for the safe


class TargetKey(NamedTuple):
    """What an entry answers: a provider's payout, or a till's movement to the safe."""

    kind: TargetKind
    provider: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Money on its way to the bank, that no entry has answered yet."""

    key: TargetKey
    organisation_id: int
    amount_minor: int
    currency: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTie:
    """An entry answers a target; a deposit that a person ties is booked when a second one agrees."""

    bank_account_id: UUID
    entry_id: UUID
    kind: TargetKind
    provider: str
    number: str
    organisation_id: int
    amount_minor: int
    tied_by: str
    tied_at: datetime
    agreed_by: str | None = None
    agreed_at: datetime | None = None  # from then on it counts
    refused_by: str | None = None
    refused_at: datetime | None = None

    @property
    def target(self) -> TargetKey:
        """What it answers."""
        return TargetKey(self.kind, self.provider, self.number)


class EntryKey(NamedTuple):
    """Which entry."""

    bank_account_id: UUID
    entry_id: UUID


class Banks(Protocol):
    """What a use case may ask about bank statements, and what they are tied to."""

    def put_payouts(self, payouts: Sequence[Payout]) -> None:
        """Write new payouts."""
        ...

    def payouts_of(self, provider: str, day: date, numbers: Collection[str] = ()) -> list[Payout]:
        """Return the payouts of a provider's day, and those with these numbers of any day, by number."""
        ...

    def add_account(self, account: BankAccount) -> bool:
        """Write an account; False where its id, or its number, is there."""
        ...

    def account(self, bank_account_id: UUID) -> BankAccount | None:
        """Return an account, locked until the transaction ends."""
        ...

    def put_statement(self, statement: BankStatement, entries: Sequence[BankEntry]) -> None:
        """Write a statement with its new entries."""
        ...

    def statements(self, bank_account_id: UUID) -> list[BankStatement]:
        """Return an account's statements by number."""
        ...

    def entries(self, bank_account_id: UUID, starts_on: date, ends_on: date) -> list[BankEntry]:
        """Return an account's entries of these days, both included, by day and id."""
        ...

    def entry(self, key: EntryKey) -> BankEntry | None:
        """Return an entry, locked until the transaction ends."""
        ...

    def save_entry(self, entry: BankEntry) -> None:
        """Write whether an entry is a case."""
        ...

    def untied(self, organisation_id: int, *, limit: int) -> list[tuple[BankEntry, str]]:
        """Return entries that are tied to nothing and are no case, the newest first, with currencies."""
        ...

    def untied_until(self, organisation_id: int, until: date) -> int:
        """Count the entries up to a day, it included, that are tied to nothing and are no case."""
        ...

    def books_of(self, organisation_id: int) -> int | None:
        """Return the account that cases of an organisation's bank are kept on: its first of suspense."""
        ...

    def targets(self, organisation_id: int, *, limit: int) -> list[Target]:
        """Return what no entry answers, the newest first: what is old may wait, and hides nothing new."""
        ...

    def put_ties(self, ties: Sequence[BankTie]) -> None:
        """Write ties; raises `Conflict` where a target is answered already."""
        ...

    def ties(self, key: EntryKey) -> list[BankTie]:
        """Return what an entry answers, or would, by kind, provider and number; not what was refused."""
        ...

    def save_ties(self, ties: Sequence[BankTie]) -> None:
        """Write who agreed to ties, or refused them."""
        ...
