"""Road figures: how well the end of a road serves, hour by hour, in numbers that may be added up."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

# What an exchange takes is counted up to each of these, and beyond the last: quantiles of any hours together
# can be told from the counts, to the next bound.
LATENCY_MS: Final = (
    50, 100, 150, 200, 300, 500, 700,
    1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 60_000,
)  # fmt: skip
BUCKETS: Final = len(LATENCY_MS) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A quantity that was told some times."""

    count: int
    minimum: int
    total: int
    last: int

    @property
    def mean(self) -> int:
        """Its mean, to a whole number."""
        return round(self.total / self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadHour:
    """What one end of a road did in an hour."""

    endpoint_id: str
    hour: datetime
    exchanges: int = 0
    repeats: int = 0  # of requests within an exchange
    silences: int = 0  # exchanges that nobody answered in all tries
    strays: int = 0  # frames that answered nothing
    done: int = 0  # conversations that the meter answered to their end
    failed: int = 0
    latencies: tuple[int, ...] = field(default=(0,) * BUCKETS)  # answered exchanges, by `LATENCY_MS`
    rsrp: Gauge | None = None
    snr: Gauge | None = None
    csq: Gauge | None = None

    @property
    def success_percent(self) -> int | None:
        """How many of a hundred conversations the meter answered to their end; None = there were none."""
        return _percent(self.done, self.done + self.failed)

    @property
    def repeats_percent(self) -> int | None:
        """How many requests had to be repeated, of a hundred exchanges; None = there were none."""
        return _percent(self.repeats, self.exchanges)


def bucket_of(latency_ms: int) -> int:
    """Return where an exchange is counted."""
    return bisect_left(LATENCY_MS, latency_ms)


def quantile_ms(latencies: Sequence[int], *, percent: int) -> int | None:
    """Return the bound within which so many percent of exchanges were answered; None = there were none.

    Beyond the last bound nothing is known but that: the last bound is told, and more was taken.
    """
    wanted = -(-sum(latencies) * percent // 100)
    seen = 0
    for bound_ms, count in zip((*LATENCY_MS, LATENCY_MS[-1]), latencies, strict=True):
        seen += count
        if count and seen >= wanted:
            return bound_ms
    return None


def gauged(value: int) -> Gauge:
    """Return a quantity that was told once."""
    return Gauge(count=1, minimum=value, total=value, last=value)


def both(before: Gauge | None, after: Gauge | None) -> Gauge | None:
    """Return a quantity as it was told before and after."""
    if before is None or after is None:
        return before or after
    return Gauge(
        count=before.count + after.count,
        minimum=min(before.minimum, after.minimum),
        total=before.total + after.total,
        last=after.last,
    )


def merged(before: RoadHour, after: RoadHour) -> RoadHour:
    """Return what an end did by both figures; the end and the hour are those of `before`."""
    return replace(
        before,
        exchanges=before.exchanges + after.exchanges,
        repeats=before.repeats + after.repeats,
        silences=before.silences + after.silences,
        strays=before.strays + after.strays,
        done=before.done + after.done,
        failed=before.failed + after.failed,
        latencies=tuple(map(sum, zip(before.latencies, after.latencies, strict=True))),
        rsrp=both(before.rsrp, after.rsrp),
        snr=both(before.snr, after.snr),
        csq=both(before.csq, after.csq),
    )


def together(hours: Iterable[RoadHour]) -> dict[str, RoadHour]:
    """Return all hours of each end as one; the hour is the first."""
    found: dict[str, RoadHour] = {}
    for each in sorted(hours, key=lambda each: each.hour):
        before = found.get(each.endpoint_id)
        found[each.endpoint_id] = each if before is None else merged(before, each)
    return found


def _percent(part: int, whole: int) -> int | None:
    # Rounded down: 999 of 1,000 are not all.
    return part * 100 // whole if whole else None
