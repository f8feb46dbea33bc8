"""Small cases that can be reckoned by hand; what can be wrong in them is a digit."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.unit.domain.tariff.hand_cases import CASES
from tests.unit.domain.tariff.parts import HOUR, a_calendar, a_schedule, a_span, a_tariff, an_energy, utc

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.components import (
    Account,
    ChangePolicy,
    Energy,
    Fixed,
    Percent,
    Rounding,
    RoundingMode,
    RoundingPlace,
    StepKind,
    Steps,
    Tariff,
    Window,
)
from compuerta.domain.tariff.rating import rate

MINOR = 100


def wh(kwh: str) -> int:
    return int(Fraction(kwh) * 1_000)


def major(amount: str) -> Fraction:
    return Fraction(amount)


def minor(amount: str) -> int:
    return int(Fraction(amount) * MINOR)


def to_digits(bill: Bill, digits: str) -> str:
    """The exact sum, in major units, at the last digit that is expected."""
    exact = bill.exact / MINOR
    return str((Decimal(exact.numerator) / exact.denominator).quantize(Decimal(digits)))


def stepped(tiers: list[list[str | None]], steps: Steps) -> Energy:
    return an_energy(
        [price for _, price in tiers if price is not None],
        bounds_wh=[wh(bound) for bound, _ in tiers if bound is not None],
        steps=steps,
    )


def bill_of(tariff: Tariff, energy_wh: int) -> Bill:
    """The bill of one use, an hour of 1 August 2026."""
    start = utc(2026, 8, 1)
    (bill,) = rate([a_span(start, start + HOUR, energy_wh)], schedule=a_schedule(tariff), start=start)
    return bill


@pytest.mark.parametrize("kind", StepKind)
@pytest.mark.parametrize("row", CASES["X1"]["expected"], ids=lambda row: row["kwh"])
def test_x1_a_bound_belongs_to_the_lower_step(row: dict[str, str], kind: StepKind) -> None:
    tariff = a_tariff(stepped(CASES["X1"]["tiers"], Steps(kind=kind)))

    bill = bill_of(tariff, wh(row["kwh"]))

    assert to_digits(bill, "0.000001") == row[kind.value]


@pytest.mark.parametrize("row", CASES["X8"]["expected"], ids=lambda row: str(row["wh"]))
def test_x8_one_watt_hour_over_a_bound_is_priced_alone(row: dict[str, Any]) -> None:
    tariff = a_tariff(an_energy(["1.0", "1.5"], bounds_wh=[100_000]))

    bill = bill_of(tariff, row["wh"])

    assert to_digits(bill, "0.000001") == row["amount"]


def x2_bill(rounding: Rounding) -> Bill:
    """Four lines, an hour of use in each of four periods, and 13 % on top."""
    lines = CASES["X2"]["lines"]
    energy = an_energy(
        *([price] for _, price in lines), calendar=a_calendar(working=[(0, 0), (1, 1), (2, 2), (3, 3)])
    )
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100))
    start = utc(2026, 8, 1)
    spans = [
        a_span(start + hour * HOUR, start + (hour + 1) * HOUR, wh(kwh)) for hour, (kwh, _) in enumerate(lines)
    ]
    (bill,) = rate(spans, schedule=a_schedule(a_tariff(energy, vat, rounding=rounding)), start=start)
    return bill


def test_x2_lines_rounded_one_by_one_add_up() -> None:
    expected = CASES["X2"]["expected"]

    bill = x2_bill(Rounding(place=RoundingPlace.LINES))

    energy = [line.amount_minor for line in bill.lines if line.account is Account.ENERGY]
    assert energy == [minor(amount) for amount in expected["line_amounts"]]
    assert bill.by_account() == {
        Account.ENERGY: minor(expected["net_round_lines"]),
        Account.TAX: minor(expected["vat_round_lines"]),
    }
    assert bill.total_minor == minor(expected["gross_round_lines"])


def test_x2_tax_is_of_the_rounded_net() -> None:
    expected = CASES["X2"]["expected"]

    bill = x2_bill(Rounding(place=RoundingPlace.NET))

    assert bill.by_account()[Account.ENERGY] == minor(expected["net_round_total"])
    assert bill.total_minor == minor(expected["net_round_total_then_vat"])


@pytest.mark.parametrize("place", [RoundingPlace.GROSS, RoundingPlace.RUNNING])
@pytest.mark.parametrize(
    ("mode", "key"),
    [(RoundingMode.HALF_UP, "gross_round_total"), (RoundingMode.HALF_EVEN, "gross_half_even")],
)
def test_x2_the_whole_is_rounded_once(place: RoundingPlace, mode: RoundingMode, key: str) -> None:
    expected = CASES["X2"]["expected"]

    bill = x2_bill(Rounding(place=place, mode=mode))

    net = sum(line.exact for line in bill.lines if line.account is Account.ENERGY)
    assert net == major(expected["net_exact"]) * MINOR
    assert bill.total_minor == minor(expected[key]) == sum(bill.by_account().values())


@pytest.mark.parametrize("place", RoundingPlace)
@pytest.mark.parametrize("row", CASES["X2b"]["expected"], ids=lambda row: row["gross"])
def test_x2b_an_included_tax_is_told_apart_to_the_last_unit(
    row: dict[str, str], place: RoundingPlace
) -> None:
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(15, 100), included=True)
    tariff = a_tariff(an_energy(["1"]), vat, rounding=Rounding(place=place))

    bill = bill_of(tariff, wh(row["gross"]))

    assert bill.total_minor == minor(row["gross"])
    assert bill.by_account() == {Account.ENERGY: minor(row["net"]), Account.TAX: minor(row["vat"])}


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (ChangePolicy.CONTINUE, "continue_accumulation"),
        (ChangePolicy.RESET, "reset_at_change"),
        (ChangePolicy.PRORATE, "prorated_thresholds_14_17_of_31"),
    ],
)
def test_x4_a_change_within_a_month_does_what_its_policy_says(policy: ChangePolicy, key: str) -> None:
    steps = Steps(on_change=policy)
    change = datetime(2026, 8, 15)  # noqa: DTZ001 the wall clock's
    schedule = a_schedule(
        a_tariff(stepped(CASES["X4"]["old"], steps)),
        a_tariff(stepped(CASES["X4"]["new"], steps)),
        changes=[change],
    )
    start, middle, end = utc(2026, 8, 1), utc(2026, 8, 15), utc(2026, 8, 31)

    (bill,) = rate(
        [a_span(start, middle, wh("70")), a_span(middle, end, wh("95"))], schedule=schedule, start=start
    )

    assert to_digits(bill, "0.000001") == CASES["X4"]["expected"][key]


@pytest.mark.parametrize("day", CASES["X5"]["expected"])
@pytest.mark.parametrize("weekend_alike", [False, True])
def test_x5_a_day_of_23_or_25_hours_has_its_own_slots(day: str, *, weekend_alike: bool) -> None:
    expected = CASES["X5"]["expected"][day]
    working = [(0, 0), (8, 1), (10, 2), (14, 1), (18, 2), (22, 1)]
    calendar = a_calendar(working=working, weekend=None if weekend_alike else [(0, 0)])
    tariff = a_tariff(an_energy(["1"], ["1"], ["1"], calendar=calendar))
    start = datetime.fromisoformat(expected["start_utc"])

    (bill,) = rate(
        [a_span(start + hour * HOUR, start + (hour + 1) * HOUR, 1_000) for hour in range(expected["hours"])],
        schedule=a_schedule(tariff, zone="Europe/Madrid"),
        start=start,
    )

    used = {line.period: int(line.quantity) // 1_000 for line in bill.lines}
    key = "kwh_by_period_if_every_day_is_workday" if weekend_alike else "kwh_by_period_weekend_rule"
    assert [used.get(f"p{period}", 0) for period in range(3)] == expected[key]


@pytest.mark.parametrize(("prorated", "key"), [(True, "energy_prorated"), (False, "energy_not_prorated")])
def test_x6_who_moves_in_gets_the_days_that_are_left(*, prorated: bool, key: str) -> None:
    expected = CASES["X6"]["expected"]
    energy = an_energy(["1.0", "1.5"], bounds_wh=[100_000], steps=Steps(prorate_moves=prorated))
    fixed = Fixed(name="Fixed", account=Account.FIXED, amount=Fraction(31), per=Window.MONTH)
    start, end = utc(2026, 1, 22), utc(2026, 2, 1)

    (bill,) = rate([a_span(start, end, 40_000)], schedule=a_schedule(a_tariff(energy, fixed)), start=start)

    assert bill.by_account()[Account.FIXED] == minor(expected["fixed_prorated"])
    exact = Fraction(sum(line.exact for line in bill.lines if line.account is Account.ENERGY)) / MINOR
    assert abs(exact - major(expected[key])) <= Fraction(1, 2_000_000)
    if prorated:
        bound = bill.lines[0].to_wh
        assert bound is not None
        assert abs(Fraction(bound, 1_000) - major(expected["threshold_prorated_kwh"])) <= Fraction(
            1, 2_000_000
        )
