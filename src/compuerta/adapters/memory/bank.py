"""Bank statements, in memory."""

from collections.abc import Collection, Sequence
from datetime import UTC, date
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.services.bank_port import (
    MACHINE,
    BankAccount,
    BankEntry,
    BankStatement,
    BankTie,
    EntryKey,
    Payout,
    Target,
    TargetKey,
    TargetKind,
)
from compuerta.services.shift_port import CashMovement, MovementKind
from compuerta.services.store_port import Conflict


class MemoryBanks:
    """See `bank_port.Banks`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put_payouts(self, payouts: Sequence[Payout]) -> None:
        for each in payouts:
            self._tables.take("payout_pkey", each.provider, each.payout_no)
            self._tables.payouts[each.provider, each.payout_no] = each

    def payouts_of(self, provider: str, day: date, numbers: Collection[str] = ()) -> list[Payout]:
        found = [
            each
            for each in self._tables.payouts.values()
            if each.provider == provider and (each.day == day or each.payout_no in numbers)
        ]
        return sorted(found, key=lambda each: each.payout_no)

    def add_account(self, account: BankAccount) -> bool:
        if account.bank_account_id in self._tables.bank_accounts:
            return False
        numbers = {(each.organisation_id, each.number) for each in self._tables.bank_accounts.values()}
        if (account.organisation_id, account.number) in numbers:
            return False
        self._tables.bank_accounts[account.bank_account_id] = account
        return True

    def account(self, bank_account_id: UUID) -> BankAccount | None:
        return self._tables.bank_accounts.get(bank_account_id)

    def put_statement(self, statement: BankStatement, entries: Sequence[BankEntry]) -> None:
        key = (statement.bank_account_id, statement.statement_no)
        self._tables.take("bank_statement_pkey", *key)
        self._tables.take(
            "bank_statement_bank_account_id_digest_key", statement.bank_account_id, statement.digest
        )
        self._tables.bank_statements[key] = statement
        for each in entries:
            self._tables.take("bank_entry_pkey", each.bank_account_id, each.entry_id)
            self._tables.bank_entries[_key(each)] = each

    def statements(self, bank_account_id: UUID) -> list[BankStatement]:
        found = [
            each for each in self._tables.bank_statements.values() if each.bank_account_id == bank_account_id
        ]
        return sorted(found, key=lambda each: each.statement_no)

    def entries(self, bank_account_id: UUID, starts_on: date, ends_on: date) -> list[BankEntry]:
        found = [
            each
            for each in self._tables.bank_entries.values()
            if each.bank_account_id == bank_account_id and starts_on <= each.booked_on <= ends_on
        ]
        return sorted(found, key=lambda each: (each.booked_on, each.entry_id))

    def entry(self, key: EntryKey) -> BankEntry | None:
        return self._tables.bank_entries.get(key)

    def save_entry(self, entry: BankEntry) -> None:
        self._tables.bank_entries[_key(entry)] = entry

    def untied(self, organisation_id: int, *, limit: int) -> list[tuple[BankEntry, str]]:
        tied = {
            (each.bank_account_id, each.entry_id)
            for each in self._tables.bank_ties.values()
            if each.refused_at is None
        }
        found = [
            each
            for key, each in self._tables.bank_entries.items()
            if each.organisation_id == organisation_id and each.case_id is None and key not in tied
        ]
        found.sort(key=lambda each: (-each.booked_on.toordinal(), each.entry_id))
        accounts = self._tables.bank_accounts
        return [(each, accounts[each.bank_account_id].currency) for each in found[:limit]]

    def untied_until(self, organisation_id: int, until: date) -> int:
        found = self.untied(organisation_id, limit=len(self._tables.bank_entries))
        return sum(each.booked_on <= until for each, _ in found)

    def books_of(self, organisation_id: int) -> int | None:
        books = (
            each.suspense_account_id
            for each in self._tables.provider_accounts.values()
            if each.organisation_id == organisation_id
        )
        return min(books, default=None)

    def targets(self, organisation_id: int, *, limit: int) -> list[Target]:
        answered = {each.target for each in self._tables.bank_ties.values() if each.refused_at is None}
        payouts = [
            Target(
                key=TargetKey(TargetKind.PAYOUT, each.provider, each.payout_no),
                organisation_id=each.organisation_id,
                amount_minor=each.amount_minor,
                currency=each.currency,
                day=each.day,
            )
            for each in self._tables.payouts.values()
        ]
        deposits = [self._deposit(each) for each in self._tables.cash_movements.values()]
        found = [
            each
            for each in [*payouts, *(each for each in deposits if each is not None)]
            if each.organisation_id == organisation_id and each.key not in answered
        ]
        found.sort(
            key=lambda each: (-each.day.toordinal(), each.key.kind.value, each.key.provider, each.key.number)
        )
        return found[:limit]

    def _deposit(self, movement: CashMovement) -> Target | None:
        """Return what a movement brought into the safe: at the end of a shift, what was counted."""
        amount_minor = -movement.amount_minor
        if movement.kind is MovementKind.COUNT:
            amount_minor = self._tables.shifts[movement.shift_id].counted_minor or 0
        if movement.kind not in (MovementKind.DROP, MovementKind.COUNT) or amount_minor <= 0:
            return None
        return Target(
            key=TargetKey(TargetKind.DEPOSIT, movement.provider, str(movement.movement_id)),
            organisation_id=movement.organisation_id,
            amount_minor=amount_minor,
            currency=self._tables.tills[movement.provider].currency,
            day=movement.at.astimezone(UTC).date(),
        )

    def put_ties(self, ties: Sequence[BankTie]) -> None:
        held = {each.target for each in self._tables.bank_ties.values() if each.refused_at is None}
        for each in ties:
            if each.target in held:
                raise Conflict(f"bank_tie_target: {each.target} exists")
            held.add(each.target)
        self.save_ties(ties)

    def ties(self, key: EntryKey) -> list[BankTie]:
        found = [
            each
            for each in self._tables.bank_ties.values()
            if (each.bank_account_id, each.entry_id) == key and each.refused_at is None
        ]
        return sorted(found, key=lambda each: (each.kind.value, each.provider, each.number))

    def save_ties(self, ties: Sequence[BankTie]) -> None:
        for each in ties:
            by_machine = each.kind is TargetKind.PAYOUT or each.tied_by == MACHINE
            require(by_machine or each.agreed_by != each.tied_by, "bank_tie_by_two_persons")
            self._tables.bank_ties[*_key(each), each.target, each.tied_at] = each


def _key(each: BankEntry | BankTie) -> EntryKey:
    return EntryKey(each.bank_account_id, each.entry_id)
