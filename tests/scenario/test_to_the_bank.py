"""A day's money all the way: paid, told by both bills, withdrawn, at the bank, tied, and none left over."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from tests.contract.conftest import MemoryShelf
from tests.contract.test_statements import compare_of
from tests.unit.payments.wechat_side import a_chance, a_cheap_pair, a_wish, an_attempt
from tests.unit.services.town import NOON, WECHAT, a_town, an_id

from compuerta.adapters.bank import camt053
from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.domain.ledger import BANK, PROVIDER_FEE, cash
from compuerta.services import (
    agreeing,
    banking,
    fund_agreeing,
    statement_days,
    statement_sheet,
    tying,
    vend,
)
from compuerta.services.acting import Actor
from compuerta.services.agreeing import Bill
from compuerta.services.bank_port import BankAccount
from compuerta.services.banking import Import
from compuerta.services.fund_agreeing import FundBill
from compuerta.services.payment_ports import HttpRequest, HttpResponse, StatementKind
from compuerta.services.statement_port import Difference, Statement, StatementKey, What
from compuerta.virtual.wechat.world import WechatWorld

DAY = date(2026, 11, 22)
NEXT_NOON = NOON + timedelta(days=1)
ANA = Actor(who="ana", why="month's end", origin="console")
BANKS_WORD = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Acct><Id><Othr><Id>6222 0000</Id></Othr></Id></Acct>{opening}{closing}<Ntry><Amt Ccy="CNY">{amount}</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-23</Dt></BookgDt><NtryDtls><TxDtls>
<RmtInf><Ustrd>财付通 {number}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt>
</BkToCstmrStmt></Document>"""
BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">{amount}</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-23</Dt></Dt></Bal>"""


class Street:
    """The simulated WeChat with a day behind it, and our books in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        a_town(self.store)
        pair: tuple[WechatWorld, WechatPay] = a_cheap_pair()
        self.world, self.provider = pair
        self.now = NOON

    def answer(self, request: HttpRequest) -> HttpResponse:
        return self.world.answer(request, self.now)

    def pay(self, number: int, amount_minor: int) -> None:
        attempt = an_attempt(reference=f"R2026112200{number:04d}", amount_minor=amount_minor)
        converse_with(self.provider.create(attempt, now=NOON, chance=a_chance()), self.answer)
        self.world.pay(attempt.reference, NOON)
        answer = converse_with(self.provider.query(attempt, now=NOON, chance=a_chance()), self.answer)
        assert answer.paid is not None
        vend.accept_payments(self.store, [answer.paid], now=NOON)

    def fetched(self, kind: StatementKind, day: date = DAY) -> bytes:
        steps = self.provider.statement(day, kind, now=self.now, chance=a_chance())
        return converse_with(steps, self.answer)

    def begun(self, kind: StatementKind, day: date) -> Statement:
        begun = Statement(
            provider=WECHAT, day=day, kind=kind, organisation_id=1, currency="CNY", ask_at=self.now
        )
        with self.store.transaction() as tx:
            tx.statements.put([begun])
        return begun

    def audit(self, day: date = DAY) -> Statement:
        """Take both bills of a day, as the auditor does."""
        trade = self.fetched(StatementKind.TRADE, day)
        sheet = statement_sheet.written(self.provider.lines(trade, StatementKind.TRADE))
        known = self.begun(StatementKind.TRADE, day)
        scope = statement_days.scope_of(known, zone="Asia/Shanghai")
        bill = Bill(statement=known, sheet=sheet, scope=scope, payees=False)
        agreeing.take(self.store, compare_of(MemoryShelf(store=self.store)), bill, now=self.now)
        lines = self.provider.lines(self.fetched(StatementKind.FUND, day), StatementKind.FUND)
        funds = FundBill(statement=self.begun(StatementKind.FUND, day), trade=sheet, lines=lines)
        told = fund_agreeing.take(self.store, funds, now=self.now)
        tying.tie_known(self.store, organisation_id=1, now=self.now)
        return told

    def differences(self, day: date = DAY) -> list[Difference]:
        with self.store.transaction() as tx:
            return tx.statements.differences(StatementKey(WECHAT, day, StatementKind.FUND))

    def balance_minor(self, code: str) -> int:
        return MemoryShelf(store=self.store).booked_minor(code)


@pytest.fixture
def street() -> Iterator[Street]:
    """Two payments, of which some goes back, and the next noon in Beijing."""
    street = Street()
    street.pay(1, 5_000)
    street.pay(2, 2_001)
    yield street


def test_what_was_withdrawn_arrives_is_tied_and_leaves_the_clearing_account_at_zero(street: Street) -> None:
    number, sent_fen = street.world.withdraw(NOON + timedelta(hours=1))
    street.now = NEXT_NOON
    account = BankAccount(
        bank_account_id=an_id("bank"), organisation_id=1, name="Main", number="62220000", currency="CNY"
    )
    banking.open_account(street.store, account, actor=ANA, act_id=an_id("open"), now=street.now)

    told = street.audit()
    file = BANKS_WORD.format(
        opening=BALANCE.format(code="OPBD", amount="10.00"),
        closing=BALANCE.format(code="CLBD", amount=f"{(sent_fen + 1_000) / 100:.2f}"),
        amount=f"{sent_fen / 100:.2f}",
        number=number,
    )
    wanted = Import(
        bank_account_id=account.bank_account_id, organisation_id=1, sheets=camt053.read(file.encode())
    )
    banking.take(street.store, wanted, actor=ANA, act_id=an_id("take"), now=street.now)

    assert (told.paid_out_minor, told.closing_minor, street.differences()) == (sent_fen, 0, [])
    assert (street.balance_minor(cash(WECHAT)), street.balance_minor(BANK)) == (0, sent_fen)
    assert street.balance_minor(PROVIDER_FEE) == 7_001 - sent_fen
    with street.store.transaction() as tx:
        assert (tx.bank.untied(1, limit=9), tx.bank.targets(1, limit=9)) == ([], [])


def test_the_next_days_bill_begins_where_this_one_ended(street: Street) -> None:
    street.now = NEXT_NOON
    first = street.audit()
    street.world.withdraw(NEXT_NOON)
    street.now = NEXT_NOON + timedelta(days=1)

    second = street.audit(DAY + timedelta(days=1))

    assert (first.closing_minor, second.opening_minor, second.closing_minor) == (6_959, 6_959, 0)
    assert street.differences(DAY + timedelta(days=1)) == []


def test_a_refund_goes_out_with_its_fee_given_back_and_agrees(street: Street) -> None:
    wish = a_wish(transaction_no=street.world.facts()[0].transaction_no)
    converse_with(street.provider.refund(wish, now=NOON, chance=a_chance()), street.answer)
    street.now = NEXT_NOON

    told = street.audit()

    assert (told.refunded_minor, street.differences()) == (994, [])


@pytest.mark.parametrize(
    ("behaviour", "whats"),
    [
        ({"fund_missing": 1}, [What.TRADE_ONLY]),
        ({"fund_fee_more": 1}, [What.FEE]),
        ({"fund_other": 2}, [What.MOVE, What.MOVE]),
    ],
)
def test_what_the_provider_does_wrong_with_the_money_is_found(
    street: Street, behaviour: dict[str, object], whats: list[What]
) -> None:
    street.world.behave(behaviour)
    street.now = NEXT_NOON

    street.audit()

    assert [each.what for each in street.differences()] == whats
