"""What meters do by themselves, and are told: keeping power, resting after an overload, limits."""

import pytest
from tests.unit.services.supply_home import (
    ANA,
    KEPT,
    MINUTE,
    a_home,
    lend,
    orders,
    saw,
    settle,
    switched,
    used_up,
    wanted,
)
from tests.unit.services.town import (
    HOUR,
    METER,
    MODELS,
    NOON,
    SECOND,
    Home,
    an_id,
    concluded,
    taken,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Kind, Limits, State
from compuerta.domain.policy import PolicyFaulty
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import deliver, emergency, holding, settling
from compuerta.services.settling import Settlement

# Meters with their own credit.


def test_a_meter_with_credit_is_told_to_stay_on_and_is_released_when_that_is_over() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)

    lend(store, home, now=NOON + SECOND, end=NOON + HOUR)
    keep = taken(store, home, now=NOON + SECOND)
    state = MeterState(energy_wh=0, balance_minor=0, relay=Relay.CLOSED, flags=KEPT)
    concluded(store, keep, ending=Ending.DONE, at=NOON + 2 * SECOND, state=state)
    holding.sweep(store, now=NOON + HOUR)
    release = taken(store, home, now=NOON + HOUR)
    tripped = MeterState(energy_wh=0, balance_minor=0, relay=Relay.OPEN)
    concluded(store, release, ending=Ending.DONE, at=NOON + HOUR + SECOND, state=tripped)

    assert switched(store) == [(True, True), (True, False)]
    assert [each.state for each in orders(store)] == [State.DONE, State.DONE]
    assert wanted(store, home) == (False, "out_of_credit")


def test_a_release_that_waits_is_dropped_when_the_meter_released_itself() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)
    saw(store, home, at=NOON + SECOND, balance_minor=0, flags=KEPT)

    saw(store, home, at=NOON + 2 * SECOND, balance_minor=0, relay=Relay.OPEN)

    assert [(each.relay_closed, each.state) for each in orders(store)] == [(True, State.SUPERSEDED)]
    assert deliver.claim(store, [home.meter_id], now=NOON + HOUR, owner="gateway") == []


def test_a_meter_that_keeps_power_though_it_is_paid_is_released() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)

    saw(store, home, at=NOON + SECOND, balance_minor=5_000, flags=KEPT)

    assert switched(store) == [(True, False)]


def test_a_meter_with_credit_that_is_used_up_is_its_own_matter() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER, last_chance_min=30)

    saw(store, home, at=NOON + SECOND, balance_minor=0, relay=Relay.OPEN)

    assert wanted(store, home) == (False, "out_of_credit")
    assert orders(store) == []


# Overload.


def test_an_overload_rests_and_supply_comes_back_by_itself() -> None:
    store = MemoryStore()
    home = a_home(store, overload_rest_min=5)
    saw(store, home, at=NOON + SECOND, overloads=7)

    saw(store, home, at=NOON + MINUTE, relay=Relay.OPEN, overloads=8)
    resting = wanted(store, home)
    holding.sweep(store, now=NOON + 6 * MINUTE)

    assert resting == (False, "overload_lock")
    assert wanted(store, home) == (True, "in_credit")
    assert switched(store) == [(True, False)]


def test_after_some_rests_within_an_hour_an_overload_locks_until_somebody_looks() -> None:
    store = MemoryStore()
    home = a_home(store, overload_closings_max=2, overload_rest_min=1)
    saw(store, home, at=NOON + SECOND, overloads=0)

    for number in (1, 2, 3):
        at = NOON + 5 * number * MINUTE
        saw(store, home, at=at, relay=Relay.OPEN, overloads=number)
        holding.sweep(store, now=at + 2 * MINUTE)

    holds = sorted(store.tables.holds.values(), key=lambda hold: hold.start)
    assert [hold.end is None for hold in holds] == [False, False, True]
    assert wanted(store, home) == (False, "overload_lock")
    assert "number 3 within an hour: locked" in holds[-1].note


def test_a_count_of_overloads_that_was_not_known_before_tells_nothing() -> None:
    store = MemoryStore()
    home = a_home(store)

    saw(store, home, at=NOON + SECOND, overloads=8)

    assert store.tables.holds == {}


# Policies.


def a_settlement(home: Home, name: str = "settle", **policy: object) -> Settlement:
    return Settlement(
        scope="account",
        scope_id=home.account_id,
        document=policy,
        act_id=an_id(name),  # type: ignore[arg-type]
    )


def test_what_is_settled_decides_at_once_and_is_kept() -> None:
    store = MemoryStore()
    home = a_home(store)
    used_up(store, home, at=NOON + HOUR)
    settle(store, home)

    wish = a_settlement(home, emergency_minor=1_000)
    reached = settling.settle(store, wish, actor=ANA, models=MODELS, now=NOON + HOUR + SECOND)
    emergency.take(store, home.account_id, actor=ANA, now=NOON + HOUR + SECOND)

    assert reached == 1
    assert wanted(store, home) == (True, "emergency_credit")
    row = store.tables.audit[0]
    assert (row.what, row.before, row.after) == ("settle policy", "{}", '{"emergency_minor": 1000}')


def test_meters_are_told_the_limits_that_they_watch_and_the_last_are_the_ones_that_wait() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)

    for number, power_w in enumerate((3_000, 4_000)):
        wish = a_settlement(
            home,
            f"settle {number}",
            load_limit_w=power_w,
            levels=[{"kind": "money", "value": value} for value in (5_000, 1_000, 2_000)],
        )
        settling.settle(store, wish, actor=ANA, models=MODELS, now=NOON + (number + 1) * SECOND)

    limits = orders(store, Kind.LIMITS)
    assert [each.state for each in limits] == [State.SUPERSEDED, State.WAITING]
    told = limits[-1].limits
    assert told is not None
    assert told in (
        Limits(alarm_1_minor=2_000, alarm_2_minor=1_000, power_w_max=4_000),
        Limits(alarm_1_minor=2_000, alarm_2_minor=1_000),
        Limits(power_w_max=4_000),
    )


def test_limits_that_met_silence_are_not_tried_again_when_others_wait() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)
    first = a_settlement(home, "first", load_limit_w=3_000, levels=[{"kind": "money", "value": 1_000}])
    settling.settle(store, first, actor=ANA, models=MODELS, now=NOON + SECOND)
    on_its_way = taken(store, home, now=NOON + SECOND)
    second = a_settlement(home, "second", load_limit_w=4_000, levels=[{"kind": "money", "value": 2_000}])
    settling.settle(store, second, actor=ANA, models=MODELS, now=NOON + 2 * SECOND)

    concluded(store, on_its_way, ending=Ending.SILENT, at=NOON + 3 * SECOND)

    states = [each.state for each in sorted(orders(store, Kind.LIMITS), key=lambda each: each.created_at)]
    assert states == [State.SUPERSEDED, State.WAITING]


def test_a_policy_that_cannot_be_is_refused_with_its_field_and_changes_nothing() -> None:
    store = MemoryStore()
    home = a_home(store)
    nobody = Settlement(scope="site", scope_id=99, document={}, act_id=an_id("nobody"))
    galaxy = Settlement(scope="galaxy", scope_id=1, document={}, act_id=an_id("galaxy"))

    with pytest.raises(PolicyFaulty) as faulty:
        settling.settle(store, a_settlement(home, last_chance_min=-1), actor=ANA, models=MODELS, now=NOON)
    for wish in (nobody, galaxy):
        with pytest.raises(settling.ScopeUnknown):
            settling.settle(store, wish, actor=ANA, models=MODELS, now=NOON)

    assert faulty.value.field == "last_chance_min"
    assert store.tables.audit == []
