"""What pages compute by themselves: stopwatches, charts, typed amounts; no browser needed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from compuerta.apps.console import amounts, figures
from compuerta.apps.console.histories import ReadingRow, Stopwatch
from compuerta.apps.console.reads import Lit
from compuerta.domain.money import AmountMalformed

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_stopwatch(
    *, posted_ms: int = 100, credited_ms: int | None = 2000, closed_ms: int | None = 2500
) -> Stopwatch:
    def at(after_ms: int | None) -> datetime | None:
        return None if after_ms is None else NOON + timedelta(milliseconds=after_ms)

    posted_at = at(posted_ms)
    assert posted_at is not None
    return Stopwatch(
        recharge_id=UUID(int=1),
        provider="wechat",
        reference="R1",
        currency="CNY",
        paid_minor=5000,
        paid_at=NOON,
        posted_at=posted_at,
        credited_at=at(credited_ms),
        closed_at=at(closed_ms),
    )


def test_a_finished_stopwatch_stands_still_and_its_legs_add_up() -> None:
    bar = figures.bar(a_stopwatch(), now=NOON + timedelta(hours=5))

    assert bar.finished and not bar.late
    assert [leg.took_ms for leg in bar.legs] == [100, 1900, 500]
    assert bar.total_ms == 2500
    assert bar.promise_x == 833  # ten seconds of the twelve that fit


def test_a_running_stopwatch_runs_in_its_first_missing_leg_only() -> None:
    bar = figures.bar(a_stopwatch(credited_ms=None, closed_ms=None), now=NOON + timedelta(seconds=30))

    assert [leg.name for leg in bar.legs] == ["posted", "credited"]
    assert bar.legs[-1].running and not bar.legs[0].running
    assert bar.late and not bar.finished
    assert max(leg.x + leg.width for leg in bar.legs) <= figures.BAR_WIDTH


def test_a_provider_whose_clock_runs_ahead_makes_no_negative_leg() -> None:
    bar = figures.bar(a_stopwatch(posted_ms=-900), now=NOON)

    assert all(leg.took_ms >= 0 and leg.width > 0 and leg.x >= 0 for leg in bar.legs)


@pytest.mark.parametrize("waited_ms", [-500, 0, 9_999, 10_001, 3_600_000])
def test_every_dot_is_inside_the_chart_and_late_ones_above_the_line(waited_ms: int) -> None:
    lit = [Lit(road="4g", paid_at=NOON - timedelta(hours=1), waited_ms=waited_ms)]

    chart = figures.pace_chart(lit, now=NOON)

    (dot,) = chart.dots
    assert 0 <= dot.x <= chart.width and 0 <= dot.y <= chart.height
    assert dot.late == (waited_ms > 10_000)
    assert (dot.y <= chart.promise_y) == (waited_ms >= 9_999)


def test_one_reading_makes_no_line() -> None:
    rows = [ReadingRow(at=NOON, balance_minor=100, power_w=5)]

    assert figures.sparkline(rows) == ""


def test_a_negative_balance_stays_inside_the_drawing() -> None:
    rows = [
        ReadingRow(at=NOON + timedelta(hours=hour), balance_minor=balance, power_w=None)
        for hour, balance in enumerate((500, 100, -200))
    ]

    points = [tuple(map(int, point.split(","))) for point in figures.sparkline(rows).split()]

    assert points == [(0, 0), (300, 46), (600, 80)]


@pytest.mark.parametrize(("text", "minor"), [("50", 5000), (" 12.50 ", 1250), ("12,5", 1250)])
def test_an_amount_is_read_as_people_type_it(text: str, minor: int) -> None:
    assert amounts.typed(text, currency="CNY") == minor


@pytest.mark.parametrize("text", ["", "1.000", "1,000", "1.000,50", "1,000.50", "12.345", "fifty", "NaN"])
def test_an_amount_that_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(AmountMalformed):
        amounts.typed(text, currency="CNY")
