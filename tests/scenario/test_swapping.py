"""Meters swapped: one rule each, in both stores."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.moving_bench import ANA, MINUTE, Bench
from tests.unit.services.town import (
    METER,
    MODELS,
    NOON,
    PLATFORM,
    a_switch,
    an_id,
    paid,
    taken,
    told,
)

from compuerta.domain.instruction import Kind, State
from compuerta.domain.ledger import OWED
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services import holding, swapping
from compuerta.services.moving import (
    ReadingMissing,
    Shown,
)
from compuerta.services.records import Hold
from compuerta.services.swapping import (
    DisplayUnknown,
    MeterSwap,
    MeterTaken,
    PurchasesOdd,
    PurchasesUnknown,
    SendingNow,
)


def a_swap(bench: Bench, number: int = 0, *, register_wh: int = 20_000) -> MeterSwap:
    authority = PLATFORM if number % 2 else METER
    return MeterSwap(
        account_id=bench.homes[number].account_id,
        new_meter=bench.new_meter(authority=authority),
        closing=Shown(register_wh=register_wh),
        opening=Shown(register_wh=3_000),
        display_minor=0,
    )


def test_a_swapped_meter_is_charged_to_its_end_and_the_new_one_from_its_beginning(bench: Bench) -> None:
    home = bench.homes[1]
    bench.money_in(home, amount_minor=5_000)

    move = bench.swap(a_swap(bench, 1))

    view = bench.view(home.account_id)
    assert (move.closing_wh, move.opening_wh) == (20_000, 3_000)
    assert view.holdings.delivered_minor == 4_000
    told(
        bench.store,
        replace(home, meter_id=move.new_meter_id or 0),
        at=NOON + timedelta(hours=1),
        energy_wh=5_000,
        relay=Relay.CLOSED,
    )
    after = bench.view(home.account_id)
    assert (after.holdings.delivered_minor, after.holdings.billed_wh) == (3_900, 22_000)
    assert not after.holdings.billing_held
    assert bench.broken(now=NOON + timedelta(hours=1)) == []


def test_money_of_the_old_meter_is_sent_to_the_new_one(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)

    move = bench.swap(replace(a_swap(bench), display_minor=4_000))

    view = bench.view(bench.home.account_id)
    assert move.settled["sent_minor"] == 4_000
    assert (view.holdings.undelivered_minor, view.holdings.delivered_minor) == (4_000, 0)
    claim = taken(bench.store, replace(bench.home, meter_id=move.new_meter_id or 0), now=NOON + 12 * MINUTE)
    assert (claim.instruction.kind, claim.instruction.amount_minor) == (Kind.RECHARGE, 4_000)
    assert claim.instruction.purchase_no == 1
    assert bench.broken() == []


def test_what_waited_for_the_old_meter_is_cancelled_and_carried_once(bench: Bench) -> None:
    paid(bench.store, bench.home)
    with bench.store.transaction() as tx:
        tx.put_instructions([a_switch(bench.home, closed=True)])

    move = bench.swap(a_swap(bench, register_wh=0))

    old = [each for each in bench.books(NOON).instructions if each.meter_id == bench.home.meter_id]
    assert {each.state for each in old} == {State.CANCELLED}
    assert move.settled["cancelled_minor"] == move.settled["sent_minor"] == 5_000
    assert bench.view(bench.home.account_id).holdings.undelivered_minor == 5_000
    assert bench.broken() == []


@pytest.mark.parametrize(("count", "state", "sent"), [(1, State.DONE, 5_000), (0, State.CANCELLED, 5_000)])
def test_the_old_meters_count_says_whether_a_tried_recharge_is_in_it(
    bench: Bench, count: int, state: State, sent: int
) -> None:
    paid(bench.store, bench.home)
    taken(bench.store, bench.home, now=NOON)
    swap = replace(a_swap(bench, register_wh=0), display_minor=5_000 if count else 0)
    later = NOON + 15 * MINUTE

    with pytest.raises(PurchasesUnknown):
        bench.swap(swap, now=later)
    with pytest.raises(PurchasesOdd):
        bench.swap(replace(swap, purchase_no=7), now=later)
    move = bench.swap(replace(swap, purchase_no=count), now=later)

    (tried,) = [
        each
        for each in bench.books(NOON).instructions
        if each.meter_id == bench.home.meter_id and each.kind is Kind.RECHARGE
    ]
    assert tried.state is state
    assert move.settled["sent_minor"] == sent
    assert bench.broken() == []


def test_no_swap_while_a_recharge_is_being_sent(bench: Bench) -> None:
    paid(bench.store, bench.home)
    taken(bench.store, bench.home, now=NOON + 10 * MINUTE)

    with pytest.raises(SendingNow):
        bench.swap(replace(a_swap(bench, register_wh=0), purchase_no=0), now=NOON + 10 * MINUTE)


def test_what_the_display_says_is_carried_and_the_difference_stays_visible(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)

    move = bench.swap(replace(a_swap(bench, register_wh=0), display_minor=4_200))

    assert (move.settled["sent_minor"], move.settled["drift_minor"]) == (4_200, 800)
    assert bench.view(bench.home.account_id).holdings.delivered_minor == 800
    assert "drift_at_swap" in {each.kind for each in bench.books(NOON).cases}


def test_a_dark_display_leaves_the_books_to_speak(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    swap = replace(a_swap(bench), closing=Shown(), display_minor=None)

    with pytest.raises(ReadingMissing):
        bench.swap(swap, now=NOON + timedelta(hours=1))
    with pytest.raises(DisplayUnknown):
        bench.swap(replace(swap, closing=Shown(register_wh=0)))
    move = bench.swap(replace(swap, dark=True), now=NOON + timedelta(hours=1))

    assert move.settled["sent_minor"] == 5_000


def test_a_debt_does_not_go_into_a_new_meter(bench: Bench) -> None:
    move = bench.swap(replace(a_swap(bench, register_wh=8_000), display_minor=-400))

    assert (move.settled["owed_minor"], move.settled["sent_minor"]) == (400, 0)
    assert bench.codes(bench.home.account_id, OWED, "delivered") == [400, 0]


def test_a_meter_without_money_takes_the_place_of_one_with_money(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    paid(bench.store, bench.home, name="waits", amount_minor=1_000)
    swap = replace(
        a_swap(bench, register_wh=0), new_meter=bench.new_meter(authority=PLATFORM), display_minor=5_000
    )

    move = bench.swap(swap)

    view = bench.view(bench.home.account_id)
    assert move.settled["sent_minor"] == 0
    assert (view.holdings.undelivered_minor, view.holdings.delivered_minor) == (0, 6_000)
    assert bench.broken() == []


def test_a_new_meter_is_told_the_tariff_and_the_limits_that_it_watches(bench: Bench) -> None:
    new = replace(bench.new_meter(), model="dlt645-standard-4g")

    move = bench.swap(replace(a_swap(bench, register_wh=0), new_meter=new))

    told_of = [each for each in bench.books(NOON).instructions if each.meter_id == move.new_meter_id]
    assert {Kind.TARIFF, Kind.LIMITS} <= {each.kind for each in told_of}


def test_holds_go_over_to_the_new_meter(bench: Bench) -> None:
    home = bench.homes[1]
    holding.place_hold(
        bench.store, home.account_id, kind=HoldKind.ADMINISTRATOR, actor=ANA, hold_id=an_id("h"), now=NOON
    )

    bench.swap(a_swap(bench, 1))

    assert bench.view(home.account_id, now=NOON + 12 * MINUTE).holds == {HoldKind.ADMINISTRATOR}


def test_what_is_left_of_lent_energy_goes_over_to_the_new_meter(bench: Bench) -> None:
    home = bench.homes[1]
    lent = Hold(
        meter_id=home.meter_id,
        hold_id=an_id("lent"),
        kind=HoldKind.TEMPORARY,
        owner=ANA.who,
        note=ANA.why,
        start=NOON,
        until_wh=25_000,
    )
    with bench.store.transaction() as tx:
        tx.put_hold(lent)

    move = bench.swap(a_swap(bench, 1))

    with bench.store.transaction() as tx:
        (left,) = tx.holds_of([move.new_meter_id or 0], at=NOON + 12 * MINUTE)
    assert left.until_wh == 25_000 - 20_000 + (move.opening_wh or 0)


def test_a_meter_that_was_taken_out_is_not_used_again(bench: Bench) -> None:
    home = bench.homes[1]
    bench.swap(a_swap(bench, 1))
    old = bench.new_meter(2, authority=PLATFORM)

    with pytest.raises(MeterTaken):
        bench.swap(replace(a_swap(bench, 3), new_meter=old), name="back", now=NOON + 12 * MINUTE)
    with bench.store.transaction() as tx:
        assert tx.accounts_of_meters([home.meter_id]) == {}


def test_a_swap_rehearsed_changes_nothing_and_done_twice_is_one(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    swap = replace(a_swap(bench), display_minor=4_000)

    rehearsed = swapping.rehearse_swap(
        bench.store, swap, models=MODELS, actor=ANA, move_id=an_id("swap"), now=NOON + 10 * MINUTE
    )
    first = bench.swap(swap)

    assert rehearsed.settled == first.settled
    assert bench.swap(swap, now=NOON + 13 * MINUTE) == first
    assert bench.broken() == []


def test_a_new_meter_that_deducts_begins_its_steps_and_another_does_not(stepped: Bench) -> None:
    stepped.money_in(stepped.home, amount_minor=50_000)
    in_meter = stepped.swap(replace(a_swap(stepped), display_minor=50_000 - 1_300))
    other = replace(a_swap(stepped, 1), new_meter=stepped.new_meter(71, authority=PLATFORM))
    at_platform = stepped.swap(other, name="other")

    for home, move in ((stepped.homes[0], in_meter), (stepped.homes[1], at_platform)):
        new = replace(home, meter_id=move.new_meter_id or 0)
        told(stepped.store, new, at=NOON + timedelta(hours=1), energy_wh=4_000, relay=Relay.CLOSED)

    assert (in_meter.settled["steps_anew"], at_platform.settled["steps_anew"]) == (1, 0)
    assert stepped.view(stepped.homes[0].account_id).holdings.delivered_minor == -50
    assert stepped.view(stepped.homes[1].account_id).holdings.delivered_minor == -1_300 - 80
    assert stepped.broken(now=NOON + timedelta(hours=1)) == []
