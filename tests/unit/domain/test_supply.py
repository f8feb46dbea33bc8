"""Supply is decided for every combination of reasons, and keeps its promises in all of them."""

from itertools import combinations, product

import pytest

from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import (
    CONTRADICTED_BY,
    FORBIDDING,
    PRECEDENCE,
    STAGES,
    HoldKind,
    Reason,
    Supply,
    decide,
)

METER, PLATFORM = CreditAuthority.METER, CreditAuthority.PLATFORM

HOLDS = [frozenset(some) for count in range(3) for some in combinations(HoldKind, count)]
EVERY_SUPPLY = [
    Supply(
        balance_minor=balance_minor,
        credit_authority=authority,
        holds=holds,
        billing_held=billing,
        emergency_minor=emergency_minor,
        friendly=friendly,
        paying=paying,
        last_chance=last_chance,
        look_owed=look_owed,
    )
    for balance_minor, authority, holds, emergency_minor, (
        billing,
        friendly,
        paying,
        last_chance,
        look_owed,
    ) in product((-5, -1, 0, 1), CreditAuthority, HOLDS, (0, 5), product((False, True), repeat=5))
]
# What keeps supply on although it is used up (S2), said a second time and not imported.
EXCEPTIONS = {
    Reason.PROTECTED,
    Reason.TEMPORARY_SUPPLY,
    Reason.BILLING_HELD,
    Reason.EMERGENCY_CREDIT,
    Reason.FRIENDLY_HOURS,
    Reason.PAYMENT_IN_FLIGHT,
    Reason.LAST_CHANCE,
    Reason.LOOK_FIRST,
}
LOCKS = {Reason.SAFETY_HOLD, Reason.OVERLOAD_LOCK, Reason.ADMINISTRATOR_HOLD, Reason.VACANCY}


def is_held(supply: Supply) -> bool:
    return bool(FORBIDDING & supply.holds)


def is_excepted(supply: Supply) -> bool:
    in_emergency = supply.balance_minor > -supply.emergency_minor
    told = (supply.billing_held, supply.friendly, supply.paying, supply.last_chance, supply.look_owed)
    return bool(supply.holds - FORBIDDING) or in_emergency or any(told)


def test_every_reason_is_in_the_table_once_and_each_decides_somewhere() -> None:
    assert {reason for reason, _, _ in PRECEDENCE} == set(Reason)
    assert len(PRECEDENCE) == len(Reason)
    assert {decide(supply).reason for supply in EVERY_SUPPLY} == set(Reason)


def test_in_credit_and_without_a_hold_supply_is_on() -> None:
    chosen = [each for each in EVERY_SUPPLY if each.balance_minor > 0 and not is_held(each)]

    assert chosen
    assert all(decide(supply).closed for supply in chosen)


def test_an_account_in_credit_is_cut_by_a_named_hold_only() -> None:
    cut = [each for each in EVERY_SUPPLY if each.balance_minor > 0 and not decide(each).closed]

    assert {decide(supply).reason for supply in cut} == LOCKS


def test_out_of_credit_supply_is_off_but_for_a_named_exception() -> None:
    empty = [each for each in EVERY_SUPPLY if each.balance_minor <= 0]

    for supply in empty:
        decision = decide(supply)
        assert decision.closed == (is_excepted(supply) and not is_held(supply))
        assert decision.closed == (decision.reason in EXCEPTIONS)


def test_no_balance_lifts_a_hold() -> None:
    held = [each for each in EVERY_SUPPLY if is_held(each)]

    assert held
    for supply in held:
        decision = decide(supply)
        assert not decision.closed
        assert decision.platform_switches


def test_the_platform_leaves_to_a_meter_what_is_the_meters_own() -> None:
    own = STAGES | {Reason.OUT_OF_CREDIT, Reason.BILLING_HELD}

    for supply in EVERY_SUPPLY:
        decision = decide(supply)
        by_credit = decision.reason in own
        assert decision.platform_switches == (supply.credit_authority is PLATFORM or not by_credit)


def test_only_a_meter_with_credit_is_told_to_stay_on_and_only_for_an_exception() -> None:
    for supply in EVERY_SUPPLY:
        decision = decide(supply)
        if decision.kept:
            assert supply.credit_authority is METER
            assert decision.closed
            assert decision.reason in EXCEPTIONS


def test_a_safety_hold_is_told_before_all_else() -> None:
    held = [each for each in EVERY_SUPPLY if HoldKind.SAFETY in each.holds]

    assert all(decide(supply).reason is Reason.SAFETY_HOLD for supply in held)


@pytest.mark.parametrize(
    ("balance_minor", "emergency_minor", "reason"),
    [
        (-1, 0, Reason.OUT_OF_CREDIT),
        (0, 0, Reason.OUT_OF_CREDIT),
        (1, 0, Reason.IN_CREDIT),
        (0, 500, Reason.EMERGENCY_CREDIT),
        (-499, 500, Reason.EMERGENCY_CREDIT),
        (-500, 500, Reason.OUT_OF_CREDIT),
        (1, 500, Reason.IN_CREDIT),
    ],
)
def test_nothing_left_is_out_of_credit(balance_minor: int, emergency_minor: int, reason: Reason) -> None:
    supply = Supply(balance_minor=balance_minor, emergency_minor=emergency_minor, credit_authority=PLATFORM)

    assert decide(supply).reason is reason


def test_holds_that_contradict_each_other_are_known_for_every_kind() -> None:
    assert set(CONTRADICTED_BY) == set(HoldKind)
    assert not CONTRADICTED_BY[HoldKind.SAFETY]
    assert all(CONTRADICTED_BY[kind] >= FORBIDDING for kind in set(HoldKind) - FORBIDDING)
