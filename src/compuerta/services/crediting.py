"""Crediting: money that is here is divided, booked, and on its way to whoever holds the credit.

A payment comes here from `vend`, and money that two people have placed from `correcting`: both are divided by
the same rule, under the account's lock, by what is owed at that moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from compuerta.domain import division
from compuerta.domain.division import Debt, Division, Dues, PartKind
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import (
    DEBT,
    DELIVERED,
    FEE,
    REVENUE_FIXED,
    TAX,
    UNDELIVERED,
    Line,
    Posting,
    PostingKind,
)
from compuerta.domain.naming import derived
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import Recovery
from compuerta.services import booking, partnering
from compuerta.services.dues_port import RechargeLine
from compuerta.services.records import AccountView, Instant, Recharge, RechargeInstant
from compuerta.services.store_port import Transaction

_CODES = ((DEBT, PartKind.DEBT), (REVENUE_FIXED, PartKind.FIXED), (FEE, PartKind.FEE), (TAX, PartKind.TAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Money for an account; the same grant again makes the same rows."""

    grant_id: UUID  # the payment, or the adjustment that places money: written by the caller
    amount_minor: int
    debit: str  # where the money is, such as `cash:wechat` or `suspense`
    paid_at: datetime
    kind: PostingKind = PostingKind.RECHARGE
    is_adjustment: bool = False

    @property
    def recharge_id(self) -> UUID:
        """The name of the recharge that comes of it."""
        return derived(self.grant_id, "recharge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """What money for an account meets now, and how much credit it has."""

    debts: tuple[Debt, ...]  # those that a recharge recovers now, in order
    months: tuple[str, ...]  # whose fee is due
    held_minor: int  # in force and on its way

    def after(self, divided: Division) -> Self:
        """Return what the next payment meets."""
        paid = {part.period for part in divided.parts}
        lowered = {each.debt_id: each for each in division.recovered(self.debts, divided.parts)}
        debts = (lowered.get(each.debt_id, each) for each in self.debts)
        return replace(
            self,
            debts=tuple(each for each in debts if each.remaining_minor),
            months=tuple(each for each in self.months if each not in paid),
            held_minor=self.held_minor + divided.credit_minor,
        )


@dataclass(slots=True)
class Credits:
    """What one transaction will credit; filled grant by grant, since each changes what the next one meets."""

    owing: dict[int, Owing]
    debts: dict[UUID, Debt] = field(default_factory=dict)  # that were lowered
    postings: list[Posting] = field(default_factory=list)
    recharges: list[Recharge] = field(default_factory=list)
    lines: list[RechargeLine] = field(default_factory=list)
    instants: list[RechargeInstant] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    purchase_no_last: dict[int, int] = field(default_factory=dict)


def begun(tx: Transaction, views: Mapping[int, AccountView], *, now: datetime) -> Credits:
    """Return an empty batch for these accounts, with what each owes; they are locked by the caller."""
    return Credits(owing=owing_of(tx, views, now=now))


def owing_of(tx: Transaction, views: Mapping[int, AccountView], *, now: datetime) -> dict[int, Owing]:
    """Return what money for these accounts meets now."""
    buying = {account_id: view for account_id, view in views.items() if view.meter is not None}
    debts = tx.dues.open_debts(buying) if buying else []
    with_fee = [account_id for account_id, view in buying.items() if view.policy.monthly_fee_minor]
    paid = tx.dues.months_paid(with_fee) if with_fee else {}
    return {
        account_id: Owing(
            debts=division.in_turn((each for each in debts if each.account_id == account_id), now=now),
            months=_months(view, paid.get(account_id, ()), now=now),
            held_minor=view.balance_minor + view.holdings.undelivered_minor,
        )
        for account_id, view in buying.items()
    }


def divided(view: AccountView, owing: Owing, amount_minor: int, *, now: datetime) -> Division:
    """Divide an amount for an account, by what it owes now."""
    dues = Dues(
        debts=owing.debts,
        months=owing.months,
        overdrawn_minor=max(-owing.held_minor, 0),
        policy=view.policy,
        recovery=_recovery(view, now=now),
    )
    return division.divide(amount_minor, dues)


def room_minor(view: AccountView, owing: Owing) -> int | None:
    """Return how much more credit an account may have; None = as much as it likes."""
    most_minor = view.policy.hoarding_minor
    return max(most_minor - owing.held_minor, 0) if most_minor else None


def credit(batch: Credits, view: AccountView, grant: Grant, *, now: datetime) -> Recharge:
    """Credit a grant to an account with a meter; nothing is written before `write`."""
    assert view.meter is not None and view.snapshot is not None
    account_id = view.account.account_id
    owing = batch.owing[account_id]
    parts = divided(view, owing, grant.amount_minor, now=now)
    recharge = _recharge(view, grant, parts)
    in_meter = view.credit_in_meter
    batch.owing[account_id] = owing.after(parts)
    batch.debts |= {each.debt_id: each for each in division.recovered(owing.debts, parts.parts)}
    batch.postings.append(_posting(view, grant, parts, now=now))
    batch.recharges.append(recharge)
    batch.lines += lines_of(recharge, parts)
    instants = {Instant.PAID: grant.paid_at, Instant.POSTED: now}
    if in_meter and recharge.credit_minor:
        batch.instructions.append(_delivery(batch, recharge, view, now=now))
    else:
        instants[Instant.CREDITED] = now  # nothing has to reach a meter: what is posted is in force
    batch.instants += [
        RechargeInstant(account_id=account_id, recharge_id=recharge.recharge_id, instant=what, at=at)
        for what, at in instants.items()
    ]
    return recharge


def write(tx: Transaction, batch: Credits) -> None:
    """Write what was credited; the payments and adjustments that grant it are there, or waiting, already."""
    tx.put_recharges(batch.recharges)
    tx.dues.save_debts([*batch.debts.values()])
    tx.dues.put_lines(batch.lines)
    partnering.keep_instants(tx, batch.instants)
    tx.put_instructions(batch.instructions)
    booking.book(tx, batch.postings)


def lines_of(recharge: Recharge, parts: Division) -> list[RechargeLine]:
    """Return the lines of a recharge, numbered from 1."""
    return [
        RechargeLine(
            account_id=recharge.account_id,
            recharge_id=recharge.recharge_id,
            line_no=number,
            kind=part.kind,
            amount_minor=part.amount_minor,
            name=part.name,
            debt_id=part.debt_id,
            remaining_minor=part.remaining_minor,
            period=part.period,
        )
        for number, part in enumerate(parts.parts, start=1)
    ]


def _recharge(view: AccountView, grant: Grant, parts: Division) -> Recharge:
    assert view.meter is not None
    return Recharge(
        account_id=view.account.account_id,
        recharge_id=grant.recharge_id,
        payment_id=None if grant.is_adjustment else grant.grant_id,
        adjustment_id=grant.grant_id if grant.is_adjustment else None,
        meter_id=view.meter.meter_id,
        paid_minor=grant.amount_minor,
        credit_minor=parts.credit_minor,
        fixed_minor=parts.of(PartKind.FIXED),
        debt_minor=parts.of(PartKind.DEBT),
        fee_minor=parts.of(PartKind.FEE),
        tax_minor=parts.of(PartKind.TAX),
        change_minor=parts.of(PartKind.CHANGE),
    )


def _posting(view: AccountView, grant: Grant, parts: Division, *, now: datetime) -> Posting:
    return Posting(
        account_id=view.account.account_id,
        posting_id=derived(grant.grant_id, grant.kind.value),
        kind=grant.kind,
        currency=view.account.currency,
        lines=_lines(grant, parts, held=UNDELIVERED if view.credit_in_meter else DELIVERED),
        booked_at=now,
        cause_id=grant.grant_id,
    )


def _lines(grant: Grant, parts: Division, *, held: str) -> tuple[Line, ...]:
    amounts = [(held, parts.credit_minor), *((code, parts.of(kind)) for code, kind in _CODES)]
    owed = (Line(code=code, amount_minor=-amount_minor) for code, amount_minor in amounts if amount_minor)
    return (Line(code=grant.debit, amount_minor=grant.amount_minor), *owed)


def _delivery(batch: Credits, recharge: Recharge, view: AccountView, *, now: datetime) -> Instruction:
    assert view.snapshot is not None
    # A meter that comes to us with purchases counts on from them: number 1 would seem to be in it already.
    known = view.snapshot.purchase_no_last or view.snapshot.purchase_no or 0
    last = batch.purchase_no_last.get(recharge.meter_id, known)
    batch.purchase_no_last[recharge.meter_id] = last + 1
    return Instruction(
        meter_id=recharge.meter_id,
        instruction_id=derived(recharge.recharge_id, "delivery"),
        account_id=recharge.account_id,
        kind=Kind.RECHARGE,
        created_at=now,
        due_at=now,
        amount_minor=recharge.credit_minor,
        purchase_no=last + 1,
        recharge_id=recharge.recharge_id,
    )


def _months(view: AccountView, paid: Iterable[str], *, now: datetime) -> tuple[str, ...]:
    if not view.policy.monthly_fee_minor:
        return ()
    zone = zone_of(view.account.zone)
    since, until = (f"{at.astimezone(zone):%Y-%m}" for at in (view.account.period.start, now))
    since = max(since, view.policy.monthly_fee_since or since)
    return division.months_due(since=since, until=until, paid=paid)


def _recovery(view: AccountView, *, now: datetime) -> Recovery | None:
    if view.schedule is None:
        return None
    components = view.schedule.version_at(to_us(now)).tariff.components
    return next((each for each in components if isinstance(each, Recovery)), None)
