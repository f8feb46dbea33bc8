"""What differs between two tariffs is told in words, all of it."""

import pytest
from hypothesis import given
from tests.unit.domain.tariff.documents import FULL, changed, documents

from compuerta.domain.tariff.diff import Difference, differences
from compuerta.domain.tariff.document import mapping_of, tariff_from
from compuerta.domain.tariff.reading import Tree


def difference(place: str, value: object) -> tuple[Difference, ...]:
    return differences(tariff_from(FULL), tariff_from(changed(place, value)))


def test_a_tariff_does_not_differ_from_itself() -> None:
    assert differences(tariff_from(FULL), tariff_from(FULL)) == ()


def test_where_there_was_no_tariff_all_of_it_is_told() -> None:
    tariff = tariff_from(FULL)

    found = differences(None, tariff)

    assert {each.before for each in found} == {None}
    assert {each.name for each in tariff.components} <= {each.place for each in found}


@pytest.mark.slow
@given(old=documents(), new=documents())
def test_tariffs_without_differences_say_the_same(old: dict[str, Tree], new: dict[str, Tree]) -> None:
    before, after = tariff_from(old), tariff_from(new)

    assert (differences(before, after) == ()) == (mapping_of(before) == mapping_of(after))


def test_a_price_is_told_with_its_period_and_step() -> None:
    found = difference("components.0.periods.1.prices.2", "0.7")

    assert found == (
        Difference(
            place="Energy, valley, price of step 3", before="0.607 CNY per kWh", after="0.7 CNY per kWh"
        ),
    )


def test_a_component_that_goes_leaves_nothing() -> None:
    shorter = tariff_from(FULL | {"components": FULL["components"][:-1]})

    found = differences(tariff_from(FULL), shorter)

    assert [each.place for each in found] == ["Lines in order", "Arrears"]
    assert found[1].before == "25 % of a payment, at least 1.00 CNY"
    assert found[1].after is None


def test_a_holiday_more_is_told_by_its_date() -> None:
    found = difference("components.0.holidays", {"national": ["2026-10-01", "2026-10-02", "2026-10-03"]})

    assert found == (Difference(place="Energy, national 2026-10-03", before=None, after="holiday"),)


def test_what_a_flat_tariff_does_not_use_yet_is_told_too() -> None:
    flat = {"kind": "energy", "name": "Energy", "periods": [{"name": "any", "prices": ["1"]}]}
    before, after = (
        tariff_from(FULL | {"components": [flat | {"steps": steps}]})
        for steps in ({}, {"year_start": "07-01"})
    )

    found = differences(before, after)

    assert found == (Difference(place="Energy, year of the steps begins", before="01-01", after="07-01"),)


def test_every_place_of_the_full_document_is_told() -> None:
    changes: list[tuple[str, object]] = [
        ("name", "x"),
        ("currency", "EUR"),
        ("cycle_day", 2),
        ("rounding.place", "net"),
        ("rounding.mode", "half_up"),
        ("components.0.name", "x"),
        ("components.0.periods.0.role", "sharp"),
        ("components.0.steps.window", "month"),
        ("components.0.steps.kind", "slab"),
        ("components.0.steps.scope", "period"),
        ("components.0.steps.allocation", "proportional"),
        ("components.0.steps.bounds_kwh.1", "4800"),
        ("components.0.steps.scale", "kw"),
        ("components.0.steps.on_change", "reset"),
        ("components.0.steps.prorate_moves", False),
        ("components.0.steps.year_start", "03-16"),
        ("components.0.steps.household.persons", 6),
        ("components.0.steps.household.extra_kwh", "101"),
        ("components.0.day_tables.working.1", "06:01 peak"),
        ("components.0.seasons.0.name", "x"),
        ("components.0.seasons.0.from", "01-16"),
        ("components.0.seasons.0.sunday", "working"),
        ("components.0.seasons.0.holidays.national", "working"),
        ("components.0.holidays.national.0", "2026-10-03"),
        ("components.0.negative_allowed", True),
        ("components.1.account", "fee"),
        ("components.1.price", "0.03"),
        ("components.2.account", "fee"),
        ("components.2.amount", "6"),
        ("components.2.per", "day"),
        ("components.3.interval_minutes", 15),
        ("components.3.periods.1.bounds_kw.0", "11"),
        ("components.3.ratchet.months", 10),
        ("components.3.ratchet.percent", "70"),
        ("components.4.account", "levy"),
        ("components.4.percent", "14"),
        ("components.4.base", []),
        ("components.4.included", True),
        ("components.5.energy_kwh", "51"),
        ("components.5.window", "cycle"),
        ("components.5.counts_in_steps", False),
        ("components.6.amount", "11"),
        ("components.6.per", "year"),
        ("components.6.base", ["Energy"]),
        ("components.7.percent", "26"),
        ("components.7.least", "2.00"),
    ]

    untold = [place for place, value in changes if not difference(place, value)]

    assert untold == []
