"""Supply follows credit and holds: one switch at a time, and the last wish is the one that counts."""

from datetime import datetime, timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    VENDOR,
    Home,
    a_town,
    an_id,
    concluded,
    paid,
    taken,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import LEASE, Instruction, Kind, State
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import SWITCH_VALID_S, Ending, MeterState, RechargeOrder, Relay
from compuerta.services import acting, deliver, holding
from compuerta.services.acting import Actor

ANA = Actor(who="ana", why="works in the shaft", origin="console")


def a_home(store: MemoryStore, *, relay: Relay, paid_minor: int = 0) -> Home:
    """Return a home of a platform's account with this relay, and with credit where something was paid."""
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    if paid_minor:
        paid(store, home, name="first", amount_minor=paid_minor)
        store.tables.instructions.clear()
    told(store, home, at=NOON, relay=relay, energy_wh=0)
    return home


def switches(store: MemoryStore) -> list[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is Kind.SWITCH]


def wanted(store: MemoryStore, home: Home) -> tuple[bool | None, str]:
    snapshot = the_view(store, home.account_id).snapshot
    assert snapshot is not None
    return snapshot.wanted_closed, snapshot.wanted_reason


def hold(store: MemoryStore, home: Home, kind: HoldKind = HoldKind.ADMINISTRATOR) -> None:
    holding.place_hold(
        store,
        home.account_id,
        kind=kind,
        actor=ANA,
        hold_id=an_id(f"hold {kind}"),
        end=NOON + 24 * HOUR if kind is HoldKind.TEMPORARY else None,
        now=NOON + SECOND,
    )


def lift(store: MemoryStore, home: Home, kind: HoldKind = HoldKind.ADMINISTRATOR) -> int:
    return holding.lift_holds(
        store, home.account_id, kind=kind, actor=ANA, audit_id=an_id("lift"), now=NOON + 2 * SECOND
    )


def test_without_credit_the_platform_cuts_once() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)

    told(store, home, at=NOON + SECOND, relay=Relay.CLOSED, energy_wh=0)

    (cut,) = switches(store)
    assert (cut.relay_closed, cut.reason, cut.state) == (False, "out_of_credit", State.WAITING)
    assert wanted(store, home) == (False, "out_of_credit")


def test_in_credit_nothing_is_switched_that_is_on() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)

    assert switches(store) == []
    assert wanted(store, home) == (True, "in_credit")


def test_use_down_to_zero_cuts() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)

    told(store, home, at=NOON + HOUR, relay=Relay.CLOSED, energy_wh=94_330)
    before_zero = len(switches(store))
    told(store, home, at=NOON + 2 * HOUR, relay=Relay.CLOSED, energy_wh=94_340)

    assert the_view(store, home.account_id).holdings.delivered_minor == 0
    assert before_zero == 0
    assert [cut.relay_closed for cut in switches(store)] == [False]


def test_a_recharge_supersedes_a_cut_that_waits() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)

    paid(store, home, now=NOON + SECOND)

    (cut,) = switches(store)
    assert (cut.state, cut.ended_at) == (State.SUPERSEDED, NOON + SECOND)
    assert deliver.claim(store, [home.meter_id], now=NOON + HOUR, owner="gateway") == []


def test_a_recharge_that_meets_a_cut_on_its_way_is_followed_by_a_closing() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    cut = taken(store, home, now=NOON)
    paid(store, home, now=NOON + SECOND)

    concluded(store, cut, ending=Ending.DONE, at=NOON + 2 * SECOND, state=MeterState(relay=Relay.OPEN))

    assert [(each.relay_closed, each.state) for each in switches(store)] == [
        (False, State.DONE),
        (True, State.WAITING),
    ]


def test_a_cut_that_met_silence_is_dropped_when_credit_came_meanwhile() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    cut = taken(store, home, now=NOON)
    paid(store, home, now=NOON + SECOND)

    concluded(store, cut, ending=Ending.SILENT, at=NOON + 2 * SECOND)

    # It may have been done all the same: the closing looks at the relay before it switches anything.
    assert [(each.relay_closed, each.state) for each in switches(store)] == [
        (False, State.SUPERSEDED),
        (True, State.WAITING),
    ]


def test_a_cut_that_met_silence_is_looked_after_when_it_can_come_no_longer() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    cut = taken(store, home, now=NOON)
    paid(store, home, now=NOON + SECOND)
    concluded(store, cut, ending=Ending.SILENT, at=NOON + 2 * SECOND)
    closing = taken(store, home, now=NOON + 3 * SECOND)
    concluded(store, closing, ending=Ending.DONE, at=NOON + 4 * SECOND, state=MeterState(relay=Relay.CLOSED))
    over = NOON + 2 * SECOND + SWITCH_VALID_S * SECOND
    before = deliver.claim(store, [home.meter_id], now=over - SECOND, owner="gateway")

    look = taken(store, home, now=over)
    concluded(store, look, ending=Ending.DONE, at=over + SECOND, state=MeterState(relay=Relay.OPEN))
    again = taken(store, home, now=over + 2 * SECOND)

    assert timedelta(seconds=SWITCH_VALID_S) <= LEASE
    assert before == []
    assert look.instruction.kind is Kind.LOOK
    assert again.instruction.relay_closed is True


def test_one_look_is_enough_for_two_cuts_that_met_silence() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    first = taken(store, home, now=NOON)
    paid(store, home, now=NOON + SECOND)
    concluded(store, first, ending=Ending.SILENT, at=NOON + SECOND)
    hold(store, home)
    second = taken(store, home, now=NOON + SECOND)
    lift(store, home)

    concluded(store, second, ending=Ending.SILENT, at=NOON + 3 * SECOND)

    assert [each.relay_closed for each in (first.instruction, second.instruction)] == [False, False]
    assert [each.kind for each in store.tables.instructions.values()].count(Kind.LOOK) == 1


def test_a_closing_that_met_silence_is_not_looked_after() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.OPEN)
    paid(store, home, now=NOON)
    closing = taken(store, home, now=NOON)
    hold(store, home)

    concluded(store, closing, ending=Ending.SILENT, at=NOON + 2 * SECOND)

    assert closing.instruction.relay_closed is True
    assert switches(store)[0].state is State.SUPERSEDED
    assert all(each.kind is not Kind.LOOK for each in store.tables.instructions.values())


def test_a_cut_that_was_never_sent_is_not_looked_after() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)

    paid(store, home, now=NOON + SECOND)

    assert [each.kind for each in store.tables.instructions.values()] == [Kind.SWITCH]


def test_a_cut_of_a_gateway_that_died_is_not_sent_again_to_who_has_paid() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    taken(store, home, now=NOON, owner="dead gateway")
    paid(store, home, now=NOON + SECOND)

    of_the_cut = deliver.claim(store, [home.meter_id], now=NOON + HOUR, owner="gateway")
    closing = taken(store, home, now=NOON + HOUR)

    assert of_the_cut == []
    assert switches(store)[0].state is State.SUPERSEDED
    assert closing.instruction.relay_closed is True
    looks = [each for each in store.tables.instructions.values() if each.kind is Kind.LOOK]
    assert [look.due_at for look in looks] == [NOON + HOUR + SWITCH_VALID_S * SECOND]


def test_a_cut_that_was_only_accepted_is_not_sent_again_to_who_has_paid() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    cut = taken(store, home, now=NOON)
    concluded(store, cut, ending=Ending.ACCEPTED, at=NOON + SECOND, state=MeterState(relay=Relay.CLOSED))
    paid(store, home, now=NOON + 2 * SECOND)

    of_the_cut = deliver.claim(store, [home.meter_id], now=NOON + HOUR, owner="gateway")
    closing = taken(store, home, now=NOON + HOUR)

    assert of_the_cut == []
    assert switches(store)[0].state is State.SUPERSEDED
    assert closing.instruction.relay_closed is True


def test_a_relay_that_waits_for_its_button_is_not_switched_again() -> None:
    store = MemoryStore()
    a_home(store, relay=Relay.PERMITTED, paid_minor=5_000)

    assert switches(store) == []


def test_a_meter_with_its_own_credit_is_not_cut_by_the_platform() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    told(store, home, at=NOON, relay=Relay.CLOSED, balance_minor=-100)

    assert switches(store) == []
    assert wanted(store, home) == (False, "out_of_credit")


@pytest.mark.parametrize("kind", [HoldKind.SAFETY, HoldKind.ADMINISTRATOR])
def test_a_hold_cuts_an_account_in_credit(kind: HoldKind) -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)

    hold(store, home, kind)

    assert [(each.relay_closed, each.reason) for each in switches(store)] == [(False, f"{kind.value}_hold")]


@pytest.mark.parametrize("kind", [HoldKind.SAFETY, HoldKind.ADMINISTRATOR])
def test_a_recharge_does_not_lift_a_hold_of_the_platforms_account(kind: HoldKind) -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.OPEN)
    hold(store, home, kind)

    paid(store, home, now=NOON + 2 * SECOND)

    assert switches(store) == []
    assert wanted(store, home) == (False, f"{kind.value}_hold")


def test_a_recharge_of_a_meter_under_a_hold_does_not_close_its_relay() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    told(store, home, at=NOON, relay=Relay.OPEN, balance_minor=0)
    hold(store, home)
    paid(store, home, now=NOON + 2 * SECOND)

    order = deliver.order_for(taken(store, home, now=NOON + 2 * SECOND), model=VENDOR, now=NOON + 2 * SECOND)

    assert isinstance(order, RechargeOrder)
    assert order.close is False


def test_a_hold_that_is_lifted_lets_credit_close_the_relay() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.OPEN)
    hold(store, home)
    paid(store, home, now=NOON + SECOND)

    lifted = lift(store, home)

    assert lifted == 1
    assert [(each.relay_closed, each.reason) for each in switches(store)] == [(True, "in_credit")]


def test_lifting_what_is_not_held_changes_nothing() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)

    assert lift(store, home) == 0
    assert store.tables.audit == []


@pytest.mark.parametrize("kind", [HoldKind.PROTECTED, HoldKind.TEMPORARY])
def test_protected_and_temporary_supply_take_back_a_cut(kind: HoldKind) -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)

    hold(store, home, kind)

    assert [each.state for each in switches(store)] == [State.SUPERSEDED]
    assert wanted(store, home)[0] is True


def test_supply_that_was_lent_for_a_time_is_cut_when_the_time_is_over() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)
    holding.place_hold(
        store,
        home.account_id,
        kind=HoldKind.TEMPORARY,
        actor=ANA,
        hold_id=an_id("lent"),
        end=NOON + HOUR,
        now=NOON + SECOND,
    )

    told(store, home, at=NOON + HOUR - SECOND, relay=Relay.CLOSED, energy_wh=0)
    early = holding.sweep(store, now=NOON + HOUR - SECOND)
    lent = wanted(store, home)
    holding.sweep(store, now=NOON + HOUR)

    assert early == 0
    assert lent == (True, "temporary_supply")
    assert wanted(store, home) == (False, "out_of_credit")
    assert [each.state for each in switches(store)] == [State.SUPERSEDED, State.WAITING]


def test_every_hold_leaves_an_audit_row_that_says_why() -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)

    hold(store, home)
    lift(store, home)

    assert [(row.who, row.what, row.why, row.before) for row in store.tables.audit] == [
        ("ana", "place administrator hold", "works in the shaft", "on: in_credit"),
        ("ana", "lift administrator hold", "works in the shaft", "off: administrator_hold"),
    ]


@pytest.mark.parametrize("why", ["", "   "])
def test_a_hold_without_a_reason_is_refused(why: str) -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED, paid_minor=5_000)
    silent = Actor(who="ana", why=why, origin="console")
    audit_id = an_id("audit")

    with pytest.raises(acting.ReasonMissing):
        holding.place_hold(
            store, home.account_id, kind=HoldKind.SAFETY, actor=silent, hold_id=audit_id, now=NOON
        )
    with pytest.raises(acting.ReasonMissing):
        holding.lift_holds(
            store, home.account_id, kind=HoldKind.SAFETY, actor=silent, audit_id=audit_id, now=NOON
        )
    with pytest.raises(acting.ReasonMissing):
        holding.release_billing(store, home.account_id, actor=silent, audit_id=audit_id, now=NOON)

    assert (store.tables.holds, store.tables.audit, switches(store)) == ({}, [], [])


@pytest.mark.parametrize(
    ("end", "refusal"),
    [(NOON, holding.EndBeforeStart), (NOON + 2 * holding.ENDS_WITHIN, holding.EndTooFar)],
)
def test_a_hold_whose_end_is_over_or_beyond_a_life_is_refused(end: datetime, refusal: type[Refused]) -> None:
    store = MemoryStore()
    home = a_home(store, relay=Relay.CLOSED)

    with pytest.raises(refusal):
        holding.place_hold(
            store,
            home.account_id,
            kind=HoldKind.SAFETY,
            actor=ANA,
            hold_id=an_id("hold"),
            end=end,
            now=NOON,
        )


def test_an_account_without_a_meter_cannot_be_held() -> None:
    store = MemoryStore()
    town = a_town(store, authorities=(METER,))

    for account_id in (town.suspense_id, 999):
        with pytest.raises(holding.AccountWithoutMeter):
            holding.place_hold(
                store, account_id, kind=HoldKind.SAFETY, actor=ANA, hold_id=an_id("hold"), now=NOON
            )
