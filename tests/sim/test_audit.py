"""The simulator's look at bills sees what differs from the books."""

from random import Random

import pytest

from compuerta.domain.payment import payment_id
from compuerta.services.records import Payment, PaymentVerdict
from compuerta.sim import audit
from compuerta.sim.faults import CALM
from compuerta.sim.looking import PromiseBroken
from compuerta.sim.stage import Stage
from compuerta.sim.town import a_town


@pytest.mark.slow
def test_money_of_the_books_that_no_bill_has_breaks_a_promise() -> None:
    town = a_town(Stage(chance=Random(1), faults=CALM))
    audit.look(town)
    now, name = town.stage.now(), town.providers[0].name
    made_up = Payment(
        account_id=town.account_ids[0],
        payment_id=payment_id(provider=name, transaction_no="made up"),
        provider=name,
        transaction_no="made up",
        reference="none",
        amount_minor=100,
        currency="CNY",
        paid_at=now,
        posted_at=now,
        verdict=PaymentVerdict.CREDITED,
    )
    with town.database.store.transaction() as tx:
        tx.put_payments([made_up])

    with pytest.raises(PromiseBroken, match=f"the bill of {name} differs: ours_only made up"):
        audit.look(town)
