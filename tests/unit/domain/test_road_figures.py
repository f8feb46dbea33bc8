"""Figures of roads: counts by latency tell quantiles of any hours together."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.road_figures import (
    BUCKETS,
    LATENCY_MS,
    RoadHour,
    bucket_of,
    gauged,
    merged,
    quantile_ms,
    together,
)

HOUR = datetime(2026, 11, 22, 4, tzinfo=UTC)


def counted(latencies_ms: list[int]) -> list[int]:
    counts = [0] * BUCKETS
    for each in latencies_ms:
        counts[bucket_of(each)] += 1
    return counts


@pytest.mark.parametrize(("latency_ms", "bucket"), [(0, 0), (50, 0), (51, 1), (60_000, 17), (60_001, 18)])
def test_an_exchange_is_counted_up_to_its_bound(latency_ms: int, bucket: int) -> None:
    assert bucket_of(latency_ms) == bucket


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=60), st.integers(1, 100))
def test_a_quantile_is_the_bound_within_which_so_many_were_answered(
    latencies_ms: list[int], percent: int
) -> None:
    told = quantile_ms(counted(latencies_ms), percent=percent)

    exact = sorted(latencies_ms)[-(-len(latencies_ms) * percent // 100) - 1]
    assert told == LATENCY_MS[bucket_of(exact)]


def test_where_nothing_was_answered_there_is_no_quantile_and_beyond_the_last_bound_no_more_is_known() -> None:
    assert quantile_ms([0] * BUCKETS, percent=50) is None
    assert quantile_ms(counted([99_000]), percent=50) == LATENCY_MS[-1]


def test_hours_of_an_end_are_one_figure_together() -> None:
    first = RoadHour(endpoint_id="bus", hour=HOUR, done=2, csq=gauged(20))
    second = RoadHour(endpoint_id="bus", hour=HOUR + timedelta(hours=1), done=1, csq=gauged(9))
    other = RoadHour(endpoint_id="module", hour=HOUR, failed=1)

    found = together([second, other, first])

    assert found == {"bus": merged(first, second), "module": other}
    assert found["bus"].done == 3
    assert found["bus"].csq is not None
    assert (found["bus"].csq.mean, found["bus"].csq.minimum, found["bus"].csq.last) == (14, 9, 9)
