"""Masses: one order for many supplies, tried dry, approved by a second person, and done in waves.

The first wave is a sample of the whole; the next begins when every supply of the last has followed or failed.
Too many failures stop the rest. Within a window it is undone, except where somebody changed things meanwhile.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.naming import derived, named
from compuerta.domain.supply import CONTRADICTED_BY, HoldKind, Reason
from compuerta.drivers.abilities import Relay
from compuerta.services import converging
from compuerta.services.acting import Act, Actor, entry, entry_about, name_of_key, require_reason
from compuerta.services.holding import ENDS_WITHIN
from compuerta.services.mass_port import (
    ItemState,
    MassItem,
    MassKind,
    MassOperation,
    MassState,
    Standing,
    Wish,
)
from compuerta.services.records import AccountView, AuditEntry, Hold
from compuerta.services.store_port import Store, Transaction
from compuerta.services.tariffing import OwnRequest

ACCOUNTS_MAX: Final = 10_000  # a larger estate is done site by site
WAVES_PERCENT: Final = (1, 5, 20)  # the sizes of the first waves; the last one is all the rest
PAGE: Final = 100  # supplies in one transaction: payments wait for their locks no longer than for a batch
PAGES_PER_ROUND_MAX: Final = 20
# A meter on any road follows in minutes; one that does not is a failure, although its order stays.
SETTLE_MAX: Final = timedelta(minutes=15)
SILENT_AFTER: Final = timedelta(minutes=15)
UNDO_MIN_MAX: Final = 7 * 24 * 60
_ALL_WAVES: Final = len(WAVES_PERCENT) + 1
# Nobody switches on but who has looked at it, and an overload lock is the meter's own story.
_NEVER_LIFTED: Final = frozenset({HoldKind.SAFETY, HoldKind.OVERLOAD})
_HALTED: Final = (MassState.PAUSED, MassState.STOPPED)


class Effect(Enum):
    """What an order would do to one supply."""

    ON_TO_OFF = "on_to_off"
    OFF_TO_ON = "off_to_on"
    SAME = "same"  # the hold changes, and the relay stays
    NOTHING = "nothing"  # it is so already
    CONTRADICTS = "contradicts"
    PROTECTED = "protected"
    NO_METER = "no_meter"


CHANGES: Final = frozenset({Effect.ON_TO_OFF, Effect.OFF_TO_ON, Effect.SAME})


class KindNotForMany(Refused):
    """A hold that is placed or lifted one by one."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(f"hold: {wish.hold.value} is never for many at once ({wish.kind.value})")
        self.field = "hold"


class EndMissing(Refused):
    """A temporary supply for many that would never end."""

    def __init__(self) -> None:
        super().__init__("until: say when the temporary supply ends")
        self.field = "until"


class EndNotAhead(Refused):
    """Holds that would be over before they begin."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until: {until.isoformat()} is over; choose a later moment")
        self.field = "until"
        self.until = until


class EndTooLate(Refused):
    """Holds that would end when nobody knows of them any more."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"until: {until.isoformat()} is more than a hundred years ahead")
        self.field = "until"
        self.until = until


class AccountsNotChosen(Refused):
    """Nobody was chosen, too many were, or somebody else's."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"accounts: {reason}")
        self.field = "accounts"


class BoundFaulty(Refused):
    """A bound of an operation that cannot be."""

    def __init__(self, field: str, most: int) -> None:
        super().__init__(f"{field}: write a whole number from 0 to {most}")
        self.field = field


class OperationUnknown(Refused):
    """There is no operation of this id in the organisation."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"there is no operation {operation_id}")
        self.operation_id = operation_id


class OperationNotReady(Refused):
    """An operation that does not stand where an act needs it."""

    def __init__(self, operation: MassOperation, act: str) -> None:
        super().__init__(f"the operation is {operation.state.value}: it cannot be {act}")
        self.state = operation.state
        self.act = act


class UndoTooLate(Refused):
    """The window in which an operation can be undone is over."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"it could be undone until {until.isoformat()}; propose the opposite instead")
        self.until = until


class OperationDiffers(Refused):
    """Another operation has this id."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(f"another operation has the id {operation_id}; make a new one")
        self.operation_id = operation_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an order would do to one supply; a silent one follows when it is heard."""

    account_id: int
    effect: Effect
    is_silent: bool = False
    before: Reason | None = None
    after: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What somebody proposes; the id is the caller's, and makes repeating harmless."""

    operation_id: UUID
    organisation_id: int
    wish: Wish
    account_ids: frozenset[int]
    errors_max: int
    undo_min: int


# Trying dry.


def dry_run(store: Store, account_ids: Iterable[int], *, wish: Wish, now: datetime) -> list[Prospect]:
    """Return what an order would do to each account, by id; nothing is written."""
    _require_wish(wish, now=now)
    prospects, ids = [], sorted(set(account_ids))
    for start in range(0, len(ids), PAGE):
        with store.transaction() as tx:
            views = tx.look_at(ids[start : start + PAGE], now=now)
        prospects += [prospect(view, wish, now=now) for view in views.values()]
    return prospects


def prospect(view: AccountView, wish: Wish, *, now: datetime) -> Prospect:
    """Return what an order would do to one account as it stands."""
    account_id = view.account.account_id
    if view.meter is None or view.snapshot is None or view.account.period.end is not None:
        return Prospect(account_id=account_id, effect=Effect.NO_METER)
    heard_at = view.snapshot.heard_at
    before = converging.decision_of(view)
    after = converging.decision_of(replace(view, holds=_holds_after(view, wish)))
    return Prospect(
        account_id=account_id,
        effect=_refusal(view, wish) or _change(before.closed, after.closed),
        is_silent=heard_at is None or heard_at < now - SILENT_AFTER,
        before=before.reason,
        after=after.reason,
    )


def _holds_after(view: AccountView, wish: Wish) -> frozenset[HoldKind]:
    return view.holds | {wish.hold} if wish.kind is MassKind.HOLD else view.holds - {wish.hold}


def _refusal(view: AccountView, wish: Wish) -> Effect | None:
    """Return why a supply is left as it is; None where something forbids nothing."""
    if (wish.hold in view.holds) == (wish.kind is MassKind.HOLD):
        return Effect.NOTHING
    clash = CONTRADICTED_BY[wish.hold] & view.holds if wish.kind is MassKind.HOLD else frozenset()
    if HoldKind.PROTECTED in clash:
        return Effect.PROTECTED
    return Effect.CONTRADICTS if clash else None


def _change(was_closed: bool, is_closed: bool) -> Effect:
    if was_closed == is_closed:
        return Effect.SAME
    return Effect.OFF_TO_ON if is_closed else Effect.ON_TO_OFF


def _require_wish(wish: Wish, *, now: datetime) -> None:
    placing = wish.kind is MassKind.HOLD
    if wish.hold is HoldKind.OVERLOAD or (not placing and wish.hold in _NEVER_LIFTED):
        raise KindNotForMany(wish)
    if placing and wish.hold is HoldKind.TEMPORARY and wish.until is None:
        raise EndMissing
    if wish.until is not None and wish.until <= now:
        raise EndNotAhead(wish.until)
    if wish.until is not None and wish.until > now + ENDS_WITHIN:
        raise EndTooLate(wish.until)


# Two persons.


def propose(store: Store, proposal: Proposal, *, actor: Actor, now: datetime) -> None:
    """Write an operation that a second person decides on; the same proposal again changes nothing."""
    require_reason(actor)
    _require_wish(proposal.wish, now=now)
    _require_bounds(proposal)
    operation = MassOperation(
        operation_id=proposal.operation_id,
        organisation_id=proposal.organisation_id,
        kind=proposal.wish.kind,
        hold=proposal.wish.hold,
        until=proposal.wish.until,
        why=actor.why,
        errors_max=proposal.errors_max,
        undo_min=proposal.undo_min,
        proposed_by=actor.who,
        proposed_at=now,
    )
    with store.transaction() as tx:
        ours = tx.masses.accounts_within(proposal.organisation_id, proposal.account_ids)
        if others := proposal.account_ids - ours:
            raise AccountsNotChosen(f"{min(others)} is no open account of this organisation")
        if tx.masses.propose(operation, _items(operation.operation_id, proposal.account_ids)):
            act = Act(act_id=derived(operation.operation_id, "propose"), what="propose mass operation")
            _note(tx, operation, actor, act, now=now)
        else:
            _require_same(tx, operation)


def _require_same(tx: Transaction, operation: MassOperation) -> None:
    there = tx.masses.operation(operation.operation_id)
    same = there is not None and (there.organisation_id, there.wish, there.proposed_by, there.why) == (
        operation.organisation_id,
        operation.wish,
        operation.proposed_by,
        operation.why,
    )
    if not same:
        raise OperationDiffers(operation.operation_id)


def _require_bounds(proposal: Proposal) -> None:
    if not proposal.account_ids:
        raise AccountsNotChosen("choose at least one")
    if len(proposal.account_ids) > ACCOUNTS_MAX:
        raise AccountsNotChosen(f"{len(proposal.account_ids)} are too many; choose {ACCOUNTS_MAX} at most")
    if not 0 <= proposal.errors_max <= ACCOUNTS_MAX:
        raise BoundFaulty("errors_max", ACCOUNTS_MAX)
    if not 0 <= proposal.undo_min <= UNDO_MIN_MAX:
        raise BoundFaulty("undo_min", UNDO_MIN_MAX)


def _items(operation_id: UUID, account_ids: Collection[int]) -> list[MassItem]:
    """Deal accounts out to waves as if by lot: the first wave is a sample, and not one staircase."""
    dealt = sorted(account_ids, key=lambda account_id: named("mass", operation_id, account_id))
    return [
        MassItem(operation_id=operation_id, account_id=account_id, wave=wave)
        for account_id, wave in zip(dealt, _waves(len(dealt)), strict=True)
    ]


def _waves(count: int) -> Iterator[int]:
    """Yield the wave of each of so many supplies; the first has at least one."""
    left = count
    for wave, percent in enumerate(WAVES_PERCENT, start=1):
        size = min(left, max(1, count * percent // 100))
        yield from [wave] * size
        left -= size
    yield from [_ALL_WAVES] * left


def approve(store: Store, operation_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Let a proposed operation run; never by who proposed it, or made the key that did (promise A2)."""
    with store.transaction() as tx:
        operation = _proposed(tx, operation_id, act="approved")
        keys = tx.access.keys_made_by(actor.who, organisation_id=operation.organisation_id)
        if operation.proposed_by in {actor.who, *map(name_of_key, keys)}:
            raise OwnRequest(actor.who)
        _require_wish(operation.wish, now=now)
        running = replace(operation, state=MassState.RUNNING, decided_by=actor.who, decided_at=now)
        _move(tx, operation, running, actor, now=now)


def withdraw(store: Store, operation_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Take a proposal back, or turn it down; with a reason."""
    require_reason(actor)
    with store.transaction() as tx:
        operation = _proposed(tx, operation_id, act="withdrawn")
        gone = replace(
            operation, state=MassState.WITHDRAWN, decided_by=actor.who, decided_at=now, ended_at=now
        )
        _move(tx, operation, gone, actor, now=now)


def pause(store: Store, operation_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Order no more of it; what was ordered goes on."""
    with store.transaction() as tx:
        operation = _in_state(tx, operation_id, {MassState.RUNNING}, act="paused")
        _move(tx, operation, replace(operation, state=MassState.PAUSED), actor, now=now)


def resume(store: Store, operation_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Go on with an operation that somebody paused; the wave's time begins anew."""
    with store.transaction() as tx:
        operation = _in_state(tx, operation_id, {MassState.PAUSED}, act="resumed")
        running = replace(operation, state=MassState.RUNNING, wave_at=operation.wave_at and now)
        _move(tx, operation, running, actor, now=now)


def undo(store: Store, operation_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Take back what an operation has done, within its window; with a reason."""
    require_reason(actor)
    begun = {MassState.RUNNING, MassState.DONE, *_HALTED}
    with store.transaction() as tx:
        operation = _in_state(tx, operation_id, begun, act="undone")
        if operation.undo_until is not None and now >= operation.undo_until:
            raise UndoTooLate(operation.undo_until)
        undoing = replace(operation, state=MassState.UNDOING, undone_by=actor.who)
        _move(tx, operation, undoing, actor, now=now)


def _proposed(tx: Transaction, operation_id: UUID, *, act: str) -> MassOperation:
    return _in_state(tx, operation_id, {MassState.PROPOSED}, act=act)


def _in_state(
    tx: Transaction, operation_id: UUID, states: Collection[MassState], *, act: str
) -> MassOperation:
    operation = tx.masses.operation(operation_id)
    if operation is None:
        raise OperationUnknown(operation_id)
    if operation.state not in states:
        raise OperationNotReady(operation, act)
    return operation


def _move(
    tx: Transaction, before: MassOperation, after: MassOperation, actor: Actor, *, now: datetime
) -> None:
    """Write where an operation stands now, and who moved it."""
    tx.masses.save(after)
    act = Act(
        act_id=named("mass act", before.operation_id, after.state.value, now.isoformat()),
        what=f"mass operation {after.state.value}",
        before=before.state.value,
        after=after.state.value,
    )
    _note(tx, after, actor, act, now=now)


def _note(tx: Transaction, operation: MassOperation, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"mass operation {operation.operation_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=operation.organisation_id, now=now)])


# The work, page by page.


def advance(store: Store, *, now: datetime) -> None:
    """Take every operation further as far as its waves allow; call it again and again."""
    with store.transaction() as tx:
        at_work = tx.masses.at_work()
    for operation_id in at_work:
        with store.transaction() as tx:
            _settle(tx, operation_id, now=now)
        for _ in range(PAGES_PER_ROUND_MAX):
            with store.transaction() as tx:
                goes_on = _page(tx, operation_id, now=now)
            if not goes_on:
                break


def _settle(tx: Transaction, operation_id: UUID, *, now: datetime) -> None:
    """Note which supplies have followed and which have failed; too many failures stop the rest."""
    operation = tx.masses.operation(operation_id)
    if operation is None or operation.state is MassState.UNDOING:
        return
    is_late = operation.wave_at is not None and now >= operation.wave_at + SETTLE_MAX
    settled = [_settled(each, is_late=is_late) for each in tx.masses.standings(operation_id)]
    tx.masses.save_items([each for each in settled if each.state is not ItemState.ORDERED])
    failures = _counted(tx.masses.tally(operation_id), ItemState.FAILED)
    if operation.state in (MassState.RUNNING, MassState.PAUSED) and failures > operation.errors_max:
        _end(tx, operation, MassState.STOPPED, why=f"{failures} failures", now=now)


def _settled(standing: Standing, *, is_late: bool) -> MassItem:
    if standing.is_switching:
        return _answered(standing.item, ItemState.FAILED, "not_followed") if is_late else standing.item
    if standing.refused and not _has_followed(standing):
        return _answered(standing.item, ItemState.FAILED, standing.refused)
    return _answered(standing.item, ItemState.DONE, standing.item.answer)


def _has_followed(standing: Standing) -> bool:
    if standing.wanted_closed:
        return standing.relay in (Relay.CLOSED, Relay.PERMITTED)
    return standing.relay is Relay.OPEN


def _answered(item: MassItem, state: ItemState, answer: str) -> MassItem:
    return replace(item, state=state, answer=answer)


def _counted(tally: Mapping[tuple[int, ItemState], int], state: ItemState) -> int:
    return sum(count for (_, each), count in tally.items() if each is state)


def _page(tx: Transaction, operation_id: UUID, *, now: datetime) -> bool:
    """Do one page of an operation; False where it has to wait, or is over."""
    operation = tx.masses.operation(operation_id)
    assert operation is not None, "operations are kept"
    if operation.state is MassState.UNDOING:
        return _undo_page(tx, operation, now=now)
    if operation.state is not MassState.RUNNING:
        return False
    waiting = {ItemState.WAITING}
    items = tx.masses.items(operation_id, states=waiting, wave_max=operation.wave, limit=PAGE)
    if items:
        _order(tx, operation, items, now=now)
        return True
    tally = tx.masses.tally(operation_id)
    if _counted(tally, ItemState.ORDERED):
        return False
    left = [wave for (wave, state) in tally if state is ItemState.WAITING]
    if left:
        tx.masses.save(replace(operation, wave=min(left), wave_at=now))
    else:
        _end(tx, operation, MassState.DONE, why=operation.why, now=now)
    return bool(left)


def _end(tx: Transaction, operation: MassOperation, state: MassState, *, why: str, now: datetime) -> None:
    until = operation.undo_until or now + timedelta(minutes=operation.undo_min)
    ended = replace(operation, state=state, ended_at=now, undo_until=until)
    _move(tx, operation, ended, _worker(operation, why=why), now=now)


def _order(tx: Transaction, operation: MassOperation, items: Sequence[MassItem], *, now: datetime) -> None:
    """Write down what a page of supplies has to do, with an audit row for each."""
    views = tx.lock_accounts([each.account_id for each in items], now=now)
    ends = _ends(tx, operation, views.values(), now=now)
    actor, saved, audit = _worker(operation, why=operation.why), [], []
    for item in items:
        view = views[item.account_id]
        effect = prospect(view, operation.wish, now=now).effect
        if effect not in CHANGES:
            saved.append(_answered(item, ItemState.SKIPPED, effect.value))
            continue
        assert view.meter is not None
        audit.append(_entry(operation, view, actor, done=operation.kind, now=now))
        lifted_until = ends.get(view.meter.meter_id)
        if operation.kind is MassKind.HOLD:
            tx.put_hold(_hold(operation, view, actor, end=operation.until, now=now))
        else:
            tx.end_holds(view.meter.meter_id, operation.hold, at=now, by=actor.who)
        ordered = _answered(item, ItemState.ORDERED, effect.value)
        saved.append(replace(ordered, lifted_until=lifted_until))
    _write(tx, saved, audit, now=now)


def _ends(
    tx: Transaction, operation: MassOperation, views: Iterable[AccountView], *, now: datetime
) -> dict[int, datetime | None]:
    """Return until when the holds last that are to be lifted, by meter; None = without an end."""
    meters = [view.meter.meter_id for view in views if view.meter is not None]
    ends: dict[int, datetime | None] = {}
    if operation.kind is MassKind.LIFT and meters:
        for hold in tx.holds_of(meters, at=now):
            if hold.kind is operation.hold:
                # What was lent by energy is not lent again: nobody knows how much of it was meant for now.
                end = hold.end if hold.until_wh is None else now
                known = ends.get(hold.meter_id, end)
                ends[hold.meter_id] = None if None in (known, end) else max(known or now, end or now)
    return ends


def _undo_page(tx: Transaction, operation: MassOperation, *, now: datetime) -> bool:
    """Take back a page of what was done; False where nothing is left."""
    states = {ItemState.ORDERED, ItemState.DONE, ItemState.FAILED}
    items = tx.masses.items(operation.operation_id, states=states, wave_max=_ALL_WAVES, limit=PAGE)
    actor = _worker(operation, why=f"undone: {operation.why}")
    if not items:
        tx.masses.save(replace(operation, state=MassState.UNDONE, ended_at=now))
        return False
    views = tx.lock_accounts([each.account_id for each in items], now=now)
    saved, audit = [], []
    for item in items:
        view = views[item.account_id]
        if not _undo_one(tx, operation, item, view, now=now):
            saved.append(_answered(item, ItemState.KEPT, "changed_since"))
            continue
        saved.append(_answered(item, ItemState.UNDONE, item.answer))
        opposite = MassKind.LIFT if operation.kind is MassKind.HOLD else MassKind.HOLD
        audit.append(_entry(operation, view, actor, done=opposite, now=now))
    _write(tx, saved, audit, now=now)
    return True


def _undo_one(
    tx: Transaction, operation: MassOperation, item: MassItem, view: AccountView, *, now: datetime
) -> bool:
    """Take back one order; False where somebody has changed the supply since, and it stays as it is."""
    if view.meter is None or view.account.period.end is not None:
        return False
    if operation.kind is MassKind.HOLD:
        return tx.masses.end_hold(view.meter.meter_id, _hold_id(operation, view), at=now)
    again = Wish(kind=MassKind.HOLD, hold=operation.hold)
    is_over = item.lifted_until is not None and item.lifted_until <= now
    if is_over or _refusal(view, again) is not None:
        return False
    actor = _worker(operation, why=operation.why)
    tx.put_hold(_hold(operation, view, actor, end=item.lifted_until, now=now))
    return True


def _write(tx: Transaction, saved: Sequence[MassItem], audit: Sequence[AuditEntry], *, now: datetime) -> None:
    tx.masses.save_items(saved)
    tx.put_audit(audit)
    changed = (ItemState.ORDERED, ItemState.UNDONE)
    converging.converge(tx, [each.account_id for each in saved if each.state in changed], now=now)


def _hold(
    operation: MassOperation, view: AccountView, actor: Actor, *, end: datetime | None, now: datetime
) -> Hold:
    assert view.meter is not None
    return Hold(
        meter_id=view.meter.meter_id,
        hold_id=_hold_id(operation, view),
        kind=operation.hold,
        owner=actor.who,
        note=operation.why,
        start=now,
        end=end,
    )


def _hold_id(operation: MassOperation, view: AccountView) -> UUID:
    # Of this operation and account alone: undoing ends this hold, and never somebody else's of the kind.
    return named("mass hold", operation.operation_id, view.account.account_id)


def _worker(operation: MassOperation, *, why: str) -> Actor:
    who = operation.undone_by or operation.decided_by or operation.proposed_by
    return Actor(who=who, why=why, origin=f"mass operation {operation.operation_id}")


def _entry(
    operation: MassOperation, view: AccountView, actor: Actor, *, done: MassKind, now: datetime
) -> AuditEntry:
    """Return the audit row of one supply, with what it was and what it becomes."""
    wish = Wish(kind=done, hold=operation.hold)
    before = converging.decision_of(view)
    after = converging.decision_of(replace(view, holds=_holds_after(view, wish)))
    verb = "place" if done is MassKind.HOLD else "lift"
    act = Act(
        act_id=named("mass item", operation.operation_id, view.account.account_id, done.value),
        what=f"{verb} {operation.hold.value} hold",
        before=f"{'on' if before.closed else 'off'}: {before.reason.value}",
        after=f"{'on' if after.closed else 'off'}: {after.reason.value}",
    )
    return entry(view.account, actor, act, now=now)
