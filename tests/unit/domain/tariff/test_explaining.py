"""What a charge is made of."""

from fractions import Fraction
from itertools import pairwise

import pytest
from tests.unit.domain.tariff.parts import (
    HOUR,
    a_calendar,
    a_schedule,
    a_span,
    a_tariff,
    an_energy,
    utc,
)

from compuerta.domain.tariff.bill import Bill, Unit, bill
from compuerta.domain.tariff.components import (
    Account,
    Fixed,
    Percent,
    Rounding,
    RoundingPlace,
    StepKind,
    Steps,
    Window,
)
from compuerta.domain.tariff.explaining import Move, explain, settle
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import opened

NOON = utc(2026, 5, 4, 12)


def bills(schedule: Schedule, *energies_wh: int) -> list[Bill]:
    """The bill at the beginning, and after each hour's use from noon on."""
    tally = opened(schedule=schedule, at=NOON)
    states = [bill(tally, schedule=schedule)]
    for number, energy_wh in enumerate(energies_wh):
        span = a_span(NOON + number * HOUR, NOON + (number + 1) * HOUR, energy_wh)
        tally = extend(tally, span, schedule=schedule).tally
        states.append(bill(tally, schedule=schedule))
    return states


def facts(move: Move) -> tuple[object, ...]:
    """What a screen shows of a move of energy."""
    return move.from_wh, move.to_wh, move.quantity, move.price, move.exact, move.amount_minor


def test_a_charge_over_a_bound_opens_into_both_steps() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[100_000])))

    _, before, after = bills(schedule, 95_000, 10_000)
    low, high = explain(before, after)

    assert facts(low) == (95_000, 100_000, 5_000, 1, 500, 500)
    assert facts(high) == (100_000, 105_000, 5_000, Fraction(3, 2), 750, 750)


def test_periods_that_count_together_share_the_stretch() -> None:
    calendar = a_calendar(working=[(0, 0), (13, 1)])
    energy = an_energy(("1", "1.5"), ("2", "2.5"), bounds_wh=[100_000], calendar=calendar)
    schedule = a_schedule(a_tariff(energy))
    tally = opened(schedule=schedule, at=NOON)
    before = bill(tally, schedule=schedule)

    span = a_span(NOON, NOON + 2 * HOUR, 120_000)
    after = bill(extend(tally, span, schedule=schedule).tally, schedule=schedule)

    moves = explain(before, after)

    assert [(move.period, move.step, move.from_wh, move.to_wh, move.quantity) for move in moves] == [
        ("p0", 0, 0, 100_000, 60_000),
        ("p1", 0, 0, 100_000, 40_000),
        ("p1", 1, 100_000, 120_000, 20_000),
    ]


def test_a_charge_over_the_end_of_a_window_tells_no_stretch() -> None:
    steps = Steps(window=Window.DAY)
    schedule = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[10_000], steps=steps)))
    tally = opened(schedule=schedule, at=NOON)
    tally = extend(tally, a_span(NOON, NOON + HOUR, 4_000), schedule=schedule).tally
    before = bill(tally, schedule=schedule)

    overnight = a_span(NOON + HOUR, NOON + 23 * HOUR, 22_000)
    night = bill(extend(tally, overnight, schedule=schedule).tally, schedule=schedule)

    # 11 kWh before midnight (6 + 5 over the bound), 11 after it (10 + 1).
    assert [(move.step, move.quantity, move.from_wh) for move in explain(before, night)] == [
        (0, 16_000, None),
        (1, 6_000, None),
    ]


def test_a_slab_that_is_left_is_taken_back() -> None:
    steps = Steps(kind=StepKind.SLAB)
    schedule = a_schedule(a_tariff(an_energy(("1", "1.5"), bounds_wh=[100_000], steps=steps)))

    _, before, after = bills(schedule, 95_000, 10_000)
    high, low = explain(before, after)

    assert facts(high) == (None, None, 105_000, Fraction(3, 2), 15_750, 15_750)
    assert facts(low) == (None, None, -95_000, 1, -9_500, -9_500)


def test_days_and_tax_are_moves_like_any_other() -> None:
    others = (
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction("0.31"), per=Window.DAY),
        Percent(name="VAT", account=Account.TAX, share=Fraction(1, 10)),
    )
    schedule = a_schedule(a_tariff(an_energy(("2",)), *others))

    opening, after = bills(schedule, 1_000)
    moves = explain(opening, after)

    assert [(move.name, move.unit, move.quantity, move.exact) for move in moves] == [
        ("Energy", Unit.WH, 1_000, 200),
        ("Standing", Unit.DAY, 1, 31),
        ("VAT", Unit.MINOR, 231, Fraction("23.1")),
    ]


def test_what_rounding_keeps_back_comes_with_the_next_charge() -> None:
    schedule = a_schedule(a_tariff(an_energy(("0.123",))))

    states = bills(schedule, 100, 100, 100)
    settled = [settle(before, after) for before, after in pairwise(states)]

    # 1.23, 2.46, 3.69 cents are billed as 1, 2, 4.
    assert [each.amount_minor for each in settled] == [1, 1, 2]
    assert [each.carried for each in settled] == [0, Fraction("0.23"), Fraction("0.46")]
    assert [each.left for each in settled] == [Fraction("0.23"), Fraction("0.46"), Fraction("-0.31")]
    for each in settled:
        assert each.exact + each.carried - each.left == each.amount_minor


def test_a_bill_that_begins_takes_over_what_the_last_one_left() -> None:
    schedule = a_schedule(a_tariff(an_energy(("0.0123",))))
    start = utc(2026, 5, 31, 23)
    tally = opened(schedule=schedule, at=start)

    moved = extend(tally, a_span(start, start + 2 * HOUR, 4_000), schedule=schedule)
    first, second = moved.closed[0][1], bill(moved.tally, schedule=schedule)

    assert (first.exact, first.total_minor, second.exact, second.total_minor) == (
        Fraction("2.46"), 2, Fraction("2.46"), 3,
    )  # fmt: skip
    settled = settle(None, second)
    assert (settled.carried, settled.left) == (Fraction("0.46"), Fraction("-0.08"))


@pytest.mark.parametrize("place", RoundingPlace)
def test_moves_add_up_to_the_charge_and_to_each_accounts_posting(place: RoundingPlace) -> None:
    others = (
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction("0.317"), per=Window.DAY),
        Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100)),
    )
    energy = an_energy(("0.6171", "0.9173"), bounds_wh=[2_345])
    schedule = a_schedule(a_tariff(energy, *others, rounding=Rounding(place=place)))

    states = bills(schedule, 777, 1_003, 999, 1, 12_345)

    for before, after in pairwise(states):
        moves = explain(before, after)
        assert sum(move.amount_minor for move in moves) == after.total_minor - before.total_minor
        assert sum(move.exact for move in moves) == settle(before, after).exact
        for account in Account:
            posted = after.by_account().get(account, 0) - before.by_account().get(account, 0)
            assert sum(move.amount_minor for move in moves if move.account is account) == posted


def test_bills_of_two_cycles_are_not_compared() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1",))))
    start = utc(2026, 5, 31, 23)
    moved = extend(opened(schedule=schedule, at=start), a_span(start, start + 2 * HOUR, 1), schedule=schedule)

    with pytest.raises(AssertionError, match="within one bill"):
        explain(moved.closed[0][1], bill(moved.tally, schedule=schedule))
