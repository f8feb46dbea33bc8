"""Instructions are carried out until there is evidence, and what nobody answered is tried again."""

from datetime import timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    SECOND,
    VENDOR,
    Home,
    a_town,
    concluded,
    paid,
    taken,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain import instruction as life
from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.ledger import PostingKind
from compuerta.drivers.abilities import Ending, MeterState, RechargeOrder, Relay, Result, SwitchOrder
from compuerta.services import deliver
from compuerta.services.deliver import Concluded
from compuerta.services.records import Instant

LATER = NOON + 3 * SECOND
CREDITED = MeterState(balance_minor=5_000, relay=Relay.CLOSED, purchase_no=1)


def a_paid_home(store: MemoryStore) -> Home:
    home = a_town(store).homes[0]
    paid(store, home)
    return home


def the_recharge(store: MemoryStore) -> Instruction:
    (found,) = [each for each in store.tables.instructions.values() if each.kind is Kind.RECHARGE]
    return found


def held_minor(store: MemoryStore, home: Home) -> tuple[int, int]:
    holdings = the_view(store, home.account_id).holdings
    return holdings.undelivered_minor, holdings.delivered_minor


def deliveries(store: MemoryStore) -> int:
    return sum(posting.kind is PostingKind.DELIVERY for posting in store.tables.postings.values())


def test_a_recharge_becomes_an_order_for_the_driver() -> None:
    store = MemoryStore()
    home = a_paid_home(store)

    order = deliver.order_for(taken(store, home, now=NOON), model=VENDOR, now=NOON)

    assert order == RechargeOrder(amount_minor=5_000, purchase_no=1, customer_no="000000000001", close=True)


def test_a_switch_becomes_an_order_in_the_civil_time_of_the_site() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)

    order = deliver.order_for(taken(store, home, now=NOON), model=VENDOR, now=NOON)

    assert isinstance(order, SwitchOrder)
    assert order.relay is Relay.OPEN
    assert order.now == (NOON + timedelta(hours=8)).replace(tzinfo=None)


def test_a_recharge_that_was_read_back_is_delivered() -> None:
    store = MemoryStore()
    home = a_paid_home(store)

    outcome = concluded(store, taken(store, home, now=NOON), ending=Ending.DONE, at=LATER, state=CREDITED)

    assert outcome is Concluded.WRITTEN
    assert held_minor(store, home) == (0, 5_000)
    recharge = the_recharge(store)
    assert (recharge.state, recharge.ended_at, recharge.lease_until) == (State.DONE, LATER, None)
    assert {instant: each.at for (_, instant), each in store.tables.instants.items()} == {
        Instant.PAID: NOON,
        Instant.POSTED: NOON,
        Instant.CREDITED: LATER,
        Instant.CLOSED: LATER,
    }


def test_done_posts_the_delivery_once() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    claim = taken(store, home, now=NOON)
    concluded(store, claim, ending=Ending.DONE, at=LATER, state=CREDITED)

    outcome = concluded(store, claim, ending=Ending.DONE, at=LATER, state=CREDITED)

    assert outcome is Concluded.LEASE_LOST
    assert deliveries(store) == 1
    assert held_minor(store, home) == (0, 5_000)


def test_a_relay_that_was_not_seen_closed_leaves_the_recharge_unlit() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    permitted = MeterState(balance_minor=5_000, relay=Relay.PERMITTED, purchase_no=1)
    concluded(store, taken(store, home, now=NOON), ending=Ending.DONE, at=LATER, state=permitted)
    before = {instant for _, instant in store.tables.instants}

    told(store, home, at=LATER + HOUR, relay=Relay.CLOSED)

    assert Instant.CLOSED not in before
    (closed,) = [each for each in store.tables.instants.values() if each.instant is Instant.CLOSED]
    assert closed.at == LATER + HOUR


def test_a_recharge_that_was_only_accepted_is_neither_done_nor_forgotten() -> None:
    store = MemoryStore()
    home = a_paid_home(store)

    concluded(store, taken(store, home, now=NOON), ending=Ending.ACCEPTED, at=LATER)

    recharge = the_recharge(store)
    assert (recharge.state, recharge.ended_at) == (State.ACCEPTED, None)
    assert held_minor(store, home) == (5_000, 0)
    again = taken(store, home, now=recharge.due_at)
    concluded(store, again, ending=Ending.DONE, at=recharge.due_at, state=CREDITED)
    assert held_minor(store, home) == (0, 5_000)


@pytest.mark.parametrize("ending", [Ending.SILENT, Ending.BUSY])
def test_a_recharge_that_met_silence_is_due_again_soon(ending: Ending) -> None:
    store = MemoryStore()
    home = a_paid_home(store)

    concluded(store, taken(store, home, now=NOON), ending=ending, at=LATER, reason="no_answer")

    recharge = the_recharge(store)
    assert (recharge.state, recharge.due_at) == (State.WAITING, LATER + life.RETRY_FLAT)
    assert (recharge.last_answer, recharge.tries) == ("no_answer", 1)
    assert held_minor(store, home) == (5_000, 0)
    assert store.tables.cases == {}


def test_silence_is_met_ever_more_slowly_up_to_a_bound() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    now, waits = NOON, []

    for _ in range(30):
        concluded(store, taken(store, home, now=now), ending=Ending.SILENT, at=now)
        waits.append(the_recharge(store).due_at - now)
        now = the_recharge(store).due_at

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (life.RETRY_FLAT, life.RETRY_MAX)
    assert the_recharge(store).state is State.WAITING
    assert the_recharge(store).purchase_no == 1


def test_a_meter_that_is_heard_is_tried_at_once() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    concluded(store, taken(store, home, now=NOON + HOUR), ending=Ending.SILENT, at=NOON + HOUR)
    heard_at = NOON + HOUR + SECOND
    assert deliver.claim(store, [home.meter_id], now=heard_at, owner="gateway") == []

    deliver.wake(store, [home.meter_id], now=heard_at)

    assert len(deliver.claim(store, [home.meter_id], now=heard_at, owner="gateway")) == 1


def test_a_refused_recharge_stays_open_with_one_case() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    now = NOON

    for _ in range(2):
        claim = taken(store, home, now=now)
        concluded(store, claim, ending=Ending.REFUSED, at=now, reason="customer_number_differs")
        now = the_recharge(store).due_at

    recharge = the_recharge(store)
    assert (recharge.state, recharge.ended_at) == (State.WAITING, None)
    assert recharge.due_at == NOON + 2 * life.RETRY_MAX
    assert held_minor(store, home) == (5_000, 0)
    (case,) = store.tables.cases.values()
    assert (case.kind, case.detail) == ("recharge_refused", "customer_number_differs")


def test_a_refused_switch_ends_with_a_case_and_is_not_asked_again_at_once() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    told(store, home, at=NOON, relay=Relay.CLOSED, energy_wh=0)
    concluded(store, taken(store, home, now=NOON), ending=Ending.REFUSED, at=NOON + SECOND, reason="password")

    told(store, home, at=NOON + 60 * SECOND, relay=Relay.CLOSED)
    soon = len(store.tables.instructions)
    told(store, home, at=NOON + HOUR, relay=Relay.CLOSED)

    assert [case.kind for case in store.tables.cases.values()] == ["switch_refused"]
    assert soon == 1
    assert [each.state for each in store.tables.instructions.values()] == [State.REFUSED, State.WAITING]


def test_a_lost_lease_writes_nothing() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    slow = taken(store, home, now=NOON, owner="slow")
    expired = NOON + life.LEASE
    taken(store, home, now=expired, owner="fast")
    before = dict(store.tables.instructions)

    outcome = concluded(store, slow, ending=Ending.DONE, at=expired, state=CREDITED)

    assert outcome is Concluded.LEASE_LOST
    assert held_minor(store, home) == (5_000, 0)
    assert store.tables.instructions == before
    assert store.tables.readings == {}
    assert deliveries(store) == 0


def test_the_same_owner_does_not_conclude_an_older_try() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    first = taken(store, home, now=NOON)
    taken(store, home, now=NOON + life.LEASE)

    outcome = concluded(store, first, ending=Ending.DONE, at=NOON + life.LEASE, state=CREDITED)

    assert outcome is Concluded.LEASE_LOST
    assert held_minor(store, home) == (5_000, 0)


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_concluded() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    claim = taken(store, home, now=NOON)

    outcome = concluded(store, claim, ending=Ending.DONE, at=NOON + 2 * life.LEASE, state=CREDITED)

    assert outcome is Concluded.WRITTEN
    assert held_minor(store, home) == (0, 5_000)


def test_a_done_recharge_without_evidence_stops_everything() -> None:
    store = MemoryStore()
    home = a_paid_home(store)
    claim = taken(store, home, now=NOON)

    with pytest.raises(AssertionError):
        deliver.conclude(
            store,
            [deliver.Conclusion(claim=claim, result=Result(ending=Ending.DONE), at=LATER)],
            now=LATER,
        )

    assert held_minor(store, home) == (5_000, 0)
    assert the_recharge(store).state is State.IN_FLIGHT
