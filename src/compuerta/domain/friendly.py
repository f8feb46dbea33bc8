"""Friendly hours: stretches of a site's civil time in which nobody is cut for money.

Slots of the day, which may pass midnight; Saturdays and Sundays whole; named holidays whole. Stretches that
touch are one: with slots until midnight, a weekend begins on Friday evening.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compuerta.domain.policy import HOLIDAYS_MAX, Policy, Slot
from compuerta.domain.tariff.civil import civil_us, from_us, to_us

_SATURDAY: Final = 5
# Holidays in a row, and the weekends around them; what is friendly for longer than this has no end.
_DAYS_AHEAD_MAX: Final = HOLIDAYS_MAX + 7
_DAY: Final = timedelta(days=1)
_MINUTE_US: Final = 60_000_000


def is_friendly(policy: Policy, zone: ZoneInfo, now: datetime) -> bool:
    """Tell whether nobody is cut for money at an instant."""
    local = now.astimezone(zone)
    return _is_whole(policy, local.date()) or any(
        _holds(slot, local.time()) for slot in policy.friendly_slots
    )


def friendly_until(policy: Policy, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return when the friendly stretch that `now` lies in ends; None = not within the days looked at."""
    today = now.astimezone(zone).date()
    known = to_us(now)
    clocks = sorted({time(0), *(slot.end for slot in policy.friendly_slots)})
    for ahead in range(_DAYS_AHEAD_MAX):
        for clock in clocks:
            for edge in _shown(today + ahead * _DAY, clock, zone):
                if edge <= known:
                    continue
                if not is_friendly(policy, zone, from_us(edge)):
                    return from_us(_first_unfriendly(policy, zone, known, edge))
                known = edge
    return None


def _is_whole(policy: Policy, day: date) -> bool:
    return day in policy.holidays or (policy.friendly_weekends and day.weekday() >= _SATURDAY)


def _holds(slot: Slot, clock: time) -> bool:
    if slot.start < slot.end:
        return slot.start <= clock < slot.end
    return clock >= slot.start or clock < slot.end


def _shown(day: date, clock: time, zone: ZoneInfo) -> list[int]:
    """Return the instants at which a wall clock shows a time of a day: one, or two where clocks go back."""
    civil = datetime.combine(day, clock)
    again = to_us(civil.replace(tzinfo=zone, fold=1).astimezone(UTC))
    return sorted({civil_us(civil, zone=zone), again})


def _first_unfriendly(policy: Policy, zone: ZoneInfo, friendly_us: int, edge_us: int) -> int:
    """Return the first unfriendly minute up to an edge: a clock that jumps may leave a slot early."""
    before, after = from_us(friendly_us).astimezone(zone), from_us(edge_us).astimezone(zone)
    if before.utcoffset() == after.utcoffset():
        return edge_us
    while edge_us - friendly_us > _MINUTE_US:
        middle = (friendly_us + edge_us) // (2 * _MINUTE_US) * _MINUTE_US
        if is_friendly(policy, zone, from_us(middle)):
            friendly_us = middle
        else:
            edge_us = middle
    return edge_us
