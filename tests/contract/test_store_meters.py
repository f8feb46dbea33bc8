"""The store port: readings, snapshots, and the rows that people look at."""

from dataclasses import replace

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_delivery,
    a_town,
    an_id,
    an_opening,
    the_view,
)

from compuerta.drivers.abilities import Relay
from compuerta.services.records import (
    ALARM_OTHERS,
    ALARMS_PER_KIND_MAX,
    Alarm,
    AuditEntry,
    Case,
    Inbound,
    LoadDay,
    MeterSnapshot,
    Reading,
    Warned,
)
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


def a_reading(home: Home, *, energy_wh: int | None = 1_000) -> Reading:
    return Reading(
        meter_id=home.meter_id,
        at=NOON,
        energy_wh=energy_wh,
        balance_minor=-5,
        relay=Relay.CLOSED,
        purchase_no=1,
        power_w=100,
    )


def a_case(account_id: int, *, detail: str = "10 Wh, then 5 Wh") -> Case:
    return Case(
        account_id=account_id,
        case_id=an_id("case"),
        kind="register_backwards",
        detail=detail,
        opened_at=NOON,
    )


def an_inbound(name: str = "inbound") -> Inbound:
    return Inbound(
        inbound_id=an_id(name),
        provider="wechat",
        heard_at=NOON,
        headers={"wechatpay-nonce": "abc"},
        body=b'{"id": "\xe4\xb8\xad"}\x00\xff',
        verdict="genuine",
    )


def an_audit_entry(town: Town) -> AuditEntry:
    return AuditEntry(
        organisation_id=town.organisation_id,
        audit_id=an_id("audit"),
        at=NOON,
        who="ana",
        what="place administrator hold",
        why="works in the shaft",
        origin="console",
        subject="account 1",
        before="on: in_credit",
        after="off: administrator_hold",
    )


def test_a_reading_of_an_instant_is_kept_once(shelf: Shelf) -> None:
    home = a_town(shelf.store).homes[0]
    with shelf.store.transaction() as tx:
        tx.put_readings([a_reading(home), a_reading(home)])

    with shelf.store.transaction() as tx:
        tx.put_readings([a_reading(home, energy_wh=None), replace(a_reading(home), at=NOON + SECOND)])

    assert shelf.count("reading") == 2


def test_a_register_below_nothing_is_refused(store: Store) -> None:
    home = a_town(store).homes[0]

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_readings([a_reading(home, energy_wh=-1)])


def test_a_saved_snapshot_comes_back_but_for_the_purchase_number(store: Store) -> None:
    home = a_town(store).homes[0]
    with store.transaction() as tx:
        tx.put_instructions([a_delivery(home, purchase_no=1)])
    snapshot = MeterSnapshot(
        purchase_no=3,
        meter_id=home.meter_id,
        purchase_no_last=99,
        wanted_closed=True,
        wanted_reason="in_credit",
        relay=Relay.PERMITTED,
        energy_wh=1_000,
        balance_minor=-5,
        power_w=0,
        flags=frozenset({"cover_open", "pre_trip_alarm"}),
        read_at=NOON,
        heard_at=NOON + SECOND,
    )

    with store.transaction() as tx:
        tx.save_snapshots([snapshot])

    assert the_view(store, home.account_id).snapshot == replace(snapshot, purchase_no_last=1)


def test_a_snapshot_can_forget_what_is_not_known_any_more(store: Store) -> None:
    home = a_town(store).homes[0]
    with store.transaction() as tx:
        tx.save_snapshots([MeterSnapshot(meter_id=home.meter_id, wanted_closed=True, relay=Relay.OPEN)])

    with store.transaction() as tx:
        tx.save_snapshots([MeterSnapshot(meter_id=home.meter_id)])

    assert the_view(store, home.account_id).snapshot == MeterSnapshot(meter_id=home.meter_id)


def test_a_case_is_opened_once(shelf: Shelf) -> None:
    home = a_town(shelf.store).homes[0]

    with shelf.store.transaction() as tx:
        tx.put_cases([a_case(home.account_id)])
        tx.put_cases([a_case(home.account_id, detail="said again")])

    assert shelf.count("case_file") == 1


def test_repeats_of_an_alarm_are_counted_and_not_listed(shelf: Shelf) -> None:
    alarm = Alarm(kind="notice_forged", subject="wechat", detail="signature", at=NOON)

    with shelf.store.transaction() as tx:
        tx.put_alarms([alarm, replace(alarm, at=NOON + SECOND), replace(alarm, subject="till")])
    with shelf.store.transaction() as tx:
        tx.put_alarms([alarm])

    assert shelf.count("alarm") == 2
    assert shelf.alarm_times(kind="notice_forged", subject="wechat") == 3
    assert shelf.alarm_times(kind="notice_forged", subject="till") == 1


@pytest.mark.slow
def test_alarms_with_names_that_strangers_choose_fill_no_table(shelf: Shelf) -> None:
    flood = [
        Alarm(kind="registration_unknown", subject=f"{number}", detail="dialed", at=NOON)
        for number in range(ALARMS_PER_KIND_MAX + 5)
    ]

    with shelf.store.transaction() as tx:
        tx.put_alarms(flood)
        tx.put_alarms([flood[0], replace(flood[0], kind="notice_forged")])

    assert shelf.count("alarm") == ALARMS_PER_KIND_MAX + 2
    assert shelf.alarm_times(kind="registration_unknown", subject=ALARM_OTHERS) == 5
    assert shelf.alarm_times(kind="registration_unknown", subject="0") == 2


def test_a_warning_of_a_level_and_instant_is_kept_once(shelf: Shelf) -> None:
    home = a_town(shelf.store).homes[0]
    warned = Warned(account_id=home.account_id, level="money:2000", value=1_999, balance_minor=1_999, at=NOON)

    with shelf.store.transaction() as tx:
        tx.put_warnings([warned, replace(warned, balance_minor=1_998)])
        tx.put_warnings([warned, replace(warned, level="money:1000")])

    assert shelf.count("warning") == 2


def test_an_inbound_message_is_kept_once(shelf: Shelf) -> None:
    with shelf.store.transaction() as tx:
        tx.put_inbound([an_inbound(), an_inbound("another")])

    with pytest.raises(Conflict), shelf.store.transaction() as tx:
        tx.put_inbound([an_inbound()])

    assert shelf.count("inbound_message") == 2


def test_an_audit_row_is_written_once(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    with shelf.store.transaction() as tx:
        tx.put_audit([an_audit_entry(town)])

    with pytest.raises(Conflict), shelf.store.transaction() as tx:
        tx.put_audit([an_audit_entry(town)])

    assert shelf.count("audit") == 1


def test_a_role_that_beats_again_is_one_role(shelf: Shelf) -> None:
    for after_s in (0, 1):
        with shelf.store.transaction() as tx:
            at = NOON + after_s * SECOND
            tx.put_beat(role="gateway", instance="one", started_at=NOON, at=at)
            tx.put_beat(role="gateway", instance="two", started_at=NOON, at=at)

    assert shelf.count("role_beat") == 2


@pytest.mark.parametrize(
    ("told", "alive"),
    [
        ([("one", True)], 1),
        ([("one", True), ("one", False)], 0),
        ([("one", False), ("one", True)], 1),
        # It has dialed somebody else meanwhile: the former gateway's loss is no news.
        ([("one", True), ("two", True), ("one", False)], 1),
    ],
)
def test_the_end_of_a_road_is_as_who_holds_it_says(
    shelf: Shelf, told: list[tuple[str, bool]], alive: int
) -> None:
    a_town(shelf.store)

    for gateway, is_alive in told:
        with shelf.store.transaction() as tx:
            tx.put_ends({"bus": is_alive}, gateway=gateway, at=NOON)
            tx.put_ends({}, gateway=gateway, at=NOON)

    assert (shelf.count("endpoint_state"), shelf.ends_alive()) == (1, alive)


@pytest.mark.parametrize(("beat_after_s", "alive"), [(0, 0), (9, 1)])
def test_a_road_whose_gateway_gives_no_sign_of_life_is_lost(
    shelf: Shelf, beat_after_s: int, alive: int
) -> None:
    a_town(shelf.store)
    with shelf.store.transaction() as tx:
        tx.put_beat(role="gateway", instance="one", started_at=NOON, at=NOON + beat_after_s * SECOND)
        tx.put_ends({"bus": True}, gateway="one", at=NOON)

    with shelf.store.transaction() as tx:
        tx.lose_ends(gateways_silent_since=NOON + 5 * SECOND, at=NOON + 10 * SECOND)

    assert shelf.ends_alive() == alive


def test_empty_batches_write_nothing(shelf: Shelf) -> None:
    with shelf.store.transaction() as tx:
        tx.put_payments([])
        tx.put_recharges([])
        tx.put_instants([])
        tx.put_charges([])
        tx.save_holdings([])
        tx.put_instructions([])
        tx.save_instructions([])
        tx.save_attempts([])
        tx.put_readings([])
        tx.save_snapshots([])
        tx.put_cases([])
        tx.put_alarms([])
        tx.put_warnings([])
        tx.put_inbound([])
        tx.put_audit([])
        tx.wake([], now=NOON)

    tables = ("payment", "posting", "instruction", "reading", "case_file", "alarm", "audit")
    assert {table: shelf.count(table) for table in tables} == dict.fromkeys(tables, 0)


def test_days_of_intervals_come_back_by_meter_and_time_and_are_kept_once(store: Store) -> None:
    first, second = a_town(store, authorities=(PLATFORM, PLATFORM)).homes
    days = [
        LoadDay(meter_id=home.meter_id, starts_at=NOON + 24 * place * HOUR, minutes=60, wh=(10,) * 24)
        for home in (first, second)
        for place in range(3)
    ]
    with store.transaction() as tx:
        tx.put_load_days(days[::-1])

    with store.transaction() as tx:
        found = tx.load_days([second.meter_id, first.meter_id], since=NOON, until=NOON + 48 * HOUR)
        of_nobody = tx.load_days([], since=NOON, until=NOON + 48 * HOUR)

    assert found == [day for day in days if day.starts_at < NOON + 48 * HOUR]
    assert not of_nobody
    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_load_days(days[:1])


def test_accounts_that_are_billed_by_intervals_are_told_in_order(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        opened = [
            tx.add_account(
                an_opening(
                    town.site_id,
                    name=f"shop {place}",
                    meter_id=None,
                    tariff_id=town.tariff_id,
                    by_intervals=True,
                )
            )
            for place in range(3)
        ]

        assert tx.interval_accounts(after=0, limit=2) == opened[:2]
        assert tx.interval_accounts(after=opened[1], limit=2) == opened[2:]
        assert tx.lock_accounts(opened[:1], now=NOON)[opened[0]].by_intervals
        assert not tx.lock_accounts([town.homes[0].account_id], now=NOON)[
            town.homes[0].account_id
        ].by_intervals
