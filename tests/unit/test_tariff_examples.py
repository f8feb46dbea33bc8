"""The worked examples of docs/tariffs.md are what rating computes, line by line."""

import doctest
import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from compuerta.adapters.tariffs import load_tariff
from compuerta.domain.money import format_minor, minor_digits
from compuerta.domain.tariff.bill import Bill, Line, Unit
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import decimal_text
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.schedule import Version, in_force
from compuerta.domain.tariff.tally import Span

ROOT = Path(__file__).parents[2]
SECTIONS = [
    section
    for section in re.split(r"^## ", (ROOT / "docs/tariffs.md").read_text(), flags=re.MULTILINE)
    if "Bill from" in section
]


def title_of(section: str) -> str:
    return section.partition("\n")[0]


def rows(table: str) -> list[list[str]]:
    """The rows of a Markdown table, without its two heading lines."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def bill_of(section: str, *, tariff: Tariff) -> Bill:
    """The bill that the section shows, computed from the use that it shows."""
    use, bill = section.split("Bill from ")
    zone_name = re.findall(r"^Use in (\S+):$", use, re.MULTILINE)[0]
    zone = ZoneInfo(zone_name)

    def instant(day: str) -> datetime:
        return datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)

    spans = [
        Span(start=instant(start), end=instant(end), energy_wh=int(Fraction(kwh) * 1_000))
        for start, end, kwh in rows(use.split("Use in")[1])
    ]
    version = Version(
        tariff_id=1,
        version_no=1,
        effective_from=datetime(2020, 1, 1),  # noqa: DTZ001 local on purpose
        tariff=tariff,
    )
    schedule = in_force((version,), zone=zone_name)
    start = instant(bill[:10])
    return next(each for each in rate(spans, schedule=schedule, start=spans[0].start) if each.start == start)


def row_of(line: Line, *, currency: str) -> list[str]:
    """A line as the document shows it."""
    step = "" if line.step is None else f"step {line.step + 1}"
    price = decimal_text(line.price) if line.unit is not Unit.MINOR else _share(line.price)
    match line.unit:
        case Unit.WH:
            quantity = f"{decimal_text(line.quantity / 1_000)} kWh"
        case Unit.MINOR:
            quantity = f"of {decimal_text(line.quantity / 10 ** minor_digits(currency))}"
        case unit:
            quantity = f"{decimal_text(line.quantity)} {unit.value}"
    name = ", ".join(filter(None, [line.name, line.period, step]))
    return [name, quantity, price, format_minor(line.amount_minor, currency=currency)]


def _share(share: Fraction) -> str:
    is_decimal = 10**11 % share.denominator == 0
    return f"{decimal_text(share * 100)} %" if is_decimal else str(share)


@pytest.mark.parametrize("section", SECTIONS, ids=title_of)
def test_the_example_is_what_rating_computes(section: str) -> None:
    name = re.findall(r"`tariffs/(.+)\.yaml`", section)[0]
    tariff = load_tariff(ROOT / "tariffs" / f"{name}.yaml")

    bill = bill_of(section, tariff=tariff)

    *lines, total = rows(section.split("Bill from ")[1])
    assert [row_of(line, currency=tariff.currency) for line in bill.lines] == lines
    assert total == ["total", "", "", format_minor(bill.total_minor, currency=tariff.currency)]
    assert sum(line.amount_minor for line in bill.lines) == bill.total_minor


def test_what_is_shown_in_python_is_what_python_says() -> None:
    results = doctest.testfile(str(ROOT / "docs/tariffs.md"), module_relative=False)

    assert results.attempted > 0
    assert results.failed == 0


def test_every_tariff_of_the_house_has_an_example() -> None:
    shown = {name for section in SECTIONS for name in re.findall(r"`tariffs/(.+)\.yaml`", section)}

    assert shown == {path.stem for path in (ROOT / "tariffs").glob("*.yaml")}
