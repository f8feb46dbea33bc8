"""What meters say becomes charges and warnings; what cannot be believed is held, with a case."""

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    a_town,
    an_id,
    paid,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.ledger import PostingKind
from compuerta.domain.tariff.flat import price_fraction
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import holding, observe
from compuerta.services.acting import Actor
from compuerta.services.records import Holdings

ANA = Actor(who="ana", why="the register was read on site", origin="console")


def a_home(store: MemoryStore, *, paid_minor: int = 10_000, register_wh: int | None = 0) -> Home:
    home = a_town(store, authorities=(PLATFORM,), register_wh=register_wh).homes[0]
    if paid_minor:
        paid(store, home, amount_minor=paid_minor)
    return home


def holdings(store: MemoryStore, home: Home) -> Holdings:
    return the_view(store, home.account_id).holdings


def case_kinds(store: MemoryStore) -> list[str]:
    return [case.kind for case in store.tables.cases.values()]


def release(store: MemoryStore, home: Home) -> None:
    holding.release_billing(store, home.account_id, actor=ANA, audit_id=an_id("release"), now=NOON + HOUR)


def test_use_is_charged_from_the_balance() -> None:
    store = MemoryStore()
    home = a_home(store)

    told(store, home, at=NOON + HOUR, energy_wh=10_000)

    kept = holdings(store, home)
    assert (kept.delivered_minor, kept.register_wh, kept.billed_wh) == (10_000 - 530, 10_000, 10_000)
    (charge,) = store.tables.charges.values()
    assert (charge.from_wh, charge.to_wh, charge.bill_before_minor, charge.bill_after_minor) == (
        0,
        10_000,
        0,
        530,
    )


@settings(max_examples=50)
@given(
    price=st.decimals(min_value=0, max_value=99, places=4).map(str),
    steps_wh=st.lists(st.integers(min_value=0, max_value=5_000), min_size=1, max_size=20),
)
def test_charges_over_any_split_of_readings_add_up_to_the_bill(price: str, steps_wh: list[int]) -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,), price_per_kwh=price).homes[0]
    paid(store, home, amount_minor=10_000)

    for number, energy_wh in enumerate(accumulate(steps_wh), start=1):
        told(store, home, at=NOON + number * HOUR, energy_wh=energy_wh)

    bill = int(price_fraction(price) * sum(steps_wh) / 10 + Fraction(1, 2))
    charges = [charge.bill_after_minor - charge.bill_before_minor for charge in store.tables.charges.values()]
    assert sum(charges) == bill
    assert all(charge >= 0 for charge in charges)
    assert holdings(store, home).delivered_minor == 10_000 - bill


def test_a_report_twice_is_a_report_once() -> None:
    store = MemoryStore()
    home = a_home(store)
    report = observe.MeterReport(meter_id=home.meter_id, at=NOON + HOUR, state=MeterState(energy_wh=10_000))

    observe.take_readings(store, [report, report], now=NOON + HOUR)
    observe.take_readings(store, [report], now=NOON + HOUR)

    assert holdings(store, home).delivered_minor == 10_000 - 530
    assert len(store.tables.readings) == len(store.tables.charges) == 1


def test_reports_of_a_batch_are_taken_in_the_order_of_their_instants() -> None:
    store = MemoryStore()
    home = a_home(store)
    reports = [
        observe.MeterReport(
            meter_id=home.meter_id, at=NOON + hours * HOUR, state=MeterState(energy_wh=hours * 1_000)
        )
        for hours in (3, 1, 2)
    ]

    observe.take_readings(store, reports, now=NOON + 3 * HOUR)

    assert [(charge.from_wh, charge.to_wh) for charge in store.tables.charges.values()] == [
        (0, 1_000),
        (1_000, 2_000),
        (2_000, 3_000),
    ]
    assert case_kinds(store) == []


def test_an_older_report_than_the_last_changes_nothing() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000, relay=Relay.CLOSED)
    before = the_view(store, home.account_id)

    told(store, home, at=NOON + HOUR - SECOND, energy_wh=9_000, relay=Relay.OPEN)

    assert the_view(store, home.account_id) == before
    assert case_kinds(store) == []


def test_what_a_clock_that_was_ahead_has_kept_silences_nobody() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + 2 * HOUR, energy_wh=10_000, relay=Relay.OPEN)  # the clock is put right now

    told(store, home, at=NOON + SECOND, energy_wh=10_000, relay=Relay.CLOSED)

    snapshot = the_view(store, home.account_id).snapshot
    assert snapshot is not None
    assert (snapshot.relay, snapshot.read_at) == (Relay.CLOSED, NOON + SECOND)
    assert case_kinds(store) == ["register_from_the_future"]  # how long the use took is not known


def test_silence_is_not_a_reading() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000, relay=Relay.CLOSED)
    before = the_view(store, home.account_id)

    told(store, home, at=NOON + 2 * HOUR)

    assert the_view(store, home.account_id) == before
    assert len(store.tables.readings) == 1


def test_what_was_not_asked_is_not_forgotten() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000, relay=Relay.CLOSED)

    told(store, home, at=NOON + 2 * HOUR, balance_minor=0)

    snapshot = the_view(store, home.account_id).snapshot
    assert snapshot is not None
    assert (snapshot.energy_wh, snapshot.relay, snapshot.read_at) == (10_000, Relay.CLOSED, NOON + 2 * HOUR)
    assert holdings(store, home).register_wh == 10_000


def test_a_meter_that_nobody_has_an_account_for_is_not_charged() -> None:
    store = MemoryStore()
    home = a_home(store)
    stranger = observe.MeterReport(meter_id=999, at=NOON + HOUR, state=MeterState(energy_wh=10_000))

    observe.take_readings(store, [stranger], now=NOON + HOUR)

    assert holdings(store, home).delivered_minor == 10_000
    assert store.tables.readings == {}


def test_a_report_that_waited_for_a_move_is_not_charged_to_who_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    before, after = a_town(store, authorities=(PLATFORM, PLATFORM), register_wh=0).homes
    stale = {before.meter_id: after.account_id}  # read before somebody exchanged the rooms
    with store.transaction() as tx:
        monkeypatch.setattr(type(tx), "accounts_of_meters", lambda _self, _meter_ids: stale)

    told(store, before, at=NOON + HOUR, energy_wh=10_000)

    assert store.tables.readings == {}
    assert holdings(store, after).register_wh == 0


def test_the_first_reading_of_an_account_is_where_billing_starts() -> None:
    store = MemoryStore()
    home = a_home(store, register_wh=None)

    told(store, home, at=NOON + HOUR, energy_wh=7_000_000)
    told(store, home, at=NOON + 2 * HOUR, energy_wh=7_001_000)

    assert holdings(store, home).billed_wh == 1_000
    assert case_kinds(store) == []


def test_a_step_is_judged_against_the_instant_at_which_the_register_was_read() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000)
    # An answer without the register, such as a switch's, comes a second before the next reading.
    told(store, home, at=NOON + 24 * HOUR - SECOND, relay=Relay.CLOSED)

    told(store, home, at=NOON + 24 * HOUR, energy_wh=20_000)

    assert case_kinds(store) == []
    assert holdings(store, home).billed_wh == 20_000


@pytest.mark.parametrize(("energy_wh", "kind"), [(9_990, "register_backwards"), (9_000_000, "register_jump")])
def test_a_register_that_cannot_be_believed_holds_billing_and_opens_a_case(energy_wh: int, kind: str) -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000)

    told(store, home, at=NOON + 2 * HOUR, energy_wh=energy_wh)
    told(store, home, at=NOON + 3 * HOUR, energy_wh=energy_wh + 10)
    told(store, home, at=NOON + 4 * HOUR, energy_wh=10_010)

    kept = holdings(store, home)
    assert (kept.billing_held, kept.register_wh, kept.billed_wh) == (True, 10_000, 10_000)
    assert kept.delivered_minor == 10_000 - 530
    assert case_kinds(store) == [kind]


def test_a_reading_from_the_future_holds_billing() -> None:
    store = MemoryStore()
    home = a_home(store)
    report = observe.MeterReport(meter_id=home.meter_id, at=NOON + HOUR, state=MeterState(energy_wh=10_000))

    observe.take_readings(store, [report], now=NOON)

    assert holdings(store, home).billing_held
    assert holdings(store, home).delivered_minor == 10_000
    assert case_kinds(store) == ["register_from_the_future"]


def test_nobody_is_cut_on_a_doubt() -> None:
    store = MemoryStore()
    home = a_home(store, paid_minor=0)
    told(store, home, at=NOON + HOUR, energy_wh=0, relay=Relay.OPEN)
    store.tables.instructions.clear()
    told(store, home, at=NOON + 2 * HOUR, energy_wh=90_000_000, relay=Relay.CLOSED)

    told(store, home, at=NOON + 3 * HOUR, relay=Relay.CLOSED)

    snapshot = the_view(store, home.account_id).snapshot
    assert snapshot is not None
    assert (snapshot.wanted_closed, snapshot.wanted_reason) == (True, "billing_held")
    assert store.tables.instructions == {}


def test_billing_that_was_released_goes_on_from_the_register_as_it_stands() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000)
    told(store, home, at=NOON + 2 * HOUR, energy_wh=500)

    release(store, home)
    told(store, home, at=NOON + 3 * HOUR, energy_wh=1_500)

    kept = holdings(store, home)
    assert (kept.billing_held, kept.register_wh, kept.billed_wh) == (False, 1_500, 11_000)
    assert kept.delivered_minor == 10_000 - 583
    assert [(row.what, row.why) for row in store.tables.audit] == [("release billing", ANA.why)]


def test_a_second_doubt_at_the_same_register_value_opens_a_second_case() -> None:
    store = MemoryStore()
    home = a_home(store)
    told(store, home, at=NOON + HOUR, energy_wh=10_000)
    told(store, home, at=NOON + 2 * HOUR, energy_wh=500)
    told(store, home, at=NOON + 3 * HOUR, energy_wh=10_000)
    release(store, home)

    told(store, home, at=NOON + 4 * HOUR, energy_wh=500)

    assert holdings(store, home).billing_held
    assert case_kinds(store) == ["register_backwards", "register_backwards"]


def test_a_balance_warns_once_at_each_level_on_its_way_down() -> None:
    store = MemoryStore()
    home = a_home(store, paid_minor=6_000)
    tenth_yuan_wh = 19  # about 0.01 yuan per Wh at 0.5300: 1887 Wh are one yuan

    for hour, spent_yuan in enumerate((5, 15, 20, 39, 41, 45, 51, 55), start=1):
        told(store, home, at=NOON + hour * HOUR, energy_wh=spent_yuan * 100 * tenth_yuan_wh)

    assert [(warned.level, warned.at) for warned in store.tables.warnings] == [
        ("money:5000", NOON + 2 * HOUR),
        ("money:2000", NOON + 5 * HOUR),
        ("money:1000", NOON + 7 * HOUR),
    ]


def test_a_big_step_down_warns_once_of_the_lowest_level() -> None:
    store = MemoryStore()
    home = a_home(store, paid_minor=6_000)

    told(store, home, at=NOON + HOUR, energy_wh=100_000)

    (warned,) = store.tables.warnings
    assert (warned.level, warned.balance_minor) == ("money:1000", 700)


def test_a_recharge_arms_the_warnings_again() -> None:
    store = MemoryStore()
    home = a_home(store, paid_minor=6_000)
    told(store, home, at=NOON + HOUR, energy_wh=20_000)
    paid(store, home, name="2", amount_minor=1_000, now=NOON + HOUR)

    told(store, home, at=NOON + 2 * HOUR, energy_wh=40_000)

    assert [warned.level for warned in store.tables.warnings] == ["money:5000", "money:5000"]


def test_a_meter_with_its_own_credit_warns_by_the_balance_that_it_shows() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    for hour, balance_minor in enumerate((5_100, 4_900, 4_800, 1_900), start=1):
        told(store, home, at=NOON + hour * HOUR, balance_minor=balance_minor)

    assert [(warned.level, warned.balance_minor) for warned in store.tables.warnings] == [
        ("money:5000", 4_900),
        ("money:2000", 1_900),
    ]


def test_use_that_costs_less_than_a_minor_unit_is_kept_and_posts_nothing() -> None:
    store = MemoryStore()
    home = a_home(store)

    told(store, home, at=NOON + HOUR, energy_wh=5)

    assert holdings(store, home).billed_wh == 5
    assert all(posting.kind is not PostingKind.CHARGE for posting in store.tables.postings.values())
