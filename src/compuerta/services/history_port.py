"""The port to the past: what rows say of accounts between two instants, or by one. Nothing here is locked."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.party import AccountKind, CreditAuthority
from compuerta.services.dues_port import RechargeLine
from compuerta.services.freeze_port import Freeze
from compuerta.services.records import Reading, SupplyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """An account, open or ended, with the names of where it is."""

    account_id: int
    organisation_id: int
    organisation: str
    site_id: int
    site: str
    zone: str
    currency: str
    building: str
    place: str
    kind: AccountKind
    name: str
    opened_at: datetime
    closed_at: datetime | None

    @property
    def where(self) -> tuple[int, str, str]:
        """The supply point, by which those who live there one after the other are told."""
        return self.site_id, self.building, self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A meter that measures for an account, from when until when."""

    account_id: int
    meter_id: int
    meter_no: str
    credit_authority: CreditAuthority
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSum:
    """What the postings of one kind have made of one account under one code, debit-positive."""

    account_id: int
    kind: PostingKind
    code: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recharged:
    """A recharge as a statement tells it, by the instant of its booking."""

    account_id: int
    recharge_id: UUID
    grant_id: UUID  # the payment, or the adjustment, that its posting tells of
    provider: str  # "" = nobody paid: money was placed, or given
    reference: str
    paid_minor: int
    credit_minor: int
    booked_at: datetime
    paid_at: datetime
    lines: tuple[RechargeLine, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A charge by the instant of its booking, with the use that it is for."""

    account_id: int
    charge_id: UUID
    booked_at: datetime
    read_at: datetime
    used_wh: int
    amount_minor: int
    is_explained: bool = True  # charges from before there were tariffs had one price, and no lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An instruction that was open at an instant, as it stood then."""

    kind: str
    created_at: datetime
    ended_at: datetime | None  # when it ended since
    amount_minor: int | None
    state: str  # in which it is now


class Histories(Protocol):
    """What a use case may ask about the past."""

    def tenancy(self, account_id: int) -> Tenancy | None: ...
    def tenancies(self, site_ids: Collection[int], *, since: datetime, until: datetime) -> list[Tenancy]:
        """Return all accounts of these sites that were open at some instant of [since, until), by id.

        Those that are for money which cannot be placed are among them.
        """
        ...

    def sites_of(self, organisation_id: int) -> list[int]:
        """Return an organisation's sites that ever had an account, by id."""
        ...

    def fitted(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> list[Fitted]:
        """Return which meters measured for accounts within [since, until), by account and start."""
        ...

    def sums(
        self, account_ids: Collection[int], *, since: datetime | None = None, until: datetime
    ) -> list[CodeSum]:
        """Return what postings booked in [since, until) have made, by account, kind and code; None = ever."""
        ...

    def postings(self, account_id: int, *, since: datetime, until: datetime) -> list[Posting]:
        """Return an account's postings booked in [since, until), as they were booked."""
        ...

    def recharged(self, account_id: int, *, since: datetime, until: datetime) -> list[Recharged]:
        """Return an account's recharges booked in [since, until), with their lines, as they were booked."""
        ...

    def charged(self, account_id: int, *, since: datetime, until: datetime) -> list[Charged]:
        """Return an account's charges booked in [since, until), by what they were read at."""
        ...

    def used(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> dict[int, int]:
        """Return the Wh of the charges booked in [since, until); who was not charged is missing."""
        ...

    def learnt_later(self, account_id: int, *, at: datetime) -> tuple[int, int]:
        """Return what was booked after an instant though it was of before: recharges paid, and use read.

        Both as what they have made of the credit: recharges raise it, use lowers it.
        """
        ...

    def last_told(self, meter_id: int, *, at: datetime) -> list[Reading]:
        """Return the last readings by an instant that told a register, a balance and a relay; newest first.

        One, two or three; none where the meter had told nothing by then.
        """
        ...

    def decided(self, account_id: int, *, at: datetime) -> SupplyChange | None:
        """Return the last decision on an account's supply by an instant."""
        ...

    def pending(self, account_id: int, *, at: datetime) -> list[Pending]:
        """Return the instructions of an account that were open at an instant, the oldest first."""
        ...

    def frozen(self, meter_id: int, *, at: datetime, known_by: datetime) -> Freeze | None:
        """Return the last freeze at or before an instant, as it was known by another; it may be missing."""
        ...
