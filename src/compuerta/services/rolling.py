"""Rolling forward: each account's day is opening + recharges + adjustments - charges = closing (promise T1).

What was booked into a day after it was rolled makes its next version, and that of the days after it. What is
rolled is held against what the accounts have now; a difference is a case, and nothing is adjusted.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain.naming import named
from compuerta.services import day_end
from compuerta.services.day_port import RollDiffers
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay
from compuerta.services.records import Case
from compuerta.services.store_port import Store, Transaction

# A transaction that began before midnight ends minutes after it; a week is long enough for a restored copy.
LOOK_BACK: Final = timedelta(days=7)
# More accounts that differ are no work for people: one fault made them all, and the first cases tell it.
CASES_MAX: Final = 1_000
ROLL_DIFFERS: Final = "roll_differs"


def roll_day(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Roll a day of a site forward, and the days after it that were rolled before; see `day_end.Step`.

    A large site takes a minute. Days are locked at its end only: gateways look at them all the time, and what
    they have to tell does not wait. Who rolls the same rows beside us is refused by their keys.
    """
    with store.transaction() as tx:
        later = [each for each in tx.days.rolled_days(day.site_id, since=day.day) if each.day > day.day]
        days = [day, *later]
        changed = _roll(tx, days)
        if tx.days.differing(days[-1], limit=1):
            # Something was booked into a day that was rolled: from the first day on that it may lie in.
            days = [*tx.days.rolled_days(day.site_id, since=day.day - LOOK_BACK)]
            changed |= _roll(tx, days)
            tell_differing(tx, days[-1], tx.days.differing(days[-1], limit=CASES_MAX), now=now)
        rolled = day
        for key in sorted({*changed, day.key}):
            if key == day.key:
                rolled = day_end.go_on(tx, day, to=DayStep.WEIGHING)
            else:
                _open_again(tx, key, now=now)
    return rolled


def tell_differing(tx: Transaction, day: SiteDay, differing: Sequence[RollDiffers], *, now: datetime) -> None:
    """Open a case for each account whose days do not add up to what it has."""
    tx.put_cases(
        [
            Case(
                account_id=each.account_id,
                case_id=named("case:roll", each.account_id, day.day.isoformat()),
                kind=ROLL_DIFFERS,
                detail=(
                    f"{day.day.isoformat()}: the postings come to {each.closing_minor} "
                    f"({each.undelivered_minor} undelivered), the account has {each.held_minor} "
                    f"({each.held_undelivered_minor} undelivered), in minor units of {day.currency}"
                ),
                opened_at=now,
            )
            for each in differing
        ]
    )


def _roll(tx: Transaction, days: Sequence[SiteDay]) -> set[DayKey]:
    return {each.key for each in days if tx.days.roll(each)}


def _open_again(tx: Transaction, key: DayKey, *, now: datetime) -> None:
    day = tx.freezes.day(key)
    if day is not None and day.step is DayStep.DONE:
        opened = replace(day, step=DayStep.WEIGHING, version=day.version + 1, due_at=now, done_at=None)
        tx.freezes.save_day(opened)
