"""An outpost that is cut off: nothing is lost, nothing is taken twice, and credit control goes on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.domain.tariff.parts import a_tariff, an_energy
from tests.unit.services.outpost_yard import POST, Yard, a_virtual, a_yard, register_wh
from tests.unit.services.town import METER, NOON, a_hold, paid, the_view

from compuerta.domain.instruction import OPEN, Kind, State
from compuerta.domain.supply import HoldKind, Reason
from compuerta.drivers.abilities import Relay
from compuerta.services.forwarding import Record
from compuerta.services.outpost_port import Outpost
from compuerta.services.records import MeterSnapshot

HOUR = timedelta(hours=1)


def an_outpost(yard: Yard) -> Outpost:
    return yard.store.tables.outposts[POST]


def balance_minor(yard: Yard, number: int = 0) -> int:
    return the_view(yard.store, yard.homes[number].account_id, now=yard.now).balance_minor


def snapshot(yard: Yard, number: int = 0) -> MeterSnapshot:
    return yard.store.tables.snapshots[yard.homes[number].meter_id]


def cuts(records: Sequence[Record]) -> list[Record]:
    return [each for each in records if each.cut is not None]


def open_switches(yard: Yard) -> list[bool | None]:
    return [
        each.relay_closed
        for each in yard.store.tables.instructions.values()
        if each.kind is Kind.SWITCH and each.state in OPEN
    ]


def in_credit(yard: Yard, *, amount_minor: int) -> None:
    """Let everybody pay, and the platform read once before it goes away."""
    for number, home in enumerate(yard.homes):
        paid(yard.store, home, name=str(number), amount_minor=amount_minor, now=yard.now)
    with yard.store.transaction() as tx:
        switches = list(yard.store.tables.instructions.values())
        tx.save_instructions([replace(each, state=State.DONE, ended_at=yard.now) for each in switches])
    yard.read_by_platform()


def test_an_hour_alone_is_forwarded_whole_and_charged_to_the_last_cent() -> None:
    yard = a_yard(powers_w=(2_000, 1_000))
    in_credit(yard, amount_minor=10_000)

    yard.cut_off()
    yard.run_for(HOUR)
    kept_no = yard.come_back()

    assert kept_no == len(yard.journal) == 8  # four rounds of two meters
    assert len(yard.store.tables.readings) == 2 + 8
    used_wh = [yard.store.tables.holdings[home.account_id].billed_wh for home in yard.homes]
    assert used_wh == pytest.approx([1_500, 750], abs=20)
    assert [10_000 - balance_minor(yard, number) for number in (0, 1)] == [round(wh / 10) for wh in used_wh]
    assert open_switches(yard) == []


def test_records_that_are_sent_twice_are_taken_once() -> None:
    yard = a_yard()
    in_credit(yard, amount_minor=10_000)
    yard.cut_off()
    yard.run_for(HOUR)
    yard.come_back()
    charges, balance = len(yard.store.tables.charges), balance_minor(yard)

    again = yard.forward(yard.journal)
    overlapping = yard.forward(yard.journal[1:])

    assert again == overlapping == len(yard.journal)
    assert (len(yard.store.tables.charges), balance_minor(yard)) == (charges, balance)


def test_a_relay_is_opened_at_the_register_at_which_credit_ends() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)  # one kWh: half an hour

    yard.cut_off()
    yard.run_for(HOUR)

    (record,) = cuts(yard.journal)
    assert record.cut is not None
    assert yard.meters[0].core.relay is Relay.OPEN
    assert record.cut.ends_wh == 1_000
    # Between two looks near the end, half a minute at two kilowatts.
    assert 1_000 <= record.cut.register_wh <= 1_000 + 30
    assert record.state.relay is Relay.OPEN


def test_a_modbus_meter_is_read_and_opened_too() -> None:
    yard = a_yard(powers_w=(2_000,), modbus="generic")
    in_credit(yard, amount_minor=100)

    yard.cut_off()
    yard.run_for(HOUR)

    (record,) = cuts(yard.journal)
    assert record.state.relay is Relay.OPEN
    assert yard.meters[0].core.relay is Relay.OPEN


def test_a_meter_that_does_not_answer_the_cut_is_cut_when_it_answers_again() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(timedelta(minutes=29))
    yard.meters[0].silent = True
    yard.run_for(timedelta(minutes=10))
    assert cuts(yard.journal) == []

    yard.meters[0].silent = False
    yard.run_for(timedelta(minutes=16))

    (record,) = cuts(yard.journal)
    assert record.state.relay is Relay.OPEN


def test_a_relay_that_somebody_closes_by_hand_is_opened_again() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(HOUR)

    yard.meters[0].core.close(operator=bytes(4))
    yard.run_for(HOUR)

    assert len(cuts(yard.journal)) == 2
    assert yard.meters[0].core.relay is Relay.OPEN


def test_the_platform_adopts_a_cut_and_does_not_light_who_owes() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(HOUR)

    yard.come_back()

    assert balance_minor(yard) <= 0
    assert (snapshot(yard).relay, snapshot(yard).wanted_closed) == (Relay.OPEN, False)
    assert open_switches(yard) == []
    assert [change.closed for change in yard.store.tables.supply_changes][-1] is False


def test_who_paid_meanwhile_is_lit_when_the_platform_is_back() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(HOUR)
    paid(yard.store, yard.homes[0], name="meanwhile", amount_minor=5_000, now=yard.now)

    yard.come_back()

    assert snapshot(yard).wanted_closed is True
    assert open_switches(yard) == [True]


def test_a_cut_that_is_told_late_is_not_adopted_over_what_was_decided_since() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(HOUR)
    with yard.store.transaction() as tx:
        lent = replace(a_hold(yard.homes[0]), kind=HoldKind.TEMPORARY, start=yard.now)
        tx.put_hold(lent)
        tx.save_snapshots(
            [replace(snapshot(yard), wanted_closed=True, wanted_reason=Reason.TEMPORARY_SUPPLY.value)]
        )
    before = len(yard.store.tables.supply_changes)

    yard.come_back()

    assert cuts(yard.journal)
    assert snapshot(yard).wanted_closed is True
    assert len(yard.store.tables.supply_changes) == before


@pytest.mark.parametrize("kind", [HoldKind.PROTECTED, HoldKind.TEMPORARY])
def test_what_a_hold_keeps_on_stays_on(kind: HoldKind) -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    with yard.store.transaction() as tx:
        tx.put_hold(replace(a_hold(yard.homes[0]), kind=kind))

    yard.cut_off()
    yard.run_for(2 * HOUR)

    assert yard.meters[0].core.relay is Relay.CLOSED
    assert cuts(yard.journal) == []


def test_who_was_lit_after_the_mandate_was_given_is_not_cut_by_it() -> None:
    yard = a_yard(powers_w=(2_000,))
    yard.read_by_platform()  # nobody has paid: it is to be off
    stale = yard.orders()
    assert stale.mandates[yard.homes[0].meter_id].view.snapshot is not None
    paid(yard.store, yard.homes[0], name="just now", amount_minor=5_000, now=yard.now)

    yard.caretaker.take_orders(stale)
    yard.caretaker.take(1, byte_us=0, now_ms=yard.now_ms)
    yard.run_for(HOUR)

    assert len(yard.journal) > 1
    assert cuts(yard.journal) == []
    assert yard.meters[0].core.relay is Relay.CLOSED


def test_a_temporary_supply_ends_by_the_clock_without_the_platform() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    ends_at = yard.now + timedelta(minutes=65)  # between two rounds
    with yard.store.transaction() as tx:
        hold = replace(a_hold(yard.homes[0]), kind=HoldKind.TEMPORARY, end=ends_at)
        tx.put_hold(hold)

    yard.cut_off()
    yard.run_for(2 * HOUR)

    (record,) = cuts(yard.journal)
    assert ends_at <= record.at <= ends_at + timedelta(minutes=1)


def test_a_register_that_jumps_cuts_nobody() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(timedelta(minutes=20))

    yard.meters[0] = a_virtual(1, power_w=2_000, energy_wh=900_000)  # somebody hung up another one
    yard.run_for(2 * HOUR)

    assert yard.meters[0].core.relay is Relay.CLOSED
    assert cuts(yard.journal) == []


def test_a_meter_that_holds_its_own_credit_is_read_and_never_opened() -> None:
    yard = a_yard(powers_w=(2_000,), authority=METER)
    yard.read_by_platform()

    yard.cut_off()
    yard.run_for(HOUR)

    assert len(yard.journal) == 4
    assert yard.orders().mandates == {}


def test_a_meter_with_another_way_is_never_opened_by_the_outpost() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    with yard.store.transaction() as tx:
        tx.roads.put_ways({yard.homes[0].meter_id: ["bus"]})

    yard.cut_off()
    yard.run_for(HOUR)

    assert yard.orders().mandates == {}
    assert yard.meters[0].core.relay is Relay.CLOSED


@pytest.mark.parametrize("change", [{"cuts": False}, {"mandate_h": 1}])
def test_an_outpost_opens_nothing_beyond_what_it_was_told(change: dict[str, int]) -> None:
    yard = a_yard(powers_w=(400,))
    in_credit(yard, amount_minor=100)  # two and a half hours
    with yard.store.transaction() as tx:
        tx.outposts.put(replace(an_outpost(yard), **change))  # type: ignore[arg-type]

    yard.cut_off()
    yard.run_for(4 * HOUR)

    assert yard.meters[0].core.relay is Relay.CLOSED
    assert register_wh(yard.meters[0]) > 1_000
    assert len(yard.journal) == 16


def test_a_clock_behind_the_platforms_word_notes_and_decides_nothing() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    orders = yard.orders()
    yard.caretaker.take_orders(replace(orders, issued_at=orders.issued_at + 24 * HOUR))
    yard.caretaker.take(1, byte_us=0, now_ms=yard.now_ms)

    yard.run_for(HOUR)

    assert yard.journal == []
    assert yard.said == []


def test_on_a_line_that_is_lent_an_outpost_says_nothing() -> None:
    yard = a_yard()
    in_credit(yard, amount_minor=100)
    yard.cut_off()
    yard.run_for(timedelta(minutes=1))
    yard.come_back()
    said = len(yard.said)

    yard.run_for(HOUR)

    assert len(yard.said) == said


def test_steps_are_reckoned_as_the_platform_reckons_them() -> None:
    tariff = a_tariff(an_energy(("0.50", "1.50"), bounds_wh=(400,)))
    yard = a_yard(powers_w=(2_000,), tariff=tariff)
    in_credit(yard, amount_minor=140)

    yard.cut_off()
    yard.run_for(HOUR)
    yard.come_back()

    (record,) = cuts(yard.journal)
    assert record.cut is not None
    # 400 Wh for 20, and 800 Wh for 120.
    assert record.cut.ends_wh == 1_200
    assert balance_minor(yard) == pytest.approx(record.cut.balance_minor, abs=4)


def settled(yard: Yard, document: str) -> None:
    with yard.store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=yard.homes[0].account_id, document=document)


def test_nobody_is_cut_in_friendly_hours_and_the_cut_comes_after_them() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    settled(yard, '{"friendly_slots": ["12:00-14:00"]}')  # it is noon

    yard.cut_off()
    yard.run_for(3 * HOUR)

    (record,) = cuts(yard.journal)
    assert NOON + 2 * HOUR <= record.at <= NOON + 2 * HOUR + timedelta(minutes=1)


def test_a_last_chance_that_ran_at_the_outpost_is_not_given_again() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    settled(yard, '{"last_chance_min": 30}')

    yard.cut_off()
    yard.run_for(2 * HOUR)
    yard.come_back()

    (record,) = cuts(yard.journal)
    assert record.cut is not None
    assert record.at >= record.cut.out_since + timedelta(minutes=30)
    told = [(change.at, change.reason) for change in yard.store.tables.supply_changes][-2:]
    assert told == [(record.cut.out_since, "last_chance"), (record.at, "out_of_credit")]
    assert snapshot(yard).wanted_closed is False
    assert open_switches(yard) == []


def test_a_last_chance_that_the_platform_gave_ends_at_the_outpost_for_both() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    settled(yard, '{"last_chance_min": 60}')
    yard.run_for(timedelta(minutes=40))
    yard.read_by_platform()
    assert snapshot(yard).wanted_reason == Reason.LAST_CHANCE.value
    before = len(yard.store.tables.supply_changes)

    yard.cut_off()
    yard.run_for(2 * HOUR)
    yard.come_back()

    (record,) = cuts(yard.journal)
    told = [(change.at, change.reason) for change in yard.store.tables.supply_changes][before:]
    assert told == [(record.at, "out_of_credit")]


def test_emergency_credit_that_comes_by_itself_comes_at_the_outpost_too() -> None:
    yard = a_yard(powers_w=(2_000,))
    in_credit(yard, amount_minor=100)
    settled(yard, '{"emergency_minor": 50, "emergency_automatic": true}')

    yard.cut_off()
    yard.run_for(HOUR)

    (record,) = cuts(yard.journal)
    assert record.cut is not None
    assert 1_500 <= record.cut.register_wh <= 1_530
