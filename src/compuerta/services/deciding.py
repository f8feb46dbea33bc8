"""Deciding: which of many supplies are as they should be, told by whole columns.

It has no rules of its own: each class of like accounts is decided once, by the table of `domain/supply`. Who
is not plainly settled (a stage before a cut, emergency credit, energy that was lent, a switch under way, a
meter that is told to stay on) is left to `converging`; who is settled it would leave as it is, and a test
says so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compuerta.domain import supply
from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import Decision, HoldKind, Reason, Supply
from compuerta.drivers.abilities import Relay

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Names as columns are their places here, counted from one; 0 = none.
HOLDS: Final = tuple(HoldKind)
REASONS: Final = tuple(Reason)
RELAYS: Final = tuple(Relay)
ON, OFF = 1, 2  # what is wanted; 0 = nobody has decided yet
_HELD, _IN_METER, _IN_CREDIT = (1 << len(HOLDS), 2 << len(HOLDS), 4 << len(HOLDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Accounts with what is wanted of their meters and what is known of them, a column each."""

    account_id: Int64s
    balance_minor: Int64s
    holds: Int64s  # bit n is HOLDS[n], in force
    billing_held: Int64s  # 0 or 1, as the next
    in_meter: Int64s
    relay: Int64s
    wanted: Int64s
    reason: Int64s
    is_out: Int64s  # a cut is near, or was made
    asks_more: Int64s  # something else decides, too


def settled(standing: Standing) -> Bools:
    """Tell for whom converging would write nothing."""
    classes = (
        standing.holds
        + standing.billing_held * _HELD
        + standing.in_meter * _IN_METER
        + (standing.balance_minor > 0) * _IN_CREDIT
    )
    distinct, which = np.unique(classes, return_inverse=True)
    decisions = [_decision(int(each)) for each in distinct]
    closed = np.array([each.closed for each in decisions], np.bool_)[which]
    reason = np.array([REASONS.index(each.reason) + 1 for each in decisions], np.int64)[which]
    ours = np.array([each.platform_switches for each in decisions], np.bool_)[which]
    kept = np.array([each.kept for each in decisions], np.bool_)[which]
    lit = np.isin(standing.relay, [_place(Relay.CLOSED), _place(Relay.PERMITTED)])
    is_so = np.where(closed, lit, standing.relay == _place(Relay.OPEN))
    # Who is out of credit and on has stages before the cut: only whoever is off already is settled.
    out = reason == REASONS.index(Reason.OUT_OF_CREDIT) + 1
    fine: Bools = (standing.wanted == np.where(closed, ON, OFF)) & (standing.reason == reason)
    fine &= (is_so | ~ours) & ~kept & (out | (standing.is_out == 0)) & (standing.asks_more == 0)
    return fine


def _place(relay: Relay) -> int:
    return RELAYS.index(relay) + 1


def _decision(code: int) -> Decision:
    """Decide for all accounts of a class: they differ in nothing that a plain decision looks at."""
    return supply.decide(
        Supply(
            balance_minor=1 if code & _IN_CREDIT else 0,
            credit_authority=CreditAuthority.METER if code & _IN_METER else CreditAuthority.PLATFORM,
            holds=frozenset(kind for place, kind in enumerate(HOLDS) if code >> place & 1),
            billing_held=bool(code & _HELD),
        )
    )
