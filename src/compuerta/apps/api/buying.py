"""The door for apps and partners: look a meter up, quote, order, pay in another way, follow, and cancel.

An order is a wish to buy; an attempt is one way to pay it. Every order is made under an idempotency key, and
its ids are made of that key: asked twice, it is answered twice and done once.
"""

from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import selling, wiring
from compuerta.apps.api import orders, reading
from compuerta.apps.api.answering import Key, name_of, once
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.following import Following
from compuerta.apps.api.machines import (
    BIGINT_MAX,
    NOT_FOUND,
    SELLING_REFUSALS,
    Machines,
    Problem,
    provider_for,
)
from compuerta.apps.api.orders import OrderMade
from compuerta.apps.api.supply import REFUSALS
from compuerta.apps.selling import ProviderUnknown
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.naming import named_apart
from compuerta.domain.payment import Attempt, Flow, reference_of
from compuerta.services import crediting, quoting, receipting
from compuerta.services.crediting import Owing
from compuerta.services.ordering import Order, ReferenceTaken
from compuerta.services.partner_port import KeyName
from compuerta.services.payment_ports import PaymentProvider
from compuerta.services.quoting import Limits

# Over the counter and at billers, the money is there before the order: an app has none in its hands.
_FLOWS: Final = frozenset(orders.SHOWN_AS)
PAYER_CHARS_MAX = 512
REFERENCE_CHARS_MAX = 64

MeterNo = Annotated[str, Path(pattern="^[0-9]{12}$")]
Amount = Annotated[int, Field(strict=True, gt=0, le=BIGINT_MAX)]
Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Seller = Annotated[Caller, Depends(needs(Right.SELL))]
FlowName = Literal["qr", "wallet", "app", "web", "desktop", "code", "prompt"]


class Way(BaseModel):
    """A way to pay: a provider account, and how its payers come to pay."""

    provider: str
    kind: str
    flows: list[str]
    currencies: list[str]
    live: bool = Field(description="false: a test account, whose money does not exist")


class Owed(BaseModel):
    """What a recharge would pay before it buys energy."""

    kind: str
    name: str
    amount_minor: int


class Payable(BaseModel):
    """A meter that can be recharged, as much of it as a stranger may know."""

    meter_no: str
    account_id: int
    name: str = Field(description="masked: enough to see that it is the right one")
    place: str
    currency: str
    owed: list[Owed]
    least_minor: int
    most_minor: int
    room_minor: int | None = Field(description="how much more credit the account may have; null = no limit")
    ways: list[Way]


class Line(BaseModel):
    """One part of a recharge; all parts together are the amount."""

    kind: str
    name: str
    amount_minor: int
    remaining_minor: int | None = Field(description="of a debt, after it")


class Quoted(BaseModel):
    """What an amount comes to now."""

    meter_no: str
    account_id: int
    currency: str
    amount_minor: int
    lines: list[Line]
    credit_minor: int
    energy_wh: int | None = Field(description="null where energy costs nothing")
    balance_minor: int
    balance_after_minor: int
    tariff: str
    period: str


class AttemptWish(BaseModel):
    """How somebody wants to pay."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=64)
    flow: FlowName = "qr"
    payer: str = Field(
        default="",
        max_length=PAYER_CHARS_MAX,
        description="what the flow asks for: an open id, a phone number, the code on a phone, an address",
    )


class OrderWish(AttemptWish):
    """What somebody wants to buy, and how they pay. (It inherits, as pydantic extends a body by that.)"""

    meter_no: str = Field(pattern="^[0-9]{12}$")
    amount_minor: Amount
    reference: str = Field(default="", max_length=REFERENCE_CHARS_MAX, description="your own number of it")


class Handed(BaseModel):
    """A receipt, and where anybody who has its link sees it."""

    order_id: UUID
    number: str
    path: str = Field(description="below this installation's address")


class FlowNotOffered(Refused):
    """The provider account does not take payers this way."""

    def __init__(self, provider: str, flow: str, flows: frozenset[Flow]) -> None:
        offered = ", ".join(sorted(each.value for each in flows)) or "none for apps"
        super().__init__(f"{provider} does not offer {flow!r}; it offers: {offered}")
        self.provider = provider


class CurrencyWrong(Refused):
    """Money in another currency than the account's."""

    def __init__(self, given: str, currency: str) -> None:
        super().__init__(f"this account is in {currency}, not {given}; nothing was done")
        self.currency = currency


_KEYED = SELLING_REFUSALS | {
    202: {"model": OrderMade, "description": "unknown: the provider does not answer; ask for the order"},
    409: {
        "model": Problem,
        "description": "the same request is under way: ask again; or the key made another order",
    },
}


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of the door for apps."""
    router = APIRouter(prefix="/api/v1", tags=["buying"], responses=REFUSALS)
    _add_looking(router, machines)
    _add_ordering(router, machines)
    _add_trying_again(router, machines)
    _add_paying(router, machines)
    _add_following(router, machines, Following(machines.desk))
    return router


def _add_looking(router: APIRouter, machines: Machines) -> None:
    @router.get("/ways-to-pay", response_model=list[Way])
    async def ways_to_pay(asker: Asker) -> list[Way]:
        """List how residents of your organisation may pay through an app."""
        return await _ways(machines, asker)

    @router.get("/meters/{meter_no}/payable", response_model=Payable, responses=NOT_FOUND)
    async def look_up(asker: Asker, meter_no: MeterNo) -> Payable:
        """Look a meter up before paying for it: whose it is, what is owed, how much may be paid."""
        return await payable(machines, asker, meter_no)

    @router.get("/meters/{meter_no}/quote", response_model=Quoted, responses=NOT_FOUND)
    async def quote(
        asker: Asker, meter_no: MeterNo, amount_minor: Annotated[int, Query(gt=0, le=BIGINT_MAX)]
    ) -> Quoted:
        """Quote a recharge, line by line; nothing is written, and nothing is promised."""
        row = await payable_row(machines, asker, meter_no)
        told = await machines.desk.run(
            lambda store: quoting.quote(store, row["account_id"], amount_minor, now=wiring.now())
        )
        return _quoted(meter_no, told)


def _add_ordering(router: APIRouter, machines: Machines) -> None:
    @router.post("/orders", response_model=OrderMade, responses=_KEYED)
    async def order(asker: Seller, wish: OrderWish, key: Key, request: Request) -> Response:
        """Order a recharge with a first way to pay it."""
        name = name_of(asker, key)

        async def ordered() -> tuple[int, BaseModel]:
            row = await payable_row(machines, asker, wish.meter_no)
            sale = Order(
                attempt_id=_named("attempt", name),
                order_id=_named("order", name),
                account_id=row["account_id"],
                provider=wish.provider,
                reference=reference_of(_named("attempt", name)),
                amount_minor=wish.amount_minor,
                actor=acting(asker, request, why=""),
                door="app",
                caller=asker.name,
                caller_reference=_plain(wish.reference),
                flow=Flow(wish.flow),
                payer=_plain(wish.payer),
            )
            return await _sold(machines, asker, sale)

        return await once(machines, name, request, ordered)


def _add_trying_again(router: APIRouter, machines: Machines) -> None:
    @router.post("/orders/{order_id}/attempts", response_model=OrderMade, responses=_KEYED)
    async def try_again(
        asker: Seller, order_id: UUID, wish: AttemptWish, key: Key, request: Request
    ) -> Response:
        """Pay an order in another way; the earlier ways stay payable until they end, so cancel them."""
        name = name_of(asker, key)

        async def tried() -> tuple[int, BaseModel]:
            known = await _order(machines, asker, order_id)
            sale = Order(
                attempt_id=_named("attempt", name),
                order_id=order_id,
                account_id=known["account_id"],
                provider=wish.provider,
                reference=reference_of(_named("attempt", name)),
                amount_minor=known["amount_minor"],
                actor=acting(asker, request, why=""),
                door="app",
                caller=asker.name,
                caller_reference=known["reference"],
                flow=Flow(wish.flow),
                payer=_plain(wish.payer),
            )
            return await _sold(machines, asker, sale)

        return await once(machines, name, request, tried)


def _add_paying(router: APIRouter, machines: Machines) -> None:
    @router.post("/attempts/{attempt_id}/cancel", response_model=OrderMade, responses=_KEYED)
    async def cancel(asker: Seller, attempt_id: UUID, key: Key, request: Request) -> Response:
        """Make an attempt unpayable; if the payer was faster, the order is paid, and the answer says so."""

        async def cancelled() -> tuple[int, BaseModel]:
            ids = {"attempt_id": attempt_id, "organisation_id": asker.organisation_id}
            row = await machines.one(orders.ONE_ATTEMPT, **ids)
            attempt = await machines.desk.run(partial(_attempt, attempt_id=attempt_id))
            assert attempt is not None  # it was there a moment ago, and attempts stay
            known = await _order(machines, asker, row["order_id"])
            if attempt.state.value in ("paid", "closed"):
                return status.HTTP_200_OK, orders.made_of(known)
            provider = machines.providers.get(attempt.provider)
            if provider is None:
                raise ProviderUnknown(attempt.provider)
            try:
                await selling.cancel(machines.desk, attempt, provider=provider, talk=machines.talk)
            except Unreachable:
                return status.HTTP_202_ACCEPTED, orders.made_of({**known, "state": "unknown"})
            return status.HTTP_200_OK, orders.made_of(await _order(machines, asker, row["order_id"]))

        return await once(machines, name_of(asker, key), request, cancelled)

    @router.post("/orders/{order_id}/receipt", response_model=Handed, responses=SELLING_REFUSALS)
    async def receipt(asker: Seller, order_id: UUID) -> Handed:
        """Hand out the receipt of a paid order; asked again, it is the same."""
        row = await _order(machines, asker, order_id)
        if row["recharge_id"] is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "this order has bought nothing yet")
        hand_out = partial(
            receipting.hand_out,
            account_id=row["account_id"],
            recharge_id=row["recharge_id"],
            token=uuid4(),
            now=wiring.now(),
        )
        handed = await machines.desk.run(hand_out)
        assert handed.handed_out is not None
        return Handed(order_id=order_id, number=handed.number, path=f"/r/{handed.handed_out.token}")


def _add_following(router: APIRouter, machines: Machines, following: Following) -> None:
    @router.get("/orders/{order_id}", response_model=OrderMade, responses=NOT_FOUND)
    async def read_order(asker: Asker, order_id: UUID) -> OrderMade:
        """Read how an order stands."""
        return orders.made_of(await _order(machines, asker, order_id))

    @router.get(
        "/orders/{order_id}/events",
        response_class=Response,
        responses=NOT_FOUND
        | {
            200: {"content": {"text/event-stream": {}}, "description": "each event is the whole order"},
            204: {"description": "the order has come to its end, and you know it: follow no longer"},
            503: {"model": Problem, "description": "too many follow: ask every few seconds instead"},
        },
    )
    async def follow(asker: Asker, order_id: UUID, request: Request) -> Response:
        """Follow an order by Server-Sent Events, until there is power or it is over."""
        row = await _order(machines, asker, order_id)
        return following.follow(row, seen=request.headers.get("last-event-id", ""))


async def _sold(machines: Machines, asker: Caller, sale: Order) -> tuple[int, BaseModel]:
    """Order at the provider; where it does not answer, nobody knows whether the payer can pay."""
    assert sale.order_id is not None
    provider = await _provider(machines, asker, sale)
    try:
        await selling.sell(machines.desk, sale, provider=provider, talk=machines.talk)
    except ReferenceTaken as taken:
        told = "this key made another order; make a new key"
        raise HTTPException(status.HTTP_409_CONFLICT, told) from taken
    except Unreachable as error:
        rows = await machines.ask(orders.ONE_ORDER, **_seen_by(asker, sale.order_id))
        if not rows:
            raise error
        return status.HTTP_202_ACCEPTED, orders.made_of({**rows[0], "state": "unknown"})
    return status.HTTP_200_OK, orders.made_of(await _order(machines, asker, sale.order_id))


async def _provider(machines: Machines, asker: Caller, sale: Order) -> PaymentProvider:
    provider = await provider_for(machines, asker, sale.provider)
    offered = provider.capabilities.flows & _FLOWS
    if sale.flow not in offered or provider.capabilities.immediate:
        raise FlowNotOffered(sale.provider, sale.flow.value, offered)
    return provider


async def payable(machines: Machines, asker: Caller, meter_no: str) -> Payable:
    """Return what may be known of a meter before paying for it; refuses what cannot be recharged."""
    row = await payable_row(machines, asker, meter_no)
    limits, owing, owed_minor = await machines.desk.run(partial(_dues, account_id=row["account_id"]))
    return Payable(
        meter_no=meter_no,
        account_id=row["account_id"],
        name=_masked(row["name"]),
        place=_place(row),
        currency=row["currency"],
        owed=_owed(owing, owed_minor),
        least_minor=limits.least_minor,
        most_minor=limits.most_minor,
        room_minor=limits.room_minor,
        ways=[way for way in await _ways(machines, asker) if row["currency"] in way.currencies],
    )


async def payable_row(machines: Machines, asker: Caller, meter_no: str) -> reading.Row:
    """Return the account behind a meter's number, or answer 404."""
    return await machines.one(orders.PAYABLE, organisation_id=asker.organisation_id, meter_no=meter_no)


async def _order(machines: Machines, asker: Caller, order_id: UUID) -> reading.Row:
    return await machines.one(orders.ONE_ORDER, **_seen_by(asker, order_id))


def _seen_by(asker: Caller, order_id: UUID) -> dict[str, object]:
    """Say whose order is meant: a key has its own, and one that sees all sales has all."""
    caller = None if asker.may(Right.SEE_MONEY) else asker.name
    return {"organisation_id": asker.organisation_id, "order_id": order_id, "caller": caller}


async def _ways(machines: Machines, asker: Caller) -> list[Way]:
    rows = await machines.ask(orders.PROVIDERS, organisation_id=asker.organisation_id)
    ways = []
    for row in rows:
        provider = machines.providers.get(row["provider"])
        if provider is not None and not provider.capabilities.immediate:
            can = provider.capabilities
            ways.append(
                Way(
                    provider=provider.name,
                    kind=row["kind"],
                    flows=sorted(flow.value for flow in can.flows & _FLOWS),
                    currencies=sorted(can.currencies),
                    live=can.live,
                )
            )
    return ways


def _masked(name: str) -> str:
    """Return a name as a stranger may see it: the first letter of each word."""
    return " ".join(f"{word[0]}**" for word in name.split()) or "**"


def _place(row: reading.Row) -> str:
    """Return where a meter is, as people say it."""
    return ", ".join(part for part in (row["supply_point"], row["building"], row["site"]) if part)


def _owed(owing: Owing, overdrawn_minor: int) -> list[Owed]:
    """Return what a recharge would pay before it buys energy, as far as it is known as a sum."""
    owed = [Owed(kind="debt", name=each.name, amount_minor=each.remaining_minor) for each in owing.debts]
    if overdrawn_minor:
        owed.insert(0, Owed(kind="overdrawn", name="", amount_minor=overdrawn_minor))
    return owed


def _dues(store: PostgresStore, *, account_id: int) -> tuple[Limits, Owing, int]:
    now = wiring.now()
    with store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        view = quoting.require_rechargeable(view, account_id)
        owing = crediting.owing_of(tx, {account_id: view}, now=now)[account_id]
        return quoting.limits_of(view, owing), owing, max(-owing.held_minor, 0)


def _attempt(store: PostgresStore, *, attempt_id: UUID) -> Attempt | None:
    with store.transaction() as tx:
        return tx.attempt(attempt_id)


def _quoted(meter_no: str, told: quoting.Quote) -> Quoted:
    lines = [
        Line(
            kind=part.kind.value,
            name=part.name or part.period,
            amount_minor=part.amount_minor,
            remaining_minor=part.remaining_minor,
        )
        for part in told.division.parts
    ]
    return Quoted(
        meter_no=meter_no,
        account_id=told.account_id,
        currency=told.currency,
        amount_minor=told.amount_minor,
        lines=lines,
        credit_minor=told.division.credit_minor,
        energy_wh=told.energy_wh,
        balance_minor=told.balance_minor,
        balance_after_minor=told.balance_after_minor,
        tariff=told.tariff,
        period=told.period,
    )


def _named(what: str, name: KeyName) -> UUID:
    return named_apart(what, name.organisation_id, name.caller, name.key)


def _plain(text: str) -> str:
    # PostgreSQL's text holds every character but this one.
    return text.replace("\x00", "")
