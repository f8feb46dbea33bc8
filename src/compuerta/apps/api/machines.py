"""The machines' API: meters, accounts and recharges of one organisation, by API key.

Amounts are integers in the minor unit; energy is integer watt-hours; instants are UTC. The caller makes the
id of a recharge, so that a request that got no answer can be made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.postgres.road_figures import ACCOUNT_ENDS, account_expects
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.walls import Wall
from compuerta.apps import walls, wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.desk import Desk
from compuerta.apps.selling import ProviderUnknown, Talk, sell
from compuerta.domain.access import Right
from compuerta.domain.payment import AttemptState, reference_of
from compuerta.services.acting import Actor
from compuerta.services.ordering import Order, ReferenceTaken
from compuerta.services.payment_ports import PaymentProvider

PAGE_MAX = 200
BIGINT_MAX = 2**63 - 1


class Meter(BaseModel):
    """A meter, and the last that it said of itself."""

    meter_no: str
    model: str
    credit_authority: str
    road: str
    endpoint_id: str
    reachable: bool
    account_id: int | None
    supply_point: str | None
    relay: str | None
    wanted_closed: bool | None
    wanted_reason: str
    energy_wh: int | None
    balance_minor: int | None
    power_w: int | None
    flags: list[str]
    read_at: datetime | None


class Account(BaseModel):
    """A prepaid contract, and what our books say of it."""

    account_id: int
    name: str
    supply_point: str
    site: str
    currency: str
    zone: str
    tariff_id: int
    tariff: str
    balance_minor: int
    undelivered_minor: int
    billed_wh: int
    billing_held: bool
    meter_no: str | None
    opened_at: datetime
    closed_at: datetime | None


class Recharge(BaseModel):
    """A recharge, from the wish to pay to the relay: the four instants are facts, not promises."""

    attempt_id: UUID
    account_id: int
    provider: str
    reference: str
    amount_minor: int
    currency: str
    state: str
    presented: str | None = Field(description="what the payer is shown, such as the text of a QR")
    created_at: datetime
    expires_at: datetime
    verdict: str | None
    paid_at: datetime | None
    posted_at: datetime | None
    credited_at: datetime | None
    closed_at: datetime | None
    endpoint_id: str | None = Field(description="the end of the road by which the meter was asked last")
    road: str | None
    delivery: str | None = Field(
        default=None,
        description="while it is under way: now, at_contact (the meter sleeps), or road_dead",
    )
    delivery_at: datetime | None = Field(
        default=None, description="about when the meter is in contact next, or since when it is not reached"
    )


class Problem(BaseModel):
    """Why something was refused, in words for the one who has to put it right."""

    detail: str


class RechargeWish(BaseModel):
    """What is needed to recharge an account; the id is the caller's and makes repeating harmless."""

    model_config = ConfigDict(extra="forbid")

    attempt_id: UUID
    provider: str = Field(min_length=1, max_length=64)
    amount_minor: int = Field(strict=True, gt=0, le=BIGINT_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What the API works with."""

    desk: Desk
    providers: Mapping[str, PaymentProvider]
    talk: Talk

    async def ask(self, statement: str, **values: object) -> list[reading.Row]:
        """Run one reading statement."""
        wall = walls.for_reading()
        return await self.desk.run(partial(_query, statement=statement, values=values, wall=wall))

    async def one(self, statement: str, **values: object) -> reading.Row:
        """Run a statement that finds one row, or answer 404."""
        found = await self.ask(statement, **values)
        if not found:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "there is no such thing in your organisation")
        return found[0]


Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Seller = Annotated[Caller, Depends(needs(Right.SELL))]
AccountId = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of the machines' API."""

    router = APIRouter(prefix="/api/v1", tags=["machines"], responses=_REFUSALS)
    _add_meters(router, machines)
    _add_accounts(router, machines)
    _add_recharging(router, machines)
    return router


def _documented(refusals: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem, "description": text} for code, text in refusals.items()}


_REFUSALS = _documented(
    {
        401: "the API key is missing, not known, or revoked",
        422: "malformed: the detail names the field",
        503: "the database does not answer: ask again",
    }
)
NOT_FOUND = _documented({404: "not in your organisation"})
SELLING_REFUSALS = NOT_FOUND | _documented(
    {
        400: "the body is no JSON",
        403: "the API key may not sell, or not for cash",
        408: "the body came too slowly",
        409: "another recharge has this id",
        413: "the body is too large",
        422: "malformed, or refused: the detail says what to do",
        503: "the database or the provider does not answer: ask again with the same id",
    }
)


def _add_meters(router: APIRouter, machines: Machines) -> None:
    @router.get("/meters", response_model=list[Meter])
    async def list_meters(
        asker: Asker, after: Annotated[str, Query(max_length=12)] = "", limit: Limit = 50
    ) -> list[reading.Row]:
        """List meters by number; pass the last number as `after` to go on."""
        return await machines.ask(
            reading.METERS, organisation_id=asker.organisation_id, after=_text(after), limit=limit
        )

    @router.get("/meters/{meter_no}", response_model=Meter, responses=NOT_FOUND)
    async def read_meter(asker: Asker, meter_no: Annotated[str, Path(pattern="^[0-9]{12}$")]) -> reading.Row:
        """Read one meter."""
        return await machines.one(reading.ONE_METER, organisation_id=asker.organisation_id, meter_no=meter_no)


def _add_accounts(router: APIRouter, machines: Machines) -> None:
    @router.get("/accounts", response_model=list[Account])
    async def list_accounts(
        asker: Asker, after: Annotated[int, Query(ge=0, le=BIGINT_MAX)] = 0, limit: Limit = 50
    ) -> list[reading.Row]:
        """List accounts by id; pass the last id as `after` to go on."""
        return await machines.ask(
            reading.ACCOUNTS, organisation_id=asker.organisation_id, after=after, limit=limit
        )

    @router.get("/accounts/{account_id}", response_model=Account, responses=NOT_FOUND)
    async def read_account(asker: Asker, account_id: AccountId) -> reading.Row:
        """Read one account."""
        return await machines.one(
            reading.ONE_ACCOUNT, organisation_id=asker.organisation_id, account_id=account_id
        )

    @router.get("/accounts/{account_id}/recharges", response_model=list[Recharge], responses=NOT_FOUND)
    async def list_recharges(asker: Asker, account_id: AccountId, limit: Limit = 50) -> list[reading.Row]:
        """List an account's recharges, the latest first."""
        await machines.one(reading.ONE_ACCOUNT, organisation_id=asker.organisation_id, account_id=account_id)
        return await machines.ask(
            reading.RECHARGES,
            organisation_id=asker.organisation_id,
            account_id=account_id,
            limit=limit,
        )

    @router.get("/recharges/{attempt_id}", response_model=Recharge, responses=NOT_FOUND)
    async def read_recharge(asker: Asker, attempt_id: UUID) -> reading.Row:
        """Read one recharge with its four instants."""
        row = await machines.one(
            reading.ONE_RECHARGE, organisation_id=asker.organisation_id, attempt_id=attempt_id
        )
        if row["posted_at"] is None or row["closed_at"] is not None:
            return row
        ends = await machines.ask(ACCOUNT_ENDS, account_id=row["account_id"])
        awaited = account_expects(ends, now=wiring.now())
        if awaited is None:
            return row
        return row | {"delivery": awaited.prospect.value, "delivery_at": awaited.at}


def _add_recharging(router: APIRouter, machines: Machines) -> None:
    @router.post("/accounts/{account_id}/recharges", response_model=Recharge, responses=SELLING_REFUSALS)
    async def recharge(
        asker: Seller, account_id: AccountId, wish: RechargeWish, request: Request
    ) -> reading.Row:
        """Order a recharge; the same id again answers with the same recharge."""
        await machines.one(reading.ONE_ACCOUNT, organisation_id=asker.organisation_id, account_id=account_id)
        shown = {"organisation_id": asker.organisation_id, "attempt_id": wish.attempt_id}
        for row in await machines.ask(reading.ONE_RECHARGE, **shown):
            _require_same(row, account_id, wish)
            if row["state"] != AttemptState.CREATED.value:
                return row
        try:
            await _sell(machines, asker, account_id, wish, acting(asker, request, why=""))
        except ReferenceTaken as taken:
            raise _taken() from taken
        return await machines.one(reading.ONE_RECHARGE, **shown)


def _require_same(row: reading.Row, account_id: int, wish: RechargeWish) -> None:
    ordered = (row["account_id"], row["provider"], row["amount_minor"])
    if ordered != (account_id, wish.provider, wish.amount_minor):
        raise _taken()


def _taken() -> HTTPException:
    return HTTPException(status.HTTP_409_CONFLICT, "another recharge has this id; make a new one")


async def provider_for(machines: Machines, asker: Caller, name: str) -> PaymentProvider:
    """Return the provider account that a key wants to sell by; refuses what is not its organisation's.

    A biller's key sells by none: what a biller has taken comes in by its own door, under its own reference.
    """
    if isinstance(machines.providers.get(asker.name), Biller):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "a biller's API key pays at /api/v1/billers alone")
    provider = machines.providers.get(name)
    ours = {"organisation_id": asker.organisation_id, "provider": name}
    # Another organisation's merchant account would take the money for our customer's electricity.
    if provider is None or isinstance(provider, Biller) or not await machines.ask(reading.PROVIDER, **ours):
        raise ProviderUnknown(name)
    return provider


async def _sell(machines: Machines, asker: Caller, account_id: int, wish: RechargeWish, actor: Actor) -> None:
    provider = await provider_for(machines, asker, wish.provider)
    # Nobody but the key says that this money is there, and credit follows at once.
    if provider.capabilities.immediate and not asker.may(Right.CASH):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not take {Right.CASH.value}")
    order = Order(
        attempt_id=wish.attempt_id,
        account_id=account_id,
        provider=wish.provider,
        reference=reference_of(wish.attempt_id),
        amount_minor=wish.amount_minor,
        actor=actor,
    )
    await sell(machines.desk, order, provider=provider, talk=machines.talk)


def _query(
    store: PostgresStore, *, statement: str, values: dict[str, object], wall: Wall | None
) -> list[reading.Row]:
    with store.within(wall):
        return store.query(statement, values)


def _text(value: str) -> str:
    # PostgreSQL's text holds every character but this one.
    return value.replace("\x00", "")
