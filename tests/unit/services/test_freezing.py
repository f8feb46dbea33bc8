"""The end of a day: told, proved, supposed, missing or held; late answers open it again."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_meter_entry,
    a_town,
    an_id,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.alarms import AlarmKind
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import NOT_FROZEN, NOT_YET_FROZEN, MeterFreeze, MeterState
from compuerta.services import day_end, freezing, holding, observe
from compuerta.services.acting import Actor
from compuerta.services.freeze_port import (
    CLOCK_OFF,
    NOT_TOLD,
    DayKey,
    DayStep,
    Freeze,
    FreezeBasis,
    SiteDay,
    WantedFreeze,
)
from compuerta.services.freezing import BALANCE_MAX, BESIDE_MAX, LATE_WAIT, FreezeReport
from compuerta.services.store_port import Store

TODAY = date(2026, 11, 22)  # NOON's, in Shanghai
MIDNIGHT = NOON + 12 * HOUR  # that ends it
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
ANA = Actor(who="ana", why="looked at it", origin="console")


def a_place(*authorities: CreditAuthority, zone: str = "Asia/Shanghai") -> tuple[MemoryStore, Town]:
    store = MemoryStore()
    town = a_town(store, authorities=authorities or (PLATFORM,))
    tables = store.tables
    tables.sites[town.site_id] = replace(tables.sites[town.site_id], zone=zone)
    return store, town


def finish(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Stand in for all steps after the freeze."""
    done = replace(day, step=DayStep.DONE, due_at=None, done_at=now)
    with store.transaction() as tx:
        tx.freezes.save_day(done)
    return done


def ended(store: Store, *, now: datetime) -> None:
    """Let the days that are due end, as the worker does."""
    later = dict.fromkeys(DayStep, finish)
    day_end.sweep(store, now=now, steps={**later, DayStep.FREEZING: freezing.freeze_day})


def ended_until(store: Store, day: date) -> None:
    """End each day up to one at its own time."""
    for number in range((day - TODAY).days + 1):
        ended(store, now=MIDNIGHT + number * DAY + day_end.GRACE)


def tells(
    store: Store,
    home: Home,
    energy_wh: int | None,
    *,
    day: date = TODAY,
    late: timedelta = MINUTE,
    clock_off_s: int | None = 0,
    reason: str = "",
    at: datetime | None = None,
) -> None:
    """Let a meter tell a midnight."""
    midnight = at or MIDNIGHT + (day - TODAY)
    freezing.take_freezes(
        store,
        [
            FreezeReport(
                wanted=WantedFreeze(meter_id=home.meter_id, day=day, at=midnight, zone="Asia/Shanghai"),
                told=MeterFreeze(
                    midnight=datetime.combine(day + DAY, datetime.min.time()),
                    energy_wh=energy_wh,
                    reason=reason,
                ),
                at=midnight + late,
                clock_off_s=clock_off_s,
            )
        ],
        now=midnight + late,
    )


def began(store: Store, *, day: date = TODAY) -> None:
    """Let the day be known to have ended, before anything is done with it."""
    with store.transaction() as tx:
        (site,) = tx.freezes.sites()
        starts_at, ends_at = day_end.bounds_of(day, zone=site.zone)
        begun = SiteDay(
            site_id=site.site_id,
            day=day,
            organisation_id=site.organisation_id,
            zone=site.zone,
            currency=site.currency,
            starts_at=starts_at,
            ends_at=ends_at,
            due_at=ends_at + day_end.GRACE,
        )
        tx.freezes.put_days([begun])


def the_day(store: MemoryStore, town: Town, *, day: date = TODAY) -> SiteDay:
    return store.tables.site_days[DayKey(town.site_id, day)]


def the_freeze(store: Store, home: Home, *, day: date = TODAY) -> Freeze:
    with store.transaction() as tx:
        (freeze,) = tx.freezes.freezes_of([home.meter_id], since=day, until=day + DAY)
    return freeze


def a_known_week(store: Store, home: Home, *, days: int) -> date:
    """Let a meter tell so many midnights, 1 kWh apart; returns the day after them."""
    for number in range(days):
        day = TODAY + number * DAY
        began(store, day=day)
        tells(store, home, 10_000 + number * 1_000, day=day)
        ended(store, now=MIDNIGHT + number * DAY + day_end.GRACE)
    return TODAY + days * DAY


def test_what_the_meter_froze_is_its_freeze_and_told_twice_it_is_told_once() -> None:
    store, town = a_place()
    began(store)
    tells(store, town.homes[0], 1_230)
    tells(store, town.homes[0], 1_230, late=2 * MINUTE)
    ended(store, now=MIDNIGHT + day_end.GRACE)
    tells(store, town.homes[0], 9_990, late=HOUR)

    freeze, day = the_freeze(store, town.homes[0]), the_day(store, town)

    assert (freeze.basis, freeze.energy_wh, freeze.version) == (FreezeBasis.METER, 1_230, 1)
    assert (day.meters, day.valid, day.provisional, day.missing) == (1, 1, 0, 0)
    assert (day.step, day.version) == (DayStep.DONE, 1)


def test_missing_is_not_zero_and_says_why() -> None:
    store, town = a_place(PLATFORM, METER)
    began(store)
    tells(store, town.homes[1], None, reason=NOT_FROZEN)
    ended(store, now=MIDNIGHT + day_end.GRACE)

    silent, empty = (the_freeze(store, home) for home in town.homes)

    assert (silent.basis, silent.energy_wh, silent.reason) == (FreezeBasis.MISSING, None, NOT_TOLD)
    assert (empty.basis, empty.energy_wh, empty.reason) == (FreezeBasis.MISSING, None, NOT_FROZEN)
    assert (the_day(store, town).meters, the_day(store, town).missing) == (2, 2)
    wanted = freezing.wanted(store, [home.meter_id for home in town.homes], now=MIDNIGHT + HOUR)
    assert list(wanted) == [town.homes[0].meter_id]  # who keeps nothing of it is not asked for ever


@pytest.mark.parametrize(
    ("readings", "energy_wh"),
    [
        ({timedelta(0): 500}, 500),  # at midnight itself
        ({-3 * HOUR: 500, 2 * MINUTE: 500}, 500),  # nothing was used between them
        ({-3 * HOUR: 400, BESIDE_MAX: 500}, 500),
        ({-3 * HOUR: 400, BESIDE_MAX + SECOND: 500}, None),
        ({-3 * HOUR: 400}, None),
    ],
)
def test_readings_stand_in_where_they_prove_the_register_of_midnight(
    readings: dict[timedelta, int], energy_wh: int | None
) -> None:
    store, town = a_place()
    for off, read_wh in readings.items():
        told(store, town.homes[0], at=MIDNIGHT + off, energy_wh=read_wh)

    ended(store, now=MIDNIGHT + day_end.GRACE)

    freeze = the_freeze(store, town.homes[0])
    assert freeze.energy_wh == energy_wh
    assert freeze.basis is (FreezeBasis.MISSING if energy_wh is None else FreezeBasis.READING)


def test_what_nobody_knows_is_supposed_by_the_mean_and_replaced_with_a_version_when_it_comes() -> None:
    store, town = a_place()
    home = town.homes[0]
    day = a_known_week(store, home, days=4)
    ended_until(store, day)
    supposed, closed = the_freeze(store, home, day=day), the_day(store, town, day=day)

    tells(store, home, 13_900, day=day, late=HOUR)
    waiting = the_day(store, town, day=day)
    ended(store, now=MIDNIGHT + (day - TODAY) + HOUR + LATE_WAIT)

    assert (supposed.basis, supposed.energy_wh) == (FreezeBasis.PROVISIONAL, 14_000)
    assert (closed.valid, closed.provisional) == (0, 1)
    assert (waiting.step, waiting.version) == (DayStep.FREEZING, 2)
    real, reopened = the_freeze(store, home, day=day), the_day(store, town, day=day)
    assert (real.basis, real.energy_wh, real.version) == (FreezeBasis.METER, 13_900, 2)
    assert (reopened.step, reopened.version, reopened.valid) == (DayStep.DONE, 2, 1)
    assert store.tables.freezes[home.meter_id, day, 1] == supposed  # what was known is not lost


def test_many_who_answer_late_make_one_version() -> None:
    store, town = a_place(PLATFORM, PLATFORM, PLATFORM)
    ended(store, now=MIDNIGHT + day_end.GRACE)

    for number, home in enumerate(town.homes):
        tells(store, home, 1_000, late=HOUR + number * MINUTE)
    ended(store, now=MIDNIGHT + HOUR + LATE_WAIT)

    assert (the_day(store, town).version, the_day(store, town).valid) == (2, 3)


def test_a_day_that_is_being_worked_on_takes_nothing_and_asks_again_later() -> None:
    store, town = a_place()
    began(store)
    rolling = replace(the_day(store, town), step=DayStep.ROLLING, missing=1)
    with store.transaction() as tx:
        tx.freezes.save_day(rolling)

    tells(store, town.homes[0], 1_000)

    assert store.tables.freezes == {}
    assert the_day(store, town) == rolling
    assert freezing.wanted(store, [town.homes[0].meter_id], now=MIDNIGHT + HOUR)


def test_what_was_supposed_of_later_days_is_supposed_anew_from_a_fact_that_comes_late() -> None:
    store, town = a_place()
    home = town.homes[0]
    first = a_known_week(store, home, days=3)  # 10, 11, 12 kWh
    ended_until(store, first + DAY)
    before = the_freeze(store, home, day=first + DAY)

    tells(store, home, 15_000, day=first, late=2 * DAY)

    after, day = the_freeze(store, home, day=first + DAY), the_day(store, town, day=first + DAY)
    assert (before.energy_wh, before.version) == (14_000, 1)
    assert (after.energy_wh, after.version, after.basis) == (16_666, 2, FreezeBasis.PROVISIONAL)
    assert (day.step, day.version) == (DayStep.FREEZING, 2)


def test_a_fact_that_comes_while_its_day_is_waited_for_is_not_supposed_over() -> None:
    store, town = a_place()
    home = town.homes[0]
    day = a_known_week(store, home, days=4)
    ended_until(store, day)
    seen_before = the_freeze(store, home, day=day)
    tells(store, home, 13_900, day=day, late=HOUR)
    ended(store, now=MIDNIGHT + (day - TODAY) + HOUR + LATE_WAIT)

    with store.transaction() as tx:
        freezing._make_anew(tx, [seen_before], now=MIDNIGHT + (day - TODAY) + 2 * HOUR)

    assert seen_before.basis is FreezeBasis.PROVISIONAL
    assert the_freeze(store, home, day=day).basis is FreezeBasis.METER


def test_a_reading_that_comes_later_proves_a_midnight_over_which_nothing_was_used() -> None:
    store, town = a_place()
    home = town.homes[0]
    told(store, home, at=MIDNIGHT - HOUR, energy_wh=500)
    ended(store, now=MIDNIGHT + day_end.GRACE)
    assert the_freeze(store, home).basis is FreezeBasis.MISSING

    told(store, home, at=MIDNIGHT + 9 * HOUR, energy_wh=500)
    ended(store, now=MIDNIGHT + DAY + day_end.GRACE)
    ended(store, now=MIDNIGHT + DAY + HOUR)

    proved, day = the_freeze(store, home), the_day(store, town)
    assert (proved.basis, proved.energy_wh, proved.version) == (FreezeBasis.READING, 500, 2)
    assert (day.step, day.version, day.valid) == (DayStep.DONE, 2, 1)


def test_doing_a_freeze_again_after_a_crash_changes_nothing() -> None:
    store, town = a_place(PLATFORM, METER)
    day = a_known_week(store, town.homes[0], days=2)
    ended_until(store, day)
    once = dict(store.tables.freezes)

    opened = replace(the_day(store, town, day=day), step=DayStep.FREEZING)
    with store.transaction() as tx:
        tx.freezes.save_day(opened)
    freezing.freeze_day(store, opened, MIDNIGHT + 2 * DAY + HOUR)

    assert store.tables.freezes == once
    moved_on = freezing.freeze_day(store, opened, MIDNIGHT + 2 * DAY + HOUR)
    assert moved_on.step is DayStep.ROLLING  # somebody else was faster


def test_a_site_of_many_pages_is_frozen_to_its_last_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezing, "PAGE_METERS_MAX", 2)
    store, town = a_place(*(PLATFORM,) * 5)

    ended(store, now=MIDNIGHT + day_end.GRACE)

    assert the_day(store, town).missing == 5


@pytest.mark.parametrize(("told_wh", "verdict"), [(9_000, "backwards"), (99_999_990, "jump")])
def test_a_register_that_falls_or_jumps_is_held_with_one_case(told_wh: int, verdict: str) -> None:
    store, town = a_place()
    home = town.homes[0]
    day = a_known_week(store, home, days=3)
    began(store, day=day)
    began(store, day=day + DAY)
    tells(store, home, told_wh, day=day)
    tells(store, home, told_wh, day=day + DAY)
    ended_until(store, day + DAY)

    held = the_freeze(store, home, day=day)

    assert (held.basis, held.energy_wh, held.reason) == (FreezeBasis.HELD, told_wh, f"register_{verdict}")
    assert [case.kind for case in store.tables.cases.values()] == [f"register_{verdict}"]
    counts = the_day(store, town, day=day)
    assert (counts.meters, counts.valid, counts.provisional, counts.missing) == (1, 0, 0, 0)
    assert freezing.wanted(store, [home.meter_id], now=MIDNIGHT + 9 * DAY) == {}


def test_where_readings_have_opened_the_case_the_freeze_opens_none_until_somebody_has_looked() -> None:
    store, town = a_place()
    home = town.homes[0]
    day = a_known_week(store, home, days=3)  # 12 kWh
    told(store, home, at=MIDNIGHT + 2 * DAY + HOUR, energy_wh=12_100)
    told(store, home, at=MIDNIGHT + 2 * DAY + 2 * HOUR, energy_wh=50)
    began(store, day=day)
    tells(store, home, 900, day=day)
    assert the_freeze(store, home, day=day).basis is FreezeBasis.HELD
    assert len(store.tables.cases) == 1

    holding.release_billing(
        store,
        home.account_id,
        register_wh=900,
        actor=ANA,
        audit_id=an_id("release"),
        now=MIDNIGHT + 3 * DAY + HOUR,
    )
    began(store, day=day + DAY)
    tells(store, home, 2_000, day=day + DAY)

    assert the_freeze(store, home, day=day + DAY).basis is FreezeBasis.METER
    assert len(store.tables.cases) == 1


def test_a_fall_that_the_freeze_sees_first_holds_billing_so_that_readings_open_no_second_case() -> None:
    store, town = a_place()
    home = town.homes[0]
    told(store, home, at=MIDNIGHT - HOUR, energy_wh=8_000)
    began(store)
    tells(store, home, 100)

    told(store, home, at=MIDNIGHT + HOUR, energy_wh=150)

    assert [case.kind for case in store.tables.cases.values()] == ["register_backwards"]
    assert store.tables.holdings[home.account_id].billing_held


def test_a_meter_exchanged_in_the_day_freezes_no_more_and_the_new_one_does() -> None:
    store, town = a_place()
    home = town.homes[0]
    with store.transaction() as tx:
        new_id = tx.add_meter(
            replace(a_meter_entry(town.organisation_id, number=9), credit_authority=PLATFORM)
        )
        tx.occupancy.exchange_meter(
            home.account_id, old_meter_id=home.meter_id, new_meter_id=new_id, at=MIDNIGHT - HOUR
        )
    began(store)
    tells(store, home, 1_000)
    tells(store, Home(meter_id=new_id, account_id=home.account_id), 20)
    ended(store, now=MIDNIGHT + day_end.GRACE)

    assert {meter_id for meter_id, _, _ in store.tables.freezes} == {new_id}
    assert (the_day(store, town).meters, the_day(store, town).valid) == (1, 1)


@pytest.mark.parametrize(
    ("off_s", "basis"), [(120, FreezeBasis.METER), (121, FreezeBasis.MISSING), (None, FreezeBasis.METER)]
)
def test_what_a_wrong_clock_froze_is_of_another_instant(off_s: int | None, basis: FreezeBasis) -> None:
    store, town = a_place()
    began(store)

    tells(store, town.homes[0], 1_000, clock_off_s=off_s)

    freeze = the_freeze(store, town.homes[0])
    assert (freeze.basis, freeze.clock_off_s) == (basis, off_s)
    assert freeze.reason == (CLOCK_OFF if basis is FreezeBasis.MISSING else "")


def reads_clock(store: MemoryStore, home: Home, *, off_s: int, at: datetime) -> None:
    report = observe.MeterReport(
        meter_id=home.meter_id, at=at, state=MeterState(energy_wh=500), clock_off_s=off_s
    )
    observe.take_readings(store, [report], now=at)


def test_a_clock_that_was_put_right_after_midnight_was_wrong_at_it_and_is_flagged_once() -> None:
    store, town = a_place()
    home = town.homes[0]
    reads_clock(store, home, off_s=0, at=MIDNIGHT - HOUR)
    began(store)
    reads_clock(store, home, off_s=600, at=MIDNIGHT + MINUTE)  # and it is put right

    tells(store, home, 1_000, late=2 * MINUTE, clock_off_s=0)

    assert (the_freeze(store, home).reason, the_freeze(store, home).clock_off_s) == (CLOCK_OFF, 600)
    (alarm,) = store.tables.meter_alarms.values()
    assert (alarm.kind, alarm.detail) == (AlarmKind.CLOCK_DRIFT, "+600 s")
    reads_clock(store, home, off_s=0, at=MIDNIGHT + HOUR)
    began(store, day=TODAY + DAY)
    tells(store, home, 1_500, day=TODAY + DAY)
    assert the_freeze(store, home, day=TODAY + DAY).basis is FreezeBasis.METER
    assert [alarm.times for alarm in store.tables.meter_alarms.values()] == [1]


def test_a_clock_that_slept_through_the_end_of_summer_time_is_no_alarm_and_its_midnight_counts() -> None:
    store, town = a_place(zone="Europe/Madrid")
    home = town.homes[0]
    for account_id, account in store.tables.accounts.items():
        opened = replace(account.period, start=datetime.fromisoformat("2026-10-01T00:00:00+00:00"))
        store.tables.accounts[account_id] = replace(account, zone="Europe/Madrid", period=opened)
    (key, value), *_ = store.tables.installations.items()
    store.tables.installations = {(key[0], store.tables.accounts[value[0]].period.start): value}
    midnight = datetime.fromisoformat("2026-10-24T22:00:00+00:00")  # the 25th has 25 hours
    began(store, day=date(2026, 10, 24))
    reads_clock(store, home, off_s=0, at=midnight - HOUR)
    reads_clock(store, home, off_s=3_600, at=midnight + 4 * HOUR)

    tells(store, home, 500, day=date(2026, 10, 24), at=midnight, late=5 * HOUR, clock_off_s=0)

    assert the_freeze(store, home, day=date(2026, 10, 24)).basis is FreezeBasis.METER
    assert store.tables.meter_alarms == {}


def reads_money(
    store: MemoryStore, home: Home, *, at: datetime, energy_wh: int = 1_000, purchase_no: int | None = 3
) -> None:
    state = MeterState(energy_wh=energy_wh, balance_minor=700, purchase_no=purchase_no)
    observe.take_readings(store, [observe.MeterReport(meter_id=home.meter_id, at=at, state=state)], now=at)


@pytest.mark.parametrize(
    ("after", "energy_wh", "purchase_no", "balance_minor"),
    [
        (MINUTE, 1_000, 3, 700),
        (MINUTE, 1_010, 3, None),  # something was used since
        (MINUTE, 1_000, 4, None),  # ... or bought
        (MINUTE, 1_000, None, None),  # ... or may have been
        (BALANCE_MAX + SECOND, 1_000, 3, None),
    ],
)
def test_the_balance_of_midnight_is_a_reading_after_it_where_nothing_has_changed(
    after: timedelta, energy_wh: int, purchase_no: int | None, balance_minor: int | None
) -> None:
    store, town = a_place(METER)
    home = town.homes[0]
    reads_money(store, home, at=MIDNIGHT - MINUTE)
    began(store)
    tells(store, home, 1_000, late=10 * SECOND)
    reads_money(store, home, at=MIDNIGHT + after, energy_wh=energy_wh, purchase_no=purchase_no)

    ended(store, now=MIDNIGHT + HOUR)

    assert the_freeze(store, home).balance_minor == balance_minor
    assert the_freeze(store, home).basis is FreezeBasis.METER
    assert the_day(store, town).version == 1


def test_a_midnight_that_is_still_to_come_by_the_meters_clock_is_asked_for_again() -> None:
    store, town = a_place()
    began(store)

    tells(store, town.homes[0], None, reason=NOT_YET_FROZEN)

    assert store.tables.freezes == {}
    assert freezing.wanted(store, [town.homes[0].meter_id], now=MIDNIGHT + MINUTE)


def test_of_one_meter_a_few_midnights_are_asked_at_once_and_none_that_no_meter_keeps() -> None:
    store, town = a_place()
    meter_id = town.homes[0].meter_id
    ended_until(store, TODAY + 63 * DAY)

    wanted = freezing.wanted(store, [meter_id], now=MIDNIGHT + 63 * DAY + HOUR)[meter_id]
    assert [each.day for each in wanted] == [TODAY + (63 - n) * DAY for n in range(7)]

    with store.transaction() as tx:
        every = tx.freezes.wanted([meter_id], since=MIDNIGHT + DAY + HOUR, limit=999)
    assert len(every) == 62
