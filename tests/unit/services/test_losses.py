"""Feeders: what hangs behind which, the map of hours, and a day's loss that is too much."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    Home,
    Town,
    a_meter_entry,
    a_town,
    an_id,
    an_opening,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.alarms import AlarmKind
from compuerta.domain.losses import Suspicion
from compuerta.domain.party import AccountKind
from compuerta.drivers.abilities import Relay
from compuerta.services import losses
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.losses import FeederUnknown, FeedingUnfit, FeedingWish
from compuerta.services.records import LoadDay

ANA = Actor(who="ana", why="the riser is measured", origin="console")
MIDNIGHT = NOON + 12 * HOUR  # in Shanghai
DAY = timedelta(days=1)


class Riser:
    """A feeder with two flats behind it; hours are told by their figures."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.town: Town = a_town(self.store, authorities=(METER, METER))
        self.honest, self.other = self.town.homes
        with self.store.transaction() as tx:
            meter_id = tx.add_meter(a_meter_entry(self.town.organisation_id, number=77))
        opening = an_opening(self.town.site_id, name="riser", kind=AccountKind.FEEDER, meter_id=meter_id)
        account_id = losses.install_feeder(
            self.store, opening, actor=ANA, audit_id=an_id("install"), now=NOON
        )
        self.feeder = Home(meter_id=meter_id, account_id=account_id)

    def feed(self, *homes: Home, now: datetime = NOON, name: str = "feed") -> None:
        wish = FeedingWish(
            organisation_id=self.town.organisation_id,
            feeder_meter_id=self.feeder.meter_id,
            meter_ids=frozenset(home.meter_id for home in homes),
            audit_id=an_id(name),
        )
        losses.feed(self.store, wish, actor=ANA, now=now)

    def use(self, home: Home, *, wh_per_hour: int, hours: int, start: datetime = MIDNIGHT) -> None:
        for hour in range(hours + 1):
            told(
                self.store,
                home,
                at=start + hour * HOUR,
                energy_wh=hour * wh_per_hour,
                balance_minor=9_000,
                relay=Relay.CLOSED,
            )

    def map(self, *, now: datetime, days: int = 1) -> losses.LossMap:
        return losses.loss_map(
            self.store,
            self.feeder.meter_id,
            organisation_id=self.town.organisation_id,
            days=days,
            now=now,
        )


def test_what_the_feeder_measures_and_nobody_behind_it_is_lost() -> None:
    riser = Riser()
    riser.feed(riser.honest, riser.other)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=3)
    riser.use(riser.honest, wh_per_hour=600, hours=3)
    riser.use(riser.other, wh_per_hour=300, hours=3)

    found = riser.map(now=MIDNIGHT + 3 * HOUR)

    assert [(hour.start, hour.loss_wh) for hour in found.hours] == [
        (MIDNIGHT + n * HOUR, 100) for n in range(3)
    ]
    assert found.suspects == ()


def test_an_hour_without_a_reading_is_not_zero() -> None:
    riser = Riser()
    riser.feed(riser.honest)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=4)
    riser.use(riser.honest, wh_per_hour=1_000, hours=1)

    found = riser.map(now=MIDNIGHT + 4 * HOUR)

    assert [(hour.loss_wh, hour.missing) for hour in found.hours] == [(0, 0)] + [(None, 1)] * 3


def test_hours_measured_by_intervals_need_no_readings() -> None:
    riser = Riser()
    riser.feed(riser.honest)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=24)
    with riser.store.transaction() as tx:
        tx.put_load_days(
            [LoadDay(meter_id=riser.honest.meter_id, starts_at=MIDNIGHT, minutes=30, wh=(400,) * 48)]
        )

    found = riser.map(now=MIDNIGHT + DAY - HOUR)

    assert {hour.loss_wh for hour in found.hours} == {200}


def test_who_is_occupied_and_uses_nothing_is_looked_at() -> None:
    riser = Riser()
    riser.feed(riser.honest, riser.other)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=50)
    riser.use(riser.honest, wh_per_hour=600, hours=50)
    riser.use(riser.other, wh_per_hour=0, hours=50)

    (suspect,) = riser.map(now=MIDNIGHT + 50 * HOUR, days=3).suspects

    assert suspect.meter_id == riser.other.meter_id
    assert [ground.suspicion for ground in suspect.grounds] == [Suspicion.ZERO_USE]


def test_a_meter_that_came_later_took_nothing_before() -> None:
    riser = Riser()
    riser.feed(riser.honest)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=4)
    riser.use(riser.honest, wh_per_hour=1_000, hours=4)
    riser.feed(riser.honest, riser.other, now=MIDNIGHT + 2 * HOUR, name="later")

    found = riser.map(now=MIDNIGHT + 4 * HOUR)

    assert [hour.loss_wh for hour in found.hours] == [0, 0, None, None]


def test_a_meter_that_is_not_named_any_more_hangs_there_no_longer() -> None:
    riser = Riser()
    riser.feed(riser.honest, riser.other)

    riser.feed(riser.other, now=NOON + HOUR, name="less")

    with riser.store.transaction() as tx:
        hung = [each.meter_id for each in tx.alarms.fed_by(riser.feeder.meter_id) if each.ended_at is None]
    assert hung == [riser.other.meter_id]
    assert riser.store.tables.audit[-1].what == "feed meters"


def test_a_day_that_loses_more_than_wires_is_told_once_and_ends_with_a_better_one() -> None:
    riser = Riser()
    riser.feed(riser.honest)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=24)
    riser.use(riser.honest, wh_per_hour=800, hours=24)

    for hours in (25, 26):
        assert losses.sweep(riser.store, after=0, now=MIDNIGHT + hours * HOUR) is None
    (alarm,) = riser.store.tables.meter_alarms.values()
    assert (alarm.kind, alarm.times, alarm.detail) == (AlarmKind.METER_LOSS, 1, "4800 / 24000 Wh")
    assert alarm.meter_id == riser.feeder.meter_id

    for home in (riser.feeder, riser.honest):
        base_wh = riser.store.tables.snapshots[home.meter_id].energy_wh or 0
        for hour in range(1, 25):
            told(riser.store, home, at=MIDNIGHT + DAY + hour * HOUR, energy_wh=base_wh + hour * 1_000)
    losses.sweep(riser.store, after=0, now=MIDNIGHT + 2 * DAY + HOUR)

    assert riser.store.tables.meter_alarms[alarm.alarm_id].ended_at is not None


def test_a_loss_that_wires_explain_is_not_told() -> None:
    riser = Riser()
    riser.feed(riser.honest)
    riser.use(riser.feeder, wh_per_hour=1_000, hours=24)
    riser.use(riser.honest, wh_per_hour=980, hours=24)

    losses.sweep(riser.store, after=0, now=MIDNIGHT + 25 * HOUR)

    assert not riser.store.tables.meter_alarms


def test_what_cannot_hang_behind_a_feeder_is_refused() -> None:
    riser = Riser()

    with pytest.raises(FeedingUnfit):
        riser.feed(riser.feeder)
    with pytest.raises(FeedingUnfit):
        riser.feed(Home(meter_id=999, account_id=0))
    assert not riser.store.tables.feedings


def test_a_circle_of_feeders_is_refused() -> None:
    riser = Riser()
    with riser.store.transaction() as tx:
        second = tx.add_meter(a_meter_entry(riser.town.organisation_id, number=78))
    opening = an_opening(riser.town.site_id, name="sub", kind=AccountKind.FEEDER, meter_id=second)
    losses.install_feeder(riser.store, opening, actor=ANA, audit_id=an_id("sub"), now=NOON)
    riser.feed(Home(meter_id=second, account_id=0))
    wish = FeedingWish(
        organisation_id=riser.town.organisation_id,
        feeder_meter_id=second,
        meter_ids=frozenset({riser.feeder.meter_id}),
        audit_id=an_id("circle"),
    )

    with pytest.raises(FeedingUnfit):
        losses.feed(riser.store, wish, actor=ANA, now=NOON)


def test_another_organisation_has_no_such_feeder() -> None:
    riser = Riser()
    riser.town = replace(riser.town, organisation_id=riser.town.organisation_id + 1)

    with pytest.raises(FeederUnknown):
        riser.feed(riser.honest)
    with pytest.raises(FeederUnknown):
        riser.map(now=NOON)


def test_a_flat_is_no_feeder() -> None:
    riser = Riser()
    riser.feeder = riser.honest

    with pytest.raises(FeederUnknown):
        riser.feed(riser.other)


def test_a_meter_that_measures_for_somebody_becomes_no_feeder() -> None:
    riser = Riser()
    opening = an_opening(
        riser.town.site_id, name="second", kind=AccountKind.FEEDER, meter_id=riser.honest.meter_id
    )

    with pytest.raises(FeedingUnfit):
        losses.install_feeder(riser.store, opening, actor=ANA, audit_id=an_id("again"), now=NOON)
    with pytest.raises(ReasonMissing):
        losses.install_feeder(
            riser.store, opening, actor=replace(ANA, why=""), audit_id=an_id("again"), now=NOON
        )
