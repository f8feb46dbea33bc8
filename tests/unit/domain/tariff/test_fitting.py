"""Fitting: what a meter can hold, at each limit and one beyond, and each reason why it cannot."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pytest
from tests.unit.domain.tariff.fitting_bench import (
    ALL_YEAR,
    DAY_AND_NIGHT,
    METER,
    NEW_YEAR,
    PRICES,
    TWO_PERIODS,
    a_calendar,
    a_tariff,
    energy,
    fitted,
    loading,
    places,
    steps,
)

from compuerta.domain.tariff.civil import table_of
from compuerta.domain.tariff.components import MonthDay, Tariff
from compuerta.domain.tariff.fitting import (
    HOLIDAY_YEARS,
    REST_TABLE_NO,
    Holiday,
    MeterTables,
    RateSlot,
    Unfit,
    Zone,
    fit,
)

# What fits, and how it is laid out.


def test_one_price_is_the_flat_rate_at_all_hours() -> None:
    tables = fitted(a_tariff())

    assert tables.rate_of_period == (3,)
    assert tables.day_tables == ((RateSlot(start_min=0, rate=3),),)
    assert tables.zones == (Zone(start=MonthDay(month=1, day=1), table_no=1),)
    assert tables.prices is not None
    assert tables.prices.rate_prices_e4 == (5_300, 5_300, 5_300)
    assert (tables.prices.bounds_wh, tables.prices.step_prices_e4) == ((), (0,))


def test_peak_valley_and_annual_steps_part_into_rates_and_steps() -> None:
    tariff = a_tariff(
        **a_calendar()
        | {
            "periods": [
                {"name": "peak", "role": "peak", "prices": ["0.6170", "0.6670", "0.9170"]},
                {"name": "valley", "role": "valley", "prices": ["0.3070", "0.3570", "0.6070"]},
            ]
        },
        steps={"window": "year", "bounds_kwh": ["3120", "4800"]},
    )

    tables = fitted(tariff)

    assert tables.rate_of_period == (2, 4)
    assert tables.prices is not None
    assert tables.prices.rate_prices_e4 == (6_170, 6_170, 6_170, 3_070)
    assert tables.prices.bounds_wh == (3_120_000, 4_800_000)
    assert tables.prices.step_prices_e4 == (0, 500, 3_000)
    assert tables.prices.settlements == (MonthDay(month=1, day=1),)


def test_cheaper_steps_need_no_price_below_zero() -> None:
    tables = fitted(
        a_tariff(periods=[{"name": "flat", "prices": ["0.5", "0.2"]}], steps={"bounds_kwh": ["100"]})
    )

    assert tables.prices is not None
    assert (tables.prices.rate_prices_e4[2], tables.prices.step_prices_e4) == (2_000, (3_000, 0))


def test_levies_fees_and_subsidies_on_each_kwh_are_part_of_the_price() -> None:
    others = (
        {"kind": "per_kwh", "name": "Lighting", "account": "levy", "price": "0.02"},
        {"kind": "per_kwh", "name": "Manager", "account": "fee", "price": "0.05"},
        {"kind": "per_kwh", "name": "Aid", "account": "subsidy", "price": "0.1"},
    )

    tables = fitted(a_tariff(others=others))

    assert tables.prices is not None
    assert tables.prices.rate_prices_e4[2] == 5_000


def test_taxes_inside_prices_and_recovery_of_debts_are_no_matter_of_the_meter() -> None:
    others = (
        {"kind": "percent", "name": "VAT", "account": "tax", "percent": "13", "included": True},
        {"kind": "recovery", "name": "Arrears", "percent": "25", "least": "1.00"},
    )

    assert fitted(a_tariff(others=others)) == fitted(a_tariff())


def test_bounds_of_single_periods_are_laid_over_each_other() -> None:
    tariff = a_tariff(
        **a_calendar()
        | {
            "periods": [
                {"name": "peak", "role": "peak", "prices": ["0.6", "0.8"], "bounds_kwh": ["200"]},
                {
                    "name": "valley",
                    "role": "valley",
                    "prices": ["0.3", "0.3", "0.5"],
                    "bounds_kwh": ["100", "200"],
                },
            ]
        }
    )

    tables = fitted(tariff)

    assert tables.prices is not None
    assert tables.prices.bounds_wh == (100_000, 200_000)
    assert tables.prices.step_prices_e4 == (0, 0, 2_000)


def test_saturday_and_sunday_are_rest_days_and_their_table_is_the_first() -> None:
    tables = fitted(
        a_tariff(**a_calendar(**{"every day": ""}, weekdays="work", saturday="rest", sunday="rest"))
    )

    assert tables.rest_days == {5, 6}
    assert tables.day_tables[REST_TABLE_NO - 1] == (RateSlot(start_min=0, rate=4),)
    assert tables.zones == (Zone(start=MonthDay(month=1, day=1), table_no=2),)


def test_periods_with_one_role_are_numbered_in_order() -> None:
    periods = [{"name": name, "prices": ["0.5"]} for name in ("one", "two")]

    tables = fitted(a_tariff(periods=periods, day_tables={"all": ["00:00 one", "12:00 two"]}))

    assert tables.rate_of_period == (1, 2)


def test_holidays_are_the_listed_dates_ahead_that_change_something() -> None:
    listed = ["2026-10-01", "2027-01-01", "2027-01-02", "2028-06-01"]
    weekend = {"every day": "", "weekdays": "work", "saturday": "rest", "sunday": "rest"}
    tariff = a_tariff(**a_calendar(**weekend, holidays={"national": "rest"}), holidays={"national": listed})

    tables = fitted(tariff)

    # The first has passed, the third is a Saturday anyway.
    assert tables.holidays == (
        Holiday(on=date(2027, 1, 1), table_no=1),
        Holiday(on=date(2028, 6, 1), table_no=1),
    )


LATEST = date(2028, 12, 31)


def test_holidays_that_would_not_be_loaded_are_told_before_a_meter_misses_them() -> None:
    tariff = a_tariff(**a_calendar(holidays={"national": "rest"}), holidays={"national": [str(LATEST)]})

    assert places(tariff) == ["components[0].holidays"]
    assert [each.on for each in fitted(tariff, at=NEW_YEAR + timedelta(days=1)).holidays] == [LATEST]


def test_neighbours_that_are_alike_are_one() -> None:
    tariff = a_tariff(
        periods=TWO_PERIODS,
        day_tables={"a": ["00:00 peak"], "b": ["00:00 peak", "12:00 peak"]},
        seasons=[ALL_YEAR | {"every day": "a"}, {"name": "later", "from": "06-01", "every day": "b"}],
    )

    tables = fitted(tariff)

    assert (len(tables.zones), len(tables.day_tables)) == (1, 1)


def test_a_meter_that_only_counts_by_rate_takes_a_calendar_whatever_the_prices() -> None:
    tariff = a_tariff(
        **a_calendar() | {"steps": {"window": "day", "kind": "slab", "bounds_kwh": []}},
        others=({"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "5", "per": "month"},),
    )

    tables = fitted(tariff, profile=replace(METER, prices=None))

    assert tables.prices is None
    assert tables.rate_of_period == (2, 4)


# Tables say what the calendar says.


def test_a_meters_tables_give_each_minute_the_rate_of_its_period() -> None:
    for seed in range(8):
        tariff = a_random_tariff(Random(seed))

        tables = fitted(tariff)

        for day in (NEW_YEAR.date() + timedelta(days=n) for n in range(HOLIDAY_YEARS * 365)):
            slots = table_of(tariff.energy.calendar, day).slots
            for slot in slots:
                expected = tables.rate_of_period[slot.period]
                assert rate_by_tables(tables, day, slot.start_min) == expected, (seed, day, slot)


def a_random_tariff(chance: Random) -> Tariff:
    names = ["sharp", "peak", "flat", "valley"]
    tables = {
        f"table {n}": ["00:00 " + chance.choice(names)]
        + [f"{hour:02}:30 {chance.choice(names)}" for hour in sorted(chance.sample(range(24), 5))]
        for n in range(5)
    }
    starts = sorted(chance.sample([f"{month:02}-{day:02}" for month in range(1, 13) for day in (1, 15)], 4))
    rest = chance.choice([("saturday", "sunday"), ("sunday",), ("friday",), ()])
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    seasons = [
        {"name": start, "from": start, "holidays": {"national": f"table {chance.randrange(5)}"}}
        | {day: f"table {at % 4 + 1}" if day not in rest else "table 0" for day in days}
        for at, start in enumerate(starts)
    ]
    listed = {
        str(date(2027, 1, 1) + timedelta(days=chance.randrange(HOLIDAY_YEARS * 365))) for _ in range(40)
    }
    return a_tariff(
        periods=[{"name": name, "role": name, "prices": ["0.5"]} for name in names],
        day_tables=tables,
        seasons=seasons,
        holidays={"national": sorted(listed)},
    )


def rate_by_tables(tables: MeterTables, day: date, minute: int) -> int:
    """A meter's own way: holiday, else rest day, else zone; the last zone goes round the year's end."""
    at = MonthDay(month=day.month, day=day.day)
    table_no = [tables.zones[-1], *(zone for zone in tables.zones if zone.start <= at)][-1].table_no
    if day.weekday() in tables.rest_days:
        table_no = REST_TABLE_NO
    table_no = next((holiday.table_no for holiday in tables.holidays if holiday.on == day), table_no)
    return [slot.rate for slot in tables.day_tables[table_no - 1] if slot.start_min <= minute][-1]


# Limits, each at the limit and one beyond.


def many_seasons(count: int) -> Tariff:
    starts = [f"{month:02}-{day:02}" for month in range(1, 13) for day in (1, 15)][:count]
    return a_tariff(
        periods=TWO_PERIODS,
        day_tables={"even": ["00:00 peak"], "odd": ["00:00 valley"]},
        seasons=[
            {"name": start, "from": start, "every day": ("even", "odd")[at % 2]}
            for at, start in enumerate(starts)
        ],
    )


def many_day_tables(count: int) -> Tariff:
    return a_tariff(
        periods=TWO_PERIODS,
        day_tables={f"t{n}": ["00:00 peak", f"{n:02}:00 valley"] for n in range(1, count + 1)},
        seasons=[{"name": str(n), "from": f"{n:02}-01", "every day": f"t{n}"} for n in range(1, count + 1)],
    )


def many_slots(count: int) -> Tariff:
    slots = [f"{hour:02}:00 {('peak', 'valley')[hour % 2]}" for hour in range(count)]
    return a_tariff(periods=TWO_PERIODS, day_tables={"all": slots})


def many_rates(count: int) -> Tariff:
    periods = [{"name": f"p{n}", "prices": ["0.5"]} for n in range(count)]
    return a_tariff(periods=periods, day_tables={"all": [f"{n:02}:00 p{n}" for n in range(count)]})


def many_holidays(count: int) -> Tariff:
    days = [str(date(2027, 1, 1) + timedelta(days=n)) for n in range(count)]
    return a_tariff(**a_calendar(holidays={"national": "rest"}), holidays={"national": days})


@pytest.mark.parametrize(
    ("made", "most", "place"),
    [
        (many_seasons, 14, "seasons"),
        (many_day_tables, 8, "day_tables"),
        (many_slots, 14, "day_tables"),
        (many_rates, 8, "periods"),
        (many_holidays, 254, "holidays"),
        (lambda count: a_tariff(**steps(count)), 6, "steps.bounds_kwh"),
    ],
    ids=["zones", "day tables", "slots", "rates", "holidays", "bounds"],
)
def test_as_many_as_the_meter_has_fit_and_one_more_does_not(made, most: int, place: str) -> None:  # type: ignore[no-untyped-def]
    fitted(made(most))

    assert places(made(most + 1)) == energy(place)


def test_a_role_beyond_the_meters_rates_is_numbered_in_order() -> None:
    periods = [{"name": "night", "role": "deep_valley", "prices": ["0.2"]}]

    assert fitted(a_tariff(periods=periods), profile=replace(METER, rates_max=5)).rate_of_period == (5,)
    assert fitted(a_tariff(periods=periods), profile=replace(METER, rates_max=4)).rate_of_period == (1,)


@pytest.mark.parametrize(
    ("price", "fits"), [("0.1234", True), ("0.12345", False), ("9999.9999", True), ("10000", False)]
)
def test_a_price_has_four_decimals_and_four_digits_before_them(price: str, fits: bool) -> None:
    tariff = a_tariff(periods=[{"name": "flat", "prices": [price]}])

    outcome = fit(tariff, profile=METER, loading=loading())

    assert isinstance(outcome, MeterTables) is fits
    if isinstance(outcome, Unfit):
        assert [misfit.place for misfit in outcome.misfits] == energy("periods[0].prices[0]")


def test_a_subsidy_that_is_more_than_the_price_does_not_fit() -> None:
    aid = {"kind": "per_kwh", "name": "Aid", "account": "subsidy", "price": "0.5301"}

    assert places(a_tariff(others=(aid,))) == energy("periods[0].prices[0]")


@pytest.mark.parametrize(
    ("bound", "fits"), [("100.01", True), ("100.005", False), ("999999.99", True), ("1000000", False)]
)
def test_a_bound_is_counted_in_units_of_the_register(bound: str, fits: bool) -> None:
    tariff = a_tariff(periods=[{"name": "flat", "prices": ["0.5", "0.6"]}], steps={"bounds_kwh": [bound]})

    outcome = fit(tariff, profile=METER, loading=loading())

    assert isinstance(outcome, MeterTables) is fits
    if isinstance(outcome, Unfit):
        assert [misfit.place for misfit in outcome.misfits] == energy("steps.bounds_kwh[0]")


@pytest.mark.parametrize(
    ("window", "settlements"),
    [
        ({"window": "month"}, 0),
        ({"window": "cycle"}, 0),
        ({"window": "quarter"}, 4),
        ({"window": "year", "year_start": "07-28"}, 1),
    ],
)
def test_windows_of_months_quarters_and_years_fit(window: Mapping[str, str], settlements: int) -> None:
    tables = fitted(a_tariff(**steps(**window)))

    assert tables.prices is not None
    assert len(tables.prices.settlements) == settlements


def test_as_many_settlements_as_the_meter_has_fit_and_one_more_does_not() -> None:
    quarters = a_tariff(**steps(window="quarter"))

    fitted(quarters, profile=replace(METER, prices=replace(PRICES, settlements_max=4)))

    three = replace(METER, prices=replace(PRICES, settlements_max=3))
    assert places(quarters, profile=three) == energy("steps.window")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"window": "day"}, "steps.window"),
        ({"window": "year", "year_start": "01-29"}, "steps.year_start"),
        ({"kind": "slab"}, "steps.kind"),
        ({"scale": "day"}, "steps.scale"),
        ({"scale": "person"}, "steps.scale"),
        ({"scale": "kw"}, "steps.scale"),
        ({"prorate_moves": True}, "steps.prorate_moves"),
    ],
)
def test_steps_that_no_meter_takes_are_told_with_their_place(
    change: Mapping[str, object], place: str
) -> None:
    assert places(a_tariff(**steps(**change))) == energy(place)


def test_a_cycle_that_begins_inside_the_month_is_no_window_of_a_meter() -> None:
    by_cycle = a_tariff(**steps(window="cycle"), top={"cycle_day": 5})
    by_month = a_tariff(**steps(window="month"), top={"cycle_day": 5})

    assert places(by_cycle) == energy("steps.window")
    fitted(by_month)


@pytest.mark.parametrize("change", [{"scope": "period"}, {"allocation": "proportional"}])
def test_steps_per_period_or_in_proportion_need_a_single_period(change: Mapping[str, str]) -> None:
    [name] = change
    two = a_tariff(
        **a_calendar() | {"periods": [each | {"prices": ["0.5", "0.6"]} for each in TWO_PERIODS]},
        steps={"bounds_kwh": ["100"]} | change,
    )

    assert places(two) == energy(f"steps.{name}")
    fitted(a_tariff(**steps(**change)))


def test_steps_that_rise_differently_by_period_do_not_fit() -> None:
    periods = [TWO_PERIODS[0] | {"prices": ["0.6", "0.7"]}, TWO_PERIODS[1] | {"prices": ["0.3", "0.35"]}]

    tariff = a_tariff(**a_calendar() | {"periods": periods}, steps={"bounds_kwh": ["100"]})

    assert places(tariff) == energy("periods[1].prices[1]")


@pytest.mark.parametrize(
    "component",
    [
        {"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "5.00", "per": "month"},
        {"kind": "percent", "name": "VAT", "account": "tax", "percent": "13"},
        {"kind": "allowance", "name": "Free", "energy_kwh": "50"},
        {"kind": "minimum", "name": "Minimum", "amount": "10", "per": "cycle"},
        {
            "kind": "demand",
            "name": "Power",
            "periods": [{"name": "all", "prices": ["3"]}],
        },
    ],
    ids=lambda component: component["kind"],
)
def test_what_a_meter_cannot_deduct_is_the_platforms(component: Mapping[str, object]) -> None:
    assert places(a_tariff(others=(component,))) == ["components[1]"]


@pytest.mark.parametrize("place", ["lines", "net", "gross"])
def test_a_meter_rounds_its_running_total(place: str) -> None:
    assert places(a_tariff(top={"rounding": {"place": place}})) == ["rounding.place"]


def test_a_meter_rounds_half_up_in_hundredths() -> None:
    even = {"rounding": {"place": "running", "mode": "half_even"}}

    assert places(a_tariff(top=even)) == ["rounding.mode"]
    assert places(a_tariff(top={"currency": "VND"})) == ["currency"]


def test_every_reason_is_told_at_once() -> None:
    fixed = {"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "5", "per": "month"}
    energy = steps(7, kind="slab", window="day")

    found = places(a_tariff(**energy, others=(fixed,), top={"rounding": {"place": "lines"}}))

    assert found == [
        "components[1]",
        "rounding.place",
        "components[0].steps.window",
        "components[0].steps.kind",
        "components[0].steps.bounds_kwh",
    ]


# Rest days: one table for the whole year.


def test_saturday_that_differs_from_sunday_does_not_fit_one_rest_table() -> None:
    calendar = a_calendar(**{"every day": ""}, weekdays="work", saturday="half", sunday="rest")
    tables = {"work": DAY_AND_NIGHT, "rest": ["00:00 valley"], "half": ["00:00 valley", "08:00 peak"]}

    assert places(a_tariff(**calendar | {"day_tables": tables})) == energy("seasons")


def test_rest_days_that_differ_by_season_do_not_fit() -> None:
    summer = {"name": "summer", "from": "06-01", "every day": "noon"}
    winter = ALL_YEAR | {"weekdays": "work", "saturday": "rest", "sunday": "rest"}
    tables = {"work": DAY_AND_NIGHT, "rest": ["00:00 valley"], "noon": ["00:00 peak"]}

    calendar = a_calendar() | {"seasons": [winter, summer], "day_tables": tables}

    assert places(a_tariff(**calendar)) == energy("seasons")


def test_the_days_that_are_alike_all_year_can_be_the_rest_days() -> None:
    summer = {"name": "summer", "from": "06-01", "every day": "work"}
    winter = ALL_YEAR | {"weekdays": "work", "saturday": "rest", "sunday": "rest"}

    tables = fitted(a_tariff(**a_calendar() | {"seasons": [winter, summer]}))

    assert tables.rest_days == {0, 1, 2, 3, 4}
    assert [zone.table_no for zone in tables.zones] == [2, 1]


def test_a_meter_without_rest_days_takes_only_seven_days_that_are_alike() -> None:
    without = replace(METER, has_weekend=False)
    weekend = a_calendar(**{"every day": ""}, weekdays="work", saturday="rest", sunday="rest")

    fitted(a_tariff(**a_calendar()), profile=without)
    assert places(a_tariff(**weekend), profile=without) == energy("seasons")
