"""What holds for every tariff and every history."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from tests.unit.domain.tariff.by_ticks import Key, Reckoned, Reckoner
from tests.unit.domain.tariff.parts import a_schedule
from tests.unit.domain.tariff.random_tariffs import Case, cases

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.schedule import Schedule


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


@pytest.mark.slow
@settings(max_examples=120)
@given(cases())
def test_two_engines_make_the_same_bills(case: Case) -> None:
    bills = rate(case.spans, schedule=schedule_of(case), start=case.start, terms=case.terms)

    expected = reckoned(case)

    assert [engines_lines(bill) for bill in bills] == [bill.lines for bill in expected]
    assert [bill.total_minor for bill in bills] == [bill.total_minor for bill in expected]
