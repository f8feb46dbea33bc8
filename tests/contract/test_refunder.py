"""The refunder before a real database: what is due is told once, and asked about until it is done."""

import asyncio
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest
from tests.contract.door import rows
from tests.scenario.correction_bench import ABLE, ANA, BEA, LATER, a_proposal
from tests.unit.services.town import NOON, PLATFORM, WECHAT, a_town, an_id, paid

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.desk import Desk
from compuerta.apps.refunder import Refunder
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import RefundState
from compuerta.services import correcting
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    HttpRequest,
    HttpResponse,
    NotOffered,
    RefundAnswer,
    RefundWish,
)

pytestmark = pytest.mark.postgres
Steps = Generator[HttpRequest, HttpResponse, RefundAnswer]


@dataclass
class Bank:
    """A provider that gives money back, and says what a test tells it to; it is never really called."""

    name: str = WECHAT
    capabilities: Capabilities = ABLE
    says: list[RefundState | Exception | None] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)

    def refund(self, wish: RefundWish, *, now: object, chance: Chance) -> Steps:
        return self._answer("refund", wish)

    def query_refund(self, wish: RefundWish, *, now: object, chance: Chance) -> Steps:
        return self._answer("query", wish)

    def _answer(self, verb: str, wish: RefundWish) -> Steps:
        self.heard.append((verb, wish.refund.reference))
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return RefundAnswer(state=said)
        yield  # a conversation without a word


@dataclass
class Office:
    """A refund that is due, and a refunder that sees to it, at a time that the test moves."""

    url: str
    store: PostgresStore
    account_id: int
    bank: Bank = field(default_factory=Bank)
    now: object = LATER

    def round(self) -> int:
        async def rounding() -> int:
            desk = Desk(self.url)
            async with httpx.AsyncClient() as client:
                asked = await Refunder(desk, {WECHAT: self.bank}).refund_round(client)  # type: ignore[dict-item]
            await desk.shut()
            return asked

        return asyncio.run(rounding())

    def state(self) -> tuple[str, str]:
        with self.store.transaction() as tx:
            correction = tx.corrections.correction(self.account_id, an_id("correction"))
        assert correction is not None
        return correction.state.value, correction.note


@pytest.fixture
def office(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    store = PostgresStore(postgres_url)
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    paid(store, home, name="1", now=NOON)
    wish = a_proposal(home)
    correcting.propose(store, wish, actor=ANA, capabilities=ABLE, now=LATER)
    correcting.approve(store, wish.account_id, wish.correction_id, actor=BEA, act_id=an_id("yes"), now=LATER)
    office = Office(url=postgres_url, store=store, account_id=home.account_id)
    monkeypatch.setattr(wiring, "now", lambda: office.now)
    monkeypatch.setattr(wiring, "base_url", lambda name: "http://bank")
    yield office
    store.shut()


def test_a_refund_is_told_then_asked_about_until_it_is_done(office: Office) -> None:
    office.bank.says = [RefundState.SENT, RefundState.SENT, RefundState.DONE]

    for minute in range(3):
        office.now = LATER + timedelta(minutes=minute)
        assert office.round() == 1
    assert office.round() == 0

    assert [verb for verb, _ in office.bank.heard] == ["refund", "query", "query"]
    assert len({reference for _, reference in office.bank.heard}) == 1
    assert office.state()[0] == "done"


def test_a_road_that_fails_is_tried_again_under_the_same_reference(office: Office) -> None:
    office.bank.says = [Unreachable("no road"), RefundState.DONE]

    office.round()
    office.now = LATER + timedelta(minutes=1)
    office.round()

    assert [verb for verb, _ in office.bank.heard] == ["refund", "refund"]
    assert len({reference for _, reference in office.bank.heard}) == 1
    assert office.state()[0] == "done"


def test_an_answer_that_breaks_us_is_asked_again_and_ends_nothing(office: Office) -> None:
    office.bank.says = [ValueError("an int of 5,000 digits"), RefundState.DONE]

    office.round()
    told = rows(office.url, "select detail from alarm where kind = 'worker_broke'")
    office.now = LATER + timedelta(hours=1)
    office.round()

    assert len(told) == 1
    assert office.state()[0] == "done"


def test_what_the_provider_refuses_waits_for_a_person(office: Office) -> None:
    office.bank.says = [NotOffered(WECHAT, "refunds")]

    office.round()
    office.now = LATER + timedelta(days=1)

    assert office.round() == 0
    assert office.state() == ("stuck", "wechat offers no refunds")
    assert issubclass(NotOffered, Refused)
