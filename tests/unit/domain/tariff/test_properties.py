"""What holds for every tariff and every history."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.tariff.by_ticks import Key, Reckoned, Reckoner
from tests.unit.domain.tariff.parts import HOUR, a_calendar, a_schedule, a_span, a_tariff, an_energy, utc
from tests.unit.domain.tariff.random_tariffs import Case, cases

from compuerta.domain.tariff.bill import Bill, bill
from compuerta.domain.tariff.components import Account, Allocation, Steps, Tariff, Window
from compuerta.domain.tariff.explaining import explain, settle
from compuerta.domain.tariff.inverse import ENERGY_WH_MAX, Outcome, energy_for
from compuerta.domain.tariff.rating import extend, rate
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import Span, Tally, add_here, opened

pytestmark = pytest.mark.slow


def schedule_of(case: Case) -> Schedule:
    """The case's versions at its place."""
    (_, first), *others = case.tariffs
    return a_schedule(
        first, *(tariff for _, tariff in others), zone=case.zone, changes=[start for start, _ in others]
    )


def engines_lines(bill: Bill) -> dict[Key, Fraction]:
    """The exact cents of each line, in the other engine's words."""
    sums: dict[Key, Fraction] = {}
    for line in bill.lines:
        key = line.name, line.period, line.step, line.account, line.version[1] - 1
        sums[key] = sums.get(key, Fraction(0)) + line.exact
    return {key: amount for key, amount in sums.items() if amount}


def reckoned(case: Case) -> list[Reckoned]:
    """The other engine's bills."""
    reckoner = Reckoner(case.tariffs, zone=case.zone, start=case.start, terms=case.terms)
    for span in case.spans:
        reckoner.take(span)
    return [*reckoner.bills, reckoner.bill()] if reckoner.has_begun() else reckoner.bills


@given(cases())
def test_two_engines_make_the_same_bills(case: Case) -> None:
    bills = rate(case.spans, schedule=schedule_of(case), start=case.start, terms=case.terms)

    expected = reckoned(case)

    assert [engines_lines(bill) for bill in bills] == [bill.lines for bill in expected]
    assert [bill.total_minor for bill in bills] == [bill.total_minor for bill in expected]


MAY = utc(2026, 5, 1)
ENERGIES_WH = st.lists(st.integers(0, 20_000), min_size=1, max_size=12)


def rising(tariff: Tariff) -> Tariff:
    """The tariff with each period's prices in rising order, and no subsidy to turn them round."""
    energy = tariff.energy
    periods = tuple(
        replace(period, ladder=replace(period.ladder, prices=tuple(sorted(period.ladder.prices))))
        for period in energy.periods
    )
    others = [each for each in tariff.components[1:] if getattr(each, "account", None) is not Account.SUBSIDY]
    return replace(tariff, components=(replace(energy, periods=periods), *others))


def energy_of(tally: Tally) -> Fraction:
    """All that has been sorted into the cells of a bill."""
    return sum((Fraction(cell) for segment in tally.segments for cell in segment.cells), Fraction(0))


@given(cases())
def test_charges_add_up_to_the_bill_and_open_into_moves(case: Case) -> None:
    schedule = schedule_of(case)
    tally = opened(schedule=schedule, at=case.start)
    before = bill(tally, schedule=schedule, terms=case.terms)
    ended: list[int] = []
    charged = 0

    for span in case.spans:
        moved = extend(tally, span, schedule=schedule, terms=case.terms)
        tally = moved.tally
        latest = bill(tally, schedule=schedule, terms=case.terms)
        for after in (*(closed for _, closed in moved.closed), latest):
            same = before.start == after.start
            known = before if same else None
            if not same:
                ended.append(charged)
                charged = 0
            moves, settled = explain(known, after), settle(known, after)
            charge = after.total_minor - (known.total_minor if known else 0)
            charged += charge
            assert sum(move.amount_minor for move in moves) == charge == settled.amount_minor
            assert settled.exact + settled.carried - settled.left == charge
            assert sum(move.exact for move in moves) == settled.exact
            assert sum(after.by_account().values()) == after.total_minor
            before = after

    bills = rate(case.spans, schedule=schedule, start=case.start, terms=case.terms)
    assert [*ended, charged][: len(bills)] == [each.total_minor for each in bills]


@given(cases())
def test_no_watt_hour_is_lost_and_rating_again_changes_nothing(case: Case) -> None:
    schedule = schedule_of(case)
    tally, energy_wh = opened(schedule=schedule, at=case.start), Fraction(0)

    for span in case.spans:
        moved = extend(tally, span, schedule=schedule, terms=case.terms)
        energy_wh += sum(energy_of(ended) for ended, _ in moved.closed)
        tally = moved.tally

    assert energy_wh + energy_of(tally) == sum(span.energy_wh for span in case.spans)
    again = [rate(case.spans, schedule=schedule, start=case.start, terms=case.terms) for _ in range(2)]
    assert again[0] == again[1]


@given(cases(), st.integers(1, 60_000), st.data())
def test_a_use_of_one_instant_may_be_cut_anywhere(case: Case, energy_wh: int, draw: st.DataObject) -> None:
    schedule = schedule_of(case)
    cut_wh = draw.draw(st.integers(0, energy_wh))
    tally = opened(schedule=schedule, at=case.start)

    whole = add_here(tally, energy_wh, schedule=schedule, terms=case.terms)
    part = add_here(tally, cut_wh, schedule=schedule, terms=case.terms)
    parts = add_here(part, energy_wh - cut_wh, schedule=schedule, terms=case.terms)

    assert whole == parts


@given(st.integers(1, 200), st.integers(1, 24 * 31 - 1), st.sampled_from(Window))
def test_a_use_may_be_cut_at_any_instant_where_the_spread_agrees(
    hourly_wh: int, cut_h: int, window: Window
) -> None:
    calendar = a_calendar(working=[(0, 0), (7, 1), (22, 0)], weekend=[(0, 0)])
    energy = an_energy(
        ("1", "2"), ("3", "5"), bounds_wh=[2_500], calendar=calendar, steps=Steps(window=window)
    )
    schedule = a_schedule(a_tariff(energy), zone="Europe/Madrid")
    end = MAY + 24 * 31 * HOUR
    middle = MAY + cut_h * HOUR
    tally = opened(schedule=schedule, at=MAY)

    def after(*spans: Span) -> list[Bill]:
        return rate(spans, schedule=schedule, start=tally.until)

    whole = after(a_span(MAY, end, 24 * 31 * hourly_wh))
    parts = after(a_span(MAY, middle, cut_h * hourly_wh), a_span(middle, end, (24 * 31 - cut_h) * hourly_wh))

    assert whole == parts


@given(ENERGIES_WH, st.randoms(use_true_random=False))
def test_proportional_steps_know_no_order(energies_wh: list[int], chance: Random) -> None:
    calendar = a_calendar(working=[(0, 0), (7, 1), (22, 0)])
    steps = Steps(allocation=Allocation.PROPORTIONAL)
    energy = an_energy(("1", "2"), ("3", "5"), bounds_wh=[9_000], calendar=calendar, steps=steps)
    schedule = a_schedule(a_tariff(energy))
    hours = list(enumerate(energies_wh))
    # The same use by period, on other days.
    days = list(range(len(hours)))
    chance.shuffle(days)

    def exact(days: list[int]) -> Fraction:
        spans = sorted(
            (MAY + (24 * day + number % 24) * HOUR, wh) for day, (number, wh) in zip(days, hours, strict=True)
        )
        uses = [a_span(start, start + HOUR, wh) for start, wh in spans]
        return sum((each.exact for each in rate(uses, schedule=schedule, start=MAY)), Fraction(0))

    assert exact(days) == exact(sorted(days))


@given(cases(), st.integers(0, 50_000), st.integers(0, 50_000))
def test_more_use_never_costs_less_where_prices_rise(case: Case, few_wh: int, more_wh: int) -> None:
    schedule = a_schedule(rising(case.tariffs[0][1]), zone=case.zone)
    tally = opened(schedule=schedule, at=case.start)

    def total(energy_wh: int) -> int:
        used = add_here(tally, energy_wh, schedule=schedule, terms=case.terms)
        return bill(used, schedule=schedule, terms=case.terms).total_minor

    assert total(few_wh) <= total(few_wh + more_wh)


@given(cases(), st.integers(0, 40_000), st.integers(1, 40_000))
def test_the_inverse_of_a_price_is_its_energy(case: Case, used_wh: int, energy_wh: int) -> None:
    schedule = a_schedule(rising(case.tariffs[0][1]), zone=case.zone)
    tally = add_here(opened(schedule=schedule, at=case.start), used_wh, schedule=schedule, terms=case.terms)

    def cost(energy_wh: int) -> Fraction:
        used = add_here(tally, energy_wh, schedule=schedule, terms=case.terms)
        before = bill(tally, schedule=schedule, terms=case.terms)
        return bill(used, schedule=schedule, terms=case.terms).exact - before.exact

    amount_minor = ceil(cost(energy_wh))
    bought = energy_for(amount_minor, tally=tally, schedule=schedule, terms=case.terms, at=tally.until)

    assert bought.spent == cost(bought.whole_wh) <= amount_minor
    assert bought.spent + bought.unspent == amount_minor
    if bought.outcome is Outcome.UNLIMITED:
        assert cost(ENERGY_WH_MAX) <= amount_minor
    else:
        assert energy_wh <= bought.whole_wh
        assert cost(bought.whole_wh + 1) > amount_minor
