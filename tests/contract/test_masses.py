"""Many supplies at once, in both stores: dry, by two persons, in waves, stopped by failures, and undone."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from tests.contract.conftest import Shelf
from tests.contract.test_store_access import at_the_desk
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_hold,
    a_town,
    an_id,
    concluded,
    taken,
    the_view,
    told,
)

from compuerta.domain.access import Place, Right
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import acting, deliver, masses
from compuerta.services.access_port import ApiKey
from compuerta.services.acting import Actor
from compuerta.services.mass_port import ItemState, MassKind, MassOperation, MassState, Wish
from compuerta.services.masses import Effect, Proposal
from compuerta.services.store_port import Store
from compuerta.services.tariffing import OwnRequest

ANA = Actor(who="ana", why="works on the riser", origin="console")
BEA = Actor(who="bea", why="agreed by phone", origin="console")
MASS = an_id("mass")
HOLD = Wish(kind=MassKind.HOLD, hold=HoldKind.ADMINISTRATOR)
LIFT = Wish(kind=MassKind.LIFT, hold=HoldKind.ADMINISTRATOR)
PROTECT = Wish(kind=MassKind.HOLD, hold=HoldKind.PROTECTED)
MINUTE = timedelta(minutes=1)
# In UTC it is of the year 10000, which PostgreSQL keeps and Python cannot read back.
CALENDARS_END = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5)))


def lit_town(store: Store, *, homes: int) -> Town:
    """Return homes that are on, although nothing is paid: each is protected, or held by its own name."""
    town = a_town(store, authorities=(PLATFORM,) * homes)
    for home in town.homes:
        with store.transaction() as tx:
            tx.put_hold(a_hold(home, name=f"kept {home.meter_id}", kind=HoldKind.TEMPORARY))
        told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)
    return town


def proposed(
    store: Store,
    town: Town,
    *,
    wish: Wish = HOLD,
    homes: int | None = None,
    errors_max: int = 0,
    undo_min: int = 60,
    mass: UUID = MASS,
    actor: Actor = ANA,
) -> None:
    proposal = Proposal(
        operation_id=mass,
        organisation_id=town.organisation_id,
        wish=wish,
        account_ids=frozenset(home.account_id for home in town.homes[:homes]),
        errors_max=errors_max,
        undo_min=undo_min,
    )
    masses.propose(store, proposal, actor=actor, now=NOON)


def running(store: Store, town: Town, *, wish: Wish = HOLD, errors_max: int = 0) -> None:
    proposed(store, town, wish=wish, errors_max=errors_max)
    masses.approve(store, MASS, actor=BEA, now=NOON)
    masses.advance(store, now=NOON)


def the_operation(store: Store) -> MassOperation:
    with store.transaction() as tx:
        operation = tx.masses.operation(MASS)
    assert operation is not None
    return operation


def tally(store: Store) -> dict[ItemState, int]:
    counts: dict[ItemState, int] = {}
    with store.transaction() as tx:
        for (_, state), count in tx.masses.tally(MASS).items():
            counts[state] = counts.get(state, 0) + count
    return counts


def ordered_homes(store: Store, town: Town) -> list[Home]:
    with store.transaction() as tx:
        ordered = {each.item.account_id for each in tx.masses.standings(MASS)}
    return [home for home in town.homes if home.account_id in ordered]


def follow(store: Store, homes: list[Home], *, relay: Relay, at_s: int = 1) -> None:
    """Let meters do what they were told."""
    at = NOON + at_s * SECOND
    for home in homes:
        claim = taken(store, home, now=at)
        concluded(store, claim, ending=Ending.DONE, at=at, state=MeterState(relay=relay))


def holds(store: Store, home: Home) -> frozenset[HoldKind]:
    return the_view(store, home.account_id, now=NOON + HOUR).holds


def finished(store: Store, town: Town) -> None:
    """Run an operation to its end, each meter following at once."""
    at_s = 1
    while the_operation(store).state is MassState.RUNNING:
        follow(store, ordered_homes(store, town), relay=Relay.OPEN, at_s=at_s)
        masses.advance(store, now=NOON + at_s * SECOND)
        at_s += 1


def test_a_dry_run_tells_what_would_become_of_each_and_writes_nothing(store: Store) -> None:
    town = lit_town(store, homes=4)
    on, held, protected, silent = town.homes
    with store.transaction() as tx:
        tx.put_hold(a_hold(held, name="quarrel"))
        tx.put_hold(a_hold(protected, name="lift", kind=HoldKind.PROTECTED))
    told(store, on, at=NOON + HOUR, relay=Relay.CLOSED, energy_wh=0)

    found = masses.dry_run(
        store, [*(each.account_id for each in town.homes), town.suspense_id], wish=HOLD, now=NOON + HOUR
    )

    effects = {each.account_id: (each.effect, each.is_silent) for each in found}
    assert effects == {
        on.account_id: (Effect.ON_TO_OFF, False),
        held.account_id: (Effect.NOTHING, True),
        protected.account_id: (Effect.PROTECTED, True),
        silent.account_id: (Effect.ON_TO_OFF, True),
        town.suspense_id: (Effect.NO_METER, False),
    }
    assert HoldKind.ADMINISTRATOR not in holds(store, on)


def test_a_hold_that_contradicts_another_is_told_dry(store: Store) -> None:
    (home,) = (town := lit_town(store, homes=1)).homes
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="smoke", kind=HoldKind.SAFETY))

    (found,) = masses.dry_run(store, [home.account_id], wish=PROTECT, now=NOON)

    assert (found.effect, len(town.homes)) == (Effect.CONTRADICTS, 1)


def test_nothing_happens_before_a_second_person_approves(store: Store) -> None:
    town = lit_town(store, homes=2)
    proposed(store, town)

    masses.advance(store, now=NOON)

    assert tally(store) == {ItemState.WAITING: 2}
    assert the_operation(store).state is MassState.PROPOSED


def test_nobody_approves_their_own_operation(store: Store) -> None:
    proposed(store, lit_town(store, homes=1))

    with pytest.raises(OwnRequest):
        masses.approve(store, MASS, actor=ANA, now=NOON)

    assert the_operation(store).state is MassState.PROPOSED


def test_nobody_approves_what_a_key_of_theirs_has_proposed(store: Store) -> None:
    town = lit_town(store, homes=1)
    key = ApiKey(
        key_id=an_id("key"),
        key_hash=b"hash",
        name="kiosk",
        rights=frozenset({Right.PROPOSE_MASS}),
        place=Place(organisation_id=town.organisation_id),
        made_by="ana",
        created_at=NOON,
    )
    with at_the_desk(store, town), store.transaction() as tx:
        tx.access.put_key(key)
        tx.access.end_key(key.key_id, revoked_by="ana", at=NOON)
    proposed(store, town, actor=Actor(who=acting.name_of_key("kiosk"), why="works", origin="api"))

    with pytest.raises(OwnRequest):
        masses.approve(store, MASS, actor=ANA, now=NOON)
    masses.approve(store, MASS, actor=BEA, now=NOON)

    assert the_operation(store).decided_by == "bea"


def test_an_operation_has_a_reason(store: Store) -> None:
    town = lit_town(store, homes=1)
    proposal = Proposal(
        operation_id=MASS,
        organisation_id=town.organisation_id,
        wish=HOLD,
        account_ids=frozenset({town.homes[0].account_id}),
        errors_max=0,
        undo_min=0,
    )

    with pytest.raises(acting.ReasonMissing):
        masses.propose(store, proposal, actor=replace(ANA, why=" "), now=NOON)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(kind=MassKind.LIFT, hold=HoldKind.SAFETY), "hold"),
        (Wish(kind=MassKind.HOLD, hold=HoldKind.OVERLOAD), "hold"),
        (Wish(kind=MassKind.HOLD, hold=HoldKind.TEMPORARY), "until"),
        (Wish(kind=MassKind.HOLD, hold=HoldKind.ADMINISTRATOR, until=NOON), "until"),
        (Wish(kind=MassKind.HOLD, hold=HoldKind.TEMPORARY, until=CALENDARS_END), "until"),
    ],
)
def test_what_is_not_for_many_is_refused_by_its_field(store: Store, wish: Wish, field: str) -> None:
    town = lit_town(store, homes=1)

    refusals = (masses.KindNotForMany, masses.EndMissing, masses.EndNotAhead, masses.EndTooLate)
    with pytest.raises(refusals, match=f"^{field}: "):
        proposed(store, town, wish=wish)


def test_accounts_of_others_are_refused(store: Store) -> None:
    town = lit_town(store, homes=1)
    stranger = replace(town, organisation_id=town.organisation_id + 1)

    with pytest.raises(masses.AccountsNotChosen):
        proposed(store, stranger)


def test_the_same_proposal_twice_is_one_and_another_under_its_id_is_refused(store: Store) -> None:
    town = lit_town(store, homes=3)
    proposed(store, town)

    proposed(store, town)
    with pytest.raises(masses.OperationDiffers):
        proposed(store, town, wish=PROTECT)

    assert tally(store) == {ItemState.WAITING: 3}


def test_a_withdrawn_proposal_is_never_approved(store: Store) -> None:
    proposed(store, lit_town(store, homes=1))

    masses.withdraw(store, MASS, actor=ANA, now=NOON)

    with pytest.raises(masses.OperationNotReady):
        masses.approve(store, MASS, actor=BEA, now=NOON)


def test_the_first_wave_is_one_of_a_few(store: Store) -> None:
    town = lit_town(store, homes=5)

    running(store, town)

    assert tally(store) == {ItemState.ORDERED: 1, ItemState.WAITING: 4}


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (2, [1, 1]), (40, [1, 2, 8, 29]), (1000, [10, 50, 200, 740])]
)
def test_waves_grow_within_their_bounds(count: int, sizes: list[int]) -> None:
    accounts = range(1, count + 1)

    waves = [each.wave for each in masses._items(MASS, accounts)]

    assert [waves.count(wave) for wave in sorted(set(waves))] == sizes


def test_the_next_wave_waits_until_the_last_has_followed(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town)

    masses.advance(store, now=NOON + SECOND)
    before = tally(store)
    follow(store, ordered_homes(store, town), relay=Relay.OPEN)
    masses.advance(store, now=NOON + 2 * SECOND)

    assert before == {ItemState.ORDERED: 1, ItemState.WAITING: 2}
    assert tally(store) == {ItemState.DONE: 1, ItemState.ORDERED: 1, ItemState.WAITING: 1}


def test_it_is_done_when_all_have_followed(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town)

    finished(store, town)

    operation = the_operation(store)
    assert (operation.state, tally(store)) == (MassState.DONE, {ItemState.DONE: 3})
    assert operation.ended_at is not None
    assert operation.undo_until == operation.ended_at + HOUR
    assert all(HoldKind.ADMINISTRATOR in holds(store, home) for home in town.homes)


def test_a_refusal_of_a_meter_is_a_failure_and_stops_the_rest(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town)
    (first,) = ordered_homes(store, town)

    claim = taken(store, first, now=NOON + SECOND)
    concluded(store, claim, ending=Ending.REFUSED, at=NOON + SECOND, reason="locked")
    masses.advance(store, now=NOON + 2 * SECOND)

    assert the_operation(store).state is MassState.STOPPED
    assert tally(store) == {ItemState.FAILED: 1, ItemState.WAITING: 2}


def test_failures_within_the_bound_do_not_stop_it(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town, errors_max=1)

    masses.advance(store, now=NOON + masses.SETTLE_MAX)

    assert the_operation(store).state is MassState.RUNNING
    assert tally(store) == {ItemState.FAILED: 1, ItemState.ORDERED: 1, ItemState.WAITING: 1}


def test_a_meter_that_does_not_follow_in_time_is_a_failure(store: Store) -> None:
    town = lit_town(store, homes=2)
    running(store, town)

    masses.advance(store, now=NOON + masses.SETTLE_MAX - SECOND)
    patient = the_operation(store).state
    masses.advance(store, now=NOON + masses.SETTLE_MAX)

    assert (patient, the_operation(store).state) == (MassState.RUNNING, MassState.STOPPED)


def test_what_is_so_already_is_skipped_and_is_no_failure(store: Store) -> None:
    town = lit_town(store, homes=1)
    with store.transaction() as tx:
        tx.put_hold(a_hold(town.homes[0], name="quarrel"))

    running(store, town)

    assert (the_operation(store).state, tally(store)) == (MassState.DONE, {ItemState.SKIPPED: 1})


def test_a_paused_operation_orders_no_more_until_it_is_resumed(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town)
    masses.pause(store, MASS, actor=ANA, now=NOON)
    follow(store, ordered_homes(store, town), relay=Relay.OPEN)

    masses.advance(store, now=NOON + 2 * SECOND)
    while_paused = tally(store)
    masses.resume(store, MASS, actor=BEA, now=NOON + 3 * SECOND)
    masses.advance(store, now=NOON + 3 * SECOND)

    assert while_paused == {ItemState.DONE: 1, ItemState.WAITING: 2}
    assert tally(store) == {ItemState.DONE: 1, ItemState.ORDERED: 1, ItemState.WAITING: 1}


def test_undoing_lifts_what_was_placed(store: Store) -> None:
    town = lit_town(store, homes=3)
    running(store, town)
    finished(store, town)

    masses.undo(store, MASS, actor=ANA, now=NOON + MINUTE)
    masses.advance(store, now=NOON + MINUTE)

    assert (the_operation(store).state, tally(store)) == (MassState.UNDONE, {ItemState.UNDONE: 3})
    assert all(HoldKind.ADMINISTRATOR not in holds(store, home) for home in town.homes)


def test_undoing_leaves_the_holds_of_others_alone(store: Store) -> None:
    (home,) = (town := lit_town(store, homes=1)).homes
    running(store, town)
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="a quarrel since", start=NOON + SECOND))

    masses.undo(store, MASS, actor=ANA, now=NOON + MINUTE)
    masses.advance(store, now=NOON + MINUTE)

    assert HoldKind.ADMINISTRATOR in holds(store, home)


def test_undoing_leaves_what_somebody_has_changed_since(store: Store) -> None:
    (home,) = (town := lit_town(store, homes=1)).homes
    running(store, town)
    with store.transaction() as tx:
        tx.end_holds(home.meter_id, HoldKind.ADMINISTRATOR, at=NOON + SECOND)

    masses.undo(store, MASS, actor=ANA, now=NOON + MINUTE)
    masses.advance(store, now=NOON + MINUTE)

    assert tally(store) == {ItemState.KEPT: 1}


def test_undoing_a_lift_places_again_with_the_old_end(store: Store) -> None:
    (home,) = (town := lit_town(store, homes=1)).homes
    end = NOON + 5 * HOUR
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="quarrel", end=end))
    running(store, town, wish=LIFT)
    lifted = holds(store, home)

    masses.undo(store, MASS, actor=ANA, now=NOON + MINUTE)
    masses.advance(store, now=NOON + MINUTE)

    with store.transaction() as tx:
        ends = [
            each.end
            for each in tx.holds_of([home.meter_id], at=NOON + HOUR)
            if each.kind is HoldKind.ADMINISTRATOR
        ]
    assert HoldKind.ADMINISTRATOR not in lifted
    assert ends == [end]


def test_what_was_lent_by_energy_is_not_lent_again(store: Store) -> None:
    (home,) = (town := a_town(store, authorities=(PLATFORM,))).homes
    told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)
    with store.transaction() as tx:
        tx.put_hold(replace(a_hold(home, kind=HoldKind.TEMPORARY), until_wh=500))
    running(store, town, wish=Wish(kind=MassKind.LIFT, hold=HoldKind.TEMPORARY))

    masses.undo(store, MASS, actor=ANA, now=NOON + MINUTE)
    masses.advance(store, now=NOON + MINUTE)

    assert (tally(store), holds(store, home)) == ({ItemState.KEPT: 1}, frozenset())


def test_undoing_ends_with_its_window(store: Store) -> None:
    town = lit_town(store, homes=1)
    running(store, town)
    finished(store, town)
    until = the_operation(store).undo_until
    assert until is not None

    with pytest.raises(masses.UndoTooLate):
        masses.undo(store, MASS, actor=ANA, now=until)

    assert the_operation(store).state is MassState.DONE


def test_advancing_again_changes_nothing_that_is_over(store: Store) -> None:
    town = lit_town(store, homes=2)
    running(store, town)
    finished(store, town)
    done = the_operation(store)

    masses.advance(store, now=NOON + HOUR)

    assert the_operation(store) == done
    assert deliver.claim(store, [home.meter_id for home in town.homes], now=NOON + HOUR, owner="g") == []


def test_each_supply_and_each_act_leaves_an_audit_row(shelf: Shelf) -> None:
    town = lit_town(shelf.store, homes=3)
    before = shelf.count("audit")

    running(shelf.store, town)
    finished(shelf.store, town)

    proposed_approved_done = 3
    assert shelf.count("audit") - before == proposed_approved_done + len(town.homes)
