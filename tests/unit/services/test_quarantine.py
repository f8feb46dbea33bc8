"""Who comes over and over, or talks without end, is left outside for a while; everybody else comes in."""

from datetime import datetime

from tests.unit.services.town import NOON, SECOND

from compuerta.services import quarantine
from compuerta.services.quarantine import (
    CHATTERING,
    OCTETS_MAX,
    OPENINGS_MAX,
    OUTSIDE,
    OUTSIDE_MAX,
    STRAYS_MAX,
    WELL,
    WINDOW,
    Quarantine,
)


def put_outside(watch: Quarantine, *, now: datetime) -> None:
    for _ in range(OPENINGS_MAX + 1):
        watch.lets_in("module", now=now)


def test_an_end_that_dials_over_and_over_is_shut_out_and_told_of_once() -> None:
    watch = Quarantine()

    let_in = [watch.lets_in("module", now=NOON + number * SECOND / 4) for number in range(2 * OPENINGS_MAX)]

    assert let_in == [True] * OPENINGS_MAX + [False] * OPENINGS_MAX
    (alarm,) = watch.take_alarms()
    assert (alarm.kind, alarm.subject) == (CHATTERING, "module")
    assert watch.take_alarms() == []
    assert watch.lets_in("another", now=NOON)


def test_an_end_that_dials_often_and_not_too_often_comes_in() -> None:
    watch = Quarantine()

    let_in = [watch.lets_in("module", now=NOON + number * WINDOW / OPENINGS_MAX) for number in range(99)]

    assert all(let_in)


def test_who_was_shut_out_is_let_in_later_and_waits_longer_each_time() -> None:
    watch, now, waits = Quarantine(), NOON, []
    for _ in range(60):
        put_outside(watch, now=now)
        waits.append(watch.outside()["module"] - now)
        assert not watch.lets_in("module", now=now + waits[-1] - SECOND)
        now += waits[-1]
        assert watch.lets_in("module", now=now)

    assert waits == [OUTSIDE, 2 * OUTSIDE, 4 * OUTSIDE, 8 * OUTSIDE] + 56 * [OUTSIDE_MAX]


def test_who_has_been_well_for_long_begins_anew() -> None:
    watch = Quarantine()
    put_outside(watch, now=NOON)
    put_outside(watch, now=NOON + OUTSIDE)
    later = NOON + OUTSIDE + WELL

    put_outside(watch, now=later)

    assert watch.outside()["module"] == later + OUTSIDE


def test_an_end_that_says_too_much_unasked_is_shut_out() -> None:
    frames, bytes_, quiet = Quarantine(), Quarantine(), Quarantine()

    assert not frames.bears("module", strays=STRAYS_MAX + 1, octets=10, now=NOON)
    assert not bytes_.bears("module", strays=0, octets=OCTETS_MAX + 1, now=NOON)
    assert quiet.bears("module", strays=STRAYS_MAX, octets=OCTETS_MAX, now=NOON)
    assert quiet.bears("module", strays=STRAYS_MAX, octets=OCTETS_MAX, now=NOON + WINDOW)
    assert not quiet.bears("module", strays=1, octets=0, now=NOON + WINDOW + SECOND)


def test_no_more_ends_are_watched_than_there_is_room_for() -> None:
    watch = Quarantine()
    put_outside(watch, now=NOON)

    for number in range(quarantine.ENDS_MAX):
        watch.lets_in(f"end {number}", now=NOON)

    assert watch.outside() == {}
