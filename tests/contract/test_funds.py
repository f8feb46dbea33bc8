"""Fund bills in both stores: what differs from the trade bill is found, and what was paid out is booked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.contract.test_statements import DAY, HOURS_LATER, a_line, taken
from tests.unit.services.town import NOON, SECOND, WECHAT, Town, a_town, ordered, paid

from compuerta.domain.ledger import BANK, PROVIDER_FEE, cash
from compuerta.services import fund_agreeing, statement_sheet
from compuerta.services.fund_agreeing import FundBill, TradeBillFirst
from compuerta.services.payment_ports import Move, StatementFaulty, StatementKind, StatementLine
from compuerta.services.statement_port import Difference, Statement, StatementKey, StatementState, What

TOMORROW = DAY + timedelta(days=1)


@pytest.fixture
def town(shelf: Shelf) -> Town:
    """A home that paid 50.00, of which the day's trade bill tells."""
    town = a_town(shelf.store)
    paid(shelf.store, town.homes[0])
    taken(shelf, [a_line()])
    return town


def a_move(
    move: Move, amount_minor: int, number: str = "t1", *, after: int | None = None, at: datetime = NOON
) -> StatementLine:
    """A movement in the account, of `a_line` unless another number is given."""
    reference = "order1" if number == "t1" else ""
    return StatementLine(number, reference, "", amount_minor, 0, "CNY", at, move.value, move, after)


PAYMENT = a_move(Move.PAYMENT, 5_000, after=5_000)
FEE = a_move(Move.FEE, -30, after=4_970)
PAYOUT = a_move(Move.PAYOUT, -4_970, "p00001", after=0)


def began(shelf: Shelf, day: date = DAY) -> Statement:
    begun = Statement(
        provider=WECHAT, day=day, kind=StatementKind.FUND, organisation_id=1, currency="CNY", ask_at=NOON
    )
    with shelf.store.transaction() as tx:
        tx.statements.put([begun])
        known = tx.statements.statement(begun.key)
    assert known is not None
    return known


def funded(
    shelf: Shelf, lines: Sequence[StatementLine], *, day: date = DAY,
    trade: Sequence[StatementLine] = (a_line(),),
) -> Statement:  # fmt: skip
    """Take a fund bill of these lines, beside the trade bill of the day."""
    bill = FundBill(statement=began(shelf, day), trade=statement_sheet.written(trade), lines=lines)
    return fund_agreeing.take(shelf.store, bill, now=HOURS_LATER)


def differences(shelf: Shelf, *, day: date = DAY) -> list[Difference]:
    with shelf.store.transaction() as tx:
        return tx.statements.differences(StatementKey(WECHAT, day, StatementKind.FUND))


def whats(shelf: Shelf, *, day: date = DAY) -> list[What]:
    return [each.what for each in differences(shelf, day=day) if each.ended_at is None]


def test_what_was_paid_out_is_booked_once_and_leaves_the_clearing_account_at_zero(
    shelf: Shelf, town: Town
) -> None:
    told = funded(shelf, [PAYMENT, FEE, PAYOUT])
    funded(shelf, [PAYMENT, FEE, PAYOUT])

    assert (told.state, told.opening_minor, told.closing_minor) == (StatementState.MATCHED, 0, 0)
    assert (told.paid_out_minor, told.gross_minor, whats(shelf)) == (4_970, 5_000, [])
    assert (shelf.booked_minor(BANK), shelf.booked_minor(cash(WECHAT))) == (4_970, 0)
    assert shelf.count("payout") == 1


def test_a_fee_of_whole_units_is_booked_as_it_was_taken(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    paid(shelf.store, town.homes[0])
    trade = [a_line(fee_micro=303_000)]
    taken(shelf, trade)

    funded(shelf, [PAYMENT, replace_amount(FEE, -31, after=4_969)], trade=trade)

    assert whats(shelf) == []
    assert shelf.booked_minor(PROVIDER_FEE) == 31


def replace_amount(line: StatementLine, amount_minor: int, *, after: int | None) -> StatementLine:
    return line._replace(amount_minor=amount_minor, balance_minor=after)


@pytest.mark.parametrize(
    ("lines", "what", "theirs_minor", "ours_minor"),
    [
        ([], What.TRADE_ONLY, None, 5_000),
        ([a_move(Move.PAYMENT, 4_000), FEE], What.FUND_AMOUNT, 4_000, 5_000),
        ([PAYMENT, a_move(Move.FEE, -130)], What.FEE, 130, 30),
        ([PAYMENT, FEE, a_move(Move.PAYMENT, 700, "t9")], What.FUND_ONLY, 700, None),
        ([PAYMENT, FEE, a_move(Move.OTHER, -700, "x9")], What.MOVE, -700, None),
        ([PAYMENT, FEE, a_move(Move.FEE, -700, "x9")], What.FEE, 700, None),
    ],
)
def test_what_the_account_shows_otherwise_than_the_trade_bill_is_one_difference(
    shelf: Shelf, town: Town, lines: list[StatementLine], what: What, theirs_minor: int | None,
    ours_minor: int | None,
) -> None:  # fmt: skip
    funded(shelf, [line._replace(balance_minor=None) for line in lines])

    (found,) = differences(shelf)
    assert (found.what, found.theirs_minor, found.ours_minor) == (what, theirs_minor, ours_minor)
    assert found.waits == (what is What.TRADE_ONLY)


def test_a_refund_that_gives_its_fee_back_agrees_and_another_amount_differs(shelf: Shelf, town: Town) -> None:
    refund = a_line("t1", amount_minor=-1_000, fee_micro=-60_000, refund_reference="RF1")
    trade = [a_line(), refund]
    taken(shelf, trade)
    gone = a_move(Move.REFUND, -994, "r1", after=3_976)._replace(reference="", refund_reference="RF1")

    funded(shelf, [PAYMENT, FEE, gone], trade=trade)
    agreed = whats(shelf)
    funded(shelf, [PAYMENT, FEE, replace_amount(gone, -900, after=4_070)], trade=trade)

    assert agreed == []
    assert whats(shelf) == [What.FUND_AMOUNT]


def test_money_that_moved_after_midnight_is_no_difference(shelf: Shelf, town: Town) -> None:
    funded(shelf, [])
    taken(shelf, [], day=TOMORROW)

    funded(shelf, [PAYMENT, FEE], day=TOMORROW, trade=())

    assert (whats(shelf), whats(shelf, day=TOMORROW)) == ([], [])
    assert shelf.booked_minor(PROVIDER_FEE) == 30


def test_money_that_never_moved_is_a_case_when_the_next_bill_is_there(shelf: Shelf, town: Town) -> None:
    funded(shelf, [])
    taken(shelf, [], day=TOMORROW)
    before = shelf.count("case_file")

    funded(shelf, [], day=TOMORROW, trade=())

    (found,) = differences(shelf)
    assert (found.what, found.waits, shelf.count("case_file") - before) == (What.TRADE_ONLY, False, 1)


def test_what_the_trade_bill_made_a_case_of_is_no_second_case_of_the_fund_bill(
    shelf: Shelf, town: Town
) -> None:
    taken(shelf, [])  # the bill came anew, without a payment that we have, and that moved
    taken(shelf, [], day=TOMORROW)
    before = shelf.count("case_file")

    funded(shelf, [PAYMENT, FEE], trade=())

    assert (whats(shelf), shelf.count("case_file") - before) == ([What.FUND_ONLY], 0)


def test_what_was_lost_to_us_and_never_moved_is_a_case_though_it_was_credited(
    shelf: Shelf, town: Town
) -> None:
    ordered(shelf.store, town.homes[0], reference="order2")
    trade = [a_line(), a_line("t2", reference="order2")]
    taken(shelf, trade)
    taken(shelf, [], day=TOMORROW)
    funded(shelf, [PAYMENT, FEE], trade=trade)
    before = shelf.count("case_file")

    funded(shelf, [], day=TOMORROW, trade=())

    assert (whats(shelf), shelf.count("case_file") - before) == ([What.TRADE_ONLY], 1)


def test_a_day_that_begins_with_other_money_than_the_last_one_ended_with_is_a_gap(
    shelf: Shelf, town: Town
) -> None:
    taken(shelf, [], day=TOMORROW)
    funded(shelf, [PAYMENT, FEE])

    funded(shelf, [a_move(Move.PAYOUT, -4_000, "p00001", after=70)], day=TOMORROW, trade=())

    (gap,) = differences(shelf, day=TOMORROW)
    assert (gap.what, gap.theirs_minor, gap.ours_minor) == (What.GAP, 4_070, 4_970)


def test_a_gap_ends_when_the_bill_of_the_day_between_comes(shelf: Shelf, town: Town) -> None:
    later = DAY + timedelta(days=2)
    for day in (TOMORROW, later):
        taken(shelf, [], day=day)
    funded(shelf, [PAYMENT, FEE])
    funded(shelf, [a_move(Move.PAYOUT, -70, "p00002", after=0)], day=later, trade=())
    before = whats(shelf, day=later)

    funded(shelf, [a_move(Move.PAYOUT, -4_900, "p00001", after=70)], day=TOMORROW, trade=())

    assert (before, whats(shelf, day=later), whats(shelf, day=TOMORROW)) == ([What.GAP], [], [])


def test_an_altered_fund_bill_is_refused_by_its_balances_and_books_nothing(shelf: Shelf, town: Town) -> None:
    with pytest.raises(StatementFaulty):
        funded(shelf, [PAYMENT, FEE, replace_amount(PAYOUT, -4_000, after=0)])

    assert (shelf.booked_minor(BANK), shelf.count("payout")) == (0, 0)


def test_the_fund_bill_of_another_merchant_is_refused(shelf: Shelf, town: Town) -> None:
    with pytest.raises(StatementFaulty):
        funded(shelf, [a_move(Move.PAYMENT, 900, "t7"), a_move(Move.PAYOUT, -900, "p00009")])

    assert (differences(shelf), shelf.count("payout")) == ([], 0)


def test_a_payout_that_is_another_than_it_was_is_refused(shelf: Shelf, town: Town) -> None:
    funded(shelf, [PAYMENT, FEE, PAYOUT])

    with pytest.raises(StatementFaulty):
        funded(shelf, [PAYMENT, FEE, replace_amount(PAYOUT, -4_000, after=970)])

    assert shelf.booked_minor(BANK) == 4_970


def test_a_payout_that_a_bill_of_another_day_told_of_is_refused(shelf: Shelf, town: Town) -> None:
    taken(shelf, [], day=TOMORROW)
    funded(shelf, [PAYMENT, FEE, PAYOUT])

    with pytest.raises(StatementFaulty, match="twice"):
        funded(shelf, [replace_amount(PAYOUT, -4_970, after=-4_970)], day=TOMORROW, trade=())

    assert (shelf.booked_minor(BANK), shelf.count("payout")) == (4_970, 1)


def test_a_fund_bill_waits_for_the_trade_bill_and_for_another_one_where_that_changed(
    shelf: Shelf, town: Town
) -> None:
    with pytest.raises(TradeBillFirst):
        funded(shelf, [], day=TOMORROW, trade=())
    with pytest.raises(TradeBillFirst):
        funded(shelf, [PAYMENT, FEE], trade=[a_line(at=NOON + SECOND)])

    with shelf.store.transaction() as tx:
        trade = tx.statements.statement(StatementKey(WECHAT, DAY, StatementKind.TRADE))
    assert trade is not None and trade.ask_at == HOURS_LATER


def test_a_trade_bill_that_changed_lets_the_fund_bill_be_held_against_it_again(
    shelf: Shelf, town: Town
) -> None:
    funded(shelf, [PAYMENT, FEE])
    trade = [a_line(fee_micro=310_000)]

    taken(shelf, trade)
    asked = began(shelf).ask_at
    funded(shelf, [PAYMENT, FEE], trade=trade)

    assert asked == HOURS_LATER
    assert [each.what for each in differences(shelf)] == [What.FEE]
    assert shelf.booked_minor(PROVIDER_FEE) == 30


def test_a_payout_that_came_back_lowers_the_bank_again(shelf: Shelf, town: Town) -> None:
    back = a_move(Move.PAYOUT, 4_970, "p00001", after=4_970)

    told = funded(shelf, [PAYMENT, FEE, PAYOUT, back])

    assert (told.paid_out_minor, shelf.booked_minor(BANK), shelf.count("payout")) == (0, 0, 2)


def test_a_statement_of_the_port_keeps_its_balances(shelf: Shelf, town: Town) -> None:
    told = funded(shelf, [PAYMENT, FEE])

    with shelf.store.transaction() as tx:
        before, after = tx.statements.funds_beside(told.key._replace(day=TOMORROW))
    assert (before, after) == (told, None)
    assert replace(told, closing_minor=1) != told
