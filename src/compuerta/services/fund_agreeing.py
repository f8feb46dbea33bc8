"""A provider's fund bill: held against the trade bill of its day, day after day, and paid out to the bank.

What differs becomes rows and cases as those of trade bills do. What the account was charged beyond the trade
bill's fee is booked, so that `cash:<provider>` is to the last unit what the provider holds for us; what it
sent to the bank is booked once, and waits there for the bank's word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from compuerta.domain.ledger import BANK, Posting, PostingKind, cash, transfer
from compuerta.domain.naming import derived, named_apart
from compuerta.services import agreeing, booking, fund_matching
from compuerta.services.bank_port import Payout
from compuerta.services.fund_matching import Matched
from compuerta.services.payment_ports import NotReady, StatementFaulty, StatementKind, StatementLine
from compuerta.services.statement_port import Compared, Found, Statement, StatementState, What
from compuerta.services.statement_sheet import Sheet
from compuerta.services.store_port import Store, Transaction


class TradeBillFirst(NotReady):
    """A fund bill is held against the trade bill of its day, which is not there, or is another now."""

    def __init__(self) -> None:
        super().__init__("the trade bill of its day comes first")


@dataclass(frozen=True, slots=True, kw_only=True)
class FundBill:
    """A fund bill that came, with the trade bill of its day."""

    statement: Statement
    trade: Sheet
    lines: Iterable[StatementLine]


def take(store: Store, bill: FundBill, *, now: datetime) -> Statement:
    """Hold a fund bill against its trade bill, and book what was paid out; the same again changes nothing.

    Raises `TradeBillFirst`, `StatementFaulty`, `TooDifferent`: then nothing was written.
    """
    with store.transaction() as tx:
        is_there = _is_trade_there(tx, bill, now=now)
    if not is_there:
        raise TradeBillFirst
    matched = fund_matching.match(bill.trade, bill.lines, currency=bill.statement.currency)
    _require_ours(matched, bill.trade)
    with store.transaction() as tx:
        known = tx.statements.statement(bill.statement.key)
        assert known is not None, "who fetched a bill has taken it from its row"
        if known.state is not StatementState.MATCHED or known.digest != matched.digest:
            known = _written(tx, known, matched, now=now)
        known = replace(known, asks=0, ask_at=None, reason="")
        tx.statements.save(known)
        return known


def _is_trade_there(tx: Transaction, bill: FundBill, *, now: datetime) -> bool:
    """Tell whether our books were held against this trade bill; one that has changed is fetched."""
    trade = tx.statements.statement(bill.statement.key._replace(kind=StatementKind.TRADE))
    if trade is not None and trade.state is StatementState.EMPTY:
        return not bill.trade.lines
    if trade is None or trade.state is not StatementState.MATCHED:
        return False
    if trade.digest != bill.trade.digest:
        tx.statements.save(replace(trade, asks=0, ask_at=now))
        return False
    return True


def _require_ours(matched: Matched, trade: Sheet) -> None:
    """Refuse the bill of another merchant: a fund bill names none, but shares its payments with its own."""
    if trade.lines and matched.gross_minor and not matched.shared:
        raise StatementFaulty(matched.lines, "none of its payments is this merchant's")


def _written(tx: Transaction, known: Statement, matched: Matched, *, now: datetime) -> Statement:
    before, after = tx.statements.funds_beside(known.key)
    found = [*_named_as_yesterday(tx, known, matched.found), *_gap(before, matched.opening_minor, now=now)]
    compared = Compared(
        lines=matched.lines,
        gross_minor=matched.gross_minor,
        refunded_minor=matched.refunded_minor,
        fee_micro=matched.fee_beyond_micro,
        found=tuple(found),
    )
    paid_out_minor = _pay_out(tx, known, matched, now=now)
    told = replace(
        agreeing.write(tx, known, compared, digest=matched.digest, now=now),
        opening_minor=matched.opening_minor,
        closing_minor=matched.closing_minor,
        paid_out_minor=paid_out_minor,
    )
    if after is not None and told.closing_minor is not None:
        agreeing.replace_found(tx, after, What.GAP, _gap(told, after.opening_minor, now=now), now=now)
    return told


def _named_as_yesterday(tx: Transaction, known: Statement, found: Sequence[Found]) -> list[Found]:
    """Recognise what the trade bill of the day before told, and what moved after midnight."""
    yesterday = known.key._replace(day=known.day - timedelta(days=1))
    waiting = {
        (each.reference or each.transaction_no, each.refund_reference): each
        for each in tx.statements.differences(yesterday)
        if each.waits
    }
    recognised = []
    for each in found:
        told = waiting.get((each.reference or each.transaction_no, each.refund_reference))
        if each.what is What.FUND_ONLY and told is not None and told.ours_minor == each.theirs_minor:
            each = each._replace(what=What.OTHER_DAY, transaction_no=told.transaction_no)
        recognised.append(each)
    return recognised


def _gap(before: Statement | None, opening_minor: int | None, *, now: datetime) -> list[Found]:
    if before is None or opening_minor in (None, before.closing_minor):
        return []
    return [
        Found(What.GAP, "", before.day.isoformat(), "", opening_minor, before.closing_minor,
              before.currency, now)
    ]  # fmt: skip


def _pay_out(tx: Transaction, known: Statement, matched: Matched, *, now: datetime) -> int:
    """Write and book what went to the bank; returns how much that is."""
    account = tx.provider_account(known.provider)
    assert account is not None, "a bill is of a provider account"
    payouts = [
        Payout(
            provider=known.provider,
            payout_no=each.payout_no,
            organisation_id=known.organisation_id,
            day=known.day,
            amount_minor=each.amount_minor,
            currency=known.currency,
            at=each.at,
            posting_id=derived(named_apart("payout", known.provider, each.payout_no), "posting"),
        )
        for each in matched.payouts
    ]
    by_no = {each.payout_no: each for each in payouts}
    # One that another day's bill told of is told twice.
    told = {each.payout_no: each for each in tx.bank.payouts_of(known.provider, known.day, by_no)}
    if len(by_no) < len(payouts) or any(by_no.get(number) != each for number, each in told.items()):
        raise StatementFaulty(matched.lines, "a payout is there twice, or is another than it was")
    new = [each for each in payouts if each.payout_no not in told]
    tx.bank.put_payouts(new)
    booking.book(tx, [_posting(each, account.suspense_account_id, now=now) for each in new])
    return sum(each.amount_minor for each in payouts)


def _posting(payout: Payout, account_id: int, *, now: datetime) -> Posting:
    return Posting(
        account_id=account_id,
        posting_id=payout.posting_id,
        kind=PostingKind.PAYOUT,
        currency=payout.currency,
        lines=transfer(debit=BANK, credit=cash(payout.provider), amount_minor=payout.amount_minor),
        booked_at=now,
        cause_id=named_apart("payout", payout.provider, payout.payout_no),
    )
