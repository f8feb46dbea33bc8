"""The port to alarms of meters, maintenance windows, feeders: rows as they are, inside a transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.alarms import AlarmKind, AlarmOutcome, Severity
from compuerta.domain.losses import Fixes


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterAlarm:
    """What a person should look at; one row until somebody closes it, however often it is told."""

    meter_id: int
    alarm_id: UUID
    organisation_id: int
    account_id: int | None
    kind: AlarmKind
    severity: Severity
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int = 1
    silenced: bool = False  # raised in a maintenance window: listed, and nobody is called
    ended_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    outcome: AlarmOutcome | None = None
    note: str = ""
    closed_by: str | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """When alarms are expected: of a meter, a site, or everywhere in an organisation."""

    window_id: UUID
    organisation_id: int
    site_id: int | None
    meter_id: int | None
    starts_at: datetime
    ends_at: datetime
    who: str
    why: str
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmPhoto:
    """What somebody saw at the meter."""

    meter_id: int
    alarm_id: UUID
    photo_id: UUID
    content_type: str
    content: bytes
    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """A meter that hangs behind a feeder meter, from ... to."""

    feeder_meter_id: int
    meter_id: int
    started_at: datetime
    ended_at: datetime | None = None


class Alarms(Protocol):
    """What a use case may ask about alarms of meters, maintenance windows, feeders."""

    def open_of(self, meter_ids: Iterable[int]) -> list[MeterAlarm]:
        """Return the alarms of meters that nobody has closed, by meter and kind, locked."""
        ...

    def one(self, alarm_id: UUID, *, organisation_id: int) -> MeterAlarm | None:
        """Return an organisation's alarm, locked."""
        ...

    def known(self, alarm_ids: Iterable[UUID]) -> set[UUID]:
        """Return which of these alarms were ever raised, closed ones too."""
        ...

    def put(self, alarms: Sequence[MeterAlarm]) -> None:
        """Write new alarms; raises `Conflict` where a meter has an open one of the kind."""
        ...

    def save(self, alarms: Sequence[MeterAlarm]) -> None: ...
    def put_photo(self, photo: AlarmPhoto) -> None: ...
    def photos(self, alarm: MeterAlarm) -> int:
        """Return how many photos an alarm has."""
        ...

    def put_window(self, window: MaintenanceWindow) -> None: ...
    def cancel_window(self, window_id: UUID, *, at: datetime) -> None: ...
    def window(self, window_id: UUID, *, organisation_id: int) -> MaintenanceWindow | None: ...
    def windows(self, organisation_ids: Iterable[int], *, at: datetime) -> list[MaintenanceWindow]:
        """Return the windows of organisations that are open at an instant, and not cancelled."""
        ...

    def to_watch(
        self, *, heard_before: datetime, differs_before: datetime, after: int, limit: int
    ) -> dict[int, bool]:
        """Return meters, by id from after one on, of which the clock may have something to tell.

        Not heard, or not as wanted, since these instants; or with an alarm of the clock or a silenced one.
        With each, whether a gateway of ours ever held its road: who tells files is not missed between them.
        """
        ...

    def living(self, *, after: int, limit: int) -> list[int]:
        """Return the meters of customers, by id from after one on."""
        ...

    def covers_opened(
        self, meter_ids: Iterable[int], *, since: datetime, until: datetime
    ) -> list[MeterAlarm]:
        """Return the alarms of opened covers that were raised in [since, until), by meter and instant."""
        ...

    def was_off(self, meter_ids: Iterable[int], *, since: datetime) -> set[int]:
        """Return which of these meters told an open relay since an instant."""
        ...

    def fixes(self, meter_ids: Iterable[int], *, at: Sequence[datetime]) -> dict[int, tuple[Fixes, ...]]:
        """Return the readings around each of these instants: the last by it, and the first from it."""
        ...

    def put_feedings(self, feedings: Sequence[Feeding]) -> None: ...
    def end_feedings(self, meter_ids: Iterable[int], *, at: datetime) -> None:
        """Take meters from behind their feeders."""
        ...

    def fed_by(self, feeder_meter_id: int) -> list[Feeding]:
        """Return what hangs, or hung, behind a feeder, by meter and start."""
        ...

    def feeders(self, *, after: int, limit: int) -> list[int]:
        """Return the meters that something hangs behind, by id from after one on."""
        ...

    def feeders_of(self, meter_ids: Iterable[int]) -> list[int]:
        """Return the feeders that these meters hang behind, by id."""
        ...
