"""What tests of payments share: to accept, to owe, to settle, and to look at what came of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from tests.unit.services.town import NOON, SECOND, Home, an_id, the_view

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.division import Debt, DebtKind
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import PostingKind
from compuerta.domain.party import Period
from compuerta.domain.payment import PaymentNotice
from compuerta.services import indebting
from compuerta.services.acting import Actor
from compuerta.services.indebting import DebtOpening
from compuerta.services.store_port import Store
from compuerta.services.vend import Outcome, accept_payments

ANA = Actor(who="ana", why="as agreed", origin="console")


def accept(store: MemoryStore, *notices: PaymentNotice) -> list[Outcome]:
    return accept_payments(store, notices, now=NOON + SECOND)


def held_minor(store: MemoryStore, home: Home) -> tuple[int, int]:
    holdings = the_view(store, home.account_id).holdings
    return holdings.undelivered_minor, holdings.delivered_minor


def case_kinds(store: MemoryStore) -> list[str]:
    return [case.kind for case in store.tables.cases.values()]


def posted(store: MemoryStore) -> list[PostingKind]:
    return [posting.kind for posting in store.tables.postings.values()]


def instructions(store: MemoryStore, kind: Kind) -> Sequence[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is kind]


def settled(store: MemoryStore, home: Home, **policy: object) -> None:
    """Settle a policy for one account."""
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=json.dumps(policy))


def in_debt(store: Store, opening: DebtOpening, *, actor: Actor = ANA, now: datetime = NOON) -> Debt:
    """Open a debt in a transaction of its own."""
    with store.transaction() as tx:
        return indebting.opened(tx, opening, actor=actor, now=now)


def owing(store: MemoryStore, home: Home, *, amount_minor: int, share_ppm: int | None = None) -> UUID:
    """Let an account owe something from before."""
    opening = DebtOpening(
        account_id=home.account_id,
        debt_id=an_id("debt"),
        kind=DebtKind.ARREARS,
        name="from before",
        amount_minor=amount_minor,
        share_ppm=share_ppm,
    )
    return in_debt(store, opening).debt_id


def kept_lines(store: MemoryStore) -> list[list[tuple[str, int]]]:
    return [
        [(line.kind.value, line.amount_minor) for line in lines]
        for lines in store.tables.recharge_lines.values()
    ]


def close_account(store: MemoryStore, home: Home) -> None:
    account = store.tables.accounts[home.account_id]
    store.tables.accounts[home.account_id] = replace(account, period=Period(start=NOON, end=NOON))
