"""Fields of forms: one reading of what people type, and nothing guessed."""

from datetime import UTC, datetime

import pytest

from compuerta.apps.console import fields
from compuerta.apps.console.fields import FieldOdd


@pytest.mark.parametrize(
    ("text", "energy_wh"), [("", None), (" 12 ", 12_000), ("12,5", 12_500), ("0.001", 1), ("0", 0)]
)
def test_energy_is_read_to_the_watt_hour(text: str, energy_wh: int | None) -> None:
    assert fields.energy_wh({"kwh": text}, "kwh") == energy_wh


@pytest.mark.parametrize("text", ["-1", "0.0001", "1e999999", "Infinity", "NaN", "1 000", "1.000,5", "x"])
def test_energy_that_cannot_be_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(FieldOdd) as refused:
        fields.energy_wh({"kwh": text}, "kwh")

    assert refused.value.field == "kwh"


@pytest.mark.parametrize("text", ["-1", "1.5", "٣", "9" * 5_000, "3000000000"])
def test_a_number_that_is_not_whole_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(FieldOdd):
        fields.whole({"persons": text}, "persons")


def test_an_instant_is_of_the_sites_clock_unless_it_says_otherwise() -> None:
    local = fields.instant({"end": "2026-07-01T08:00"}, "end", zone="Asia/Shanghai")
    offset = fields.instant({"end": "2026-07-01T08:00+02:00"}, "end", zone="Asia/Shanghai")

    assert local == datetime(2026, 7, 1, 0, tzinfo=UTC)
    assert offset == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert fields.instant({}, "end", zone="Asia/Shanghai") is None


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00", "0001-01-01T00:00"])
def test_an_instant_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(FieldOdd):
        fields.instant({"end": text}, "end", zone="Asia/Shanghai")
