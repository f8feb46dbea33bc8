"""The supply card: all reasons that hold at a meter now, the deciding one first, and who may lift what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from compuerta.apps.console import work
from compuerta.apps.console.people import Person
from compuerta.apps.console.reads import rows
from compuerta.domain import supply
from compuerta.domain.access import RIGHT_FOR_HOLD, USUAL, Place, Right
from compuerta.domain.party import AccountKind
from compuerta.domain.supply import HoldKind, Reason
from compuerta.services import beyond_zero
from compuerta.services.records import AccountView, EmergencyCredit, Hold
from compuerta.services.staging import Known, Staged, staged
from compuerta.services.store_port import Transaction

STORY_SHOWN_MAX = 8
_KIND_OF: Mapping[Reason, HoldKind] = MappingProxyType(
    {
        Reason.SAFETY_HOLD: HoldKind.SAFETY,
        Reason.OVERLOAD_LOCK: HoldKind.OVERLOAD,
        Reason.ADMINISTRATOR_HOLD: HoldKind.ADMINISTRATOR,
        Reason.VACANCY: HoldKind.VACANCY,
        Reason.PROTECTED: HoldKind.PROTECTED,
        Reason.TEMPORARY_SUPPLY: HoldKind.TEMPORARY,
    }
)
# Overload locks come from meters, vacancy from moving.
_BY_HAND = (HoldKind.ADMINISTRATOR, HoldKind.SAFETY, HoldKind.PROTECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A reason that holds now."""

    reason: str
    closed: bool
    decides: bool
    holds: tuple[Hold, ...] = ()
    until: datetime | None = None  # of a reason that is no hold
    kind: str = ""  # of the hold, where it is one
    may_lift: bool = False
    lifters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """The emergency credit of an account: there for the taking, or taken."""

    limit_minor: int
    offered: bool
    taken: EmergencyCredit | None
    may_take: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A line of the relay's story."""

    at: datetime
    closed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is shown of one meter's supply."""

    closed: bool
    standing: tuple[Standing, ...]
    meters_own: bool  # the meter switches by itself
    differs_since: datetime | None
    cut_at: datetime | None
    emergency: Emergency | None
    story: tuple[Turn, ...]
    places: tuple[str, ...]  # holds that this person may place by hand
    lifts: tuple[str, ...]  # holds that this person may lift
    may_lend: bool


def card(person: Person, account_id: int, *, now: datetime) -> Card | None:
    """Return the card of an account; None where nothing is ever switched."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        if view is None or view.meter is None or view.account.kind is AccountKind.FEEDER:
            return None
        holds = tx.holds_of([view.meter.meter_id], at=now)
        known = _known(tx, view, now=now)
    stage = staged(view, known, now=now)
    place = place_of(view)
    assert view.snapshot is not None
    return Card(
        closed=stage.decision.closed,
        standing=tuple(_standing(person, stage, holds, place=place)),
        meters_own=not stage.decision.platform_switches,
        differs_since=view.snapshot.differs_since,
        cut_at=stage.cut_at if stage.decision.reason in supply.STAGES else None,
        emergency=_emergency(person, view, known.emergency, place=place),
        story=tuple(_story(view.meter.meter_id)),
        places=_may(person, _BY_HAND, place=place),
        lifts=_may(person, view.holds, place=place),
        may_lend=person.may(RIGHT_FOR_HOLD[HoldKind.TEMPORARY], place),
    )


def place_of(view: AccountView) -> Place:
    """Return where an account's rights are asked for."""
    account = view.account
    return Place(organisation_id=account.organisation_id, site_id=account.site_id, building=account.building)


def _known(tx: Transaction, view: AccountView, *, now: datetime) -> Known:
    account_id = view.account.account_id
    assert view.meter is not None
    look = tx.last_looks([view.meter.meter_id]).get(view.meter.meter_id)
    return Known(
        emergency=tx.emergencies([account_id]).get(account_id),
        paying_until=tx.paying([account_id], now=now).get(account_id),
        looked_at=None if look is None else look.created_at,
    )


def _standing(person: Person, stage: Staged, holds: Iterable[Hold], *, place: Place) -> Iterable[Standing]:
    for number, (reason, closed) in enumerate(supply.standing(stage.on)):
        kind = _KIND_OF.get(reason)
        yield Standing(
            reason=reason.value,
            closed=closed,
            decides=number == 0,
            holds=tuple(hold for hold in holds if hold.kind is kind),
            until=stage.until if number == 0 and kind is None else None,
            kind="" if kind is None else kind.value,
            may_lift=kind is not None and person.may(RIGHT_FOR_HOLD[kind], place),
            lifters=() if kind is None else _holders(RIGHT_FOR_HOLD[kind]),
        )


def _holders(right: Right) -> tuple[str, ...]:
    return tuple(role for role, rights in USUAL.items() if right in rights)


def _may(person: Person, kinds: Iterable[HoldKind], *, place: Place) -> tuple[str, ...]:
    return tuple(kind.value for kind in kinds if person.may(RIGHT_FOR_HOLD[kind], place))


def _emergency(
    person: Person, view: AccountView, taken: EmergencyCredit | None, *, place: Place
) -> Emergency | None:
    if taken is None and not view.policy.emergency_minor:
        return None
    return Emergency(
        limit_minor=view.policy.emergency_minor if taken is None else taken.limit_minor,
        offered=taken is None and beyond_zero.is_offered(view),
        taken=taken,
        may_take=person.may(Right.SWITCH, place),
    )


def _story(meter_id: int) -> list[Turn]:
    return rows(
        Turn,
        """select at, closed, reason from supply_change where meter_id = %(meter_id)s
        order by change_no desc limit %(limit)s""",
        {"meter_id": meter_id, "limit": STORY_SHOWN_MAX},
    )
