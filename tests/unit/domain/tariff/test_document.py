"""A document reads as a tariff, and back; what cannot be read is refused at its place."""

import json
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.tariff.documents import FULL, changed, documents

from compuerta.domain.tariff.checking import check
from compuerta.domain.tariff.components import Account, HolidayList, Role, Slot, Window
from compuerta.domain.tariff.document import SLOTS_MAX, fingerprint, mapping_of, tariff_from
from compuerta.domain.tariff.reading import TariffMalformed, Tree

MINIMAL: dict[str, Tree] = {
    "name": "Flat",
    "currency": "CNY",
    "components": [{"kind": "energy", "name": "Energy", "periods": [{"name": "any", "prices": ["0.53"]}]}],
}


def test_a_document_that_says_everything_is_its_own_canonical_form() -> None:
    tariff = tariff_from(FULL)

    assert mapping_of(tariff) == FULL
    assert len(tariff.components) == 8


@pytest.mark.slow
@given(document=documents())
def test_a_tariff_survives_the_way_through_a_document(document: dict[str, Tree]) -> None:
    tariff = tariff_from(document)

    again = tariff_from(json.loads(json.dumps(mapping_of(tariff))))

    assert again == tariff
    assert fingerprint(again) == fingerprint(tariff)


def test_the_order_of_a_mapping_means_nothing() -> None:
    sorted_by_database = json.loads(json.dumps(FULL, sort_keys=True))

    assert tariff_from(sorted_by_database) == tariff_from(FULL)


def test_a_price_that_changes_changes_the_fingerprint() -> None:
    dearer = changed("components.1.price", "0.020000001")

    assert fingerprint(tariff_from(dearer)) != fingerprint(tariff_from(FULL))


def test_what_is_written_differently_and_says_the_same_has_the_same_fingerprint() -> None:
    wordy = changed("components.1.price", "0.0200")

    assert fingerprint(tariff_from(wordy)) == fingerprint(tariff_from(FULL))


def test_a_flat_tariff_needs_no_calendar() -> None:
    energy = tariff_from(MINIMAL).energy

    assert energy.periods[0].ladder.prices == (Fraction(53, 100),)
    assert energy.periods[0].role is Role.FLAT
    assert [table.slots for table in energy.calendar.day_tables] == [(Slot(start_min=0, period=0),)]
    assert energy.calendar.seasons[0].days == (0,) * 7
    assert mapping_of(tariff_from(MINIMAL)) == MINIMAL


def test_an_add_on_is_put_on_each_periods_price() -> None:
    energy = changed("components.0.add_on", ["0", "0.05", "0.30"])["components"][0]
    energy["periods"] = [{"name": "peak", "prices": ["0.617"]}, {"name": "valley", "prices": ["0.307"]}]

    periods = tariff_from(FULL | {"components": [energy]}).energy.periods

    assert periods[0].ladder.prices == (Fraction("0.617"), Fraction("0.667"), Fraction("0.917"))
    assert periods[1].ladder.prices == (Fraction("0.307"), Fraction("0.357"), Fraction("0.607"))


def test_a_period_may_have_bounds_of_its_own() -> None:
    document = changed("components.0.periods.1.bounds_kwh", [])

    peak, valley = tariff_from(document).energy.periods

    assert peak.ladder.bounds == (3_120_000, 4_800_500)
    assert valley.ladder.bounds == ()


def test_dates_that_yaml_has_read_already_are_taken() -> None:
    document = changed("components.0.holidays", {"national": [date(2026, 10, 1), "2026-10-02"]})

    lists = tariff_from(document).energy.calendar.holiday_lists

    assert lists == (HolidayList(name="national", dates=frozenset({date(2026, 10, 1), date(2026, 10, 2)})),)


def test_words_of_a_document_are_the_ones_of_the_trade() -> None:
    document = changed(
        "components.2", {"kind": "fixed", "name": "F", "account": "levy", "amount": "1", "per": "day"}
    )

    fixed = tariff_from(document).components[2]

    assert (fixed.account, fixed.per) == (Account.LEVY, Window.DAY)


@pytest.mark.parametrize(
    ("place", "value", "refused_at", "hint"),
    [
        ("name", 5, "name", "in quotes"),
        ("name", "", "name", "1 to"),
        ("name", "x" * 121, "name", "1 to"),
        ("name", " x", "name", "spaces"),
        ("name", "a\nb", "name", "control"),
        ("currency", "XXX", "currency", "CNY"),
        ("colour", "red", "colour", "not known"),
        ("cycle_day", "1", "cycle_day", "whole number"),
        ("cycle_day", True, "cycle_day", "whole number"),
        ("cycle_day", -1, "cycle_day", "from 0"),
        ("components", {}, "components", "list"),
        ("components", [FULL] * 33, "components", "at most 32"),
        ("components.0", "energy", "components[0]", "kind"),
        ("components.0.kind", "water", "components[0]", "kind"),
        ("components.0.periods", [], "components[0].periods", "at least one"),
        ("components.0.periods.0.prices.1", 0.667, "components[0].periods[0].prices[1]", "in quotes"),
        ("components.0.periods.0.prices.1", 1, "components[0].periods[0].prices[1]", "in quotes"),
        ("components.0.periods.0.prices.1", "1e3", "components[0].periods[0].prices[1]", "digits"),
        ("components.0.periods.0.prices.1", "0,5", "components[0].periods[0].prices[1]", "digits"),
        ("components.0.periods.0.prices.1", "٣", "components[0].periods[0].prices[1]", "digits"),
        ("components.0.periods.0.prices.1", "1" * 13, "components[0].periods[0].prices[1]", "digits"),
        (
            "components.0.periods.0.prices.1",
            "0.0000000001",
            "components[0].periods[0].prices[1]",
            "9 decimals",
        ),
        ("components.0.periods.0.role", "night", "components[0].periods[0].role", "deep_valley"),
        ("components.0.periods.0.price", "1", "components[0].periods[0].price", "not known"),
        ("components.0.steps.bounds_kwh.0", "0.0001", "components[0].steps.bounds_kwh[0]", "3 decimals"),
        ("components.0.steps.window", "week", "components[0].steps.window", "quarter"),
        ("components.0.steps.year_start", "1 March", "components[0].steps.year_start", "month and day"),
        ("components.0.steps.prorate_moves", "yes", "components[0].steps.prorate_moves", "true or false"),
        ("components.0.add_on", ["0"], "components[0].periods[0].prices", "one price"),
        ("components.0.day_tables.rest.0", "00:00 night", "components[0].day_tables.rest[0]", "peak, valley"),
        ("components.0.day_tables.rest.0", "0:00 valley", "components[0].day_tables.rest[0]", "06:00 peak"),
        ("components.0.day_tables.rest.0", 600, "components[0].day_tables.rest[0]", "06:00 peak"),
        ("components.0.day_tables", {}, "components[0].day_tables", "which period"),
        ("components.0.day_tables", {7: ["00:00 peak"]}, "components[0].day_tables", "in quotes"),
        ("components.0.seasons.0.sunday", "never", "components[0].seasons[0].sunday", "rest, working"),
        ("components.0.seasons.0.sunday", "", "components[0].seasons[0]", "sunday has no"),
        ("components.0.seasons.1.monday", "rest", "components[0].seasons[1].monday", "already"),
        ("components.0.seasons.0.from", 115, "components[0].seasons[0].from", "in quotes"),
        ("components.0.holidays.national.0", "2026-02-30", "components[0].holidays.national[0]", "calendar"),
        ("components.0.holidays.national.0", "20261001", "components[0].holidays.national[0]", "2026-10-01"),
        ("components.0.holidays.national.0", 20261001, "components[0].holidays.national[0]", "2026-10-01"),
        ("components.1.account", "income", "components[1].account", "energy"),
        ("components.7.least", "0.001", "components[7].least", "more than 2 decimals"),
        ("components.7.least", None, "components[7].least", "in quotes"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    place: str, value: object, refused_at: str, hint: str
) -> None:
    with pytest.raises(TariffMalformed) as refused:
        tariff_from(changed(place, value))

    assert refused.value.place == refused_at
    assert hint in refused.value.reason


def test_an_instant_is_no_date() -> None:
    document = changed("components.0.holidays", {"national": [datetime(2026, 10, 1, tzinfo=UTC)]})

    with pytest.raises(TariffMalformed):
        tariff_from(document)


@pytest.mark.parametrize("document", [None, [], "name: x", 5, {}, {1: 2}])
def test_what_is_no_mapping_of_a_tariff_is_refused(document: object) -> None:
    with pytest.raises(TariffMalformed):
        tariff_from(document)


def test_a_million_slots_are_refused_before_they_are_read() -> None:
    document = changed("components.0.day_tables", {"any": ["not even a slot"] * 1_000_000})

    with pytest.raises(TariffMalformed) as refused:
        tariff_from(document)

    assert f"at most {SLOTS_MAX}" in refused.value.reason


def places_below(node: object, place: str = "") -> list[str]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    below = [each for key, child in children for each in places_below(child, f"{place}.{key}")]
    return [place.removeprefix("."), *below]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@given(place=st.sampled_from(places_below(FULL)[1:]), value=junk)
def test_any_value_at_any_place_is_read_or_refused(place: str, value: object) -> None:
    document = changed(place, value)

    try:
        tariff = tariff_from(document)
    except TariffMalformed as refused:
        assert refused.reason
    else:
        assert check(tariff) or tariff_from(mapping_of(tariff)) == tariff
