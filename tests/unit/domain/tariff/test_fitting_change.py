"""Fitting at a change of tariff: what has no second set, and what becomes of the steps' running total."""

from datetime import datetime, timedelta

import pytest
from tests.unit.domain.tariff.fitting_bench import (
    METER,
    NEW_YEAR,
    a_calendar,
    a_tariff,
    energy,
    fitted,
    loading,
    places,
    steps,
)

from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.fitting import (
    MeterTables,
    fit,
)

MONTHLY = a_tariff(**steps(window="month"))
ANNUAL = a_tariff(**steps(window="year"))
MAY = datetime(2027, 5, 1)  # noqa: DTZ001 the site's wall clock
MID_MAY = datetime(2027, 5, 15)  # noqa: DTZ001


def on_change(policy: str, *, window: str = "month") -> Tariff:
    return a_tariff(**steps(window=window, on_change=policy))


@pytest.mark.parametrize(
    ("before", "after", "at", "fits"),
    [
        (MONTHLY, on_change("continue"), MID_MAY, True),
        (MONTHLY, on_change("reset"), MID_MAY, False),
        (MONTHLY, on_change("prorate"), MID_MAY, False),
        (MONTHLY, on_change("reset"), MAY, True),
        (MONTHLY, on_change("prorate"), MAY, True),
        (on_change("prorate"), MONTHLY, MID_MAY, False),  # the end of its reign lowers its bounds afterwards
        (MONTHLY, ANNUAL, MAY, True),  # the month ends for both; the meter settles as it turns annual
        (MONTHLY, ANNUAL, MID_MAY, False),  # the meter settles where the tariff goes on
        (MONTHLY, on_change("reset", window="year"), MID_MAY, True),
        (ANNUAL, MONTHLY, MAY, False),
        (ANNUAL, on_change("continue", window="year"), MAY, True),
        (ANNUAL, on_change("reset", window="year"), MAY, False),
        (ANNUAL, on_change("reset", window="year"), NEW_YEAR, True),
        (ANNUAL, a_tariff(**steps(window="year", year_start="05-01")), MAY, False),  # two meanings in a meter
        (MONTHLY, a_tariff(), MID_MAY, True),
        (a_tariff(), on_change("continue"), MID_MAY, True),
        (a_tariff(), on_change("reset"), MID_MAY, False),
        (a_tariff(steps={"window": "year"}), on_change("continue", window="year"), MID_MAY, True),
        (a_tariff(steps={"window": "day"}), on_change("continue"), MID_MAY, False),  # held by the month
        (a_tariff(steps={"window": "day"}), on_change("continue"), MAY, True),
        (MONTHLY, on_change("continue"), MAY + timedelta(hours=6), True),
        (MONTHLY, on_change("reset"), MAY + timedelta(hours=6), False),
    ],
)
def test_steps_do_at_the_change_what_the_tariff_says(
    before: Tariff, after: Tariff, at: datetime, fits: bool
) -> None:
    if fits:
        fitted(after, at=at, before=before)
    else:
        assert places(after, at=at, before=before) == energy("steps.on_change")


def test_a_change_inside_a_holiday_does_not_fit() -> None:
    tariff = a_tariff(**a_calendar(holidays={"national": "rest"}), holidays={"national": ["2027-05-01"]})

    assert places(tariff, at=MAY + timedelta(minutes=1)) == energy("holidays")
    assert places(a_tariff(), at=MAY + timedelta(minutes=1), before=tariff) == energy("holidays")
    fitted(tariff, at=MAY)


@pytest.mark.parametrize(("day", "fits"), [(1, True), (2, False), (3, True)])  # Saturday, Sunday, Monday
def test_rest_days_change_next_to_a_working_day(day: int, fits: bool) -> None:
    weekend = a_tariff(**a_calendar(**{"every day": ""}, weekdays="work", saturday="rest", sunday="rest"))

    outcome = fit(weekend, profile=METER, loading=loading(MAY.replace(day=day), before=a_tariff()))

    assert isinstance(outcome, MeterTables) is fits


def test_a_large_household_gets_its_own_bounds() -> None:
    tariff = a_tariff(**steps(household={"persons": 5, "extra_kwh": "100"}))

    small, large = (fitted(tariff, terms=Terms(persons=persons)).prices for persons in (4, 5))

    assert small is not None and large is not None
    assert (small.bounds_wh, large.bounds_wh) == ((100_000,), (200_000,))
