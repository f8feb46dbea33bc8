"""The promise T1 as a check: each account's day adds up, follows the day before, and is what was booked."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from compuerta.domain.ledger import DELIVERED, UNDELIVERED, Posting, liability_minor
from compuerta.services.day_port import CHARGING, RECHARGING, AccountDay
from compuerta.services.facts import View, grouped, unless
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay

# Grace after midnight, a lease of who was killed, and both again.
ENDED_WITHIN: Final = timedelta(hours=1)
_UNROLLED: Final = frozenset({DayStep.FREEZING, DayStep.ROLLING})
_DAY: Final = timedelta(days=1)


def t1(view: View) -> Iterator[str | None]:
    """T1 Opening + recharges + adjustments - charges = closing = the next opening; missing is not zero."""
    for account_id, days in grouped(last_versions(view), lambda each: each.account_id).items():
        for each in days:
            name = f"account {account_id} on {each.day}"
            comes_to = each.opening_minor + each.recharged_minor + each.adjusted_minor - each.charged_minor
            yield unless(comes_to == each.closing_minor, f"{name}: {comes_to} is not {each.closing_minor}")
            known = None not in (each.opening_wh, each.closing_wh)
            told = each.used_wh is None or (
                known and each.used_wh == (each.closing_wh or 0) - (each.opening_wh or 0)
            )
            yield unless(
                told, f"{name}: used {each.used_wh}, registers {each.opening_wh} and {each.closing_wh}"
            )
        for before, after in pairwise(days):
            follows = after.day - before.day > _DAY or before.closing_minor == after.opening_minor
            yield unless(
                follows,
                f"account {account_id}: {before.day} closes with {before.closing_minor}, "
                f"{after.day} opens with {after.opening_minor}",
            )


def t1_settled(view: View) -> Iterator[str | None]:
    """T1 Every day that has ended is rolled for every account, and is what was booked in it."""
    days = {each.key: each for each in view.books.site_days}
    yield from _ended(view, days.values())
    rolled = {(each.account_id, each.day): each for each in last_versions(view)}
    for key, day in days.items():
        if day.step in _UNROLLED:
            continue
        for account in view.books.accounts:
            was_open = account.period.start < day.ends_at and (
                account.period.end is None or account.period.end > day.starts_at
            )
            if account.site_id == day.site_id and was_open:
                there = (account.account_id, key.day) in rolled
                yield unless(there, f"account {account.account_id} has no {key.day}")
    postings = {
        account_id: sorted(some, key=lambda each: each.booked_at)
        for account_id, some in view.postings_by_account.items()
    }
    for row in rolled.values():
        of_day = days.get(DayKey(row.site_id, row.day))
        if of_day is not None:
            yield _booked(row, of_day, postings.get(row.account_id, []))


def last_versions(view: View) -> list[AccountDay]:
    """Return the last version of each account's day, by account and day."""
    last = {
        (each.account_id, each.day): each
        for each in sorted(view.books.account_days, key=lambda each: each.version)
    }
    return [each for _, each in sorted(last.items())]


def _ended(view: View, days: Iterable[SiteDay]) -> Iterator[str | None]:
    """T1 Of a site that ends its days, none waits for its end."""
    for site_id, some in grouped(days, lambda each: each.site_id).items():
        for each in some:
            due_at = each.due_at or each.ends_at  # later, where it was opened again
            late = each.step is not DayStep.DONE and due_at + ENDED_WITHIN < view.now
            yield unless(not late, f"site {site_id}: {each.day} has ended, and waits for {each.step.value}")
        last = max(each.ends_at for each in some)
        yield unless(
            view.now < last + _DAY + ENDED_WITHIN,
            f"site {site_id}: no day was ended since {last.isoformat()}",
        )


def _booked(row: AccountDay, day: SiteDay, postings: Sequence[Posting]) -> str | None:
    """T1 A day is the sum of its postings, and its closing the sum of all until its end."""
    until = _up_to(postings, day.ends_at)
    of_day = postings[_up_to(postings, day.starts_at) : until]
    booked = (
        sum(map(_credit_minor, postings[:until])),
        sum(liability_minor(each, code=UNDELIVERED) for each in postings[:until]),
        sum(_credit_minor(each) for each in of_day if each.kind in RECHARGING),
        -sum(_credit_minor(each) for each in of_day if each.kind in CHARGING),
    )
    told = (row.closing_minor, row.undelivered_minor, row.recharged_minor, row.charged_minor)
    return unless(told == booked, f"account {row.account_id} on {row.day}: {told}, postings say {booked}")


def _up_to(postings: Sequence[Posting], instant: datetime) -> int:
    return bisect_left(postings, instant, key=lambda each: each.booked_at)


def _credit_minor(posting: Posting) -> int:
    return liability_minor(posting, code=UNDELIVERED) + liability_minor(posting, code=DELIVERED)
