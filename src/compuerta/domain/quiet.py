"""Quiet hours: what can wait is told when they are over."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from compuerta.domain.policy import Slot
from compuerta.domain.tariff.civil import civil_us, from_us


def told_at(slot: Slot | None, *, zone: ZoneInfo, now: datetime) -> datetime:
    """Return when something may be told: now, or when the quiet stretch of the site's clock ends."""
    if slot is None:
        return now
    local = now.astimezone(zone)
    clock = local.time()
    passes_midnight = slot.end <= slot.start
    inside = clock >= slot.start or clock < slot.end if passes_midnight else slot.start <= clock < slot.end
    if not inside:
        return now
    tomorrow = passes_midnight and clock >= slot.start
    day = local.date() + timedelta(days=int(tomorrow))
    ends_at = from_us(civil_us(datetime.combine(day, slot.end), zone=zone))
    return max(ends_at, now)
