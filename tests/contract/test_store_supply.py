"""What supply is decided by is kept alike by both stores."""

import json
from dataclasses import replace

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    a_hold,
    a_switch,
    a_town,
    an_id,
    ordered,
    the_view,
)

from compuerta.domain.errors import Broken, Unreachable
from compuerta.domain.instruction import Instruction, Kind, Limits, State
from compuerta.domain.policy import DEFAULT
from compuerta.domain.supply import HoldKind
from compuerta.services.records import EmergencyCredit, Settled, SupplyChange
from compuerta.services.store_port import Store


def taken(home: Home, *, limit_minor: int = 500) -> EmergencyCredit:
    return EmergencyCredit(account_id=home.account_id, taken_at=NOON, limit_minor=limit_minor, taken_by="ana")


def an_order(home: Home, kind: Kind, *, name: str, limits: Limits | None = None) -> Instruction:
    switch = a_switch(home, name=name)
    return replace(switch, kind=kind, relay_closed=None, limits=limits)


def test_an_emergency_credit_is_open_until_it_is_repaid_and_is_not_taken_twice(store: Store) -> None:
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    with store.transaction() as tx:
        tx.put_emergency(taken(home))
    with pytest.raises((Unreachable, Broken)), store.transaction() as tx:
        tx.put_emergency(replace(taken(home), taken_at=NOON + SECOND))

    with store.transaction() as tx:
        first = tx.emergencies([home.account_id, other.account_id])
        used = replace(taken(home), used_at=NOON + SECOND, spent_at=NOON + 2 * SECOND)
        tx.put_emergency(used)
        spent = tx.emergencies([home.account_id])
        tx.put_emergency(replace(used, repaid_at=NOON + HOUR))
        tx.put_emergency(replace(taken(home), taken_at=NOON + 2 * HOUR))
        again = tx.emergencies([home.account_id])

    assert first == {home.account_id: taken(home)}
    assert spent == {home.account_id: used}
    assert again[home.account_id].taken_at == NOON + 2 * HOUR


def test_who_waits_to_pay_is_told_with_its_end(store: Store) -> None:
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    attempt = ordered(store, home, reference="page")
    assert attempt.watched_until is not None

    with store.transaction() as tx:
        paying = tx.paying([home.account_id, other.account_id], now=NOON)
        later = tx.paying([home.account_id], now=attempt.watched_until)

    assert paying == {home.account_id: attempt.watched_until}
    assert later == {}


def test_what_the_clock_decides_is_due_by_its_instant_the_longest_first(store: Store) -> None:
    first, second, never = a_town(store, authorities=(METER, PLATFORM, METER)).homes
    with store.transaction() as tx:
        views = tx.lock_accounts([first.account_id, second.account_id], now=NOON)
        at = {first.account_id: NOON + 2 * SECOND, second.account_id: NOON + SECOND}
        tx.save_snapshots(
            [
                replace(view.snapshot, decide_at=at[account_id])
                for account_id, view in views.items()
                if view.snapshot is not None
            ]
        )

    with store.transaction() as tx:
        early = tx.claim_decisions(now=NOON, limit=10)
        due = tx.claim_decisions(now=NOON + HOUR, limit=10)
        one = tx.claim_decisions(now=NOON + HOUR, limit=1)

    assert early == []
    assert due == [second.account_id, first.account_id]
    assert one == [second.account_id]
    assert never.account_id not in due


def test_the_next_edge_of_a_meters_holds_is_known(store: Store) -> None:
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, name="over", end=NOON + SECOND))
        tx.put_hold(a_hold(home, name="long", end=NOON + 2 * HOUR))
        tx.put_hold(a_hold(home, name="to come", start=NOON + HOUR))

    assert the_view(store, home.account_id, now=NOON + SECOND).hold_edge == NOON + HOUR
    assert the_view(store, home.account_id, now=NOON + HOUR).hold_edge == NOON + 2 * HOUR
    assert the_view(store, home.account_id, now=NOON + 2 * HOUR).hold_edge is None
    assert the_view(store, other.account_id).hold_edge is None


def test_holds_keep_by_how_much_energy_they_end_and_who_ended_them(store: Store) -> None:
    (home,) = a_town(store).homes
    lent = replace(a_hold(home, name="lent", kind=HoldKind.TEMPORARY), until_wh=2_000)
    held = a_hold(home, name="held")
    with store.transaction() as tx:
        tx.put_hold(lent)
        tx.put_hold(held)

    with store.transaction() as tx:
        in_force = tx.holds_of([home.meter_id], at=NOON)
        tx.save_holds([replace(lent, end=NOON + SECOND, ended_by="system")])
        ended = tx.end_holds(home.meter_id, HoldKind.ADMINISTRATOR, at=NOON + HOUR, by="bruno")
        before = tx.holds_of([home.meter_id], at=NOON)

    assert sorted(in_force, key=lambda hold: hold.kind.value) == [held, lent]
    assert ended == 1
    assert {hold.ended_by for hold in before} == {"system", "bruno"}


def test_holds_that_began_are_counted_those_that_ended_too(store: Store) -> None:
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    with store.transaction() as tx:
        for number in range(3):
            start = NOON + number * HOUR
            tx.put_hold(
                a_hold(home, name=f"rest {number}", kind=HoldKind.OVERLOAD, start=start, end=start + SECOND)
            )
        tx.put_hold(a_hold(home, name="other kind", start=NOON + HOUR))
        tx.put_hold(a_hold(other, name="next door", kind=HoldKind.OVERLOAD, start=NOON + HOUR))

    with store.transaction() as tx:
        begun = tx.holds_begun(home.meter_id, HoldKind.OVERLOAD, since=NOON)

    assert begun == 2


def test_the_last_look_at_a_meter_is_known_when_it_has_ended_too(store: Store) -> None:
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    old = an_order(home, Kind.LOOK, name="old")
    new = replace(an_order(home, Kind.LOOK, name="new"), created_at=NOON + HOUR)
    ended = replace(new, state=State.SUPERSEDED, ended_at=NOON + 2 * HOUR)
    with store.transaction() as tx:
        tx.put_instructions([old, a_switch(other)])
        tx.save_instructions([replace(old, state=State.SUPERSEDED, ended_at=NOON + SECOND)])
        tx.put_instructions([new])
        tx.save_instructions([ended])

    with store.transaction() as tx:
        looks = tx.last_looks([home.meter_id, other.meter_id])

    assert looks == {home.meter_id: ended}


def test_limits_are_kept_whole_and_the_open_ones_are_known(store: Store) -> None:
    (home,) = a_town(store).homes
    limits = Limits(alarm_1_minor=2_000, alarm_2_minor=None, power_w_max=0)
    waits = an_order(home, Kind.LIMITS, name="new", limits=limits)
    old = replace(
        an_order(home, Kind.LIMITS, name="old", limits=Limits(power_w_max=1)),
        state=State.SUPERSEDED,
        ended_at=NOON,
    )
    with store.transaction() as tx:
        tx.put_instructions([replace(old, state=State.WAITING, ended_at=None)])
        tx.save_instructions([old])
        tx.put_instructions([waits])

    with store.transaction() as tx:
        found = tx.open_limits([home.meter_id])

    assert found == [waits]


@pytest.mark.parametrize(("kind", "limits"), [(Kind.LOOK, None), (Kind.LIMITS, Limits(power_w_max=1))])
def test_a_second_look_and_second_limits_do_not_wait(store: Store, kind: Kind, limits: Limits | None) -> None:
    (home,) = a_town(store).homes
    with store.transaction() as tx:
        tx.put_instructions([an_order(home, kind, name="first", limits=limits)])

    with pytest.raises((Unreachable, Broken)), store.transaction() as tx:
        tx.put_instructions([an_order(home, kind, name="second", limits=limits)])


def test_what_is_settled_lies_over_each_other_and_is_known_by_its_scope(store: Store) -> None:
    town = a_town(store)
    (home,) = town.homes
    with store.transaction() as tx:
        plain = tx.look_at([home.account_id], now=NOON)[home.account_id].policy
        for scope, scope_id, minutes in (
            ("organisation", town.organisation_id, 10),
            ("site", town.site_id, 20),
        ):
            document = {"last_chance_min": minutes, "emergency_minor": 5 * minutes}
            tx.put_policy(scope=scope, scope_id=scope_id, document=json.dumps(document))
        tx.put_policy(scope="account", scope_id=home.account_id, document='{"last_chance_min": 30}')

    with store.transaction() as tx:
        policy = tx.look_at([home.account_id], now=NOON)[home.account_id].policy
        settled = tx.settled(scope="account", scope_id=home.account_id)
        nothing = tx.settled(scope="site", scope_id=999)

    assert plain == DEFAULT
    assert (policy.last_chance_min, policy.emergency_minor) == (30, 100)
    assert settled == Settled(organisation_id=town.organisation_id, document='{"last_chance_min": 30}')
    assert nothing is None


def test_the_accounts_of_a_scope_are_told_page_by_page(store: Store) -> None:
    town = a_town(store, authorities=(METER, PLATFORM, METER))
    first, second, third = (home.account_id for home in town.homes)

    with store.transaction() as tx:
        whole = tx.accounts_in(scope="organisation", scope_id=town.organisation_id, after=0, limit=10)
        page = tx.accounts_in(scope="site", scope_id=town.site_id, after=first, limit=1)
        one = tx.accounts_in(scope="account", scope_id=third, after=0, limit=10)
        nobody = tx.accounts_in(scope="site", scope_id=999, after=0, limit=10)

    assert (whole, page, one, nobody) == ([first, second, third], [second], [third], [])


def test_changes_of_supply_are_all_kept(shelf: Shelf) -> None:
    store = shelf.store
    (home,) = a_town(store).homes
    change = SupplyChange(
        meter_id=home.meter_id,
        account_id=home.account_id,
        at=NOON,
        closed=True,
        kept=True,
        reason="protected",
        was_closed=None,
        was_reason="",
        until=NOON + HOUR,
    )

    with store.transaction() as tx:
        tx.put_supply_changes([change, replace(change, was_closed=True, was_reason="protected")])
        tx.put_supply_changes([])

    assert shelf.count("supply_change") == 2


def test_a_meter_that_is_told_to_stay_on_says_so_in_its_claim(store: Store) -> None:
    (home,) = a_town(store).homes
    keep = replace(a_switch(home, closed=True), kept=True, instruction_id=an_id("keep"))
    with store.transaction() as tx:
        snapshot = tx.lock_accounts([home.account_id], now=NOON)[home.account_id].snapshot
        assert snapshot is not None
        flags = frozenset({"keep_power"})
        tx.save_snapshots([replace(snapshot, wanted_closed=True, wanted_kept=True, flags=flags)])
        tx.put_instructions([keep])

    with store.transaction() as tx:
        (claim,) = tx.claim([home.meter_id], now=NOON, owner="gateway")

    assert (claim.instruction.kept, claim.wanted_kept, claim.keeps_power) == (True, True, True)
