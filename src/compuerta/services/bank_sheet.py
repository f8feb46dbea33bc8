"""A bank's statement as it was read, and whether what it says ties."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final, NamedTuple

from compuerta.domain.errors import Refused
from compuerta.services.bank_port import BankStatement

FAULTS_TOLD_MAX: Final = 50


class SheetEntry(NamedTuple):
    """One movement, as the bank says it."""

    booked_on: date
    amount_minor: int  # what came in; what went out is negative
    reference: str
    text: str


class Fault(NamedTuple):
    """What is wrong in a row of a file."""

    row_no: int  # of the file's lines, or of the statement's entries
    what: str
    reason: str


class FileUnreadable(Refused):
    """A file that is no statement, or one with rows that cannot be read; nothing of it is taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"row {faults[0].row_no}, {faults[0].what}: {faults[0].reason}")
        self.faults = tuple(faults[:FAULTS_TOLD_MAX])


class BalancesDiffer(Refused):
    """A statement whose first balance and entries do not come to its last: it was altered, or cut."""

    def __init__(self, *, counted_minor: int, told_minor: int) -> None:
        super().__init__(f"its entries come to {counted_minor}, and it says {told_minor}; nothing was taken")
        self.counted_minor = counted_minor
        self.told_minor = told_minor


class Overlaps(Refused):
    """A statement that says something else of days that are known than the statement that told of them."""

    def __init__(self, day: date) -> None:
        super().__init__(f"{day} was told otherwise by another statement; nothing was taken")
        self.day = day


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSheet:
    """A statement as a file says it; "" where it does not say which account, or currency."""

    number: str
    currency: str
    starts_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    entries: tuple[SheetEntry, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, whatever file it came in."""
        facts = (self.starts_on, self.ends_on, self.opening_minor, self.closing_minor, sorted(self.entries))
        return hashlib.sha256(repr(facts).encode()).hexdigest()


class Standing(Enum):
    """How a statement stands to those that are known."""

    NEW = "new"
    KNOWN = "known"  # nothing of it is new, and nothing is done
    LONGER = "longer"  # it repeats what is known and goes on: only what is new is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What taking a statement would come to."""

    sheet: BankSheet
    standing: Standing
    new: tuple[SheetEntry, ...]
    known: int  # entries of it that are there already
    opening_minor: int  # of what is new
    gap_minor: int  # what lies between the statement before and this one, of which none tells


def judge(sheet: BankSheet, *, statements: Sequence[BankStatement], entries: Sequence[SheetEntry]) -> Judged:
    """Judge a statement against those of its account; raises `BalancesDiffer` and `Overlaps`.

    `entries` are the known ones of its days.
    """
    counted_minor = sheet.opening_minor + sum(each.amount_minor for each in sheet.entries)
    if counted_minor != sheet.closing_minor:
        raise BalancesDiffer(counted_minor=counted_minor, told_minor=sheet.closing_minor)
    over = [
        each for each in statements if each.starts_on <= sheet.ends_on and sheet.starts_on <= each.ends_on
    ]
    if any(each.digest == sheet.digest for each in statements):
        return _known(sheet)
    if over:
        return _longer(sheet, max(over, key=_end), entries)
    before = max((each for each in statements if each.ends_on < sheet.starts_on), key=_end, default=None)
    return Judged(
        sheet=sheet,
        standing=Standing.NEW,
        new=sheet.entries,
        known=0,
        opening_minor=sheet.opening_minor,
        gap_minor=0 if before is None else sheet.opening_minor - before.closing_minor,
    )


def _end(statement: BankStatement) -> tuple[date, int]:
    return statement.ends_on, statement.statement_no


def _known(sheet: BankSheet) -> Judged:
    return Judged(
        sheet=sheet,
        standing=Standing.KNOWN,
        new=(),
        known=len(sheet.entries),
        opening_minor=sheet.closing_minor,
        gap_minor=0,
    )


def _longer(sheet: BankSheet, last: BankStatement, entries: Sequence[SheetEntry]) -> Judged:
    """Take of a statement that overlaps only what is new, where it says all that is known and chains."""
    unseen = Counter(entries)
    new = []
    for each in sheet.entries:
        if unseen[each]:
            unseen[each] -= 1
        else:
            new.append(each)
    lost = [each.booked_on for each in unseen.elements()]
    early = [each.booked_on for each in new if each.booked_on < last.ends_on]
    if lost or early:
        raise Overlaps(min(lost + early))
    if not new and sheet.ends_on <= last.ends_on:
        return _known(sheet)
    if last.closing_minor + sum(each.amount_minor for each in new) != sheet.closing_minor:
        raise Overlaps(last.ends_on)
    return Judged(
        sheet=sheet,
        standing=Standing.LONGER,
        new=tuple(new),
        known=len(sheet.entries) - len(new),
        opening_minor=last.closing_minor,
        gap_minor=0,
    )
