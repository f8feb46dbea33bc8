"""Tallies by columns against tallies one by one: the same cells, totals, bills and accounts of the ledger."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import lcm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.tariff.parts import a_calendar, a_schedule, a_tariff, an_energy, utc

from compuerta.domain.tariff import columns
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Allowance,
    Component,
    Fixed,
    Minimum,
    Percent,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scale,
    Scope,
    StepKind,
    Steps,
    Terms,
    Window,
)
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import NO_TERMS, Span, Tally, opened

START = utc(2026, 11, 1)
TWO_PERIODS = a_calendar(working=((0, 1), (6, 0), (22, 1)), weekend=((0, 1),))
PARTS: tuple[Component, ...] = (
    PerKwh(name="Lighting", account=Account.LEVY, price=Fraction("0.0203")),
    PerKwh(name="Grant", account=Account.SUBSIDY, price=Fraction("0.0101")),
    Fixed(name="Standing", account=Account.FIXED, amount=Fraction("5.01"), per=Window.MONTH),
    Fixed(name="Daily", account=Account.FEE, amount=Fraction("0.333"), per=Window.DAY),
    Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100)),
    Percent(name="Inside", account=Account.TAX, share=Fraction(7, 100), included=True),
    Percent(name="On energy", account=Account.LEVY, share=Fraction(1, 30), base=("Energy",)),
    Allowance(name="Free", energy_wh=4_000),
    Allowance(name="Free, counted", energy_wh=4_000, counts_in_steps=True),
    Minimum(name="Least", amount=Fraction(40), per=Window.CYCLE),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    bounds = draw(st.sampled_from([(), (10_000,), (10_000, 30_000)]))
    steps = Steps(
        scope=draw(st.sampled_from(Scope)), window=draw(st.sampled_from([Window.MONTH, Window.YEAR]))
    )
    prices = st.tuples(*[st.integers(0, 20_000).map(lambda each: f"{each / 10_000:.4f}")] * (len(bounds) + 1))
    energy = an_energy(draw(prices), draw(prices), bounds_wh=bounds, steps=steps, calendar=TWO_PERIODS)
    others = draw(st.lists(st.sampled_from(PARTS), unique_by=lambda each: each.name.partition(",")[0]))
    rounding = Rounding(place=draw(st.sampled_from(RoundingPlace)), mode=draw(st.sampled_from(RoundingMode)))
    return a_schedule(a_tariff(energy, *others, rounding=rounding))


uses = st.lists(st.tuples(st.integers(1, 60 * 24 * 3), st.integers(0, 30_000)), min_size=1, max_size=4)
carries = st.sampled_from(
    [Fraction(0), Fraction(1, 2), Fraction(-1, 2), Fraction(1, 7), Fraction(-499, 1_000)]
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(schedule=schedules(), accounts=st.lists(st.tuples(uses, carries), min_size=1, max_size=4))
def test_columns_are_tallies_one_by_one(
    schedule: Schedule, accounts: list[tuple[list[tuple[int, int]], Fraction]]
) -> None:
    begun = [replace(opened(schedule=schedule, at=START), carry=carry) for _, carry in accounts]
    plan = columns.plan_of(
        begun[0],
        schedule=schedule,
        terms=NO_TERMS,
        carry_denominator=lcm(*(each.carry.denominator for each in begun)),
    )
    assert plan is not None and columns.is_counted(plan, energy_wh=200_000, carry=plan.scale)
    pieces = columns.pieces_of(schedule, to_us(START), plan.until_us)
    moved = as_columns(begun)
    carry = np.array([int(each.carry * plan.scale) for each in begun], np.int64)
    until = np.array([each.until_us for each in begun], np.int64)
    for round_no in range(4):
        # An account without a further use stands still: another of no length and no energy.
        steps = [each[0][round_no] if round_no < len(each[0]) else (0, 0) for each in accounts]
        ends = until + np.array([minutes * 60_000_000 for minutes, _ in steps], np.int64)
        energy = np.array([energy_wh for _, energy_wh in steps], np.int64)
        live = ends > until
        if not live.any():
            break
        begun = [
            extended(tally, end, energy_wh, schedule) if is_live else tally
            for tally, end, energy_wh, is_live in zip(begun, ends, energy, live, strict=True)
        ]
        some = columns.Columns(
            cells=moved.cells[live], totals=moved.totals[live], free_used_wh=moved.free_used_wh[live]
        )
        after = columns.spread_in(
            plan, some, pieces, spans_us=(until[live], ends[live]), energy_wh=energy[live]
        )
        moved.cells[live], moved.totals[live] = after.cells, after.totals
        moved.free_used_wh[live] = after.free_used_wh
        until = ends

        for closing in (False, True):
            days = columns.days_of(plan, starts_us=np.full(len(begun), to_us(START)), until_us=until)
            made = columns.bills(plan, moved, days=days, carry=carry, closing=closing)
            wanted = as_columns(begun)
            assert moved.cells.tolist() == wanted.cells.tolist()
            assert moved.totals.tolist() == wanted.totals.tolist()
            assert moved.free_used_wh.tolist() == wanted.free_used_wh.tolist()
            for at, tally in enumerate(begun):
                one = bill(tally, schedule=schedule, closing=closing)
                assert made.total_minor[at] == one.total_minor
                assert Fraction(int(made.exact[at]), plan.scale) == one.exact
                by_account = {
                    account: amounts[at] for account, amounts in made.by_account.items() if amounts[at]
                }
                assert by_account == {account: minor for account, minor in one.by_account().items() if minor}


def extended(tally: Tally, end_us: int, energy_wh: int, schedule: Schedule) -> Tally:
    end = datetime.fromtimestamp(0, tz=START.tzinfo) + timedelta(microseconds=int(end_us))
    span = Span(start=tally.until, end=end, energy_wh=int(energy_wh))
    return extend(tally, span, schedule=schedule).tally


def as_columns(tallies: list[Tally]) -> columns.Columns:
    return columns.Columns(
        cells=np.array([each.segments[0].cells for each in tallies], np.int64),
        totals=np.array([each.totals for each in tallies], np.int64),
        free_used_wh=np.array([each.free_used_wh for each in tallies], np.int64),
    )


@pytest.mark.parametrize(
    "steps",
    [
        Steps(kind=StepKind.SLAB),
        Steps(allocation=Allocation.PROPORTIONAL),
        Steps(scale=Scale.KW),
    ],
)
def test_what_no_integer_column_can_hold_has_no_plan(steps: Steps) -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "2"), bounds_wh=(10_001,), steps=steps)))

    plan = columns.plan_of(
        opened(schedule=schedule, at=START), schedule=schedule, terms=Terms(contracted_w=3_333)
    )

    assert plan is None


def test_a_bill_that_could_pass_63_bits_is_not_begun() -> None:
    schedule = a_schedule(a_tariff(an_energy(("0.1234567",)), PARTS[4]))

    plan = columns.plan_of(opened(schedule=schedule, at=START), schedule=schedule, terms=NO_TERMS)

    assert plan is not None
    assert columns.is_counted(plan, energy_wh=10**6)
    assert not columns.is_counted(plan, energy_wh=10**15)
