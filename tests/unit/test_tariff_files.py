"""The library of tariffs: every file is a tariff without faults; a wrong file is refused with its line."""

from pathlib import Path

import pytest

from compuerta.adapters.tariffs import load_tariff, load_tariffs
from compuerta.adapters.yaml_files import FileRefused
from compuerta.domain.tariff.document import mapping_of, tariff_from

TARIFFS = Path(__file__).parents[2] / "tariffs"


def test_every_tariff_of_the_house_loads() -> None:
    tariffs = load_tariffs(TARIFFS)

    assert len(tariffs) == 7
    assert len({tariff.name for tariff in tariffs.values()}) == 7
    assert all(tariff_from(mapping_of(tariff)) == tariff for tariff in tariffs.values())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"1.5000"', "1.5000", ":8: components[0].periods[0].prices[1]: write it in quotes"),
        (', "1.5000"', "", ":8: components[0].periods[0].prices: write 2 prices"),
        ('"100"]', '"0"]', ":9: components[0].steps.bounds_kwh[0]: steps must rise"),
        ("    steps:", "    stairs:", ":9: components[0].stairs: is not known"),
        ("currency: CNY\n", "", ":2: currency is missing"),
        ("currency: CNY", "currency: CNY\ncurrency: EUR", ":4: currency: comes twice"),
        ("currency: CNY", "currency: 2026-02-30", ":1: has a value of no type"),
        ("currency: CNY", "currency: !!bool maybe", ":1: has a value of no type"),
        ("currency: CNY", "currency: !!timestamp soon", ":1: has a value of no type"),
        ("    steps:", f"    a[{'b' * 130}:", ":5: components[0].a["),
        (
            "window: month",
            "window: year, year_start: 02-29",
            ":9: components[0].steps.year_start: write a day",
        ),
    ],
)
def test_a_wrong_file_is_refused_at_its_line(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = (TARIFFS / "monthly-two-steps.yaml").read_text()
    assert before in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(before, after))

    with pytest.raises(FileRefused) as refused:
        load_tariff(path)

    assert f"wrong.yaml{said}" in str(refused.value)
