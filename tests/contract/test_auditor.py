"""The auditor before a real database and the simulated WeChat: what was lost is found by the bill."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.unit.payments.wechat_side import a_chance, a_cheap_pair, an_attempt
from tests.unit.services.town import CAPABILITIES, NOON, WECHAT, Town, a_town, an_id

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import auditor, wiring
from compuerta.apps.auditor import Auditor
from compuerta.apps.desk import Desk
from compuerta.domain.payment import Attempt
from compuerta.services import ordering, statement_days, vend
from compuerta.services.acting import Actor
from compuerta.services.payment_ports import HttpRequest, HttpResponse, PaymentProvider, StatementKind
from compuerta.services.statement_port import Difference, Statement, StatementKey, StatementState, What
from compuerta.virtual.wechat.notices import Behaviour
from compuerta.virtual.wechat.world import WechatWorld

pytestmark = pytest.mark.postgres
DAY = date(2026, 11, 22)
NEXT_NOON = NOON + timedelta(days=1)
ANA = Actor(who="ana", why="to be sure", origin="console")


@dataclass
class Office:
    """A town that orders at the simulated WeChat, and an auditor, at a time that the test moves."""

    url: str
    store: PostgresStore
    town: Town
    world: WechatWorld
    provider: PaymentProvider
    now: datetime = NEXT_NOON
    paid: list[str] = field(default_factory=list)

    def pay(self, number: int) -> str:
        """Let somebody order and pay, and lose every word about it."""
        reference = f"R2026112200{number:04d}"
        order = ordering.Order(
            attempt_id=an_id(reference),
            account_id=self.town.homes[0].account_id,
            provider=WECHAT,
            reference=reference,
            amount_minor=5_000,
        )
        ordering.open_attempt(
            self.store, order, capabilities=CAPABILITIES, expires_in=timedelta(minutes=5), now=NOON
        )
        attempt = an_attempt(reference=reference, amount_minor=5_000)
        converse_with(self.provider.create(attempt, now=NOON, chance=a_chance()), self.at_noon)
        self.world.pay(reference, NOON)
        return reference

    def hear(self, reference: str) -> None:
        """Let a word about a payment come after all."""
        attempt: Attempt = an_attempt(reference=reference, amount_minor=5_000)
        answer = converse_with(self.provider.query(attempt, now=NOON, chance=a_chance()), self.at_noon)
        assert answer.paid is not None
        vend.accept_payments(self.store, [replace(answer.paid, provider=WECHAT)], now=NOON)

    def at_noon(self, request: HttpRequest) -> HttpResponse:
        return self.world.answer(request, NOON)

    def round(self) -> int:
        async def rounding() -> int:
            desk = Desk(self.url)
            async with httpx.AsyncClient() as client:
                seen = await Auditor(desk, {WECHAT: self.provider}).audit_round(client)
            await desk.shut()
            return seen

        return asyncio.run(rounding())

    def bill(self) -> Statement:
        with self.store.transaction() as tx:
            found = tx.statements.statement(StatementKey(WECHAT, DAY, StatementKind.TRADE))
        assert found is not None
        return found

    def whats(self) -> list[What]:
        return [each.what for each in self.differences()]

    def differences(self) -> list[Difference]:
        with self.store.transaction() as tx:
            return tx.statements.differences(StatementKey(WECHAT, DAY, StatementKind.TRADE))


@pytest.fixture
def office(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    store = PostgresStore(postgres_url)
    world, provider = a_cheap_pair()
    office = Office(url=postgres_url, store=store, town=a_town(store), world=world, provider=provider)

    async def conversed(steps: Any, **_: object) -> Any:
        return converse_with(steps, lambda request: world.answer(request, office.now))

    monkeypatch.setattr(auditor, "converse", conversed)
    monkeypatch.setattr(wiring, "now", lambda: office.now)
    monkeypatch.setattr(wiring, "base_url", lambda name: "http://wechat")
    yield office
    store.shut()


def test_the_fund_bill_is_held_against_the_trade_bill_ten_minutes_later(office: Office) -> None:
    office.hear(office.pay(1))
    _, sent_fen = office.world.withdraw(NOON + timedelta(hours=1))
    assert office.round() == 1

    office.now += statement_days.FUNDS_AFTER
    assert (office.round(), office.round()) == (1, 0)

    with office.store.transaction() as tx:
        funds = tx.statements.statement(StatementKey(WECHAT, DAY, StatementKind.FUND))
        payouts = tx.bank.payouts_of(WECHAT, DAY)
    assert funds is not None and (funds.state, funds.closing_minor) == (StatementState.MATCHED, 0)
    assert [each.amount_minor for each in payouts] == [sent_fen]


def test_a_payment_of_which_every_word_was_lost_is_credited_by_the_bill_once(office: Office) -> None:
    office.hear(office.pay(1))
    office.pay(2)

    assert office.round() == 1
    assert office.round() == 0

    bill = office.bill()
    assert (bill.state, bill.lines, bill.matched, bill.gross_minor) == (
        StatementState.MATCHED, 2, 1, 10_000,
    )  # fmt: skip
    (found,) = office.differences()
    assert (found.what, found.outcome) == (What.THEIRS_ONLY, "credited")


def test_a_bill_that_is_not_ready_is_fetched_an_hour_later(office: Office) -> None:
    office.pay(1)
    office.world.behaviour = Behaviour(bill_late=True)

    office.round()
    late = office.bill()
    office.world.behaviour = Behaviour()
    office.now += statement_days.ASK_AFTER
    office.round()

    assert (late.state, late.ask_at) == (StatementState.WAITING, NEXT_NOON + statement_days.ASK_AFTER)
    assert office.bill().state is StatementState.MATCHED


def test_no_bill_is_asked_for_before_the_providers_hour(office: Office) -> None:
    office.now = NEXT_NOON.replace(hour=1, minute=59)  # 09:59 in Beijing

    office.round()

    with office.store.transaction() as tx:
        assert tx.statements.statement(StatementKey(WECHAT, DAY, StatementKind.TRADE)) is None


def test_of_a_bill_that_does_not_add_up_nothing_is_used(office: Office) -> None:
    office.pay(1)
    office.world.behaviour = Behaviour(bill_sums_wrong=True)

    office.round()

    assert office.bill().state is StatementState.FAULTY
    assert office.differences() == []


@pytest.mark.parametrize(
    ("behaviour", "whats"),
    [
        (Behaviour(bill_missing=1), [What.OURS_ONLY]),
        (Behaviour(bill_doubled=1), [What.TWICE]),
        (Behaviour(bill_altered=1), [What.AMOUNT]),
        (Behaviour(bill_extra=1), [What.THEIRS_ONLY]),
    ],
)
def test_each_way_in_which_a_bill_may_be_wrong_is_its_own_difference(
    office: Office, behaviour: Behaviour, whats: list[What]
) -> None:
    for number in (1, 2):
        office.hear(office.pay(number))
    office.world.behaviour = behaviour

    office.round()

    assert office.whats() == whats


def test_a_day_without_a_bill_and_with_payments_is_missing_after_some_days(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_days, "ASKS_MAX", 1)
    office.hear(office.pay(1))
    office.world.behaviour = Behaviour(bill_late=True)

    office.round()

    assert (office.bill().state, office.bill().ask_at) == (StatementState.MISSING, None)


def test_a_day_without_a_bill_and_without_payments_was_empty(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_days, "ASKS_MAX", 1)
    office.world.behaviour = Behaviour(bill_late=True)

    office.round()

    assert office.bill().state is StatementState.EMPTY


def test_days_on_which_nobody_was_there_are_asked_for_later(office: Office) -> None:
    office.round()
    office.now += timedelta(days=3)

    office.round()

    with office.store.transaction() as tx:
        known = [
            tx.statements.statement(StatementKey(WECHAT, DAY + timedelta(days=days), StatementKind.TRADE))
            for days in range(-1, 5)
        ]
    assert [each is not None for each in known] == [False, True, True, True, True, False]


def test_somebody_may_have_a_bill_fetched_again(office: Office) -> None:
    office.round()
    before = office.bill()
    office.pay(1)

    statement_days.fetch_again(office.store, before.key, actor=ANA, act_id=an_id("again"), now=NEXT_NOON)
    assert office.round() == 1

    assert (before.lines, office.bill().lines, office.bill().version) == (0, 1, 2)
