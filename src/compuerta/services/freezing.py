"""Freezing: the registers of a site's meters at the midnight that ended its day.

The meter's own freeze counts first, then readings at midnight. What nobody knows yet is supposed by the mean
of days that are facts, and replaced when a meter answers late: the day is then opened again, with a version.
A register that fell or jumped is held for a person; missing is not zero (promise T2).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from compuerta.domain import freeze as rules
from compuerta.domain.energy import Delta, judge_delta
from compuerta.domain.freeze import Known
from compuerta.domain.naming import named
from compuerta.domain.party import zone_of
from compuerta.drivers.abilities import NOT_YET_FROZEN, MeterFreeze
from compuerta.services import day_end
from compuerta.services.freeze_port import (
    CLOCK_OFF,
    DAYS_KEPT_MAX,
    FINAL,
    NOT_TOLD,
    Around,
    DayKey,
    DayStep,
    Freeze,
    FreezeBasis,
    Measuring,
    SiteDay,
    WantedFreeze,
)
from compuerta.services.records import AccountView, Case, Reading
from compuerta.services.store_port import Store, Transaction

PAGE_METERS_MAX: Final = 1_000  # of one transaction
WANTED_MAX: Final = 500  # looked up at once
FREEZES_AT_ONCE_MAX: Final = 7  # of one meter: a second or two of its line
# Many meters of a site come back together: what they tell makes one version of the day.
LATE_WAIT: Final = timedelta(minutes=5)
BESIDE_MAX: Final = timedelta(seconds=60)  # so near to midnight a reading is of it, as a meter's clock may be
BALANCE_MAX: Final = timedelta(minutes=10)  # after midnight a balance is still the one of midnight, unused
DAYS_LOOKED_BACK: Final = 8  # for a fact that a freeze is judged by
DAY: Final = timedelta(days=1)
_KEPT: Final = DAYS_KEPT_MAX * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeReport:
    """What a meter told of a midnight, when, and how far its clock was off then."""

    wanted: WantedFreeze
    told: MeterFreeze
    at: datetime
    clock_off_s: int | None = None


def wanted(store: Store, meter_ids: Iterable[int], *, now: datetime) -> dict[int, list[WantedFreeze]]:
    """Return the midnights that these meters may still tell: the newest first, a few of each meter."""
    with store.transaction() as tx:
        found = tx.freezes.wanted(sorted(set(meter_ids)), since=now - _KEPT, limit=WANTED_MAX)
    asked: dict[int, list[WantedFreeze]] = defaultdict(list)
    for each in found:
        if len(asked[each.meter_id]) < FREEZES_AT_ONCE_MAX:
            asked[each.meter_id].append(each)
    return dict(asked)


def has_just_ended(wanted: Sequence[WantedFreeze], *, now: datetime) -> bool:
    """Tell whether one of these midnights is so near that a reading now tells of it."""
    return any(now - each.at <= BALANCE_MAX for each in wanted)


def take_freezes(store: Store, reports: Sequence[FreezeReport], *, now: datetime) -> None:
    """Take what meters told of their midnights; the same twice is once, and a late one opens its day again.

    A day whose end is being worked on takes nothing meanwhile: its meters are asked again when it is done.
    """
    with store.transaction() as tx:
        measured = _measured(tx, reports)
        taken = _Taken(tx, [measuring for _, measuring in measured], now=now)
        for key in sorted({DayKey(measuring.site_id, each.wanted.day) for each, measuring in measured}):
            told = [pair for pair in measured if (pair[1].site_id, pair[0].wanted.day) == key]
            taken.take(key, told)
        taken.write()


def freeze_day(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Fill in what is known, or supposed, of all meters that measured at a midnight; the day goes on.

    In transactions of a page of meters; who is killed between two does the first again without effect.
    """
    after = 0
    while True:  # ends with the site's last meter
        _look_back(store, day, after=after, now=now)
        with store.transaction() as tx:
            known = tx.freezes.day(day.key)
            assert known is not None, "days are never deleted"
            if not day_end.is_ours(known, day):
                return known
            page = tx.freezes.measuring(day.site_id, at=day.ends_at, after=after, limit=PAGE_METERS_MAX)
            _fill(tx, known, page, now=now)
            if len(page) < PAGE_METERS_MAX:
                counted = _counted(tx, known)
                tx.freezes.save_day(counted)
                return counted
            after = page[-1].meter_id


def _look_back(store: Store, day: SiteDay, *, after: int, now: datetime) -> None:
    """Let readings of the day that ended prove what was supposed of the days before it.

    In a transaction of its own: days are locked in the order of time.
    """
    with store.transaction() as tx:
        page = tx.freezes.measuring(day.site_id, at=day.ends_at, after=after, limit=PAGE_METERS_MAX)
        ids = [each.meter_id for each in page]
        before = tx.freezes.freezes_of(ids, since=day.day - DAYS_LOOKED_BACK * DAY, until=day.day)
        _make_anew(tx, before, now=now)


def _counted(tx: Transaction, day: SiteDay) -> SiteDay:
    counts = tx.freezes.counted(day.key)
    return replace(
        day,
        step=DayStep.ROLLING,
        meters=sum(counts.values()),
        valid=counts.get(FreezeBasis.METER, 0) + counts.get(FreezeBasis.READING, 0),
        provisional=counts.get(FreezeBasis.PROVISIONAL, 0),
        missing=counts.get(FreezeBasis.MISSING, 0),
    )


# What meters told.


def _measured(tx: Transaction, reports: Sequence[FreezeReport]) -> list[tuple[FreezeReport, Measuring]]:
    """Return for whom each meter measured at the midnight that it told of; some measured for nobody."""
    installations = defaultdict(list)
    for each in tx.freezes.installations({report.wanted.meter_id for report in reports}):
        installations[each.meter_id].append(each)
    return [
        (report, measuring)
        for report in reports
        for measuring in installations[report.wanted.meter_id]
        if measuring.since <= report.wanted.at
        and (measuring.until is None or report.wanted.at < measuring.until)
    ]


class _Taken:
    """What one batch of reports changes, freeze by freeze."""

    def __init__(self, tx: Transaction, measured: Sequence[Measuring], *, now: datetime) -> None:
        self._tx = tx
        self._now = now
        self._views = tx.look_at({each.account_id for each in measured}, now=now)
        self._days: dict[DayKey, SiteDay] = {}
        self._new: list[Freeze] = []

    def take(self, key: DayKey, told: Sequence[tuple[FreezeReport, Measuring]]) -> None:
        """Judge what is told of one day, and keep what is new; nothing, while its end is being worked on."""
        day = _day_at(self._tx, key, DayStep.FREEZING, DayStep.DONE)
        if day is None:
            return
        self._days[key] = day
        grounds = _Ground.of(
            self._tx, day, [measuring for _, measuring in told], days=DAYS_LOOKED_BACK, but=self._new
        )
        for report, measuring in told:
            ground = grounds[measuring.meter_id]
            is_told = ground.known is not None and ground.known.is_told  # the same freeze twice is nothing
            if not is_told and report.told.reason != NOT_YET_FROZEN:
                self._take(report, ground)

    def _take(self, report: FreezeReport, ground: "_Ground") -> None:
        told, off_s = report.told, self._off_s(report, ground.measuring, ground.day)
        if off_s is not None and rules.is_off(off_s):
            self._refuse(ground, CLOCK_OFF, off_s)
        elif told.energy_wh is None:
            self._refuse(ground, told.reason or NOT_TOLD, off_s)
        else:
            freeze = replace(
                ground.blank(now=self._now),
                basis=FreezeBasis.METER,
                energy_wh=told.energy_wh,
                rates_wh=told.rates_wh,
                balance_minor=told.balance_minor,
                clock_off_s=off_s,
            )
            self._new.append(_weighed(self._tx, freeze, ground, now=self._now))

    def write(self) -> None:
        """Write what is new, suppose anew what was supposed after it, and open the days that it changes."""
        changed = [each for each in self._new if each.is_told]
        self._tx.freezes.put_freezes(self._new)
        for day in [self._days[key] for key in sorted({DayKey(each.site_id, each.day) for each in changed})]:
            _open_again(self._tx, day, now=self._now)
        _suppose_later(self._tx, [each for each in changed if each.is_valid], now=self._now)

    def _refuse(self, ground: "_Ground", reason: str, off_s: int | None) -> None:
        """Keep why a meter's own freeze does not count; what was supposed stays."""
        known = ground.known or ground.blank(now=self._now)
        if known.reason != reason:
            version = 1 if ground.known is None else known.version + 1
            refused = replace(known, version=version, reason=reason, clock_off_s=off_s, known_at=self._now)
            self._new.append(refused)

    def _off_s(self, report: FreezeReport, measuring: Measuring, day: SiteDay) -> int | None:
        """Return how far the clock was off at midnight; a clock that was put right since was wrong then."""
        off_s, seen_at = report.clock_off_s, report.at
        view = self._views.get(measuring.account_id)
        found = None if view is None else view.snapshot
        if found is not None and found.meter_id == measuring.meter_id and found.clock_off_at is not None:
            is_since = found.clock_off_at >= day.ends_at
            off_s, seen_at = (found.clock_off_s, found.clock_off_at) if is_since else (off_s, seen_at)
        if off_s is None:
            return None
        return rules.clock_off_then(off_s, seen_at=seen_at, at=day.ends_at, zone=zone_of(day.zone))


def _day_at(tx: Transaction, key: DayKey, *steps: DayStep) -> SiteDay | None:
    """Return a day, locked, where it stands at one of these steps.

    Who works on it is not waited for: behind what a gateway has to tell of midnights are its recharges.
    """
    seen = tx.freezes.look_at_day(key)
    if seen is None or seen.step not in steps:
        return None
    day = tx.freezes.day(key)
    return day if day is not None and day.step in steps else None


def _open_again(tx: Transaction, day: SiteDay, *, now: datetime) -> None:
    """Let a day that is done learn what came late; one that waits already waits for it too."""
    if day.step is DayStep.DONE:
        opened = replace(
            day, step=DayStep.FREEZING, version=day.version + 1, due_at=now + LATE_WAIT, done_at=None
        )
        tx.freezes.save_day(opened)


def _suppose_later(tx: Transaction, valid: Sequence[Freeze], *, now: datetime) -> None:
    """Make anew what was supposed of days after a fact that came late."""
    if valid:
        first = min(each.day for each in valid)
        ids = {each.meter_id for each in valid}
        _make_anew(tx, tx.freezes.freezes_of(ids, since=first + DAY, until=first + _KEPT), now=now)


def _make_anew(tx: Transaction, freezes: Sequence[Freeze], *, now: datetime) -> None:
    """Make what is not told of days that are done from what is known now; each that differs opens its day."""
    untold = [each for each in freezes if not each.is_told]
    installations = {
        (each.meter_id, each.account_id): each
        for each in tx.freezes.installations({freeze.meter_id for freeze in untold})
    }
    meters_of = defaultdict(list)
    for each in untold:
        measuring = installations.get((each.meter_id, each.account_id))
        if measuring is not None:
            meters_of[DayKey(each.site_id, each.day)].append(measuring)
    for key, meters in sorted(meters_of.items()):
        day = _day_at(tx, key, DayStep.DONE)
        if day is not None:
            anew = [_made(tx, ground, now=now) for ground in _Ground.of(tx, day, meters).values()]
            changed = [each for each in anew if each is not None]
            tx.freezes.put_freezes(changed)
            if changed:
                _open_again(tx, day, now=now)


# What is known of a midnight without the meter's word.


def _fill(tx: Transaction, day: SiteDay, page: Sequence[Measuring], *, now: datetime) -> None:
    """Write what readings tell, and suppose the rest; what is told already stays."""
    ids = [each.meter_id for each in page]
    known = {each.meter_id: each for each in tx.freezes.freezes_of(ids, since=day.day, until=day.day + DAY)}
    told = {meter_id for meter_id, each in known.items() if each.is_told}
    new: list[Freeze | None] = []
    for ground in _Ground.of(tx, day, [each for each in page if each.meter_id not in told]).values():
        new.append(_made(tx, ground, now=now))
    poor = [each for each in page if each.meter_id in told and _lacks_balance(each, known[each.meter_id])]
    for ground in _Ground.of(tx, day, poor, days=0).values():
        new.append(ground.with_balance(known[ground.measuring.meter_id], now=now))
    made = [each for each in new if each is not None]
    tx.freezes.put_freezes(made)
    _suppose_later(tx, [each for each in made if each.is_valid], now=now)


def _made(tx: Transaction, ground: "_Ground", *, now: datetime) -> Freeze | None:
    """Return what readings prove, or what is supposed; None where that is known already, or more."""
    if ground.known is not None and ground.known.is_told:
        return None  # its meter told while we waited for the day
    read = ground.read(now=now)
    return ground.supposed(now=now) if read is None else _weighed(tx, read, ground, now=now)


def _lacks_balance(measuring: Measuring, known: Freeze) -> bool:
    return measuring.holds_credit and known.is_valid and known.balance_minor is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """All that a freeze of one meter and day may rest on."""

    day: SiteDay
    measuring: Measuring
    known: Freeze | None  # its last version
    past: Sequence[Freeze]  # valid ones of the days before, by day
    beside: Around  # the readings at midnight, from both sides
    apart: Around  # ... that are further from it than a clock may be off

    @staticmethod
    def of(
        tx: Transaction,
        day: SiteDay,
        meters: Sequence[Measuring],
        *,
        days: int = DAYS_KEPT_MAX,
        but: Sequence[Freeze] = (),
    ) -> "dict[int, _Ground]":
        """Return the grounds of these meters; `but` are freezes that are not written yet."""
        ids = [each.meter_id for each in meters]
        found = tx.freezes.freezes_of(ids, since=day.day - days * DAY, until=day.day + DAY)
        kept = {(each.meter_id, each.day): each for each in (*found, *but)}
        past: Mapping[int, list[Freeze]] = defaultdict(list)
        for (meter_id, on), freeze in sorted(kept.items(), key=lambda item: item[0]):
            if on < day.day and freeze.is_valid:
                past[meter_id].append(freeze)
        at, off = day.ends_at, rules.CLOCK_OFF_MAX
        beside = tx.freezes.around(ids, until=at, since=at)
        apart = tx.freezes.around(ids, until=at - off, since=at + off)
        return {
            each.meter_id: _Ground(
                day=day,
                measuring=each,
                known=kept.get((each.meter_id, day.day)),
                past=past[each.meter_id],
                beside=_within(each, beside.get(each.meter_id, (None, None))),
                apart=_within(each, apart.get(each.meter_id, (None, None))),
            )
            for each in meters
        }

    def blank(self, *, now: datetime) -> Freeze:
        """Return the next version, with nothing known."""
        return Freeze(
            meter_id=self.measuring.meter_id,
            day=self.day.day,
            version=1 if self.known is None else self.known.version + 1,
            site_id=self.day.site_id,
            account_id=self.measuring.account_id,
            at=self.day.ends_at,
            basis=FreezeBasis.MISSING,
            known_at=now,
            clock_off_s=None if self.known is None else self.known.clock_off_s,
        )

    def read(self, *, now: datetime) -> Freeze | None:
        """Return the freeze that readings prove: one at midnight, or two beside it without use between."""
        before, after = self.beside
        near = [
            each for each in self.beside if each is not None and abs(each.at - self.day.ends_at) <= BESIDE_MAX
        ]
        proof = min(near, key=lambda each: abs(each.at - self.day.ends_at), default=None)
        if before is not None and after is not None and before.energy_wh == after.energy_wh:
            proof = before
        if proof is None:
            return None
        freeze = replace(
            self.blank(now=now),
            basis=FreezeBasis.READING,
            energy_wh=proof.energy_wh,
            rates_wh=proof.rates_wh,
        )
        return self.with_balance(freeze, now=now) or freeze

    def with_balance(self, freeze: Freeze, *, now: datetime) -> Freeze | None:
        """Return the freeze with the balance of midnight, where a reading soon after it proves one.

        Nothing was used since, and nothing bought: the register and the count of purchases are the same.
        """
        before, after = self.beside
        if freeze.balance_minor is not None or not freeze.is_valid or before is None or after is None:
            return None
        is_soon = after.at - self.day.ends_at <= BALANCE_MAX and after.energy_wh == freeze.energy_wh
        is_unbought = after.purchase_no is not None and before.purchase_no == after.purchase_no
        if after.balance_minor is None or not (is_soon and is_unbought):
            return None
        version = freeze.version + (freeze == self.known)
        return replace(freeze, version=version, balance_minor=after.balance_minor, known_at=now)

    def supposed(self, *, now: datetime) -> Freeze | None:
        """Return what is supposed, or that nothing can be; None where that is known already."""
        reason = self.known.reason if self.known is not None and self.known.reason in FINAL else NOT_TOLD
        freeze = replace(self.blank(now=now), reason=reason)
        energy_wh = self._supposed_wh()
        if energy_wh is not None:
            freeze = replace(freeze, basis=FreezeBasis.PROVISIONAL, energy_wh=energy_wh)
        known = self.known
        same = known is not None and freeze == replace(known, version=freeze.version, known_at=now)
        return None if same else freeze

    def _supposed_wh(self) -> int | None:
        frozen = Known(at=self.past[-1].at, energy_wh=_wh(self.past[-1])) if self.past else None
        before, after = (None if each is None else _known(each) for each in self.beside)
        if frozen is None or (before is not None and before.at > frozen.at):
            if frozen is not None and before is not None and before.energy_wh < frozen.energy_wh:
                return None  # the register fell meanwhile: a person has to look
            frozen = before
        if frozen is None:
            return None
        ceiling_wh = None if after is None or after.energy_wh < frozen.energy_wh else after.energy_wh
        return rules.supposed_wh(
            frozen,
            rules.daily_uses_wh([(each.day.toordinal(), _wh(each)) for each in self.past]),
            until=self.day.ends_at,
            zone=zone_of(self.day.zone),
            ceiling_wh=ceiling_wh,
        )

    def verdict(self, told: Known) -> Delta:
        """Judge a register by the last freeze that is a fact, and by the readings on both sides."""
        before, after = (None if each is None else _known(each) for each in self.apart)
        frozen = Known(at=self.past[-1].at, energy_wh=_wh(self.past[-1])) if self.past else before
        found = rules.judged(told, before=frozen, after=after)
        return found if found is not Delta.PLAUSIBLE else rules.judged(told, before=before, after=after)


def _weighed(tx: Transaction, freeze: Freeze, ground: _Ground, *, now: datetime) -> Freeze:
    """Return a freeze, held where its register cannot be: a person looks at it, and billing waits."""
    told = Known(at=freeze.at, energy_wh=_wh(freeze))
    verdict = ground.verdict(told)
    if verdict is Delta.PLAUSIBLE:
        return freeze
    view = tx.lock_accounts([freeze.account_id], now=now).get(freeze.account_id)
    is_ours = view is not None and view.meter is not None and view.meter.meter_id == freeze.meter_id
    if view is not None and is_ours and not view.holdings.billing_held:
        if _is_released(view, told, past=ground.past):
            return freeze
        _doubt(tx, view, freeze, verdict, past=ground.past)
    return replace(freeze, basis=FreezeBasis.HELD, reason=f"register_{verdict.value}")


def _is_released(view: AccountView, told: Known, *, past: Sequence[Freeze]) -> bool:
    """Tell whether billing goes on from another register since the last fact: a person has said so."""
    billed_wh, billed_at = view.holdings.register_wh, view.holdings.register_at
    if billed_wh is None or billed_at is None or not past or not past[-1].at < billed_at <= told.at:
        return False
    elapsed_s = int((told.at - billed_at).total_seconds()) + 1
    return judge_delta(before_wh=billed_wh, after_wh=told.energy_wh, elapsed_s=elapsed_s) is Delta.PLAUSIBLE


def _doubt(
    tx: Transaction, view: AccountView, freeze: Freeze, verdict: Delta, *, past: Sequence[Freeze]
) -> None:
    """Open one case for a register that cannot be; where it is behind what was billed, billing is held."""
    holdings, account_id = view.holdings, freeze.account_id
    since: date | None = past[-1].day if past else None
    was_wh = _wh(past[-1]) if past else None
    tx.put_cases(
        [
            Case(
                account_id=account_id,
                case_id=named("case:freeze", account_id, f"{freeze.meter_id} {since}"),
                kind=f"register_{verdict.value}",
                detail=f"{was_wh} Wh, then {freeze.energy_wh} Wh at {freeze.at.isoformat()}",
                opened_at=freeze.known_at,
            )
        ]
    )
    billed_at = holdings.register_at
    is_behind = holdings.register_wh is not None and _wh(freeze) < holdings.register_wh
    if is_behind and (billed_at is None or billed_at + rules.CLOCK_OFF_MAX <= freeze.at):
        tx.save_holdings([replace(holdings, billing_held=True)])


def _within(measuring: Measuring, around: Around) -> Around:
    """Leave out readings of a time in which the meter measured for somebody else."""
    before, after = around
    is_before = before is not None and before.at >= measuring.since
    is_after = after is not None and (measuring.until is None or after.at < measuring.until)
    return before if is_before else None, after if is_after else None


def _known(reading: Reading) -> Known:
    assert reading.energy_wh is not None, "readings around a midnight tell energy"
    return Known(at=reading.at, energy_wh=reading.energy_wh)


def _wh(freeze: Freeze) -> int:
    assert freeze.energy_wh is not None, "a fact has a register"
    return freeze.energy_wh
