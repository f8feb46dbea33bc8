"""A payment is divided into lines that are what was paid, in the order that the receipt shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.debts import a_debt

from compuerta.domain.division import (
    DEBTS_MAX,
    MONTHS_MAX,
    Debt,
    Division,
    Dues,
    PartKind,
    divide,
    in_turn,
    months_due,
    recovered,
)
from compuerta.domain.policy import Policy
from compuerta.domain.tariff.components import Recovery

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def told(division: Division) -> list[tuple[str, int]]:
    """Return the lines as a receipt names them."""
    return [(part.name or part.period or part.kind.value, part.amount_minor) for part in division.parts]


# The order of the lines -----------------------------------------------------------------------------------


def test_what_meets_nothing_is_energy() -> None:
    division = divide(5_000, Dues())

    assert told(division) == [("energy", 5_000)]
    assert division.credit_minor == 5_000


def test_every_part_is_taken_in_its_turn() -> None:
    policy = Policy(
        recharge_fee_minor=100,
        recharge_fee_ppm=10_000,
        recharge_fee_tax_ppm=100_000,
        monthly_fee_minor=300,
    )
    dues = Dues(debts=(a_debt("rent"),), months=("2026-10", "2026-11"), overdrawn_minor=1_200, policy=policy)

    division = divide(10_000, dues)

    # 100 and one in a hundred; a tenth of that; two months; the overdraft; half of what is left.
    assert told(division) == [
        ("fee", 200),
        ("tax", 20),
        ("2026-10", 300),
        ("2026-11", 300),
        ("emergency", 1_200),
        ("rent", 3_990),
        ("energy", 3_990),
    ]
    assert division.credit_minor == 5_190


# Fees ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid_minor", "lines"),
    [
        (1_000, [("fee", 100), ("tax", 10), ("energy", 890)]),
        (110, [("fee", 100), ("tax", 10)]),
        (109, [("fee", 99), ("tax", 10)]),
        (1, [("energy", 1)]),  # no fee leaves room for its own tax: it is none
    ],
)
def test_a_fee_is_cut_to_what_was_paid(paid_minor: int, lines: list[tuple[str, int]]) -> None:
    policy = Policy(recharge_fee_minor=100, recharge_fee_tax_ppm=100_000)

    assert told(divide(paid_minor, Dues(policy=policy))) == lines


def test_a_month_that_does_not_fit_waits_for_the_next_recharge() -> None:
    dues = Dues(months=("2026-09", "2026-10", "2026-11"), policy=Policy(monthly_fee_minor=400))

    assert told(divide(1_000, dues)) == [("2026-09", 400), ("2026-10", 400), ("energy", 200)]
    assert told(divide(399, dues)) == [("energy", 399)]


def test_months_are_due_from_the_first_to_this_one_but_for_those_paid() -> None:
    due = months_due(since="2026-08", until="2026-11", paid=["2026-09"])

    assert due == ("2026-08", "2026-10", "2026-11")


def test_months_go_over_the_turn_of_the_year() -> None:
    assert months_due(since="2025-12", until="2026-01", paid=[]) == ("2025-12", "2026-01")


def test_who_was_away_for_years_pays_for_two_of_them() -> None:
    due = months_due(since="2020-01", until="2026-11", paid=[])

    assert (due[0], due[-1], len(due)) == ("2024-12", "2026-11", MONTHS_MAX)


def test_no_month_is_due_before_the_first() -> None:
    assert months_due(since="2026-12", until="2026-11", paid=[]) == ()


# Debts --------------------------------------------------------------------------------------------------


def test_debts_without_a_share_are_recovered_together_in_their_order() -> None:
    debts = (a_debt("first", remaining_minor=300), a_debt("second"))

    division = divide(1_000, Dues(debts=debts))

    assert told(division) == [("first", 300), ("second", 200), ("energy", 500)]
    assert [part.remaining_minor for part in division.parts] == [0, 9_800, None]


def test_a_debt_with_a_share_of_its_own_takes_it_beside_the_others() -> None:
    debts = (a_debt("own", share_ppm=100_000), a_debt("other"))

    assert told(divide(1_000, Dues(debts=debts))) == [("own", 100), ("other", 500), ("energy", 400)]


def test_a_debt_takes_at_least_its_least() -> None:
    debts = (a_debt("slow", share_ppm=1, least_minor=250), a_debt("shared", least_minor=600))

    assert told(divide(1_000, Dues(debts=debts))) == [("slow", 250), ("shared", 600), ("energy", 150)]


def test_a_debt_takes_no_more_than_remains_of_it() -> None:
    debts = (a_debt("small", remaining_minor=7, share_ppm=1_000_000),)

    assert told(divide(1_000, Dues(debts=debts))) == [("small", 7), ("energy", 993)]


def test_the_tariffs_recovery_counts_instead_of_the_policys_share() -> None:
    recovery = Recovery(name="Arrears", share=Fraction(1, 4), least_minor=300)

    assert told(divide(1_000, Dues(debts=(a_debt("rent"),), recovery=recovery))) == [
        ("rent", 300),
        ("energy", 700),
    ]
    assert divide(2_000, Dues(debts=(a_debt("rent"),), recovery=recovery)).of(PartKind.DEBT) == 500


def test_so_much_of_a_recharge_is_energy_before_any_debt_is_paid() -> None:
    policy = Policy(debt_share_ppm=1_000_000, debt_leaves_minor=600)

    division = divide(1_000, Dues(debts=(a_debt("rent"),), policy=policy))

    assert told(division) == [("rent", 400), ("energy", 600)]


def test_of_a_payment_below_the_least_energy_no_debt_takes_anything() -> None:
    policy = Policy(debt_share_ppm=1_000_000, debt_leaves_minor=600)
    dues = Dues(debts=(a_debt("rent", least_minor=100),), policy=policy)

    assert told(divide(600, dues)) == [("energy", 600)]
    assert told(divide(1, dues)) == [("energy", 1)]


def test_what_lifts_the_balance_to_zero_is_no_energy_that_a_debt_must_leave() -> None:
    policy = Policy(debt_share_ppm=1_000_000, debt_leaves_minor=600)

    division = divide(1_000, Dues(debts=(a_debt("rent"),), overdrawn_minor=500, policy=policy))

    assert told(division) == [("emergency", 500), ("energy", 500)]


def test_a_suspended_debt_is_left_alone_until_its_instant() -> None:
    waits = a_debt("waits", suspended_until=NOW + timedelta(seconds=1))
    is_over = a_debt("over", suspended_until=NOW)

    assert in_turn([waits, is_over], now=NOW) == (is_over,)


def test_debts_come_by_rank_then_by_age() -> None:
    old, new, first = a_debt("old"), a_debt("new"), a_debt("first", rank=1)
    ended = a_debt("ended", remaining_minor=0)

    turn = in_turn([ended, new, old, first], now=NOW)

    assert turn[0] == first
    assert set(turn[1:]) == {old, new}


def test_one_recharge_recovers_so_many_debts_and_no_more() -> None:
    many = [a_debt(str(number), rank=number) for number in range(DEBTS_MAX + 5)]

    assert in_turn(many, now=NOW) == tuple(many[:DEBTS_MAX])


def test_what_was_recovered_is_what_the_lines_say() -> None:
    debts = (a_debt("first", remaining_minor=300), a_debt("second"), a_debt("third", share_ppm=0))

    after = recovered(debts, divide(1_000, Dues(debts=debts)).parts)

    assert [(each.name, each.remaining_minor) for each in after] == [("first", 0), ("second", 9_800)]


# Whatever comes -----------------------------------------------------------------------------------------

AMOUNTS = st.integers(0, 20_000)
PPM = st.integers(0, 1_000_000)
DEBTS = st.lists(
    st.builds(
        a_debt,
        st.uuids().map(str),
        remaining_minor=st.integers(1, 20_000),
        rank=st.integers(0, 3),
        share_ppm=st.none() | PPM,
        least_minor=AMOUNTS,
    ),
    max_size=4,
).map(tuple)
POLICIES = st.builds(
    Policy,
    debt_share_ppm=PPM,
    debt_leaves_minor=AMOUNTS,
    recharge_fee_minor=st.integers(0, 500),
    recharge_fee_ppm=st.integers(0, 500_000),
    recharge_fee_tax_ppm=PPM,
    monthly_fee_minor=st.integers(0, 2_000),
)
RECOVERIES = st.none() | st.builds(
    Recovery,
    name=st.just("Arrears"),
    share=st.fractions(0, 1, max_denominator=1_000),
    least_minor=AMOUNTS,
)
DUES = st.builds(
    Dues,
    debts=DEBTS,
    months=st.lists(st.just("2026-11"), max_size=1).map(tuple),
    overdrawn_minor=AMOUNTS,
    policy=POLICIES,
    recovery=RECOVERIES,
)
PAID = st.integers(1, 50_000)


@given(paid_minor=PAID, dues=DUES)
def test_the_parts_of_a_payment_are_the_payment(paid_minor: int, dues: Dues) -> None:
    division = divide(paid_minor, dues)

    assert sum(part.amount_minor for part in division.parts) == paid_minor
    assert all(part.amount_minor > 0 for part in division.parts)
    assert division.of(*PartKind) == paid_minor


@given(paid_minor=PAID, dues=DUES)
def test_no_part_takes_more_than_it_may(paid_minor: int, dues: Dues) -> None:
    division = divide(paid_minor, dues)

    remaining = {each.debt_id: each.remaining_minor for each in dues.debts}
    for part in division.parts:
        if part.debt_id is not None:
            assert part.remaining_minor == remaining[part.debt_id] - part.amount_minor >= 0
    assert division.of(PartKind.EMERGENCY) <= dues.overdrawn_minor
    assert division.of(PartKind.FIXED) in (0, dues.policy.monthly_fee_minor)
    assert division.of(PartKind.FEE) <= dues.policy.recharge_fee_minor + paid_minor // 2 + 1


@given(paid_minor=PAID, dues=DUES)
def test_debts_leave_the_energy_that_they_have_to(paid_minor: int, dues: Dues) -> None:
    division = divide(paid_minor, dues)

    energy_minor = division.of(PartKind.ENERGY)
    before_debts = energy_minor + division.of(PartKind.DEBT)
    assert energy_minor >= min(before_debts, dues.policy.debt_leaves_minor)


@given(paid_minor=PAID, more_minor=PAID, dues=DUES)
def test_whoever_pays_more_gets_no_less_of_anything(paid_minor: int, more_minor: int, dues: Dues) -> None:
    # A fee, or a month, that now fits whole is taken first, and what comes after it may have less.
    free = replace(dues.policy, recharge_fee_minor=0, recharge_fee_ppm=0, monthly_fee_minor=0)
    dues = replace(dues, policy=free)
    less, more = divide(paid_minor, dues), divide(paid_minor + more_minor, dues)

    for kind in (PartKind.EMERGENCY, PartKind.DEBT):
        assert less.of(kind) <= more.of(kind)
    assert less.credit_minor <= more.credit_minor + 2  # shares are rounded one by one


def owes(debts: tuple[Debt, ...]) -> int:
    return sum(each.remaining_minor for each in debts)


@given(amounts=st.lists(PAID, min_size=1, max_size=6), dues=DUES)
def test_debts_are_paid_down_recharge_by_recharge_and_never_beyond(amounts: list[int], dues: Dues) -> None:
    debts, taken = dues.debts, 0
    for paid_minor in amounts:
        division = divide(paid_minor, Dues(debts=debts, policy=dues.policy))
        lowered = {each.debt_id: each for each in recovered(debts, division.parts)}
        debts = tuple(lowered.get(each.debt_id, each) for each in debts)
        debts = tuple(each for each in debts if each.remaining_minor)
        taken += division.of(PartKind.DEBT)

    assert owes(dues.debts) == owes(debts) + taken
