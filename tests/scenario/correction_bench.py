"""Corrections on a bench: two people, a meter and a provider that say what a test tells them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tests.scenario.moving_bench import Bench
from tests.unit.services.town import (
    CAPABILITIES,
    NOON,
    WECHAT,
    Home,
    a_notice,
    an_id,
    concluded,
    paid,
    taken,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.memory.transaction import MemoryTransaction
from compuerta.domain.correction import Correction, CorrectionKind, Way
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import (
    DisputeNotice,
    DisputeState,
    Refund,
    RefundNotice,
    RefundState,
    payment_id,
)
from compuerta.drivers.abilities import Ending, MeterState
from compuerta.services import correcting, refunding, vend
from compuerta.services.acting import Actor
from compuerta.services.payment_ports import Capabilities, RefundAnswer
from compuerta.services.proposing import Proposal

ANA = Actor(who="ana", why="the payer asked for it", origin="console")
BEA = Actor(who="bea", why="seen with the payer", origin="console")
ABLE = Capabilities(
    currencies=CAPABILITIES.currencies,
    notices=True,
    query=True,
    close=True,
    immediate=False,
    expiry_min=CAPABILITIES.expiry_min,
    expiry_max=CAPABILITIES.expiry_max,
    refunds=True,
    refund_partial=True,
)
LATER = NOON + timedelta(minutes=5)


def the_payment(name: str = "1") -> UUID:
    return payment_id(provider=WECHAT, transaction_no=f"t{name}")


def a_proposal(
    home_or_account: Home | int, *, kind: CorrectionKind = CorrectionKind.REFUND, **changes: object
) -> Proposal:
    account_id = home_or_account if isinstance(home_or_account, int) else home_or_account.account_id
    values: dict[str, object] = {
        "correction_id": an_id("correction"),
        "kind": kind,
        "account_id": account_id,
        "amount_minor": 5_000,
        "payment_id": the_payment(),
        "way": Way.PROVIDER if kind is CorrectionKind.REFUND else None,
    }
    return Proposal(**(values | changes))  # type: ignore[arg-type] each field is given by its name


def proposed(bench: Bench, wish: Proposal, *, now: datetime = LATER) -> Correction:
    return correcting.propose(bench.store, wish, actor=ANA, capabilities=ABLE, now=now)


def approved(bench: Bench, wish: Proposal, *, now: datetime = LATER) -> Correction:
    proposed(bench, wish, now=now)
    key = (wish.account_id, wish.correction_id)
    act_id = an_id(f"approve {wish.correction_id}")
    return correcting.approve(bench.store, *key, actor=BEA, act_id=act_id, now=now)


def swept(bench: Bench, wish: Proposal, *, now: datetime = LATER) -> Correction:
    """Let the worker take corrections on, and return what became of one."""
    correcting.sweep(bench.store, after=0, now=now)
    return looked_at(bench, wish)


def looked_at(bench: Bench, wish: Proposal) -> Correction:
    with bench.store.transaction() as tx:
        correction = tx.corrections.correction(wish.account_id, wish.correction_id)
    assert correction is not None
    return correction


def refunds(bench: Bench, wish: Proposal) -> list[Refund]:
    assert wish.payment_id is not None
    with bench.store.transaction() as tx:
        return tx.corrections.refunds_of(wish.account_id, wish.payment_id)


def asked(bench: Bench, *, now: datetime, able: Capabilities = ABLE) -> list[refunding.RefundQuestion]:
    return refunding.due(bench.store, now=now, limit=10, capabilities={WECHAT: able})


def answer(
    bench: Bench, state: RefundState | None, *, now: datetime = LATER
) -> list[refunding.RefundQuestion]:
    """Let the provider answer whatever it is asked now."""
    questions = asked(bench, now=now)
    said = [(each.refund, RefundAnswer(state=state, reason="as the test says")) for each in questions]
    refunding.answered(bench.store, said, now=now)
    return questions


def meter_says(
    bench: Bench, home: Home, ending: Ending, *, now: datetime, state: MeterState, reason: str = ""
) -> None:
    concluded(
        bench.store, taken(bench.store, home, now=now), ending=ending, at=now, state=state, reason=reason
    )


def suspense_of(bench: Bench) -> int:
    with bench.store.transaction() as tx:
        account = tx.provider_account(WECHAT)
    assert account is not None
    return account.suspense_account_id


def unknown_money(bench: Bench, *, name: str = "lost", amount_minor: int = 5_000) -> None:
    """Let money come that nobody ordered."""
    notice = a_notice(transaction_no=f"t{name}", reference=f"nobody{name}", amount_minor=amount_minor)
    assert vend.accept_payments(bench.store, [notice], now=NOON) == [vend.Outcome.REFERENCE_UNKNOWN]


def a_refund_notice(**changes: object) -> RefundNotice:
    values: dict[str, object] = {
        "provider": WECHAT,
        "transaction_no": "t1",
        "reference": "order1",
        "refund_reference": "",
        "refunded_minor": 5_000,
        "is_total": False,
        "currency": "CNY",
        "state": RefundState.DONE,
        "at": LATER,
    }
    return RefundNotice(**(values | changes))  # type: ignore[arg-type] each field is given by its name


def a_dispute(state: DisputeState, *, transaction_no: str = "t1", amount_minor: int = 5_000) -> DisputeNotice:
    return DisputeNotice(
        provider=WECHAT,
        transaction_no=transaction_no,
        dispute_no="d1",
        amount_minor=amount_minor,
        currency="CNY",
        state=state,
        at=LATER,
    )


class Killed(Unreachable):
    """The process died before its transaction was kept."""


@dataclass
class Mortal:
    """A store whose process dies at the end of the nth transaction, before or after it is kept."""

    inner: MemoryStore
    dies_at: int
    keeps: bool
    begun: int = 0
    deaths: list[int] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        self.begun += 1
        dies = self.begun == self.dies_at
        with self.inner.transaction() as tx:
            yield tx
            if dies and not self.keeps:
                self.deaths.append(self.begun)
                raise Killed("before it was kept")
        if dies:
            self.deaths.append(self.begun)
            raise Killed("after it was kept")


__all__ = ["ANA", "BEA", "paid"]
