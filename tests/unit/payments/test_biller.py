"""A biller calls us, and nothing is asked of it: least of all to give money to its payers."""

from datetime import timedelta

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance, a_wish

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.payments.http import converse_with
from compuerta.services.payment_ports import HttpRequest, HttpResponse, NotOffered

BILLER = Biller("shops", frozenset({"CNY"}), reverse_within=timedelta(minutes=30))


def nobody(request: HttpRequest) -> HttpResponse:
    raise AssertionError("a biller is sent nothing")


def test_a_biller_is_not_said_to_have_given_back_what_it_knows_nothing_of() -> None:
    wish = a_wish(transaction_no="1000001", provider="shops")

    for steps in (BILLER.refund, BILLER.query_refund):
        with pytest.raises(NotOffered):
            converse_with(steps(wish, now=NOON, chance=a_chance()), nobody)

    assert not BILLER.capabilities.refunds
