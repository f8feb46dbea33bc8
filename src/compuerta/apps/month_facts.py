"""What is true at the end of the month's story, and what should be: cases, days, differences, balances."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from compuerta.adapters.postgres import journal
from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.services import verifying
from compuerta.services.verifying import Question

EDITED_BY_MINOR = 100
NOBODYS, NOBODYS_MINOR = f"42009999{0:020d}", 100  # the line of a bill that is of no payment
# Which case each plant becomes, by place; "-" is what belongs to no place.
EXPECTED_CASES = Counter(
    {
        ("101", "drift_lost_instruction"): 1,
        ("303", "drift_tamper"): 1,
        ("-", "reference_unknown"): 1,  # the line that the bill has too much
        ("-", "statement_differs"): 1,  # and the one that it lacks
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """A row that somebody changed, as it was."""

    account_id: int
    posting_id: UUID
    amounts_minor: list[int]


def credited(store: PostgresStore, account_id: int) -> int:
    """Return how many payments have become credit of an account."""
    found = store.query(
        "select count(*) as n from recharge where account_id = %(account_id)s", {"account_id": account_id}
    )
    return int(found[0]["n"])


def edit(owner: psycopg.Connection[Any], account_id: int) -> Altered:
    """Change the amounts of an account's first charge, as only the owner of the database can."""
    row = owner.execute(
        """select posting_id, amounts_minor from posting where account_id = %s and kind = 'charge'
        order by booked_at limit 1""",
        [account_id],
    ).fetchone()
    assert row is not None, "something was used"
    was = Altered(account_id=account_id, posting_id=row[0], amounts_minor=list(row[1]))
    more = [minor + (EDITED_BY_MINOR if minor > 0 else -EDITED_BY_MINOR) for minor in was.amounts_minor]
    _write(owner, was, more)
    return was


def put_back(owner: psycopg.Connection[Any], was: Altered) -> None:
    """Let a row be as it was."""
    _write(owner, was, was.amounts_minor)


def verified(url: str, *, now: datetime) -> list[dict[str, str]]:
    """Recompute the journal of postings from its rows; returns what is not as it was sealed."""
    with journal.opened(url) as found:
        told = verifying.verify(found, Question(now=now), tell=lambda number: None)
    return [{"wrong": each.wrong.value, "posting": str(each.posting_id)} for each in told.found]


def _write(owner: psycopg.Connection[Any], row: Altered, amounts_minor: list[int]) -> None:
    with owner.transaction():
        owner.execute("alter table posting disable trigger user")
        owner.execute(
            "update posting set amounts_minor = %s where (account_id, posting_id) = (%s, %s)",
            [amounts_minor, row.account_id, row.posting_id],
        )
        owner.execute("alter table posting enable trigger user")


def gather(store: PostgresStore, *, organisation_id: int, noted: Mapping[str, Any]) -> dict[str, Any]:
    """Read what the month has come to."""
    values = {"organisation_id": organisation_id}

    def asked(statement: str) -> list[dict[str, Any]]:
        return [_plain(row) for row in store.query(statement, values)]

    return {
        "cases": asked(
            """select p.name as place, c.kind, c.detail, c.opened_at, c.closed_at, c.outcome
            from case_file c join account a using (account_id) join supply_point p using (supply_point_id)
            where a.organisation_id = %(organisation_id)s order by c.opened_at, p.name"""
        ),
        "differences": asked(
            """select day, what, transaction_no, theirs_minor, ours_minor, ended_at, outcome
            from statement_difference where organisation_id = %(organisation_id)s
            order by day, difference_no"""
        ),
        "days": asked(
            """select s.name as site, d.day, d.step, d.version, d.meters, d.valid, d.provisional, d.missing
            from site_day d join site s using (site_id)
            where d.organisation_id = %(organisation_id)s order by d.site_id, d.day"""
        ),
        "balances": asked(
            """select p.name as place, h.delivered_minor, h.undelivered_minor
            from account_state h join account a using (account_id) join supply_point p using (supply_point_id)
            where a.organisation_id = %(organisation_id)s order by p.name"""
        ),
        "alarms": asked(
            """select m.meter_no, g.kind, g.raised_at, g.closed_at
            from meter_alarm g join meter m using (meter_id)
            where g.organisation_id = %(organisation_id)s order by g.raised_at"""
        ),
        "noted": dict(noted),
    }


def missing(facts: Mapping[str, Any]) -> Iterator[str]:
    """Tell what is not there that was planted, and what is there that nobody planted."""
    found = Counter((each["place"], each["kind"]) for each in facts["cases"])
    for (place, kind), times in (EXPECTED_CASES - found).items():
        yield f"case {kind} at {place}, {times} times"
    for (place, kind), times in (found - EXPECTED_CASES).items():
        yield f"nobody planted {kind} at {place}, {times} times"


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, (date, datetime)) else value
        for name, value in row.items()
    }
