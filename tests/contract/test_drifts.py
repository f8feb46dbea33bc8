"""Drifts in both stores: three figures at a freeze, one case for each cause, and none where they agree."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import pytest
from tests.contract.conftest import Shelf
from tests.contract.test_days import DAY, FIRST, HOUR, a_site_day, booked
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_town,
    an_id,
    concluded,
    paid,
    taken,
    the_view,
    told,
)

from compuerta.domain.alarms import AlarmKind, Severity
from compuerta.domain.drift import Cause
from compuerta.domain.ledger import PostingKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import casework, drifting, rolling
from compuerta.services.acting import Actor
from compuerta.services.alarm_port import Feeding, MeterAlarm
from compuerta.services.day_port import Drift
from compuerta.services.freeze_port import DayKey, DayStep, Freeze, FreezeBasis
from compuerta.services.store_port import Store

ANA = Actor(who="ana", why="looked at the meter", origin="console")
FULL = 5_000


def midnight(number: int) -> datetime:
    """Return the midnight that ends the day of this number, counted from 0."""
    return NOON + 12 * HOUR + number * DAY


def frozen(
    store: Store,
    town: Town,
    number: int,
    registers: Mapping[Home, tuple[int, int | None]],
    *,
    basis: FreezeBasis = FreezeBasis.METER,
    clock_off_s: int | None = None,
) -> None:
    """Write what meters showed at a midnight: register, and balance where it has one."""
    freezes = [
        Freeze(
            meter_id=home.meter_id,
            day=FIRST + number * DAY,
            version=1,
            site_id=town.site_id,
            account_id=home.account_id,
            at=midnight(number),
            basis=basis,
            known_at=midnight(number),
            energy_wh=energy_wh,
            balance_minor=balance_minor,
            clock_off_s=clock_off_s,
        )
        for home, (energy_wh, balance_minor) in registers.items()
    ]
    with store.transaction() as tx:
        tx.freezes.put_freezes(freezes)


def weighed(store: Store, town: Town, number: int) -> list[Drift]:
    """Roll and weigh a day, and return what drifts on it."""
    day, now = a_site_day(store, town, FIRST + number * DAY), midnight(number) + HOUR
    day = drifting.weigh_day(store, rolling.roll_day(store, day, now), now)
    assert day.step is DayStep.SEALING
    return the_drifts(store, town, day.day)


def the_drifts(store: Store, town: Town, day: date) -> list[Drift]:
    with store.transaction() as tx:
        return tx.days.drifts(DayKey(town.site_id, day))


def outcome_of(store: Store, drift: Drift) -> str | None:
    with store.transaction() as tx:
        case = tx.corrections.case(drift.account_id, drift.drift_id)
    assert case is not None
    return case.outcome


def a_full_meter(store: Store) -> tuple[Town, Home]:
    """Return a home whose meter took a recharge of 50.00 at noon, by its own word."""
    town = a_town(store, authorities=(METER,))
    home = town.homes[0]
    delivered(store, home, "1", balance_minor=FULL, at=NOON)
    return town, home


def delivered(
    store: Store, home: Home, name: str, *, balance_minor: int, at: datetime, energy_wh: int = 0
) -> None:
    paid(store, home, name=name, amount_minor=FULL, now=at)
    state = MeterState(
        energy_wh=energy_wh, balance_minor=balance_minor, purchase_no=int(name), relay=Relay.CLOSED
    )
    concluded(store, taken(store, home, now=at), ending=Ending.DONE, at=at + SECOND, state=state)


def test_figures_that_agree_are_no_case(shelf: Shelf) -> None:
    town, home = a_full_meter(shelf.store)
    told(shelf.store, home, at=NOON + HOUR, energy_wh=1_000, balance_minor=FULL - 53)
    frozen(shelf.store, town, 0, {home: (3_000, FULL - 159)})

    assert weighed(shelf.store, town, 0) == []
    assert shelf.count("case_file") == 0


def test_credit_of_a_platform_is_weighed_against_its_freezes_night_after_night(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(shelf.store, home)
    for number in range(3):
        told(shelf.store, home, at=NOON + HOUR + number * DAY, energy_wh=1_000 + 4_000 * number)
        frozen(shelf.store, town, number, {home: (3_000 + 4_000 * number, None)})

        assert weighed(shelf.store, town, number) == []


def test_what_was_charged_and_never_measured_is_told(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(store, home)
    told(store, home, at=NOON + HOUR, energy_wh=1_000)
    frozen(store, town, 0, {home: (2_000, None)})
    weighed(store, town, 0)
    told(store, home, at=NOON + DAY, energy_wh=20_000)
    frozen(store, town, 1, {home: (4_000, None)})

    (drift,) = weighed(store, town, 1)

    assert (drift.cause, drift.minor) == (Cause.UNEXPLAINED, 53 * 19 - 53 * 3)
    assert drift.recomputed_minor == drift.books_minor + drift.minor


def test_what_comes_to_nothing_by_recomputation_is_a_figure_too(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(store, home, amount_minor=53 * 4)
    told(store, home, at=NOON + HOUR, energy_wh=1_000)
    frozen(store, town, 0, {home: (2_000, None)})
    weighed(store, town, 0)
    told(store, home, at=NOON + DAY, energy_wh=20_000)
    frozen(store, town, 1, {home: (4_000, None)})

    (drift,) = weighed(store, town, 1)

    assert (drift.recomputed_minor, drift.minor) == (0, 53 * 16)


def test_what_is_on_its_way_is_no_case(shelf: Shelf) -> None:
    town, home = a_full_meter(shelf.store)
    paid(shelf.store, home, name="2", now=NOON + HOUR)
    frozen(shelf.store, town, 0, {home: (0, FULL)})

    assert weighed(shelf.store, town, 0) == []
    assert shelf.count("case_file") == 0


def test_what_the_meter_has_not_taken_by_the_next_day_is_lost_until_it_has(store: Store) -> None:
    town, home = a_full_meter(store)
    paid(store, home, name="2", amount_minor=700, now=NOON + HOUR)
    nights = []
    for number in range(2):
        told(store, home, at=NOON + number * DAY + 2 * HOUR, energy_wh=0, balance_minor=FULL)
        frozen(store, town, number, {home: (0, FULL)})
        nights.append(weighed(store, town, number))
    first, (lost,) = nights
    assert first == []

    state = MeterState(energy_wh=0, balance_minor=FULL + 700, purchase_no=2)
    at = midnight(1) + 2 * HOUR
    concluded(store, taken(store, home, now=at), ending=Ending.DONE, at=at + SECOND, state=state)
    frozen(store, town, 2, {home: (0, FULL + 700)})
    (gone,) = weighed(store, town, 2)

    assert (lost.cause, lost.minor) == (Cause.LOST_INSTRUCTION, -700)
    assert (gone.drift_id, gone.gone_at) == (lost.drift_id, midnight(2) + HOUR)
    assert outcome_of(store, gone) == "gone"


@pytest.mark.parametrize(
    ("balance_minor", "cause"),
    [
        (FULL, Cause.LOST_INSTRUCTION),
        (3 * FULL, Cause.DOUBLE_CREDIT),
        (2 * FULL - 1_234, Cause.UNEXPLAINED),
    ],
)
def test_a_meter_that_holds_other_money_is_one_case_by_its_cause(
    shelf: Shelf, balance_minor: int, cause: Cause
) -> None:
    town, home = a_full_meter(shelf.store)
    delivered(shelf.store, home, "2", balance_minor=2 * FULL, at=NOON + HOUR)
    for number in range(3):
        frozen(shelf.store, town, number, {home: (0, balance_minor)})

    nights = [weighed(shelf.store, town, number) for number in range(3)]

    assert [(len(night), night[0].cause, night[0].minor) for night in nights] == [
        (1, cause, balance_minor - 2 * FULL)
    ] * 3
    assert shelf.count("case_file") == 1
    assert nights[2][0].seen_day == FIRST + 2 * DAY
    assert (nights[2][0].books_minor, nights[2][0].meter_minor) == (2 * FULL, balance_minor)


def test_the_same_night_twice_is_one_night(shelf: Shelf) -> None:
    town, home = a_full_meter(shelf.store)
    frozen(shelf.store, town, 0, {home: (0, 4_000)})

    first, again = weighed(shelf.store, town, 0), weighed(shelf.store, town, 0)

    assert first == again
    assert shelf.count("case_file") == 1


def test_a_difference_that_people_have_ended_is_not_told_again_and_another_is(shelf: Shelf) -> None:
    store = shelf.store
    town, home = a_full_meter(store)
    frozen(store, town, 0, {home: (0, 4_000)})
    (drift,) = weighed(store, town, 0)
    casework.close(
        store, home.account_id, drift.drift_id, actor=ANA, act_id=an_id("close"), now=midnight(0) + 2 * HOUR
    )
    frozen(store, town, 1, {home: (0, 4_000)})
    frozen(store, town, 2, {home: (0, 3_900)})

    weighed(store, town, 1)
    assert shelf.count("case_file") == 1
    found = weighed(store, town, 2)

    assert sorted(each.minor for each in found) == [-1_000, -100]
    assert shelf.count("case_file") == 2


def test_one_of_two_differences_may_go_alone(store: Store) -> None:
    town, home = a_full_meter(store)
    delivered(store, home, "2", balance_minor=2 * FULL, at=NOON + HOUR)
    for number, balance_minor in enumerate((FULL, FULL - 321, 2 * FULL - 321)):
        frozen(store, town, number, {home: (0, balance_minor)})
        found = weighed(store, town, number)

    assert {each.cause: each.gone_at is None for each in found} == {
        Cause.LOST_INSTRUCTION: False,
        Cause.UNEXPLAINED: True,
    }


def test_a_meter_without_a_frozen_balance_is_weighed_by_its_last_reading(store: Store) -> None:
    town, home = a_full_meter(store)
    told(store, home, at=NOON + HOUR, energy_wh=1_000, balance_minor=3_000)

    (drift,) = weighed(store, town, 0)

    assert (drift.books_minor, drift.meter_minor) == (FULL - 53, 3_000)


def test_where_billing_is_held_its_own_case_says_why(shelf: Shelf) -> None:
    town, home = a_full_meter(shelf.store)
    told(shelf.store, home, at=NOON + HOUR, energy_wh=9_000, balance_minor=FULL - 477)
    told(shelf.store, home, at=NOON + 2 * HOUR, energy_wh=1_000, balance_minor=1_000)
    assert the_view(shelf.store, home.account_id).holdings.billing_held

    assert weighed(shelf.store, town, 0) == []
    assert shelf.count("case_file") == 1


def test_what_was_supposed_is_weighed_when_it_is_known(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(store, home)
    told(store, home, at=NOON + HOUR, energy_wh=1_000)
    frozen(store, town, 0, {home: (90_000, None)}, basis=FreezeBasis.PROVISIONAL)
    assert weighed(store, town, 0) == []
    told(store, home, at=NOON + DAY, energy_wh=4_000)
    frozen(store, town, 1, {home: (5_000, None)})

    assert weighed(store, town, 1) == []


def a_week_before(store: Store, town: Town, homes: Mapping[Home, int], *, last: Mapping[Home, int]) -> int:
    """Freeze eight nights with this use a day, and a ninth day with another; returns its number."""
    register = dict.fromkeys(homes, 0)
    for number in range(9):
        for home, day_wh in (last if number == 8 else homes).items():
            register[home] += day_wh
        frozen(store, town, number, {home: (wh, None) for home, wh in register.items()})
    return 8


def opened(store: Store, town: Town, home: Home, *, at: datetime) -> None:
    alarm = MeterAlarm(
        meter_id=home.meter_id,
        alarm_id=an_id("cover"),
        organisation_id=town.organisation_id,
        account_id=home.account_id,
        kind=AlarmKind.COVER_OPEN,
        severity=Severity.WARNING,
        detail="",
        raised_at=at,
        last_at=at,
    )
    with store.transaction() as tx:
        tx.alarms.put([alarm])


def test_use_that_fell_after_a_cover_was_opened_is_tampering_once(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    number = a_week_before(store, town, {home: 8_000}, last={home: 500})
    opened(store, town, home, at=midnight(6))

    for _ in range(2):
        (drift,) = weighed(store, town, number)

    assert (drift.cause, drift.minor) == (Cause.TAMPER, -596)
    assert shelf.count("case_file") == 1


def test_use_that_fell_while_the_feeder_feeds_on_is_tampering_and_that_of_a_neighbour_is_not(
    store: Store,
) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM, PLATFORM))
    feeder, thief, neighbour = town.homes
    with store.transaction() as tx:
        tx.alarms.put_feedings(
            [
                Feeding(feeder_meter_id=feeder.meter_id, meter_id=each.meter_id, started_at=NOON - DAY)
                for each in (thief, neighbour)
            ]
        )
    usual = {feeder: 16_500, thief: 8_000, neighbour: 8_000}
    number = a_week_before(store, town, usual, last={feeder: 16_500, thief: 500, neighbour: 8_000})

    (drift,) = weighed(store, town, number)

    assert (drift.account_id, drift.cause) == (thief.account_id, Cause.TAMPER)


def test_who_is_away_is_no_thief(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    feeder, away = town.homes
    with store.transaction() as tx:
        tx.alarms.put_feedings(
            [Feeding(feeder_meter_id=feeder.meter_id, meter_id=away.meter_id, started_at=NOON - DAY)]
        )
    number = a_week_before(store, town, {feeder: 8_500, away: 8_000}, last={feeder: 700, away: 200})

    assert [each.account_id for each in weighed(store, town, number)] == []


def test_a_correction_in_our_books_does_not_hide_what_the_meter_holds(store: Store) -> None:
    town, home = a_full_meter(store)
    booked(
        store, home.account_id, at=NOON + HOUR, kind=PostingKind.SETTLEMENT, credit_minor=-900, other="moved"
    )
    frozen(store, town, 0, {home: (0, FULL)})

    (drift,) = weighed(store, town, 0)

    assert (drift.minor, drift.cause) == (900, Cause.UNEXPLAINED)
    assert replace(drift, minor=0).books_minor == FULL - 900
