"""Suspecting: whose use fell away on a day, and what else says that it is measured elsewhere, or not at all.

A use that falls is a holiday, until a cover was opened, a bypass was told, or the feeder goes on feeding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from compuerta.domain.alarms import AlarmKind
from compuerta.domain.drift import DayUse
from compuerta.services.freeze_port import Freeze, FreezeBasis, SiteDay
from compuerta.services.records import AccountView
from compuerta.services.store_port import Transaction

DAY: Final = timedelta(days=1)
BEFORE: Final = 8 * DAY  # seven days of use need eight freezes before the day's own
FACTS: Final = frozenset({FreezeBasis.METER, FreezeBasis.READING})
OPENED: Final = frozenset(
    {
        AlarmKind.COVER_OPEN,
        AlarmKind.TERMINAL_COVER_OPEN,
        AlarmKind.BYPASS,
        AlarmKind.MAGNET,
        AlarmKind.REVERSE_FLOW,
        AlarmKind.STEP_AFTER_COVER,
    }
)
Uses = Mapping[date, int]


def day_uses(
    tx: Transaction, views: Mapping[int, AccountView], freezes: Sequence[Freeze], day: SiteDay
) -> dict[int, DayUse]:
    """Return the use of a day by meter, with what speaks against it where it fell; facts alone count."""
    by_meter = _uses(freezes)
    found = {
        meter_id: DayUse(used_wh=uses[day.day], before_wh=_before(uses, day.day))
        for meter_id, uses in by_meter.items()
        if day.day in uses and views[meter_id].account.period.start <= day.starts_at
    }
    fallen = {meter_id: use for meter_id, use in found.items() if use.fell}
    if not fallen:
        return found
    off = tx.alarms.was_off(fallen, since=day.starts_at)
    opened = {
        alarm.meter_id
        for alarm in tx.alarms.open_of(fallen)
        if alarm.kind in OPENED and day.starts_at - BEFORE <= alarm.raised_at < day.ends_at
    }
    unmeasured = _unmeasured(tx, fallen, day)
    for meter_id, use in fallen.items():
        found[meter_id] = replace(
            use,
            opened=meter_id in opened,
            was_off=meter_id in off,
            unmeasured_wh=unmeasured.get(meter_id),
        )
    return found


def _uses(freezes: Iterable[Freeze]) -> dict[int, dict[date, int]]:
    """Return the use of each day between two freezes of it, by meter."""
    registers: dict[int, dict[date, int]] = {}
    for each in freezes:
        if each.energy_wh is not None and each.basis in FACTS:
            registers.setdefault(each.meter_id, {})[each.day] = each.energy_wh
    return {
        meter_id: {
            day: energy_wh - known[day - DAY]
            for day, energy_wh in known.items()
            if day - DAY in known and energy_wh >= known[day - DAY]
        }
        for meter_id, known in registers.items()
    }


def _before(uses: Uses, day: date) -> tuple[int, ...]:
    return tuple(wh for each, wh in sorted(uses.items()) if each < day)


def _unmeasured(tx: Transaction, meter_ids: Iterable[int], day: SiteDay) -> dict[int, int]:
    """Return by how much more than usual is lost behind the feeder of each meter, where all is known."""
    wanted, found = set(meter_ids), dict[int, int]()
    for feeder_id in tx.alarms.feeders_of(wanted):
        behind = {each.meter_id for each in tx.alarms.fed_by(feeder_id) if each.ended_at is None}
        freezes = tx.freezes.freezes_of([feeder_id, *behind], since=day.day - BEFORE, until=day.day + DAY)
        losses = _losses(_uses(freezes), feeder_id, behind)
        before = _before(losses, day.day)
        if day.day in losses and before:
            grown_wh = losses[day.day] - sum(before) // len(before)
            found.update(dict.fromkeys(behind & wanted, grown_wh))
    return found


def _losses(uses: Mapping[int, Uses], feeder_id: int, behind: Iterable[int]) -> dict[date, int]:
    measured = [uses.get(meter_id, {}) for meter_id in behind]
    return {
        day: fed_wh - sum(each[day] for each in measured)
        for day, fed_wh in uses.get(feeder_id, {}).items()
        if all(day in each for each in measured)
    }
