"""Days and freezes in both stores: begun once, claimed once, by versions; and who may still tell."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import HOUR, METER, NOON, PLATFORM, SECOND, Home, Town, a_meter_entry, a_town

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.drivers.abilities import NOT_FROZEN, MeterFreeze, Relay
from compuerta.services import freezing
from compuerta.services.freeze_port import (
    NOT_TOLD,
    DayStep,
    Freeze,
    FreezeBasis,
    SiteDay,
    WantedFreeze,
)
from compuerta.services.freezing import FreezeReport
from compuerta.services.records import Reading
from compuerta.services.store_port import Conflict, Store

TODAY = date(2026, 11, 22)  # NOON's, in Shanghai
MIDNIGHT = datetime.fromisoformat("2026-11-22T16:00:00+00:00")  # that ends it
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def a_day(town: Town, *, day: date = TODAY) -> SiteDay:
    ends_at = MIDNIGHT + (day - TODAY)
    return SiteDay(
        site_id=town.site_id,
        day=day,
        organisation_id=town.organisation_id,
        zone="Asia/Shanghai",
        currency="CNY",
        starts_at=ends_at - DAY,
        ends_at=ends_at,
        due_at=ends_at,
    )


def a_freeze(town: Town, *, home: int = 0, day: date = TODAY, version: int = 1) -> Freeze:
    return Freeze(
        meter_id=town.homes[home].meter_id,
        day=day,
        version=version,
        site_id=town.site_id,
        account_id=town.homes[home].account_id,
        at=MIDNIGHT + (day - TODAY),
        basis=FreezeBasis.METER,
        known_at=MIDNIGHT + DAY,
        energy_wh=1_230,
        rates_wh=(1_000, 230),
        balance_minor=-5,
        clock_off_s=-3,
    )


def put(store: Store, *freezes: Freeze, days: tuple[SiteDay, ...] = ()) -> None:
    with store.transaction() as tx:
        tx.freezes.put_days(days)
        tx.freezes.put_freezes(freezes)


def a_reading(town: Town, *, at: datetime, energy_wh: int | None, home: int = 0) -> Reading:
    return Reading(
        meter_id=town.homes[home].meter_id,
        at=at,
        energy_wh=energy_wh,
        balance_minor=900,
        relay=Relay.CLOSED,
        purchase_no=3,
        power_w=None,
        rates_wh=(energy_wh or 0, 0),
    )


def test_a_site_has_days_from_its_first_account_on(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    with shelf.store.transaction() as tx:
        empty = tx.add_site(organisation_id=town.organisation_id, name="Empty", zone="UTC", currency="CNY")
        (before,) = tx.freezes.sites()

    put(shelf.store, days=(a_day(town), a_day(town, day=TODAY - DAY)))

    assert before.site_id == town.site_id != empty
    assert (before.since, before.last_day) == (NOON, None)
    with shelf.store.transaction() as tx:
        (after,) = tx.freezes.sites()
    assert after == replace(before, last_day=TODAY)


def test_a_day_begins_once_and_is_claimed_by_one(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    put(shelf.store, days=(a_day(town), a_day(town, day=TODAY - DAY)))
    put(shelf.store, days=(replace(a_day(town), version=9),))
    until = MIDNIGHT + HOUR

    with shelf.store.transaction() as tx:
        early = tx.freezes.claim_days(now=MIDNIGHT - DAY - SECOND, until=until, limit=9)
        claimed = tx.freezes.claim_days(now=MIDNIGHT, until=until, limit=9)
    with shelf.store.transaction() as tx:
        again = tx.freezes.claim_days(now=MIDNIGHT, until=until, limit=9)
        after_the_lease = tx.freezes.claim_days(now=until, until=until + HOUR, limit=1)

    assert early == again == []
    assert [(each.day, each.version, each.due_at) for each in claimed] == [
        (TODAY - DAY, 1, until),
        (TODAY, 1, until),
    ]
    assert [each.day for each in after_the_lease] == [TODAY - DAY]


def test_a_day_keeps_how_far_it_has_come(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    put(shelf.store, days=(a_day(town),))
    done = replace(
        a_day(town),
        step=DayStep.DONE,
        due_at=None,
        version=2,
        meters=4,
        valid=1,
        provisional=1,
        missing=1,
        done_at=MIDNIGHT + HOUR,
    )

    with shelf.store.transaction() as tx:
        tx.freezes.save_day(done)

    with shelf.store.transaction() as tx:
        assert tx.freezes.day(done.key) == done
        assert tx.freezes.day(a_day(town, day=TODAY + DAY).key) is None
        assert tx.freezes.claim_days(now=MIDNIGHT + DAY, until=MIDNIGHT + DAY, limit=9) == []


def test_the_last_version_of_a_freeze_counts_and_none_is_written_twice(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER, METER))
    first, second = a_freeze(town), replace(a_freeze(town, version=2), energy_wh=1_240)
    other = replace(
        a_freeze(town, home=1), basis=FreezeBasis.MISSING, energy_wh=None, rates_wh=None, reason=NOT_TOLD
    )
    yesterday = a_freeze(town, day=TODAY - DAY)
    put(shelf.store, first, other, yesterday, second)

    with pytest.raises(Conflict):
        put(shelf.store, first)

    with shelf.store.transaction() as tx:
        key = a_day(town).key
        assert tx.freezes.freezes(key) == [second, other]
        assert tx.freezes.counted(key) == {FreezeBasis.METER: 1, FreezeBasis.MISSING: 1}
        ids = [home.meter_id for home in town.homes]
        assert tx.freezes.freezes_of(ids, since=TODAY - DAY, until=TODAY + DAY) == [yesterday, second, other]
        assert tx.freezes.freezes_of(ids, since=TODAY - DAY, until=TODAY) == [yesterday]


def test_who_measured_at_a_midnight_is_known_after_meters_were_exchanged(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER, PLATFORM))
    home, neighbour = town.homes
    with shelf.store.transaction() as tx:
        new_id = tx.add_meter(a_meter_entry(town.organisation_id, number=9))
        tx.occupancy.exchange_meter(
            home.account_id, old_meter_id=home.meter_id, new_meter_id=new_id, at=MIDNIGHT + HOUR
        )

    def measuring(at: datetime, *, after: int = 0, limit: int = 9) -> list[tuple[int, bool]]:
        with shelf.store.transaction() as tx:
            found = tx.freezes.measuring(town.site_id, at=at, after=after, limit=limit)
        return [(each.meter_id, each.holds_credit) for each in found]

    assert measuring(NOON - SECOND) == []
    assert measuring(MIDNIGHT) == [(home.meter_id, True), (neighbour.meter_id, False)]
    assert measuring(MIDNIGHT, limit=1) == [(home.meter_id, True)]
    assert measuring(MIDNIGHT, after=home.meter_id) == [(neighbour.meter_id, False)]
    assert measuring(MIDNIGHT + HOUR) == [(neighbour.meter_id, False), (new_id, True)]
    with shelf.store.transaction() as tx:
        (old,) = tx.freezes.installations([home.meter_id])
    assert (old.account_id, old.since, old.until) == (home.account_id, NOON, MIDNIGHT + HOUR)


def test_readings_around_an_instant_are_those_that_tell_energy(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER, METER))
    before, after = (a_reading(town, at=MIDNIGHT + n * MINUTE, energy_wh=100) for n in (-2, 3))
    dumb = a_reading(town, at=MIDNIGHT, energy_wh=None)
    with shelf.store.transaction() as tx:
        tx.put_readings([before, dumb, after])

    with shelf.store.transaction() as tx:
        ids = [home.meter_id for home in town.homes]
        around = tx.freezes.around(ids, until=MIDNIGHT, since=MIDNIGHT)
        at_once = tx.freezes.around(ids[:1], until=before.at, since=before.at)

    assert around == {ids[0]: (before, after), ids[1]: (None, None)}
    assert at_once == {ids[0]: (before, before)}


def test_midnights_are_wanted_of_who_may_still_tell_them_the_newest_first(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER,) * 5)
    yesterday, tomorrow = a_day(town, day=TODAY - DAY), a_day(town, day=TODAY + DAY)
    supposed = replace(a_freeze(town, home=1), basis=FreezeBasis.PROVISIONAL, reason=NOT_TOLD)
    refused = replace(a_freeze(town, home=2), basis=FreezeBasis.PROVISIONAL, reason=NOT_FROZEN)
    held = replace(a_freeze(town, home=3), basis=FreezeBasis.HELD, reason="register_jump")
    late = replace(supposed, meter_id=town.homes[4].meter_id), a_freeze(town, home=4, version=2)
    today = replace(a_day(town), step=DayStep.DONE, provisional=2)
    put(shelf.store, supposed, refused, held, *late, days=(yesterday, today, tomorrow))
    ids = [home.meter_id for home in town.homes]

    def wanted(*, since: datetime = MIDNIGHT, limit: int = 99) -> list[tuple[int, date]]:
        with shelf.store.transaction() as tx:
            found = tx.freezes.wanted(ids, since=since, limit=limit)
        assert all(each.zone == "Asia/Shanghai" for each in found)
        return [(ids.index(each.meter_id), each.day) for each in found]

    # Installed after yesterday's midnight; today only who was never asked, or was only supposed.
    assert wanted(since=MIDNIGHT - 2 * DAY) == [(n, tomorrow.day) for n in range(5)] + [
        (0, TODAY),
        (1, TODAY),
    ]
    assert wanted(since=MIDNIGHT + SECOND, limit=2) == [(0, tomorrow.day), (1, tomorrow.day)]

    with shelf.store.transaction() as tx:
        tx.freezes.save_day(replace(today, provisional=0))
    assert wanted(since=MIDNIGHT)[5:] == []


def test_who_never_answers_keeps_nobody_else_from_being_asked_for_older_midnights(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER, METER))
    silent, back = (home.meter_id for home in town.homes)
    days = [TODAY + number * DAY for number in range(4)]
    told = [a_freeze(town, home=1, day=day) for day in days[1:]]
    put(shelf.store, *told, days=tuple(a_day(town, day=day) for day in days))

    with shelf.store.transaction() as tx:
        found = tx.freezes.wanted([silent, back], since=MIDNIGHT, limit=2)

    assert [(each.meter_id, each.day) for each in found] == [(silent, days[-1]), (back, TODAY)]


def test_who_tells_a_midnight_does_not_wait_for_whoever_works_on_its_day(postgres_url: str) -> None:
    """His recharges would wait with him: what he tells is asked again."""
    worker, gateway = PostgresStore(postgres_url), PostgresStore(postgres_url)
    town = a_town(worker, authorities=(METER,))
    put(worker, days=(replace(a_day(town), step=DayStep.SEALING),))
    asked = WantedFreeze(meter_id=town.homes[0].meter_id, day=TODAY, at=MIDNIGHT, zone="Asia/Shanghai")
    told = MeterFreeze(midnight=datetime(2026, 11, 23), energy_wh=1_230)  # noqa: DTZ001
    report = FreezeReport(wanted=asked, told=told, at=MIDNIGHT + MINUTE)

    with worker.transaction() as tx:
        tx.freezes.day(a_day(town).key)
        freezing.take_freezes(gateway, [report], now=MIDNIGHT + MINUTE)  # waiting would end in an error

    with gateway.transaction() as tx:
        assert tx.freezes.freezes(a_day(town).key) == []
    worker.shut()
    gateway.shut()


def test_a_midnight_that_comes_late_opens_its_day_again_and_a_fall_is_held(shelf: Shelf) -> None:
    store, town = shelf.store, a_town(shelf.store, authorities=(METER, METER))
    late, fallen = town.homes
    reading = a_reading(town, at=MIDNIGHT - HOUR, energy_wh=9_000, home=1)
    with store.transaction() as tx:
        tx.put_readings([reading])
    put(store, days=(a_day(town),))

    def tells(home: Home, energy_wh: int, *, at: datetime) -> None:
        told = MeterFreeze(midnight=datetime(2026, 11, 23), energy_wh=energy_wh)  # noqa: DTZ001
        asked = WantedFreeze(meter_id=home.meter_id, day=TODAY, at=MIDNIGHT, zone="Asia/Shanghai")
        freezing.take_freezes(store, [FreezeReport(wanted=asked, told=told, at=at)], now=at)

    tells(fallen, 10, at=MIDNIGHT + SECOND)
    frozen = freezing.freeze_day(store, a_day(town), MIDNIGHT + MINUTE)
    with store.transaction() as tx:
        tx.freezes.save_day(replace(frozen, step=DayStep.DONE, due_at=None))
    tells(late, 1_230, at=MIDNIGHT + HOUR)

    assert (frozen.meters, frozen.valid, frozen.missing) == (2, 0, 1)
    with store.transaction() as tx:
        day = tx.freezes.day(a_day(town).key)
        known = [(each.basis, each.energy_wh, each.version) for each in tx.freezes.freezes(a_day(town).key)]
    assert day is not None
    assert (day.step, day.version) == (DayStep.FREEZING, 2)
    assert known == [(FreezeBasis.METER, 1_230, 2), (FreezeBasis.HELD, 10, 1)]
    assert shelf.count("case_file") == 1
