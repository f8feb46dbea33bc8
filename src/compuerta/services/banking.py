"""Banking: the organisation's accounts at banks, and the banks' statements of them.

A file is taken whole or not at all, and only where each of its statements ties: its first balance, its
entries and its last balance. What is known already is absorbed; what contradicts what is known is refused.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.naming import named
from compuerta.services import bank_sheet, tying
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.bank_port import BankAccount, BankEntry, BankStatement
from compuerta.services.bank_sheet import BankSheet, Judged, SheetEntry, Standing
from compuerta.services.store_port import Store, Transaction

# A day that ends at its midnight may be said as the next, and a bank's clock be a day ahead of ours.
AHEAD_MAX: Final = timedelta(days=2)


class AccountUnknown(Refused):
    """The organisation has no such account at a bank."""

    def __init__(self) -> None:
        super().__init__("there is no such bank account")


class AccountExists(Refused):
    """The organisation has an account of this number."""

    def __init__(self, number: str) -> None:
        super().__init__(f"the account {number} is there already")
        self.number = number


class AccountDiffers(Refused):
    """A statement is of another account than the one that was chosen."""

    def __init__(self, *, told: str, chosen: str) -> None:
        super().__init__(f"the statement is of {told}, and {chosen} was chosen; nothing was taken")
        self.told = told
        self.chosen = chosen


class StatementAhead(Refused):
    """A statement of days that have not been: all that comes after would contradict it."""

    def __init__(self, ends_on: date) -> None:
        super().__init__(f"the statement goes up to {ends_on}, which lies ahead; nothing was taken")
        self.ends_on = ends_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Statements to take into an account, as one file had them."""

    bank_account_id: UUID
    organisation_id: int
    sheets: tuple[BankSheet, ...]


def open_account(
    store: Store, account: BankAccount, *, actor: Actor, act_id: UUID, now: datetime
) -> BankAccount:
    """Write down an account at a bank; the same again is harmless."""
    account = replace(account, number=plain_number(account.number), name=account.name.strip())
    with store.transaction() as tx:
        if not tx.bank.add_account(account):
            if tx.bank.account(account.bank_account_id) is None:
                raise AccountExists(account.number)
            return account
        act = Act(act_id=act_id, what="add a bank account", after=f"{account.name} {account.number}")
        _audit(tx, account, actor, act, now=now)
    return account


def plain_number(number: str) -> str:
    """Return an account's number as it is compared: banks write it with blanks and without."""
    return "".join(number.split()).upper()


def preview(store: Store, wanted: Import, *, now: datetime) -> list[Judged]:
    """Say what taking a file would come to; writes nothing. Raises what `take` raises."""
    with store.transaction() as tx:
        return _judged(tx, wanted, _account(tx, wanted), now=now)


def take(store: Store, wanted: Import, *, actor: Actor, act_id: UUID, now: datetime) -> list[Judged]:
    """Take a file, and tie what of it is plain; what is known already changes nothing.

    Raises `AccountUnknown`, `AccountDiffers`, `StatementAhead`, `BalancesDiffer`, `Overlaps`: then nothing
    was written.
    """
    with store.transaction() as tx:
        account = _account(tx, wanted)
        judged = _judged(tx, wanted, account, now=now)
        statement_no = len(tx.bank.statements(account.bank_account_id))
        for each in judged:
            if each.standing is not Standing.KNOWN:
                statement_no += 1
                _write(tx, account, each, statement_no, actor=actor, now=now)
        entries = sum(len(each.new) for each in judged)
        if any(each.standing is not Standing.KNOWN for each in judged):
            act = Act(act_id=act_id, what="take in a bank statement", after=f"{entries} entries")
            _audit(tx, account, actor, act, now=now)
    tying.tie_known(store, organisation_id=wanted.organisation_id, now=now)
    return judged


def _account(tx: Transaction, wanted: Import) -> BankAccount:
    account = tx.bank.account(wanted.bank_account_id)
    if account is None or account.organisation_id != wanted.organisation_id:
        raise AccountUnknown
    return account


def _judged(tx: Transaction, wanted: Import, account: BankAccount, *, now: datetime) -> list[Judged]:
    """Judge the statements of a file in the order of their days, each after those before it."""
    statements = tx.bank.statements(account.bank_account_id)
    new: list[SheetEntry] = []
    judged = []
    for sheet in sorted(wanted.sheets, key=lambda each: (each.starts_on, each.ends_on)):
        _require_account(sheet, account)
        if sheet.ends_on > now.date() + AHEAD_MAX:
            raise StatementAhead(sheet.ends_on)
        known = tx.bank.entries(account.bank_account_id, sheet.starts_on, sheet.ends_on)
        entries = [SheetEntry(each.booked_on, each.amount_minor, each.reference, each.text) for each in known]
        entries += [each for each in new if sheet.starts_on <= each.booked_on <= sheet.ends_on]
        each = bank_sheet.judge(sheet, statements=statements, entries=entries)
        judged.append(each)
        new += each.new
        if each.standing is not Standing.KNOWN:
            statements.append(_statement(account, each, len(statements) + 1, who="", now=now))
    return judged


def _require_account(sheet: BankSheet, account: BankAccount) -> None:
    number = plain_number(sheet.number)
    if number and number != account.number:
        raise AccountDiffers(told=number, chosen=account.number)
    if sheet.currency and sheet.currency != account.currency:
        raise AccountDiffers(told=sheet.currency, chosen=account.currency)


def _statement(
    account: BankAccount, judged: Judged, statement_no: int, *, who: str, now: datetime
) -> BankStatement:
    sheet = judged.sheet
    starts_on = sheet.starts_on
    if judged.standing is Standing.LONGER:
        starts_on = min((each.booked_on for each in judged.new), default=sheet.ends_on)
    return BankStatement(
        bank_account_id=account.bank_account_id,
        statement_no=statement_no,
        organisation_id=account.organisation_id,
        digest=sheet.digest,
        starts_on=starts_on,
        ends_on=sheet.ends_on,
        opening_minor=judged.opening_minor,
        closing_minor=sheet.closing_minor,
        entries=len(judged.new),
        taken_by=who,
        taken_at=now,
    )


def _write(
    tx: Transaction, account: BankAccount, judged: Judged, statement_no: int, *, actor: Actor, now: datetime
) -> None:
    statement = _statement(account, judged, statement_no, who=actor.who, now=now)
    entries = [
        BankEntry(
            bank_account_id=account.bank_account_id,
            entry_id=named("bank_entry", account.bank_account_id, statement_no, place),
            statement_no=statement_no,
            organisation_id=account.organisation_id,
            booked_on=each.booked_on,
            amount_minor=each.amount_minor,
            reference=each.reference,
            text=each.text,
        )
        for place, each in enumerate(judged.new)
    ]
    tx.bank.put_statement(statement, entries)


def _audit(tx: Transaction, account: BankAccount, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"bank account {account.number}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=account.organisation_id, now=now)])
