"""The store port: alarms of meters, maintenance windows, photos, and what hangs behind feeders."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import HOUR, METER, NOON, Home, Town, a_town, an_id, told

from compuerta.domain.alarms import SEVERITY, AlarmKind, AlarmOutcome
from compuerta.domain.losses import Fix
from compuerta.drivers.abilities import Relay
from compuerta.services.alarm_port import AlarmPhoto, Feeding, MaintenanceWindow, MeterAlarm
from compuerta.services.store_port import Conflict, ConstraintBroken, Store

MINUTE = timedelta(minutes=1)


def an_alarm(town: Town, *, kind: AlarmKind = AlarmKind.COVER_OPEN, name: str = "first") -> MeterAlarm:
    home = town.homes[0]
    return MeterAlarm(
        meter_id=home.meter_id,
        alarm_id=an_id(name),
        organisation_id=town.organisation_id,
        account_id=home.account_id,
        kind=kind,
        severity=SEVERITY[kind],
        detail="cover_open",
        raised_at=NOON,
        last_at=NOON,
    )


def closed(alarm: MeterAlarm) -> MeterAlarm:
    return replace(
        alarm, outcome=AlarmOutcome.REPAIRED, note="screwed shut", closed_by="ana", closed_at=NOON + HOUR
    )


def a_window(town: Town) -> MaintenanceWindow:
    return MaintenanceWindow(
        window_id=an_id("window"),
        organisation_id=town.organisation_id,
        site_id=town.site_id,
        meter_id=None,
        starts_at=NOON,
        ends_at=NOON + HOUR,
        who="ana",
        why="new terminals",
    )


def a_photo(alarm: MeterAlarm, *, content_type: str = "image/png") -> AlarmPhoto:
    return AlarmPhoto(
        meter_id=alarm.meter_id,
        alarm_id=alarm.alarm_id,
        photo_id=an_id("photo"),
        content_type=content_type,
        content=b"\x89PNG\x00\xff",
        who="ana",
        at=NOON,
    )


def watched(store: Store, *, heard_before: timedelta = timedelta()) -> dict[int, bool]:
    with store.transaction() as tx:
        return tx.alarms.to_watch(
            heard_before=NOON + heard_before, differs_before=NOON - HOUR, after=0, limit=10
        )


def test_an_alarm_is_kept_as_it_was_put(store: Store) -> None:
    town = a_town(store)
    alarm = an_alarm(town)

    with store.transaction() as tx:
        tx.alarms.put([alarm])

    with store.transaction() as tx:
        assert tx.alarms.open_of([alarm.meter_id]) == [alarm]
        assert tx.alarms.one(alarm.alarm_id, organisation_id=town.organisation_id) == alarm
        assert tx.alarms.one(alarm.alarm_id, organisation_id=town.organisation_id + 1) is None
        assert tx.alarms.known([alarm.alarm_id, an_id("other")]) == {alarm.alarm_id}


def test_a_second_open_alarm_of_a_kind_is_a_conflict(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        tx.alarms.put([an_alarm(town)])

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.alarms.put([an_alarm(town, name="second")])


def test_a_closed_alarm_makes_room_and_stays_known(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        tx.alarms.put([an_alarm(town)])
    with store.transaction() as tx:
        tx.alarms.save([closed(an_alarm(town))])

    with store.transaction() as tx:
        tx.alarms.put([an_alarm(town, name="second")])

    with store.transaction() as tx:
        assert [alarm.alarm_id for alarm in tx.alarms.open_of([town.homes[0].meter_id])] == [an_id("second")]
        assert tx.alarms.one(an_id("first"), organisation_id=town.organisation_id) == closed(an_alarm(town))


@pytest.mark.parametrize(
    "broken", [{"outcome": AlarmOutcome.REPAIRED}, {"closed_by": "ana"}, {"acknowledged_by": "ana"}]
)
def test_an_alarm_is_closed_whole_or_not_at_all(store: Store, broken: dict[str, object]) -> None:
    alarm = an_alarm(a_town(store))
    with store.transaction() as tx:
        tx.alarms.put([alarm])

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.alarms.save([replace(alarm, **broken)])


def test_photos_are_counted_and_of_known_types(shelf: Shelf) -> None:
    alarm = an_alarm(a_town(shelf.store))
    with shelf.store.transaction() as tx:
        tx.alarms.put([alarm])
    with shelf.store.transaction() as tx:
        tx.alarms.put_photo(a_photo(alarm))

    with shelf.store.transaction() as tx:
        assert tx.alarms.photos(alarm) == 1
    with pytest.raises(ConstraintBroken), shelf.store.transaction() as tx:
        tx.alarms.put_photo(
            replace(a_photo(alarm, content_type="image/svg+xml"), photo_id=an_id("second photo"))
        )
    assert shelf.count("alarm_photo") == 1


def test_a_window_is_open_from_its_start_to_its_end_unless_cancelled(store: Store) -> None:
    town = a_town(store)
    window, ours = a_window(town), [town.organisation_id]
    with store.transaction() as tx:
        tx.alarms.put_window(window)

    with store.transaction() as tx:
        assert tx.alarms.windows(ours, at=NOON) == [window]
        assert tx.alarms.windows(ours, at=NOON - MINUTE) == tx.alarms.windows(ours, at=NOON + HOUR) == []
        assert tx.alarms.windows([town.organisation_id + 1], at=NOON) == []
        assert tx.alarms.window(window.window_id, organisation_id=town.organisation_id) == window
        tx.alarms.cancel_window(window.window_id, at=NOON + MINUTE)
    with store.transaction() as tx:
        assert tx.alarms.windows(ours, at=NOON + 2 * MINUTE) == []


def test_the_unheard_and_those_with_an_alarm_of_the_clock_are_watched(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    one, other = town.homes
    assert watched(store, heard_before=HOUR) == {}
    told(store, one, at=NOON, energy_wh=0)

    assert watched(store) == {}
    assert watched(store, heard_before=MINUTE) == {one.meter_id: False}
    silence = an_alarm(town, kind=AlarmKind.SILENCE)
    with store.transaction() as tx:
        tx.alarms.put([replace(silence, meter_id=other.meter_id, account_id=other.account_id)])
        tx.put_ends({"bus": True}, gateway="g1", at=NOON)
    assert watched(store) == {other.meter_id: True}


def test_the_meters_of_customers_come_in_pages(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    first, second = sorted(home.meter_id for home in town.homes)

    with store.transaction() as tx:
        assert tx.alarms.living(after=0, limit=1) == [first]
        assert tx.alarms.living(after=first, limit=9) == [second]


def test_opened_covers_are_found_by_when_they_were_opened(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    with store.transaction() as tx:
        tx.alarms.put([an_alarm(town), an_alarm(town, kind=AlarmKind.MAGNET, name="magnet")])

    with store.transaction() as tx:
        (found,) = tx.alarms.covers_opened([home.meter_id], since=NOON, until=NOON + MINUTE)
        assert found.kind is AlarmKind.COVER_OPEN
        assert tx.alarms.covers_opened([home.meter_id], since=NOON - HOUR, until=NOON) == []


def test_readings_around_an_instant_are_found_on_both_sides(store: Store) -> None:
    home: Home = a_town(store).homes[0]
    told(store, home, at=NOON, energy_wh=1_000, relay=Relay.OPEN)
    told(store, home, at=NOON + 2 * MINUTE, balance_minor=5)
    told(store, home, at=NOON + 9 * MINUTE, energy_wh=2_000, relay=Relay.CLOSED)

    edges = [NOON - MINUTE, NOON, NOON + 5 * MINUTE]
    with store.transaction() as tx:
        found = tx.alarms.fixes([home.meter_id], at=edges)
        off = tx.alarms.was_off([home.meter_id], since=NOON)
        off_later = tx.alarms.was_off([home.meter_id], since=NOON + MINUTE)

    first = Fix(at=NOON, energy_wh=1_000, relay_open=True)
    last = Fix(at=NOON + 9 * MINUTE, energy_wh=2_000)
    assert found == {home.meter_id: ((None, first), (first, first), (first, last))}
    assert (off, off_later) == ({home.meter_id}, set())


def test_a_meter_hangs_behind_one_feeder_at_a_time(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER, METER))
    feeder, other, unit = (home.meter_id for home in town.homes)
    hung = Feeding(feeder_meter_id=feeder, meter_id=unit, started_at=NOON)
    with store.transaction() as tx:
        tx.alarms.put_feedings([hung])

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.alarms.put_feedings([replace(hung, feeder_meter_id=other)])

    with store.transaction() as tx:
        tx.alarms.end_feedings([unit], at=NOON + HOUR)
    with store.transaction() as tx:
        tx.alarms.put_feedings([replace(hung, feeder_meter_id=other, started_at=NOON + HOUR)])
    with store.transaction() as tx:
        assert tx.alarms.fed_by(feeder) == [replace(hung, ended_at=NOON + HOUR)]
        assert tx.alarms.feeders(after=0, limit=9) == tx.alarms.feeders_of([unit, feeder]) == [other]
        assert tx.alarms.feeders_of([feeder]) == []
