"""Instants as people write them, on the nights on which clocks are changed."""

from datetime import UTC, date, datetime

import pytest

from compuerta.services.local_instants import InstantMalformed, InstantSkipped, InstantTwice, instant_of
from compuerta.services.statement_months import Month, MonthMalformed, parsed

MADRID = "Europe/Madrid"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


def test_what_has_no_offset_is_by_the_sites_clock() -> None:
    assert instant_of("2026-10-03T10:00", zone="Asia/Shanghai") == at(3, 2)
    assert instant_of("2026-10-03T10:00+08:00", zone=MADRID) == at(3, 2)


def test_an_hour_that_was_twice_has_to_be_chosen() -> None:
    with pytest.raises(InstantTwice) as refusal:
        instant_of("2026-10-25T02:30", zone=MADRID)

    assert [each.isoformat() for each in refusal.value.instants] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]
    assert [instant_of("2026-10-25T02:30", zone=MADRID, turn=turn) for turn in (0, 1)] == [
        at(25, 0, 30),
        at(25, 1, 30),
    ]


def test_a_turn_changes_nothing_where_the_clock_showed_it_once() -> None:
    assert instant_of("2026-10-25T03:30", zone=MADRID, turn=1) == at(25, 2, 30)


def test_an_hour_that_never_was_is_refused() -> None:
    with pytest.raises(InstantSkipped):
        instant_of("2026-03-29T02:30", zone=MADRID)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00", "0001-01-01T00:00", "9999-12-31T23:59"]
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InstantMalformed):
        instant_of(text, zone=MADRID)


def test_a_month_begins_and_ends_at_the_sites_midnights() -> None:
    october = parsed("2026-10")

    starts_at, ends_at = october.bounds(zone=MADRID)

    assert (starts_at, ends_at) == (datetime(2026, 9, 30, 22, tzinfo=UTC), at(31, 23))
    assert (ends_at - starts_at).total_seconds() == (31 * 24 + 1) * 3_600
    assert [*october.days()][-1] == date(2026, 10, 31)


def test_months_follow_each_other_over_the_year() -> None:
    december = Month(year=2026, number=12)

    assert (str(december.after), str(december.before)) == ("2027-01", "2026-11")
    assert december.after.before == december < december.after


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "26-01", "2026-01-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(MonthMalformed):
        parsed(text)
