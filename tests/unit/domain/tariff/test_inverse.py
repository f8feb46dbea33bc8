"""Money to energy, and a payment's division."""

from datetime import timedelta
from fractions import Fraction

import pytest
from tests.unit.domain.debts import a_debt
from tests.unit.domain.tariff.hand_cases import CASES
from tests.unit.domain.tariff.parts import HOUR, a_calendar, a_schedule, a_span, a_tariff, an_energy, utc

from compuerta.domain.division import Dues, PartKind, divide
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Allowance,
    Fixed,
    Percent,
    PerKwh,
    Recovery,
    Rounding,
    RoundingPlace,
    StepKind,
    Steps,
    Window,
)
from compuerta.domain.tariff.inverse import Outcome, Purchase, energy_for
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import Tally, opened

MORNING = utc(2026, 5, 4, 8)
KWH = 1_000


def a_tally(schedule: Schedule, energy_wh: int = 0) -> Tally:
    """An account that has used so much since the month began."""
    start = utc(2026, 5, 1)
    tally = opened(schedule=schedule, at=start)
    return extend(tally, a_span(start, MORNING, energy_wh), schedule=schedule).tally


def buy(amount_minor: int, schedule: Schedule, *, used_wh: int = 0, unit_wh: int = 1) -> Purchase:
    """Buy in the morning of a day in May."""
    tally = a_tally(schedule, used_wh)
    return energy_for(amount_minor, tally=tally, schedule=schedule, at=MORNING, unit_wh=unit_wh)


def minor(text: str) -> int:
    """Cents of a decimal string."""
    return int(Fraction(text) * 100)


def floored(amount: Fraction) -> Fraction:
    """Six decimals, the rest cut off."""
    return Fraction(int(amount * 10**6), 10**6)


def test_every_vending_case_comes_out_to_the_last_digit() -> None:
    case = CASES["X3"]
    energy = an_energy([price for _, price in case["steps"]], bounds_wh=[350_000, 600_000])
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(case["vat"]))
    with_free = a_schedule(a_tariff(energy, vat, Allowance(name="Free", energy_wh=50_000)))
    without = a_schedule(a_tariff(energy, vat))

    for expected in case["expected"]:
        arrears = Recovery(name="Arrears", share=Fraction(expected["share"]))
        owed = (a_debt(remaining_minor=minor(expected["arrears"])),) if minor(expected["arrears"]) else ()
        division = divide(minor(expected["gross"]), Dues(debts=owed, recovery=arrears))
        free_wh = int(expected["fbe_kwh_added"]) * KWH
        used_wh = int(Fraction(expected["bought_this_month"]) * KWH)
        schedule = with_free if free_wh else without

        bought = buy(division.credit_minor, schedule, used_wh=used_wh, unit_wh=100)

        assert division.of(PartKind.DEBT) == minor(expected["arrears_taken"])
        assert floored((bought.energy_wh - free_wh) / KWH) == Fraction(expected["kwh_exact"])
        assert bought.whole_wh == Fraction(expected["units_total"]) * KWH
        assert bought.whole_wh - bought.free_wh == Fraction(expected["kwh_token"]) * KWH
        assert bought.free_wh == free_wh
        assert Fraction(division.credit_minor, 115) == Fraction(expected["net_of_vat_exact"])
        assert floored(bought.unspent / 115) == Fraction(expected["unspent_net"])
        assert bought.spent + bought.unspent == division.credit_minor


def test_money_buys_through_the_steps_that_are_used_already() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[100_000])))

    bought = buy(1_250, schedule, used_wh=95_000)

    assert bought == Purchase(
        outcome=Outcome.BOUGHT, energy_wh=Fraction(10_000), whole_wh=10_000, free_wh=0,
        spent=Fraction(1_250), unspent=Fraction(0),
    )  # fmt: skip


def test_money_buys_at_the_period_of_the_instant() -> None:
    energy = an_energy(("1",), ("4",), calendar=a_calendar(working=[(0, 0), (18, 1)]))
    schedule = a_schedule(a_tariff(energy))
    tally = a_tally(schedule)

    by_day = energy_for(800, tally=tally, schedule=schedule, at=MORNING)
    by_night = energy_for(800, tally=tally, schedule=schedule, at=MORNING + 10 * HOUR)

    assert (by_day.whole_wh, by_night.whole_wh) == (8_000, 2_000)


def test_steps_begin_again_when_the_instant_lies_in_the_next_month() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "2"), bounds_wh=[100_000])))
    tally = a_tally(schedule, 100_000)

    bought = energy_for(1_000, tally=tally, schedule=schedule, at=MORNING + timedelta(days=31))

    assert bought.whole_wh == 10_000


def test_fees_and_included_tax_count_and_standing_charges_do_not() -> None:
    others = (
        PerKwh(name="Levy", account=Account.LEVY, price=Fraction("0.25")),
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction(99), per=Window.DAY),
        Percent(name="VAT", account=Account.TAX, share=Fraction(1, 4), base=("Energy",), included=True),
        Percent(name="Duty", account=Account.TAX, share=Fraction(1, 5), base=("Levy",)),
    )
    schedule = a_schedule(a_tariff(an_energy(("1",)), *others))

    bought = buy(1_300, schedule)

    assert bought.energy_wh == 10_000


def test_a_slab_stops_before_the_bound_that_money_cannot_pass() -> None:
    steps = Steps(kind=StepKind.SLAB)
    schedule = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[100_000], steps=steps)))

    short = buy(12_000, schedule)
    enough = buy(15_300, schedule)

    assert (short.whole_wh, short.unspent) == (100_000, 2_000)
    assert (enough.whole_wh, enough.unspent) == (102_000, 0)


def test_proportional_steps_are_searched_to_the_watt_hour() -> None:
    calendar = a_calendar(working=[(0, 0), (8, 1)])
    steps = Steps(allocation=Allocation.PROPORTIONAL)
    energy = an_energy(("1", "2"), ("2", "4"), bounds_wh=[100_000], steps=steps, calendar=calendar)
    schedule = a_schedule(a_tariff(energy))
    tally = a_tally(schedule, 90_000)
    before = bill(tally, schedule=schedule)

    bought = energy_for(5_000, tally=tally, schedule=schedule, at=MORNING)

    def cost(energy_wh: int) -> Fraction:
        span = a_span(MORNING, MORNING + HOUR, energy_wh)
        return bill(extend(tally, span, schedule=schedule).tally, schedule=schedule).exact - before.exact

    assert bought.spent == cost(bought.whole_wh) <= 5_000 < cost(bought.whole_wh + 1)


@pytest.mark.parametrize("place", [RoundingPlace.LINES, RoundingPlace.NET])
def test_tax_on_rounded_money_is_searched_to_the_watt_hour(place: RoundingPlace) -> None:
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100))
    schedule = a_schedule(a_tariff(an_energy(("0.5",)), vat, rounding=Rounding(place=place)))

    bought = buy(1_000, schedule)

    # 17.69 kWh cost 8.845, which is taxed as 8.85; one Wh less is taxed as 8.84.
    assert bought.spent <= 1_000
    assert bought.whole_wh == pytest.approx(17_699, abs=10)


def test_energy_without_a_price_has_no_end_and_says_so() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "0"), bounds_wh=[10_000])))

    bought = buy(5_000, schedule)

    assert (bought.outcome, bought.whole_wh, bought.unspent) == (Outcome.UNLIMITED, 10_000, 4_000)


def test_a_search_among_free_energy_ends_too() -> None:
    steps = Steps(allocation=Allocation.PROPORTIONAL)
    schedule = a_schedule(a_tariff(an_energy(("0", "0"), bounds_wh=[10_000], steps=steps)))

    assert buy(5_000, schedule).outcome is Outcome.UNLIMITED


def test_too_little_for_a_unit_buys_nothing_and_loses_nothing() -> None:
    schedule = a_schedule(a_tariff(an_energy(("2",))))

    bought = buy(19, schedule, unit_wh=100)

    assert (bought.outcome, bought.whole_wh, bought.spent, bought.unspent) == (Outcome.TOO_LITTLE, 0, 0, 19)


def test_a_bound_cut_by_proration_is_crossed_exactly() -> None:
    steps = Steps(prorate_moves=True)
    schedule = a_schedule(a_tariff(an_energy(("1", "2"), bounds_wh=[100_000], steps=steps)))
    moved_in = utc(2026, 1, 22)
    tally = opened(schedule=schedule, at=moved_in)

    bought = energy_for(10_000, tally=tally, schedule=schedule, at=moved_in)

    bound_wh = Fraction(100_000 * 10, 31)
    assert bought.energy_wh == bound_wh + (100_000 - bound_wh) / 2


def test_every_payment_is_divided_as_the_trade_does() -> None:
    recovery = Recovery(name="Arrears", share=Fraction(30, 100), least_minor=200)

    for expected in CASES["X7"]["expected"]:
        owed = 0 if expected["emergency_repaid"] == "0" else 500
        dues = Dues(debts=(a_debt(remaining_minor=1_250),), overdrawn_minor=owed, recovery=recovery)
        division = divide(minor(expected["amount"]), dues)

        assert division.of(PartKind.EMERGENCY) == minor(expected["emergency_repaid"])
        assert division.of(PartKind.DEBT) == minor(expected["debt_taken"])
        assert division.of(PartKind.ENERGY) == minor(expected["credit_added"])
