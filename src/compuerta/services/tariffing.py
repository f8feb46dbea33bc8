"""Tariffing: versions are drafted, proposed, approved by a second person, and brought to accounts and meters.

A version never changes once it is proposed, and nobody approves their own request (promise A2). A version
that would change what is already rated, or that a meter which deducts by itself cannot hold, is refused with
every reason at once. Approval writes what the meters have to do in its own transaction (D2).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits
from compuerta.domain.naming import named
from compuerta.domain.tariff.checking import Fault, TariffFaulty, check, check_change, energy_place
from compuerta.domain.tariff.civil import civil_us, day_start_us, from_us, to_us
from compuerta.domain.tariff.components import ChangePolicy, Scale, Tariff, Terms
from compuerta.domain.tariff.document import fingerprint
from compuerta.domain.tariff.packing import unpacked
from compuerta.domain.tariff.schedule import Schedule, Version, VersionKey, in_force
from compuerta.domain.tariff.tally import cycle_of, steps_window
from compuerta.services import rollout
from compuerta.services.acting import Act, Actor, entry, entry_about, require_reason
from compuerta.services.records import (
    AccountView,
    Assignment,
    AuditEntry,
    TariffEntry,
    TariffVersion,
    VersionState,
)
from compuerta.services.rollout import Going, Models, Takeover
from compuerta.services.store_port import Store, Transaction

# A tariff that a house begins with holds from before there was any reading.
SINCE_EVER = datetime(2000, 1, 1)  # noqa: DTZ001 the wall clock of any site
# Near the ends of the calendar a wall clock's time is no instant at some sites.
FAR = datetime(2200, 1, 1)  # noqa: DTZ001 the wall clock of any site
# No other place has a later wall clock.
FIRST_ZONE = "Pacific/Kiritimati"
SHOWN_MAX = 5  # of a list in a refusal


class TariffUnknown(Refused):
    """There is no such tariff, or no such version of it, in this organisation."""

    def __init__(self, tariff_id: int, version_no: int | None = None) -> None:
        what = f"tariff {tariff_id}" if version_no is None else f"version {version_no} of tariff {tariff_id}"
        super().__init__(f"there is no {what}")
        self.tariff_id = tariff_id
        self.version_no = version_no


class VersionDecided(Refused):
    """A version is past what was asked for: what was proposed, or decided, never changes."""

    def __init__(self, key: VersionKey, state: VersionState) -> None:
        super().__init__(
            f"version {key[1]} of tariff {key[0]} is {state.value} and cannot be changed: draft another one"
        )
        self.key = key
        self.state = state


class VersionNotProposed(Refused):
    """A version that nobody has proposed cannot be approved."""

    def __init__(self, key: VersionKey, state: VersionState) -> None:
        super().__init__(f"version {key[1]} of tariff {key[0]} is {state.value}, and not proposed")
        self.key = key
        self.state = state


class OwnRequest(Refused):
    """Somebody would approve what they have drafted or proposed themselves."""

    def __init__(self, who: str) -> None:
        super().__init__(f"{who} has drafted or proposed this: a second person approves it")
        self.who = who


class CurrencyDiffers(Refused):
    """A tariff of one currency, where money of another is kept."""

    def __init__(self, *, wanted: str, given: str) -> None:
        super().__init__(f"the tariff is in {given}, and must be in {wanted}")
        self.wanted = wanted
        self.given = given


class TariffNotApproved(Refused):
    """A tariff without an approved version bills nobody."""

    def __init__(self, tariff_id: int) -> None:
        super().__init__(f"tariff {tariff_id} has no approved version yet")
        self.tariff_id = tariff_id


class AccountNotBilled(Refused):
    """An account that is closed, buys nothing, or is not there."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is not there, is closed, or buys nothing")
        self.account_id = account_id


class PastIsRated(Refused):
    """A change from an instant on that is rated already."""

    def __init__(self, starts_at: datetime, rated_until: datetime) -> None:
        super().__init__(
            f"use is charged up to {rated_until.isoformat()}: {starts_at.isoformat()} is too early"
        )
        self.starts_at = starts_at
        self.rated_until = rated_until


class MovesAlready(Refused):
    """A change before, or with, one that is decided: what follows was decided on what it would replace."""

    def __init__(self, account_id: int, at: datetime) -> None:
        super().__init__(f"account {account_id} moves at {at.isoformat()} already: write a later moment")
        self.account_id = account_id
        self.at = at


class TermsMidBill(Refused):
    """Persons or contracted power would change inside a bill."""

    def __init__(self, cycle_start: datetime) -> None:
        super().__init__(f"a contract's terms change where a bill begins, such as {cycle_start.isoformat()}")
        self.cycle_start = cycle_start


class PowerUnknown(Refused):
    """Steps by contracted power, and accounts of which none is known: all use would be in the last step."""

    def __init__(self, account_ids: Sequence[int]) -> None:
        shown = ", ".join(map(str, account_ids[:SHOWN_MAX]))
        super().__init__(
            f"its steps go by the contracted power: enter that of {len(account_ids)} accounts first ({shown})"
        )
        self.account_ids = tuple(account_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Founders:
    """The two persons who stand for a first tariff."""

    drafted_by: str
    approved_by: str


def found(tx: Transaction, tariff: Tariff, *, organisation_id: int, founders: Founders, now: datetime) -> int:
    """Begin a tariff with a first version that holds since ever; returns its id."""
    tariff_id = tx.add_tariff(
        organisation_id=organisation_id, name=tariff.name, currency=tariff.currency, at=now
    )
    tx.put_version(
        TariffVersion(
            version=Version(tariff_id=tariff_id, version_no=1, effective_from=SINCE_EVER, tariff=tariff),
            state=VersionState.APPROVED,
            fingerprint=fingerprint(tariff),
            drafted_by=founders.drafted_by,
            drafted_at=now,
            proposed_by=founders.drafted_by,
            proposed_at=now,
            decided_by=founders.approved_by,
            decided_at=now,
        )
    )
    return tariff_id


def version(store: Store, key: VersionKey) -> TariffVersion:
    """Return a version as it is kept; raises `TariffUnknown`."""
    with store.transaction() as tx:
        return _version(tx, key)


def refuse_far(moment: datetime) -> None:
    """Refuse a wall clock's time that nobody means."""
    if not SINCE_EVER <= moment < FAR:
        reason = f"write a year from {SINCE_EVER.year} to {FAR.year - 1}"
        raise TariffFaulty((Fault(place="effective_from", reason=reason),))


# Drafts.


def begin(
    store: Store,
    tariff: Tariff,
    *,
    organisation_id: int,
    effective_from: datetime,
    actor: Actor,
    now: datetime,
) -> VersionKey:
    """Begin a line of versions under the tariff's name, with a first draft; returns its key.

    Refused where the name is taken, or there is no such currency.
    """
    minor_digits(tariff.currency)
    refuse_far(effective_from)
    faults = [fault for fault in check(tariff) if fault.place == "name"]
    if faults:
        raise TariffFaulty(tuple(faults))
    with store.transaction() as tx:
        tariff_id = tx.add_tariff(
            organisation_id=organisation_id, name=tariff.name, currency=tariff.currency, at=now
        )
        version = Version(tariff_id=tariff_id, version_no=1, effective_from=effective_from, tariff=tariff)
        return _put_draft(tx, version, organisation_id=organisation_id, actor=actor, now=now)


def draft(
    store: Store, tariff: Tariff, *, tariff_id: int, effective_from: datetime, actor: Actor, now: datetime
) -> VersionKey:
    """Draft a new version of a tariff; returns its key. A draft may have faults: it bills nobody."""
    refuse_far(effective_from)
    with store.transaction() as tx:
        line = _line(tx, tariff_id)
        _require_currency(tariff.currency, wanted=line.currency)
        number = 1 + max((each.version.version_no for each in tx.versions([tariff_id])), default=0)
        version = Version(
            tariff_id=tariff_id, version_no=number, effective_from=effective_from, tariff=tariff
        )
        return _put_draft(tx, version, organisation_id=line.organisation_id, actor=actor, now=now)


def redraft(
    store: Store, tariff: Tariff, *, key: VersionKey, effective_from: datetime, actor: Actor, now: datetime
) -> None:
    """Write a draft anew; it is then that person's draft."""
    refuse_far(effective_from)
    with store.transaction() as tx:
        line = _line(tx, key[0])
        kept = _version(tx, key)
        if kept.state is not VersionState.DRAFT:
            raise VersionDecided(key, kept.state)
        _require_currency(tariff.currency, wanted=line.currency)
        version = replace(kept.version, effective_from=effective_from, tariff=tariff)
        written = replace(
            kept, version=version, fingerprint=fingerprint(tariff), drafted_by=actor.who, drafted_at=now
        )
        act = Act(
            act_id=named("tariff:redraft", *key, now.isoformat()),
            what="redraft tariff",
            before=kept.fingerprint,
            after=written.fingerprint,
        )
        _keep(tx, written, actor, act, organisation_id=line.organisation_id, now=now)


def _put_draft(
    tx: Transaction, version: Version, *, organisation_id: int, actor: Actor, now: datetime
) -> VersionKey:
    written = TariffVersion(
        version=version,
        state=VersionState.DRAFT,
        fingerprint=fingerprint(version.tariff),
        drafted_by=actor.who,
        drafted_at=now,
    )
    tx.put_version(written)
    act = Act(act_id=named("tariff:draft", *version.key), what="draft tariff", after=written.fingerprint)
    tx.put_audit([_audit(written, actor, act, organisation_id=organisation_id, now=now)])
    return version.key


# Decisions.


def propose(store: Store, key: VersionKey, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Ask for a draft's approval; from now on it never changes. Refused with every fault, and its place."""
    require_reason(actor)
    with store.transaction() as tx:
        line = _line(tx, key[0])
        kept = _version(tx, key)
        if kept.state is not VersionState.DRAFT:
            raise VersionDecided(key, kept.state)
        _refuse_faults(tx, kept.version, _views(tx, key[0], now=now), now=now)
        proposed = replace(kept, state=VersionState.PROPOSED, proposed_by=actor.who, proposed_at=now)
        act = Act(act_id=act_id, what="propose tariff", before=kept.state.value, after=proposed.state.value)
        _keep(tx, proposed, actor, act, organisation_id=line.organisation_id, now=now)


def approve(
    store: Store,
    key: VersionKey,
    *,
    actor: Actor,
    act_id: UUID,
    models: Models,
    now: datetime,
    by_hand: bool = False,
) -> None:
    """Approve what another person has drafted and proposed, and tell the meters that deduct by themselves.

    Refused with the list of meters that cannot hold it; with `by_hand` each of them becomes a case instead:
    somebody goes and sets its prices.
    """
    require_reason(actor)
    with store.transaction() as tx:
        line = _line(tx, key[0])
        kept = _version(tx, key)
        if kept.state is not VersionState.PROPOSED:
            raise VersionNotProposed(key, kept.state)
        if actor.who in (kept.drafted_by, kept.proposed_by):
            raise OwnRequest(actor.who)
        # Locked: what is charged while this is decided would else be explained by what is decided.
        views = list(tx.lock_accounts(tx.accounts_on(key[0], now=now), now=now).values())
        _refuse_faults(tx, kept.version, views, now=now)
        goings = list(rollout.reached(views, kept.version))
        _refuse_terms_missing(goings)
        rollout.send(tx, goings, models=models, by_hand=by_hand, now=now)
        approved = _decided(kept, VersionState.APPROVED, actor, now=now)
        act = Act(act_id=act_id, what="approve tariff", before=kept.state.value, after=approved.state.value)
        _keep(tx, approved, actor, act, organisation_id=line.organisation_id, now=now)


def withdraw(store: Store, key: VersionKey, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """End a draft or a proposal; what was approved stays, and is followed by another version."""
    require_reason(actor)
    with store.transaction() as tx:
        line = _line(tx, key[0])
        kept = _version(tx, key)
        if kept.state not in (VersionState.DRAFT, VersionState.PROPOSED):
            raise VersionDecided(key, kept.state)
        ended = _decided(kept, VersionState.WITHDRAWN, actor, now=now)
        act = Act(act_id=act_id, what="withdraw tariff", before=kept.state.value, after=ended.state.value)
        _keep(tx, ended, actor, act, organisation_id=line.organisation_id, now=now)


# Accounts.


def assign(
    store: Store,
    assignment: Assignment,
    *,
    actor: Actor,
    act_id: UUID,
    models: Models,
    now: datetime,
    by_hand: bool = False,
) -> None:
    """Bill an account by another tariff, or by other terms, from an instant on; its meter is told.

    Refused where use is rated up to then already, or a later change is decided, where terms would change
    inside a bill, and, unless `by_hand`, where the account's meter deducts by itself and cannot by this
    tariff.
    """
    require_reason(actor)
    refuse_far(assignment.starts_at.replace(tzinfo=None))
    with store.transaction() as tx:
        line = _line(tx, assignment.tariff_id)
        view = tx.lock_accounts([assignment.account_id], now=now).get(assignment.account_id)
        if view is None or view.schedule is None or view.account.period.end is not None:
            raise AccountNotBilled(assignment.account_id)
        if line.organisation_id != view.account.organisation_id:
            raise TariffUnknown(assignment.tariff_id)
        _require_currency(line.currency, wanted=view.account.currency)
        _refuse_past(view, assignment)
        _refuse_before_another(view, assignment)
        _refuse_terms_mid_bill(view, view.schedule, assignment)
        goings = _goings(tx, view, view.schedule, assignment)
        first = goings[0].takeover
        faults = [*_change_faults(first, None), *_prorate_faults(first, schedule=view.schedule, now=now)]
        if faults:
            raise TariffFaulty(tuple(faults))
        _refuse_terms_missing(goings)
        rollout.send(tx, goings, models=models, by_hand=by_hand, now=now)
        tx.assign(assignment)
        act = Act(
            act_id=act_id,
            what="assign tariff",
            before=_told_of(first.before, view.terms_at(assignment.starts_at)),
            after=f"{_told_of(first.version, assignment.terms)} from {assignment.starts_at.isoformat()}",
        )
        tx.put_audit([entry(view.account, actor, act, now=now)])


def _goings(tx: Transaction, view: AccountView, schedule: Schedule, assignment: Assignment) -> list[Going]:
    """Return the takeovers that an assignment brings: now, and for later versions of its tariff."""
    approved = _approved(tx, assignment.tariff_id)
    if not approved:
        raise TariffNotApproved(assignment.tariff_id)
    joining = in_force(approved, zone=view.account.zone)
    at = assignment.starts_at
    before = schedule.version_at(to_us(at) - 1)
    first = Takeover(at=at, version=joining.version_at(to_us(at)), before=before)
    later = [each for each in rollout.takeovers(joining, since=at) if each.at > at]
    return [Going(view=view, takeover=each, terms=assignment.terms) for each in (first, *later)]


def _refuse_past(view: AccountView, assignment: Assignment) -> None:
    rated_until = _rated_until(view)
    if assignment.starts_at < rated_until:
        raise PastIsRated(assignment.starts_at, rated_until)


def _rated_until(view: AccountView) -> datetime:
    held = view.holdings
    rated = [held.register_at or view.account.period.start]
    if held.tally:
        tally = unpacked(held.tally)
        rated += [tally.until, from_us(tally.accrued_us)]
    return max(rated)


def _refuse_before_another(view: AccountView, assignment: Assignment) -> None:
    for start, _ in view.agreed[1:]:
        if start >= assignment.starts_at:
            raise MovesAlready(view.account.account_id, start)


def _refuse_terms_missing(goings: Iterable[Going]) -> None:
    unknown = [
        going.view.account.account_id
        for going in goings
        if going.takeover.version.tariff.energy.steps.scale in (Scale.KW, Scale.KW_DAY)
        and going.terms.contracted_w is None
    ]
    if unknown:
        raise PowerUnknown(unknown)


def _refuse_terms_mid_bill(view: AccountView, schedule: Schedule, assignment: Assignment) -> None:
    if assignment.terms == view.terms_at(assignment.starts_at):
        return
    at_us = to_us(assignment.starts_at)
    cycle = cycle_of(schedule.version_at(at_us - 1).tariff, at_us, schedule=schedule)
    if day_start_us(cycle.first, zone=schedule.zone) != at_us:
        raise TermsMidBill(from_us(day_start_us(cycle.end, zone=schedule.zone)))


def _told_of(version: Version | None, terms: Terms) -> str:
    name = "" if version is None else version.tariff.name
    told = [name, f"{terms.persons} persons" if terms.persons else ""]
    told.append(f"{terms.contracted_w} W" if terms.contracted_w else "")
    return ", ".join(filter(None, told))


# Faults that only show where a version is to be used.


def _refuse_faults(tx: Transaction, version: Version, views: Sequence[AccountView], *, now: datetime) -> None:
    faults = check(version.tariff) or list(_place_faults(tx, version, views, now=now))
    if faults:
        raise TariffFaulty(tuple(dict.fromkeys(faults)))


_IS_PAST = Fault(place="effective_from", reason="is past where it is used: write a later moment")


def _place_faults(
    tx: Transaction, version: Version, views: Sequence[AccountView], *, now: datetime
) -> Iterator[Fault]:
    others = _approved(tx, version.tariff_id)
    for other in others:
        if other.effective_from == version.effective_from:
            reason = f"version {other.version_no} begins then: write another moment"
            yield Fault(place="effective_from", reason=reason)
    schedules = {id(view.schedule): view.schedule for view in views if view.schedule}
    if not schedules and others:
        # Nobody is billed by it now: as somebody who will be, or was and is not any more, wherever that is.
        schedules = {0: in_force(others, zone=FIRST_ZONE)}
    if any(each.takeover.at < _rated_until(each.view) for each in rollout.reached(views, version)):
        yield _IS_PAST
    for schedule in schedules.values():
        if from_us(civil_us(version.effective_from, zone=schedule.zone)) <= now:
            yield _IS_PAST
        takeover = rollout.takeover_of(version, schedule=schedule)
        if takeover is not None:
            yield from _change_faults(takeover, rollout.followed_by(takeover, schedule=schedule))
            yield from _prorate_faults(takeover, schedule=schedule, now=now)


def _change_faults(takeover: Takeover, following: Version | None) -> Iterator[Fault]:
    if takeover.before is not None:
        yield from check_change(takeover.version.tariff, before=takeover.before.tariff)
    if following is not None:
        for fault in check_change(following.tariff, before=takeover.version.tariff):
            reason = f"version {following.version_no}, which follows, cannot: {fault.place}: {fault.reason}"
            yield Fault(place="effective_from", reason=reason)


def _prorate_faults(takeover: Takeover, *, schedule: Schedule, now: datetime) -> Iterator[Fault]:
    """Bounds that are shared by days of a window cannot be shared anew once energy is counted by them."""
    at_us, now_us = to_us(takeover.at), to_us(now)
    for each in filter(None, (takeover.before, takeover.version)):
        energy = each.tariff.energy
        if energy.steps.on_change is ChangePolicy.PRORATE and energy.is_stepped:
            window = steps_window(each.tariff, at_us, schedule=schedule)
            start_us = day_start_us(window.first, zone=schedule.zone)
            if start_us != at_us and start_us <= now_us:
                reason = f"shares the bounds of a window begun on {window.first}: begin with the next"
                place = f"{energy_place(takeover.version.tariff)}.steps.on_change"
                yield Fault(place=place, reason=reason)


# Rows.


def _line(tx: Transaction, tariff_id: int) -> TariffEntry:
    line = tx.tariff(tariff_id)
    if line is None:
        raise TariffUnknown(tariff_id)
    return line


def _version(tx: Transaction, key: VersionKey) -> TariffVersion:
    for each in tx.versions([key[0]]):
        if each.version.key == key:
            return each
    raise TariffUnknown(*key)


def _approved(tx: Transaction, tariff_id: int) -> list[Version]:
    return [each.version for each in tx.versions([tariff_id]) if each.state is VersionState.APPROVED]


def _views(tx: Transaction, tariff_id: int, *, now: datetime) -> list[AccountView]:
    return list(tx.look_at(tx.accounts_on(tariff_id, now=now), now=now).values())


def _require_currency(given: str, *, wanted: str) -> None:
    if given != wanted:
        raise CurrencyDiffers(wanted=wanted, given=given)


def _decided(kept: TariffVersion, state: VersionState, actor: Actor, *, now: datetime) -> TariffVersion:
    return replace(kept, state=state, decided_by=actor.who, decided_at=now, note=actor.why)


def _keep(
    tx: Transaction, version: TariffVersion, actor: Actor, act: Act, *, organisation_id: int, now: datetime
) -> None:
    """Write a version with the audit row of what was done to it."""
    tx.save_version(version)
    tx.put_audit([_audit(version, actor, act, organisation_id=organisation_id, now=now)])


def _audit(
    version: TariffVersion, actor: Actor, act: Act, *, organisation_id: int, now: datetime
) -> AuditEntry:
    tariff_id, version_no = version.version.key
    subject = f"tariff {tariff_id} version {version_no}"
    return entry_about(subject, actor, act, organisation_id=organisation_id, now=now)
