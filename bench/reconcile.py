"""A provider's fund bill against the trade bill of its day: every planted error found, none invented.

Ours: lines that are read already, of both bills, are matched by name, amounts and fees compared, balances
checked and the digest made. What is timed begins with the trade bill's packed sheet and the fund bill's
lines, and ends with the differences; a line is one of either bill. `bench/statements.py` times reading files.
Beancount, in the same run: the equivalent journal, a transaction of two postings for each line of a bill,
loaded and checked by beancount's own loader, its cache switched off; smaller, its rate per line is the same.
A journal of one transaction for each payment, which is told by three lines, would halve the ratio (ADR 0037).

    python bench/reconcile.py [--lines 1000000] [--transactions 50000]
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _stand import told

from compuerta.services import fund_matching, statement_sheet
from compuerta.services.payment_ports import Move, StatementLine
from compuerta.services.statement_port import What

LINES_PER_S_MIN = 150_000
RATIO_MIN = 20
MIDNIGHT = datetime(2026, 11, 20, 16, tzinfo=UTC)
AMOUNT_FEN, FEE_FEN, REFUND_FEN = 5_000, 30, 1_000
EACH = 100  # planted errors of each kind
REFUND_EVERY = 100
_ACCOUNTS = ("Assets:Due", "Assets:Clearing", "Expenses:Fees", "Liabilities:Customers")
LINES_PER_PAYMENT = 3 + 2 / REFUND_EVERY  # one of the trade bill, two of the account; a refund in both


def main() -> None:
    """Print rates, the ratio, and whether exactly the planted errors were found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--transactions", type=int, default=50_000)
    given = parser.parse_args()
    payments = int(given.lines / LINES_PER_PAYMENT)
    trade = statement_sheet.written(trade_lines(payments))
    fund = list(fund_lines(payments))
    gc.freeze()  # the lines would not lie about at once, where they are read while they are matched
    started_s, worked_s = time.perf_counter(), time.process_time()
    matched = fund_matching.match(trade, fund, currency="CNY")
    ours_s, ours_cpu_s = time.perf_counter() - started_s, time.process_time() - worked_s
    lines = trade.lines + len(fund)
    found = Counter((each.what, name_of(each.reference or each.refund_reference)) for each in matched.found)
    is_exact = found == Counter(planted(payments))
    rate = lines / ours_s
    told(f"ours: {lines:,} lines matched and checked in {ours_s:.2f} s, {rate:,.0f} lines/s")
    told(f"of them {ours_cpu_s:.2f} s of work; the rest is other programs'")
    told(
        f"differences: {dict(Counter(what.value for what, _ in found))}; exactly what was planted: {is_exact}"
    )
    theirs_s = beancount_s(given.transactions)
    their_rate = given.transactions / theirs_s
    told(f"beancount: {given.transactions:,} in {theirs_s:.2f} s, {their_rate:,.0f} lines/s")
    told(f"ratio {rate / their_rate:.1f} (at least {RATIO_MIN}), at least {LINES_PER_S_MIN:,} lines/s")
    sys.exit(0 if is_exact and rate >= LINES_PER_S_MIN and rate >= RATIO_MIN * their_rate else 1)


def name_of(reference: str) -> int:
    """Return the number of the payment that a reference is of."""
    return int(reference[1:])


def planted(payments: int) -> Iterator[tuple[What, int]]:
    """Name every error that `fund_lines` makes."""
    for number in range(EACH):
        yield What.TRADE_ONLY, number
        yield What.FUND_ONLY, payments + number
        yield What.FUND_AMOUNT, EACH + number
        yield What.FEE, 2 * EACH + number
        yield What.FUND_AMOUNT, refund_of(number)


def refund_of(number: int) -> int:
    """Return a payment with a refund that goes wrong: none of those with another error."""
    return (number + 10) * REFUND_EVERY


def _at(number: int, payments: int) -> datetime:
    return MIDNIGHT + timedelta(seconds=number * 86_000 // payments)


def trade_lines(payments: int) -> Iterator[StatementLine]:
    """Make the trade bill: payments, and a refund of every hundredth."""
    for number in range(payments):
        at = _at(number, payments)
        yield StatementLine(
            f"42{number:026d}", f"R{number}", "", AMOUNT_FEN, FEE_FEN * 10_000, "CNY", at, "SUCCESS"
        )
        if number % REFUND_EVERY == 0 and number >= 10 * REFUND_EVERY:
            yield StatementLine(
                f"42{number:026d}", f"R{number}", f"F{number}", -REFUND_FEN, -60_000, "CNY", at, "REFUND"
            )


def fund_lines(payments: int) -> Iterator[StatementLine]:
    """Make the fund bill of the same day, with the errors, and with balances that tie."""
    balance_fen = 0
    for move, number, fen in _moves(payments):
        balance_fen += fen
        is_refund = move is Move.REFUND
        yield StatementLine(
            f"{'50' if is_refund else '42'}{number:026d}", "" if is_refund else f"R{number}",
            f"F{number}" if is_refund else "", fen, 0, "CNY", _at(min(number, payments - 1), payments),
            move.value, move, balance_fen,
        )  # fmt: skip


def _moves(payments: int) -> Iterator[tuple[Move, int, int]]:
    refunds_wrong = {refund_of(number) for number in range(EACH)}
    for number in range(EACH, payments):  # the first have not come into the account
        amount_fen = AMOUNT_FEN - 1 if number < 2 * EACH else AMOUNT_FEN
        fee_fen = FEE_FEN + 5 if 2 * EACH <= number < 3 * EACH else FEE_FEN
        yield Move.PAYMENT, number, amount_fen
        yield Move.FEE, number, -fee_fen
        if number % REFUND_EVERY == 0 and number >= 10 * REFUND_EVERY:
            yield Move.REFUND, number, -900 if number in refunds_wrong else 6 - REFUND_FEN
    for number in range(payments, payments + EACH):
        yield Move.PAYMENT, number, AMOUNT_FEN


def beancount_s(transactions: int) -> float:
    """Return how long beancount loads and checks a journal of so many lines of bills."""
    os.environ["BEANCOUNT_DISABLE_LOAD_CACHE"] = "1"
    from beancount import loader  # reads its environment when it is imported

    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "day.beancount"
        journal.write_text("".join(_journal(transactions)))
        started_s = time.perf_counter()
        entries, errors, _ = loader.load_file(str(journal))
        seconds = time.perf_counter() - started_s
    assert not errors and len(entries) == transactions + len(_ACCOUNTS), "beancount has read another journal"
    return seconds


def _journal(transactions: int) -> Iterator[str]:
    """Write the lines of a payment: the trade bill's, and the fund bill's two."""
    yield from (f"2026-01-01 open {account}\n" for account in _ACCOUNTS)
    due, clearing, fees, customers = _ACCOUNTS
    moves = ((due, customers, "50.00"), (clearing, due, "50.00"), (fees, clearing, "0.30"))
    for number in range(transactions):
        debit, credit, amount = moves[number % 3]
        yield (
            f'2026-11-21 * "R{number // 3}" "42{number // 3:026d}"\n'
            f"  {debit}  {amount} CNY\n  {credit}  -{amount} CNY\n"
        )


if __name__ == "__main__":
    main()
