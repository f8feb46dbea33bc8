"""A door: two organisations behind it, a simulated WeChat Pay before it, and a clock that stands still."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from psycopg.rows import dict_row
from tests.unit.payments.wechat_side import NOON, a_cheap_pair

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.payments.http import RoadDown, Steps, converse_with
from compuerta.adapters.payments.till import CashTill
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town, wiring
from compuerta.apps.api.keys import make_key
from compuerta.apps.desk import Desk
from compuerta.apps.door import machines_door
from compuerta.apps.town import Home
from compuerta.domain.party import AccountKind, Bearer, CreditAuthority, RoadKind
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.services import tariffing
from compuerta.services.payment_ports import HttpRequest, HttpResponse, PaymentProvider
from compuerta.services.records import AccountOpening, Endpoint, MeterEntry, ProviderAccount
from compuerta.virtual.wechat.world import WechatWorld

OTHERS_METER_NO = "999999999999"
PATIENCE_S = 10.0

Result = TypeVar("Result")


@dataclass
class Clock:
    """The door's clock: it goes when a test says so."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, *, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Street:
    """The providers as the door reaches them; counts what was asked of them."""

    world: WechatWorld
    clock: Clock
    asked: list[HttpRequest] = field(default_factory=list)
    away: bool = False

    async def talk(self, name: str, steps: Steps[Result], /) -> Result:
        await asyncio.sleep(0)
        return converse_with(steps, self._answer)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request)
        if self.away:
            raise RoadDown("ConnectError")
        return self.world.answer(request, self.clock.now)


@dataclass(frozen=True)
class Client:
    """Speaks HTTP to a door from any thread; a bug in it is a 500, as it is for everybody outside."""

    app: FastAPI
    loop: asyncio.AbstractEventLoop

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.wait(self._request("GET", path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.wait(self._request("POST", path, **more))

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.wait(self._request(method, path, **more))

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("10.0.0.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await client.request(method, path, **more)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """The second organisation: one meter, one account, a till of its own."""

    organisation_id: int
    account_id: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Everything a test of the door speaks to."""

    url: str
    client: Client
    clock: Clock
    street: Street
    homes: tuple[Home, ...]
    organisation_id: int
    neighbour: Neighbour
    key: str
    reading_key: str
    neighbours_key: str
    providers: Mapping[str, PaymentProvider]

    @property
    def home(self) -> Home:
        return self.homes[0]

    def ask(self, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        return self.client.get(f"/api/v1{path}", headers=bearer(key or self.key), **more)

    def recharge(
        self, account_id: int, *, key: str | None = None, attempt_id: UUID | None = None, **wish: Any
    ) -> httpx.Response:
        body = {"attempt_id": str(attempt_id or uuid4()), "provider": "wechat", "amount_minor": 5_000, **wish}
        return self.post(account_id, json.dumps(body).encode(), key=key)

    def post(self, account_id: int, body: Any, *, key: str | None = None) -> httpx.Response:
        headers = {**bearer(key or self.key), "content-type": "application/json"}
        return self.client.post(f"/api/v1/accounts/{account_id}/recharges", headers=headers, content=body)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return rows(self.url, statement, *values)

    def count(self, table: str) -> int:
        query = sql.SQL("select count(*) as number from {}").format(sql.Identifier(table))
        (row,) = rows(self.url, query)
        return int(row["number"])

    def credited_minor(self, account_id: int) -> int:
        found = self.rows(
            "select coalesce(sum(credit_minor), 0)::bigint as sum from recharge where account_id = %s",
            account_id,
        )
        return int(found[0]["sum"])


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def rows(url: str, statement: str | sql.Composed, *values: object) -> list[dict[str, Any]]:
    with closing(psycopg.connect(url, row_factory=dict_row)) as connection:
        return connection.execute(statement, values or None).fetchall()  # type: ignore[arg-type]


@contextmanager
def a_place(url: str) -> Iterator[Place]:
    """Build both organisations and open the door to them."""
    clock = Clock()
    world, wechat = a_cheap_pair()
    street = Street(world, clock)
    with pytest.MonkeyPatch.context() as patch, closing_store(url) as store:
        patch.setattr(wiring, "now", clock)
        built = town.build(store, town.plan(), bus_paths={"bus-1": "/dev/one", "bus-2": "/dev/two"}, now=NOON)
        neighbour = _a_neighbour(store)
        providers: dict[str, PaymentProvider] = {
            "wechat": wechat,
            "till": CashTill("till", frozenset({"CNY"})),
            "till-2": CashTill("till-2", frozenset({"CNY"})),
            "corner-shop": Biller("corner-shop", frozenset({"CNY"}), reverse_within=timedelta(hours=1)),
            "till-mxn": CashTill("till-mxn", frozenset({"MXN"})),
        }
        with a_client(url, providers, street) as client:
            yield Place(
                url=url,
                client=client,
                clock=clock,
                street=street,
                homes=built.homes,
                providers=providers,
                organisation_id=built.organisation_id,
                neighbour=neighbour,
                key=make_key(
                    url, name="shop", organisation_id=built.organisation_id, scopes=["sell", "cash"]
                ),
                reading_key=make_key(url, name="board", organisation_id=built.organisation_id, scopes=[]),
                neighbours_key=make_key(
                    url,
                    name="next door",
                    organisation_id=neighbour.organisation_id,
                    scopes=["sell", "cash"],
                ),
            )


@contextmanager
def a_client(url: str, providers: Mapping[str, PaymentProvider], street: Street) -> Iterator[Client]:
    """Open a door in a loop of its own, and speak to it as from the outside."""

    async def hang_up() -> None:
        return None

    with loop_in_a_thread() as loop:
        # The desk and the door belong to the loop that serves them.
        app = machines_door(Desk(url), providers, talk=street.talk, hang_up=hang_up)
        serving = app.router.lifespan_context(app)
        client = Client(app, loop)
        client.wait(serving.__aenter__())
        try:
            yield client
        finally:
            client.wait(serving.__aexit__(None, None, None))


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


@contextmanager
def closing_store(url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(url)
    try:
        yield store
    finally:
        store.shut()


def at_once(number: int, call: Any) -> list[Any]:
    """Call something from several threads at the same time."""
    results: list[Any] = []
    start = threading.Barrier(number)

    def run() -> None:
        start.wait(PATIENCE_S)
        results.append(call())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    return results


def _a_neighbour(store: PostgresStore) -> Neighbour:
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Next door")
        site_id = tx.add_site(organisation_id=organisation_id, name="South", zone=town.ZONE, currency="CNY")
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus-9",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/nine",
                baud=town.BAUD,
            )
        )
        meter_id = tx.add_meter(
            MeterEntry(
                organisation_id=organisation_id,
                meter_no=OTHERS_METER_NO,
                model=town.VENDOR,
                credit_authority=CreditAuthority.METER,
                customer_no=OTHERS_METER_NO,
                endpoint_id="bus-9",
                road=RoadKind.RS485,
            )
        )
        suspense_id = tx.add_account(_an_opening(site_id, kind=AccountKind.SUSPENSE, meter_id=None))
        tariff_id = tariffing.found(
            tx,
            flat_tariff("1.0000", currency="CNY"),
            organisation_id=organisation_id,
            founders=town.FOUNDERS,
            now=NOON,
        )
        home = _an_opening(site_id, kind=AccountKind.CUSTOMER, meter_id=meter_id)
        account_id = tx.add_account(replace(home, tariff_id=tariff_id))
        for name in ("till-2", "till-mxn"):
            tx.add_provider_account(
                ProviderAccount(
                    provider=name,
                    organisation_id=organisation_id,
                    kind="till",
                    suspense_account_id=suspense_id,
                )
            )
    return Neighbour(organisation_id=organisation_id, account_id=account_id)


def _an_opening(site_id: int, *, kind: AccountKind, meter_id: int | None) -> AccountOpening:
    return AccountOpening(
        site_id=site_id,
        kind=kind,
        name=kind.value,
        supply_point=kind.value,
        tariff_id=None,
        meter_id=meter_id,
        pay_token=uuid4(),
        opened_at=NOON,
        register_wh=0 if meter_id is not None else None,
    )
