"""The port to roll-forwards and drifts: each account's day in money and energy (promise T1)."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol


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


class Days(Protocol):
    """What a use case may ask about accounts' days."""
