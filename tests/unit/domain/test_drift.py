"""What explains that a meter holds other money than our books; whose use fell; and what silence costs."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from compuerta.domain.drift import (
    Cause,
    DayUse,
    Evidence,
    Given,
    Prices,
    SilentAccount,
    UnderWay,
    Verdict,
    at_risk,
    clock_minor_max,
    explain,
    is_tampered,
    tolerance_minor,
)

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
GIVEN = (Given(purchase_no=1, amount_minor=3_000), Given(purchase_no=2, amount_minor=5_000))
WAY = (UnderWay(amount_minor=-5_000), UnderWay(amount_minor=-700))


def evidence(gap_minor: int, **more: object) -> Evidence:
    return Evidence(gap_minor=gap_minor, tolerance_minor=3, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (evidence(0), Verdict.AGREES),
        (evidence(-3), Verdict.AGREES),
        (evidence(4), Cause.UNEXPLAINED),
        (evidence(-5_001, under_way=WAY), Verdict.IN_FLIGHT),
        (evidence(-5_700, under_way=WAY), Verdict.IN_FLIGHT),
        (evidence(-5_004, under_way=WAY), Cause.UNEXPLAINED),
        (evidence(5_000, under_way=(UnderWay(amount_minor=5_000),)), Verdict.IN_FLIGHT),
        (evidence(-5_000, under_way=(UnderWay(amount_minor=-5_000, overdue=True),)), Cause.LOST_INSTRUCTION),
        (evidence(-5_000, given=GIVEN, meter_no=1), Cause.LOST_INSTRUCTION),
        (evidence(-8_000, given=GIVEN, meter_no=0), Cause.LOST_INSTRUCTION),
        (evidence(-5_000, given=GIVEN, meter_no=2), Cause.LOST_INSTRUCTION),
        (evidence(-4_900, given=GIVEN, meter_no=2), Cause.UNEXPLAINED),
        (evidence(5_000, given=GIVEN, meter_no=3), Cause.DOUBLE_CREDIT),
        (evidence(4_900, given=GIVEN), Cause.UNEXPLAINED),
        (evidence(120, other_version_minor=121), Cause.TARIFF_VERSION),
        (evidence(-120, other_version_minor=121), Cause.UNEXPLAINED),
        (evidence(20, clock_minor_max=20), Cause.CLOCK),
        (evidence(21, clock_minor_max=20), Cause.UNEXPLAINED),
    ],
)
def test_the_surest_explanation_is_told(told: Evidence, found: Verdict | Cause) -> None:
    assert explain(told) is found


def test_amounts_beyond_what_can_be_under_way_are_not_tried() -> None:
    many = tuple(UnderWay(amount_minor=-(10**number)) for number in range(2, 9))

    assert explain(evidence(-(10**8), under_way=many)) is Cause.UNEXPLAINED


def test_roundings_and_the_hour_of_unread_energy_are_no_difference() -> None:
    flat = Prices(high=Fraction(6, 100), spread=Fraction(0))
    by_hour = Prices(high=Fraction(6, 100), spread=Fraction(3, 100))

    assert tolerance_minor(flat, unread_wh=5_000) == 4
    assert tolerance_minor(by_hour, unread_wh=5_000) == 2 + 152


@pytest.mark.parametrize(
    ("off_s", "edges", "bound"), [(None, 2, 0), (59, 2, 0), (3_600, 0, 0), (3_600, 2, 100)]
)
def test_a_clock_prices_otherwise_only_around_a_change_of_price(
    off_s: int | None, edges: int, bound: int
) -> None:
    prices = Prices(high=Fraction(6, 100), spread=Fraction(3, 100))

    assert clock_minor_max(prices, used_wh=10_000, clock_off_s=off_s, edges=edges) == bound


BEFORE = (5_000, 6_000, 5_500)


@pytest.mark.parametrize(
    ("use", "suspect"),
    [
        (DayUse(used_wh=100, before_wh=BEFORE, opened=True), True),
        (DayUse(used_wh=100, before_wh=BEFORE, unmeasured_wh=4_800), True),
        (DayUse(used_wh=100, before_wh=BEFORE), False),  # away for the weekend
        (DayUse(used_wh=100, before_wh=BEFORE, unmeasured_wh=300), False),
        (DayUse(used_wh=100, before_wh=BEFORE, opened=True, was_off=True), False),
        (DayUse(used_wh=3_000, before_wh=BEFORE, opened=True), False),
        (DayUse(used_wh=100, before_wh=BEFORE[:2], opened=True), False),
        (DayUse(used_wh=1, before_wh=(900, 900, 900), opened=True), False),
    ],
)
def test_a_use_that_fell_is_suspect_only_where_something_else_says_so(use: DayUse, suspect: bool) -> None:
    assert is_tampered(use) is suspect


def silent(endpoint_id: str, *, hours: int, day_minor: int, balance_minor: int) -> SilentAccount:
    since = NOW - timedelta(hours=hours)
    return SilentAccount(
        endpoint_id=endpoint_id, currency="CNY", silent_since=since, day_minor=day_minor,
        balance_minor=balance_minor,
    )  # fmt: skip


def test_what_nobody_can_cut_is_added_up_by_the_end_that_is_silent() -> None:
    found = at_risk(
        [
            silent("a", hours=12, day_minor=2_400, balance_minor=5_000),
            silent("b", hours=48, day_minor=2_400, balance_minor=1_000),
            silent("b", hours=24, day_minor=240, balance_minor=-50),
        ],
        now=NOW,
    )

    assert [(each.endpoint_id, each.hour_minor, each.used_minor, each.unpaid_minor) for each in found] == [
        ("b", 110, 5_040, 3_800 + 290),
        ("a", 100, 1_200, 0),
    ]
    assert found[0].silent_since == NOW - timedelta(hours=48)


def test_one_end_with_two_currencies_is_two_lines() -> None:
    one = silent("a", hours=1, day_minor=24, balance_minor=0)
    other = SilentAccount(endpoint_id="a", currency="KES", silent_since=NOW, day_minor=24, balance_minor=0)

    assert [each.currency for each in at_risk([one, other], now=NOW)] == ["CNY", "KES"]
