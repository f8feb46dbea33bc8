"""What a meter writes down: purchases, switchings, what went on for a while, freezes; in bounded rings."""

from collections import deque
from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from compuerta.drivers.abilities import MeterEvent
from compuerta.virtual.meter.tariff import TableKind

RECORDS_KEPT_MAX = 10  # DL/T 645-2007 keeps the last ten of each event
DAILY_FREEZES_KEPT_MAX = 62
HOURLY_FREEZES_KEPT_MAX = 254
SETTLEMENTS_KEPT_MAX = 12
CREDITED_KEPT_MAX = 1_000  # for whoever verifies a run, not part of the meter

NO_OPERATOR = bytes(4)

# What goes on for a while, and is recorded with its start and its end.
SPELLS = (
    MeterEvent.COVER,
    MeterEvent.TERMINAL_COVER,
    MeterEvent.REVERSE_FLOW,
    MeterEvent.OVER_CURRENT,
    MeterEvent.OVERLOAD,
    MeterEvent.MAGNET,
    MeterEvent.SWITCH_FAILURE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One recharge or refund as 0333/0334 records it."""

    at: datetime
    purchase_no: int
    amount_minor: int
    before_minor: int
    after_minor: int
    total_minor: int  # of all recharges ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """The relay's contact moved: 1D (trip) or 1E (close)."""

    at: datetime
    operator: bytes
    energy_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Something went on from `start` to `end`, such as an open cover; None = it still does."""

    start: datetime
    end: datetime | None
    energy_wh_start: int
    energy_wh_end: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """The registers at one instant."""

    at: datetime
    energy_wh: int
    rates_wh: tuple[int, ...]  # of rate 1, 2 ...
    balance_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyFreeze:
    """The total at one hour, small because there are many."""

    civil_ms: int
    energy_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited:
    """The truth about one recharge, in world time, for whoever checks the platform's story.

    What was taken out is one too, with an amount below nothing.
    """

    purchase_no: int
    amount_minor: int
    credited_at_ms: int
    closed_at_ms: int | None  # the first instant from then on at which supply was on


def _ring() -> deque[Switching]:
    return deque(maxlen=RECORDS_KEPT_MAX)


@dataclass(slots=True, kw_only=True)
class Records:
    """All rings of one meter, newest first, with the counts that outlive them."""

    purchases: deque[Purchase] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT_MAX))
    refunds: deque[Purchase] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT_MAX))
    trips: deque[Switching] = field(default_factory=_ring)
    closings: deque[Switching] = field(default_factory=_ring)
    spells: dict[MeterEvent, deque[Spell]] = field(
        default_factory=lambda: {event: deque(maxlen=RECORDS_KEPT_MAX) for event in SPELLS}
    )
    daily_freezes: deque[Freeze] = field(default_factory=lambda: deque(maxlen=DAILY_FREEZES_KEPT_MAX))
    hourly_freezes: deque[HourlyFreeze] = field(default_factory=lambda: deque(maxlen=HOURLY_FREEZES_KEPT_MAX))
    switch_freezes: dict[TableKind, deque[Freeze]] = field(
        default_factory=lambda: {kind: deque(maxlen=RECORDS_KEPT_MAX) for kind in TableKind}
    )
    instant_freezes: deque[Freeze] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT_MAX))
    settlements: deque[Freeze] = field(default_factory=lambda: deque(maxlen=SETTLEMENTS_KEPT_MAX))
    credited: deque[Credited] = field(default_factory=lambda: deque(maxlen=CREDITED_KEPT_MAX))
    going_on: frozenset[MeterEvent] = frozenset()  # spells that have not ended
    counts: dict[MeterEvent, int] = field(default_factory=lambda: dict.fromkeys(MeterEvent, 0))

    def watch(self, seen: Set[MeterEvent], *, at: datetime, energy_wh: int) -> None:
        """Begin a record of what is seen and went on not yet, and end those of what is seen no more."""
        for event in SPELLS:
            ring = self.spells[event]
            if event in seen and event not in self.going_on:
                self.counts[event] += 1
                ring.appendleft(Spell(start=at, end=None, energy_wh_start=energy_wh, energy_wh_end=None))
            elif event in self.going_on and event not in seen and ring:
                ring[0] = replace(ring[0], end=at, energy_wh_end=energy_wh)
        self.going_on = frozenset(seen)

    def clear_events(self) -> None:
        """Forget switchings, spells and power cuts; purchases are no events, and what goes on goes on."""
        self.trips.clear()
        self.closings.clear()
        for ring in self.spells.values():
            ring.clear()
        self.counts = dict.fromkeys(MeterEvent, 0)
