"""What a meter writes down: purchases, switchings, openings of the cover, freezes; each in a bounded ring."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from compuerta.virtual.meter.tariff import TableKind

RECORDS_KEPT_MAX = 10  # DL/T 645-2007 keeps the last ten of each event
DAILY_FREEZES_KEPT_MAX = 62
HOURLY_FREEZES_KEPT_MAX = 254
SETTLEMENTS_KEPT_MAX = 12
CREDITED_KEPT_MAX = 1_000  # for whoever verifies a run, not part of the meter

NO_OPERATOR = bytes(4)


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
class CoverOpening:
    """The cover was open from `start` to `end`; None = it still is."""

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
    """The truth about one recharge, in world time, for whoever checks the platform's story."""

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
    covers: deque[CoverOpening] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT_MAX))
    daily_freezes: deque[Freeze] = field(default_factory=lambda: deque(maxlen=DAILY_FREEZES_KEPT_MAX))
    hourly_freezes: deque[HourlyFreeze] = field(default_factory=lambda: deque(maxlen=HOURLY_FREEZES_KEPT_MAX))
    switch_freezes: dict[TableKind, deque[Freeze]] = field(
        default_factory=lambda: {kind: deque(maxlen=RECORDS_KEPT_MAX) for kind in TableKind}
    )
    instant_freezes: deque[Freeze] = field(default_factory=lambda: deque(maxlen=RECORDS_KEPT_MAX))
    settlements: deque[Freeze] = field(default_factory=lambda: deque(maxlen=SETTLEMENTS_KEPT_MAX))
    credited: deque[Credited] = field(default_factory=lambda: deque(maxlen=CREDITED_KEPT_MAX))
    trips_count: int = 0
    closings_count: int = 0
    covers_count: int = 0
    power_downs_count: int = 0
