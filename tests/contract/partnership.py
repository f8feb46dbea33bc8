"""What tests of the door for apps and billers share: keys, orders, and a biller with an account."""

import json
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from tests.contract.door import Place, bearer, closing_store
from tests.unit.payments.wechat_side import NOON

from compuerta.apps.api.keys import make_key
from compuerta.domain.party import AccountKind
from compuerta.services.records import AccountOpening, ProviderAccount

BILLER = "corner-shop"


def send(place: Place, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {**bearer(key or place.key), **more.pop("headers", {})}
    return place.client.request(method, f"/api/v1{path}", headers=headers, **more)


def order(
    place: Place, *, idempotency_key: str | None = None, key: str | None = None, **wish: Any
) -> httpx.Response:
    """Order at the simulated WeChat Pay, as an app does."""
    body = {"meter_no": place.home.meter_no, "amount_minor": 5_000, "provider": "wechat", **wish}
    headers = {"idempotency-key": idempotency_key or uuid4().hex, "content-type": "application/json"}
    return send(place, "POST", "/orders", key=key, headers=headers, content=json.dumps(body).encode())


def again(place: Place, order_id: str, *, idempotency_key: str | None = None, **wish: Any) -> httpx.Response:
    headers = {"idempotency-key": idempotency_key or uuid4().hex}
    body = {"provider": "wechat", **wish}
    return send(place, "POST", f"/orders/{order_id}/attempts", headers=headers, json=body)


def cancel(place: Place, attempt_id: str, *, idempotency_key: str | None = None) -> httpx.Response:
    headers = {"idempotency-key": idempotency_key or uuid4().hex}
    return send(place, "POST", f"/attempts/{attempt_id}/cancel", headers=headers)


def a_biller(place: Place) -> str:
    """Give the first organisation's biller its account, and return its key."""
    (row,) = place.rows("select live from organisation where organisation_id = %s", place.organisation_id)
    live = bool(row["live"])
    with closing_store(place.url) as store, store.transaction() as tx:
        if tx.provider_account(BILLER) is None:
            suspense_id = tx.add_account(
                AccountOpening(
                    site_id=1,
                    kind=AccountKind.SUSPENSE,
                    name="corner shop",
                    supply_point="corner shop",
                    tariff_id=None,
                    meter_id=None,
                    pay_token=uuid4(),
                    opened_at=NOON,
                )
            )
            tx.add_provider_account(
                ProviderAccount(
                    provider=BILLER,
                    organisation_id=place.organisation_id,
                    kind="biller",
                    live=live,
                    suspense_account_id=suspense_id,
                )
            )
    return make_key(place.url, name=BILLER, organisation_id=place.organisation_id, scopes=["sell"])


def change(place: Place, statement: str, *values: object) -> None:
    """Write as no use case does: what a crash would have left, or what a meter has done meanwhile."""
    with closing(psycopg.connect(place.url, autocommit=True)) as connection:
        connection.execute(statement, values)  # type: ignore[call-overload]


def instants(place: Place, order_id: UUID | str) -> dict[str, Any]:
    found: dict[str, Any] = place.ask(f"/orders/{order_id}").json()
    return {name: found[name] for name in ("paid_at", "posted_at", "credited_at", "power_at")}
