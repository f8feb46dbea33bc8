"""Alarming: what meters tell, and what only time shows, becomes alarms; people look, and say what they found.

One alarm of a kind is open per meter; whatever tells of it again is counted. It stays on the board until
somebody closes it with an outcome, also when what it tells of is over. Inside a maintenance window alarms are
listed and call nobody; what still holds when the window is over does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.alarms import (
    BY_THE_CLOCK,
    SEVERITY,
    AlarmKind,
    AlarmOutcome,
    Look,
    Severity,
    Sign,
    Turn,
    signs,
)
from compuerta.domain.errors import Refused
from compuerta.domain.freeze import clock_off_then, is_off
from compuerta.domain.naming import named
from compuerta.domain.party import zone_of
from compuerta.drivers.abilities import Relay
from compuerta.services import telling
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.alarm_port import AlarmPhoto, MaintenanceWindow, MeterAlarm
from compuerta.services.records import AccountView, AuditEntry, MeterSnapshot
from compuerta.services.store_port import Store, Transaction

PHOTO_BYTES_MAX: Final = 8_000_000
PHOTOS_MAX: Final = 12  # of one alarm
DETAIL_CHARACTERS_MAX: Final = 500
AHEAD_MAX: Final = timedelta(days=366)
WINDOW_MAX: Final = timedelta(days=31)  # longer ones are forgotten, and hide theft
# The first bytes of the pictures that phones take; a name or a header that says so proves nothing.
_JPEG, _PNG, _RIFF, _WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBP"


class AlarmUnknown(Refused):
    """An alarm that the organisation does not have."""

    def __init__(self, alarm_id: UUID) -> None:
        super().__init__("there is no such alarm in your organisation")
        self.alarm_id = alarm_id


class AlarmClosed(Refused):
    """An alarm that somebody has closed already."""

    def __init__(self, alarm: MeterAlarm) -> None:
        super().__init__(f"{alarm.closed_by} has closed this alarm already: {_outcome(alarm)}")
        self.alarm = alarm


class StillTold(Refused):
    """An alarm that is said to be repaired while the meter still tells it."""

    def __init__(self, kind: AlarmKind) -> None:
        super().__init__(
            f"the meter still tells {kind.value}: wait for its next reading, or choose another outcome"
        )
        self.kind = kind


class PhotoUnfit(Refused):
    """A file that is no picture that screens can show, or too large a one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"photo: {reason}")
        self.reason = reason


class WindowUnfit(Refused):
    """A maintenance window that cannot be; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A meter before and after a report."""

    view: AccountView
    before: MeterSnapshot
    after: MeterSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Raising:
    """A sign of a meter, at an instant; `key` names the one thing that it tells of: told once."""

    view: AccountView
    sign: Sign
    at: datetime
    key: str


def absorb(tx: Transaction, changes: Sequence[Change], *, now: datetime) -> None:
    """Raise, count and end alarms by what meters told; costs nothing where nothing changed."""
    write(tx, [raising for change in changes for raising in _raisings(change)], now=now)


def write(tx: Transaction, raisings: Sequence[Raising], *, now: datetime) -> None:
    """Write what signs lead to, and tell of what is new; whoever calls holds the accounts' locks."""
    if not raisings:
        return
    kept = {(each.meter_id, each.kind): each for each in tx.alarms.open_of({_meter_id(r) for r in raisings})}
    windows = tx.alarms.windows({r.view.account.organisation_id for r in raisings}, at=now)
    was, places = dict(kept), {_meter_id(r): r.view for r in raisings}
    for raising in raisings:
        after = _after(kept.get((_meter_id(raising), raising.sign.kind)), raising, windows)
        if after is not None:
            kept[after.meter_id, after.kind] = after
    fresh = [alarm for key, alarm in kept.items() if key not in was]
    known = tx.alarms.known([alarm.alarm_id for alarm in fresh])
    new = [alarm for alarm in fresh if alarm.alarm_id not in known]
    changed = [alarm for key, alarm in kept.items() if key in was and was[key] != alarm]
    tx.alarms.put(new)
    tx.alarms.save(changed)
    spoken = [alarm for alarm in changed if was[alarm.meter_id, alarm.kind].silenced and not alarm.silenced]
    _tell(tx, [*new, *spoken], places, now=now)


def unsilence(
    tx: Transaction, alarms: Iterable[MeterAlarm], views: Mapping[int, AccountView], *, now: datetime
) -> None:
    """Call somebody for what was raised in a maintenance window and still holds after it."""
    held = [alarm for alarm in alarms if alarm.silenced and alarm.ended_at is None]
    if not held:
        return
    windows = tx.alarms.windows({alarm.organisation_id for alarm in held}, at=now)
    spoken = [
        replace(alarm, silenced=False)
        for alarm in held
        if not _is_expected(alarm.meter_id, views[alarm.meter_id], windows)
    ]
    tx.alarms.save(spoken)
    _tell(tx, spoken, views, now=now)


def acknowledge(
    store: Store, alarm_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Note who looks after an alarm; the first who says so stays."""
    with store.transaction() as tx:
        alarm = _open(tx, alarm_id, organisation_id=organisation_id)
        if alarm.acknowledged_by is None:
            tx.alarms.save([replace(alarm, acknowledged_by=actor.who, acknowledged_at=now)])
            _keep(tx, alarm, actor, Act(act_id=audit_id, what="acknowledge alarm", after=actor.who), now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What somebody found; the outcome is not optional, and `why` of the actor is the note."""

    organisation_id: int
    alarm_id: UUID
    outcome: AlarmOutcome
    audit_id: UUID


def close(store: Store, closing: Closing, *, actor: Actor, now: datetime) -> None:
    """Close an alarm with what was found; refuses one that is closed, or repaired and still told."""
    require_reason(actor)
    with store.transaction() as tx:
        alarm = _open(tx, closing.alarm_id, organisation_id=closing.organisation_id)
        if closing.outcome is AlarmOutcome.REPAIRED and alarm.ended_at is None:
            raise StillTold(alarm.kind)
        closed = replace(
            alarm,
            acknowledged_by=alarm.acknowledged_by or actor.who,
            acknowledged_at=alarm.acknowledged_at or now,
            outcome=closing.outcome,
            note=actor.why,
            closed_by=actor.who,
            closed_at=now,
        )
        tx.alarms.save([closed])
        act = Act(act_id=closing.audit_id, what="close alarm", before="open", after=closing.outcome.value)
        _keep(tx, alarm, actor, act, now=now)


def add_photo(
    store: Store,
    alarm_id: UUID,
    *,
    organisation_id: int,
    photo_id: UUID,
    content: bytes,
    actor: Actor,
    now: datetime,
) -> None:
    """Keep a picture of what somebody saw; what it is, its first bytes say."""
    content_type = picture_type(content)
    with store.transaction() as tx:
        alarm = tx.alarms.one(alarm_id, organisation_id=organisation_id)
        if alarm is None:
            raise AlarmUnknown(alarm_id)
        if tx.alarms.photos(alarm) >= PHOTOS_MAX:
            raise PhotoUnfit(f"an alarm keeps {PHOTOS_MAX} photos, and this one has them")
        tx.alarms.put_photo(
            AlarmPhoto(
                meter_id=alarm.meter_id,
                alarm_id=alarm_id,
                photo_id=photo_id,
                content_type=content_type,
                content=content,
                who=actor.who,
                at=now,
            )
        )
        act = Act(act_id=photo_id, what="photograph alarm", after=f"{content_type}, {len(content)} bytes")
        _keep(tx, alarm, actor, act, now=now)


def picture_type(content: bytes) -> str:
    """Return what kind of picture this is; refuses what is none, or too large."""
    if len(content) > PHOTO_BYTES_MAX:
        raise PhotoUnfit(f"more than {PHOTO_BYTES_MAX // 1_000_000} MB; take a smaller one")
    if content.startswith(_JPEG):
        return "image/jpeg"
    if content.startswith(_PNG):
        return "image/png"
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return "image/webp"
    raise PhotoUnfit("this is no JPEG, PNG or WebP picture")


def announce_maintenance(store: Store, window: MaintenanceWindow, *, actor: Actor, now: datetime) -> None:
    """Announce when alarms are expected; refuses an end that is past, or too far."""
    require_reason(actor)
    if window.ends_at <= now:
        raise WindowUnfit("ends_at", f"{window.ends_at.isoformat()} is past")
    if window.starts_at > now + AHEAD_MAX:
        raise WindowUnfit("starts_at", f"more than {AHEAD_MAX.days} days ahead; announce it later")
    if window.ends_at <= window.starts_at:
        raise WindowUnfit("ends_at", f"the end is not after {window.starts_at.isoformat()}")
    if window.ends_at - window.starts_at > WINDOW_MAX:
        raise WindowUnfit("ends_at", f"longer than {WINDOW_MAX.days} days; announce it in parts")
    with store.transaction() as tx:
        tx.alarms.put_window(window)
        act = Act(act_id=window.window_id, what="announce maintenance", after=_told(window))
        tx.put_audit([_about(window, actor, act, now=now)])


def cancel_maintenance(
    store: Store, window_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Take a maintenance window back: alarms call people again."""
    require_reason(actor)
    with store.transaction() as tx:
        window = tx.alarms.window(window_id, organisation_id=organisation_id)
        if window is None:
            raise WindowUnfit("window_id", "there is no such window in your organisation")
        if window.cancelled_at is not None or window.ends_at <= now:
            raise WindowUnfit("window_id", "this window is over")
        tx.alarms.cancel_window(window_id, at=now)
        act = Act(act_id=audit_id, what="cancel maintenance", before=_told(window))
        tx.put_audit([_about(window, actor, act, now=now)])


def _raisings(change: Change) -> list[Raising]:
    at = change.after.heard_at
    if at is None:
        return []
    before = _look(change.before)
    if not _is_one_look(change):
        before = replace(before, energy_wh=None)
    found = signs(
        before,
        _look(change.after),
        holds=change.view.holds,
        silent_after=timedelta(minutes=change.view.policy.silent_after_min),
    )
    found += _drifted(change)
    return [Raising(view=change.view, sign=sign, at=at, key=at.isoformat()) for sign in found]


def _drifted(change: Change) -> list[Sign]:
    """Tell of a clock that was found wrong; not of one that only slept through a change of civil time."""
    heard_at, found = change.before.heard_at, change.after
    if (
        found.clock_off_s is None
        or found.clock_off_at in (None, change.before.clock_off_at)
        or heard_at is None
    ):
        return []
    assert found.clock_off_at is not None
    zone = zone_of(change.view.account.zone)
    off_s = clock_off_then(found.clock_off_s, seen_at=found.clock_off_at, at=heard_at, zone=zone)
    if not is_off(off_s):
        return []
    return [Sign(kind=AlarmKind.CLOCK_DRIFT, turn=Turn.PASSED, detail=f"{off_s:+d} s")]


def _is_one_look(change: Change) -> bool:
    """Tell whether the register before was read with the relay: one that was switched since has gone on.

    Where readings are not billed one by one nobody keeps when the register was read.
    """
    holdings = change.view.holdings
    kept_apart = change.view.by_intervals or holdings.billing_held
    return kept_apart or holdings.register_at == change.before.read_at


def _look(snapshot: MeterSnapshot) -> Look:
    return Look(
        flags=snapshot.flags,
        counts=snapshot.counts,
        relay_open=snapshot.relay is Relay.OPEN,
        energy_wh=snapshot.energy_wh,
        heard_at=snapshot.heard_at,
    )


def _after(
    known: MeterAlarm | None, raising: Raising, windows: Sequence[MaintenanceWindow]
) -> MeterAlarm | None:
    """Return the one alarm of a meter and kind after a sign; None where there is nothing to write."""
    sign, at = raising.sign, raising.at
    if sign.turn is Turn.ENDED:
        return None if known is None or known.ended_at is not None else replace(known, ended_at=at)
    if known is not None and (at <= known.last_at or _still_holds(known)):
        return None  # looking again is not being told again
    silenced = _is_expected(_meter_id(raising), raising.view, windows)
    ended_at = at if sign.turn is Turn.PASSED else None
    if known is None:
        return _new(raising, silenced=silenced, ended_at=ended_at)
    return replace(
        known,
        detail=sign.detail[:DETAIL_CHARACTERS_MAX] or known.detail,
        last_at=max(at, known.last_at),
        times=known.times + sign.times,
        silenced=known.silenced and silenced,
        ended_at=ended_at,
    )


def _still_holds(alarm: MeterAlarm) -> bool:
    return alarm.kind in BY_THE_CLOCK and alarm.ended_at is None


def _new(raising: Raising, *, silenced: bool, ended_at: datetime | None) -> MeterAlarm:
    meter_id, account, kind = _meter_id(raising), raising.view.account, raising.sign.kind
    return MeterAlarm(
        meter_id=meter_id,
        alarm_id=named("alarm", meter_id, kind.value, raising.key),
        organisation_id=account.organisation_id,
        account_id=account.account_id,
        kind=kind,
        severity=SEVERITY[kind],
        detail=raising.sign.detail[:DETAIL_CHARACTERS_MAX],
        raised_at=raising.at,
        last_at=raising.at,
        times=raising.sign.times,
        silenced=silenced,
        ended_at=ended_at,
    )


def _is_expected(meter_id: int, view: AccountView, windows: Sequence[MaintenanceWindow]) -> bool:
    account = view.account
    return any(
        window.organisation_id == account.organisation_id
        and window.site_id in (None, account.site_id)
        and window.meter_id in (None, meter_id)
        for window in windows
    )


def _tell(
    tx: Transaction, alarms: Sequence[MeterAlarm], views: Mapping[int, AccountView], *, now: datetime
) -> None:
    told = [_raised(alarm, views[alarm.meter_id]) for alarm in alarms if not alarm.silenced]
    if told:
        telling.alarm_raised(tx, told, now=now)


def _raised(alarm: MeterAlarm, view: AccountView) -> telling.AlarmRaised:
    account = view.account
    number = view.meter.meter_no if view.meter is not None else ""
    return telling.AlarmRaised(
        organisation_id=alarm.organisation_id,
        alarm_id=alarm.alarm_id,
        kind=alarm.kind.value,
        severity=alarm.severity.value,
        place=" · ".join(part for part in (account.building, account.supply_point, number) if part),
        at=alarm.last_at,
        zone=account.zone,
        account_id=account.account_id,
        urgent=alarm.severity is Severity.DANGER,
    )


def _meter_id(raising: Raising) -> int:
    assert raising.view.meter is not None, "signs are of meters"
    return raising.view.meter.meter_id


def _open(tx: Transaction, alarm_id: UUID, *, organisation_id: int) -> MeterAlarm:
    alarm = tx.alarms.one(alarm_id, organisation_id=organisation_id)
    if alarm is None:
        raise AlarmUnknown(alarm_id)
    if alarm.closed_at is not None:
        raise AlarmClosed(alarm)
    return alarm


def _keep(tx: Transaction, alarm: MeterAlarm, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"alarm {alarm.kind.value} of meter {alarm.meter_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=alarm.organisation_id, now=now)])


def _about(window: MaintenanceWindow, actor: Actor, act: Act, *, now: datetime) -> AuditEntry:
    subject = f"maintenance window {window.window_id}"
    return entry_about(subject, actor, act, organisation_id=window.organisation_id, now=now)


def _told(window: MaintenanceWindow) -> str:
    where = (
        f"meter {window.meter_id}"
        if window.meter_id
        else f"site {window.site_id}"
        if window.site_id
        else "all"
    )
    return f"{where}: {window.starts_at.isoformat()} to {window.ends_at.isoformat()}"


def _outcome(alarm: MeterAlarm) -> str:
    return alarm.outcome.value if alarm.outcome is not None else ""
