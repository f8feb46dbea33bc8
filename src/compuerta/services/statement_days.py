"""Which bills are to be fetched, and what is made of days whose bill does not come.

A bill is of the provider's own day, and is there from the provider's own hour on. It is asked for again until
it comes, for some days. Where none comes, a day on which we have no payments was a day without any; another
is an alarm. Days on which nobody was there to ask are asked for later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.services import agreeing
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.payment_ports import Capabilities, StatementKind
from compuerta.services.records import Alarm
from compuerta.services.statement_port import Scope, Statement, StatementKey, StatementState
from compuerta.services.store_port import Store, Transaction

DAYS_BACK_MAX: Final = 7  # ... that are asked for after nobody was there
ASK_AFTER: Final = timedelta(hours=1)
ASKS_MAX: Final = 96  # four days
FUNDS_AFTER: Final = timedelta(minutes=10)  # a fund bill is held against the trade bill, which comes first
LEASE: Final = timedelta(minutes=10)  # who took a bill and died asks nothing for this long


class StatementUnknown(Refused):
    """There is no such bill."""

    def __init__(self, key: StatementKey) -> None:
        super().__init__(f"there is no bill of {key.provider} for {key.day}")
        self.key = key


def begin(store: Store, providers: Mapping[str, Capabilities], *, now: datetime) -> None:
    """Write down which bills are ready now, from yesterday's back to the last that is known."""
    with store.transaction() as tx:
        for name, able in sorted(providers.items()):
            if able.statement_ready is not None:
                for kind in sorted(able.statements, key=lambda each: each.value):
                    tx.statements.put(list(_wanted(tx, name, able, kind, now=now)))


def due(store: Store, *, now: datetime, limit: int) -> list[Statement]:
    """Take the bills that are to be fetched now."""
    with store.transaction() as tx:
        return tx.statements.claim(now=now, until=now + LEASE, limit=limit)


def scope_of(statement: Statement, *, zone: str) -> Scope:
    """Return from when to when a provider's day lasts."""
    there = zone_of(zone)
    start, end = (
        datetime.combine(day, time(0), there).astimezone(UTC)
        for day in (statement.day, statement.day + timedelta(days=1))
    )
    return Scope(provider=statement.provider, start=start, end=end, currency=statement.currency)


def not_there(store: Store, asked: Statement, *, zone: str, reason: str, now: datetime) -> Statement:
    """Ask again later, or, after some days, judge a day without a bill."""
    with store.transaction() as tx:
        known = _locked(tx, asked.key)
        told = replace(known, asks=known.asks + 1, ask_at=now + ASK_AFTER, reason=reason)
        if told.asks >= ASKS_MAX:
            told = _given_up(tx, told, zone=zone, now=now)
        tx.statements.save(told)
        return told


def faulty(store: Store, asked: Statement, *, reason: str, now: datetime) -> Statement:
    """Use nothing of a bill that is wrong in itself, and alarm; it is fetched again, within bounds.

    What an earlier and good one came to stays.
    """
    with store.transaction() as tx:
        known = _locked(tx, asked.key)
        asks = known.asks + 1
        was_good = known.state is StatementState.MATCHED
        told = replace(
            known,
            state=known.state if was_good else StatementState.FAULTY,
            asks=asks,
            ask_at=now + ASK_AFTER if asks < ASKS_MAX else None,
            reason=reason,
        )
        tx.statements.save(told)
        _alarm(tx, told, kind="statement_faulty", detail=reason, now=now)
        if told.is_final:
            agreeing.stop_waiting(tx, told, now=now)
        return told


def fetch_again(store: Store, key: StatementKey, *, actor: Actor, act_id: UUID, now: datetime) -> Statement:
    """Let a bill be fetched once more, because somebody wants it."""
    with store.transaction() as tx:
        wanted = replace(_locked(tx, key), asks=0, ask_at=now)
        tx.statements.save(wanted)
        subject = f"bill of {key.provider} for {key.day}"
        act = Act(act_id=act_id, what="fetch bill again", before=wanted.state.value)
        audit = entry_about(subject, actor, act, organisation_id=wanted.organisation_id, now=now)
        tx.put_audit([audit])
        return wanted


def _wanted(
    tx: Transaction, name: str, able: Capabilities, kind: StatementKind, *, now: datetime
) -> Iterator[Statement]:
    account = tx.provider_account(name)
    if account is None:
        return
    views = tx.look_at([account.suspense_account_id], now=now)
    for day in _days(tx, name, able, kind, now=now):
        yield Statement(
            provider=name,
            day=day,
            kind=kind,
            organisation_id=account.organisation_id,
            currency=views[account.suspense_account_id].account.currency,
            ask_at=now if kind is StatementKind.TRADE else now + FUNDS_AFTER,
        )


def _days(
    tx: Transaction, name: str, able: Capabilities, kind: StatementKind, *, now: datetime
) -> Sequence[date]:
    """Return the days since the last that is known; of a provider that is new, the last one alone."""
    assert able.statement_ready is not None, "who makes bills says when"
    there = now.astimezone(zone_of(able.statement_zone))
    ago = 1 if there.time() >= able.statement_ready else 2
    days = [there.date() - timedelta(days=ago + back) for back in range(DAYS_BACK_MAX)]
    for place, day in enumerate(days):
        if tx.statements.statement(StatementKey(name, day, kind)) is not None:
            return days[:place]
    return days[:1]


def _given_up(tx: Transaction, told: Statement, *, zone: str, now: datetime) -> Statement:
    told = replace(told, ask_at=None)
    if told.state is StatementState.MATCHED:
        return told
    if tx.statements.has_payments(scope_of(told, zone=zone)):
        _alarm(tx, told, kind="statement_missing", detail=told.reason, now=now)
        told = replace(told, state=StatementState.MISSING)
    else:
        told = replace(told, state=StatementState.EMPTY)
    agreeing.stop_waiting(tx, told, now=now)
    return told


def _locked(tx: Transaction, key: StatementKey) -> Statement:
    known = tx.statements.statement(key)
    if known is None:
        raise StatementUnknown(key)
    return known


def _alarm(tx: Transaction, told: Statement, *, kind: str, detail: str, now: datetime) -> None:
    subject = f"{told.provider} {told.day}"
    tx.put_alarms([Alarm(kind=kind, subject=subject, detail=detail, at=now)])
