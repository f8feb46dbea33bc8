"""Indebting: what an account owes from before is opened, put off, shared out and written off, under its lock.

A debt is an asset in the ledger (`debt`) and a row that says how recharges recover it; both move together, in
one transaction (promise M3). Recharges recover it by themselves: see `domain/division` and `crediting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from compuerta.domain.division import Debt, DebtKind
from compuerta.domain.errors import Refused
from compuerta.domain.ledger import (
    DEBT,
    HOUSE,
    OWED,
    REVENUE_FIXED,
    WRITTEN_OFF,
    Posting,
    PostingKind,
    transfer,
)
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind
from compuerta.services import booking
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

NAME_MAX = 60  # it is a line of a narrow receipt
SHARE_PPM_MAX = 1_000_000
# What a debt is booked against: what was owed before these books began is the landlord's own; a charge-back
# names the provider that has taken the money back.
_AGAINST: Mapping[DebtKind, str] = MappingProxyType(
    {DebtKind.ARREARS: HOUSE, DebtKind.RECONNECTION: REVENUE_FIXED, DebtKind.OTHER: HOUSE}
)


class DebtFaulty(Refused):
    """A debt that cannot be; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class DebtUnknown(Refused):
    """The account has no such debt."""

    def __init__(self, debt_id: UUID) -> None:
        super().__init__("this account has no such debt, or nothing of it remains")
        self.debt_id = debt_id


class NoDebtor(Refused):
    """Only a customer's account owes anything from before."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is no customer's: choose another account")
        self.account_id = account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtOpening:
    """What somebody owes, and how recharges shall recover it; the id is the caller's."""

    account_id: int
    debt_id: UUID
    kind: DebtKind
    name: str
    amount_minor: int
    rank: int = 100
    share_ppm: int | None = None  # of each recharge; None = as the policy says
    least_minor: int = 0
    suspended_until: datetime | None = None
    cause_id: UUID | None = None  # the correction or dispute that opens it; None = the debt itself
    against: str | None = None  # the ledger's code; None = as its kind says, a charge-back has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """What lowers a debt without a recharge."""

    account_id: int
    debt_id: UUID
    amount_minor: int
    cause_id: UUID  # the correction or dispute: once each
    debit: str = WRITTEN_OFF
    kind: PostingKind = PostingKind.WRITE_OFF


def opened(tx: Transaction, opening: DebtOpening, *, actor: Actor, now: datetime) -> Debt:
    """Open a debt inside a transaction; the same opening again finds what it has made."""
    require_reason(actor)
    view = _customer(tx, opening.account_id, now=now)
    _require_whole(opening)
    known = tx.dues.debt(opening.account_id, opening.debt_id)
    if known is not None:
        return known
    debt = _debt(opening, actor, now=now)
    against = opening.against or _AGAINST[opening.kind]
    lines = transfer(debit=DEBT, credit=against, amount_minor=debt.opened_minor)
    tx.dues.put_debts([debt])
    booking.book(
        tx,
        [
            Posting(
                account_id=debt.account_id,
                posting_id=derived(debt.debt_id, PostingKind.DEBT.value),
                kind=PostingKind.DEBT,
                currency=view.account.currency,
                lines=lines,
                booked_at=now,
                cause_id=debt.debt_id,
            )
        ],
    )
    _tell(tx, view, actor, Act(act_id=debt.debt_id, what="open debt", after=_told(debt, view)), now=now)
    return debt


def lower(tx: Transaction, lowering: Lowering, *, actor: Actor, now: datetime) -> Debt:
    """Lower a debt inside a transaction: written off, or paid otherwise; refuses more than remains."""
    require_reason(actor)
    view, debt = _open_debt(tx, lowering.account_id, lowering.debt_id, now=now)
    if not 0 < lowering.amount_minor <= debt.remaining_minor:
        raise DebtFaulty("amount_minor", f"write from 1 to {debt.remaining_minor}, which is what remains")
    after = replace(debt, remaining_minor=debt.remaining_minor - lowering.amount_minor)
    tx.dues.save_debts([after])
    posting = Posting(
        account_id=debt.account_id,
        posting_id=derived(lowering.cause_id, lowering.kind.value),
        kind=lowering.kind,
        currency=view.account.currency,
        lines=transfer(debit=lowering.debit, credit=DEBT, amount_minor=lowering.amount_minor),
        booked_at=now,
        cause_id=lowering.cause_id,
    )
    booking.book(tx, [posting])
    act = Act(
        act_id=derived(lowering.cause_id, "lower debt"),
        what="lower debt",
        before=_told(debt, view),
        after=_told(after, view),
    )
    _tell(tx, view, actor, act, now=now)
    return after


def called_in(tx: Transaction, view: AccountView, *, move_id: UUID, actor: Actor, now: datetime) -> int:
    """Turn all debts of an account that ends into what is owed at its settlement; returns how much it is.

    No recharge comes any more to recover them.
    """
    account_id, currency = view.account.account_id, view.account.currency
    debts = tx.dues.open_debts([account_id])
    total_minor = sum(debt.remaining_minor for debt in debts)
    if not total_minor:
        return 0
    tx.dues.save_debts([replace(debt, remaining_minor=0) for debt in debts])
    cause_id = derived(move_id, f"debts of {account_id}")
    posting = Posting(
        account_id=account_id,
        posting_id=derived(cause_id, PostingKind.DEBT.value),
        kind=PostingKind.DEBT,
        currency=currency,
        lines=transfer(debit=OWED, credit=DEBT, amount_minor=total_minor),
        booked_at=now,
        cause_id=cause_id,
    )
    booking.book(tx, [posting])
    told = "; ".join(_told(debt, view) for debt in debts)
    _tell(tx, view, actor, Act(act_id=cause_id, what="call in debts", before=told), now=now)
    return total_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtTerms:
    """How recharges recover a debt from now on."""

    account_id: int
    debt_id: UUID
    share_ppm: int | None = None  # of each recharge, in millionths; None = as the policy says
    suspended_until: datetime | None = None  # left alone until then; None = it is not


def change_terms(store: Store, terms: DebtTerms, *, act_id: UUID, actor: Actor, now: datetime) -> Debt:
    """Suspend a debt until an instant, end its suspension, or change its share; the rest stays as it is."""
    require_reason(actor)
    _require_share(terms.share_ppm)
    with store.transaction() as tx:
        view, before = _open_debt(tx, terms.account_id, terms.debt_id, now=now)
        after = replace(before, share_ppm=terms.share_ppm, suspended_until=terms.suspended_until)
        if after != before:
            tx.dues.save_debts([after])
            act = Act(act_id=act_id, what="change debt", before=_told(before, view), after=_told(after, view))
            _tell(tx, view, actor, act, now=now)
        return after


def owed(store: Store, account_id: int) -> list[Debt]:
    """Return what an account owes from before, suspended debts too, in the order in which it is recovered."""
    with store.transaction() as tx:
        return tx.dues.open_debts([account_id])


def _customer(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    view = tx.lock_accounts([account_id], now=now).get(account_id)
    if view is None or view.account.kind is not AccountKind.CUSTOMER:
        raise NoDebtor(account_id)
    return view


def _open_debt(tx: Transaction, account_id: int, debt_id: UUID, *, now: datetime) -> tuple[AccountView, Debt]:
    view = _customer(tx, account_id, now=now)
    debt = tx.dues.debt(account_id, debt_id)
    if debt is None or not debt.remaining_minor:
        raise DebtUnknown(debt_id)
    return view, debt


def _require_whole(opening: DebtOpening) -> None:
    if opening.amount_minor <= 0:
        raise DebtFaulty("amount_minor", "write more than nothing")
    if not 0 < len(opening.name.strip()) <= NAME_MAX:
        raise DebtFaulty("name", f"write what the receipt shall say, at most {NAME_MAX} characters")
    if opening.least_minor < 0:
        raise DebtFaulty("least_minor", "write nothing less than 0")
    if opening.against is None and opening.kind not in _AGAINST:
        raise DebtFaulty("against", "name the code of the ledger that it is booked against")
    _require_share(opening.share_ppm)


def _require_share(share_ppm: int | None) -> None:
    if share_ppm is not None and not 0 <= share_ppm <= SHARE_PPM_MAX:
        raise DebtFaulty("share_ppm", f"write from 0 to {SHARE_PPM_MAX} millionths")


def _debt(opening: DebtOpening, actor: Actor, *, now: datetime) -> Debt:
    return Debt(
        account_id=opening.account_id,
        debt_id=opening.debt_id,
        kind=opening.kind,
        name=opening.name.strip(),
        opened_minor=opening.amount_minor,
        remaining_minor=opening.amount_minor,
        opened_at=now,
        opened_by=actor.who,
        why=actor.why,
        cause_id=opening.cause_id or opening.debt_id,
        rank=opening.rank,
        share_ppm=opening.share_ppm,
        least_minor=opening.least_minor,
        suspended_until=opening.suspended_until,
    )


def _told(debt: Debt, view: AccountView) -> str:
    currency = view.account.currency
    told = f"{debt.name}: {format_minor(debt.remaining_minor, currency=currency)} {currency}"
    if debt.share_ppm is not None:
        told += f", {debt.share_ppm} millionths of each recharge"
    if debt.suspended_until is not None:
        told += f", not before {debt.suspended_until.isoformat(timespec='minutes')}"
    return told


def _tell(tx: Transaction, view: AccountView, actor: Actor, act: Act, *, now: datetime) -> None:
    tx.put_audit([entry(view.account, actor, act, now=now)])
