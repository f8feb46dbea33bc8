"""The simulated M-Pesa over real HTTP: a phone is asked, addresses are told, and the list is believed."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import httpx
import pytest
from tests.scenario.served_providers import PATIENCE_S, Street, served
from tests.unit.payments.mpesa_side import ADDRESS, a_phone_attempt, some_settings, some_terms
from tests.unit.payments.wechat_side import a_chance

from compuerta.adapters.payments.http import converse
from compuerta.adapters.payments.mpesa import MpesaPay
from compuerta.domain.payment import Claim
from compuerta.services.payment_ports import OrderState, Verified
from compuerta.virtual.mpesa.world import MpesaWorld

REFERENCE = "R20261122000001"


@pytest.fixture
def street() -> Iterator[Street]:
    def world_at(url: str) -> MpesaWorld:
        terms = some_terms(registered=f"{url}/notices/paybill/{ADDRESS}")
        return MpesaWorld(terms=terms, random=Random(1))

    with served(world_at, MpesaPay(some_settings())) as street:
        yield street


@pytest.mark.slow
def test_our_client_asks_a_phone_hears_claims_and_proves_them_over_http(street: Street) -> None:
    provider = MpesaPay(replace(some_settings(), notify_url=f"{street.url}/notices/paybill"))
    now = datetime.now(UTC)
    attempt = a_phone_attempt(now=now)

    def claimed() -> Claim:
        heard = provider.hear(street.heard(), now=datetime.now(UTC))
        assert isinstance(heard, Verified)
        assert heard.claim is not None
        assert heard.notice is None
        return heard.claim

    async def run() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            road = {"client": client, "base_url": street.base_url, "timeout_s": PATIENCE_S}
            args = {"now": now, "chance": a_chance()}
            shown = await converse(provider.create(attempt, **args), **road)
            asking = await converse(provider.query(replace(attempt, presented=shown.content), **args), **road)
            street.press("pay", REFERENCE)
            by_prompt, by_list = claimed(), claimed()
            args["now"] = datetime.now(UTC)
            paid = await converse(provider.query(replace(attempt, presented=shown.content), **args), **road)
            proved = await converse(provider.confirm(by_list, **args), **road)
            assert (asking.state, paid.state, proved.state) == (
                OrderState.NOT_PAID,
                OrderState.PAID,
                OrderState.PAID,
            )
            assert paid.paid is not None
            assert proved.paid is not None
            receipts = {each.transaction_no for each in (by_prompt, by_list, paid.paid, proved.paid)}
            assert len(receipts) == 1

    asyncio.run(run())
