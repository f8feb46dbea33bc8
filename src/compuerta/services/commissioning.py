"""Commissioning: a meter that hangs on the wall becomes one that sells electricity, step by step.

What a machine can show is shown by rows of its own: a reading, tables read back, a relay that reports. What
only somebody who stands there can know, that it is dark behind the relay and light again, is asked of them.
Every step is a row with who and when; whoever comes back another day goes on where it was left, and doing a
step twice does no harm.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.errors import Refused
from compuerta.domain.freeze import is_off
from compuerta.domain.instruction import Instruction, State
from compuerta.domain.naming import derived
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services import converging, founding, holding, moving, settling
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.commission_port import Commission, FoundBy, Step, StepDone, StepOutcome
from compuerta.services.founding import Founded, PlacesWish
from compuerta.services.records import AccountView, Hold, MeterSnapshot
from compuerta.services.rollout import Models
from compuerta.services.store_port import Store, Transaction

# A test that nobody ends, ends by itself: nobody sits in the dark because a fitter went home.
TEST_MAX: Final = timedelta(minutes=30)
FOLLOWED_MAX: Final = 500  # commissions that are looked at in one go
THE_METER: Final = "the meter"  # who shows what no person says
BY_ITSELF: Final = (Step.HEARD, Step.CLOCK, Step.TARIFF, Step.LIMITS)
TESTS: Final = (Step.DARK, Step.LIGHT)
NEEDED: Final = (Step.CLAIMED, *BY_ITSELF, *TESTS)


class CommissionUnknown(Refused):
    """There is no such commission in the organisation."""

    def __init__(self, commission_id: UUID) -> None:
        super().__init__(f"there is no commission {commission_id}")
        self.commission_id = commission_id


class CommissionOver(Refused):
    """A commission that was handed over, or given up."""

    def __init__(self, commission_id: UUID) -> None:
        super().__init__(f"commission {commission_id} is over")
        self.commission_id = commission_id


class NoTest(Refused):
    """A step that nobody tries with a relay, or one that was not begun."""

    def __init__(self, step: Step) -> None:
        super().__init__(f"no test of {step.value} is under way")
        self.step = step


class RelayNotThere(Refused):
    """Somebody says what they see before the meter says what it did."""

    def __init__(self, step: Step, relay: Relay | None) -> None:
        told = "nothing" if relay is None else relay.value
        super().__init__(f"the meter has not told yet that it is {step.value}: its relay says {told}")
        self.step = step


class StepsMissing(Refused):
    """A meter that is not ready to be handed over."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(f"still to be done: {', '.join(each.value for each in steps)}")
        self.steps = tuple(steps)


# Claiming.


def claim(
    store: Store, wish: PlacesWish, *, found_by: FoundBy, models: Models, actor: Actor, now: datetime
) -> Founded:
    """Enter meters with their places and begin to commission each: all of the rows, or none.

    The same table again is refused row by row, since its meters are there.
    """
    with store.transaction() as tx:
        founded = founding.found_in(tx, wish, models=models, actor=actor, now=now)
        views = tx.look_at(founded.account_ids, now=now)
        begun = [_begun(views[each], wish, found_by, actor, now=now) for each in founded.account_ids]
        tx.commissions.begin(begun)
        tx.commissions.put_steps([_step(each, Step.CLAIMED, actor, now=now) for each in begun])
        settling.order_limits(tx, founded.account_ids, act_id=wish.founding_id, models=models, now=now)
        converging.converge(tx, founded.account_ids, now=now)
    return founded


def rehearse(
    store: Store, wish: PlacesWish, *, models: Models, actor: Actor, now: datetime
) -> Mapping[int, str]:
    """Return what a table would claim, by row, and how sure it is; nothing of it stays.

    Raises `RowsFaulty` with every fault. "heard" = a search of that line has found it since yesterday.
    """
    founding.rehearse_places(store, wish, models=models, actor=actor, now=now)
    with store.transaction() as tx:
        ends = {row.endpoint_id for row in wish.rows}
        since = now - timedelta(days=1)
        heard = {each: tx.commissions.heard_on(each, since=since) for each in sorted(ends)}
    return {
        number: "heard" if row.meter_no in heard[row.endpoint_id] else "not_heard_yet"
        for number, row in enumerate(wish.rows, start=1)
    }


def _begun(
    view: AccountView, wish: PlacesWish, found_by: FoundBy, actor: Actor, *, now: datetime
) -> Commission:
    assert view.meter is not None
    return Commission(
        account_id=view.account.account_id,
        commission_id=commission_id_of(wish.founding_id, view.meter.meter_no),
        organisation_id=wish.organisation_id,
        meter_id=view.meter.meter_id,
        found_by=found_by,
        began_by=actor.who,
        began_at=now,
    )


def commission_id_of(founding_id: UUID, meter_no: str) -> UUID:
    """Return the commission that a claim begins for a meter."""
    return derived(founding_id, f"commission:{meter_no}")


def _step(
    commission: Commission,
    step: Step,
    actor: Actor,
    *,
    now: datetime,
    outcome: StepOutcome = StepOutcome.DONE,
    evidence: str = "",
) -> StepDone:
    return StepDone(
        account_id=commission.account_id,
        commission_id=commission.commission_id,
        step_id=derived(commission.commission_id, f"{step.value}:{outcome.value}:{now.isoformat()}"),
        step=step,
        outcome=outcome,
        who=actor.who,
        at=now,
        evidence=evidence or actor.why,
    )


# What the meter shows by itself.


def follow(store: Store, *, now: datetime) -> int:
    """Write down what the meters under way have shown since; returns how many steps that were."""
    noted = 0
    with store.transaction() as tx:
        for commission in tx.commissions.under_way(limit=FOLLOWED_MAX):
            noted += len(_follow(tx, commission, now=now))
    return noted


def _follow(tx: Transaction, commission: Commission, *, now: datetime) -> list[StepDone]:
    view = tx.look_at([commission.account_id], now=now).get(commission.account_id)
    if view is None or view.snapshot is None:
        return []
    standing = standings(tx.commissions.steps([commission.commission_id])[commission.commission_id])
    open_limits = [each for each in tx.open_limits([commission.meter_id]) if each.state in life.OPEN]
    shown = _shown(commission, view.snapshot, tx.loadings([commission.meter_id]), open_limits)
    meter = Actor(who=THE_METER, why="", origin="")
    steps = [
        _step(commission, step, meter, now=now, evidence=evidence)
        for step, evidence in shown
        if standing.get(step) is not StepOutcome.DONE
    ]
    tx.commissions.put_steps(steps)
    return steps


def _shown(
    commission: Commission,
    snapshot: MeterSnapshot,
    loadings: Sequence[Instruction],
    limits: Sequence[Instruction],
) -> Iterator[tuple[Step, str]]:
    """Yield what rows show of a meter, with what shows it; only what was read since the claim counts."""
    if snapshot.read_at is None or snapshot.read_at < commission.began_at:
        return
    register = "no register" if snapshot.energy_wh is None else f"{snapshot.energy_wh} Wh"
    yield Step.HEARD, f"{register}, read {snapshot.read_at.isoformat()}"
    # A clock that is found wrong is set with the same reading; the next one finds it right, or says so again.
    found_wrong = snapshot.clock_off_at is not None and snapshot.clock_off_at >= snapshot.read_at
    if not (found_wrong and snapshot.clock_off_s is not None and is_off(snapshot.clock_off_s)):
        yield Step.CLOCK, _clock_told(commission, snapshot)
    if all(_is_loaded(each) for each in loadings):
        told = ", ".join(f"tariff {each.tariff_id} version {each.version_no}" for each in loadings)
        yield Step.TARIFF, told or "the platform rates what it reads"
    if not limits:
        yield Step.LIMITS, "nothing is left to be written"


def _is_loaded(loading: Instruction) -> bool:
    """Whether a meter has a tariff's tables: done, or in the spare set and waiting for their moment."""
    return loading.state in (State.DONE, State.SUPERSEDED, State.CANCELLED) or (
        loading.state is State.WAITING and loading.last_answer == "waits_for_switch"
    )


def _clock_told(commission: Commission, snapshot: MeterSnapshot) -> str:
    was_off = snapshot.clock_off_at is not None and snapshot.clock_off_at >= commission.began_at
    return f"was {snapshot.clock_off_s} s off, and was set" if was_off else "agrees with the site's time"


def standings(steps: Iterable[StepDone]) -> dict[Step, StepOutcome]:
    """Return how each step stands: its latest word; the steps come in their order."""
    return {each.step: each.outcome for each in steps}


# Trying the relay, with somebody who looks.


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTest:
    """A wish to see a meter dark, or light again."""

    commission_id: UUID
    step: Step


def begin_test(store: Store, test: RelayTest, *, actor: Actor, now: datetime) -> None:
    """Let the relay open, or close; by holds of our own that end by themselves."""
    if test.step not in TESTS:
        raise NoTest(test.step)
    with store.transaction() as tx:
        commission, view = _open(tx, test.commission_id, now=now)
        _end_tests(tx, commission, now=now)
        kind = HoldKind.SAFETY if test.step is Step.DARK else HoldKind.TEMPORARY
        others = _holds_of_others(tx, commission, now=now)
        holding.require_no_contradiction(kind, others)
        tx.put_hold(
            Hold(
                meter_id=commission.meter_id,
                hold_id=_hold_id(commission, now=now),
                kind=kind,
                owner=actor.who,
                note=_note_of(commission),
                start=now,
                end=now + TEST_MAX,
            )
        )
        step = _step(
            commission, test.step, actor, now=now, outcome=StepOutcome.BEGUN, evidence="relay ordered"
        )
        tx.commissions.put_steps([step])
        _audit(tx, view, actor, step, now=now)
        converging.converge(tx, [commission.account_id], now=now)


def confirm(store: Store, test: RelayTest, *, seen: bool, actor: Actor, now: datetime) -> StepOutcome:
    """Take the word of who stands there; refused before the meter itself has told that its relay moved.

    What is seen and what is told may differ: then another meter feeds this place, and the step has failed.
    """
    with store.transaction() as tx:
        commission, view = _open(tx, test.commission_id, now=now)
        steps = tx.commissions.steps([commission.commission_id])[commission.commission_id]
        begun = [each for each in steps if each.step is test.step]
        if not begun or begun[-1].outcome is not StepOutcome.BEGUN:
            raise NoTest(test.step)
        snapshot = view.snapshot
        assert snapshot is not None
        _require_moved(test.step, snapshot, since=begun[-1].at)
        relay = "" if snapshot.relay is None else snapshot.relay.value
        outcome = StepOutcome.DONE if seen else StepOutcome.FAILED
        evidence = f"relay {relay}, and it is {'' if seen else 'not '}{test.step.value} there"
        step = _step(commission, test.step, actor, now=now, outcome=outcome, evidence=evidence)
        tx.commissions.put_steps([step])
        _audit(tx, view, actor, step, now=now)
        _end_tests(tx, commission, now=now)
        converging.converge(tx, [commission.account_id], now=now)
    return outcome


def _require_moved(step: Step, snapshot: MeterSnapshot, *, since: datetime) -> None:
    wanted = Relay.OPEN if step is Step.DARK else Relay.CLOSED
    is_told = snapshot.read_at is not None and snapshot.read_at >= since
    if not is_told or snapshot.relay is not wanted:
        raise RelayNotThere(step, snapshot.relay)


def _note_of(commission: Commission) -> str:
    return f"commissioning {commission.commission_id}"


def _hold_id(commission: Commission, *, now: datetime) -> UUID:
    return derived(commission.commission_id, f"hold:{now.isoformat()}")


def _holds_of_others(tx: Transaction, commission: Commission, *, now: datetime) -> frozenset[HoldKind]:
    holds = tx.holds_of([commission.meter_id], at=now)
    return frozenset(each.kind for each in holds if each.note != _note_of(commission))


def _end_tests(tx: Transaction, commission: Commission, *, now: datetime) -> None:
    """End the holds of our tests, and nobody else's."""
    for hold in tx.holds_of([commission.meter_id], at=now):
        if hold.note == _note_of(commission):
            tx.masses.end_hold(commission.meter_id, hold.hold_id, at=now)


# The end.


def missing(steps: Iterable[StepDone]) -> list[Step]:
    """Return what is still to be done before a meter is handed over."""
    standing = standings(steps)
    return [each for each in NEEDED if standing.get(each) is not StepOutcome.DONE]


def hand_over(store: Store, commission_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Hand a meter over to its place's account; refused with what is missing. Twice is once."""
    with store.transaction() as tx:
        known = tx.commissions.commission(commission_id)
        if known is not None and known.handed_over:
            return
        commission, view = _open(tx, commission_id, now=now)
        _follow(tx, commission, now=now)
        left = missing(tx.commissions.steps([commission_id])[commission_id])
        if left:
            raise StepsMissing(left)
        _end(tx, commission, view, Step.HANDED_OVER, actor, now=now)


def give_up(store: Store, commission_id: UUID, *, actor: Actor, now: datetime) -> None:
    """End a commission that will not be finished, with a reason; its meter stays entered."""
    require_reason(actor)
    with store.transaction() as tx:
        commission, view = _open(tx, commission_id, now=now)
        _end(tx, commission, view, Step.GIVEN_UP, actor, now=now)


def _end(
    tx: Transaction, commission: Commission, view: AccountView, step: Step, actor: Actor, *, now: datetime
) -> None:
    _end_tests(tx, commission, now=now)
    told = _step(commission, step, actor, now=now)
    tx.commissions.put_steps([told])
    tx.commissions.end(replace(commission, ended_at=now, handed_over=step is Step.HANDED_OVER))
    _audit(tx, view, actor, told, now=now)
    converging.converge(tx, [commission.account_id], now=now)


def _open(tx: Transaction, commission_id: UUID, *, now: datetime) -> tuple[Commission, AccountView]:
    commission = tx.commissions.commission(commission_id)
    if commission is None:
        raise CommissionUnknown(commission_id)
    if commission.ended_at is not None:
        raise CommissionOver(commission_id)
    return commission, moving.view_of(tx, commission.account_id, now=now)


def _audit(tx: Transaction, view: AccountView, actor: Actor, step: StepDone, *, now: datetime) -> None:
    what = f"commission: {step.step.value} {step.outcome.value}"
    act = Act(act_id=derived(step.step_id, "audit"), what=what, after=step.evidence)
    tx.put_audit([entry(view.account, actor, act, now=now)])
