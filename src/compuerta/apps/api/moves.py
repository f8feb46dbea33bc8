"""The machines' way to move people: in, out, rooms exchanged, a meter swapped.

The caller makes the id of a move: the same request again answers with the same receipt. With `rehearse` the
answer is what it would come to, and nothing is written.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import config, wiring
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import BIGINT_MAX, Machines, Problem
from compuerta.apps.api.supply import Why
from compuerta.domain.access import Place, Right
from compuerta.domain.contact import Channel, Language
from compuerta.domain.party import CreditAuthority, RoadKind
from compuerta.domain.tariff.components import Terms
from compuerta.services import exchanging, moving_in, moving_out, swapping
from compuerta.services.acting import Actor
from compuerta.services.exchanging import Exchange
from compuerta.services.moving import Rest, Shown, Steps
from compuerta.services.moving_in import Credit, MoveIn, Reached
from compuerta.services.moving_out import MoveOut
from compuerta.services.occupancy_port import Move
from compuerta.services.records import MeterEntry
from compuerta.services.rollout import Models
from compuerta.services.swapping import MeterSwap

MONEY_MAX = 10**12
_TEXT = r"^[^\x00]*$"
RATES_MAX = 63  # DL/T 645-2007 has no more

Mover = Annotated[Caller, Depends(needs(Right.MOVE))]
Exchanger = Annotated[Caller, Depends(needs(Right.EXCHANGE))]
AccountId = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
Energy = Annotated[int, Field(strict=True, ge=0, le=10**12)]
Money = Annotated[int, Field(strict=True, ge=0, le=MONEY_MAX)]
Named = Annotated[str, Field(min_length=1, max_length=64, pattern=_TEXT)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    move_id: UUID
    reason: Why
    rehearse: bool = False


class MoveOutWish(_Wish):
    """Who leaves: the house takes over."""

    register_wh: Energy | None = Field(None, description="what the meter shows; null = as it was just read")
    rates_wh: list[Energy] | None = Field(None, max_length=RATES_MAX)
    rest: Rest = Rest.CASH
    till: Named = "till"
    withheld_minor: Money = 0
    keeps_power: bool = False


class MoveInWish(_Wish):
    """Who comes: the house's account ends."""

    name: Annotated[str, Field(min_length=1, max_length=moving_in.NAME_MAX, pattern=_TEXT)]
    register_wh: Energy | None = None
    rates_wh: list[Energy] | None = Field(None, max_length=RATES_MAX)
    steps: Steps | None = None
    deposit_minor: Money = 0
    fee_minor: Money = 0
    credit: Credit = Credit.PAID
    till: Named = "till"
    stays_off: bool = False
    tariff_id: Annotated[int, Field(ge=1, le=BIGINT_MAX)] | None = None
    persons: Annotated[int, Field(ge=1, le=1_000)] | None = None
    channel: Literal["sms", "email", "wechat", "webhook"] | None = None
    address: Annotated[str, Field(min_length=1, max_length=254, pattern=_TEXT)] | None = None
    language: Language = Language.ENGLISH


class ExchangeWish(_Wish):
    """Who changes places with whom."""

    other_account_id: Annotated[int, Field(ge=1, le=BIGINT_MAX)]
    register_wh: Energy | None = None
    other_register_wh: Energy | None = None
    rest: Rest = Rest.CASH
    till: Named = "till"


class SwapWish(_Wish):
    """What was read off the old meter and the new one."""

    meter_no: Annotated[str, Field(pattern="^[0-9]{12}$")]
    customer_no: Annotated[str, Field(pattern="^[0-9]{12}$")] | None = None
    model: Named
    credit_authority: CreditAuthority
    road: RoadKind
    endpoint_id: Named
    register_wh: Energy | None = None
    rates_wh: list[Energy] | None = Field(None, max_length=RATES_MAX)
    opening_wh: Energy = 0
    display_minor: Annotated[int, Field(strict=True, ge=-MONEY_MAX, le=MONEY_MAX)] | None = None
    purchase_no: Annotated[int, Field(ge=0, le=2**31)] | None = None
    new_purchase_no: Annotated[int, Field(ge=0, le=2**31)] = 0
    dark: bool = False


class MoveReceipt(BaseModel):
    """What was read, and how money was settled: amounts in minor units by what they are."""

    move_id: UUID
    kind: str
    at: datetime
    closed_account_id: int | None
    opened_account_id: int | None
    old_meter_id: int | None
    new_meter_id: int | None
    closing_wh: int | None
    opening_wh: int | None
    settled: Mapping[str, int]
    who: str
    why: str


Moves = tuple[Move, ...]
Act = Callable[[PostgresStore, Actor], Moves]
_PLACE = """
select a.site_id, p.building from account a join supply_point p using (supply_point_id)
where a.account_id = %(account_id)s and a.organisation_id = %(organisation_id)s
"""
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "the body is no JSON"},
    401: {"model": Problem, "description": "the API key is missing, not known, or revoked"},
    403: {"model": Problem, "description": "the API key may not do this there"},
    404: {"model": Problem, "description": "not in your organisation"},
    408: {"model": Problem, "description": "the body came too slowly"},
    413: {"model": Problem, "description": "the body is too large"},
    422: {"model": Problem, "description": "malformed, or refused: the detail says what to do"},
    503: {"model": Problem, "description": "the database does not answer: ask again with the same id"},
}


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of moving."""
    router = APIRouter(prefix="/api/v1", tags=["moving"], responses=_REFUSED)
    _add_tenants(router, machines)
    _add_exchanges(router, machines)
    return router


def _add_tenants(router: APIRouter, machines: Machines) -> None:
    @router.post("/accounts/{account_id}/move-out", response_model=list[MoveReceipt])
    async def move_out(
        asker: Mover, account_id: AccountId, wish: MoveOutWish, request: Request
    ) -> list[MoveReceipt]:
        """Move a tenant out: last charge, settlement, and the house takes over."""
        use_case = moving_out.rehearse_out if wish.rehearse else moving_out.move_out
        leaving, now = _leaving(account_id, wish), wiring.now()

        def act(store: PostgresStore, actor: Actor) -> Moves:
            return (use_case(store, leaving, actor=actor, move_id=wish.move_id, now=now),)

        await _allowed(machines, asker, account_id, Right.MOVE)
        return await _moved(machines, acting(asker, request, why=wish.reason), act)

    @router.post("/accounts/{account_id}/move-in", response_model=list[MoveReceipt])
    async def move_in(
        asker: Mover, account_id: AccountId, wish: MoveInWish, request: Request
    ) -> list[MoveReceipt]:
        """Move a tenant in where the house has the account of this id."""
        use_case = moving_in.rehearse_in if wish.rehearse else moving_in.move_in
        coming, now, models = _coming(account_id, wish), wiring.now(), _models()

        def act(store: PostgresStore, actor: Actor) -> Moves:
            return (use_case(store, coming, models=models, actor=actor, move_id=wish.move_id, now=now),)

        await _allowed(machines, asker, account_id, Right.MOVE)
        return await _moved(machines, acting(asker, request, why=wish.reason), act)


def _add_exchanges(router: APIRouter, machines: Machines) -> None:
    @router.post("/accounts/{account_id}/exchange", response_model=list[MoveReceipt])
    async def exchange_rooms(
        asker: Mover, account_id: AccountId, wish: ExchangeWish, request: Request
    ) -> list[MoveReceipt]:
        """Let two tenants of a site change places; both receipts are returned."""
        use_case = exchanging.rehearse_exchange if wish.rehearse else exchanging.exchange_rooms
        exchange, now = _exchange(account_id, wish), wiring.now()

        def act(store: PostgresStore, actor: Actor) -> Moves:
            return use_case(store, exchange, actor=actor, move_id=wish.move_id, now=now)

        await _allowed(machines, asker, account_id, Right.MOVE)
        await _allowed(machines, asker, wish.other_account_id, Right.MOVE)
        return await _moved(machines, acting(asker, request, why=wish.reason), act)

    @router.post("/accounts/{account_id}/swap-meter", response_model=list[MoveReceipt])
    async def swap_meter(
        asker: Exchanger, account_id: AccountId, wish: SwapWish, request: Request
    ) -> list[MoveReceipt]:
        """Let another meter measure for an account."""
        use_case = swapping.rehearse_swap if wish.rehearse else swapping.swap_meter
        swap, now, models = _swap(account_id, wish, asker.organisation_id), wiring.now(), _models()

        def act(store: PostgresStore, actor: Actor) -> Moves:
            return (use_case(store, swap, models=models, actor=actor, move_id=wish.move_id, now=now),)

        await _allowed(machines, asker, account_id, Right.EXCHANGE)
        ours = {"organisation_id": asker.organisation_id, "endpoint_id": wish.endpoint_id}
        if wish.model not in models or not await machines.ask(_ENDPOINT, **ours):
            raise HTTPException(422, "model, endpoint_id: not known here; enter them first")
        return await _moved(machines, acting(asker, request, why=wish.reason), act)


_ENDPOINT = """
select endpoint_id from endpoint
where organisation_id = %(organisation_id)s and endpoint_id = %(endpoint_id)s
"""


@lru_cache(maxsize=1)
def _models() -> Models:
    return wiring.models(config.settings())


async def _allowed(machines: Machines, asker: Caller, account_id: int, right: Right) -> None:
    ours = {"organisation_id": asker.organisation_id, "account_id": account_id}
    row = await machines.one(_PLACE, **ours)
    place = Place(
        organisation_id=asker.organisation_id, site_id=row["site_id"], building=row["building"] or None
    )
    if not asker.may(right, place):
        raise HTTPException(403, "this API key may not do that there")


async def _moved(machines: Machines, actor: Actor, act: Act) -> list[MoveReceipt]:
    return [_receipt(each) for each in await machines.desk.run(lambda store: act(store, actor))]


def _receipt(move: Move) -> MoveReceipt:
    named = asdict(move)
    del named["organisation_id"]
    return MoveReceipt(**{**named, "kind": move.kind.value})


def _leaving(account_id: int, wish: MoveOutWish) -> MoveOut:
    return MoveOut(
        account_id=account_id,
        shown=_shown(wish.register_wh, wish.rates_wh),
        rest=wish.rest,
        till=wish.till,
        withheld_minor=wish.withheld_minor,
        keeps_power=wish.keeps_power,
    )


def _coming(account_id: int, wish: MoveInWish) -> MoveIn:
    reached = None
    if wish.channel is not None and wish.address is not None:
        reached = Reached(channel=Channel(wish.channel), address=wish.address, language=wish.language)
    return MoveIn(
        account_id=account_id,
        name=wish.name,
        shown=_shown(wish.register_wh, wish.rates_wh),
        steps=wish.steps,
        deposit_minor=wish.deposit_minor,
        fee_minor=wish.fee_minor,
        credit=wish.credit,
        till=wish.till,
        stays_off=wish.stays_off,
        tariff_id=wish.tariff_id,
        terms=Terms(persons=wish.persons),
        reached=reached,
    )


def _exchange(account_id: int, wish: ExchangeWish) -> Exchange:
    return Exchange(
        account_id=account_id,
        other_account_id=wish.other_account_id,
        shown=Shown(register_wh=wish.register_wh),
        other_shown=Shown(register_wh=wish.other_register_wh),
        rest=wish.rest,
        till=wish.till,
    )


def _swap(account_id: int, wish: SwapWish, organisation_id: int) -> MeterSwap:
    return MeterSwap(
        account_id=account_id,
        new_meter=MeterEntry(
            organisation_id=organisation_id,
            meter_no=wish.meter_no,
            model=wish.model,
            credit_authority=wish.credit_authority,
            customer_no=wish.customer_no or wish.meter_no,
            endpoint_id=wish.endpoint_id,
            road=wish.road,
        ),
        closing=_shown(wish.register_wh, wish.rates_wh),
        opening=Shown(register_wh=wish.opening_wh),
        display_minor=wish.display_minor,
        purchase_no=wish.purchase_no,
        new_purchase_no=wish.new_purchase_no,
        dark=wish.dark,
    )


def _shown(register_wh: int | None, rates_wh: list[int] | None) -> Shown:
    return Shown(register_wh=register_wh, rates_wh=tuple(rates_wh) if rates_wh else None)
