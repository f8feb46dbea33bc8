"""Instructions: what a meter has to do, and the life of that wish as one table.

An instruction is written in the transaction that decided it, before anything is sent (promise D2). It is
claimed by a lease, at most one per meter at a time, and ends with evidence or stays open on somebody's
screen (D3). Recharges are never superseded; a later switch replaces an earlier one that still waits (S4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from uuid import UUID

from compuerta.domain.errors import Broken


class Kind(Enum):
    """What a meter is asked to do."""

    RECHARGE = "recharge"
    SWITCH = "switch"
    TARIFF = "tariff"  # the tables of a version, into the set that takes over when it becomes effective
    LOOK = "look"  # read it once more: a cut rests on it
    LIMITS = "limits"  # the levels and the power that the meter watches by itself
    WITHDRAWAL = "withdrawal"  # give credit back; counted like a recharge, so that it happens once


class State(Enum):
    """Where an instruction stands."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"  # the meter said yes; what it did is not read back yet
    DONE = "done"  # read back and found so
    REFUSED = "refused"  # the meter said no: a case
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"  # its meter was exchanged: what it was to do is done otherwise


class Event(Enum):
    """What happens to an instruction."""

    CLAIMED = "claimed"
    CONFIRMED = "confirmed"  # read back
    ACKNOWLEDGED = "acknowledged"  # yes, without read-back
    DENIED = "denied"
    MISSED = "missed"  # silence, or "not now"
    REPLACED = "replaced"
    ABANDONED = "abandoned"  # the meter is gone


OPEN = frozenset({State.WAITING, State.IN_FLIGHT, State.ACCEPTED})

# The whole life. A pair that is not here cannot happen; IN_FLIGHT + CLAIMED is a lease that ran out.
LIFE: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.WAITING, Event.CLAIMED): State.IN_FLIGHT,
        (State.WAITING, Event.REPLACED): State.SUPERSEDED,
        (State.IN_FLIGHT, Event.CLAIMED): State.IN_FLIGHT,
        (State.IN_FLIGHT, Event.CONFIRMED): State.DONE,
        (State.IN_FLIGHT, Event.ACKNOWLEDGED): State.ACCEPTED,
        (State.IN_FLIGHT, Event.DENIED): State.REFUSED,
        (State.IN_FLIGHT, Event.MISSED): State.WAITING,
        (State.IN_FLIGHT, Event.REPLACED): State.SUPERSEDED,
        (State.ACCEPTED, Event.CLAIMED): State.IN_FLIGHT,
        (State.WAITING, Event.ABANDONED): State.CANCELLED,
        (State.ACCEPTED, Event.ABANDONED): State.CANCELLED,
    }
)

# The last answer of a recharge that was taken back before anything of it was sent.
TAKEN_BACK = "taken_back"

# Somebody stands at the till or holds a phone: a short flat rhythm while they wait ...
RETRY_FLAT = timedelta(seconds=2)
RETRY_FLAT_WHILE = timedelta(seconds=10)
# ... then doubling, bounded: a meter that comes back is heard and woken at once, whatever this says.
RETRY_MAX = timedelta(minutes=5)
_FLAT_TRIES = RETRY_FLAT_WHILE // RETRY_FLAT
_DOUBLINGS_MAX = 8  # two seconds doubled so often are more than RETRY_MAX
# Longer than any conversation on a cable or 4G; what is not concluded by then is claimed again.
LEASE = timedelta(seconds=30)
# ... but for NB-IoT, where each exchange takes seconds, and a tariff has dozens of them.
LEASE_SLOW = timedelta(minutes=3)


class LifeViolated(Broken):
    """Somebody tried to take an instruction along a way that its life does not have."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"an instruction that is {state.value} cannot be {event.value}")
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a meter watches by itself; 0 = not used, None = left as it is."""

    alarm_1_minor: int | None = None
    alarm_2_minor: int | None = None
    power_w_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One wish to one meter; amount and purchase number belong to a recharge or a withdrawal, relay to a
    switch, a version with its instant to a tariff, and limits to limits; a look has its reason alone."""

    meter_id: int
    instruction_id: UUID
    account_id: int
    kind: Kind
    created_at: datetime
    due_at: datetime
    state: State = State.WAITING
    amount_minor: int | None = None
    purchase_no: int | None = None
    recharge_id: UUID | None = None
    correction_id: UUID | None = None  # that a withdrawal is for
    relay_closed: bool | None = None
    kept: bool = False  # a meter with credit is to stay on although it is used up
    limits: Limits | None = None
    tariff_id: int | None = None
    version_no: int | None = None
    effective_at: datetime | None = None  # when the meter is to take the tariff over
    reason: str = ""  # why a switch is wanted: the supply reason's name
    tries: int = 0
    lease_until: datetime | None = None
    lease_owner: str = ""
    ended_at: datetime | None = None
    last_answer: str = ""  # the last outcome's name, for the screen
    endpoint_id: str | None = None  # by which end it was tried last

    def __post_init__(self) -> None:
        recharge = (
            self.amount_minor is not None and self.purchase_no is not None and self.recharge_id is not None
        )
        switch = self.relay_closed is not None
        tariff = self.tariff_id is not None and self.version_no is not None and self.effective_at is not None
        belongs = {
            Kind.RECHARGE: recharge,
            Kind.WITHDRAWAL: (
                self.amount_minor is not None
                and self.purchase_no is not None
                and self.correction_id is not None
            ),
            Kind.SWITCH: switch,
            Kind.TARIFF: tariff,
            Kind.LIMITS: self.limits is not None,
        }
        told = {kind for kind, is_there in belongs.items() if is_there}
        assert told == {self.kind} - {Kind.LOOK}, "an instruction is of one kind"


def after(state: State, event: Event) -> State:
    """Return where an event takes an instruction; anything that the table does not have is a bug."""
    try:
        return LIFE[state, event]
    except KeyError:
        raise LifeViolated(state, event) from None


def retry_at(*, created_at: datetime, tries: int, now: datetime) -> datetime:
    """Return when an instruction that met silence is due again: flat while somebody waits, then bounded."""
    if now - created_at < RETRY_FLAT_WHILE:
        return now + RETRY_FLAT
    doublings = min(max(tries - _FLAT_TRIES, 0), _DOUBLINGS_MAX)
    return now + min(RETRY_FLAT * (1 << doublings), RETRY_MAX)
