"""Supply: one table of reasons decides whether electricity is on, and says why.

The first reason that holds decides and is shown. The platform switches for it only where it is the
credit authority, or where the reason is a person's or a safety hold: a meter with local credit opens its
relay at zero by itself, unless it is told to stay on (promises S1-S3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from compuerta.domain.party import CreditAuthority


class HoldKind(Enum):
    """A named reason to keep supply off, or on, with an owner, a note and an end."""

    SAFETY = "safety"  # something is dangerous: nobody switches on but who has looked at it
    OVERLOAD = "overload"  # too much was drawn: a rest, and after some rests in an hour a lock
    ADMINISTRATOR = "administrator"  # unlawful use, a quarrel, works
    VACANCY = "vacancy"  # nobody lives there
    PROTECTED = "protected"  # a lift, a pump, somebody's medical device: never cut for money
    TEMPORARY = "temporary"  # on until an instant, or for so much energy, then as before


class Reason(Enum):
    """Why supply is on or off; the table below says which goes first."""

    SAFETY_HOLD = "safety_hold"
    OVERLOAD_LOCK = "overload_lock"
    ADMINISTRATOR_HOLD = "administrator_hold"
    VACANCY = "vacancy"
    PROTECTED = "protected"
    TEMPORARY_SUPPLY = "temporary_supply"
    IN_CREDIT = "in_credit"
    BILLING_HELD = "billing_held"  # readings are in doubt: nobody is cut on a doubt (S1, T2)
    EMERGENCY_CREDIT = "emergency_credit"
    FRIENDLY_HOURS = "friendly_hours"
    PAYMENT_IN_FLIGHT = "payment_in_flight"  # somebody is paying just now
    LAST_CHANCE = "last_chance"  # cut at an instant that was told
    LOOK_FIRST = "look_first"  # what the cut rests on is read once more
    OUT_OF_CREDIT = "out_of_credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What the decision rests on, at one instant."""

    balance_minor: int
    credit_authority: CreditAuthority
    holds: frozenset[HoldKind] = frozenset()
    billing_held: bool = False
    emergency_minor: int = 0  # the emergency credit that was taken and is not spent
    friendly: bool = False
    paying: bool = False
    last_chance: bool = False
    look_owed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether supply is wanted, why, and whether it is the platform that has to switch for it."""

    closed: bool
    reason: Reason
    platform_switches: bool
    kept: bool = False  # a meter with credit is told to stay on, although its money is used up


_Row = tuple[Reason, Callable[[Supply], bool], bool]

# The first that holds decides; each wants supply on (True) or off.
PRECEDENCE: tuple[_Row, ...] = (
    (Reason.SAFETY_HOLD, lambda supply: HoldKind.SAFETY in supply.holds, False),
    (Reason.OVERLOAD_LOCK, lambda supply: HoldKind.OVERLOAD in supply.holds, False),
    (Reason.ADMINISTRATOR_HOLD, lambda supply: HoldKind.ADMINISTRATOR in supply.holds, False),
    (Reason.VACANCY, lambda supply: HoldKind.VACANCY in supply.holds, False),
    (Reason.PROTECTED, lambda supply: HoldKind.PROTECTED in supply.holds, True),
    (Reason.TEMPORARY_SUPPLY, lambda supply: HoldKind.TEMPORARY in supply.holds, True),
    (Reason.IN_CREDIT, lambda supply: supply.balance_minor > 0, True),
    # Used up: only a named exception keeps it on (S2).
    (Reason.BILLING_HELD, lambda supply: supply.billing_held, True),
    (Reason.EMERGENCY_CREDIT, lambda supply: supply.balance_minor > -supply.emergency_minor, True),
    (Reason.FRIENDLY_HOURS, lambda supply: supply.friendly, True),
    # The stages before a cut.
    (Reason.PAYMENT_IN_FLIGHT, lambda supply: supply.paying, True),
    (Reason.LAST_CHANCE, lambda supply: supply.last_chance, True),
    (Reason.LOOK_FIRST, lambda supply: supply.look_owed, True),
    (Reason.OUT_OF_CREDIT, lambda supply: True, False),
)
STAGES = frozenset({Reason.PAYMENT_IN_FLIGHT, Reason.LAST_CHANCE, Reason.LOOK_FIRST})
# With credit in the meter these are the meter's own business: it trips at zero, and closes when paid.
_METERS_OWN = STAGES | {Reason.OUT_OF_CREDIT, Reason.BILLING_HELD}
# For these it stays on beyond zero, or is closed again: only "keep power" makes a meter with credit do so.
_KEPT = frozenset({Reason.PROTECTED, Reason.TEMPORARY_SUPPLY, Reason.EMERGENCY_CREDIT, Reason.FRIENDLY_HOURS})
# Holds under which no recharge closes a relay (S3).
FORBIDDING = frozenset({HoldKind.SAFETY, HoldKind.OVERLOAD, HoldKind.ADMINISTRATOR, HoldKind.VACANCY})
# A hold that would not decide anything, or that would silently outlive its reason, is refused by the first.
CONTRADICTED_BY: Mapping[HoldKind, frozenset[HoldKind]] = MappingProxyType(
    {
        HoldKind.SAFETY: frozenset(),
        HoldKind.OVERLOAD: frozenset(),
        HoldKind.ADMINISTRATOR: frozenset({HoldKind.PROTECTED}),
        HoldKind.VACANCY: frozenset({HoldKind.PROTECTED, HoldKind.TEMPORARY}),
        HoldKind.PROTECTED: FORBIDDING,
        HoldKind.TEMPORARY: FORBIDDING,
    }
)


def standing(supply: Supply) -> list[tuple[Reason, bool]]:
    """Return all reasons that hold, the deciding one first, and whether each wants supply on."""
    out_of_credit = supply.balance_minor <= 0
    return [
        (reason, closed)
        for reason, holds, closed in PRECEDENCE
        if holds(supply)
        and (out_of_credit or reason is not Reason.OUT_OF_CREDIT)
        and (supply.emergency_minor > 0 or reason is not Reason.EMERGENCY_CREDIT)
    ]


def decide(supply: Supply) -> Decision:
    """Return the first reason that holds, and what it wants."""
    for reason, holds, closed in PRECEDENCE:
        if holds(supply):
            in_meter = supply.credit_authority is CreditAuthority.METER
            own = in_meter and reason in _METERS_OWN
            kept = in_meter and reason in _KEPT
            return Decision(closed=closed, reason=reason, platform_switches=not own, kept=kept)
    raise AssertionError("the last row of the table always holds")
