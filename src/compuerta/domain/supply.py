"""Supply: one table of reasons decides whether electricity is on, and says why.

The first reason that holds decides and is shown. The platform switches for it only where it is the
credit authority, or where the reason is a person's or a safety hold: a meter with local credit opens its
relay at zero by itself (promises S1-S3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from compuerta.domain.party import CreditAuthority


class Reason(Enum):
    """Why supply is on or off; the table below says which goes first."""

    SAFETY_HOLD = "safety_hold"
    ADMINISTRATOR_HOLD = "administrator_hold"
    PROTECTED = "protected"
    TEMPORARY_SUPPLY = "temporary_supply"
    BILLING_HELD = "billing_held"  # readings are in doubt: nobody is cut on a doubt (S1, T2)
    OUT_OF_CREDIT = "out_of_credit"
    IN_CREDIT = "in_credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What the decision rests on, at one instant."""

    balance_minor: int
    credit_authority: CreditAuthority
    safety_held: bool = False
    administrator_held: bool = False
    protected: bool = False
    temporary: bool = False
    billing_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether supply is wanted, why, and whether it is the platform that has to switch for it."""

    closed: bool
    reason: Reason
    platform_switches: bool


_Row = tuple[Reason, Callable[[Supply], bool], bool]

# The first that holds decides; each wants supply on (True) or off.
PRECEDENCE: tuple[_Row, ...] = (
    (Reason.SAFETY_HOLD, lambda supply: supply.safety_held, False),
    (Reason.ADMINISTRATOR_HOLD, lambda supply: supply.administrator_held, False),
    (Reason.PROTECTED, lambda supply: supply.protected, True),
    (Reason.TEMPORARY_SUPPLY, lambda supply: supply.temporary, True),
    (Reason.BILLING_HELD, lambda supply: supply.balance_minor <= 0 and supply.billing_held, True),
    (Reason.OUT_OF_CREDIT, lambda supply: supply.balance_minor <= 0, False),
    (Reason.IN_CREDIT, lambda supply: True, True),
)
# With credit in the meter these are the meter's own business: it trips at zero, and closes when paid.
_METERS_OWN = frozenset({Reason.OUT_OF_CREDIT, Reason.BILLING_HELD})


def decide(supply: Supply) -> Decision:
    """Return the first reason that holds, and what it wants."""
    for reason, holds, closed in PRECEDENCE:
        if holds(supply):
            own = supply.credit_authority is CreditAuthority.METER and reason in _METERS_OWN
            return Decision(closed=closed, reason=reason, platform_switches=not own)
    raise AssertionError("the last row of the table always holds")
