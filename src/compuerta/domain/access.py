"""Access: rights, the roles that bundle them, and grants that say where a role holds.

A role is data: an organisation may say otherwise for its own. A grant holds for an organisation, a site or a
building; whoever may do something in a place may do it nowhere else (promise A1). Nobody approves their own
request, whatever their role (A2).
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from uuid import UUID

from compuerta.domain.supply import HoldKind


class Right(Enum):
    """Something that a person, or a machine with an API key, may do."""

    SEE = "see"  # meters, accounts, balances
    SELL = "sell"
    SEE_MONEY = "see_money"  # books, payments, other people's sales
    SWITCH = "switch"  # holds for a person's reason, temporary supply, emergency credit
    LOCK = "lock"  # safety: place, lift, and overload locks
    PROTECT = "protect"
    MOVE = "move"  # tenants in and out, rooms, meters exchanged
    EXCHANGE = "exchange"  # a meter for another, at the site
    COMMISSION = "commission"  # search lines, claim meters, try relays, hand over
    ALARMS = "alarms"  # acknowledge, close, photograph, announce maintenance
    WARN = "warn"  # levels, quiet hours, templates, contacts
    DRAFT_TARIFF = "draft_tariff"
    APPROVE_TARIFF = "approve_tariff"
    ASSIGN_TARIFF = "assign_tariff"
    PROPOSE_MASS = "propose_mass"  # switch many at once ...
    APPROVE_MASS = "approve_mass"  # ... and the second person
    SETTLE = "settle"  # policies: friendly hours, emergency credit, load limits
    GRANT = "grant"  # give and take roles, API keys
    AUDIT = "audit"  # read who did what
    CORRECT = "correct"  # propose to put money right: refunds, wrong meters, suspense, debts
    APPROVE_CORRECTION = "approve_correction"  # ... and the second person
    CASH = "cash"  # a machine's: sell for money in its own hands, by a till that has no shifts
    SUPERVISE = "supervise"  # other people's shifts: accept a difference, see all, void
    KEEP_BOOKS = "keep_books"  # chart of accounts, exports, bank statements, invoices
    CLOSE_MONTH = "close_month"  # for good


class Role(Enum):
    """The usual seven."""

    OWNER = "owner"
    MANAGER = "manager"
    CASHIER = "cashier"
    ACCOUNTANT = "accountant"
    TECHNICIAN = "technician"
    RESIDENT = "resident"
    AUDITOR = "auditor"


_ALL = frozenset(Right)
USUAL: Mapping[str, frozenset[Right]] = MappingProxyType(
    {
        Role.OWNER.value: _ALL,
        Role.MANAGER.value: _ALL
        - {
            Right.GRANT,
            Right.APPROVE_TARIFF,
            Right.APPROVE_MASS,
            Right.APPROVE_CORRECTION,
            Right.CLOSE_MONTH,
        },
        Role.CASHIER.value: frozenset({Right.SEE, Right.SELL}),
        Role.ACCOUNTANT.value: frozenset(
            {
                Right.SEE,
                Right.SEE_MONEY,
                Right.AUDIT,
                Right.APPROVE_TARIFF,
                Right.CORRECT,
                Right.APPROVE_CORRECTION,
                Right.KEEP_BOOKS,
                Right.CLOSE_MONTH,
            }
        ),
        Role.TECHNICIAN.value: frozenset(
            {Right.SEE, Right.LOCK, Right.EXCHANGE, Right.COMMISSION, Right.ALARMS}
        ),
        Role.RESIDENT.value: frozenset(),  # the place's own page is all there is
        Role.AUDITOR.value: frozenset({Right.SEE, Right.SEE_MONEY, Right.AUDIT}),
    }
)
# What placing, and lifting, a hold asks for.
RIGHT_FOR_HOLD: Mapping[HoldKind, Right] = MappingProxyType(
    {
        HoldKind.SAFETY: Right.LOCK,
        HoldKind.OVERLOAD: Right.LOCK,
        HoldKind.ADMINISTRATOR: Right.SWITCH,
        HoldKind.VACANCY: Right.MOVE,
        HoldKind.PROTECTED: Right.PROTECT,
        HoldKind.TEMPORARY: Right.SWITCH,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is that a right is asked for; None = the whole of what is above."""

    organisation_id: int
    site_id: int | None = None
    building: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A person's role in a place."""

    grant_id: UUID
    user_name: str
    role: str
    place: Place
    granted_by: str
    granted_at: datetime
    revoked_at: datetime | None = None


def covers(scope: Place, place: Place) -> bool:
    """Tell whether a place lies within a scope."""
    return (
        scope.organisation_id == place.organisation_id
        and scope.site_id in (None, place.site_id)
        and scope.building in (None, place.building)
    )


def may_in_all(may: Callable[[Right, Place], bool], rights: Set[Right], places: Iterable[Place]) -> bool:
    """Tell whether somebody has all these rights in each of these places; False where there is none.

    What lies nowhere was not found, or lies behind a wall: that is no reason to let anybody act on it.
    """
    asked = [(right, place) for place in places for right in rights]
    return bool(asked) and all(may(right, place) for right, place in asked)


def rights_in(
    place: Place, grants: Iterable[Grant], *, roles: Mapping[str, frozenset[Right]]
) -> frozenset[Right]:
    """Return what somebody with these grants may do in a place; a role that nobody knows gives nothing."""
    held = [roles.get(each.role, frozenset()) for each in grants if covers(each.place, place)]
    return frozenset().union(*held)
