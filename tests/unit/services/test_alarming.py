"""Alarms: one row until somebody closes it, with what was found; maintenance silences."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_hold,
    a_town,
    an_id,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.alarms import AlarmKind, AlarmOutcome
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import alarming, observe, telling, watching
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.alarm_port import MaintenanceWindow, MeterAlarm
from compuerta.services.alarming import AlarmClosed, AlarmUnknown, Closing, PhotoUnfit, StillTold, WindowUnfit
from compuerta.services.telling import AlarmRaised

ANA = Actor(who="ana", why="looked at it", origin="console")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Ear:
    """Somebody who is told, and remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def listen(self, tx: object, alarms: list[AlarmRaised], *, now: datetime) -> None:
        self.heard += [alarm.kind for alarm in alarms]


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Ear:
    ear = Ear()
    monkeypatch.setattr(telling, "alarm_raised", ear.listen)
    return ear


def says(
    store: MemoryStore,
    home: Home,
    *flags: str,
    at: datetime,
    energy_wh: int = 0,
    relay: Relay = Relay.CLOSED,
    counts: dict[str, int] | None = None,
) -> None:
    state = MeterState(
        flags=frozenset(flags), relay=relay, energy_wh=energy_wh, balance_minor=9_000, counts=counts or {}
    )
    observe.take_readings(store, [observe.MeterReport(meter_id=home.meter_id, at=at, state=state)], now=at)


def alarms_of(store: MemoryStore) -> list[MeterAlarm]:
    return sorted(store.tables.meter_alarms.values(), key=lambda alarm: alarm.raised_at)


def the_alarm(store: MemoryStore) -> MeterAlarm:
    (alarm,) = store.tables.meter_alarms.values()
    return alarm


def a_place(store: MemoryStore) -> tuple[Town, Home]:
    town = a_town(store, authorities=(METER,))
    with store.transaction() as tx:
        tx.put_ends({"bus": True}, gateway="g1", at=NOON)
    return town, town.homes[0]


def an_opened_cover(store: MemoryStore) -> tuple[Town, Home]:
    town, home = a_place(store)
    says(store, home, "cover_open", at=NOON)
    return town, home


def close(
    store: MemoryStore,
    town: Town,
    alarm: MeterAlarm,
    *,
    outcome: AlarmOutcome = AlarmOutcome.FALSE_ALARM,
    actor: Actor = ANA,
    name: str = "closing",
) -> None:
    closing = Closing(
        organisation_id=town.organisation_id, alarm_id=alarm.alarm_id, outcome=outcome, audit_id=an_id(name)
    )
    alarming.close(store, closing, actor=actor, now=NOON + HOUR)


def a_window(town: Town, *, meter_id: int | None = None, site_id: int | None = None) -> MaintenanceWindow:
    return MaintenanceWindow(
        window_id=an_id("window"),
        organisation_id=town.organisation_id,
        site_id=site_id,
        meter_id=meter_id,
        starts_at=NOON - HOUR,
        ends_at=NOON + HOUR,
        who="ana",
        why="new terminals",
    )


def announce(store: MemoryStore, window: MaintenanceWindow) -> None:
    alarming.announce_maintenance(store, window, actor=ANA, now=NOON - HOUR)


def test_an_opened_cover_is_told_once_however_often_it_is_read(ear: Ear) -> None:
    store = MemoryStore()
    _, home = an_opened_cover(store)

    says(store, home, "cover_open", at=NOON + MINUTE)
    says(store, home, "cover_open", at=NOON + 2 * MINUTE)

    alarm = the_alarm(store)
    assert (alarm.kind, alarm.times, alarm.ended_at) == (AlarmKind.COVER_OPEN, 1, None)
    assert ear.heard == ["cover_open"]


def test_a_repeat_is_counted_in_the_same_row(ear: Ear) -> None:
    store = MemoryStore()
    _, home = an_opened_cover(store)

    says(store, home, at=NOON + MINUTE)
    ended = the_alarm(store)
    says(store, home, "cover_open", at=NOON + 2 * MINUTE)

    alarm = the_alarm(store)
    assert ended.ended_at == NOON + MINUTE
    assert (alarm.times, alarm.ended_at, alarm.last_at) == (2, None, NOON + 2 * MINUTE)
    assert ear.heard == ["cover_open"]


def test_what_was_opened_between_two_polls_is_an_alarm_that_has_ended(ear: Ear) -> None:
    store = MemoryStore()
    _, home = a_place(store)

    says(store, home, at=NOON, counts={"cover": 4})
    says(store, home, at=NOON + MINUTE, counts={"cover": 6})

    alarm = the_alarm(store)
    assert (alarm.times, alarm.ended_at) == (2, NOON + MINUTE)
    assert ear.heard == ["cover_open"]


def test_what_did_not_read_the_status_words_shuts_no_cover() -> None:
    store = MemoryStore()
    _, home = an_opened_cover(store)

    state = MeterState(balance_minor=5_000)
    report = observe.MeterReport(meter_id=home.meter_id, at=NOON + MINUTE, state=state)
    observe.take_readings(store, [report], now=NOON + MINUTE)

    assert the_alarm(store).ended_at is None


def test_another_alarm_of_the_kind_follows_one_that_was_closed(ear: Ear) -> None:
    store = MemoryStore()
    town, home = an_opened_cover(store)
    close(store, town, the_alarm(store))

    says(store, home, "cover_open", at=NOON + MINUTE)
    assert len(alarms_of(store)) == 1
    says(store, home, at=NOON + 2 * MINUTE)
    says(store, home, "cover_open", at=NOON + 3 * MINUTE)

    assert [alarm.raised_at for alarm in alarms_of(store)] == [NOON, NOON + 3 * MINUTE]
    assert ear.heard == ["cover_open"] * 2


def test_inside_a_maintenance_window_alarms_call_nobody(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    announce(store, a_window(town, site_id=town.site_id))

    says(store, home, "cover_open", at=NOON)

    assert the_alarm(store).silenced
    assert ear.heard == []


def test_the_window_of_another_meter_silences_nothing(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    announce(store, a_window(town, meter_id=home.meter_id + 1))

    says(store, home, "cover_open", at=NOON)

    assert ear.heard == ["cover_open"]


def test_what_still_holds_after_the_window_calls_somebody(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    announce(store, a_window(town))
    says(store, home, "cover_open", at=NOON)

    watching.sweep(store, after=0, now=NOON + HOUR - SECOND)
    assert ear.heard == []
    watching.sweep(store, after=0, now=NOON + HOUR)

    assert ear.heard.count("cover_open") == 1
    assert not the_alarm_of(store, AlarmKind.COVER_OPEN).silenced


def the_alarm_of(store: MemoryStore, kind: AlarmKind) -> MeterAlarm:
    (alarm,) = [each for each in alarms_of(store) if each.kind is kind]
    return alarm


def test_what_ends_with_the_window_calls_nobody(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    says(store, home, at=NOON - HOUR)
    announce(store, a_window(town))
    watching.sweep(store, after=0, now=NOON)
    assert the_alarm(store).silenced
    kept = store.tables.snapshots[home.meter_id]
    store.tables.snapshots[home.meter_id] = replace(kept, heard_at=NOON + HOUR)

    watching.sweep(store, after=0, now=NOON + HOUR)

    assert the_alarm(store).ended_at == NOON + HOUR
    assert ear.heard == []


def test_a_silent_meter_is_told_once_and_ends_when_it_is_heard(ear: Ear) -> None:
    store = MemoryStore()
    _, home = a_place(store)
    says(store, home, at=NOON)

    watching.sweep(store, after=0, now=NOON + 45 * MINUTE)
    assert alarms_of(store) == []
    watching.sweep(store, after=0, now=NOON + 46 * MINUTE)
    watching.sweep(store, after=0, now=NOON + 47 * MINUTE)
    silent = the_alarm(store)
    says(store, home, at=NOON + 50 * MINUTE)

    assert (silent.kind, silent.times, silent.ended_at) == (AlarmKind.SILENCE, 1, None)
    assert the_alarm(store).ended_at == NOON + 50 * MINUTE
    assert ear.heard == ["silence"]


def test_a_silence_that_was_closed_is_not_told_again(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    says(store, home, at=NOON)
    watching.sweep(store, after=0, now=NOON + HOUR)
    close(store, town, the_alarm(store))

    watching.sweep(store, after=0, now=NOON + 2 * HOUR)

    assert len(alarms_of(store)) == 1
    assert ear.heard == ["silence"]


def test_a_meter_that_no_gateway_asks_is_not_missed(ear: Ear) -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(METER,)).homes[0]
    says(store, home, at=NOON)

    watching.sweep(store, after=0, now=NOON + DAY)

    assert ear.heard == []


def test_a_relay_that_stays_where_it_was_is_told(ear: Ear) -> None:
    store = MemoryStore()
    _, home = a_place(store)
    says(store, home, at=NOON)
    kept = store.tables.snapshots[home.meter_id]
    store.tables.snapshots[home.meter_id] = replace(kept, differs_since=NOON)

    watching.sweep(store, after=0, now=NOON + 16 * MINUTE)
    assert the_alarm(store).kind is AlarmKind.RELAY_DIFFERS
    store.tables.snapshots[home.meter_id] = replace(kept, differs_since=None)
    watching.sweep(store, after=0, now=NOON + 17 * MINUTE)

    assert the_alarm(store).ended_at == NOON + 17 * MINUTE


@pytest.mark.parametrize(
    ("last_wh", "relay", "told"),
    [(500, Relay.CLOSED, True), (600, Relay.CLOSED, False), (500, Relay.OPEN, False)],
)
def test_an_occupied_unit_with_power_and_no_use_is_told(
    last_wh: int, relay: Relay, told: bool, ear: Ear
) -> None:
    store = MemoryStore()
    _, home = a_place(store)
    says(store, home, at=NOON, energy_wh=500)
    says(store, home, at=NOON + 3 * DAY, energy_wh=500, relay=relay)
    says(store, home, at=NOON + 7 * DAY - MINUTE, energy_wh=last_wh)

    watching.sweep_use(store, after=0, now=NOON + 7 * DAY - MINUTE)
    assert ear.heard == []
    watching.sweep_use(store, after=0, now=NOON + 7 * DAY)
    watching.sweep_use(store, after=0, now=NOON + 7 * DAY + HOUR)

    assert ("idle_occupied" in ear.heard) is told
    assert ear.heard.count("idle_occupied") <= 1


@pytest.mark.parametrize(("after_wh", "told"), [(2_000, True), (5_000, False)])
def test_use_that_falls_after_a_cover_was_opened_is_told_once(after_wh: int, told: bool, ear: Ear) -> None:
    store = MemoryStore()
    _, home = a_place(store)
    opened = NOON + 3 * DAY
    says(store, home, at=NOON, energy_wh=0)
    says(store, home, "cover_open", at=opened, energy_wh=9_000)
    says(store, home, at=opened + 3 * DAY, energy_wh=9_000 + after_wh)

    for hours in (0, 1, 2):
        watching.sweep_use(store, after=0, now=opened + 3 * DAY + MINUTE + hours * HOUR)

    assert ear.heard.count("step_after_cover") == (1 if told else 0)
    assert all(alarm.times == 1 for alarm in alarms_of(store))


def test_use_in_a_vacancy_is_told(ear: Ear) -> None:
    store = MemoryStore()
    _, home = a_place(store)
    says(store, home, at=NOON)
    with store.transaction() as tx:
        tx.put_hold(a_hold(home, kind=HoldKind.VACANCY))

    says(store, home, at=NOON + MINUTE, energy_wh=300)

    assert "use_in_vacancy" in ear.heard


def test_a_platform_that_is_told_off_and_counts_on_has_a_broken_switch(ear: Ear) -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    says(store, home, at=NOON, relay=Relay.OPEN)

    says(store, home, at=NOON + HOUR, relay=Relay.OPEN, energy_wh=400)

    assert ear.heard == ["switch_failure"]


def test_what_was_used_before_a_cut_is_not_taken_for_use_after_it(ear: Ear) -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    says(store, home, at=NOON)
    told(store, home, at=NOON + 10 * MINUTE, relay=Relay.OPEN)  # the cut, which reads no register

    says(store, home, at=NOON + 15 * MINUTE, relay=Relay.OPEN, energy_wh=400)
    says(store, home, at=NOON + 30 * MINUTE, relay=Relay.OPEN, energy_wh=400)

    assert ear.heard == []


def test_the_first_who_acknowledges_stays() -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)
    alarm_id, ours = the_alarm(store).alarm_id, town.organisation_id

    for name in ("ana", "bruno"):
        alarming.acknowledge(
            store,
            alarm_id,
            organisation_id=ours,
            actor=replace(ANA, who=name),
            audit_id=an_id(name),
            now=NOON + MINUTE,
        )

    alarm = the_alarm(store)
    assert (alarm.acknowledged_by, alarm.acknowledged_at) == ("ana", NOON + MINUTE)
    assert [entry.who for entry in store.tables.audit if entry.what == "acknowledge alarm"] == ["ana"]


def test_closing_keeps_who_what_and_why() -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)

    close(store, town, the_alarm(store), outcome=AlarmOutcome.THEFT_CONFIRMED)

    alarm, entry = the_alarm(store), store.tables.audit[-1]
    assert (alarm.outcome, alarm.note, alarm.closed_by) == (
        AlarmOutcome.THEFT_CONFIRMED,
        "looked at it",
        "ana",
    )
    assert (entry.what, entry.after, entry.why) == ("close alarm", "theft_confirmed", "looked at it")


def test_an_alarm_is_closed_once_and_with_a_note() -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)

    with pytest.raises(ReasonMissing):
        close(store, town, the_alarm(store), actor=replace(ANA, why=" "))
    close(store, town, the_alarm(store))
    with pytest.raises(AlarmClosed):
        close(store, town, the_alarm(store), name="again")


def test_what_the_meter_still_tells_is_not_repaired() -> None:
    store = MemoryStore()
    town, home = an_opened_cover(store)

    with pytest.raises(StillTold):
        close(store, town, the_alarm(store), outcome=AlarmOutcome.REPAIRED)
    says(store, home, at=NOON + MINUTE)
    close(store, town, the_alarm(store), outcome=AlarmOutcome.REPAIRED)

    assert the_alarm(store).outcome is AlarmOutcome.REPAIRED


def test_another_organisation_finds_no_alarm() -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)
    stranger = replace(town, organisation_id=town.organisation_id + 1)

    with pytest.raises(AlarmUnknown):
        close(store, stranger, the_alarm(store))
    with pytest.raises(AlarmUnknown):
        photograph(store, stranger, PNG)


def photograph(store: MemoryStore, town: Town, content: bytes, *, photo_id: UUID | None = None) -> None:
    alarming.add_photo(
        store,
        the_alarm(store).alarm_id,
        organisation_id=town.organisation_id,
        photo_id=photo_id or an_id("photo"),
        content=content,
        actor=ANA,
        now=NOON,
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
        (PNG, "image/png"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(9), "image/webp"),
    ],
    ids=["jpeg", "png", "webp"],
)
def test_a_picture_is_what_its_first_bytes_say(content: bytes, kind: str) -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)

    photograph(store, town, content)

    (photo,) = store.tables.alarm_photos.values()
    assert (photo.content_type, photo.content) == (kind, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html>\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x10\x00\x00\x00WAVE",
        PNG + bytes(alarming.PHOTO_BYTES_MAX),
    ],
    ids=["empty", "svg", "html", "gif", "wave", "too large"],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)

    with pytest.raises(PhotoUnfit):
        photograph(store, town, content)

    assert not store.tables.alarm_photos


def test_an_alarm_keeps_a_bounded_number_of_photos() -> None:
    store = MemoryStore()
    town, _ = an_opened_cover(store)
    for number in range(alarming.PHOTOS_MAX):
        photograph(store, town, PNG, photo_id=an_id(f"photo {number}"))

    with pytest.raises(PhotoUnfit):
        photograph(store, town, PNG, photo_id=an_id("one more"))


@pytest.mark.parametrize(
    ("starts", "ends", "field"),
    [
        (-3, -2, "ends_at"),
        (2, 1, "ends_at"),
        (1, 1, "ends_at"),
        (0, 24 * 32, "ends_at"),
        (24 * 367, 24 * 368, "starts_at"),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_its_field(starts: int, ends: int, field: str) -> None:
    store = MemoryStore()
    town, _ = a_place(store)
    window = replace(a_window(town), starts_at=NOON + starts * HOUR, ends_at=NOON + ends * HOUR)

    with pytest.raises(WindowUnfit) as refused:
        alarming.announce_maintenance(store, window, actor=ANA, now=NOON)

    assert refused.value.field == field
    assert not store.tables.maintenance_windows


def test_a_cancelled_window_silences_nothing_and_is_cancelled_once(ear: Ear) -> None:
    store = MemoryStore()
    town, home = a_place(store)
    announce(store, a_window(town))

    def cancel(name: str) -> None:
        alarming.cancel_maintenance(
            store,
            an_id("window"),
            organisation_id=town.organisation_id,
            actor=ANA,
            audit_id=an_id(name),
            now=NOON - MINUTE,
        )

    cancel("first")
    says(store, home, "cover_open", at=NOON)

    assert ear.heard == ["cover_open"]
    with pytest.raises(WindowUnfit):
        cancel("second")
