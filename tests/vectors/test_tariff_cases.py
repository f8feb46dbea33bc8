"""Rates, loads and bills from outside the project, agreed on by two independent calculations."""

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TypedDict

import pytest
from tests.unit.domain.tariff.parts import a_schedule, a_span, utc

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.checking import check
from compuerta.domain.tariff.components import Account, Allocation, Window
from compuerta.domain.tariff.document import mapping_of, tariff_from
from compuerta.domain.tariff.rating import rate as rate_history
from compuerta.domain.tariff.tally import Span
from compuerta.domain.tariff.urdb import bills_of_year, monthly_totals, tariff_from_urdb

SOURCE = Path(__file__).parents[2] / ".." / "shared" / "vectors"
if not (SOURCE / "tariff_cases.json").exists():
    pytest.skip("../shared/vectors/tariff_cases.json is not here", allow_module_level=True)

pytestmark = pytest.mark.outside

TOLERANCE = Fraction(1, 10**6)
MINOR = 100  # rates are read in dollars, whatever they are in


class Month(TypedDict):
    energy: float
    fixed: float
    minimum: float
    demand_flat: float
    demand_tou: float
    total: float


class Expected(TypedDict):
    months: list[Month]
    energy_exact_e12: list[str]


class Case(TypedDict):
    id: str
    rate: dict[str, object]
    load: str
    interval_minutes: int
    calendar_year: int
    tier_mode: str
    tier_accumulation: str
    expected: Expected


CASES: list[Case] = json.loads((SOURCE / "tariff_cases.json").read_text("utf-8"))["cases"]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])


@cache
def loads(interval_minutes: int) -> Mapping[str, Sequence[int]]:
    with gzip.open(SOURCE / f"tariff_loads_{interval_minutes}min.csv.gz", "rt", encoding="ascii") as lines:
        names, *rows = csv.reader(lines)
    columns = zip(*rows, strict=True)
    return {name: [int(each) for each in column] for name, column in zip(names, columns, strict=True)}


def load_of(case: Case) -> list[int]:
    return list(loads(case["interval_minutes"])[case["load"]])


def bills_of(case: Case) -> list[Bill]:
    tariff = tariff_from_urdb(
        case["rate"],
        tier_mode=Allocation(case["tier_mode"]),
        tier_accumulation=Window(case["tier_accumulation"]),
    )
    return bills_of_year(
        tariff, load_of(case), interval_minutes=case["interval_minutes"], year=case["calendar_year"]
    )


def of_kind(bill: Bill, account: Account, name: str = "") -> Fraction:
    exact = (line.exact for line in bill.lines if line.account is account and name in ("", line.name))
    return sum(exact, Fraction(0)) / MINOR


def test_there_are_all_the_cases_that_were_given() -> None:
    assert len(CASES) == 23


@pytest.mark.slow
@every_case
def test_the_twelve_totals_are_the_oracle_s(case: Case) -> None:
    totals = monthly_totals(
        case["rate"],
        load_of(case),
        case["interval_minutes"],
        case["calendar_year"],
        case["tier_mode"],
        case["tier_accumulation"],
    )

    assert len(totals) == 12
    for total, month in zip(totals, case["expected"]["months"], strict=True):
        assert abs(total - Fraction(month["total"])) < TOLERANCE


@pytest.mark.slow
@every_case
def test_energy_is_exact_and_each_kind_is_the_oracle_s(case: Case) -> None:
    bills = bills_of(case)

    exact = [of_kind(bill, Account.ENERGY) for bill in bills]
    assert exact == [Fraction(each) / 10**12 for each in case["expected"]["energy_exact_e12"]]
    for bill, month in zip(bills, case["expected"]["months"], strict=True):
        shown = {
            "fixed": of_kind(bill, Account.FIXED),
            "minimum": of_kind(bill, Account.MINIMUM),
            "demand_flat": of_kind(bill, Account.DEMAND, "Demand"),
            "demand_tou": of_kind(bill, Account.DEMAND, "Demand by time of use"),
        }
        for kind, amount in shown.items():
            assert abs(amount - Fraction(month[kind])) < TOLERANCE, kind  # type: ignore[literal-required]


@every_case
def test_a_rate_makes_a_tariff_without_faults_that_a_document_can_say(case: Case) -> None:
    tariff = tariff_from_urdb(case["rate"], tier_mode=Allocation(case["tier_mode"]))

    assert check(tariff) == []
    assert tariff_from(mapping_of(tariff)) == tariff


@pytest.mark.slow
@pytest.mark.parametrize("number", ["T21", "T32", "T34", "T39", "T45"])
def test_the_engine_fed_hour_by_hour_makes_the_same_bills(number: str) -> None:
    """The year above is aggregated; a meter is read, so the same must come of single uses."""
    case = next(case for case in CASES if case["id"] == number)
    tariff = tariff_from_urdb(
        case["rate"],
        tier_mode=Allocation(case["tier_mode"]),
        tier_accumulation=Window(case["tier_accumulation"]),
    )
    start, hour = utc(case["calendar_year"], 1, 1), utc(2018, 1, 1, 1) - utc(2018, 1, 1)
    spans: list[Span] = [
        a_span(start + at * hour, start + (at + 1) * hour, energy_wh)
        for at, energy_wh in enumerate(load_of(case))
    ]

    bills = rate_history(spans, schedule=a_schedule(tariff), start=start)

    assert [bill.exact for bill in bills] == [bill.exact for bill in bills_of(case)]
