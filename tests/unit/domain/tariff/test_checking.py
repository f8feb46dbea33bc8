"""All faults of a tariff are told at once, each at its place."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from tests.unit.domain.tariff.documents import FULL, changed, documents

from compuerta.domain.tariff.checking import TariffFaulty, check, check_change, refuse_faults
from compuerta.domain.tariff.components import HolidayList, Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.reading import Tree


def places(tariff: Tariff) -> list[str]:
    return [fault.place for fault in check(tariff)]


@pytest.mark.slow
@given(document=documents())
def test_a_good_tariff_has_no_fault(document: dict[str, Tree]) -> None:
    tariff = tariff_from(document)

    assert check(tariff) == []
    assert check_change(tariff, before=tariff) == []


def test_a_tariff_that_says_everything_has_no_fault() -> None:
    refuse_faults(tariff_from(FULL))


def test_all_faults_are_told_at_once() -> None:
    document = changed("components.0.steps.bounds_kwh", ["4800", "3120"])
    document["cycle_day"] = 29
    document["components"][4]["base"] = ["Nothing"]

    with pytest.raises(TariffFaulty) as refused:
        refuse_faults(tariff_from(document))

    assert [fault.place for fault in refused.value.faults] == [
        "cycle_day",
        "components[0].steps.bounds_kwh[1]",
        "components[4].base[0]",
    ]
    assert "Nothing is no line of the bill" in str(refused.value)


@pytest.mark.parametrize(
    ("place", "value", "refused_at"),
    [
        ("cycle_day", 0, "cycle_day"),
        ("cycle_day", 29, "cycle_day"),
        ("components", [], "components"),
        ("components.0.periods.1.prices", ["1", "2"], "components[0].periods[1].prices"),
        ("components.0.periods.1.prices", [], "components[0].periods[1].prices"),
        ("components.0.periods.1.prices.2", "-0.01", "components[0].periods[1].prices[2]"),
        ("components.0.periods.1.prices.2", "1000000001", "components[0].periods[1].prices[2]"),
        ("components.0.periods.1.bounds_kwh", ["2", "2"], "components[0].periods[1].bounds_kwh[1]"),
        ("components.0.steps.bounds_kwh", ["0", "1"], "components[0].steps.bounds_kwh[0]"),
        ("components.0.steps.bounds_kwh", ["-1", "1"], "components[0].steps.bounds_kwh[0]"),
        ("components.0.steps.year_start", "02-29", "components[0].steps.year_start"),
        ("components.0.steps.year_start", "01-29", "components[0].steps.year_start"),
        ("components.0.steps.household", {"persons": 5}, "components[0].steps.household"),
        ("components.0.day_tables.rest", [], "components[0].day_tables.rest"),
        ("components.0.day_tables.rest.0", "00:01 peak", "components[0].day_tables.rest[0]"),
        ("components.0.day_tables.working.2", "06:00 peak", "components[0].day_tables.working[2]"),
        ("components.0.day_tables.working.2", "24:00 peak", "components[0].day_tables.working[2]"),
        ("components.0.seasons.1.from", "01-15", "components[0].seasons[1].from"),
        ("components.0.seasons.1.from", "02-29", "components[0].seasons[1].from"),
        ("components.0.seasons.1.from", "13-01", "components[0].seasons[1].from"),
        ("components.0.seasons.1.from", "06-31", "components[0].seasons[1].from"),
        ("components.0.seasons.1.from", "06-00", "components[0].seasons[1].from"),
        ("components.0.seasons.1.name", "winter", "components[0].seasons[1].name"),
        ("components.0.seasons.0.holidays", {}, "components[0].holidays.national"),
        ("components.2.name", "Lighting", "components[2].name"),
        ("components.1.price", "-0.02", "components[1].price"),
        ("components.2.amount", "-5", "components[2].amount"),
        ("components.3.interval_minutes", 0, "components[3].interval_minutes"),
        ("components.3.interval_minutes", 45, "components[3].interval_minutes"),
        ("components.3.interval_minutes", 60, "components[3].day_tables.any[1]"),
        ("components.3.periods.0.prices.0", "-1", "components[3].periods[0].prices[0]"),
        ("components.3.ratchet", {"months": 11}, "components[3].ratchet"),
        ("components.3.ratchet.percent", "101", "components[3].ratchet.percent"),
        ("components.3.ratchet.months", 25, "components[3].ratchet.months"),
        ("components.4.percent", "0", "components[4].percent"),
        ("components.4.percent", "101", "components[4].percent"),
        ("components.4.percent", "-13", "components[4].percent"),
        ("components.4.base", ["Minimum"], "components[4].base[0]"),
        ("components.4.base", ["VAT"], "components[4].base[0]"),
        ("components.4.base", ["Energy", "Energy"], "components[4].base[1]"),
        ("components.5.energy_kwh", "0", "components[5].energy_kwh"),
        ("components.6.base", ["Free units"], "components[6].base[0]"),
        ("components.6.per", "month", "components[6].per"),
        ("components.7.percent", "0", "components[7].percent"),
        ("components.7.least", "-1.00", "components[7].least"),
    ],
)
def test_a_fault_is_told_at_its_place(place: str, value: object, refused_at: str) -> None:
    tariff = tariff_from(changed(place, value))

    assert places(tariff) == [refused_at]


def test_negative_prices_pass_where_they_are_meant() -> None:
    document = changed("components.0.periods.1.prices.2", "-0.01")
    document["components"][0]["negative_allowed"] = True

    assert places(tariff_from(document)) == []


def test_a_second_of_what_there_is_once_is_refused() -> None:
    first = FULL["components"]
    again = [each | {"name": f"Second {number}"} for number, each in enumerate(first)]

    faults = places(tariff_from(FULL | {"components": first + again}))

    assert faults == ["components[8]", "components[13]", "components[15]", "components[14]"]


def test_all_demands_measure_the_same_intervals() -> None:
    other = FULL["components"][3] | {"name": "Second", "interval_minutes": 15}

    faults = places(tariff_from(FULL | {"components": [*FULL["components"], other]}))

    assert faults == ["components[8].interval_minutes"]


@pytest.mark.parametrize(
    ("steps", "is_refused"),
    [
        ({"kind": "slab", "window": "cycle"}, False),
        ({"kind": "slab", "window": "month"}, True),  # bills begin on day 15
        ({"kind": "slab", "window": "quarter"}, True),
        ({"kind": "slab", "window": "year", "year_start": "03-15"}, True),
        ({"kind": "slab", "window": "day"}, True),
        ({"allocation": "proportional", "window": "day"}, True),
        ({"allocation": "proportional", "window": "cycle"}, False),
        ({"allocation": "proportional", "window": "month"}, True),
        ({"allocation": "proportional", "window": "year", "year_start": "03-15"}, False),
        ({"allocation": "proportional", "window": "year", "year_start": "03-01"}, True),
        ({"allocation": "chronological", "window": "day"}, False),
        ({"allocation": "chronological", "window": "month"}, False),
    ],
)
def test_steps_that_a_bill_decides_begin_with_a_bill(steps: dict[str, Tree], is_refused: bool) -> None:
    tariff = tariff_from(changed("components.0.steps", {"bounds_kwh": ["1", "2"], **steps}))

    assert places(tariff) == (["components[0].steps.window"] if is_refused else [])


def test_slab_steps_are_not_shared_as_well() -> None:
    steps = {"bounds_kwh": ["1", "2"], "kind": "slab", "window": "cycle", "allocation": "proportional"}

    assert places(tariff_from(changed("components.0.steps", steps))) == ["components[0].steps.allocation"]


def percent(name: str, **fields: Tree) -> dict[str, Tree]:
    return {"kind": "percent", "name": name, "account": "tax", "percent": "5", "included": True, **fields}


@pytest.mark.parametrize(
    ("extra", "refused_at"),
    [
        ([percent("a", base=["Energy"])], []),
        ([percent("a", base=["Energy"]), percent("b", base=["Lighting"])], []),
        ([percent("a", base=["Energy"]), percent("b", base=["Energy"])], ["components[9].base"]),
        ([percent("a", base=["Energy"], account="subsidy")], ["components[8].account"]),
        ([percent("a", base=["Energy", "Lighting"])], ["components[8].base"]),  # two accounts
        ([percent("a", base=["VAT"])], ["components[8].base"]),
        ([percent("a")], ["components[8].base"]),
        ([percent("a", base=["Energy"]), percent("b", base=["Energy"], included=False)], []),
    ],
)
def test_what_is_included_is_told_apart_once(extra: list[Tree], refused_at: list[str]) -> None:
    tariff = tariff_from(FULL | {"components": FULL["components"] + extra})

    assert places(tariff) == refused_at


def test_a_percent_of_nothing_is_refused() -> None:
    tariff = tariff_from(FULL | {"components": [percent("a", included=False), FULL["components"][0]]})

    assert places(tariff) == ["components[0]"]


def with_lists(*lists: HolidayList, holidays: tuple[tuple[str, int], ...]) -> Tariff:
    tariff = tariff_from(FULL)
    calendar = tariff.energy.calendar
    seasons = tuple(replace(season, holidays=holidays) for season in calendar.seasons)
    energy = replace(tariff.energy, calendar=replace(calendar, seasons=seasons, holiday_lists=lists))
    return replace(tariff, components=(energy, *tariff.components[1:]))


def test_two_lists_may_not_disagree_on_a_date() -> None:
    lists = [HolidayList(name=name, dates=frozenset({date(2026, 10, 1)})) for name in ("city", "land")]

    disagreeing = with_lists(*lists, holidays=(("city", 0), ("land", 1)))
    agreeing = with_lists(*lists, holidays=(("city", 0), ("land", 0)))

    assert places(disagreeing) == [f"components[0].seasons[{season}].holidays.land" for season in (0, 1)]
    assert places(agreeing) == []


def test_a_list_that_is_not_there_is_refused() -> None:
    tariff = with_lists(holidays=(("city", 0),))

    assert places(tariff) == [f"components[0].seasons[{season}].holidays.city" for season in (0, 1)]


def test_two_periods_of_one_name_are_refused() -> None:
    tariff = tariff_from(FULL)
    twins = (tariff.energy.periods[0],) * 2
    energy = replace(tariff.energy, periods=twins)

    assert places(replace(tariff, components=(energy,))) == ["components[0].periods[1].name"]


def test_a_price_that_no_document_can_hold_is_refused() -> None:
    tariff = tariff_from(FULL)
    endless = replace(tariff.components[1], price=Fraction(1, 3))

    assert places(replace(tariff, components=(tariff.energy, endless))) == ["components[1].price"]


def follow(before: dict[str, Tree], after: dict[str, Tree]) -> list[str]:
    first, second = (tariff_from(changed("components.0.steps", steps)) for steps in (before, after))
    assert check(first) == check(second) == []
    return [fault.place for fault in check_change(second, before=first)]


@pytest.mark.parametrize("policy", ["continue", "reset", "prorate"])
@pytest.mark.parametrize(("window", "goes_on"), [("month", True), ("year", False)])
def test_a_total_goes_on_only_in_the_same_window(policy: str, window: str, goes_on: bool) -> None:
    before: dict[str, Tree] = {"bounds_kwh": ["1", "2"]}

    found = follow(before, before | {"window": window, "on_change": policy})

    assert found == ([] if goes_on or policy != "continue" else ["components[0].steps.on_change"])


def test_each_periods_total_needs_the_same_periods() -> None:
    document = changed("components.0.steps", {"bounds_kwh": ["1", "2"], "scope": "period"})
    before = tariff_from(document)
    renamed = replace(before.energy.periods[0], name="day")
    energy = replace(before.energy, periods=(renamed, before.energy.periods[1]))
    after = replace(before, components=(energy, *before.components[1:]))

    assert [fault.place for fault in check_change(after, before=before)] == ["components[0].steps.on_change"]
    assert check_change(before, before=before) == []


def test_a_tariff_in_another_currency_cannot_follow() -> None:
    before = tariff_from(FULL)

    faults = check_change(replace(before, currency="EUR"), before=before)

    assert [fault.place for fault in faults] == ["currency"]
