"""Histories in, bills out."""

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from tests.unit.domain.tariff.hand_cases import CASES
from tests.unit.domain.tariff.parts import HOUR, a_calendar, a_schedule, a_span, a_tariff, an_energy, utc

from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.components import (
    Account,
    ChangePolicy,
    Fixed,
    Rounding,
    RoundingPlace,
    Steps,
    Window,
)
from compuerta.domain.tariff.rating import extend, rate
from compuerta.domain.tariff.tally import opened

MAY = utc(2026, 5, 1)
DAY = timedelta(days=1)
ARTICLE = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[100_000])))


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CASES[name]
    return found


@pytest.mark.parametrize(
    ("from_wh", "to_wh", "silent", "charge_minor"),
    [(95_000, 105_000, HOUR, 1_250), (40_000, 140_000, 10 * DAY, 12_000)],
)
def test_the_article_is_right_about_a_use_over_the_bound(
    from_wh: int, to_wh: int, silent: timedelta, charge_minor: int
) -> None:
    tally = opened(schedule=ARTICLE, at=MAY)
    tally = extend(tally, a_span(MAY, MAY + DAY, from_wh), schedule=ARTICLE).tally
    before = bill(tally, schedule=ARTICLE)

    use = a_span(MAY + DAY, MAY + DAY + silent, to_wh - from_wh)
    after = bill(extend(tally, use, schedule=ARTICLE).tally, schedule=ARTICLE)

    assert after.total_minor - before.total_minor == charge_minor


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (ChangePolicy.CONTINUE, "continue_accumulation"),
        (ChangePolicy.RESET, "reset_at_change"),
        (ChangePolicy.PRORATE, "prorated_thresholds_14_17_of_31"),
    ],
)
def test_a_change_within_the_month_counts_by_its_policy(policy: ChangePolicy, name: str) -> None:
    vector = case("X4")
    old, new = (
        a_tariff(
            an_energy(
                [price for _, price in vector[which]],
                bounds_wh=[int(bound) * 1000 for bound, _ in vector[which] if bound],
                steps=Steps(on_change=policy),
            )
        )
        for which in ("old", "new")
    )
    change = datetime(2026, 8, 15)  # noqa: DTZ001 the wall clock's
    schedule = a_schedule(old, new, zone="Europe/Madrid", changes=[change])
    # Madrid is two hours ahead.
    august, middle, end = utc(2026, 7, 31, 22), utc(2026, 8, 14, 22), utc(2026, 8, 31, 21)

    [found] = rate(
        [a_span(august, middle, 70_000), a_span(middle, end, 95_000)], schedule=schedule, start=august
    )

    assert round(found.exact / 100, 6) == Fraction(vector["expected"][name])


@pytest.mark.parametrize("weekend", [True, False])
def test_days_of_23_and_25_hours_have_the_periods_of_the_wall_clock(weekend: bool) -> None:
    vector = case("X5")
    working = [(0, 0), (8, 1), (10, 2), (14, 1), (18, 2), (22, 1)]
    calendar = a_calendar(working=working, weekend=[(0, 0)] if weekend else working)
    schedule = a_schedule(
        a_tariff(an_energy(("1",), ("2",), ("3",), calendar=calendar)), zone="Europe/Madrid"
    )
    rule = "kwh_by_period_weekend_rule" if weekend else "kwh_by_period_if_every_day_is_workday"

    for expected in vector["expected"].values():
        start = datetime.fromisoformat(expected["start_utc"])
        spans = [a_span(start + at * HOUR, start + (at + 1) * HOUR, 1_000) for at in range(expected["hours"])]
        [found] = rate(spans, schedule=schedule, start=start)
        kwh = {line.period: line.quantity / 1000 for line in found.lines}
        assert [kwh.get(f"p{period}", 0) for period in range(3)] == expected[rule]


def test_a_use_over_several_cycles_ends_a_bill_in_each() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "2"), bounds_wh=[10_000]), cycle_day=15))
    start, end = utc(2026, 1, 15), utc(2026, 4, 15)

    bills = rate([a_span(start, end, 90_000)], schedule=schedule, start=start)

    assert [found.start.date() for found in bills] == [date(2026, month, 15) for month in (1, 2, 3)]
    assert bills[-1].until == end
    # A kWh a day, and steps of the calendar month: its first ten at 1, the others at 2.
    assert [sum(line.quantity for line in found.lines) for found in bills] == [31_000, 28_000, 31_000]
    assert [found.exact / 100 for found in bills] == [
        (10 + 2 * 7) + (10 + 2 * 4),
        2 * 14 + (10 + 2 * 4),
        2 * 17 + (10 + 2 * 4),
    ]


@pytest.mark.parametrize(("place", "last_minor"), [(RoundingPlace.RUNNING, 1), (RoundingPlace.GROSS, 0)])
def test_only_a_running_rounding_hands_its_remainder_on(place: RoundingPlace, last_minor: int) -> None:
    schedule = a_schedule(a_tariff(an_energy(("0.004",)), rounding=Rounding(place=place)))
    uses = [a_span(utc(2026, month, 1), utc(2026, month, 2), 1_000) for month in (1, 2)]

    bills = rate(uses, schedule=schedule, start=utc(2026, 1, 1))

    assert [found.total_minor for found in bills] == [0, last_minor]


def test_nothing_is_no_bill_and_energy_of_the_first_instant_is_one() -> None:
    assert rate([], schedule=ARTICLE, start=MAY) == []

    [found] = rate([a_span(MAY, MAY, 1_000)], schedule=ARTICLE, start=MAY)

    assert found.total_minor == 100


def test_a_day_belongs_to_the_version_that_it_began_with() -> None:
    old, new = (
        a_tariff(
            an_energy(("0",)),
            Fixed(name="Standing", account=Account.FIXED, amount=Fraction(amount), per=Window.DAY),
        )
        for amount in (1, 5)
    )
    schedule = a_schedule(old, new, changes=[datetime(2026, 5, 3, 12)])  # noqa: DTZ001 the wall clock's

    [found] = rate([a_span(MAY, MAY + 5 * DAY, 0)], schedule=schedule, start=MAY)

    assert [(line.version[1], line.quantity) for line in found.lines] == [(1, 3), (2, 2)]
