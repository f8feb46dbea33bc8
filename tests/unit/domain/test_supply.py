"""Supply is decided for every combination of reasons, and keeps its promises in all of them."""

from itertools import product

import pytest

from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import PRECEDENCE, Reason, Supply, decide

METER, PLATFORM = CreditAuthority.METER, CreditAuthority.PLATFORM

EVERY_SUPPLY = [
    Supply(
        balance_minor=balance_minor,
        credit_authority=authority,
        safety_held=safety,
        administrator_held=administrator,
        protected=protected,
        temporary=temporary,
        billing_held=billing,
    )
    for balance_minor, authority, safety, administrator, protected, temporary, billing in product(
        (-1, 0, 1), CreditAuthority, *[(False, True)] * 5
    )
]


def is_held(supply: Supply) -> bool:
    return supply.safety_held or supply.administrator_held


def is_excepted(supply: Supply) -> bool:
    return supply.protected or supply.temporary or supply.billing_held


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

    assert {decide(supply).reason for supply in cut} == {Reason.SAFETY_HOLD, Reason.ADMINISTRATOR_HOLD}


def test_out_of_credit_supply_is_off_but_for_a_named_exception() -> None:
    empty = [each for each in EVERY_SUPPLY if each.balance_minor <= 0]

    for supply in empty:
        assert decide(supply).closed == (is_excepted(supply) and not is_held(supply))


def test_no_balance_lifts_a_hold() -> None:
    held = [each for each in EVERY_SUPPLY if is_held(each)]

    assert held
    for supply in held:
        decision = decide(supply)
        assert not decision.closed
        assert decision.platform_switches


def test_the_platform_leaves_to_a_meter_what_is_the_meters_own() -> None:
    for supply in EVERY_SUPPLY:
        decision = decide(supply)
        by_credit = decision.reason in (Reason.OUT_OF_CREDIT, Reason.BILLING_HELD)
        assert decision.platform_switches == (supply.credit_authority is PLATFORM or not by_credit)


def test_a_safety_hold_is_told_before_all_else() -> None:
    assert all(decide(supply).reason is Reason.SAFETY_HOLD for supply in EVERY_SUPPLY if supply.safety_held)


@pytest.mark.parametrize(
    ("balance_minor", "reason"),
    [(-1, Reason.OUT_OF_CREDIT), (0, Reason.OUT_OF_CREDIT), (1, Reason.IN_CREDIT)],
)
def test_nothing_left_is_out_of_credit(balance_minor: int, reason: Reason) -> None:
    assert decide(Supply(balance_minor=balance_minor, credit_authority=PLATFORM)).reason is reason
