"""Drawings in integers: rows become the coordinates that templates put into SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from compuerta.apps.console.histories import ReadingRow, Stopwatch
from compuerta.apps.console.reads import PACE_OVER, Lit

PROMISE_MS = 10_000  # what the trade promises from payment to power
WIDTH, HEIGHT = 480, 170
CEILING_MS_MIN, CEILING_MS_MAX = 12_000, 30_000  # slower dots sit on the upper edge
BAR_WIDTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One recharge in the drawing."""

    x: int
    y: int
    road: str
    late: bool
    waited_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line across the drawing, and what it is called."""

    y: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceChart:
    """A day of recharges: when paid (across), how long until power (up)."""

    dots: Sequence[Dot]
    ticks: Sequence[Tick]
    promise_y: int
    width: int = WIDTH
    height: int = HEIGHT


def pace_chart(lit: Sequence[Lit], *, now: datetime) -> PaceChart:
    """Place a day's recharges against the ten seconds."""
    slowest_ms = max((each.waited_ms for each in lit), default=0)
    ceiling_ms = min(max(slowest_ms, CEILING_MS_MIN), CEILING_MS_MAX)

    def height_of(waited_ms: int) -> int:
        return HEIGHT - HEIGHT * min(max(waited_ms, 0), ceiling_ms) // ceiling_ms

    def x_of(at: datetime) -> int:
        return WIDTH - int(WIDTH * ((now - at) / PACE_OVER))

    return PaceChart(
        dots=[
            Dot(
                x=x_of(each.paid_at),
                y=height_of(each.waited_ms),
                road=each.road,
                late=each.waited_ms > PROMISE_MS,
                waited_ms=each.waited_ms,
            )
            for each in lit
        ],
        ticks=[Tick(y=height_of(1000 * s), seconds=s) for s in (0, 5, 20, 30) if 1000 * s <= ceiling_ms],
        promise_y=height_of(PROMISE_MS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One part of a stopwatch's bar."""

    name: str
    x: int
    width: int
    took_ms: int
    running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A recharge as a bar: paid -> posted -> credited -> power."""

    legs: Sequence[Leg]
    promise_x: int
    total_ms: int
    finished: bool
    late: bool


def bar(watch: Stopwatch, *, now: datetime) -> Bar:
    """Lay a stopwatch out; what has not happened yet runs until now."""
    instants = (
        ("posted", watch.posted_at),
        ("credited", watch.credited_at),
        ("closed", watch.closed_at),
    )
    end = next((at for _, at in reversed(instants) if at), watch.paid_at) if watch.closed_at else now
    total_ms = _ms(end - watch.paid_at)
    scale_ms = max(total_ms, PROMISE_MS * 6 // 5)
    legs: list[Leg] = []
    before = watch.paid_at
    for name, at in instants:
        until = max(at or now, before)
        legs.append(
            Leg(
                name=name,
                x=BAR_WIDTH * _ms(before - watch.paid_at) // scale_ms,
                width=max(4, BAR_WIDTH * _ms(until - before) // scale_ms),
                took_ms=_ms(until - before),
                running=at is None,
            )
        )
        before = until
        if at is None:
            break
    return Bar(
        legs=legs,
        promise_x=BAR_WIDTH * PROMISE_MS // scale_ms,
        total_ms=total_ms,
        finished=watch.closed_at is not None,
        late=total_ms > PROMISE_MS,
    )


def sparkline(rows: Sequence[ReadingRow], *, width: int = 600, height: int = 80) -> str:
    """Return the points of a line through the balances, or the power where no balance is read."""
    values = [(row.at, row.balance_minor) for row in rows if row.balance_minor is not None]
    if len(values) < 2:
        values = [(row.at, row.power_w) for row in rows if row.power_w is not None]
    if len(values) < 2:
        return ""
    start, end = values[0][0], values[-1][0]
    span = max(end - start, timedelta(seconds=1))
    low = min(min(value for _, value in values), 0)
    high = max(max(value for _, value in values), low + 1)
    return " ".join(
        f"{int(width * ((at - start) / span))},{height - height * (value - low) // (high - low)}"
        for at, value in values
    )


def _ms(span: timedelta) -> int:
    return max(0, span // timedelta(milliseconds=1))
