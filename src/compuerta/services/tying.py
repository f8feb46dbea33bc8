"""Tying: an entry at the bank answers what a provider sent, or what a till took to the safe.

What is plain is tied by the machine: the amount agrees, the days are near, and the entry names the payout, or
there is one such entry and one such target. The rest waits for a person, who ties it or makes it a case. A
payout was booked when the provider's fund bill told of it; a deposit is booked with its tie, so that two
persons stand behind one that was not plain.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import BANK, SAFE, Posting, PostingKind, transfer
from compuerta.domain.naming import derived, named_apart
from compuerta.services import booking
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.bank_port import MACHINE, BankEntry, BankTie, EntryKey, Target, TargetKey, TargetKind
from compuerta.services.records import Case
from compuerta.services.store_port import Conflict, Store, Transaction

SOONER: Final = timedelta(days=1)  # a bank's day may be the one before the provider's
LATER: Final = timedelta(days=10)  # a week, and the holidays around it
OPEN_MAX: Final = 5_000  # entries and targets that are looked at together
NUMBER_CHARS_MIN: Final = 6  # a shorter number is found in any text


class EntryUnknown(Refused):
    """There is no such entry, or it is tied, or somebody's case, already."""

    def __init__(self) -> None:
        super().__init__("there is no such entry, or it was tied, or is a case already")


class TargetUnknown(Refused):
    """There is no such payout or deposit, or another entry answers it."""

    def __init__(self) -> None:
        super().__init__("there is no such payout or deposit, or another entry answers it")


class SumDiffers(Refused):
    """An entry answers exactly what it is tied to."""

    def __init__(self, *, entry_minor: int, targets_minor: int) -> None:
        super().__init__(f"the entry is of {entry_minor}, and what was chosen comes to {targets_minor}")
        self.entry_minor = entry_minor
        self.targets_minor = targets_minor


class OwnTie(Refused):
    """Who tied a deposit cannot be the second person too."""

    def __init__(self) -> None:
        super().__init__("you tied it: somebody else has to agree")


class NoBooks(Refused):
    """A case needs an account to be kept on, and the organisation has no till and no provider."""

    def __init__(self) -> None:
        super().__init__("set up a till or a payment provider first")


def tie_known(store: Store, *, organisation_id: int, now: datetime) -> int:
    """Tie what is plain; returns how many entries that are."""
    try:
        with store.transaction() as tx:
            entries = tx.bank.untied(organisation_id, limit=OPEN_MAX)
            found = plain_ties(entries, tx.bank.targets(organisation_id, limit=OPEN_MAX))
            plain = [(entry, target) for entry, target in found if _is_open(tx, entry)]
            ties = [_tie(entry, target, who=MACHINE, now=now, agreed=True) for entry, target in plain]
            tx.bank.put_ties(ties)
            _book(tx, ties, {target.key: target.currency for _, target in plain}, now=now)
            return len(ties)
    except Conflict:  # another ties at this moment: the next time will find what is left
        return 0


def plain_ties(
    entries: Iterable[tuple[BankEntry, str]], targets: Iterable[Target]
) -> list[tuple[BankEntry, Target]]:
    """Return which entries answer which targets, where there is no doubt."""
    by_money: dict[tuple[int, str], list[Target]] = defaultdict(list)
    for target in targets:
        by_money[target.amount_minor, target.currency].append(target)
    near = {
        entry: [each for each in by_money[entry.amount_minor, currency] if _is_near(entry, each)]
        for entry, currency in entries
    }
    tied: list[tuple[BankEntry, Target]] = []
    taken: set[TargetKey] = set()
    for entry, some in near.items():
        called = [each for each in some if _is_named(entry, each) and each.key not in taken]
        if len(called) == 1:
            tied.append((entry, called[0]))
            taken.add(called[0].key)
    done = {entry for entry, _ in tied}
    left = {
        entry: [each for each in some if each.key not in taken]
        for entry, some in near.items()
        if entry not in done
    }
    wanted_by: dict[TargetKey, int] = defaultdict(int)
    for some in left.values():
        for each in some:
            wanted_by[each.key] += 1
    tied += [
        (entry, some[0]) for entry, some in left.items() if len(some) == 1 and wanted_by[some[0].key] == 1
    ]
    return tied


def _is_near(entry: BankEntry, target: Target) -> bool:
    return target.day - SOONER <= entry.booked_on <= target.day + LATER


def _is_named(entry: BankEntry, target: Target) -> bool:
    number = target.key.number
    return len(number) >= NUMBER_CHARS_MIN and (number in entry.reference or number in entry.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tying:
    """An entry, and what a person says that it answers."""

    entry: EntryKey
    organisation_id: int
    targets: tuple[TargetKey, ...]


def tie(store: Store, tying: Tying, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Tie an entry by hand to all that it answers; deposits wait for a second person."""
    require_reason(actor)
    with store.transaction() as tx:
        entry = _open(tx, tying.entry, tying.organisation_id)
        known = {each.key: each for each in tx.bank.targets(tying.organisation_id, limit=OPEN_MAX)}
        account = tx.bank.account(entry.bank_account_id)
        assert account is not None, "an entry is of an account"
        chosen = [known.get(key) for key in dict.fromkeys(tying.targets)]
        targets = [each for each in chosen if each is not None and each.currency == account.currency]
        if not targets or len(targets) < len(chosen):
            raise TargetUnknown
        sum_minor = sum(each.amount_minor for each in targets)
        if sum_minor != entry.amount_minor:
            raise SumDiffers(entry_minor=entry.amount_minor, targets_minor=sum_minor)
        is_agreed = all(each.key.kind is TargetKind.PAYOUT for each in targets)
        tx.bank.put_ties([_tie(entry, each, who=actor.who, now=now, agreed=is_agreed) for each in targets])
        after = ", ".join(f"{each.key.provider} {each.key.number}" for each in targets)
        _audit(tx, entry, actor, Act(act_id=act_id, what="tie a bank entry", after=after), now=now)


def agree(
    store: Store, key: EntryKey, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> None:
    """Agree to what another has tied; its deposits are booked."""
    with store.transaction() as tx:
        entry, ties, currency = _waiting(tx, key, organisation_id)
        if any(each.tied_by.casefold() == actor.who.casefold() for each in ties):
            raise OwnTie
        agreed = [replace(each, agreed_by=actor.who, agreed_at=now) for each in ties]
        tx.bank.save_ties(agreed)
        _book(tx, agreed, {each.target: currency for each in agreed}, now=now)
        _audit(tx, entry, actor, Act(act_id=act_id, what="agree to a tie", after="booked"), now=now)


def refuse(
    store: Store, key: EntryKey, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> None:
    """Take back what was tied and nobody has agreed to; who tied it may too."""
    with store.transaction() as tx:
        entry, ties, _ = _waiting(tx, key, organisation_id)
        tx.bank.save_ties([replace(each, refused_by=actor.who, refused_at=now) for each in ties])
        _audit(tx, entry, actor, Act(act_id=act_id, what="refuse a tie", after="open again"), now=now)


def file(
    store: Store, key: EntryKey, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> Case:
    """Make an entry a case, for the reason that the actor gives."""
    require_reason(actor)
    with store.transaction() as tx:
        entry = _open(tx, key, organisation_id)
        books = tx.bank.books_of(organisation_id)
        if books is None:
            raise NoBooks
        case = Case(
            account_id=books,
            case_id=derived(entry.entry_id, "case"),
            kind="bank_entry",
            detail=f"{entry.booked_on} {entry.amount_minor} {entry.reference or entry.text}: {actor.why}",
            opened_at=now,
        )
        tx.put_cases([case])
        tx.bank.save_entry(replace(entry, case_id=case.case_id))
        _audit(tx, entry, actor, Act(act_id=act_id, what="make a bank entry a case"), now=now)
        return case


def _open(tx: Transaction, key: EntryKey, organisation_id: int) -> BankEntry:
    entry = tx.bank.entry(key)
    if entry is None or entry.organisation_id != organisation_id or not _is_open(tx, entry):
        raise EntryUnknown
    return entry


def _is_open(tx: Transaction, entry: BankEntry) -> bool:
    """Tell whether an entry still waits; it is held then: nobody ties it, or makes it a case, beside us."""
    key = EntryKey(entry.bank_account_id, entry.entry_id)
    held = tx.bank.entry(key)
    return held is not None and held.case_id is None and not tx.bank.ties(key)


def _waiting(
    tx: Transaction, key: EntryKey, organisation_id: int
) -> tuple[BankEntry, Sequence[BankTie], str]:
    entry = tx.bank.entry(key)
    if entry is None or entry.organisation_id != organisation_id:
        raise EntryUnknown
    ties = [each for each in tx.bank.ties(key) if each.agreed_at is None]
    account = tx.bank.account(entry.bank_account_id)
    if not ties or account is None:
        raise EntryUnknown
    return entry, ties, account.currency


def _tie(entry: BankEntry, target: Target, *, who: str, now: datetime, agreed: bool) -> BankTie:
    return BankTie(
        bank_account_id=entry.bank_account_id,
        entry_id=entry.entry_id,
        kind=target.key.kind,
        provider=target.key.provider,
        number=target.key.number,
        organisation_id=entry.organisation_id,
        amount_minor=target.amount_minor,
        tied_by=who,
        tied_at=now,
        agreed_by=who if agreed else None,
        agreed_at=now if agreed else None,
    )


def _book(
    tx: Transaction, ties: Sequence[BankTie], currencies: dict[TargetKey, str], *, now: datetime
) -> None:
    """Book deposits: cash of the safe is the bank's from now on."""
    postings = []
    for each in ties:
        if each.kind is not TargetKind.DEPOSIT:
            continue
        till = tx.provider_account(each.provider)
        assert till is not None, "a till is a provider account"
        cause_id = named_apart("deposit", each.provider, each.number)
        postings.append(
            Posting(
                account_id=till.suspense_account_id,
                posting_id=derived(cause_id, "posting"),
                kind=PostingKind.PAYOUT,
                currency=currencies[each.target],
                lines=transfer(debit=BANK, credit=SAFE, amount_minor=each.amount_minor),
                booked_at=now,
                cause_id=cause_id,
            )
        )
    booking.book(tx, postings)


def _audit(tx: Transaction, entry: BankEntry, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"bank entry {entry.booked_on} {entry.amount_minor}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=entry.organisation_id, now=now)])
