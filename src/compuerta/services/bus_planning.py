"""Planning an RS485 line: how many meters it carries, how long a round of readings takes, and how long a
payment waits.

A line carries one exchange at a time. What one takes is bytes at the line's speed, the time that a meter
takes to answer, and the pause after it. Readings give way to a payment between two exchanges, so that it
waits for one exchange at most, or for a try at a meter that is absent. Pure: figures in, figures out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.party import Meter, RoadKind
from compuerta.domain.rs485 import CABLE_M_MAX, METERS_MAX, METERS_USUAL_MAX
from compuerta.drivers import line
from compuerta.drivers.dlt645_tongue import REQUEST_BYTES
from compuerta.drivers.effort import Exchange, poll_effort, supply_effort
from compuerta.drivers.model import Model, RoadTiming
from compuerta.services.records import Endpoint

ANSWER_MS_USUAL: Final = 100  # from a request's last bit to the answer's first; the standard allows 500
# Of the time between two polls: what is left is for payments, midnights, tables, and repeated tries.
LOAD_PERCENT_MAX: Final = 70
PROMISE_MS: Final = 10_000  # from payment to light


class Doubt(Enum):
    """Why a line is not as it should be."""

    MORE_THAN_USUAL = "more_than_usual"
    MORE_THAN_ANY = "more_than_any"
    CABLE_TOO_LONG = "cable_too_long"
    ROUND_TOO_LONG = "round_too_long"  # the readings do not fit between two polls with room to spare
    LIGHT_TOO_LATE = "light_too_late"  # a payment may take longer than the promise


class LineUnplannable(Refused):
    """A line that cannot be reckoned."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the line cannot be planned: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Meters of one model on a line; `absent` of them do not answer."""

    model: Model
    meters: int
    absent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWish:
    """A line as somebody wants to lay it."""

    shares: Sequence[Share]
    baud: int
    poll_s: int
    cable_m: int = 0
    answer_ms: int = ANSWER_MS_USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """What becomes of the line."""

    meters: int
    meter_ms: int  # the longest reading of one meter
    round_ms: int  # one reading of every meter, absent ones tried once
    load_percent: int  # of the time between two polls
    meters_max: int  # in this mixture, of which the readings fit
    lines_min: int  # that so many meters need
    wait_ms_max: int  # until a payment's first byte
    supply_ms: int  # from that byte to the proof of a closed relay; 0 = no meter here can be switched
    doubts: tuple[Doubt, ...]


def plan(wish: LineWish) -> LinePlan:
    """Return what a line will be like; raises `LineUnplannable` for figures that make no line."""
    _refuse(wish)
    meters = sum(share.meters for share in wish.shares)
    round_ms = sum(_share_ms(share, wish) for share in wish.shares)
    meter_ms = max(_poll_ms(share, wish) for share in wish.shares)
    exchanges_ms = [_sum_ms([each], wish) for share in wish.shares for each in poll_effort(share.model)]
    tries_ms = [_absent_ms(share, wish) for share in wish.shares if share.absent]
    supply_ms = max(_sum_ms(supply_effort(share.model), wish) for share in wish.shares)
    room_ms = wish.poll_s * 1_000 * LOAD_PERCENT_MAX // 100
    meters_max = min(METERS_MAX, room_ms * meters // round_ms)
    drawn = LinePlan(
        meters=meters,
        meter_ms=meter_ms,
        round_ms=round_ms,
        load_percent=-(-round_ms // (wish.poll_s * 10)),
        meters_max=meters_max,
        lines_min=-(-meters // max(meters_max, 1)),
        wait_ms_max=max(exchanges_ms + tries_ms),
        supply_ms=supply_ms,
        doubts=(),
    )
    return _with_doubts(drawn, wish)


def plan_entered(
    ends: Sequence[Endpoint], meters: Sequence[Meter], *, models: Mapping[str, Model], poll_s: int
) -> dict[str, LinePlan]:
    """Return what the entered lines are like, by their ends; lines without meters are left out.

    A meter counts on its own end, and not on further ways to it; none is taken for absent.
    """
    plans: dict[str, LinePlan] = {}
    for end in ends:
        on_line = Counter(meter.model for meter in meters if meter.endpoint_id == end.endpoint_id)
        shares = [
            Share(model=models[name], meters=count)
            for name, count in sorted(on_line.items())
            if name in models and RoadKind.RS485.value in models[name].roads
        ]
        if end.baud is not None and shares:
            wish = LineWish(shares=shares, baud=end.baud, poll_s=poll_s)
            plans[end.endpoint_id] = plan(wish)
    return plans


def _refuse(wish: LineWish) -> None:
    if not wish.shares or wish.baud <= 0 or wish.poll_s <= 0 or wish.answer_ms < 0 or wish.cable_m < 0:
        raise LineUnplannable("speed, time between polls and cable must be figures, and there must be meters")
    for share in wish.shares:
        if share.meters <= 0 or not 0 <= share.absent <= share.meters:
            raise LineUnplannable(f"{share.absent} of {share.meters} meters cannot be absent")
        if RoadKind.RS485.value not in share.model.roads:
            raise LineUnplannable(f"{share.model.name} is not read by RS485")


def _with_doubts(drawn: LinePlan, wish: LineWish) -> LinePlan:
    found = {
        Doubt.MORE_THAN_USUAL: METERS_USUAL_MAX < drawn.meters <= METERS_MAX,
        Doubt.MORE_THAN_ANY: drawn.meters > METERS_MAX,
        Doubt.CABLE_TOO_LONG: wish.cable_m > CABLE_M_MAX,
        Doubt.ROUND_TOO_LONG: drawn.load_percent > LOAD_PERCENT_MAX,
        Doubt.LIGHT_TOO_LATE: drawn.supply_ms > 0 and drawn.wait_ms_max + drawn.supply_ms > PROMISE_MS,
    }
    return replace(drawn, doubts=tuple(doubt for doubt, holds in found.items() if holds))


def _share_ms(share: Share, wish: LineWish) -> int:
    return (share.meters - share.absent) * _poll_ms(share, wish) + share.absent * _absent_ms(share, wish)


def _poll_ms(share: Share, wish: LineWish) -> int:
    return _sum_ms(poll_effort(share.model), wish)


def _absent_ms(share: Share, wish: LineWish) -> int:
    """One try: a meter that was silent once is not asked a second time before it is heard.

    The line's patience begins with the first byte of the request, and is longer by the longest one's time.
    """
    timing: RoadTiming = share.model.roads[RoadKind.RS485.value]
    return timing.first_byte_ms + _wire_ms(REQUEST_BYTES, wish) + timing.gap_ms


def _sum_ms(exchanges: Sequence[Exchange], wish: LineWish) -> int:
    octets = sum(each.request_bytes + each.answer_bytes for each in exchanges)
    return _wire_ms(octets, wish) + len(exchanges) * (wish.answer_ms + line.PAUSE_MS)


def _wire_ms(octets: int, wish: LineWish) -> int:
    return -(-octets * line.BITS_PER_BYTE * 1_000 // wish.baud)
