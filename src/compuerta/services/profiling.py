"""Load days: what meters have used interval by interval, as head-ends tell it.

Each day is kept once. What is no day of its site is refused by name; what differs from what is known is not
taken either, and has a case, since one of the two is wrong (promise T2).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from compuerta.domain.energy import POWER_W_MAX
from compuerta.domain.naming import named
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import day_of, day_start_us, to_us
from compuerta.services.records import AccountView, Case, LoadDay
from compuerta.services.store_port import Store, Transaction

LENGTHS_MIN = frozenset({5, 10, 15, 30, 60})
MINUTES_PER_HOUR = 60
_DAY = timedelta(days=1)


class Outcome(Enum):
    """What became of a day that was told."""

    CREATED = "created"
    EXISTS = "exists"
    EXISTS_DIFFERENT = "exists_different"  # what was first told stays; a case tells of the other
    MALFORMED = "malformed"  # it begins at no local midnight, or has too few or too many intervals
    FROM_THE_FUTURE = "from_the_future"
    JUMP = "jump"  # more than any supply can deliver: not taken, and a case tells of it
    METER_UNKNOWN = "meter_unknown"


def take_load_days(store: Store, days: Sequence[LoadDay], *, now: datetime) -> list[Outcome]:
    """Take days of intervals, in any order; a day twice is a day once."""
    with store.transaction() as tx:
        account_of = tx.accounts_of_meters({day.meter_id for day in days})
        views = tx.lock_accounts(sorted(set(account_of.values())), now=now)
        known = _known(tx, days)
        outcomes, new = [], []
        for day in days:
            view = views.get(account_of.get(day.meter_id, 0))
            outcome = _judged(day, view, known.get((day.meter_id, day.starts_at)), now=now)
            outcomes.append(outcome)
            if outcome is Outcome.CREATED:
                known[day.meter_id, day.starts_at] = day
                new.append(day)
        tx.put_load_days(new)
        tx.put_cases(
            [
                _case(day, account_of[day.meter_id], outcome, now=now)
                for day, outcome in zip(days, outcomes, strict=True)
                if outcome in (Outcome.EXISTS_DIFFERENT, Outcome.JUMP)
            ]
        )
    return outcomes


def _known(tx: Transaction, days: Sequence[LoadDay]) -> dict[tuple[int, datetime], LoadDay]:
    if not days:
        return {}
    since, until = min(day.starts_at for day in days), max(day.starts_at for day in days) + _DAY
    found = tx.load_days({day.meter_id for day in days}, since=since, until=until)
    return {(day.meter_id, day.starts_at): day for day in found}


def _judged(day: LoadDay, view: AccountView | None, known: LoadDay | None, *, now: datetime) -> Outcome:
    if view is None:
        return Outcome.METER_UNKNOWN
    start_us, end_us = _ends_us(day.starts_at, zone=view.account.zone)
    length_us = (end_us - start_us) // max(len(day.wh), 1)
    whole = to_us(day.starts_at) == start_us and day.minutes in LENGTHS_MIN and min(day.wh, default=-1) >= 0
    if not whole or timedelta(microseconds=length_us) != timedelta(minutes=day.minutes):
        return Outcome.MALFORMED
    if end_us > to_us(now):
        return Outcome.FROM_THE_FUTURE
    if max(day.wh) * MINUTES_PER_HOUR > POWER_W_MAX * day.minutes:
        return Outcome.JUMP
    if known is None:
        return Outcome.CREATED
    return Outcome.EXISTS if (known.minutes, known.wh) == (day.minutes, day.wh) else Outcome.EXISTS_DIFFERENT


def _ends_us(instant: datetime, *, zone: str) -> tuple[int, int]:
    """Return where the local day of an instant begins and ends."""
    place = zone_of(zone)
    day = day_of(to_us(instant), zone=place)
    return day_start_us(day, zone=place), day_start_us(day + _DAY, zone=place)


def _case(day: LoadDay, account_id: int, outcome: Outcome, *, now: datetime) -> Case:
    kind, how = ("intervals_jump", "") if outcome is Outcome.JUMP else ("intervals_differ", " again")
    told = f"{day.minutes}:{','.join(map(str, day.wh))}"
    return Case(
        account_id=account_id,
        case_id=named(f"case:{kind}", day.meter_id, day.starts_at.isoformat(), told),
        kind=kind,
        detail=f"the day from {day.starts_at.isoformat()} was told{how}, with {sum(day.wh)} Wh",
        opened_at=now,
    )
