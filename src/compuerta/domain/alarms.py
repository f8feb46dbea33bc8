"""Alarms of meters: which of what a meter tells, or fails to tell, is for a person to look at.

A sign is what two looks at one meter tell apart: something began, is over, or began and was over meanwhile.
What only the clock shows (silence, a register that does not move) is judged here too; who asks is elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Final

from compuerta.domain.supply import HoldKind


class Severity(Enum):
    """How soon somebody has to look."""

    NOTICE = "notice"  # on the next round
    WARNING = "warning"  # today
    DANGER = "danger"  # now: somebody may be hurt

    @property
    def rank(self) -> int:
        """The order on the board; the highest comes first."""
        return _RANKS.index(self)


_RANKS: Final = (Severity.NOTICE, Severity.WARNING, Severity.DANGER)


class AlarmKind(Enum):
    """What an alarm is about."""

    TERMINAL_COVER_OPEN = "terminal_cover_open"
    SWITCH_FAILURE = "switch_failure"  # what is open lets current through, or the switch's circuit is broken
    COVER_OPEN = "cover_open"
    REVERSE_FLOW = "reverse_flow"
    MAGNET = "magnet"
    BYPASS = "bypass"  # current that goes past the meter, or comes back by another way than the neutral
    OVER_CURRENT = "over_current"
    OVERLOAD = "overload"
    VOLTAGE_LOSS = "voltage_loss"
    UNDER_VOLTAGE = "under_voltage"
    OVER_VOLTAGE = "over_voltage"
    VOLTAGE_UNBALANCE = "voltage_unbalance"
    CURRENT_UNBALANCE = "current_unbalance"
    CLOCK_BATTERY = "clock_battery"
    METER_FAULT = "meter_fault"
    SILENCE = "silence"
    RELAY_DIFFERS = "relay_differs"
    IDLE_OCCUPIED = "idle_occupied"
    STEP_AFTER_COVER = "step_after_cover"
    USE_IN_VACANCY = "use_in_vacancy"
    CLOCK_DRIFT = "clock_drift"  # by more than two minutes; it is put right when it is read
    METER_LOSS = "meter_loss"  # behind a feeder more is lost than wires explain


SEVERITY: Mapping[AlarmKind, Severity] = MappingProxyType(
    {
        AlarmKind.TERMINAL_COVER_OPEN: Severity.DANGER,
        AlarmKind.SWITCH_FAILURE: Severity.DANGER,
        AlarmKind.COVER_OPEN: Severity.WARNING,
        AlarmKind.REVERSE_FLOW: Severity.WARNING,
        AlarmKind.MAGNET: Severity.WARNING,
        AlarmKind.BYPASS: Severity.WARNING,
        AlarmKind.OVER_CURRENT: Severity.WARNING,
        AlarmKind.OVERLOAD: Severity.WARNING,
        AlarmKind.VOLTAGE_LOSS: Severity.WARNING,
        AlarmKind.UNDER_VOLTAGE: Severity.NOTICE,
        AlarmKind.OVER_VOLTAGE: Severity.WARNING,
        AlarmKind.VOLTAGE_UNBALANCE: Severity.NOTICE,
        AlarmKind.CURRENT_UNBALANCE: Severity.NOTICE,
        AlarmKind.CLOCK_BATTERY: Severity.NOTICE,
        AlarmKind.METER_FAULT: Severity.NOTICE,
        AlarmKind.SILENCE: Severity.NOTICE,
        AlarmKind.RELAY_DIFFERS: Severity.WARNING,
        AlarmKind.IDLE_OCCUPIED: Severity.NOTICE,
        AlarmKind.STEP_AFTER_COVER: Severity.WARNING,
        AlarmKind.USE_IN_VACANCY: Severity.WARNING,
        AlarmKind.CLOCK_DRIFT: Severity.NOTICE,
        AlarmKind.METER_LOSS: Severity.NOTICE,
    }
)


class AlarmOutcome(Enum):
    """What somebody found; no alarm is closed without it."""

    FALSE_ALARM = "false_alarm"
    REPAIRED = "repaired"
    THEFT_CONFIRMED = "theft_confirmed"
    OWN_WORK = "own_work"  # our own people were at the meter
    USER_TOLD = "user_told"  # whoever lives there was spoken to
    NOTHING_FOUND = "nothing_found"


# The names are those of status words 1, 2 and 4 to 7, DL/T 645-2007 table A.
FLAGS: Mapping[AlarmKind, frozenset[str]] = MappingProxyType(
    {
        AlarmKind.TERMINAL_COVER_OPEN: frozenset({"terminal_cover_open"}),
        AlarmKind.SWITCH_FAILURE: frozenset({"control_loop_error", "switch_failure"}),
        AlarmKind.COVER_OPEN: frozenset({"cover_open"}),
        AlarmKind.REVERSE_FLOW: frozenset(
            {"reverse_flow", "active_reverse", "active_reverse_a", "active_reverse_b", "active_reverse_c"}
        ),
        AlarmKind.MAGNET: frozenset({"magnet"}),
        AlarmKind.BYPASS: frozenset(
            {"bypass", "loss_of_current", "current_break", "severe_current_unbalance"}
        ),
        AlarmKind.OVER_CURRENT: frozenset({"over_current"}),
        AlarmKind.OVERLOAD: frozenset({"overload"}),
        AlarmKind.VOLTAGE_LOSS: frozenset({"loss_of_voltage", "phase_break"}),
        AlarmKind.UNDER_VOLTAGE: frozenset({"under_voltage"}),
        AlarmKind.OVER_VOLTAGE: frozenset({"over_voltage"}),
        AlarmKind.VOLTAGE_UNBALANCE: frozenset({"voltage_unbalance", "voltage_sequence"}),
        AlarmKind.CURRENT_UNBALANCE: frozenset({"current_unbalance", "current_sequence"}),
        AlarmKind.CLOCK_BATTERY: frozenset({"clock_battery_low", "backup_battery_low"}),
        AlarmKind.METER_FAULT: frozenset({"clock_error", "memory_fault", "program_error", "esam_error"}),
    }
)
# What meters count of their events, DL/T 645-2007 03xxxx00: also what began and ended between two looks.
COUNTERS: Mapping[AlarmKind, str] = MappingProxyType(
    {
        AlarmKind.TERMINAL_COVER_OPEN: "terminal_cover",
        AlarmKind.SWITCH_FAILURE: "switch_failure",
        AlarmKind.COVER_OPEN: "cover",
        AlarmKind.REVERSE_FLOW: "reverse_flow",
        AlarmKind.MAGNET: "magnet",
        AlarmKind.BYPASS: "current_loss",
        AlarmKind.OVER_CURRENT: "over_current",
        AlarmKind.OVERLOAD: "overload",
        AlarmKind.VOLTAGE_LOSS: "voltage_loss",
        AlarmKind.UNDER_VOLTAGE: "under_voltage",
        AlarmKind.OVER_VOLTAGE: "over_voltage",
        AlarmKind.VOLTAGE_UNBALANCE: "voltage_unbalance",
        AlarmKind.CURRENT_UNBALANCE: "current_unbalance",
    }
)
_WATCHED: Final = tuple(FLAGS)
COVERS: Final = frozenset({AlarmKind.COVER_OPEN, AlarmKind.TERMINAL_COVER_OPEN})
# What the clock shows: the sweep raises it, and sees when it is over.
BY_THE_CLOCK: Final = frozenset({AlarmKind.SILENCE, AlarmKind.RELAY_DIFFERS, AlarmKind.IDLE_OCCUPIED})

# A register counts by 10 Wh, and a switch may have opened after the first of two looks: two steps are no use.
STEPS_WH_MAX: Final = 20
# A switch is sent, tried again and read back within a minute or two; a road that is down is told as silence.
DIFFERS_MAX: Final = timedelta(minutes=15)
STEP_SPAN: Final = timedelta(days=3)  # before a cover was opened, and after
STEP_WH_MIN: Final = 3_000  # in the days before; of less than 1 kWh a day half is a change of weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of a meter at one look, as far as alarms go."""

    flags: frozenset[str] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict)
    relay_open: bool = False
    energy_wh: int | None = None
    heard_at: datetime | None = None  # None: nobody ever heard of it


class Turn(Enum):
    """What became of something between two looks."""

    BEGAN = "began"
    PASSED = "passed"  # it began, and was over before the second look
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What two looks at a meter tell apart."""

    kind: AlarmKind
    turn: Turn
    times: int = 1
    detail: str = ""


def signs(before: Look, after: Look, *, holds: frozenset[HoldKind], silent_after: timedelta) -> list[Sign]:
    """Return what began, passed or ended between two looks; the first look at a meter has no history."""
    found = [sign for kind in _WATCHED if (sign := _told(kind, before, after)) is not None]
    return found + _used_while_open(before, after, holds=holds) + _heard(before, after, silent_after)


def silent_since(heard_at: datetime | None, *, now: datetime, silent_after: timedelta) -> datetime | None:
    """Return since when a meter is silent; one that was never heard is not there yet."""
    return heard_at if heard_at is not None and now - heard_at > silent_after else None


def differs_since(differs_since: datetime | None, *, now: datetime) -> datetime | None:
    """Return since when a relay is not as wanted, where that is longer than switching takes."""
    return differs_since if differs_since is not None and now - differs_since > DIFFERS_MAX else None


def is_idle(registers_wh: Sequence[int]) -> bool:
    """Tell whether a register stood still; of a single look nothing follows."""
    return len(registers_wh) > 1 and len(set(registers_wh)) == 1


def stepped_down(before_wh: int | None, after_wh: int | None) -> bool:
    """Tell whether use fell to less than half; from next to nothing, or a missing look, nothing follows."""
    if before_wh is None or after_wh is None or before_wh < STEP_WH_MIN:
        return False
    return 0 <= after_wh * 2 < before_wh


def _told(kind: AlarmKind, before: Look, after: Look) -> Sign | None:
    was, on = FLAGS[kind] & before.flags, FLAGS[kind] & after.flags
    grown = _grown(COUNTERS.get(kind), before, after)
    names = ", ".join(sorted(on))
    if on and (not was or grown):
        return Sign(kind=kind, turn=Turn.BEGAN, times=max(grown, 1), detail=names)
    if grown:
        counter = COUNTERS[kind]
        counted = f"{kind.value}: {before.counts[counter]} -> {after.counts[counter]}"
        return Sign(kind=kind, turn=Turn.PASSED, times=grown, detail=counted)
    return Sign(kind=kind, turn=Turn.ENDED) if was and not on else None


def _grown(counter: str | None, before: Look, after: Look) -> int:
    """Return by how much a counter grew; one that was never read has no history, one that fell is new."""
    if counter is None or counter not in before.counts or counter not in after.counts:
        return 0
    return max(after.counts[counter] - before.counts[counter], 0)


def _used_while_open(before: Look, after: Look, *, holds: frozenset[HoldKind]) -> list[Sign]:
    if before.energy_wh is None or after.energy_wh is None:
        return []
    used_wh = after.energy_wh - before.energy_wh
    if used_wh <= STEPS_WH_MAX:
        return []
    told = f"{used_wh} Wh"
    found = []
    # One that was closed and opened again meanwhile has counted it, where it counts.
    if before.relay_open and after.relay_open and not _grown("close", before, after):
        found.append(Sign(kind=AlarmKind.SWITCH_FAILURE, turn=Turn.PASSED, detail=told))
    if HoldKind.VACANCY in holds:
        found.append(Sign(kind=AlarmKind.USE_IN_VACANCY, turn=Turn.PASSED, detail=told))
    return found


def _heard(before: Look, after: Look, silent_after: timedelta) -> list[Sign]:
    if before.heard_at is None or after.heard_at is None or after.heard_at - before.heard_at <= silent_after:
        return []
    return [Sign(kind=AlarmKind.SILENCE, turn=Turn.ENDED)]
