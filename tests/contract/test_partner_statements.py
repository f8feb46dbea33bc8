"""What a recharge pays for webhooks: no statement, whether somebody wants to be told or not."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.contract.door import closing_store
from tests.contract.test_store_partners import a_webhook, add
from tests.unit.services.town import NOON, SECOND, WECHAT, Home, a_town, an_attempt, an_id

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.payment import PaymentNotice
from compuerta.services import partnering, vend
from compuerta.services.partner_port import Event

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def statements_of_a_payment(store: PostgresStore, home: Home, *, number: int) -> int:
    """Order and pay once, and return how many statements the payment took."""
    attempt = replace(
        an_attempt(home.account_id, reference=f"order{number}"), attempt_id=an_id(f"attempt {number}")
    )
    with store.transaction() as tx:
        tx.put_attempt(attempt)
    notice = PaymentNotice(
        provider=WECHAT,
        transaction_no=f"t{number}",
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        paid_at=NOON,
    )
    sent: list[object] = []
    execute = psycopg.Connection.execute

    def counted(self: Any, query: Any, *more: Any, **named: Any) -> Any:
        sent.append(query)
        return execute(self, query, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counted)
        vend.accept_payments(store, [notice], now=NOON + SECOND)
    return len(sent)


def test_a_payment_takes_as_many_statements_with_a_webhook_as_without(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing_store(postgres_url) as store:
        home = a_town(store).homes[0]
        statements_of_a_payment(store, home, number=0)  # reads the tariff, which is kept
        told = statements_of_a_payment(store, home, number=1)
        add(store, a_webhook(Event.PAID))
        told_with_webhook = statements_of_a_payment(store, home, number=2)
        monkeypatch.setattr(partnering, "keep_instants", lambda tx, instants: tx.put_instants(instants))
        untold = statements_of_a_payment(store, home, number=3)
        queued = store.query("select count(*) as number from webhook_delivery", {})

    assert told == told_with_webhook == untold
    assert queued[0]["number"] == 1
