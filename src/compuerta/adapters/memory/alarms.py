"""Alarms of meters, maintenance windows, feeders, in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.alarms import BY_THE_CLOCK, COVERS
from compuerta.domain.losses import Fix, Fixes
from compuerta.domain.party import AccountKind
from compuerta.drivers.abilities import Relay
from compuerta.services.alarm_port import AlarmPhoto, Feeding, MaintenanceWindow, MeterAlarm
from compuerta.services.records import Reading
from compuerta.services.store_port import Conflict

_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})


class MemoryAlarms:
    """See `alarm_port.Alarms`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def open_of(self, meter_ids: Iterable[int]) -> list[MeterAlarm]:
        wanted = set(meter_ids)
        found = [alarm for alarm in self._open() if alarm.meter_id in wanted]
        return sorted(found, key=lambda alarm: (alarm.meter_id, alarm.kind.value))

    def one(self, alarm_id: UUID, *, organisation_id: int) -> MeterAlarm | None:
        found = self._tables.meter_alarms.get(alarm_id)
        return found if found is not None and found.organisation_id == organisation_id else None

    def known(self, alarm_ids: Iterable[UUID]) -> set[UUID]:
        return set(alarm_ids) & self._tables.meter_alarms.keys()

    def put(self, alarms: Sequence[MeterAlarm]) -> None:
        for alarm in alarms:
            if alarm.alarm_id in self._tables.meter_alarms:
                raise Conflict(f"alarm {alarm.alarm_id} exists")
            self._write(alarm)

    def save(self, alarms: Sequence[MeterAlarm]) -> None:
        for alarm in alarms:
            self._write(alarm)

    def put_photo(self, photo: AlarmPhoto) -> None:
        require(photo.content_type in _TYPES, "alarm_photo_content_type_check")
        require(photo.alarm_id in self._tables.meter_alarms, "alarm_photo_meter_id_alarm_id_fkey")
        self._tables.take("alarm_photo_pkey", photo.photo_id)
        self._tables.alarm_photos[photo.photo_id] = photo

    def photos(self, alarm: MeterAlarm) -> int:
        return sum(photo.alarm_id == alarm.alarm_id for photo in self._tables.alarm_photos.values())

    def put_window(self, window: MaintenanceWindow) -> None:
        require(window.ends_at > window.starts_at, "maintenance_window_check")
        self._tables.take("maintenance_window_pkey", window.window_id)
        self._tables.maintenance_windows[window.window_id] = window

    def cancel_window(self, window_id: UUID, *, at: datetime) -> None:
        found = self._tables.maintenance_windows[window_id]
        self._tables.maintenance_windows[window_id] = replace(found, cancelled_at=at)

    def window(self, window_id: UUID, *, organisation_id: int) -> MaintenanceWindow | None:
        found = self._tables.maintenance_windows.get(window_id)
        return found if found is not None and found.organisation_id == organisation_id else None

    def windows(self, organisation_ids: Iterable[int], *, at: datetime) -> list[MaintenanceWindow]:
        wanted = set(organisation_ids)
        return [
            window
            for window in self._tables.maintenance_windows.values()
            if window.organisation_id in wanted
            and window.starts_at <= at < window.ends_at
            and window.cancelled_at is None
        ]

    def to_watch(
        self, *, heard_before: datetime, differs_before: datetime, after: int, limit: int
    ) -> dict[int, bool]:
        looked_at = {
            alarm.meter_id
            for alarm in self._open()
            if alarm.ended_at is None and (alarm.silenced or alarm.kind in BY_THE_CLOCK)
        }
        found = {
            each.meter_id
            for each in self._tables.snapshots.values()
            if (each.heard_at is not None and each.heard_at < heard_before)
            or (each.differs_since is not None and each.differs_since < differs_before)
            or each.meter_id in looked_at
        }
        measuring = found & self._tables.account_of_meter.keys()
        page = sorted(meter_id for meter_id in measuring if meter_id > after)[:limit]
        return {each: self._tables.meters[each].endpoint_id in self._tables.ends for each in page}

    def living(self, *, after: int, limit: int) -> list[int]:
        found = [
            meter_id
            for meter_id, account_id in self._tables.account_of_meter.items()
            if meter_id > after and self._tables.accounts[account_id].kind is AccountKind.CUSTOMER
        ]
        return sorted(found)[:limit]

    def covers_opened(
        self, meter_ids: Iterable[int], *, since: datetime, until: datetime
    ) -> list[MeterAlarm]:
        wanted = set(meter_ids)
        found = [
            alarm
            for alarm in self._tables.meter_alarms.values()
            if alarm.meter_id in wanted and alarm.kind in COVERS and since <= alarm.raised_at < until
        ]
        return sorted(found, key=lambda alarm: (alarm.meter_id, alarm.raised_at, alarm.kind.value))

    def was_off(self, meter_ids: Iterable[int], *, since: datetime) -> set[int]:
        wanted = set(meter_ids)
        return {
            reading.meter_id
            for reading in self._tables.readings.values()
            if reading.meter_id in wanted and reading.at >= since and _is_open(reading)
        }

    def fixes(self, meter_ids: Iterable[int], *, at: Sequence[datetime]) -> dict[int, tuple[Fixes, ...]]:
        read: dict[int, list[Reading]] = {meter_id: [] for meter_id in meter_ids}
        for reading in sorted(self._tables.readings.values(), key=lambda each: each.at):
            if reading.meter_id in read and reading.energy_wh is not None:
                read[reading.meter_id].append(reading)
        return {
            meter_id: tuple(_around(instant, readings) for instant in at)
            for meter_id, readings in read.items()
        }

    def put_feedings(self, feedings: Sequence[Feeding]) -> None:
        for feeding in feedings:
            taken = any(
                each.meter_id == feeding.meter_id and each.ended_at is None
                for each in self._tables.feedings.values()
            )
            if taken:
                raise Conflict(f"meter {feeding.meter_id} hangs behind a feeder already")
            key = (feeding.feeder_meter_id, feeding.meter_id, feeding.started_at)
            self._tables.feedings[key] = feeding

    def end_feedings(self, meter_ids: Iterable[int], *, at: datetime) -> None:
        wanted = set(meter_ids)
        for key, feeding in self._tables.feedings.items():
            if feeding.meter_id in wanted and feeding.ended_at is None:
                self._tables.feedings[key] = replace(feeding, ended_at=max(at, feeding.started_at))

    def fed_by(self, feeder_meter_id: int) -> list[Feeding]:
        found = [each for each in self._tables.feedings.values() if each.feeder_meter_id == feeder_meter_id]
        return sorted(found, key=lambda each: (each.meter_id, each.started_at))

    def feeders(self, *, after: int, limit: int) -> list[int]:
        found = {
            each.feeder_meter_id
            for each in self._tables.feedings.values()
            if each.ended_at is None and each.feeder_meter_id > after
        }
        return sorted(found)[:limit]

    def feeders_of(self, meter_ids: Iterable[int]) -> list[int]:
        asked = set(meter_ids)
        hung = [each for each in self._tables.feedings.values() if each.meter_id in asked]
        return sorted({each.feeder_meter_id for each in hung if each.ended_at is None})

    def _open(self) -> Iterator[MeterAlarm]:
        return (alarm for alarm in self._tables.meter_alarms.values() if alarm.closed_at is None)

    def _write(self, alarm: MeterAlarm) -> None:
        acknowledged = (alarm.acknowledged_by is None, alarm.acknowledged_at is None)
        require(len(set(acknowledged)) == 1, "meter_alarm_is_acknowledged_by_somebody")
        closed = (alarm.outcome is None, alarm.closed_by is None, alarm.closed_at is None)
        require(len(set(closed)) == 1, "meter_alarm_closes_with_an_outcome")
        same = [each for each in self._open() if (each.meter_id, each.kind) == (alarm.meter_id, alarm.kind)]
        if alarm.closed_at is None and any(each.alarm_id != alarm.alarm_id for each in same):
            raise Conflict(f"meter {alarm.meter_id} has an open alarm of {alarm.kind.value}")
        self._tables.meter_alarms[alarm.alarm_id] = alarm


def _is_open(reading: Reading) -> bool:
    return reading.relay in (Relay.OPEN, Relay.PERMITTED)


def _around(instant: datetime, readings: Sequence[Reading]) -> Fixes:
    before = [each for each in readings if each.at <= instant]
    after = [each for each in readings if each.at >= instant]
    return _fix(before[-1]) if before else None, _fix(after[0]) if after else None


def _fix(reading: Reading) -> Fix:
    assert reading.energy_wh is not None
    return Fix(at=reading.at, energy_wh=reading.energy_wh, relay_open=_is_open(reading))
