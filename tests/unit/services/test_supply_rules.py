"""The rules of supply, one by one: what keeps it on, what cuts it, for how long, and who is told."""

import json
from datetime import datetime, timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    MODELS,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    a_town,
    an_id,
    concluded,
    ordered,
    paid,
    taken,
    the_view,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Instruction, Kind, Limits, State
from compuerta.domain.party import AccountKind, CreditAuthority
from compuerta.domain.policy import PolicyFaulty
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import deliver, emergency, holding, observe, settling
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import MeterSnapshot
from compuerta.services.settling import Settlement
from compuerta.services.staging import LOOK_WAIT_MAX, PAYING_MAX

MINUTE = timedelta(minutes=1)
KEPT = frozenset({"keep_power"})
ANA = Actor(who="ana", why="asked at the desk", origin="console")


def a_home(
    store: MemoryStore, *, authority: CreditAuthority = PLATFORM, credit_minor: int = 5_000, **policy: object
) -> Home:
    """Return a home that is on, with this credit, and with what it has settled."""
    home = a_town(store, authorities=(authority,)).homes[0]
    if authority is PLATFORM and credit_minor:
        paid(store, home, name="first", amount_minor=credit_minor)
        store.tables.instructions.clear()  # the relay was not known yet
    settle(store, home, **policy)
    saw(store, home, at=NOON, balance_minor=credit_minor if authority is METER else None)
    return home


def settle(store: MemoryStore, home: Home, **policy: object) -> None:
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=json.dumps(policy))


def saw(
    store: MemoryStore,
    home: Home,
    *,
    at: datetime,
    energy_wh: int = 0,
    relay: Relay = Relay.CLOSED,
    balance_minor: int | None = None,
    flags: frozenset[str] = frozenset(),
    overloads: int | None = None,
) -> None:
    state = MeterState(
        energy_wh=energy_wh,
        relay=relay,
        balance_minor=balance_minor,
        flags=flags,
        counts={} if overloads is None else {"overload": overloads},
    )
    observe.take_readings(store, [observe.MeterReport(meter_id=home.meter_id, at=at, state=state)], now=at)


def used_up(store: MemoryStore, home: Home, *, at: datetime, relay: Relay = Relay.CLOSED) -> None:
    """Let a home of 50 yuan at 0.53 yuan the kWh use its last."""
    saw(store, home, at=at, energy_wh=94_340, relay=relay)


def snapshot(store: MemoryStore, home: Home) -> MeterSnapshot:
    found = the_view(store, home.account_id).snapshot
    assert found is not None
    return found


def wanted(store: MemoryStore, home: Home) -> tuple[bool | None, str]:
    known = snapshot(store, home)
    return known.wanted_closed, known.wanted_reason


def orders(store: MemoryStore, kind: Kind = Kind.SWITCH) -> list[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is kind]


def switched(store: MemoryStore) -> list[tuple[bool | None, bool]]:
    return [(each.relay_closed, each.kept) for each in orders(store)]


def lend(store: MemoryStore, home: Home, *, now: datetime, **until: object) -> None:
    holding.place_hold(
        store,
        home.account_id,
        kind=HoldKind.TEMPORARY,
        actor=ANA,
        hold_id=an_id(f"lent {now}"),
        now=now,
        **until,  # type: ignore[arg-type]
    )


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
