"""The day's end: each day of each site goes through its steps, once, whoever does them and however often.

A day begins to end at the site's own midnight. Its steps are rows (`DayStep`), so that who is killed between
two of them goes on where it stopped; a day that learns something late is opened again, with a version.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import day_start_us, from_us
from compuerta.services.freeze_port import DayStep, FrozenSite, SiteDay
from compuerta.services.store_port import Store, Transaction

# What was decided before midnight is written by then, and gateways have asked their meters once.
GRACE: Final = timedelta(minutes=3)
LEASE: Final = timedelta(minutes=5)
DAYS_AT_ONCE_MAX: Final = 8
DAYS_BEHIND_MAX: Final = 400  # that are begun at once, where nobody was there to end them

# Does a step of a day in transactions of its own, and returns the day as it is then; the step that is next is
# said by the day that it returns.
Step = Callable[[Store, SiteDay, datetime], SiteDay]


def sweep(store: Store, *, now: datetime, steps: Mapping[DayStep, Step]) -> int:
    """Begin the days that have ended, and do the steps that are due; returns how many steps were done."""
    with store.transaction() as tx:
        for site in tx.freezes.sites():
            tx.freezes.put_days(list(_ended(site, now=now)))
    with store.transaction() as tx:
        claimed = tx.freezes.claim_days(now=now, until=now + LEASE, limit=DAYS_AT_ONCE_MAX)
    done = 0
    for each in claimed:
        day = each
        for _ in DayStep:
            if day.step is DayStep.DONE or day.due_at != each.due_at:
                break  # done, or somebody else's
            day = steps[day.step](store, day, now)
            done += 1
    return done


def is_ours(here: SiteDay, day: SiteDay) -> bool:
    """Tell whether a day stands as it was claimed, or went on in these hands.

    A lease may end while a step is done: somebody else has it then, or it was opened again behind us.
    """
    return (here.step, here.version, here.due_at) == (day.step, day.version, day.due_at)


def go_on(tx: Transaction, day: SiteDay, *, to: DayStep) -> SiteDay:
    """Let a day whose step was done go on to the next; one that is not ours any more stays as it is."""
    here = tx.freezes.day(day.key)
    assert here is not None, "days are never deleted"
    if not is_ours(here, day):
        return here
    gone = replace(here, step=to)
    tx.freezes.save_day(gone)
    return gone


def _ended(site: FrozenSite, *, now: datetime) -> Iterator[SiteDay]:
    zone = zone_of(site.zone)
    first = site.since.astimezone(zone).date() if site.last_day is None else site.last_day + timedelta(days=1)
    for number in range(DAYS_BEHIND_MAX):
        day = first + timedelta(days=number)
        starts_at, ends_at = bounds_of(day, zone=site.zone)
        if ends_at > now:
            return
        yield SiteDay(
            site_id=site.site_id,
            day=day,
            organisation_id=site.organisation_id,
            zone=site.zone,
            currency=site.currency,
            starts_at=starts_at,
            ends_at=ends_at,
            due_at=ends_at + GRACE,
        )


def bounds_of(day: date, *, zone: str) -> tuple[datetime, datetime]:
    """Return the instants at which a day begins and ends in a zone; it has 23, 24 or 25 hours."""
    here = zone_of(zone)
    return from_us(day_start_us(day, zone=here)), from_us(day_start_us(day + timedelta(days=1), zone=here))
