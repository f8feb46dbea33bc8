"""Moving in and out, and rooms exchanged: one rule each, in both stores."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.moving_bench import ANA, MINUTE, TILL, Bench, a_loading, at, leaving
from tests.unit.services.town import (
    MODELS,
    NOON,
    a_notice,
    an_id,
    ordered,
    paid,
    told,
)

from compuerta.domain.contact import Channel, Language
from compuerta.domain.ledger import DEPOSIT, FEE, HOUSE, OWED, cash
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import AttemptState
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Terms
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import exchanging, forecasting, holding, moving_in, moving_out, observe, vend
from compuerta.services.acting import ReasonMissing
from compuerta.services.exchanging import Exchange, SameRoom
from compuerta.services.moving import (
    AccountClosed,
    AccountUnknown,
    AmountNegative,
    BillingHeld,
    RatesDiffer,
    ReadingBackwards,
    ReadingMissing,
    ReadingTooFar,
    Rest,
    Shown,
    Steps,
    TillUnknown,
)
from compuerta.services.moving_in import (
    Credit,
    MoveIn,
    NameOdd,
    Reached,
    SomebodyLivesThere,
    StepsAreTheMeters,
)
from compuerta.services.moving_out import (
    DepositTooSmall,
    MoveOut,
    NobodyToMoveOut,
    PowerCannotStay,
    RechargeOnItsWay,
)


def test_who_leaves_is_paid_for_what_stays_in_the_meter(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)

    move = bench.leave(leaving(bench.home, register_wh=20_000))

    assert move.settled["charged_minor"] == 1_000
    assert move.settled["rest_minor"] == 4_000
    house = bench.view(move.opened_account_id)
    assert house.account.kind is AccountKind.HOUSE
    assert house.holdings.delivered_minor == 4_000
    assert house.holdings.register_wh == 20_000
    assert bench.codes(move.opened_account_id, HOUSE) == [4_000]
    assert bench.codes(bench.home.account_id, cash(TILL), "delivered") == [-4_000, 0]
    assert bench.broken() == []


def test_a_balance_of_the_platform_is_paid_out_and_the_house_begins_with_nothing(bench: Bench) -> None:
    home = bench.homes[1]
    bench.money_in(home, amount_minor=5_000)

    move = bench.leave(leaving(home, register_wh=20_000))

    assert move.settled["rest_minor"] == 4_000
    assert bench.view(move.opened_account_id).holdings.delivered_minor == 0
    assert bench.codes(home.account_id, "delivered") == [0]
    assert bench.broken() == []


def test_who_comes_pays_at_the_till_for_what_is_in_the_meter(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    left = bench.leave(leaving(bench.home, register_wh=0))

    came = bench.come(MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0)))

    assert came.settled["paid_minor"] == 5_000
    tenant = bench.view(came.opened_account_id)
    assert (tenant.account.kind, tenant.account.name) == (AccountKind.CUSTOMER, "Rosa")
    assert tenant.holdings.delivered_minor == 5_000
    assert bench.codes(left.opened_account_id, HOUSE, "delivered") == [0, 0]
    assert bench.codes(came.opened_account_id, cash(TILL)) == [5_000]
    assert bench.broken() == []


@pytest.mark.parametrize(("credit", "code"), [(Credit.OWED, OWED), (Credit.GIVEN, HOUSE)])
def test_what_is_in_the_meter_can_be_owed_or_given(bench: Bench, credit: Credit, code: str) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    left = bench.leave(leaving(bench.home, register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))

    came = bench.come(replace(coming, credit=credit))

    assert came.settled["paid_minor"] == 0
    assert bench.codes(came.opened_account_id, code, cash(TILL)) == [5_000, 0]


def test_a_deposit_is_set_against_what_is_owed_and_the_rest_is_returned(bench: Bench) -> None:
    left = bench.leave(leaving(bench.homes[1], register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))
    came = bench.come(replace(coming, deposit_minor=10_000, fee_minor=700))
    assert bench.codes(came.opened_account_id, DEPOSIT, FEE, cash(TILL)) == [-10_000, -700, 10_700]

    gone = bench.leave(
        replace(
            leaving(at(bench.homes[1], came.opened_account_id), register_wh=30_000), withheld_minor=2_000
        ),
        name="again",
        now=NOON + timedelta(hours=1),
    )

    assert gone.settled["balance_minor"] == -1_500
    assert gone.settled["rest_minor"] == 10_000 - 2_000 - 1_500
    sums = bench.codes(came.opened_account_id, DEPOSIT, "delivered", FEE, cash(TILL))
    assert sums == [0, 0, -2_700, 10_700 - 6_500]
    assert bench.broken(now=NOON + timedelta(hours=2)) == []


def test_a_debt_can_stay_in_the_books_of_who_left(bench: Bench) -> None:
    home = bench.homes[1]

    move = bench.leave(leaving(home, register_wh=8_000, rest=Rest.BOOKED))

    assert move.settled["rest_minor"] == -400
    assert bench.codes(home.account_id, OWED, "delivered", cash(TILL)) == [400, 0, 0]
    assert bench.codes(move.opened_account_id, OWED) == [0]


def test_supply_goes_off_while_nobody_lives_there_and_comes_back_with_a_tenant(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)

    left = bench.leave(leaving(bench.home, register_wh=0))

    house = bench.view(left.opened_account_id, now=NOON + 10 * MINUTE)
    assert house.holds == {HoldKind.VACANCY}
    assert house.snapshot is not None and house.snapshot.wanted_closed is False
    came = bench.come(MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0)))
    tenant = bench.view(came.opened_account_id, now=NOON + 12 * MINUTE)
    assert tenant.holds == frozenset()
    assert tenant.snapshot is not None and tenant.snapshot.wanted_closed is True


def test_a_manager_can_leave_supply_off_when_somebody_moves_in(bench: Bench) -> None:
    left = bench.leave(leaving(bench.home, register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))

    came = bench.come(replace(coming, stays_off=True))

    assert bench.view(came.opened_account_id, now=NOON + 12 * MINUTE).holds == {HoldKind.VACANCY}


def test_a_house_that_keeps_power_is_not_cut_for_money(bench: Bench) -> None:
    left = bench.leave(replace(leaving(bench.homes[1], register_wh=0), keeps_power=True))

    house = bench.view(left.opened_account_id, now=NOON + 10 * MINUTE)
    assert house.holds == {HoldKind.PROTECTED}
    assert house.snapshot is not None and house.snapshot.wanted_closed is True


def test_power_cannot_be_kept_under_a_hold(bench: Bench) -> None:
    holding.place_hold(
        bench.store,
        bench.home.account_id,
        kind=HoldKind.SAFETY,
        actor=ANA,
        hold_id=an_id("wet"),
        now=NOON,
    )

    with pytest.raises(PowerCannotStay):
        bench.leave(replace(leaving(bench.home, register_wh=0), keeps_power=True))


def test_the_next_tenant_has_an_account_without_a_past_at_the_same_sticker(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    left = bench.leave(leaving(bench.home, register_wh=20_000))
    shown = Shown(register_wh=20_000)
    came = bench.come(MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=shown))

    tenant, before = bench.view(came.opened_account_id), bench.view(bench.home.account_id)
    assert tenant.account.pay_token == before.account.pay_token
    with bench.store.transaction() as tx:
        assert tx.account_by_token(tenant.account.pay_token) == came.opened_account_id
    rows = bench.books(NOON)
    own = [each for each in rows.charges if each.account_id == came.opened_account_id]
    assert (own, tenant.holdings.billed_wh, tenant.account.name) == ([], 0, "Rosa")
    assert before.meter is None and before.account.period.end is not None


def test_use_after_the_move_is_the_tenants_and_use_before_is_not(bench: Bench) -> None:
    home = bench.homes[1]
    left = bench.leave(leaving(home, register_wh=20_000, rest=Rest.BOOKED))
    came = bench.come(
        MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=20_000))
    )

    told(bench.store, home, at=NOON + timedelta(hours=1), energy_wh=24_000, relay=Relay.CLOSED)

    assert bench.view(came.opened_account_id).holdings.delivered_minor == -200
    assert bench.view(home.account_id).holdings.billed_wh == 20_000
    assert bench.broken(now=NOON + timedelta(hours=1)) == []


@pytest.mark.slow
def test_what_somebody_used_before_is_no_forecast_for_who_comes(bench: Bench) -> None:
    home, days = bench.homes[1], 20
    for hour in range(days * 24 + 1):
        at_hour = NOON + timedelta(hours=hour)
        told(bench.store, home, at=at_hour, energy_wh=hour * 500, relay=Relay.CLOSED)
    now = NOON + timedelta(days=days, minutes=5)
    register_wh = days * 24 * 500

    left = bench.leave(leaving(home, register_wh=register_wh, rest=Rest.BOOKED), now=now)
    later = now + timedelta(minutes=1)
    shown = Shown(register_wh=register_wh)
    came = bench.come(MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=shown), now=later)

    with bench.store.transaction() as tx:
        ids = [home.account_id, came.opened_account_id or 0]
        views = tx.look_at(ids, now=later)
        with_meter = replace(views[ids[0]], meter=views[ids[1]].meter)
        shapes = forecasting.shapes_of(tx, [with_meter, views[ids[1]]], now=later)
    assert set(shapes) == {home.account_id}


def test_a_reading_from_before_the_move_is_not_the_next_ones(bench: Bench) -> None:
    home = bench.homes[1]
    left = bench.leave(leaving(home, register_wh=20_000, rest=Rest.BOOKED))

    state = MeterState(energy_wh=19_990, relay=Relay.CLOSED)
    late = observe.MeterReport(meter_id=home.meter_id, at=NOON + 9 * MINUTE, state=state)
    observe.take_readings(bench.store, [late], now=NOON + 11 * MINUTE)

    house = bench.view(left.opened_account_id)
    assert not house.holdings.billing_held
    assert house.holdings.register_wh == 20_000


def test_a_fresh_reading_needs_no_typing_and_an_old_one_does(bench: Bench) -> None:
    home = bench.homes[1]
    bench.used(home, energy_wh=6_000)

    with pytest.raises(ReadingMissing) as refused:
        bench.leave(leaving(home, rest=Rest.BOOKED), now=NOON + timedelta(hours=2))
    move = bench.leave(leaving(home, rest=Rest.BOOKED), now=NOON + 10 * MINUTE)

    assert refused.value.field == "register_wh"
    assert move.closing_wh == 6_000
    assert move.settled["balance_minor"] == -300


@pytest.mark.parametrize(
    ("shown", "refusal"),
    [
        (Shown(register_wh=5_000), ReadingBackwards),
        (Shown(register_wh=90_000_000), ReadingTooFar),
        (Shown(register_wh=-1), AmountNegative),
        (Shown(register_wh=7_000, rates_wh=(3_000, 3_000)), RatesDiffer),
    ],
)
def test_a_register_that_cannot_be_is_refused(bench: Bench, shown: Shown, refusal: type[Exception]) -> None:
    home = bench.homes[1]
    bench.used(home, energy_wh=6_000)

    with pytest.raises(refusal):
        bench.leave(MoveOut(account_id=home.account_id, shown=shown, rest=Rest.BOOKED))

    assert bench.view(home.account_id).account.period.end is None


def test_registers_by_rate_make_the_total(bench: Bench) -> None:
    shown = Shown(rates_wh=(2_000, 3_000, 0, 1_000))

    move = bench.leave(
        MoveOut(account_id=bench.homes[1].account_id, shown=shown, rest=Rest.BOOKED), now=NOON + 10 * MINUTE
    )

    assert move.closing_wh == 6_000
    assert bench.view(move.opened_account_id).holdings.register_rates_wh == (2_000, 3_000, 0, 1_000)


def test_a_closing_by_rates_is_charged_by_rates_where_the_meter_runs_by_the_tariff(hourly: Bench) -> None:
    home = hourly.homes[1]
    with hourly.store.transaction() as tx:
        tx.put_instructions([a_loading(home, tariff_id=hourly.tariff_id)])
        view = tx.look_at([home.account_id], now=NOON)[home.account_id]
        tx.save_holdings([replace(view.holdings, register_at=NOON, register_rates_wh=(0, 0))])

    move = hourly.leave(
        MoveOut(account_id=home.account_id, shown=Shown(rates_wh=(1_000, 9_000)), rest=Rest.BOOKED)
    )

    assert move.settled["charged_minor"] == 1 * 100 + 9 * 30


def test_nobody_leaves_while_money_is_on_its_way_to_the_meter(bench: Bench) -> None:
    paid(bench.store, bench.home)

    with pytest.raises(RechargeOnItsWay) as refused:
        bench.leave(leaving(bench.home, register_wh=0))

    assert refused.value.amount_minor == 5_000


def test_nobody_leaves_while_a_reading_is_in_doubt(bench: Bench) -> None:
    home = bench.homes[1]
    bench.used(home, energy_wh=6_000)
    told(bench.store, home, at=NOON + timedelta(seconds=50), energy_wh=10)

    with pytest.raises(BillingHeld):
        bench.leave(leaving(home, register_wh=6_000))


def test_a_move_twice_is_one_move(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    first = bench.leave(leaving(bench.home, register_wh=0))

    again = bench.leave(leaving(bench.home, register_wh=0), now=NOON + 13 * MINUTE)

    assert again == first
    came = bench.come(
        MoveIn(account_id=first.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))
    )
    once_more = bench.come(
        MoveIn(account_id=first.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0)),
        now=NOON + 15 * MINUTE,
    )
    assert once_more == came
    assert bench.broken() == []


def test_of_two_moves_at_once_one_wins_and_the_other_is_told(bench: Bench) -> None:
    left = bench.leave(leaving(bench.home, register_wh=0))

    with pytest.raises(AccountClosed):
        bench.leave(leaving(bench.home, register_wh=0), name="another")

    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))
    bench.come(coming)
    with pytest.raises(AccountClosed):
        bench.come(replace(coming, name="Luis"), name="other", now=NOON + 13 * MINUTE)


def test_a_rehearsal_says_the_settlement_and_changes_nothing(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000)
    wanted = leaving(bench.home, register_wh=20_000)

    told_before = moving_out.rehearse_out(
        bench.store, wanted, actor=ANA, move_id=an_id("out"), now=NOON + 10 * MINUTE
    )

    assert bench.view(bench.home.account_id).account.period.end is None
    assert bench.view(bench.home.account_id).holdings.delivered_minor == 5_000
    assert bench.leave(wanted).settled == told_before.settled


def test_moving_needs_a_reason(bench: Bench) -> None:
    with pytest.raises(ReasonMissing):
        bench.leave(leaving(bench.home, register_wh=0), actor=replace(ANA, why=" "))


def test_money_that_comes_for_who_has_left_goes_to_suspense(bench: Bench) -> None:
    home = bench.homes[1]
    ordered(bench.store, home)
    left = bench.leave(leaving(home, register_wh=0))

    (outcome,) = vend.accept_payments(bench.store, [a_notice()], now=NOON + 12 * MINUTE)

    assert outcome is vend.Outcome.ACCOUNT_CLOSED
    assert bench.codes(home.account_id, "suspense") == [-5_000]
    assert bench.view(left.opened_account_id).holdings.delivered_minor == 0
    assert bench.broken() == []


def test_orders_of_who_has_left_expire(bench: Bench) -> None:
    home = bench.homes[1]
    attempt = ordered(bench.store, home)

    bench.leave(leaving(home, register_wh=0))

    with bench.store.transaction() as tx:
        kept = tx.attempt(attempt.attempt_id)
    assert kept is not None and kept.state is AttemptState.EXPIRED


def test_a_house_is_not_moved_out_and_a_tenant_is_not_moved_in_upon(bench: Bench) -> None:
    left = bench.leave(leaving(bench.home, register_wh=0))

    with pytest.raises(NobodyToMoveOut):
        bench.leave(leaving(at(bench.home, left.opened_account_id), register_wh=0), name="again")
    with pytest.raises(SomebodyLivesThere):
        bench.come(MoveIn(account_id=bench.homes[1].account_id, name="Rosa", shown=Shown(register_wh=0)))


def test_what_nobody_has_heard_of_cannot_move(bench: Bench) -> None:
    with pytest.raises(AccountUnknown):
        bench.leave(MoveOut(account_id=9_999))


def test_odd_amounts_names_and_tills_are_refused(bench: Bench) -> None:
    left = bench.leave(leaving(bench.home, register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))

    with pytest.raises(NameOdd):
        bench.come(replace(coming, name="  "))
    with pytest.raises(AmountNegative) as refused:
        bench.come(replace(coming, deposit_minor=-1))
    with pytest.raises(TillUnknown):
        bench.come(replace(coming, deposit_minor=100, till="somebody's"))
    with pytest.raises(DepositTooSmall):
        bench.leave(replace(leaving(bench.homes[1], register_wh=0), withheld_minor=1), name="other")
    assert refused.value.field == "deposit_minor"


def test_somebody_with_several_meters_leaves_one(bench: Bench) -> None:
    bench.leave(leaving(bench.homes[1], register_wh=0))

    assert bench.view(bench.homes[3].account_id).account.period.end is None


def test_persons_are_the_tenants_and_the_contracted_power_is_the_places(bench: Bench) -> None:
    left = bench.leave(leaving(bench.homes[1], register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))

    came = bench.come(replace(coming, terms=Terms(persons=5)))

    assert bench.view(came.opened_account_id).terms_at(NOON).persons == 5


def test_contacts_are_the_tenants_and_end_with_the_account(bench: Bench) -> None:
    left = bench.leave(leaving(bench.homes[1], register_wh=0))
    reached = Reached(channel=Channel.EMAIL, address="rosa@example.org", language=Language.SPANISH)
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))
    came = bench.come(replace(coming, reached=reached))

    gone = bench.leave(
        leaving(at(bench.homes[1], came.opened_account_id), register_wh=0),
        name="again",
        now=NOON + 15 * MINUTE,
    )

    with bench.store.transaction() as tx:
        (contact,) = tx.messages.contacts_of([came.opened_account_id or 0])
        assert tx.messages.contacts_of([gone.opened_account_id or 0]) == []
    assert (contact.address, contact.opted_out_at) == ("rosa@example.org", NOON + 15 * MINUTE)


def test_steps_of_the_platform_begin_anew_or_go_on_as_is_wanted(stepped: Bench) -> None:
    home = stepped.homes[1]
    left = stepped.leave(leaving(home, register_wh=20_000, rest=Rest.BOOKED))
    assert left.settled["balance_minor"] == -(10 * 50 + 10 * 80)
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=20_000))

    came = stepped.come(coming)
    told(stepped.store, home, at=NOON + timedelta(hours=1), energy_wh=24_000, relay=Relay.CLOSED)

    assert stepped.view(came.opened_account_id).holdings.delivered_minor == -4 * 50


def test_steps_that_are_inherited_go_on(stepped: Bench) -> None:
    home = stepped.homes[1]
    told(stepped.store, home, at=NOON + MINUTE, energy_wh=4_000, relay=Relay.CLOSED)
    left = stepped.leave(leaving(home, register_wh=4_000, rest=Rest.BOOKED))
    told(stepped.store, home, at=NOON + 10.9 * MINUTE, energy_wh=16_000, relay=Relay.CLOSED)
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=16_000))

    came = stepped.come(replace(coming, steps=Steps.INHERIT))
    told(stepped.store, home, at=NOON + timedelta(hours=1), energy_wh=17_000, relay=Relay.CLOSED)

    assert stepped.view(came.opened_account_id).holdings.delivered_minor == -80
    assert stepped.broken(now=NOON + timedelta(hours=1)) == []


def test_a_meter_that_deducts_goes_on_in_its_steps_whoever_lives_there(stepped: Bench) -> None:
    stepped.money_in(stepped.home, amount_minor=50_000)
    left = stepped.leave(leaving(stepped.home, register_wh=20_000))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=20_000))

    with pytest.raises(StepsAreTheMeters) as refused:
        stepped.come(replace(coming, steps=Steps.RESET))
    came = stepped.come(coming)
    told(stepped.store, stepped.home, at=NOON + timedelta(hours=1), energy_wh=21_000, relay=Relay.CLOSED)

    begun_minor = came.settled["taken_over_minor"]
    assert refused.value.field == "steps"
    assert stepped.view(came.opened_account_id).holdings.delivered_minor == begun_minor - 80
    assert stepped.broken(now=NOON + timedelta(hours=1)) == []


# Rooms.


def an_exchange(bench: Bench, one: int, other: int, *, rest: Rest = Rest.CASH) -> Exchange:
    return Exchange(
        account_id=bench.homes[one].account_id,
        other_account_id=bench.homes[other].account_id,
        shown=Shown(register_wh=0),
        other_shown=Shown(register_wh=0),
        rest=rest,
    )


def test_two_rooms_of_the_platform_are_exchanged_and_balances_go_along(bench: Bench) -> None:
    bench.money_in(bench.homes[1], amount_minor=5_000, name="one")
    bench.money_in(bench.homes[3], amount_minor=2_000, name="three")

    mine, others = exchanging.exchange_rooms(
        bench.store, an_exchange(bench, 1, 3), actor=ANA, move_id=an_id("swap"), now=NOON + 10 * MINUTE
    )

    assert bench.view(mine.opened_account_id).holdings.delivered_minor == 5_000
    assert bench.view(mine.opened_account_id).account.supply_point == "flat 4"
    assert bench.view(others.opened_account_id).holdings.delivered_minor == 2_000
    assert (mine.settled["rest_minor"], bench.moved_minor()) == (0, 0)
    assert bench.broken() == []


def test_who_finds_more_in_the_meter_pays_the_difference(bench: Bench) -> None:
    bench.money_in(bench.homes[0], amount_minor=5_000, name="one")
    bench.money_in(bench.homes[2], amount_minor=2_000, name="three")

    mine, others = exchanging.exchange_rooms(
        bench.store, an_exchange(bench, 0, 2), actor=ANA, move_id=an_id("swap"), now=NOON + 10 * MINUTE
    )

    assert (mine.settled["rest_minor"], others.settled["rest_minor"]) == (3_000, -3_000)
    assert bench.view(mine.opened_account_id).holdings.delivered_minor == 2_000
    assert bench.view(others.opened_account_id).holdings.delivered_minor == 5_000
    assert bench.codes(mine.opened_account_id, cash(TILL)) == [-3_000]
    assert bench.codes(others.opened_account_id, cash(TILL)) == [3_000]
    assert bench.moved_minor() == 0
    assert bench.broken() == []


def test_a_debt_stays_where_it_was_made(bench: Bench) -> None:
    exchange = an_exchange(bench, 1, 3)

    mine, _ = exchanging.exchange_rooms(
        bench.store,
        replace(exchange, shown=Shown(register_wh=8_000)),
        actor=ANA,
        move_id=an_id("swap"),
        now=NOON + 10 * MINUTE,
    )

    assert bench.codes(bench.homes[1].account_id, OWED, "delivered") == [400, 0]
    assert bench.view(mine.opened_account_id).holdings.delivered_minor == 0
    assert bench.moved_minor() == 0


def test_a_room_is_not_exchanged_for_itself(bench: Bench) -> None:
    with pytest.raises(SameRoom):
        exchanging.exchange_rooms(
            bench.store, an_exchange(bench, 1, 1), actor=ANA, move_id=an_id("swap"), now=NOON + 10 * MINUTE
        )


def test_moving_in_can_be_rehearsed(bench: Bench) -> None:
    left = bench.leave(leaving(bench.home, register_wh=0))
    coming = MoveIn(account_id=left.opened_account_id or 0, name="Rosa", shown=Shown(register_wh=0))

    rehearsed = moving_in.rehearse_in(
        bench.store, coming, models=MODELS, actor=ANA, move_id=an_id("in"), now=NOON + 12 * MINUTE
    )

    assert bench.view(left.opened_account_id).account.period.end is None
    assert bench.come(coming).settled == rehearsed.settled
