"""Days end at their own midnights, once, and go on where somebody was killed."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.unit.services.town import NOON, PLATFORM, a_town, an_opening

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.party import AccountKind
from compuerta.services import closing_days, day_end
from compuerta.services.day_end import DAYS_AT_ONCE_MAX, GRACE, LEASE, Step
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.store_port import Store

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MIDNIGHT = NOON + 12 * HOUR  # that ends the first day in Shanghai
ORDER = tuple(DayStep)


def goes_on(done: list[tuple[DayStep, date]]) -> dict[DayStep, Step]:
    """Return steps that only remember that they were done."""

    def step(store: Store, day: SiteDay, now: datetime) -> SiteDay:
        done.append((day.step, day.day))
        following = ORDER[ORDER.index(day.step) + 1]
        after = replace(day, step=following, due_at=None if following is DayStep.DONE else day.due_at)
        with store.transaction() as tx:
            tx.freezes.save_day(after)
        return after

    return dict.fromkeys(DayStep, step)


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        ("Europe/Madrid", date(2026, 3, 29), "2026-03-28T23:00+00:00", 23),
        ("Europe/Madrid", date(2026, 10, 25), "2026-10-24T22:00+00:00", 25),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00+00:00", 23),  # begins at 01:00
        ("America/Santiago", date(2026, 4, 4), "2026-04-04T03:00+00:00", 25),  # has its last hour twice
        ("Asia/Shanghai", date(2026, 10, 25), "2026-10-24T16:00+00:00", 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_zone_gives_it(zone: str, day: date, starts: str, hours: int) -> None:
    starts_at, ends_at = day_end.bounds_of(day, zone=zone)

    assert starts_at == datetime.fromisoformat(starts)
    assert ends_at - starts_at == hours * HOUR
    assert day_end.bounds_of(day + DAY, zone=zone)[0] == ends_at


def test_each_site_ends_its_day_at_its_own_midnight_and_only_once() -> None:
    store, done = MemoryStore(), list[tuple[DayStep, date]]()
    town = a_town(store, authorities=(PLATFORM,))
    with store.transaction() as tx:
        madrid = tx.add_site(
            organisation_id=town.organisation_id, name="South", zone="Europe/Madrid", currency="EUR"
        )
        tx.add_account(an_opening(madrid, name="flat", meter_id=None, kind=AccountKind.SUSPENSE))

    assert day_end.sweep(store, now=MIDNIGHT + GRACE - HOUR, steps=goes_on(done)) == 0
    day_end.sweep(store, now=MIDNIGHT + GRACE, steps=goes_on(done))
    day_end.sweep(store, now=MIDNIGHT + 6 * HOUR, steps=goes_on(done))

    assert done == [(step, NOON.date()) for step in ORDER[:-1]]
    day_end.sweep(store, now=MIDNIGHT + 7 * HOUR + GRACE, steps=goes_on(done))
    assert len(done) == 2 * len(ORDER[:-1])
    assert {key.site_id for key in store.tables.site_days} == {town.site_id, madrid}


@pytest.mark.parametrize("killed", ORDER[:-1])
def test_who_is_killed_at_a_step_is_followed_there_after_the_lease(killed: DayStep) -> None:
    store, done = MemoryStore(), list[tuple[DayStep, date]]()
    a_town(store, authorities=(PLATFORM,))

    def dies(store: Store, day: SiteDay, now: datetime) -> SiteDay:
        raise KeyboardInterrupt

    now = MIDNIGHT + GRACE
    with pytest.raises(KeyboardInterrupt):
        day_end.sweep(store, now=now, steps={**goes_on(done), killed: dies})
    assert day_end.sweep(store, now=now + LEASE / 2, steps=goes_on(done)) == 0
    day_end.sweep(store, now=now + LEASE, steps=goes_on(done))

    assert [step for step, _ in done] == list(ORDER[:-1])


def test_days_that_nobody_ended_are_ended_in_their_order() -> None:
    store, done = MemoryStore(), list[tuple[DayStep, date]]()
    a_town(store, authorities=(PLATFORM,))

    for _ in range(2):
        day_end.sweep(store, now=MIDNIGHT + 9 * DAY + GRACE, steps=goes_on(done))

    days = [day for step, day in done if step is DayStep.FREEZING]
    assert days == [NOON.date() + number * DAY for number in range(10)]
    assert len(days) > DAYS_AT_ONCE_MAX


@pytest.mark.parametrize("step", ORDER[:-1])
@pytest.mark.parametrize("version", [1, 2])
def test_a_step_whose_lease_ended_leaves_the_day_as_others_have_it(step: DayStep, version: int) -> None:
    store = MemoryStore()
    a_town(store, authorities=(PLATFORM,))
    day_end.sweep(store, now=MIDNIGHT + GRACE, steps=goes_on([]))
    (begun,) = store.tables.site_days.values()
    ours = replace(begun, step=step, due_at=MIDNIGHT + LEASE)
    theirs = replace(begun, step=step, due_at=MIDNIGHT + 2 * LEASE, version=version)
    with store.transaction() as tx:
        tx.freezes.save_day(theirs)

    told = closing_days.STEPS[step](store, ours, MIDNIGHT + LEASE)

    assert told == theirs == store.tables.site_days[begun.key]


def test_who_finds_that_his_lease_has_ended_does_no_more_of_the_day() -> None:
    store, done = MemoryStore(), list[tuple[DayStep, date]]()
    a_town(store, authorities=(PLATFORM,))

    def is_slow(store: Store, day: SiteDay, now: datetime) -> SiteDay:
        with store.transaction() as tx:
            (theirs,) = tx.freezes.claim_days(now=now + LEASE, until=now + 2 * LEASE, limit=1)
        return theirs

    slowly = {**goes_on(done), DayStep.WEIGHING: is_slow}
    day_end.sweep(store, now=MIDNIGHT + GRACE, steps=slowly)

    assert [step for step, _ in done] == [DayStep.FREEZING, DayStep.ROLLING]
