"""Rolling out: a version's tables on their way into the meters that deduct by themselves.

Approval writes one instruction per meter; the gateway loads the tables ahead, reads them back, and looks once
more after the takeover: only a meter that was seen to run by them has them (promise D3). One that is reached
too late takes them as soon as it can, and a case says what it deducted by meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.naming import derived, named
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import civil_us, day_of, day_start_us, from_us, to_us
from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.fitting import Loading, MeterTables, Misfit, Unfit, fit
from compuerta.domain.tariff.schedule import Schedule, Version, VersionKey
from compuerta.drivers.abilities import Ending, Result, TariffOrder, TariffPart
from compuerta.drivers.model import Model
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import AccountView, Alarm, Case, Claim
from compuerta.services.store_port import Store, Transaction

Models = Mapping[str, Model]

# A conversation takes half a minute, and a meter must have everything two minutes before it takes over.
LEAD = timedelta(minutes=5)
# A meter looks at its switch times once a minute, and its clock may be a minute off.
CONFIRM_AFTER = timedelta(minutes=3)
REST_DAYS_AGAIN = timedelta(hours=1)  # they wait for days to pass, not for a road
_DAY = timedelta(days=1)
OVERDUE_MAX = 500  # told of in one go; the rest a moment later
MISFITS_TOLD_MAX = 20  # meters of one model do not fit for the same reasons

# What the last conversation brought, where the next one depends on it.
WAITS = "waits_for_switch"
REST_DAYS_WAIT = "rest_days_wait"
LATE = "switch_time_passed"
HOLIDAYS_IN = "holidays_in"
_LOADED = frozenset({WAITS, REST_DAYS_WAIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """When an account goes over to a version, and from which one."""

    at: datetime
    version: Version
    before: Version | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterMisfit:
    """A meter that deducts by itself and cannot deduct by a version."""

    meter_id: int
    meter_no: str
    model: str
    account_id: int
    misfits: tuple[Misfit, ...]


class MetersMisfit(Refused):
    """Meters that deduct by themselves and cannot by this version; nothing was approved."""

    def __init__(self, meters: Sequence[MeterMisfit]) -> None:
        shown = "; ".join(f"meter {each.meter_no} ({each.model}): {_told(each)}" for each in meters[:3])
        rest = f" and {len(meters) - 3} more" if len(meters) > 3 else ""
        super().__init__(f"{len(meters)} meters cannot deduct by this: {shown}{rest}")
        self.meters = tuple(meters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """An account that goes over to a version, and the terms that it then has."""

    view: AccountView
    takeover: Takeover
    terms: Terms


# Who goes over, and when.


def going(view: AccountView, takeover: Takeover) -> Going:
    """Return how an account goes over, by the terms that it has agreed for then."""
    return Going(view=view, takeover=takeover, terms=view.terms_at(takeover.at))


def reached(views: Iterable[AccountView], version: Version) -> Iterator[Going]:
    """Yield the accounts that would go over to a version that is not in their schedules yet."""
    for view in views:
        takeover = view.schedule and takeover_of(version, schedule=view.schedule)
        if takeover:
            yield going(view, takeover)


def takeovers(schedule: Schedule, *, since: datetime) -> Iterator[Takeover]:
    """Yield the takeovers of a schedule from an instant on."""
    before: Version | None = None
    for start, version in schedule.entries():
        if start >= since:
            yield Takeover(at=start, version=version, before=before)
        before = version


def takeover_of(version: Version, *, schedule: Schedule) -> Takeover | None:
    """Return when an account of this schedule would go over to a version that is not in it yet.

    None where it never would: the account leaves the tariff before, or a later version holds by then.
    """
    at = from_us(civil_us(version.effective_from, zone=schedule.zone))
    entries = list(schedule.entries())
    for place, (start, held) in enumerate(entries):
        end = entries[place + 1][0] if place + 1 < len(entries) else None
        begins = max(start, at) if place else at
        inside = end is None or begins < end
        is_earlier = held.tariff_id == version.tariff_id and held.effective_from < version.effective_from
        if inside and is_earlier:
            before = held if begins > start or not place else entries[place - 1][1]
            return Takeover(at=begins, version=version, before=before)
    return None


def followed_by(takeover: Takeover, *, schedule: Schedule) -> Version | None:
    """Return the version that comes after a takeover in a schedule."""
    return next((version for start, version in schedule.entries() if start > takeover.at), None)


# What a meter can hold.


class Fitter:
    """This will fit versions to meters, and remember: a town has few models and thousands of meters."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._fitted: dict[tuple[object, ...], MeterTables | tuple[Misfit, ...]] = {}

    def misfit(self, going: Going) -> MeterMisfit | None:
        """Return why an account's meter cannot go over; None where it can, or does not deduct itself."""
        view, takeover, terms = going.view, going.takeover, going.terms
        meter = view.meter
        if meter is None or not view.credit_in_meter:
            return None
        key = (meter.model, takeover.version.key, takeover.before and takeover.before.key, terms)
        loading = _loading(takeover, zone=view.account.zone, terms=terms)
        found = self._fitted.get((*key, loading.at))
        if found is None:
            model = self._models.get(meter.model)
            found = self._fitted[*key, loading.at] = _fit(takeover.version.tariff, model, loading)
        if isinstance(found, MeterTables):
            return None
        return MeterMisfit(
            meter_id=meter.meter_id,
            meter_no=meter.meter_no,
            model=meter.model,
            account_id=view.account.account_id,
            misfits=found,
        )


def _loading(takeover: Takeover, *, zone: str, terms: Terms) -> Loading:
    before = None if takeover.before is None else takeover.before.tariff
    return Loading(at=_local(takeover.at, zone), before=before, terms=terms)


def _fit(tariff: Tariff, model: Model | None, loading: Loading) -> MeterTables | tuple[Misfit, ...]:
    if model is None or model.tariff is None:
        return (Misfit(place="", reason="meters of this model take no tables: its prices are set by hand"),)
    fitted = fit(tariff, profile=model.tariff, loading=loading)
    return fitted.misfits if isinstance(fitted, Unfit) else fitted


def send(tx: Transaction, goings: Iterable[Going], *, models: Models, by_hand: bool, now: datetime) -> None:
    """Write what the meters of accounts that go over have to do; raises `MetersMisfit`.

    With `by_hand` a meter that cannot hold the version becomes a case instead.
    """
    fitter = Fitter(models)
    instructions, misfits, cases = [], [], []
    for going in goings:
        misfit = fitter.misfit(going)
        if misfit is not None:
            misfits.append(misfit)
            cases.append(_case_by_hand(misfit, going.takeover, now=now))
        elif going.view.credit_in_meter:
            instructions.append(_instruction(going, now=now))
    if misfits and not by_hand:
        raise MetersMisfit(misfits)
    tx.save_instructions(_loaded_again(tx, instructions, now=now))
    tx.put_instructions(instructions)
    tx.put_cases(cases)


def _loaded_again(
    tx: Transaction, instructions: Sequence[Instruction], *, now: datetime
) -> list[Instruction]:
    """Return the later loadings that these will be written over: each is due again when these are done."""
    first: dict[int, datetime] = {}
    for each in instructions:
        assert each.effective_at is not None
        first[each.meter_id] = min(each.effective_at, first.get(each.meter_id, each.effective_at))
    return [
        replace(each, due_at=now, last_answer="")
        for each in tx.loadings(first)
        if each.state is State.ACCEPTED
        and each.last_answer in _LOADED
        and each.effective_at is not None
        and each.effective_at > first[each.meter_id]
    ]


def send_again(
    store: Store, key: VersionKey, *, actor: Actor, act_id: UUID, models: Models, now: datetime
) -> int:
    """Tell the meters that lack a version and that nothing is open for: new ones, and those that refused.

    Returns how many there are.
    """
    require_reason(actor)
    with store.transaction() as tx:
        line = tx.tariff(key[0])
        views = tx.look_at(tx.accounts_on(key[0], now=now), now=now).values()
        meters = [view.meter.meter_id for view in views if view.meter and view.credit_in_meter]
        has = {
            each.meter_id
            for each in tx.loadings(meters)
            if _key(each) == key and (each.state in life.OPEN or each.state is State.DONE)
        }
        goings = [
            each
            for view in views
            if view.meter and view.credit_in_meter and view.meter.meter_id not in has
            for each in _current(view, key, now=now)
        ]
        if line is None or not goings:
            return 0
        send(tx, goings, models=models, by_hand=True, now=now)
        act = Act(act_id=act_id, what="send tariff again", after=f"{len(goings)} meters")
        subject = f"tariff {key[0]} version {key[1]}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=line.organisation_id, now=now)])
    return len(goings)


def _current(view: AccountView, key: VersionKey, *, now: datetime) -> Iterator[Going]:
    """Yield how an account went, or goes over to a version; nothing where it is past, or never was for it."""
    if view.schedule is not None and not _is_past(view.schedule, key, now=now):
        known = takeovers(view.schedule, since=datetime.min.replace(tzinfo=UTC))
        takeover = [each for each in known if each.version.key == key][-1]
        # The books may have gone over long ago; the meter does so no earlier than now.
        yield going(view, replace(takeover, at=max(takeover.at, now)))


def onward(view: AccountView, *, now: datetime) -> Iterator[Going]:
    """Yield how a meter that is new to an account goes over to what bills it now, and later."""
    if view.schedule is None:
        return
    bills = view.schedule.version_at(to_us(now))
    yield going(view, Takeover(at=now, version=bills, before=None))
    for takeover in takeovers(view.schedule, since=now):
        if takeover.at > now:
            yield going(view, takeover)


def _instruction(going: Going, *, now: datetime) -> Instruction:
    meter, takeover = going.view.meter, going.takeover
    assert meter is not None
    tariff_id, version_no = takeover.version.key
    return Instruction(
        meter_id=meter.meter_id,
        instruction_id=named(
            "tariff", meter.meter_id, tariff_id, version_no, takeover.at.isoformat(), now.isoformat()
        ),
        account_id=going.view.account.account_id,
        kind=Kind.TARIFF,
        created_at=now,
        due_at=now,
        tariff_id=tariff_id,
        version_no=version_no,
        effective_at=takeover.at,
    )


def _case_by_hand(misfit: MeterMisfit, takeover: Takeover, *, now: datetime) -> Case:
    tariff_id, version_no = takeover.version.key
    return Case(
        account_id=misfit.account_id,
        case_id=named("case:tariff_by_hand", misfit.meter_id, tariff_id, version_no),
        kind="tariff_by_hand",
        detail=f"set version {version_no} of tariff {tariff_id} in meter {misfit.meter_no} "
        f"at {takeover.at.isoformat()}: {_told(misfit)}",
        opened_at=now,
    )


def _told(misfit: MeterMisfit) -> str:
    return ", ".join(
        f"{each.place}: {each.reason}" if each.place else each.reason
        for each in misfit.misfits[:MISFITS_TOLD_MAX]
    )


# On the way.


def is_aged(claim: Claim, *, now: datetime) -> bool:
    """Tell whether nobody wants an instruction's version any more: the account is past it, or left it out."""
    assert claim.schedule is not None
    return _is_past(claim.schedule, _key(claim.instruction), now=now)


def _is_past(schedule: Schedule, key: VersionKey, *, now: datetime) -> bool:
    entries = list(schedule.entries())
    for place, (_, version) in enumerate(entries):
        if version.key == key and (place + 1 == len(entries) or entries[place + 1][0] > now):
            return False
    return True


def is_late(claim: Claim, *, now: datetime) -> bool:
    """Tell whether a meter cannot have its tables in time any more."""
    instruction = claim.instruction
    assert instruction.effective_at is not None
    return instruction.last_answer not in _LOADED and instruction.effective_at < now + LEAD


def put_off(claim: Claim, *, now: datetime) -> Instruction:
    """Return the instruction of a late meter: it takes the tables as soon as it can.

    Not inside a holiday, which has no second set: then at the end of that day.
    """
    assert claim.schedule is not None
    zone = zone_of(claim.zone)
    soon = now + 2 * LEAD
    soon -= timedelta(seconds=soon.second, microseconds=soon.microsecond)
    day = day_of(to_us(soon), zone=zone)
    lists = (each.energy.calendar.holiday_lists for each in _tariffs(claim.schedule))
    if any(day in each.dates for listed in lists for each in listed):
        soon = from_us(day_start_us(day + _DAY, zone=zone))
    return replace(claim.instruction, effective_at=soon)


def lateness(claim: Claim, *, now: datetime) -> tuple[Case, Alarm] | None:
    """Return what is told of a late meter; nothing where it was late from the start, or was told of."""
    instruction, schedule = claim.instruction, claim.schedule
    assert instruction.effective_at is not None and schedule is not None
    if instruction.effective_at not in {start for start, _ in schedule.entries()}:
        return None
    return _told_late(instruction, claim.meter.meter_no, now=now)


def tell_overdue(store: Store, *, now: datetime) -> None:
    """Tell of meters whose takeover passed before they had their tables, also where no road reaches them."""
    with store.transaction() as tx:
        overdue = tx.overdue_loadings(now=now, told=[*_LOADED, LATE], limit=OVERDUE_MAX)
        views = tx.look_at({each.account_id for each in overdue}, now=now)
        told = [
            _told_late(each, meter.meter_no, now=now)
            for each in overdue
            if (meter := views[each.account_id].meter) is not None
        ]
        tx.put_cases([case for case, _ in filter(None, told)])
        tx.put_alarms([alarm for _, alarm in filter(None, told)])
        tx.save_instructions([replace(each, last_answer=LATE) for each in overdue])


def _told_late(instruction: Instruction, meter_no: str, *, now: datetime) -> tuple[Case, Alarm] | None:
    assert instruction.effective_at is not None
    if instruction.effective_at <= instruction.created_at + LEAD:
        return None  # late from the start: whoever wanted it so knows
    detail = (
        f"meter {meter_no} did not have version {instruction.version_no} of tariff "
        f"{instruction.tariff_id} at {instruction.effective_at.isoformat()}: it deducts by the tariff before "
        f"until it takes over, and the books by the new one"
    )
    case = Case(
        account_id=instruction.account_id,
        case_id=derived(instruction.instruction_id, "case:tariff_late"),
        kind="tariff_late",
        detail=detail,
        opened_at=now,
    )
    return case, Alarm(kind="tariff_late", subject=meter_no, detail=detail, at=now)


def order_for(claim: Claim, *, model: Model, now: datetime) -> TariffOrder | Result:
    """Return the order that loads, or confirms, a claimed instruction's tables; or why there is none."""
    instruction, schedule = claim.instruction, claim.schedule
    assert instruction.effective_at is not None and schedule is not None
    version = schedule.by_key[_key(instruction)]
    planned = {each.at: each for each in takeovers(schedule, since=instruction.effective_at)}
    takeover = planned.get(instruction.effective_at)
    before = takeover.before if takeover and takeover.version.key == version.key else None
    loading = _loading(
        Takeover(at=instruction.effective_at, version=version, before=before),
        zone=claim.zone,
        terms=claim.terms,
    )
    tables = _fit(version.tariff, model, loading)
    if not isinstance(tables, MeterTables):
        return Result(ending=Ending.REFUSED, reason="tariff_does_not_fit")
    return TariffOrder(tables=tables, switch_at=loading.at, now=_local(now, claim.zone), parts=_parts(claim))


def _parts(claim: Claim) -> frozenset[TariffPart]:
    """Return what the next conversation loads: with holidays it would take longer than a lease."""
    assert claim.schedule is not None
    if not any(each.energy.calendar.holiday_lists for each in _tariffs(claim.schedule)):
        return frozenset(TariffPart)
    is_in = claim.instruction.last_answer in (HOLIDAYS_IN, *_LOADED)
    return frozenset({TariffPart.SETS if is_in else TariffPart.HOLIDAYS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a conversation's end means for an instruction; `due_at` None = after the usual pause."""

    event: Event
    answer: str
    due_at: datetime | None = None


def step_after(claim: Claim, result: Result, *, step: Step, now: datetime) -> Step:
    """Return what the end of a conversation about a tariff means; `step` is what it would mean elsewhere."""
    instruction = claim.instruction
    assert instruction.effective_at is not None
    confirm_at = max(instruction.effective_at, now) + CONFIRM_AFTER
    match result.ending, result.reason:
        case Ending.DONE, _ if _parts(claim) == {TariffPart.HOLIDAYS}:
            return Step(event=Event.ACKNOWLEDGED, answer=HOLIDAYS_IN, due_at=now)
        case Ending.DONE, "waits_for_switch":
            return Step(event=Event.ACKNOWLEDGED, answer=WAITS, due_at=confirm_at)
        case Ending.BUSY, "rest_days_wait":
            due_at = min(now + REST_DAYS_AGAIN, confirm_at)
            return Step(event=Event.ACKNOWLEDGED, answer=REST_DAYS_WAIT, due_at=due_at)
        case Ending.REFUSED, "switch_time_passed":
            return Step(event=Event.MISSED, answer=LATE, due_at=now)
        case ((Ending.SILENT | Ending.BUSY), _) if instruction.last_answer in _LOADED:
            return replace(step, answer=instruction.last_answer)  # silence unloads nothing
    return step


def _key(instruction: Instruction) -> VersionKey:
    assert instruction.tariff_id is not None and instruction.version_no is not None
    return instruction.tariff_id, instruction.version_no


def _tariffs(schedule: Schedule) -> list[Tariff]:
    return [version.tariff for _, version in schedule.entries()]


def _local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(zone_of(zone)).replace(tzinfo=None)


# How far it is.


class Stand(Enum):
    """How far a meter is with a version."""

    CONFIRMED = "confirmed"  # seen to deduct by it
    LOADED = "loaded"  # read back, and waits in the meter for its time
    WAITING = "waiting"
    REFUSED = "refused"
    MISFIT = "misfit"  # it cannot hold it: set by hand
    UNTOLD = "untold"  # it came after the version, or was set when it was installed: see `send_again`


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStand:
    """One meter's way to a version."""

    meter_id: int
    meter_no: str
    account_id: int
    stand: Stand
    reasons: tuple[str, ...] = ()
    since: datetime | None = None  # when it was written; ended, when it ended
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The state of a version in all meters that deduct by themselves."""

    meters: tuple[MeterStand, ...]
    by_platform: int  # accounts that the platform deducts from: they have it

    def at(self, stand: Stand) -> tuple[MeterStand, ...]:
        """Return the meters that stand there, those that wait longest first."""
        return tuple(each for each in self.meters if each.stand is stand)


_STAND_OF = {State.DONE: Stand.CONFIRMED, State.REFUSED: Stand.REFUSED}


def rollout(store: Store, key: VersionKey, *, models: Models, now: datetime) -> Rollout:
    """Return how far the meters are with a version."""
    with store.transaction() as tx:
        views = tx.look_at(tx.accounts_on(key[0], now=now), now=now)
        metered = [view for view in views.values() if view.credit_in_meter]
        meter_ids = [view.meter.meter_id for view in metered if view.meter]
        known = {each.meter_id: each for each in tx.loadings(meter_ids) if _key(each) == key}
    fitter = Fitter(models)
    found = [stand for view in metered for stand in _stands(view, known, key, fitter, now)]
    return Rollout(
        meters=tuple(sorted(found, key=lambda each: (each.since or now, each.meter_no))),
        by_platform=len(views) - len(metered),
    )


def _stands(
    view: AccountView, known: Mapping[int, Instruction], key: VersionKey, fitter: Fitter, now: datetime
) -> Iterator[MeterStand]:
    """Yield where a meter stands; nothing where the version is past for it, or never was for it."""
    assert view.meter is not None
    told = MeterStand(
        meter_id=view.meter.meter_id,
        meter_no=view.meter.meter_no,
        account_id=view.account.account_id,
        stand=Stand.UNTOLD,
    )
    each = known.get(view.meter.meter_id)
    if each is None:
        for current in _current(view, key, now=now):
            misfit = fitter.misfit(current)
            reasons = () if misfit is None else tuple(found.reason for found in misfit.misfits)
            stand = Stand.MISFIT if misfit else Stand.UNTOLD
            yield replace(told, stand=stand, reasons=reasons, effective_at=current.takeover.at)
    elif each.state is not State.SUPERSEDED:
        is_loaded = each.state is State.ACCEPTED and each.last_answer in _LOADED
        yield replace(
            told,
            stand=Stand.LOADED if is_loaded else _STAND_OF.get(each.state, Stand.WAITING),
            reasons=tuple(filter(None, [each.last_answer])),
            since=each.ended_at or each.created_at,
            effective_at=each.effective_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFit:
    """Whether the meters of one model could deduct by a version."""

    model: str
    meters: int
    misfits: tuple[Misfit, ...]


def fits(store: Store, version: Version, *, models: Models, now: datetime) -> list[ModelFit]:
    """Return, by model, whether the meters that a version would reach can deduct by it."""
    with store.transaction() as tx:
        views = tx.look_at(tx.accounts_on(version.tariff_id, now=now), now=now)
    fitter = Fitter(models)
    found: dict[tuple[str, tuple[Misfit, ...]], int] = {}
    for each in reached(views.values(), version):
        meter = each.view.meter
        if meter is None or not each.view.credit_in_meter:
            continue
        misfit = fitter.misfit(each)
        key = (meter.model, () if misfit is None else misfit.misfits)
        found[key] = found.get(key, 0) + 1
    return [
        ModelFit(model=model, meters=count, misfits=misfits)
        for (model, misfits), count in sorted(found.items(), key=lambda item: item[0][0])
    ]
