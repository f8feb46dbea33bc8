"""Losses behind feeder meters: what hangs behind which, the map of hours, and who is looked at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain import losses
from compuerta.domain.alarms import AlarmKind, Sign, Turn
from compuerta.domain.errors import Refused
from compuerta.domain.losses import HOUR, Fixes, HourLoss, Suspect, Unit
from compuerta.domain.party import AccountKind, zone_of
from compuerta.domain.tariff.civil import day_of, day_start_us, from_us, to_us
from compuerta.services import alarming, watching
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.alarm_port import Feeding
from compuerta.services.records import AccountOpening, AccountView
from compuerta.services.store_port import Store, Transaction

DAYS_MAX: Final = 31
FEEDERS_PER_ROUND_MAX: Final = 10
METERS_MAX: Final = 2_000  # behind one feeder
DAY: Final = timedelta(days=1)


class FeederUnknown(Refused):
    """A meter that is no feeder of the organisation."""

    def __init__(self, meter_id: int) -> None:
        super().__init__(f"meter {meter_id} is no feeder of your organisation; install it as one first")
        self.meter_id = meter_id


class FeedingUnfit(Refused):
    """Meters that cannot hang behind a feeder; the field is named."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"meters: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LossMap:
    """The hours behind a feeder, what each unit used in them, and who is looked at."""

    feeder_meter_id: int
    zone: str
    hours: tuple[HourLoss, ...]
    units: tuple[Unit, ...]
    suspects: tuple[Suspect, ...]


def install_feeder(
    store: Store, opening: AccountOpening, *, actor: Actor, audit_id: UUID, now: datetime
) -> int:
    """Let a meter measure what goes into a building; returns the account that it is known by."""
    require_reason(actor)
    assert opening.kind is AccountKind.FEEDER and opening.tariff_id is None and opening.meter_id is not None
    with store.transaction() as tx:
        if tx.accounts_of_meters([opening.meter_id]):
            raise FeedingUnfit(f"meter {opening.meter_id} measures for an account already")
        account_id = tx.add_account(opening)
        view = tx.look_at([account_id], now=now)[account_id]
        act = Act(act_id=audit_id, what="install feeder", after=f"meter {opening.meter_id}")
        tx.put_audit([entry(view.account, actor, act, now=now)])
    return account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedingWish:
    """Which meters hang behind a feeder from now on; those that did and are not named no longer do."""

    organisation_id: int
    feeder_meter_id: int
    meter_ids: frozenset[int]
    audit_id: UUID


def feed(store: Store, wish: FeedingWish, *, actor: Actor, now: datetime) -> None:
    """Write down which meters hang behind a feeder; a meter hangs behind one at a time."""
    require_reason(actor)
    with store.transaction() as tx:
        feeder = _feeder(tx, wish.feeder_meter_id, organisation_id=wish.organisation_id, now=now)
        _require_meters(tx, wish, now=now)
        hung = {each.meter_id for each in tx.alarms.fed_by(wish.feeder_meter_id) if each.ended_at is None}
        tx.alarms.end_feedings(sorted(hung ^ wish.meter_ids), at=now)
        tx.alarms.put_feedings(
            [
                Feeding(feeder_meter_id=wish.feeder_meter_id, meter_id=meter_id, started_at=now)
                for meter_id in sorted(wish.meter_ids - hung)
            ]
        )
        act = Act(act_id=wish.audit_id, what="feed meters", before=_list(hung), after=_list(wish.meter_ids))
        tx.put_audit([entry(feeder.account, actor, act, now=now)])


def loss_map(
    store: Store, feeder_meter_id: int, *, organisation_id: int, days: int, now: datetime
) -> LossMap:
    """Return the hours of the last days behind a feeder, from the site's midnight on, up to this hour."""
    with store.transaction() as tx:
        feeder = _feeder(tx, feeder_meter_id, organisation_id=organisation_id, now=now)
        since = _midnight(now - (min(days, DAYS_MAX) - 1) * DAY, zone=feeder.account.zone)
        return _map(tx, feeder, since=since, until=now, now=now)


def sweep(store: Store, *, after: int, now: datetime) -> int | None:
    """Raise where a day's loss is more than wires explain; returns where to go on, or None."""
    with store.transaction() as tx:
        feeders = tx.alarms.feeders(after=after, limit=FEEDERS_PER_ROUND_MAX)
        accounts = tx.accounts_of_meters(feeders)
        views = tx.lock_accounts(sorted(set(accounts.values())), now=now)
        for view in views.values():
            until = _midnight(now, zone=view.account.zone)
            since = _midnight(until - HOUR, zone=view.account.zone)
            hours = _map(tx, view, since=since, until=until, now=now).hours
            alarming.write(tx, _raisings(view, hours, until), now=now)
    return feeders[-1] if len(feeders) == FEEDERS_PER_ROUND_MAX else None


def _raisings(view: AccountView, hours: Sequence[HourLoss], at: datetime) -> list[alarming.Raising]:
    sums = losses.lost_share(hours)
    if sums is None:
        return []
    fed_wh, loss_wh = sums
    turn = Turn.BEGAN if losses.is_too_much(fed_wh, loss_wh) else Turn.ENDED
    sign = Sign(kind=AlarmKind.METER_LOSS, turn=turn, detail=f"{loss_wh} / {fed_wh} Wh")
    return [alarming.Raising(view=view, sign=sign, at=at, key=at.isoformat())]


def _map(tx: Transaction, feeder: AccountView, *, since: datetime, until: datetime, now: datetime) -> LossMap:
    assert feeder.meter is not None
    feeder_id, edges = feeder.meter.meter_id, _edges(since, until)
    feedings = [
        each
        for each in tx.alarms.fed_by(feeder_id)
        if each.started_at < until and (each.ended_at is None or each.ended_at > since)
    ]
    meter_ids = sorted({each.meter_id for each in feedings})
    fixes = tx.alarms.fixes([feeder_id, *meter_ids], at=edges)
    hours = _hours(tx, fixes, edges)
    views = tx.look_at(tx.accounts_of_meters(meter_ids).values(), now=now)
    at_meter = {view.meter.meter_id: view for view in views.values() if view.meter is not None}
    off = tx.alarms.was_off(meter_ids, since=since)
    steps = _steps(tx, meter_ids, since=since, until=until)
    units = []
    for meter_id in meter_ids:
        own = [each for each in feedings if each.meter_id == meter_id]
        known = _while_fed(hours[meter_id], edges, own)
        before_wh, after_wh = steps.get(meter_id, (None, None))
        units.append(
            Unit(
                meter_id=meter_id,
                hours_wh=known,
                off_wh=losses.off_wh(fixes[meter_id], hours[meter_id]),
                occupied=_is_occupied(at_meter.get(meter_id)),
                was_off=meter_id in off,
                cover_before_wh=before_wh,
                cover_after_wh=after_wh,
            )
        )
    mapped = losses.loss_map(edges[:-1], hours[feeder_id], units)
    return LossMap(
        feeder_meter_id=feeder_id,
        zone=feeder.account.zone,
        hours=mapped,
        units=tuple(units),
        suspects=losses.suspects(mapped, units),
    )


def _hours(
    tx: Transaction, fixes: Mapping[int, tuple[Fixes, ...]], edges: Sequence[datetime]
) -> dict[int, tuple[int | None, ...]]:
    """Return each meter's hours: as it measured them by intervals, else between its readings."""
    days: dict[int, dict[datetime, tuple[int, tuple[int, ...]]]] = {}
    for day in tx.load_days(fixes, since=edges[0] - DAY, until=edges[-1]):
        days.setdefault(day.meter_id, {})[day.starts_at] = (day.minutes, day.wh)
    found = {}
    for meter_id, around in fixes.items():
        measured = losses.by_intervals(edges[:-1], days.get(meter_id, {}))
        read = losses.hours_wh(edges, around)
        found[meter_id] = tuple(
            measured.get(start, used_wh) for start, used_wh in zip(edges[:-1], read, strict=True)
        )
    return found


def _while_fed(
    hours: Sequence[int | None], edges: Sequence[datetime], feedings: Iterable[Feeding]
) -> tuple[int | None, ...]:
    """Return the hours of a meter; in those in which it did not hang behind the feeder it took nothing."""
    spans = [(each.started_at, each.ended_at) for each in feedings]

    def is_fed(start: datetime) -> bool:
        return any(begin < start + HOUR and (end is None or start < end) for begin, end in spans)

    return tuple(used_wh if is_fed(start) else 0 for start, used_wh in zip(edges[:-1], hours, strict=True))


def _steps(
    tx: Transaction, meter_ids: Sequence[int], *, since: datetime, until: datetime
) -> dict[int, tuple[int | None, int | None]]:
    covers = tx.alarms.covers_opened(meter_ids, since=since - watching.STEP_LOOKED_FOR, until=until)
    return {cover.meter_id: watching.step_around(tx, cover) for cover in covers}


def _edges(since: datetime, until: datetime) -> list[datetime]:
    whole = int((until - since) / HOUR)
    return [since + at * HOUR for at in range(whole + 1)]


def _midnight(instant: datetime, *, zone: str) -> datetime:
    place = zone_of(zone)
    return from_us(day_start_us(day_of(to_us(instant), zone=place), zone=place))


def _feeder(tx: Transaction, meter_id: int, *, organisation_id: int, now: datetime) -> AccountView:
    accounts = tx.accounts_of_meters([meter_id])
    for view in tx.look_at(accounts.values(), now=now).values():
        account = view.account
        if account.kind is AccountKind.FEEDER and account.organisation_id == organisation_id:
            return view
    raise FeederUnknown(meter_id)


def _require_meters(tx: Transaction, wish: FeedingWish, *, now: datetime) -> None:
    if wish.feeder_meter_id in wish.meter_ids:
        raise FeedingUnfit("a feeder cannot hang behind itself")
    if len(wish.meter_ids) > METERS_MAX:
        raise FeedingUnfit(f"more than {METERS_MAX} behind one feeder")
    accounts = tx.accounts_of_meters(wish.meter_ids)
    views = tx.look_at(accounts.values(), now=now)
    ours = {
        meter_id
        for meter_id, account_id in accounts.items()
        if views[account_id].account.organisation_id == wish.organisation_id
    }
    if strangers := sorted(wish.meter_ids - ours):
        raise FeedingUnfit(f"meter {strangers[0]} measures for no account of your organisation")
    for meter_id in sorted(wish.meter_ids):
        if any(
            each.meter_id == wish.feeder_meter_id and each.ended_at is None
            for each in tx.alarms.fed_by(meter_id)
        ):
            raise FeedingUnfit(f"meter {meter_id} feeds this feeder")


def _is_occupied(view: AccountView | None) -> bool:
    return view is not None and view.account.kind is AccountKind.CUSTOMER


def _list(meter_ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(meter_ids)))
