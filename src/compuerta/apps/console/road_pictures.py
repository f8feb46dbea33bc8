"""Pictures of roads in integers: the hours of an end become coordinates that templates put into SVG. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain.road_figures import LATENCY_MS, Gauge, RoadHour, bucket_of, quantile_ms

HOURS: Final = 72
PITCH: Final = 5
WIDTH, HEIGHT = HOURS * PITCH, 100
PERCENTS: Final = (99, 95, 50)
_TICKS_MS: Final = ((100, "0.1 s"), (1_000, "1 s"), (10_000, "10 s"), (60_000, "60 s"))
# From hardly there to near the mast: 3GPP TS 36.133 for RSRP, TS 27.007 8.5 for CSQ.
RSRP_DBM: Final = (-140, -50)
CSQ: Final = (0, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line in pieces: where nothing is known there is a gap."""

    name: str
    pieces: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A height across a picture, and what it is called."""

    y: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Lines over the last hours."""

    lines: Sequence[Line]
    ticks: Sequence[Tick]
    promise_y: int | None = None
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of any hour."""
        return not any(line.pieces for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The conversations of an hour."""

    x: int
    done_y: int
    done_height: int
    failed_height: int
    hour: RoadHour


Placed = Mapping[int, RoadHour]  # by how many hours after the first


def latency(hours: Sequence[RoadHour], *, now: datetime) -> Picture:
    """Return how long exchanges took: within p50, p95 and p99, on the scale of `LATENCY_MS`."""
    placed = _placed(hours, now=now)
    top = len(LATENCY_MS) - 1

    def y_of(latency_ms: int) -> int:
        return HEIGHT - HEIGHT * min(bucket_of(latency_ms), top) // top

    def at(percent: int) -> Callable[[RoadHour], int | None]:
        def height(hour: RoadHour) -> int | None:
            found_ms = quantile_ms(hour.latencies, percent=percent)
            return None if found_ms is None else y_of(found_ms)

        return height

    return Picture(
        lines=[Line(name=f"p{percent}", pieces=_pieces(placed, at(percent))) for percent in PERCENTS],
        ticks=[Tick(y=y_of(latency_ms), name=name) for latency_ms, name in _TICKS_MS],
    )


def signal(hours: Sequence[RoadHour], *, now: datetime) -> Picture:
    """Return the signal: RSRP where the end tells it, else CSQ."""
    placed = _placed(hours, now=now)
    tells_rsrp = any(hour.rsrp is not None for hour in placed.values())
    low, high = RSRP_DBM if tells_rsrp else CSQ
    unit = " dBm" if tells_rsrp else ""

    def y_of(value: int) -> int:
        return HEIGHT - HEIGHT * (min(max(value, low), high) - low) // (high - low)

    def mean(hour: RoadHour) -> int | None:
        gauge = _gauge(hour, tells_rsrp=tells_rsrp)
        return None if gauge is None else y_of(gauge.mean)

    def lowest(hour: RoadHour) -> int | None:
        gauge = _gauge(hour, tells_rsrp=tells_rsrp)
        return None if gauge is None else y_of(gauge.minimum)

    marks = (-120, -95, -70) if tells_rsrp else (5, 15, 25)
    return Picture(
        lines=[
            Line(name="lowest", pieces=_pieces(placed, lowest)),
            Line(name="mean", pieces=_pieces(placed, mean)),
        ],
        ticks=[Tick(y=y_of(value), name=f"{value}{unit}".replace("-", "−")) for value in marks],
    )


def conversations(hours: Sequence[RoadHour], *, now: datetime) -> list[Column]:
    """Return the conversations of each hour as columns: what was done below, what failed above."""
    placed = _placed(hours, now=now)
    most = max((each.done + each.failed for each in placed.values()), default=0) or 1
    columns = []
    for place, hour in sorted(placed.items()):
        done = HEIGHT * hour.done // most
        failed = -(-HEIGHT * hour.failed // most)  # one of a thousand is still seen
        columns.append(
            Column(
                x=place * PITCH,
                done_y=HEIGHT - done,
                done_height=done,
                failed_height=min(failed, HEIGHT - done),
                hour=hour,
            )
        )
    return columns


def _gauge(hour: RoadHour, *, tells_rsrp: bool) -> Gauge | None:
    return hour.rsrp if tells_rsrp else hour.csq


def _placed(hours: Sequence[RoadHour], *, now: datetime) -> Placed:
    first = first_hour(now)
    placed = {(each.hour - first) // timedelta(hours=1): each for each in hours}
    return {place: hour for place, hour in placed.items() if 0 <= place < HOURS}


def first_hour(now: datetime) -> datetime:
    """Return the first hour that pictures show; the last is the one that runs."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def _pieces(placed: Placed, height: Callable[[RoadHour], int | None]) -> list[str]:
    pieces: list[list[tuple[int, int]]] = [[]]
    for place in range(HOURS):
        hour = placed.get(place)
        y = None if hour is None else height(hour)
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((place * PITCH, y))
    return [_points(piece) for piece in pieces if piece]


def _points(piece: Sequence[tuple[int, int]]) -> str:
    # An hour alone is a short dash, not nothing.
    last_x, last_y = piece[-1]
    return " ".join(f"{x},{y}" for x, y in [*piece, (last_x + PITCH - 1, last_y)])
