"""Sealing: when a site's day ends, its postings are hashed into the chain of their accounts and of the site.

An anchor stands for all that was booked before the end of its day. What is booked into such a day afterwards
is late: it is sealed with the next day, and somebody has to say why it is there.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain import sealing
from compuerta.domain.naming import derived
from compuerta.domain.sealing import Anchor, text_of_anchor
from compuerta.services import day_end
from compuerta.services.day_end import DAYS_BEHIND_MAX
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay
from compuerta.services.records import Case
from compuerta.services.seal_port import LatePosting
from compuerta.services.store_port import Store, Transaction

ACCOUNTS_AT_ONCE_MAX: Final = 50_000  # a transaction of some seconds
BATCHES_MAX: Final = 10_000  # more than there are accounts in any city
DAY: Final = timedelta(days=1)


def seal_day(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """Seal the postings of a site's day and anchor them; a day that is anchored is left as it is."""
    for each in _unanchored(store, day):
        _seal(store, each, now=now)
    with store.transaction() as tx:
        return day_end.go_on(tx, day, to=DayStep.REPORTING)


def _unanchored(store: Store, day: SiteDay) -> list[SiteDay]:
    """Return this day, and before it those that have no anchor yet.

    Somebody may be sealing yesterday, or was killed while he did. Were today anchored first, the seals of
    yesterday would have no anchor for ever, as forged ones have none.
    """
    days = [day]
    for _ in range(DAYS_BEHIND_MAX):
        with store.transaction() as tx:
            last = tx.seals.last_anchor(day.site_id)
            yesterday = days[-1].day - DAY
            is_anchored = last is not None and last.day >= yesterday
            before = None if is_anchored else tx.freezes.day(DayKey(day.site_id, yesterday))
        if before is None:
            break
        days.append(before)
    return days[::-1]


def _seal(store: Store, day: SiteDay, *, now: datetime) -> None:
    after: int | None = 0
    for _ in range(BATCHES_MAX):
        if after is None:
            break
        after = _seal_some(store, day, after=after, now=now)
    with store.transaction() as tx:
        current = tx.freezes.day(day.key)
        assert current is not None, "days are never deleted"
        anchor(tx, current, now=now)


def _seal_some(store: Store, day: SiteDay, *, after: int, now: datetime) -> int | None:
    with store.transaction() as tx:
        tx.freezes.day(day.key)  # held: nobody seals the same day beside us
        last = tx.seals.last_anchor(day.site_id)
        if last is not None and last.day >= day.day:
            return None
        since = None if last is None else last.until
        sealed = tx.seals.seal(day, since=since, after=after, limit=ACCOUNTS_AT_ONCE_MAX)
        tx.put_cases([_doubt(each, now=now) for each in sealed.late])
        return sealed.last


def anchor(tx: Transaction, day: SiteDay, *, now: datetime) -> None:
    """Write the anchor over all seals of a day; a day before the last anchor is in that one already."""
    last = tx.seals.last_anchor(day.site_id)
    if last is not None and last.day >= day.day:
        return
    seals = tx.seals.seals_of(day)
    made = Anchor(
        site_id=day.site_id,
        anchor_no=1 if last is None else last.anchor_no + 1,
        organisation_id=day.organisation_id,
        day=day.day,
        until=day.ends_at,
        made_at=now,
        accounts=seals.accounts,
        postings=seals.postings,
        previous=sealing.NOTHING if last is None else last.digest,
        digest=sealing.NOTHING,
    )
    tx.seals.put_anchor(replace(made, digest=sealing.digest_of_anchor(made, seals=seals.digest)))


def anchor_text(tx: Transaction, key: DayKey) -> str:
    """Return the anchor that a day is in as it is printed, to be kept elsewhere; "" before it is made."""
    found = tx.seals.anchor_of(key)
    return "" if found is None else f"{found.anchor_no}: {text_of_anchor(found.digest)}"


def _doubt(late: LatePosting, *, now: datetime) -> Case:
    return Case(
        account_id=late.account_id,
        case_id=derived(late.posting_id, "posting_late"),
        kind="posting_late",
        detail=f"posting {late.posting_id} says {late.booked_at:%Y-%m-%d %H:%M}Z: sealed without it then",
        opened_at=now,
    )
