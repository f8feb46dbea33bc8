"""Watching: what no meter tells, and the clock shows: silence, a relay that stays, a register that stands.

Bounded pages, so that a round never holds many accounts; the caller asks for the next page by its last meter.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain import alarms
from compuerta.domain.alarms import STEP_SPAN, AlarmKind, Sign, Turn
from compuerta.domain.losses import register_wh
from compuerta.domain.policy import SILENT_MIN
from compuerta.services import alarming
from compuerta.services.alarm_port import MeterAlarm
from compuerta.services.alarming import Raising
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

PAGE_METERS_MAX: Final = 200
# An opened cover is looked at again for so long after the days that are compared.
STEP_LOOKED_FOR: Final = timedelta(days=4)
DAY: Final = timedelta(days=1)


def sweep(store: Store, *, after: int, now: datetime) -> int | None:
    """Raise and end what the clock shows, a page of meters at a time; returns where to go on, or None."""
    with store.transaction() as tx:
        asked = tx.alarms.to_watch(
            heard_before=now - timedelta(minutes=SILENT_MIN),
            differs_before=now - alarms.DIFFERS_MAX,
            after=after,
            limit=PAGE_METERS_MAX,
        )
        views = _views(tx, asked, now=now)
        opened = tx.alarms.open_of(views)
        known = {(alarm.meter_id, alarm.kind): alarm for alarm in opened}
        found = []
        for meter_id, view in views.items():
            heard_at = view.snapshot.heard_at if asked[meter_id] and view.snapshot is not None else None
            found += _by_the_clock(view, known, heard_at=heard_at, now=now)
        alarming.write(tx, found, now=now)
        if any(alarm.silenced for alarm in opened):
            # Read anew: some of them may have ended just now.
            alarming.unsilence(tx, tx.alarms.open_of(views), views, now=now)
    return max(asked) if len(asked) == PAGE_METERS_MAX else None


def sweep_use(store: Store, *, after: int, now: datetime) -> int | None:
    """Look at what units have used over days, a page of meters at a time; returns where to go on, or None."""
    with store.transaction() as tx:
        meter_ids = tx.alarms.living(after=after, limit=PAGE_METERS_MAX)
        views = _views(tx, meter_ids, now=now)
        found = [*_idle(tx, views, now=now), *_stepped(tx, views, now=now)]
        alarming.write(tx, found, now=now)
    return meter_ids[-1] if len(meter_ids) == PAGE_METERS_MAX else None


def _views(tx: Transaction, meter_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
    accounts = tx.accounts_of_meters(meter_ids)
    views = tx.lock_accounts(sorted(set(accounts.values())), now=now)
    return {view.meter.meter_id: view for view in views.values() if view.meter is not None}


def _by_the_clock(
    view: AccountView,
    known: Mapping[tuple[int, AlarmKind], MeterAlarm],
    *,
    heard_at: datetime | None,
    now: datetime,
) -> list[Raising]:
    assert view.snapshot is not None
    silent_after = timedelta(minutes=view.policy.silent_after_min)
    since = {
        AlarmKind.SILENCE: alarms.silent_since(heard_at, now=now, silent_after=silent_after),
        AlarmKind.RELAY_DIFFERS: alarms.differs_since(view.snapshot.differs_since, now=now),
    }
    found = []
    for kind, began_at in since.items():
        alarm = known.get((view.snapshot.meter_id, kind))
        if began_at is not None:
            sign = Sign(kind=kind, turn=Turn.BEGAN, detail=began_at.isoformat(timespec="seconds"))
            found.append(Raising(view=view, sign=sign, at=now, key=began_at.isoformat()))
        elif alarm is not None and alarm.ended_at is None:
            found.append(Raising(view=view, sign=Sign(kind=kind, turn=Turn.ENDED), at=now, key=""))
    return found


def _idle(tx: Transaction, views: Mapping[int, AccountView], *, now: datetime) -> list[Raising]:
    """Return who used nothing for as many days as the policy says, with the power on all the time."""
    found = []
    for days, some in _by_days(views).items():
        edges = [now - days * DAY, now]
        fixes = tx.alarms.fixes(some, at=edges)
        off = tx.alarms.was_off(some, since=edges[0])
        for meter_id, view in some.items():
            (first, _), (last, _) = fixes[meter_id]
            read = first is not None and last is not None and last.at > now - DAY
            registers = [fix.energy_wh for fix in (first, last) if fix is not None] if read else []
            is_settled = view.account.period.start <= edges[0]
            if is_settled and meter_id not in off and alarms.is_idle(registers):
                sign = Sign(kind=AlarmKind.IDLE_OCCUPIED, turn=Turn.BEGAN, detail=f"0 Wh, {days} d")
                # The register that stands names this idleness: told once, however often one looks.
                found.append(Raising(view=view, sign=sign, at=now, key=str(registers[0])))
            else:
                sign = Sign(kind=AlarmKind.IDLE_OCCUPIED, turn=Turn.ENDED)
                found.append(Raising(view=view, sign=sign, at=now, key=""))
    return found


def _by_days(views: Mapping[int, AccountView]) -> dict[int, dict[int, AccountView]]:
    found: dict[int, dict[int, AccountView]] = {}
    for meter_id, view in views.items():
        found.setdefault(view.policy.occupied_idle_days, {})[meter_id] = view
    return found


def _stepped(tx: Transaction, views: Mapping[int, AccountView], *, now: datetime) -> list[Raising]:
    """Return whose use fell to less than half in the days after a cover was opened."""
    until = now - STEP_SPAN
    found = []
    for cover in tx.alarms.covers_opened(views, since=until - STEP_LOOKED_FOR, until=until):
        before_wh, after_wh = step_around(tx, cover)
        if alarms.stepped_down(before_wh, after_wh):
            sign = Sign(
                kind=AlarmKind.STEP_AFTER_COVER,
                turn=Turn.PASSED,
                detail=f"{cover.kind.value}: {before_wh} -> {after_wh} Wh, {STEP_SPAN.days} d",
            )
            view = views[cover.meter_id]
            at = cover.raised_at + STEP_SPAN
            found.append(Raising(view=view, sign=sign, at=at, key=str(cover.alarm_id)))
    return found


def step_around(tx: Transaction, cover: MeterAlarm) -> tuple[int | None, int | None]:
    """Return the use of the days before a cover was opened, and after; None where it is not known."""
    edges = [cover.raised_at - STEP_SPAN, cover.raised_at, cover.raised_at + STEP_SPAN]
    fixes = tx.alarms.fixes([cover.meter_id], at=edges)[cover.meter_id]
    registers = [register_wh(at, each) for at, each in zip(edges, fixes, strict=True)]
    return _used(registers[:2]), _used(registers[1:])


def _used(registers: Sequence[int | None]) -> int | None:
    first, last = registers
    return None if first is None or last is None else last - first
