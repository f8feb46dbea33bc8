"""Pictures of roads: where nothing is known there is a gap, and one failure of a thousand is still seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from compuerta.apps.console import road_pictures
from compuerta.apps.console.road_pictures import HEIGHT, PITCH, WIDTH
from compuerta.domain.road_figures import BUCKETS, RoadHour, gauged

NOW = datetime(2026, 11, 22, 12, 40, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
QUICK = RoadHour(
    endpoint_id="bus", hour=THIS_HOUR, exchanges=9, done=999, failed=1, latencies=(9, *[0] * (BUCKETS - 1))
)


def hours_ago(hours: int) -> RoadHour:
    return replace(QUICK, hour=THIS_HOUR - timedelta(hours=hours))


def test_a_silent_hour_breaks_the_line_and_old_hours_are_left_out() -> None:
    picture = road_pictures.latency([hours_ago(99), hours_ago(3), hours_ago(2), QUICK], now=NOW)

    last_x = WIDTH - PITCH
    assert picture.lines[0].pieces == [
        f"{last_x - 3 * PITCH},{HEIGHT} {last_x - 2 * PITCH},{HEIGHT} {last_x - PITCH - 1},{HEIGHT}",
        f"{last_x},{HEIGHT} {WIDTH - 1},{HEIGHT}",
    ]


def test_one_failure_of_a_thousand_is_still_seen() -> None:
    (column,) = road_pictures.conversations([QUICK], now=NOW)

    assert (column.done_height, column.failed_height) == (99, 1)
    assert column.done_y + column.done_height == HEIGHT


@pytest.mark.parametrize(
    ("told", "y"),
    [
        ({"rsrp": gauged(-140), "csq": gauged(31)}, HEIGHT),
        ({"rsrp": gauged(-20)}, 0),
        ({"csq": gauged(31)}, 0),
    ],
)
def test_the_signal_is_rsrp_where_the_end_tells_it(told: dict[str, object], y: int) -> None:
    picture = road_pictures.signal([replace(QUICK, **told)], now=NOW)  # type: ignore[arg-type]

    assert picture.lines[1].pieces == [f"{WIDTH - PITCH},{y} {WIDTH - 1},{y}"]


def test_who_tells_nothing_has_no_picture() -> None:
    assert road_pictures.signal([QUICK], now=NOW).is_empty
    assert road_pictures.latency([], now=NOW).is_empty
    assert road_pictures.conversations([], now=NOW) == []
