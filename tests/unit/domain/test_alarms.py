"""Alarms: what two looks at a meter tell apart, and what only the clock shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from compuerta.domain import alarms
from compuerta.domain.alarms import COUNTERS, FLAGS, SEVERITY, AlarmKind, Look, Severity, Sign, Turn
from compuerta.domain.supply import HoldKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUIET = Look(energy_wh=1_000, heard_at=NOON)


def told(before: Look, after: Look, *, holds: frozenset[HoldKind] = frozenset()) -> list[Sign]:
    return alarms.signs(before, after, holds=holds, silent_after=45 * MINUTE)


def test_every_kind_has_a_severity() -> None:
    assert set(SEVERITY) == set(AlarmKind)
    assert max(SEVERITY.values(), key=lambda each: each.rank) is Severity.DANGER


@pytest.mark.parametrize(("kind", "flag"), [(kind, flag) for kind in FLAGS for flag in sorted(FLAGS[kind])])
def test_a_flag_begins_an_alarm_once_and_ends_it(kind: AlarmKind, flag: str) -> None:
    on = replace(QUIET, flags=frozenset({flag, "relay_open"}))

    assert told(QUIET, on) == [Sign(kind=kind, turn=Turn.BEGAN, detail=flag)]
    assert told(on, on) == []
    assert told(on, QUIET) == [Sign(kind=kind, turn=Turn.ENDED)]


@pytest.mark.parametrize(("kind", "counter"), list(COUNTERS.items()))
def test_a_counter_that_grew_tells_what_nobody_saw(kind: AlarmKind, counter: str) -> None:
    before, after = replace(QUIET, counts={counter: 3}), replace(QUIET, counts={counter: 5})

    (sign,) = told(before, after)

    assert sign == Sign(kind=kind, turn=Turn.PASSED, times=2, detail=f"{kind.value}: 3 -> 5")


def test_the_first_look_has_no_history() -> None:
    first = replace(QUIET, counts={"cover": 7, "overload": 2})

    assert told(Look(), first) == []
    assert told(QUIET, first) == []


def test_what_is_on_at_the_first_look_is_told() -> None:
    first = replace(QUIET, flags=frozenset({"terminal_cover_open"}), counts={"terminal_cover": 7})

    (sign,) = told(Look(), first)

    assert (sign.kind, sign.turn) == (AlarmKind.TERMINAL_COVER_OPEN, Turn.BEGAN)


def test_a_counter_that_fell_is_a_new_one() -> None:
    assert told(replace(QUIET, counts={"cover": 7}), replace(QUIET, counts={"cover": 0})) == []


def test_a_cover_that_was_shut_and_opened_again_is_counted() -> None:
    on = replace(QUIET, flags=frozenset({"cover_open"}), counts={"cover": 1})

    (sign,) = told(on, replace(on, counts={"cover": 3}))

    assert (sign.turn, sign.times) == (Turn.BEGAN, 2)


def test_use_through_an_open_switch_is_a_failure_of_the_switch() -> None:
    off = replace(QUIET, relay_open=True)

    (sign,) = told(off, replace(off, energy_wh=1_500))

    assert sign == Sign(kind=AlarmKind.SWITCH_FAILURE, turn=Turn.PASSED, detail="500 Wh")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (replace(QUIET, relay_open=True), replace(QUIET, relay_open=True, energy_wh=1_020)),
        (QUIET, replace(QUIET, relay_open=True, energy_wh=1_500)),
        (replace(QUIET, relay_open=True), replace(QUIET, energy_wh=1_500)),
        (replace(QUIET, relay_open=True), replace(QUIET, relay_open=True, energy_wh=None)),
        (
            replace(QUIET, relay_open=True, counts={"close": 1}),
            replace(QUIET, relay_open=True, counts={"close": 2}, energy_wh=1_500),
        ),
    ],
)
def test_use_that_another_thing_explains_is_no_failure(before: Look, after: Look) -> None:
    assert told(before, after) == []


def test_use_in_a_vacancy_is_told() -> None:
    (sign,) = told(QUIET, replace(QUIET, energy_wh=1_100), holds=frozenset({HoldKind.VACANCY}))

    assert (sign.kind, sign.detail) == (AlarmKind.USE_IN_VACANCY, "100 Wh")


def test_a_meter_that_is_heard_again_is_not_silent_any_more() -> None:
    assert told(QUIET, replace(QUIET, heard_at=NOON + 46 * MINUTE)) == [
        Sign(kind=AlarmKind.SILENCE, turn=Turn.ENDED)
    ]
    assert told(QUIET, replace(QUIET, heard_at=NOON + 45 * MINUTE)) == []


def test_silence_begins_after_its_bound_and_only_where_something_was_heard() -> None:
    def since(minutes: int, heard_at: datetime | None = NOON) -> datetime | None:
        return alarms.silent_since(heard_at, now=NOON + minutes * MINUTE, silent_after=45 * MINUTE)

    assert since(45) is None
    assert since(46) == NOON
    assert since(46, None) is None


def test_a_relay_differs_after_the_time_that_switching_takes() -> None:
    assert alarms.differs_since(NOON, now=NOON + alarms.DIFFERS_MAX) is None
    assert alarms.differs_since(NOON, now=NOON + alarms.DIFFERS_MAX + MINUTE) == NOON
    assert alarms.differs_since(None, now=NOON) is None


@pytest.mark.parametrize(
    ("registers_wh", "idle"), [([500, 500], True), ([500, 501], False), ([500], False), ([], False)]
)
def test_a_register_that_stands_is_idle(registers_wh: list[int], idle: bool) -> None:
    assert alarms.is_idle(registers_wh) is idle


@pytest.mark.parametrize(
    ("before_wh", "after_wh", "fell"),
    [
        (6_000, 2_999, True),
        (6_000, 3_000, False),
        (2_999, 0, False),
        (None, 0, False),
        (6_000, None, False),
    ],
)
def test_use_that_falls_below_half_stepped_down(
    before_wh: int | None, after_wh: int | None, fell: bool
) -> None:
    assert alarms.stepped_down(before_wh, after_wh) is fell
