"""The store port: instructions are written once, leased one per meter, and never overtake each other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    SECOND,
    Home,
    a_delivery,
    a_hold,
    a_switch,
    a_town,
    an_attempt,
    an_id,
    the_view,
)

from compuerta.adapters.postgres import outbox
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain import instruction as life
from compuerta.domain.instruction import Instruction, State
from compuerta.domain.supply import HoldKind
from compuerta.services.records import Claim
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


def a_home(store: Store) -> Home:
    return a_town(store).homes[0]


def put(store: Store, *instructions: Instruction) -> None:
    with store.transaction() as tx:
        tx.put_instructions(instructions)


def save(store: Store, *instructions: Instruction) -> None:
    with store.transaction() as tx:
        tx.save_instructions(instructions)


def claim(store: Store, *homes: Home, after_s: int = 0, owner: str = "gateway") -> list[Claim]:
    with store.transaction() as tx:
        meter_ids = [home.meter_id for home in homes]
        return tx.claim(meter_ids, now=NOON + after_s * SECOND, owner=owner)


def claimed_ids(claims: list[Claim]) -> list[object]:
    return [each.instruction.instruction_id for each in claims]


def stored(store: Store, instruction: Instruction) -> Instruction:
    with store.transaction() as tx:
        found = tx.instructions([(instruction.meter_id, instruction.instruction_id)])
    return found[instruction.instruction_id]


def done(instruction: Instruction) -> Instruction:
    return replace(instruction, state=State.DONE, lease_until=None, lease_owner="", ended_at=NOON)


def waiting(instruction: Instruction, *, due_after_s: int) -> Instruction:
    return replace(
        instruction,
        state=State.WAITING,
        lease_until=None,
        lease_owner="",
        due_at=NOON + due_after_s * SECOND,
    )


# writing -----------------------------------------------------------------------------------------------


def test_an_instruction_comes_back_as_it_was_written(store: Store) -> None:
    home = a_home(store)
    delivery, switch = a_delivery(home), a_switch(home)

    put(store, delivery, switch)

    assert (stored(store, delivery), stored(store, switch)) == (delivery, switch)


def test_an_instruction_that_is_not_there_is_left_out(store: Store) -> None:
    home = a_home(store)

    with store.transaction() as tx:
        assert tx.instructions([(home.meter_id, an_id("nobody's"))]) == {}
        assert tx.instructions([]) == {}


def test_a_recharge_makes_its_purchase_number_the_meters_last(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes

    put(store, a_delivery(home, purchase_no=2), a_delivery(home, purchase_no=1), a_switch(neighbour))

    lasts = []
    for each in town.homes:
        snapshot = the_view(store, each.account_id).snapshot
        assert snapshot is not None
        lasts.append(snapshot.purchase_no_last)
    assert lasts == [2, 0]


def test_a_purchase_number_is_given_once_per_meter(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes
    put(store, a_delivery(home), a_delivery(neighbour))
    second = replace(a_delivery(home), instruction_id=an_id("second"), recharge_id=an_id("another"))

    with pytest.raises(Conflict):
        put(store, second)


def test_a_recharge_has_one_instruction(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home))
    second = replace(a_delivery(home, purchase_no=2), recharge_id=a_delivery(home).recharge_id)

    with pytest.raises(Conflict):
        put(store, second)


def test_an_instruction_is_written_once(store: Store) -> None:
    home = a_home(store)
    put(store, a_switch(home))

    with pytest.raises(Conflict):
        put(store, a_switch(home))


def test_a_recharge_is_never_superseded(store: Store) -> None:
    delivery = a_delivery(a_home(store))
    put(store, delivery)

    with pytest.raises(ConstraintBroken):
        save(store, replace(delivery, state=State.SUPERSEDED, ended_at=NOON))

    assert stored(store, delivery).state is State.WAITING


@pytest.mark.parametrize("state", State)
def test_an_instruction_has_an_end_exactly_when_it_ended(store: Store, state: State) -> None:
    switch = a_switch(a_home(store))
    put(store, switch)
    lease_until = NOON if state is State.IN_FLIGHT else None
    ended_at = NOON if state in life.OPEN else None

    with pytest.raises(ConstraintBroken):
        save(store, replace(switch, state=state, lease_until=lease_until, ended_at=ended_at))


@pytest.mark.parametrize("state", [State.WAITING, State.IN_FLIGHT])
def test_an_instruction_has_a_lease_exactly_while_in_flight(store: Store, state: State) -> None:
    switch = a_switch(a_home(store))
    put(store, switch)
    lease_until = None if state is State.IN_FLIGHT else NOON

    with pytest.raises(ConstraintBroken):
        save(store, replace(switch, state=state, lease_until=lease_until))


def test_two_instructions_of_a_meter_are_not_in_flight_together(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home), a_switch(home))
    claim(store, home)

    with pytest.raises(Conflict):
        save(store, replace(a_switch(home), state=State.IN_FLIGHT, lease_until=NOON))


def test_a_saved_instruction_keeps_what_changed(store: Store) -> None:
    delivery = a_delivery(a_home(store))
    put(store, delivery)
    changed = replace(
        delivery, state=State.ACCEPTED, due_at=NOON + HOUR, tries=3, last_answer="written, not read back"
    )

    save(store, changed)

    assert stored(store, delivery) == changed


# claiming ----------------------------------------------------------------------------------------------


def test_a_claim_leases_the_instruction_and_brings_what_its_driver_needs(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home))

    (taken,) = claim(store, home, after_s=1, owner="gateway 1")

    leased = replace(
        a_delivery(home),
        state=State.IN_FLIGHT,
        tries=1,
        lease_owner="gateway 1",
        lease_until=NOON + SECOND + life.LEASE,
    )
    assert taken.instruction == leased == stored(store, leased)
    assert (taken.meter.meter_id, taken.meter.meter_no) == (home.meter_id, "000000000001")
    assert (taken.zone, taken.may_close) == ("Asia/Shanghai", True)


def test_the_oldest_due_instruction_of_each_meter_is_claimed(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER, METER))
    home, neighbour, idle = town.homes
    old = a_switch(home, name="old", due_at=NOON - HOUR)
    put(store, a_delivery(home), old, a_delivery(neighbour))

    claims = claim(store, neighbour, idle, home, home)

    assert claimed_ids(claims) == [old.instruction_id, a_delivery(neighbour).instruction_id]


def test_nothing_is_claimed_before_it_is_due_or_after_it_ended(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    early, over = town.homes
    put(store, a_switch(early, due_at=NOON + SECOND), a_switch(over))
    save(store, done(a_switch(over)))

    assert claim(store, early, over) == []
    assert claim(store) == []


def test_only_one_instruction_of_a_meter_is_in_flight(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home), a_switch(home))

    first, second = claim(store, home), claim(store, home, owner="another gateway")

    assert len(first) == 1
    assert second == []


def test_a_lease_that_ran_out_is_claimed_again_before_all_else(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home))
    claim(store, home)
    put(store, a_switch(home, due_at=NOON - HOUR))
    lease_s = int(life.LEASE.total_seconds())

    one_second_early = claim(store, home, after_s=lease_s - 1)
    (again,) = claim(store, home, after_s=lease_s, owner="another gateway")

    assert one_second_early == []
    assert again.instruction.instruction_id == a_delivery(home).instruction_id
    assert (again.instruction.tries, again.instruction.lease_owner) == (2, "another gateway")


def test_a_later_recharge_never_overtakes_an_earlier_one(store: Store) -> None:
    home = a_home(store)
    first, second = a_delivery(home, purchase_no=1), a_delivery(home, purchase_no=2)
    put(store, first, second)
    save(store, waiting(first, due_after_s=60))

    while_first_waits = claim(store, home)
    when_first_is_due = claim(store, home, after_s=60)
    save(store, done(when_first_is_due[0].instruction))
    after_first = claim(store, home, after_s=60)

    assert while_first_waits == []
    assert claimed_ids(when_first_is_due) == [first.instruction_id]
    assert claimed_ids(after_first) == [second.instruction_id]


def test_a_later_recharge_does_not_overtake_one_that_owes_its_read_back(store: Store) -> None:
    home = a_home(store)
    first, second = a_delivery(home, purchase_no=1), a_delivery(home, purchase_no=2)
    put(store, first, second)
    save(store, replace(first, state=State.ACCEPTED, due_at=NOON + HOUR))

    assert claim(store, home) == []


def test_a_due_recharge_is_not_blocked_by_a_switch_that_waits(store: Store) -> None:
    home = a_home(store)
    put(store, replace(a_switch(home, due_at=NOON + HOUR), created_at=NOON - HOUR), a_delivery(home))

    assert claimed_ids(claim(store, home)) == [a_delivery(home).instruction_id]


def test_a_due_switch_is_not_blocked_by_a_recharge_that_waits(store: Store) -> None:
    home = a_home(store)
    put(store, waiting(a_delivery(home), due_after_s=60), a_switch(home))

    assert claimed_ids(claim(store, home)) == [a_switch(home).instruction_id]


@pytest.mark.parametrize(
    ("kind", "may_close"),
    [
        (HoldKind.SAFETY, False),
        (HoldKind.ADMINISTRATOR, False),
        (HoldKind.PROTECTED, True),
        (HoldKind.TEMPORARY, True),
    ],
)
def test_a_claim_tells_whether_a_hold_forbids_closing(store: Store, kind: HoldKind, may_close: bool) -> None:
    home = a_home(store)
    put(store, a_delivery(home))
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, kind=kind))

    (taken,) = claim(store, home)

    assert taken.may_close is may_close


def test_a_hold_that_is_over_forbids_nothing(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home))
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, end=NOON + SECOND))

    (taken,) = claim(store, home, after_s=1)

    assert taken.may_close


def due_meters(store: Store, *homes: Home, after_s: int = 0, limit: int = 10) -> list[int]:
    with store.transaction() as tx:
        meter_ids = [home.meter_id for home in homes]
        return list(tx.due_meters(meter_ids, now=NOON + after_s * SECOND, limit=limit))


def test_meters_with_something_due_are_told_the_longest_waiting_first(store: Store) -> None:
    town = a_town(store, authorities=(METER,) * 5)
    late, early, idle, future, stranger = town.homes
    put(store, a_delivery(late), a_switch(early, due_at=NOON - HOUR), a_switch(future, due_at=NOON + HOUR))
    put(store, a_delivery(stranger))
    asked = (late, early, idle, future)

    assert due_meters(store, *asked) == [early.meter_id, late.meter_id]
    assert due_meters(store, *asked, limit=1) == [early.meter_id]
    assert due_meters(store) == []


def test_a_meter_is_due_exactly_when_a_claim_would_bring_something(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER, METER))
    flying, overtaken, lapsed = town.homes
    lease_s = int(life.LEASE.total_seconds())
    put(store, a_delivery(lapsed))
    claim(store, lapsed)
    put(store, a_delivery(flying), a_switch(flying))
    claim(store, flying, after_s=lease_s)
    put(store, a_delivery(overtaken, purchase_no=1), a_delivery(overtaken, purchase_no=2))
    save(store, waiting(a_delivery(overtaken, purchase_no=1), due_after_s=3_600))

    due = due_meters(store, flying, overtaken, lapsed, after_s=lease_s)

    claims = claim(store, flying, overtaken, lapsed, after_s=lease_s, owner="another gateway")
    assert due == [each.meter.meter_id for each in claims] == [lapsed.meter_id]


def test_who_is_due_is_found_however_much_waits_elsewhere(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "WAITING_MAX", 2)
    town = a_town(store, authorities=(METER, METER))
    crowded, home = town.homes
    put(store, a_delivery(crowded, purchase_no=1), a_delivery(crowded, purchase_no=2))
    put(store, a_delivery(home))

    assert due_meters(store, home) == [home.meter_id]


# waking and switching ----------------------------------------------------------------------------------


def test_waking_makes_what_waits_due_at_once_and_leaves_the_rest(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes
    tried = replace(waiting(a_delivery(home), due_after_s=60), tries=1)
    later = a_switch(home, due_at=NOON + HOUR)  # never tried: it was not silence that put it off
    put(store, tried, later, a_switch(neighbour, due_at=NOON + HOUR))

    with store.transaction() as tx:
        tx.wake([home.meter_id], now=NOON + SECOND)

    assert stored(store, a_delivery(home)).due_at == NOON + SECOND
    assert stored(store, later).due_at == NOON + HOUR
    assert stored(store, a_switch(neighbour)).due_at == NOON + HOUR


def test_waking_does_not_put_off_what_is_due(store: Store) -> None:
    home = a_home(store)
    put(store, a_delivery(home))

    with store.transaction() as tx:
        tx.wake([home.meter_id], now=NOON + HOUR)

    assert stored(store, a_delivery(home)).due_at == NOON


def test_waking_leaves_what_is_in_flight_or_over(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    flying, over = (a_switch(home, due_at=NOON + HOUR) for home in town.homes)
    put(store, flying, over)
    save(store, replace(flying, state=State.IN_FLIGHT, lease_until=NOON + HOUR), done(over))

    with store.transaction() as tx:
        tx.wake([home.meter_id for home in town.homes], now=NOON)

    assert (stored(store, flying).due_at, stored(store, over).due_at) == (NOON + HOUR, NOON + HOUR)


def test_switches_are_those_open_and_those_refused_of_late(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes
    still_open, refused, long_refused, ended = (
        a_switch(home, name=name) for name in ("open", "refused", "long refused", "ended")
    )
    put(store, still_open, refused, long_refused, ended, a_delivery(home), a_switch(neighbour))
    refused = replace(refused, state=State.REFUSED, ended_at=NOON)
    save(store, refused, replace(long_refused, state=State.REFUSED, ended_at=NOON - SECOND), done(ended))

    with store.transaction() as tx:
        found = tx.switches([home.meter_id], refused_since=NOON)
        none = tx.switches([], refused_since=NOON)

    assert {each.instruction_id for each in found} == {still_open.instruction_id, refused.instruction_id}
    assert none == []


# two connections ---------------------------------------------------------------------------------------


@pytest.fixture
def two_stores(postgres_url: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    """Two connections to one database, as two gateways have them."""
    stores = PostgresStore(postgres_url), PostgresStore(postgres_url)
    yield stores
    for store in stores:
        store.shut()


@pytest.mark.postgres
def test_a_row_that_another_gateway_is_claiming_is_skipped(
    two_stores: tuple[PostgresStore, PostgresStore],
) -> None:
    ours, theirs = two_stores
    town = a_town(ours, authorities=(METER, METER))
    home, neighbour = town.homes
    put(ours, a_delivery(home), a_delivery(neighbour))

    with ours.transaction() as tx:
        first = tx.claim([home.meter_id], now=NOON, owner="ours")
        # Not waiting for our lock is what is shown: a wait would end in a time-out.
        second = claim(theirs, home, neighbour, owner="theirs")

    assert claimed_ids(first) == [a_delivery(home).instruction_id]
    assert claimed_ids(second) == [a_delivery(neighbour).instruction_id]


@pytest.mark.postgres
def test_a_claim_that_was_undone_can_be_claimed_by_another(
    two_stores: tuple[PostgresStore, PostgresStore],
) -> None:
    ours, theirs = two_stores
    home = a_home(ours)
    put(ours, a_delivery(home))

    class GatewayDied(Exception):
        pass

    with pytest.raises(GatewayDied), ours.transaction() as tx:
        tx.claim([home.meter_id], now=NOON, owner="ours")
        raise GatewayDied

    (taken,) = claim(theirs, home, owner="theirs")
    assert (taken.instruction.lease_owner, taken.instruction.tries) == ("theirs", 1)


@pytest.mark.postgres
def test_attempts_that_another_worker_is_taking_are_skipped(
    two_stores: tuple[PostgresStore, PostgresStore],
) -> None:
    ours, theirs = two_stores
    home = a_home(ours)
    with ours.transaction() as tx:
        tx.put_attempt(an_attempt(home.account_id, reference="order1", ask_at=NOON - SECOND))
        tx.put_attempt(an_attempt(home.account_id, reference="order2"))

    with ours.transaction() as tx:
        first = tx.claim_attempts(now=NOON, until=NOON + HOUR, limit=1)
        with theirs.transaction() as other:
            second = other.claim_attempts(now=NOON, until=NOON + HOUR, limit=5)

    assert [attempt.reference for attempt in first] == ["order1"]
    assert [attempt.reference for attempt in second] == ["order2"]


@pytest.mark.parametrize(("beat_after_s", "is_ended"), [(0, True), (9, False)])
def test_a_lease_ends_early_when_its_owner_gives_no_sign_of_life(
    store: Store, beat_after_s: int, is_ended: bool
) -> None:
    home = a_home(store)
    put(store, a_switch(home))
    claim(store, home, owner="first")
    with store.transaction() as tx:
        tx.put_beat(role="gateway", instance="first", started_at=NOON, at=NOON + beat_after_s * SECOND)

    with store.transaction() as tx:
        tx.end_leases(owners_silent_since=NOON + 5 * SECOND, at=NOON + 10 * SECOND)

    assert bool(claim(store, home, after_s=10, owner="second")) is is_ended
