"""Agreeing: a provider's bill is held against our books; what differs is settled, or a row for a person.

The comparison is the store's matter, set by set, and writes nothing. What it finds is written in one
transaction with the fee; money that only the provider knows of is real, and is accepted after that, so that
who crashes between the two goes on when the bill is fetched again. Money that only we know of may be in the
bill of a day beside this one: it waits for the next one, and is a difference only then.

Fees come in millionths and are booked in the minor unit: of all bills of a provider together the rounded sum,
so that what one bill's rounding leaves is carried into the next, and never lost.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import PROVIDER_FEE, Posting, PostingKind, cash, transfer
from compuerta.domain.money import minor_digits
from compuerta.domain.naming import derived, named
from compuerta.domain.payment import PaymentNotice, RefundNotice, RefundState
from compuerta.services import booking, refunding, vend
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.joining import Joined
from compuerta.services.payment_ports import StatementKind
from compuerta.services.records import Alarm, Case
from compuerta.services.refunding import HeardRefund
from compuerta.services.statement_port import (
    Compared,
    Difference,
    Found,
    Named,
    Scope,
    Statement,
    StatementKey,
    StatementState,
    What,
)
from compuerta.services.statement_sheet import Sheet
from compuerta.services.store_port import Store, Transaction

Compare = Callable[[Sheet, Scope], Compared]
_Facts = tuple[What, str, str, str, int | None, int | None]

BILL: Final = "bill"  # who ends what ends by itself
OTHER_DAY: Final = "other_day"
CHANGED: Final = "bill_changed"
GIVEN_BACK: Final = "given_back"  # paid and refunded on one day, and never ours
NAMELESS: Final = "told_without_name"
ACCEPTED_PER_BATCH: Final = 100
_MICRO_DIGITS: Final = 6
_OURS = frozenset({What.OURS_ONLY, What.REFUND_OURS_ONLY, What.TRADE_ONLY})
_SETTLED_BY_US = frozenset({What.THEIRS_ONLY, What.REFUND_THEIRS_ONLY})
_WITHOUT_CASE = frozenset(
    {
        OTHER_DAY, CHANGED, GIVEN_BACK, NAMELESS, vend.Outcome.CREDITED.value,
        vend.Outcome.ALREADY_CREDITED.value, HeardRefund.SETTLED.value, HeardRefund.ALREADY.value,
    }
)  # fmt: skip


class Outcome(Enum):
    """What somebody made of a difference."""

    PUT_RIGHT = "put_right"  # by a correction, or a payment by hand
    PROVIDER_WRONG = "provider_wrong"  # they have said so, and make it good
    BORNE = "borne"  # too small to follow, or explained otherwise


class DifferenceUnknown(Refused):
    """There is no such difference, or it is not open."""

    def __init__(self, key: StatementKey, difference_no: int) -> None:
        super().__init__("there is no such difference, or it was ended, or waits for the next bill")
        self.key = key
        self.difference_no = difference_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill that came, written down, with what the provider's account says of it."""

    statement: Statement
    sheet: Sheet
    scope: Scope
    payees: bool  # its references may be what payers typed: whom the money is for


def take(store: Store, compare: Compare, bill: Bill, *, now: datetime) -> Statement:
    """Hold a bill against our books and write what comes of it; the same bill again changes nothing.

    Raises `TooDifferent`: then nothing was written.
    """
    key = bill.statement.key
    if not _is_known(store, bill):
        compared = compare(bill.sheet, bill.scope)
        with store.transaction() as tx:
            known = tx.statements.statement(key)
            assert known is not None, "who fetched a bill has taken it from its row"
            write(tx, known, compared, digest=bill.sheet.digest, now=now)
    settle(store, key, payees=bill.payees, now=now)
    with store.transaction() as tx:
        known = tx.statements.statement(key)
        assert known is not None, "bills are never taken away"
        known = replace(known, asks=0, ask_at=None, reason="")
        tx.statements.save(known)
        return known


def settle(store: Store, key: StatementKey, *, payees: bool, now: datetime) -> None:
    """Accept what only the provider knows of: its payments first, since its refunds may be of them."""
    while True:
        with store.transaction() as tx:
            some = _open(tx, key, What.THEIRS_ONLY)[:ACCEPTED_PER_BATCH]
            if not some:
                break
            notices = [_notice(tx, each, payees=payees) for each in some]
            outcomes = vend.accept_payments(Joined(tx), notices, now=now)
            tx.statements.save_differences(
                [
                    _ended(each, outcome=outcome.value, now=now)
                    for each, outcome in zip(some, outcomes, strict=True)
                ]
            )
    with store.transaction() as tx:
        refunds = _open(tx, key, What.REFUND_THEIRS_ONLY)
    for each in refunds:
        with store.transaction() as tx:
            _settle_refund(tx, each, now=now)


def stop_waiting(tx: Transaction, told: Statement, *, now: datetime) -> None:
    """Judge what of the day before waited for this one: it is in here, or nowhere."""
    before = told.key._replace(day=told.day - timedelta(days=1))
    waiting = [each for each in tx.statements.differences(before) if each.waits]
    if not waiting:
        return
    elsewhere = tx.statements.on_other_days(told.key, (each.name for each in waiting))
    found = [each for each in waiting if each.name in elsewhere]
    lost = [replace(each, waits=False) for each in waiting if each.name not in elsewhere]
    tx.statements.save_differences([_ended(each, outcome=OTHER_DAY, now=now) for each in found] + lost)
    _tell(tx, lost, now=now)


def end(
    store: Store,
    key: StatementKey,
    difference_no: int,
    outcome: Outcome,
    *,
    actor: Actor,
    act_id: UUID,
    now: datetime,
) -> Difference:
    """End a difference, and its case, with what somebody made of it, and why."""
    require_reason(actor)
    with store.transaction() as tx:
        found = [each for each in tx.statements.differences(key) if each.difference_no == difference_no]
        if not found or found[0].ended_at is not None or found[0].waits:
            raise DifferenceUnknown(key, difference_no)
        ended = replace(found[0], ended_at=now, ended_by=actor.who, outcome=outcome.value, note=actor.why)
        tx.statements.save_differences([ended])
        _close_cases(tx, [ended], outcome=actor.why, by=actor.who, now=now)
        subject = f"bill of {key.provider} for {key.day}, difference {difference_no}"
        act = Act(act_id=act_id, what="end difference", before=ended.what.value, after=outcome.value)
        tx.put_audit([entry_about(subject, actor, act, organisation_id=ended.organisation_id, now=now)])
        return ended


def _is_known(store: Store, bill: Bill) -> bool:
    with store.transaction() as tx:
        known = tx.statements.statement(bill.statement.key)
        is_matched = known is not None and known.state is StatementState.MATCHED
        return is_matched and known is not None and known.digest == bill.sheet.digest


def write(tx: Transaction, known: Statement, compared: Compared, *, digest: str, now: datetime) -> Statement:
    """Write a comparison in the place of an earlier one, of which only what was ended stays."""
    earlier = tx.statements.differences(known.key)
    found = _worth_a_row(tx, known, compared.found)
    fresh: dict[_Facts, Found] = {each[:6]: each for each in found}
    outdated = [each for each in earlier if each.ended_at is None and _facts(each) not in fresh]
    for each in earlier:
        if each.outcome != CHANGED:
            fresh.pop(_facts(each), None)
    tx.statements.save_differences(
        [replace(_ended(each, outcome=CHANGED, now=now), waits=False) for each in outdated]
    )
    _close_cases(tx, outdated, outcome=CHANGED, by=BILL, now=now)
    written = _rows(tx, known, list(fresh.values()), first_no=len(earlier) + 1, now=now)
    tx.statements.put_differences(written)
    _tell(tx, [each for each in written if each.ended_at is None and not each.waits], now=now)
    told = _told(known, compared, found, digest=digest, now=now)
    told = replace(told, fee_minor=_book_fee(tx, told, now=now))
    tx.statements.save(told)
    if known.version:
        detail = f"{len(outdated)} differences are no more, {len(written)} are new"
        subject = f"{known.provider} {known.day}"
        tx.put_alarms([Alarm(kind="statement_changed", subject=subject, detail=detail, at=now)])
        _ask_for_funds(tx, known, now=now)
    stop_waiting(tx, told, now=now)
    return told


def _ask_for_funds(tx: Transaction, changed: Statement, *, now: datetime) -> None:
    """Let the fund bill of a day be held against the trade bill as it is now."""
    if changed.kind is StatementKind.TRADE:
        funds = tx.statements.statement(changed.key._replace(kind=StatementKind.FUND))
        if funds is not None and funds.state is StatementState.MATCHED:
            tx.statements.save(replace(funds, asks=0, ask_at=now))


def replace_found(
    tx: Transaction, known: Statement, what: What, found: Sequence[Found], *, now: datetime
) -> None:
    """Write anew what a bill comes to in one respect; what people have ended stays ended."""
    earlier = tx.statements.differences(known.key)
    fresh: dict[_Facts, Found] = {each[:6]: each for each in found}
    same = {_facts(each) for each in earlier if each.outcome != CHANGED}
    outdated = [
        each for each in earlier if each.what is what and each.ended_at is None and _facts(each) not in fresh
    ]
    tx.statements.save_differences([_ended(each, outcome=CHANGED, now=now) for each in outdated])
    _close_cases(tx, outdated, outcome=CHANGED, by=BILL, now=now)
    new = [each for facts, each in fresh.items() if facts not in same]
    written = _rows(tx, known, new, first_no=len(earlier) + 1, now=now)
    tx.statements.put_differences(written)
    _tell(tx, written, now=now)


def _told(
    known: Statement, compared: Compared, found: Sequence[Found], *, digest: str, now: datetime
) -> Statement:
    differing = {each[1:4] for each in found if each.what not in _OURS | {What.OTHER_DAY}}
    return replace(
        known,
        state=StatementState.MATCHED,
        version=known.version + 1,
        digest=digest,
        fetched_at=now,
        lines=compared.lines,
        matched=compared.lines - len(differing),
        differing=len(differing) + sum(each.what in _OURS for each in found),
        gross_minor=compared.gross_minor,
        refunded_minor=compared.refunded_minor,
        fee_micro=compared.fee_micro,
    )


def _worth_a_row(tx: Transaction, known: Statement, found: Sequence[Found]) -> list[Found]:
    """Leave out money of ours that is in the bill of another day."""
    ours = [each for each in found if each.what in _OURS]
    elsewhere = tx.statements.on_other_days(known.key, (_name(each) for each in ours))
    return [each for each in found if each.what not in _OURS or _name(each) not in elsewhere]


def _rows(
    tx: Transaction, known: Statement, found: Sequence[Found], *, first_no: int, now: datetime
) -> list[Difference]:
    back = _given_back(found)
    tomorrow = tx.statements.statement(known.key._replace(day=known.day + timedelta(days=1)))
    is_last = tomorrow is None or not tomorrow.is_final
    rows = []
    for difference_no, each in enumerate(found, start=first_no):
        row = Difference(
            provider=known.provider,
            day=known.day,
            kind=known.kind,
            difference_no=difference_no,
            organisation_id=known.organisation_id,
            waits=each.what in _OURS and is_last,
            **each._asdict(),
        )
        if each.what is What.OTHER_DAY:
            row = _ended(row, outcome=OTHER_DAY, now=now)
        elif each.what in _SETTLED_BY_US and each.transaction_no in back:
            row = _ended(row, outcome=GIVEN_BACK, now=now)
        rows.append(row)
    return rows


def _given_back(found: Iterable[Found]) -> set[str]:
    """Return payments that only the provider knows of, and all of which it gave back on that day."""
    sums: dict[str, int] = defaultdict(int)
    refunded: set[str] = set()
    for each in found:
        if each.what in _SETTLED_BY_US:
            sums[each.transaction_no] += each.theirs_minor or 0
        if each.what is What.REFUND_THEIRS_ONLY:
            refunded.add(each.transaction_no)
    return {number for number in refunded if sums[number] == 0}


def _book_fee(tx: Transaction, told: Statement, *, now: datetime) -> int:
    """Book what this bill adds to the fees of all of them; returns what is booked of it now."""
    account = tx.provider_account(told.provider)
    assert account is not None, "a bill is of a provider account"
    # The lock keeps two bills of one provider from carrying the same rest.
    tx.lock_accounts([account.suspense_account_id], now=now)
    micro_per_minor: int = 10 ** (_MICRO_DIGITS - minor_digits(told.currency))
    others_micro, others_minor = tx.statements.fees_but(told.key, currency=told.currency)
    carried_micro = others_micro - others_minor * micro_per_minor
    fee_minor = (told.fee_micro + carried_micro + micro_per_minor // 2) // micro_per_minor
    added_minor = fee_minor - told.fee_minor
    if added_minor:
        cause_id = named("statement", told.provider, told.day, told.kind.value, told.version)
        posting = Posting(
            account_id=account.suspense_account_id,
            posting_id=derived(cause_id, "fee"),
            kind=PostingKind.PROVIDER_FEE,
            currency=told.currency,
            lines=transfer(debit=PROVIDER_FEE, credit=cash(told.provider), amount_minor=added_minor),
            booked_at=now,
            cause_id=cause_id,
        )
        booking.book(tx, [posting])
    return fee_minor


def _notice(tx: Transaction, each: Difference, *, payees: bool) -> PaymentNotice:
    assert each.theirs_minor is not None, "the provider has told how much"
    reference = tx.claims.order_named(each.provider, each.reference) or each.reference
    return PaymentNotice(
        provider=each.provider,
        transaction_no=each.transaction_no,
        reference="" if payees and reference == each.reference else reference,
        amount_minor=each.theirs_minor,
        currency=each.currency,
        paid_at=each.at,
        payee=each.reference if payees and reference == each.reference else "",
    )


def _settle_refund(tx: Transaction, each: Difference, *, now: datetime) -> None:
    assert each.theirs_minor is not None, "the provider has told how much"
    if _is_nameless(tx, each):
        tx.statements.save_differences([_ended(each, outcome=NAMELESS, now=now)])
        return
    notice = RefundNotice(
        provider=each.provider,
        transaction_no=each.transaction_no,
        reference=each.reference,
        refund_reference=each.refund_reference,
        refunded_minor=-each.theirs_minor,
        is_total=False,
        currency=each.currency,
        state=RefundState.DONE,
        at=each.at,
    )
    (heard,) = refunding.hear(Joined(tx), [notice], now=now)
    if heard is HeardRefund.PAYMENT_UNKNOWN:
        _tell(tx, [replace(each, waits=False)], now=now, also=_SETTLED_BY_US)
    else:
        tx.statements.save_differences([_ended(each, outcome=heard.value, now=now)])


def _is_nameless(tx: Transaction, each: Difference) -> bool:
    """Whether this refund was told before as part of a total, which names none."""
    key = (each.provider, each.transaction_no)
    payment = tx.payments_known([key]).get(key)
    if payment is None:
        return False
    return any(
        refund.correction_id is None
        and refund.amount_minor == -(each.theirs_minor or 0)
        and refund.reference.startswith(f"{each.transaction_no}:")
        for refund in tx.corrections.refunds_of(payment.account_id, payment.payment_id)
    )


def _open(tx: Transaction, key: StatementKey, what: What) -> list[Difference]:
    return [each for each in tx.statements.differences(key) if each.what is what and each.ended_at is None]


def _tell(
    tx: Transaction, differences: Sequence[Difference], *, now: datetime, also: frozenset[What] = frozenset()
) -> None:
    """Open a case for each difference that a person has to look at, and raise one alarm for all of a day."""
    for_people = [each for each in differences if each.what not in _SETTLED_BY_US - also]
    if for_people and for_people[0].kind is StatementKind.FUND:
        told = _told_by_trade_bill(tx, for_people[0])
        for_people = [each for each in for_people if _money_named(each) not in told]
    if not for_people:
        return
    first = for_people[0]
    account = tx.provider_account(first.provider)
    assert account is not None, "a bill is of a provider account"
    cases = [
        Case(
            account_id=account.suspense_account_id,
            case_id=_case_id(each),
            kind="statement_differs",
            detail=f"{each.provider} {each.day} {each.what.value}: {each.transaction_no}",
            opened_at=now,
        )
        for each in for_people
    ]
    tx.put_cases(cases)
    detail = f"{len(for_people)} differences, such as {cases[0].detail}"
    subject = f"{first.provider} {first.day}"
    tx.put_alarms([Alarm(kind="statement_differs", subject=subject, detail=detail, at=now)])


def _told_by_trade_bill(tx: Transaction, fund: Difference) -> set[str]:
    """Name the money that the trade bill of the day has made a case of: its fund bill makes no second one."""
    key = StatementKey(fund.provider, fund.day, StatementKind.TRADE)
    differing = [each for each in tx.statements.differences(key) if each.outcome not in _WITHOUT_CASE]
    return {_money_named(each) for each in differing}


def _money_named(each: Difference) -> str:
    """Name a payment by its order, and a refund by its own reference: both bills know these."""
    return each.refund_reference or each.reference or each.transaction_no


def _close_cases(
    tx: Transaction, differences: Iterable[Difference], *, outcome: str, by: str, now: datetime
) -> None:
    for each in differences:
        account = tx.provider_account(each.provider)
        assert account is not None, "a bill is of a provider account"
        case = tx.corrections.case(account.suspense_account_id, _case_id(each))
        if case is not None and case.closed_at is None:
            tx.corrections.save_case(replace(case, owner=case.owner or by, outcome=outcome, closed_at=now))


def _case_id(each: Difference) -> UUID:
    return named("statement_difference", each.provider, each.day, each.kind.value, each.difference_no)


def _ended(each: Difference, *, outcome: str, now: datetime) -> Difference:
    return replace(each, waits=False, ended_at=now, ended_by=BILL, outcome=outcome)


def _name(found: Found) -> Named:
    return found.transaction_no, found.refund_reference


def _facts(each: Difference) -> _Facts:
    return (
        each.what, each.transaction_no, each.reference, each.refund_reference, each.theirs_minor,
        each.ours_minor,
    )  # fmt: skip
