"""The port to roll-forwards and drifts: each account's day in money and energy (promise T1).

What was rolled is never changed: what is learned later makes the day's next version, and the last one counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.drift import Cause
from compuerta.domain.instruction import Instruction
from compuerta.domain.ledger import PostingKind
from compuerta.services.freeze_port import DayKey, SiteDay

# What raises an account's credit by money of its own, and what use has cost; all else is an adjustment.
RECHARGING = frozenset({PostingKind.RECHARGE, PostingKind.PLACEMENT})
CHARGING = frozenset({PostingKind.CHARGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """An account's day: opening + recharges + adjustments - charges = closing, always.

    Money is the credit of our books, delivered or on its way, by the instant of booking; what was booked into
    a day after it was rolled makes its next version.
    """

    account_id: int
    day: date
    version: int
    site_id: int
    opening_minor: int
    recharged_minor: int
    adjusted_minor: int
    charged_minor: int
    closing_minor: int
    undelivered_minor: int  # of the closing: not yet in force
    postings: int
    opening_wh: int | None = None  # of the meters' registers, as frozen; None = not known
    closing_wh: int | None = None
    used_wh: int | None = None
    is_provisional: bool = False  # a freeze that it rests on is supposed

    @property
    def delivered_minor(self) -> int:
        """Of the closing: in force."""
        return self.closing_minor - self.undelivered_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class RollDiffers:
    """An account whose rolled closing is not what its holdings say of the same midnight."""

    account_id: int
    closing_minor: int
    undelivered_minor: int
    held_minor: int  # holdings now, less what was booked since
    held_undelivered_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWeight:
    """Up to where an account's use was recomputed, by register and tariff: one row per account."""

    account_id: int
    meter_id: int
    at: datetime
    energy_wh: int  # of the register then
    rates_wh: tuple[int, ...] | None
    tally: tuple[int, ...]
    charged_wh: int  # of the account's energy, by charges that were booked by then
    unread_minor: int  # the cost of what lay between the charges and the register
    offset_wh: int  # by how much the register is above the account's energy


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedSince:
    """What an account was charged after some energy, by what was booked before an instant."""

    to_wh: int
    amount_minor: int
    read_at: datetime | None  # of the last charge; None = there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A difference between books, meter and recomputation, of one cause; `drift_id` is its case's too."""

    account_id: int
    drift_id: UUID
    site_id: int
    meter_id: int
    cause: Cause
    day: date  # on which it was first seen
    seen_day: date  # on which it was last seen
    books_minor: int
    meter_minor: int | None
    recomputed_minor: int | None
    minor: int  # by how much the other figure is above our books
    opened_at: datetime
    gone_at: datetime | None = None  # the figures agree again


class Days(Protocol):
    """What a use case may ask about accounts' days."""

    def roll(self, day: SiteDay) -> int:
        """Write the next version of each account's day that is not as it was rolled last; return how many.

        The day before must be rolled: its closing is the opening, and where an account has none, the sum of
        all its postings before.
        """
        ...

    def rolled_days(self, site_id: int, *, since: date) -> list[SiteDay]:
        """Return the days of a site from one on that were rolled before, by day."""
        ...

    def differing(self, day: SiteDay, *, limit: int) -> list[RollDiffers]:
        """Return accounts whose closing is not their holdings less what was booked after it, by account."""
        ...

    def rolled(self, key: DayKey) -> list[AccountDay]:
        """Return the last version of each account's day, by account."""
        ...

    def of_accounts(self, account_ids: Iterable[int], *, since: date, until: date) -> list[AccountDay]:
        """Return the last versions of these accounts' days of [since, until), by account and day."""
        ...

    def charged(self, after_wh: Mapping[int, int], *, before: datetime) -> dict[int, ChargedSince]:
        """Return what was booked before an instant of charges from an energy on, by account."""
        ...

    def deliveries(self, meter_ids: Iterable[int], *, since: datetime) -> list[Instruction]:
        """Return recharges and withdrawals of meters that are open or ended since, by meter and number."""
        ...

    def weights(self, account_ids: Iterable[int]) -> dict[int, AccountWeight]:
        """Return up to where accounts were recomputed."""
        ...

    def save_weights(self, weights: Sequence[AccountWeight]) -> None: ...
    def drifts_of(self, account_ids: Iterable[int]) -> list[Drift]:
        """Return the drifts of accounts that are not gone, by account and instant."""
        ...

    def drifts(self, key: DayKey) -> list[Drift]:
        """Return the drifts of a site that were there on a day, by account and instant."""
        ...

    def put_drifts(self, drifts: Sequence[Drift]) -> None: ...
    def save_drifts(self, drifts: Sequence[Drift]) -> None:
        """Write what may change of drifts: their figures, when they were seen last, and their end."""
        ...
