"""The rules of supply, one by one: what keeps it on, what cuts it, for how long, and who is told."""

import pytest
from tests.unit.services.supply_home import (
    ANA,
    MINUTE,
    a_home,
    lend,
    orders,
    saw,
    snapshot,
    switched,
    used_up,
    wanted,
)
from tests.unit.services.town import (
    HOUR,
    NOON,
    SECOND,
    an_id,
    concluded,
    ordered,
    paid,
    taken,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Kind, State
from compuerta.domain.party import AccountKind
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import emergency, holding, observe
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.staging import LOOK_WAIT_MAX, PAYING_MAX

# The stages before a cut.


def test_a_last_chance_keeps_supply_on_until_its_instant_and_no_longer() -> None:
    store = MemoryStore()
    home = a_home(store, last_chance_min=30)

    used_up(store, home, at=NOON + HOUR)
    chance = wanted(store, home)
    saw(store, home, at=NOON + HOUR + 29 * MINUTE, energy_wh=94_340)
    early = holding.sweep(store, now=NOON + HOUR + 29 * MINUTE)
    holding.sweep(store, now=NOON + HOUR + 30 * MINUTE)

    assert chance == (True, "last_chance")
    assert early == 0
    assert wanted(store, home) == (False, "out_of_credit")
    assert switched(store) == [(False, False)]


def test_who_pays_in_the_last_chance_is_not_cut() -> None:
    store = MemoryStore()
    home = a_home(store, last_chance_min=30)
    used_up(store, home, at=NOON + HOUR)

    paid(store, home, name="in time", now=NOON + HOUR + 10 * MINUTE)
    holding.sweep(store, now=NOON + 3 * HOUR)

    assert wanted(store, home) == (True, "in_credit")
    assert snapshot(store, home).out_since is None
    assert orders(store) == []


def test_somebody_who_is_paying_just_now_is_not_cut_meanwhile() -> None:
    store = MemoryStore()
    home = a_home(store)
    ordered(store, home, reference="page", now=NOON + HOUR)

    used_up(store, home, at=NOON + HOUR + SECOND)

    assert wanted(store, home) == (True, "payment_in_flight")
    assert orders(store) == []


def test_an_open_pay_page_is_no_electricity_for_nothing() -> None:
    store = MemoryStore()
    home = a_home(store)
    began = NOON + HOUR
    ordered(store, home, reference="page", now=began)
    used_up(store, home, at=began)
    for minute in range(1, 6):  # the page is kept open, again and again
        ordered(store, home, reference=f"page {minute}", now=began + minute * MINUTE - SECOND)
    saw(store, home, at=began + PAYING_MAX - SECOND, energy_wh=94_340)

    held_off = wanted(store, home)
    holding.sweep(store, now=began + PAYING_MAX)

    assert held_off == (True, "payment_in_flight")
    assert wanted(store, home) == (False, "out_of_credit")


def test_a_cut_rests_on_a_fresh_look_at_the_meter() -> None:
    store = MemoryStore()
    home = a_home(store)
    lend(store, home, now=NOON + SECOND, end=NOON + HOUR)
    used_up(store, home, at=NOON + 10 * MINUTE)

    holding.sweep(store, now=NOON + HOUR)
    first = wanted(store, home), [each.state for each in orders(store, Kind.LOOK)], switched(store)
    look = taken(store, home, now=NOON + HOUR + SECOND)
    state = MeterState(energy_wh=94_340, relay=Relay.CLOSED)
    concluded(store, look, ending=Ending.DONE, at=NOON + HOUR + 2 * SECOND, state=state)

    assert first == ((True, "look_first"), [State.WAITING], [])
    assert wanted(store, home) == (False, "out_of_credit")
    assert switched(store) == [(False, False)]
    assert len(orders(store, Kind.LOOK)) == 1


def test_a_meter_that_was_asked_and_stays_silent_is_cut_all_the_same() -> None:
    store = MemoryStore()
    home = a_home(store)
    lend(store, home, now=NOON + SECOND, end=NOON + HOUR)
    used_up(store, home, at=NOON + 10 * MINUTE)
    holding.sweep(store, now=NOON + HOUR)

    early = holding.sweep(store, now=NOON + HOUR + LOOK_WAIT_MAX - SECOND)
    holding.sweep(store, now=NOON + HOUR + LOOK_WAIT_MAX)

    assert early == 0
    assert wanted(store, home) == (False, "out_of_credit")
    assert len(orders(store, Kind.LOOK)) == 1


def test_a_cut_that_is_decided_is_not_taken_back_by_time_or_by_an_open_page() -> None:
    store = MemoryStore()
    home = a_home(store, friendly_slots=["13:30-15:00"])
    used_up(store, home, at=NOON + HOUR)

    ordered(store, home, reference="page", now=NOON + HOUR + SECOND)
    with store.transaction() as tx:
        observe.absorb(tx, [], now=NOON + 2 * HOUR)
    used_up(store, home, at=NOON + 2 * HOUR)

    assert wanted(store, home) == (False, "out_of_credit")
    assert switched(store) == [(False, False)]


# Friendly hours.


def test_nobody_is_cut_in_friendly_hours_and_is_when_they_end() -> None:
    store = MemoryStore()
    home = a_home(store, friendly_slots=["13:00-15:00"])  # noon in Shanghai is NOON

    used_up(store, home, at=NOON + HOUR)
    friendly = wanted(store, home)
    saw(store, home, at=NOON + 3 * HOUR - SECOND, energy_wh=94_340)
    holding.sweep(store, now=NOON + 3 * HOUR)

    assert friendly == (True, "friendly_hours")
    assert wanted(store, home) == (False, "out_of_credit")


# Emergency credit.


def test_emergency_credit_comes_at_zero_lasts_to_its_limit_and_is_repaid_first() -> None:
    store = MemoryStore()
    home = a_home(store, emergency_minor=1_000, emergency_automatic=True)

    used_up(store, home, at=NOON + HOUR)
    given = wanted(store, home)
    saw(store, home, at=NOON + 2 * HOUR, energy_wh=94_340 + 18_800)
    almost = wanted(store, home)
    saw(store, home, at=NOON + 3 * HOUR, energy_wh=94_340 + 18_870)
    spent = wanted(store, home)
    paid(store, home, name="some", amount_minor=900, now=NOON + 4 * HOUR)
    still_owed = wanted(store, home)
    paid(store, home, name="more", amount_minor=200, now=NOON + 5 * HOUR)

    assert (given, almost) == ((True, "emergency_credit"), (True, "emergency_credit"))
    assert (spent, still_owed) == ((False, "out_of_credit"), (False, "out_of_credit"))
    assert wanted(store, home) == (True, "in_credit")
    (kept,) = store.tables.emergencies.values()
    assert (kept.taken_by, kept.spent_at, kept.repaid_at) == ("system", NOON + 3 * HOUR, NOON + 5 * HOUR)
    assert [row.what for row in store.tables.audit] == ["take emergency credit"]


def test_emergency_credit_is_taken_when_it_is_offered_and_once() -> None:
    store = MemoryStore()
    home = a_home(store, emergency_minor=1_000)
    early = NOON + 2 * SECOND

    with pytest.raises(emergency.NotOffered) as not_offered:
        emergency.take(store, home.account_id, actor=ANA, now=early)
    used_up(store, home, at=NOON + HOUR)
    cut = wanted(store, home)
    emergency.take(store, home.account_id, actor=ANA, now=NOON + HOUR + SECOND)
    with pytest.raises(emergency.AlreadyTaken):
        emergency.take(store, home.account_id, actor=ANA, now=NOON + HOUR + 2 * SECOND)

    assert not_offered.value.balance_minor == 5_000
    assert cut == (False, "out_of_credit")
    assert wanted(store, home) == (True, "emergency_credit")


def test_emergency_credit_taken_before_zero_waits_for_zero() -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=500, emergency_minor=1_000, emergency_below_minor=500)

    emergency.take(store, home.account_id, actor=ANA, now=NOON + SECOND)
    saw(store, home, at=NOON + HOUR, energy_wh=9_000)
    low = wanted(store, home)
    saw(store, home, at=NOON + 2 * HOUR, energy_wh=10_000)

    assert low == (True, "in_credit")
    assert wanted(store, home) == (True, "emergency_credit")


def test_where_no_emergency_credit_is_settled_none_is_taken() -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=0)

    with pytest.raises(emergency.NoneSettled):
        emergency.take(store, home.account_id, actor=ANA, now=NOON + SECOND)
    with pytest.raises(ReasonMissing):
        emergency.take(store, home.account_id, actor=Actor(who="ana", why=" ", origin=""), now=NOON)

    assert store.tables.emergencies == {}


# Holds.


def test_supply_that_was_lent_for_some_energy_ends_with_the_reading_that_passes_it() -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=0)
    lend(store, home, now=NOON + SECOND, energy_wh=2_000)

    saw(store, home, at=NOON + HOUR, energy_wh=1_999)
    lent = wanted(store, home)
    saw(store, home, at=NOON + 2 * HOUR, energy_wh=2_000)

    (hold,) = store.tables.holds.values()
    assert lent == (True, "temporary_supply")
    assert wanted(store, home) == (False, "out_of_credit")
    assert (hold.end, hold.ended_by) == (NOON + 2 * HOUR, "system")


@pytest.mark.parametrize("energy_wh", [0, 90_000_000])
def test_supply_that_was_lent_for_some_energy_ends_where_the_register_falls_or_jumps(energy_wh: int) -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=0)
    saw(store, home, at=NOON + HOUR, energy_wh=1_000)
    lend(store, home, now=NOON + HOUR + SECOND, energy_wh=2_000)

    saw(store, home, at=NOON + 2 * HOUR, energy_wh=energy_wh)
    doubted = wanted(store, home)
    holding.release_billing(
        store, home.account_id, actor=ANA, audit_id=an_id("go on"), now=NOON + 2 * HOUR + SECOND
    )

    (hold,) = store.tables.holds.values()
    assert (hold.end, hold.ended_by) == (NOON + 2 * HOUR, "system")
    assert doubted == (True, "billing_held")
    assert wanted(store, home) == (False, "out_of_credit")


def test_supply_that_was_lent_in_doubt_ends_when_billing_goes_on() -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=0)
    saw(store, home, at=NOON + HOUR, energy_wh=1_000)
    saw(store, home, at=NOON + 2 * HOUR, energy_wh=0)
    lend(store, home, now=NOON + 2 * HOUR + SECOND, energy_wh=2_000)
    lend(store, home, now=NOON + 2 * HOUR + 2 * SECOND, energy_wh=2_000, end=NOON + 9 * HOUR)

    holding.release_billing(
        store,
        home.account_id,
        actor=ANA,
        audit_id=an_id("go on"),
        now=NOON + 3 * HOUR,
        register_wh=0,
    )

    assert [hold.end for hold in store.tables.holds.values()] == [NOON + 3 * HOUR, NOON + 9 * HOUR]
    assert store.tables.audit[-1].after == "register 0 Wh; temporary supply ended"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (HoldKind.SAFETY, HoldKind.TEMPORARY),
        (HoldKind.PROTECTED, HoldKind.ADMINISTRATOR),
        (HoldKind.TEMPORARY, HoldKind.VACANCY),
    ],
)
def test_a_hold_that_contradicts_another_is_refused_and_the_other_named(
    first: HoldKind, second: HoldKind
) -> None:
    store = MemoryStore()
    home = a_home(store)

    def place(kind: HoldKind) -> None:
        holding.place_hold(
            store,
            home.account_id,
            kind=kind,
            actor=ANA,
            hold_id=an_id(kind.value),
            end=NOON + HOUR,
            now=NOON + SECOND,
        )

    place(first)

    with pytest.raises(holding.HoldsContradict) as refused:
        place(second)

    assert (refused.value.kind, refused.value.other) == (second, first)
    assert len(store.tables.holds) == 1


@pytest.mark.parametrize(("kind", "energy_wh"), [(HoldKind.TEMPORARY, 0), (HoldKind.SAFETY, 1)])
def test_only_temporary_supply_is_for_some_energy(kind: HoldKind, energy_wh: int) -> None:
    store = MemoryStore()
    home = a_home(store)

    with pytest.raises(holding.EnergyNotPositive):
        holding.place_hold(
            store,
            home.account_id,
            kind=kind,
            actor=ANA,
            hold_id=an_id("hold"),
            energy_wh=energy_wh,
            now=NOON,
        )


def test_temporary_supply_without_an_end_is_refused() -> None:
    store = MemoryStore()
    home = a_home(store)

    with pytest.raises(holding.EndMissing):
        lend(store, home, now=NOON + SECOND)


def test_who_lifted_a_hold_is_kept_with_it() -> None:
    store = MemoryStore()
    home = a_home(store)
    lend(store, home, now=NOON + SECOND, end=NOON + 2 * HOUR)

    holding.lift_holds(
        store,
        home.account_id,
        kind=HoldKind.TEMPORARY,
        actor=ANA,
        audit_id=an_id("lift"),
        now=NOON + HOUR,
    )

    assert [hold.ended_by for hold in store.tables.holds.values()] == ["ana"]


def test_what_ended_while_nobody_swept_is_cut_when_somebody_does() -> None:
    store = MemoryStore()
    home = a_home(store, credit_minor=0)
    lend(store, home, now=NOON + SECOND, end=NOON + HOUR)

    swept = holding.sweep(store, now=NOON + 72 * HOUR)

    assert swept == 1
    assert wanted(store, home) == (True, "look_first")  # three days later the meter is looked at first
    assert holding.sweep(store, now=NOON + 72 * HOUR) == 0


# What is kept, and told.


def test_every_change_is_kept_with_its_reason_and_its_end() -> None:
    store = MemoryStore()
    home = a_home(store, last_chance_min=30)
    used_up(store, home, at=NOON + HOUR)

    changes = store.tables.supply_changes

    assert [(each.closed, each.reason, each.was_reason) for each in changes] == [
        (True, "in_credit", ""),
        (True, "last_chance", "in_credit"),
    ]
    assert changes[-1].until == NOON + HOUR + 30 * MINUTE


def test_since_when_a_relay_differs_is_kept_until_it_does_not() -> None:
    store = MemoryStore()
    home = a_home(store)
    used_up(store, home, at=NOON + HOUR)
    used_up(store, home, at=NOON + 2 * HOUR)
    differs = snapshot(store, home).differs_since

    used_up(store, home, at=NOON + 3 * HOUR, relay=Relay.OPEN)

    assert differs == NOON + HOUR
    assert snapshot(store, home).differs_since is None


def test_a_feeder_is_never_switched() -> None:
    store = MemoryStore()
    home = a_home(store)
    account = store.tables.accounts[home.account_id]
    object.__setattr__(account, "kind", AccountKind.FEEDER)

    used_up(store, home, at=NOON + HOUR)

    assert orders(store) == []
