"""What the screens of banks read: accounts, statements, entries that wait, and what they may answer."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.utils.functional import Promise

from compuerta.apps import wiring
from compuerta.apps.console import bank_words
from compuerta.apps.console.reads import rows

STATEMENTS_SHOWN_MAX = 60
ENTRIES_SHOWN_MAX = 200
TARGETS_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account at a bank, and how far its statements go."""

    bank_account_id: UUID
    name: str
    number: str
    currency: str
    ends_on: date | None
    closing_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatementRow:
    """A statement that was taken in."""

    name: str
    currency: str
    statement_no: int
    starts_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    entries: int
    taken_by: str
    taken_at: datetime
    gap_minor: int  # between the statement before and this one, of which none tells


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A movement at the bank."""

    bank_account_id: UUID
    entry_id: UUID
    name: str
    currency: str
    booked_on: date
    amount_minor: int
    reference: str
    text: str
    case_id: UUID | None
    ties: int
    waits: int  # ties that a second person has to agree to

    @property
    def days(self) -> int:
        """How many days it is old."""
        return (wiring.now().date() - self.booked_on).days


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A payout or a deposit that no entry answers."""

    kind: str
    provider: str
    number: str
    amount_minor: int
    currency: str
    day: date

    @property
    def what(self) -> Promise:
        """What it is, in words."""
        return bank_words.TARGETS[self.kind]

    @property
    def days(self) -> int:
        """How many days it is on its way."""
        return (wiring.now().date() - self.day).days


@dataclass(frozen=True, slots=True, kw_only=True)
class TieRow:
    """What an entry answers."""

    kind: str
    provider: str
    number: str
    amount_minor: int
    tied_by: str
    tied_at: datetime
    agreed_by: str | None

    @property
    def what(self) -> Promise:
        """What it is, in words."""
        return bank_words.TARGETS[self.kind]


_ENTRY = """
select e.bank_account_id, e.entry_id, a.name, a.currency, e.booked_on, e.amount_minor, e.reference, e.text,
    e.case_id, count(t.*) as ties, count(t.*) filter (where t.agreed_at is null) as waits
from bank_entry e
join bank_account a on a.bank_account_id = e.bank_account_id
left join bank_tie t on t.bank_account_id = e.bank_account_id and t.entry_id = e.entry_id
    and t.refused_at is null
where e.organisation_id = %(organisation_id)s
"""


def accounts(organisation_id: int) -> list[AccountRow]:
    """Return the accounts with their last balances, by name."""
    return rows(
        AccountRow,
        """select a.bank_account_id, a.name, a.number, a.currency, s.ends_on, s.closing_minor
        from bank_account a
        left join lateral (
            select ends_on, closing_minor from bank_statement
            where bank_account_id = a.bank_account_id order by ends_on desc, statement_no desc limit 1
        ) s on true
        where a.organisation_id = %(organisation_id)s order by a.name, a.number""",
        {"organisation_id": organisation_id},
    )


def statements(organisation_id: int) -> list[BankStatementRow]:
    """Return the last statements, the newest first."""
    return rows(
        BankStatementRow,
        """select a.name, a.currency, s.statement_no, s.starts_on, s.ends_on, s.opening_minor,
            s.closing_minor, s.entries, s.taken_by, s.taken_at,
            coalesce(s.opening_minor - lag(s.closing_minor) over (
                partition by s.bank_account_id order by s.starts_on, s.statement_no
            ), 0) as gap_minor
        from bank_statement s join bank_account a using (bank_account_id)
        where s.organisation_id = %(organisation_id)s
        order by s.ends_on desc, a.name, s.statement_no desc limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": STATEMENTS_SHOWN_MAX},
    )


def untied(organisation_id: int) -> list[EntryRow]:
    """Return the entries that wait for somebody, the oldest first."""
    return rows(
        EntryRow,
        f"""{_ENTRY} and e.case_id is null and not exists (
            select from bank_tie t where t.bank_account_id = e.bank_account_id and t.entry_id = e.entry_id
                and t.agreed_at is not null
        )
        group by e.bank_account_id, e.entry_id, a.name, a.currency
        order by e.booked_on, e.entry_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": ENTRIES_SHOWN_MAX},
    )


def answered(organisation_id: int) -> list[EntryRow]:
    """Return the last entries that are tied, or became a case, the newest first."""
    return rows(
        EntryRow,
        f"""{_ENTRY} and (e.case_id is not null or exists (
            select from bank_tie t where t.bank_account_id = e.bank_account_id and t.entry_id = e.entry_id
                and t.agreed_at is not null
        ))
        group by e.bank_account_id, e.entry_id, a.name, a.currency
        order by e.booked_on desc, e.entry_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": ENTRIES_SHOWN_MAX},
    )


def entry(organisation_id: int, entry_id: UUID) -> EntryRow | None:
    """Return an entry, or None where it is not there."""
    found = rows(
        EntryRow,
        f"""{_ENTRY} and e.entry_id = %(entry_id)s
        group by e.bank_account_id, e.entry_id, a.name, a.currency""",
        {"organisation_id": organisation_id, "entry_id": entry_id},
    )
    return found[0] if found else None


def ties(organisation_id: int, entry_id: UUID) -> list[TieRow]:
    """Return what an entry answers, or would."""
    return rows(
        TieRow,
        """select kind, provider, number, amount_minor, tied_by, tied_at, agreed_by from bank_tie
        where organisation_id = %(organisation_id)s and entry_id = %(entry_id)s and refused_at is null
        order by kind, provider, number""",
        {"organisation_id": organisation_id, "entry_id": entry_id},
    )
