"""Exact money made of cells, and how it is rounded."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from tests.unit.domain.tariff.hand_cases import CASES
from tests.unit.domain.tariff.parts import a_calendar, a_schedule, a_span, a_tariff, an_energy, utc

from compuerta.domain.tariff.bill import Bill, Unit, bill, rounded
from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Allowance,
    Component,
    Demand,
    Energy,
    Fixed,
    Ladder,
    Minimum,
    Percent,
    Period,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    StepKind,
    Steps,
    Window,
)
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.tally import count_days, opened

MAY = utc(2026, 5, 1)
JUNE = utc(2026, 6, 1)
DAY = timedelta(days=1)
VAT = Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100))


def case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CASES[name]
    return found


def the_bill(
    energy: Energy,
    *others: Component,
    energy_wh: int = 0,
    rounding: Rounding | None = None,
    start: datetime = MAY,
    end: datetime = JUNE - DAY,
) -> Bill:
    """The bill of one use, which is still open unless it ends with a cycle."""
    schedule = a_schedule(a_tariff(energy, *others, rounding=rounding))
    return rate([a_span(start, end, energy_wh)], schedule=schedule, start=start)[0]


@pytest.mark.parametrize("kind", StepKind)
def test_steps_price_to_the_last_digit(kind: StepKind) -> None:
    vector = case("X1")
    bounds = [int(bound) * 1000 for bound, _ in vector["tiers"] if bound]
    energy = an_energy([price for _, price in vector["tiers"]], bounds_wh=bounds, steps=Steps(kind=kind))

    for expected in vector["expected"]:
        found = the_bill(energy, energy_wh=int(Fraction(expected["kwh"]) * 1000))
        assert found.exact == Fraction(expected[kind.value]) * 100


def test_the_edges_of_a_step_in_watt_hours() -> None:
    for expected in case("X8")["expected"]:
        found = the_bill(an_energy(("1", "1.5"), bounds_wh=[100_000]), energy_wh=expected["wh"])
        assert found.exact == Fraction(expected["amount"]) * 100


@pytest.mark.parametrize(
    ("place", "mode", "total"),
    [
        (RoundingPlace.LINES, RoundingMode.HALF_UP, "gross_round_lines"),
        (RoundingPlace.NET, RoundingMode.HALF_UP, "net_round_total_then_vat"),
        (RoundingPlace.GROSS, RoundingMode.HALF_UP, "gross_round_total"),
        (RoundingPlace.GROSS, RoundingMode.HALF_EVEN, "gross_half_even"),
        (RoundingPlace.RUNNING, RoundingMode.HALF_UP, "gross_round_total"),
    ],
)
def test_the_place_of_rounding_decides_the_last_cent(
    place: RoundingPlace, mode: RoundingMode, total: str
) -> None:
    vector = case("X2")
    quantities = [int(Fraction(kwh) * 1000) for kwh, _ in vector["lines"]]
    energy = an_energy(*([price] for _, price in vector["lines"]), calendar=a_calendar(working=QUARTERS))
    schedule = a_schedule(a_tariff(energy, VAT, rounding=Rounding(place=place, mode=mode)))
    use = a_span(MAY, MAY + DAY, sum(quantities), tuple(quantities))

    [found] = rate([use], schedule=schedule, start=MAY)

    assert Fraction(found.total_minor, 100) == Fraction(vector["expected"][total])
    assert sum(line.amount_minor for line in found.lines) == found.total_minor
    if place is RoundingPlace.LINES:
        shown = [Fraction(line.amount_minor, 100) for line in found.lines]
        lines = [*vector["expected"]["line_amounts"], vector["expected"]["vat_round_lines"]]
        assert shown == [Fraction(line) for line in lines]


QUARTERS = [(0, 0), (6, 1), (12, 2), (18, 3)]


@pytest.mark.parametrize("place", RoundingPlace)
def test_an_included_tax_is_told_apart_and_changes_no_total(place: RoundingPlace) -> None:
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(15, 100), included=True)

    for expected in case("X2b")["expected"]:
        gross = the_bill(
            an_energy((expected["gross"],)), vat, energy_wh=1_000, rounding=Rounding(place=place)
        )
        accounts = gross.by_account()
        assert Fraction(gross.total_minor, 100) == Fraction(expected["gross"])
        assert Fraction(accounts[Account.ENERGY], 100) == Fraction(expected["net"])
        assert Fraction(accounts.get(Account.TAX, 0), 100) == Fraction(expected["vat"])


@pytest.mark.parametrize("place", RoundingPlace)
def test_an_included_tax_of_half_a_cent_changes_no_total(place: RoundingPlace) -> None:
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(1, 5), included=True)

    # Three cents contain half a cent of tax: both halves round the same way.
    found = the_bill(an_energy(("0.03",)), vat, energy_wh=1_000, rounding=Rounding(place=place))

    assert found.total_minor == 3


@pytest.mark.parametrize(
    ("amount", "up", "even"),
    [("0.5", 1, 0), ("1.5", 2, 2), ("2.5", 3, 2), ("-0.5", -1, 0), ("-2.5", -3, -2), ("-0.4", 0, 0)],
)
def test_halves_are_rounded_by_mode_on_both_sides_of_nothing(amount: str, up: int, even: int) -> None:
    assert rounded(Fraction(amount), RoundingMode.HALF_UP) == up
    assert rounded(Fraction(amount), RoundingMode.HALF_EVEN) == even


def test_who_moves_in_pays_for_the_days_that_are_left() -> None:
    expected = case("X6")["expected"]
    standing = Fixed(name="Standing", account=Account.FIXED, amount=Fraction(31), per=Window.MONTH)
    moved_in = {"start": utc(2026, 1, 22), "end": utc(2026, 2, 1), "energy_wh": 40_000}

    prorated, plain = (
        the_bill(
            an_energy(("1", "1.5"), bounds_wh=[100_000], steps=Steps(prorate_moves=moves)),
            standing,
            **moved_in,
        )
        for moves in (True, False)
    )

    *energy, days = prorated.lines
    assert days.exact == Fraction(expected["fixed_prorated"]) * 100
    assert round(energy[0].quantity / 1000, 6) == Fraction(expected["threshold_prorated_kwh"])
    assert round(sum(line.exact for line in energy) / 100, 6) == Fraction(expected["energy_prorated"])
    assert plain.lines[0].exact == Fraction(expected["energy_not_prorated"]) * 100


@pytest.mark.parametrize(
    ("per", "days", "quantity"),
    [
        (Window.DAY, 10, Fraction(10)),
        (Window.MONTH, 10, Fraction(10, 31)),
        (Window.CYCLE, 10, Fraction(10, 31)),
        (Window.QUARTER, 10, Fraction(10, 91)),
        (Window.YEAR, 10, Fraction(10, 365)),
    ],
)
def test_a_standing_charge_accrues_by_the_day_without_any_use(
    per: Window, days: int, quantity: Fraction
) -> None:
    standing = Fixed(name="Standing", account=Account.FIXED, amount=Fraction(7), per=per)

    [line] = the_bill(an_energy(("1",)), standing, end=MAY + days * DAY).lines

    assert (line.quantity, line.unit, line.exact) == (quantity, Unit(per.value), quantity * 700)


def test_a_day_is_charged_when_it_begins_and_also_before_its_use_is_known() -> None:
    standing = Fixed(name="Standing", account=Account.FIXED, amount=Fraction(1), per=Window.DAY)
    schedule = a_schedule(a_tariff(an_energy(("1",)), standing))
    tally = opened(schedule=schedule, at=MAY)

    def total(instant: datetime) -> int:
        return bill(count_days(tally, instant, schedule=schedule), schedule=schedule).total_minor

    assert total(MAY) == 0
    assert total(MAY + DAY / 2) == total(MAY + DAY) == 100
    assert total(MAY + DAY + timedelta(seconds=1)) == 200


def test_levy_fee_and_subsidy_go_to_their_own_accounts_and_add_up() -> None:
    others = (
        PerKwh(name="Levy", account=Account.LEVY, price=Fraction("0.0201")),
        PerKwh(name="Manager", account=Account.FEE, price=Fraction("0.0333")),
        PerKwh(name="Social", account=Account.SUBSIDY, price=Fraction("0.1007")),
    )

    found = the_bill(an_energy(("0.6171",)), *others, energy_wh=12_345)

    accounts = found.by_account()
    assert accounts[Account.SUBSIDY] < 0 < accounts[Account.LEVY] < accounts[Account.FEE]
    assert sum(accounts.values()) == found.total_minor
    assert found.exact == 12_345 * (6171 + 201 + 333 - 1007) * Fraction(1, 100_000)


def test_a_percentage_is_of_its_base_alone() -> None:
    others = (
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction(5), per=Window.DAY),
        Percent(name="Duty", account=Account.LEVY, share=Fraction(1, 10), base=("Energy",)),
        Percent(name="VAT", account=Account.TAX, share=Fraction(1, 10)),
    )

    *_, duty, vat = the_bill(an_energy(("1",)), *others, energy_wh=1_000, end=MAY + DAY).lines

    assert (duty.quantity, duty.exact) == (100, 10)
    assert (vat.quantity, vat.exact) == (610, 61)


def test_free_energy_is_on_the_bill_and_costs_nothing() -> None:
    free = Allowance(name="Free", energy_wh=1_000)

    paid, gift = the_bill(an_energy(("2",)), free, energy_wh=1_500).lines

    assert (paid.quantity, paid.exact) == (500, 100)
    assert (gift.name, gift.quantity, gift.exact) == ("Free", 1_000, 0)


@pytest.mark.parametrize(("counts", "paid_wh"), [(False, [10_000, 5_000]), (True, [6_000, 9_000])])
def test_free_energy_moves_proportional_steps_where_it_counts(counts: bool, paid_wh: list[int]) -> None:
    free = Allowance(name="Free", energy_wh=10_000, counts_in_steps=counts)
    steps = Steps(allocation=Allocation.PROPORTIONAL)
    energy = an_energy(("1", "2"), bounds_wh=[10_000], steps=steps)

    # 15 kWh are paid for: 10 and 5 of them, or in the proportion of 10 and 15 that all 25 have.
    found = the_bill(energy, free, energy_wh=25_000)

    assert [line.quantity for line in found.lines if line.price] == paid_wh


@pytest.mark.parametrize(("base", "short"), [((), 1_000), (("Energy",), 1_500)])
def test_a_minimum_fills_up_at_the_end_of_the_cycle_alone(base: tuple[str, ...], short: int) -> None:
    others = (
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction(5), per=Window.CYCLE),
        Minimum(name="Minimum", amount=Fraction(25), per=Window.CYCLE, base=base),
    )
    energy = an_energy(("1",))

    still_open = the_bill(energy, *others, energy_wh=10_000)
    closed = the_bill(energy, *others, energy_wh=10_000, end=JUNE)
    enough = the_bill(energy, *others, energy_wh=30_000, end=JUNE)

    assert Account.MINIMUM not in still_open.by_account()
    assert closed.by_account()[Account.MINIMUM] == short
    assert Account.MINIMUM not in enough.by_account()


def test_a_minimum_is_for_the_part_of_the_cycle_that_was_lived() -> None:
    minimum = Minimum(name="Minimum", amount=Fraction(31), per=Window.CYCLE)

    found = the_bill(an_energy(("1",)), minimum, start=utc(2026, 5, 22), end=JUNE)

    assert found.total_minor == 1_000


@pytest.mark.parametrize(
    ("start", "minimum_minor"),
    [(utc(2026, 1, 1), 36_500 - 12_000), (utc(2026, 12, 22), 1_000 - 1_000)],
)
def test_a_minimum_of_the_year_falls_due_in_december(start: datetime, minimum_minor: int) -> None:
    minimum = Minimum(name="Minimum", amount=Fraction(365), per=Window.YEAR)
    schedule = a_schedule(a_tariff(an_energy(("1",)), minimum))
    months = [utc(2026, month, 1) for month in range(start.month, 13)]
    uses = [a_span(max(month, start), max(month, start) + DAY, 10_000) for month in months]

    bills = rate([*uses, a_span(utc(2026, 12, 31), utc(2027, 1, 31), 0)], schedule=schedule, start=start)

    filled = [found.by_account().get(Account.MINIMUM, 0) for found in bills]
    assert filled == [0] * (len(months) - 1) + [minimum_minor, 0]


def a_demand(*prices: str, bounds_w: tuple[int, ...] = (), months: int = 0) -> Demand:
    """Power by the hour."""
    ladder = Ladder(bounds=bounds_w, prices=tuple(Fraction(price) for price in prices))
    return Demand(
        name="Power",
        calendar=a_calendar(),
        periods=(Period(name="any", ladder=ladder),),
        ratchet_months=months,
        ratchet_share=Fraction(4, 5) if months else Fraction(0),
    )


def test_the_peak_of_the_cycle_is_priced_by_its_steps() -> None:
    demand = a_demand("10", "15", bounds_w=(3_000,))

    found = the_bill(an_energy(("0",)), demand, energy_wh=5_000, end=MAY + timedelta(hours=1))

    _, low, high = found.lines
    assert [(line.quantity, line.exact, line.unit) for line in (low, high)] == [
        (3_000, 3_000, Unit.W),
        (2_000, 3_000, Unit.W),
    ]


def test_a_ratchet_remembers_the_peaks_of_the_cycles_before() -> None:
    schedule = a_schedule(a_tariff(an_energy(("0",)), a_demand("1", months=2)))
    hour = timedelta(hours=1)
    starts = [utc(2026, month, 1) for month in (1, 2, 3, 4)]
    uses = [
        a_span(start, start + hour, wh)
        for start, wh in zip(starts, (10_000, 3_000, 9_000, 1_000), strict=True)
    ]

    bills = rate(uses, schedule=schedule, start=starts[0])

    # Billed kW: 10; 80 % of 10; 9; 80 % of 9 (January is no longer remembered).
    assert [found.total_minor for found in bills] == [1_000, 800, 900, 720]


def test_a_peak_stays_the_cycles_when_a_version_changes_in_it() -> None:
    first = a_tariff(an_energy(("0",)), a_demand("1"))
    second = replace(first, components=(an_energy(("0",)), a_demand("2")))
    change = datetime(2026, 5, 15)  # noqa: DTZ001 the wall clock's
    schedule = a_schedule(first, second, changes=[change])
    hour = timedelta(hours=1)
    uses = [a_span(MAY, MAY + hour, 5_000), a_span(MAY + 20 * DAY, MAY + 20 * DAY + hour, 1_000)]

    [found] = rate(uses, schedule=schedule, start=MAY)

    assert found.total_minor == 1_000


def test_energy_that_takes_no_time_makes_no_peak() -> None:
    found = the_bill(an_energy(("0",)), a_demand("1"), energy_wh=50_000, end=MAY)

    assert found.total_minor == 0


def test_a_bill_is_rounded_as_it_began() -> None:
    by_lines = Rounding(place=RoundingPlace.LINES)
    schedule = a_schedule(
        a_tariff(an_energy(("0.333",))),
        a_tariff(an_energy(("0.333",)), rounding=by_lines),
        changes=[MAY + DAY],
    )
    spans = [a_span(MAY + number * DAY, MAY + (number + 1) * DAY, 1_000) for number in range(45)]

    may, june = rate(spans, schedule=schedule, start=MAY)

    assert (may.exact, may.total_minor, may.carry) == (Fraction(333 * 31, 10), 1_032, Fraction(3, 10))
    assert (june.carried, june.carry) == (0, 0)
    assert june.total_minor == rounded(june.exact, RoundingMode.HALF_UP)
