"""The machines' API to supply: why it is on or off, holds, temporary supply, emergency credit, policies.

Ids are the caller's, so that what got no answer can be sent again. A refusal names the field.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, status
from fastapi import Path as InPath
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import config, wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import BIGINT_MAX, AccountId, Machines, Problem
from compuerta.domain.access import RIGHT_FOR_HOLD, Place, Right
from compuerta.domain.errors import Refused
from compuerta.domain.policy import Json
from compuerta.domain.supply import HoldKind
from compuerta.services import beyond_zero, emergency, holding, settling
from compuerta.services.settling import Settlement

WHY_CHARS_MAX: Final = 500
ENERGY_WH_MAX: Final = 10**9
Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Switcher = Annotated[Caller, Depends(needs(Right.SWITCH))]
Settler = Annotated[Caller, Depends(needs(Right.SETTLE))]
Why = Annotated[str, Field(min_length=1, max_length=WHY_CHARS_MAX, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


class Hold(BaseModel):
    """A named reason to keep supply off, or on."""

    hold_id: UUID
    kind: str
    owner: str
    note: str
    started_at: datetime
    ended_at: datetime | None
    until_wh: int | None


class EmergencyCredit(BaseModel):
    """Credit beyond zero: what is settled, whether it is offered now, and what was taken of it."""

    limit_minor: int
    below_minor: int
    is_offered: bool
    taken_at: datetime | None
    taken_minor: int | None
    spent_at: datetime | None


class Supply(BaseModel):
    """What supply of an account should be and why, what it is, and all that decides it."""

    account_id: int
    meter_no: str
    wanted_closed: bool | None
    wanted_reason: str
    kept: bool
    decided_until: datetime | None = Field(description="when the clock alone may change it")
    relay: str | None
    differs_since: datetime | None
    balance_minor: int
    billing_held: bool
    holds: list[Hold] = Field(description="in force, or to come; the first by precedence decides")
    emergency: EmergencyCredit
    policy: dict[str, JsonValue] = Field(description="as account, site and organisation settled it together")


class HoldWish(BaseModel):
    """A hold to place; the id is the caller's and makes repeating harmless."""

    model_config = ConfigDict(extra="forbid")

    hold_id: UUID
    kind: HoldKind
    why: Why
    end: AwareDatetime | None = None


class LiftWish(BaseModel):
    """Holds of a kind to end."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    kind: HoldKind
    why: Why


class TemporaryWish(BaseModel):
    """Supply until an instant, or for so much energy, or whichever comes first; then as before."""

    model_config = ConfigDict(extra="forbid")

    hold_id: UUID
    why: Why
    end: AwareDatetime | None = None
    energy_wh: int | None = Field(default=None, strict=True, gt=0, le=ENERGY_WH_MAX)


class EmergencyWish(BaseModel):
    """Emergency credit to take, as it is offered."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class PolicyWish(BaseModel):
    """A whole document, in place of what the scope had."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    why: Why
    policy: dict[str, JsonValue]


class Policy(BaseModel):
    """What one scope has settled itself; the nearer scope wins, field by field."""

    scope: str
    scope_id: int
    policy: dict[str, JsonValue]


REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "the body is no JSON",
        401: "the API key is missing, not known, or revoked",
        403: "the API key may not do this here",
        404: "not in your organisation",
        408: "the body came too slowly",
        409: "this id was used for something else",
        413: "the body is too large",
        422: "malformed, or refused: the detail names the field",
        503: "the database does not answer: ask again with the same id",
    }.items()
}

_HOLDS = """
select h.hold_id, h.kind, h.owner, h.note, h.started_at, h.ended_at, h.until_wh
from supply_hold h join installation i on i.meter_id = h.meter_id and i.ended_at is null
where i.account_id = %(account_id)s and (h.ended_at is null or %(now)s < h.ended_at)
order by array_position(%(order)s::text[], h.kind), h.started_at, h.hold_id
"""
_PLACE = """
select a.account_id, a.site_id, p.building, i.meter_id
from account a join supply_point p using (supply_point_id)
left join installation i on i.account_id = a.account_id and i.ended_at is null
where a.account_id = %(account_id)s and a.organisation_id = %(organisation_id)s
"""
_SUPPLY = """
select a.account_id, m.meter_no, t.wanted_closed, t.wanted_reason, t.wanted_kept as kept,
    t.decide_at as decided_until, t.relay, t.differs_since, s.billing_held,
    o.policy || z.policy || a.policy as policy, e.taken_at, e.limit_minor as taken_minor, e.spent_at
from account a
join organisation o using (organisation_id) join site z on z.site_id = a.site_id
join account_state s using (account_id)
join installation i on i.account_id = a.account_id and i.ended_at is null
join meter m using (meter_id) join meter_state t using (meter_id)
left join emergency_credit e on e.account_id = a.account_id and e.repaid_at is null
where a.account_id = %(account_id)s and a.organisation_id = %(organisation_id)s
"""
_HOLD = """
select h.kind, i.account_id from supply_hold h
join installation i on i.meter_id = h.meter_id and i.ended_at is null
where h.meter_id = %(meter_id)s and h.hold_id = %(hold_id)s
"""
_ACT = "select subject, what from audit where audit_id = %(act_id)s and organisation_id = %(organisation_id)s"
_SITE = "select site_id from site where site_id = %(site_id)s and organisation_id = %(organisation_id)s"
_ORDER = [kind.value for kind in HoldKind]


class FieldRefused(Refused):
    """A refusal with the field of the request that it is about."""

    def __init__(self, field: str, error: Refused) -> None:
        super().__init__(f"{field}: {error}")
        self.field = field


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of supply and policies."""
    router = APIRouter(prefix="/api/v1", tags=["supply"], responses=REFUSALS)
    _add_supply(router, machines)
    _add_holds(router, machines)
    _add_lending(router, machines)
    _add_policies(router, machines)
    return router


def _add_supply(router: APIRouter, machines: Machines) -> None:
    @router.get("/accounts/{account_id}/supply", response_model=Supply)
    async def read_supply(asker: Asker, account_id: AccountId) -> reading.Row:
        """Read why an account has electricity or not, and what holds, credit and policy say of it."""
        return await _read(machines, asker, account_id)

    @router.post("/accounts/{account_id}/emergency", response_model=Supply)
    async def take_emergency(
        asker: Switcher, account_id: AccountId, wish: EmergencyWish, request: Request
    ) -> reading.Row:
        """Take the emergency credit that is offered; one that is taken already is refused."""
        await _allowed(machines, asker, account_id, Right.SWITCH)
        actor = acting(asker, request, why=wish.why)
        await machines.desk.run(partial(emergency.take, account_id=account_id, actor=actor, now=wiring.now()))
        return await _read(machines, asker, account_id)


def _add_holds(router: APIRouter, machines: Machines) -> None:
    @router.post("/accounts/{account_id}/holds", response_model=Supply)
    async def place_hold(
        asker: Asker, account_id: AccountId, wish: HoldWish, request: Request
    ) -> reading.Row:
        """Place a hold; the same id again answers with supply as it is."""
        meter_id = await _allowed(machines, asker, account_id, RIGHT_FOR_HOLD[wish.kind])
        known = {"meter_id": meter_id, "hold_id": wish.hold_id}
        if not await _is_there(machines, account_id, wish.kind, known):
            actor = acting(asker, request, why=wish.why)
            place = partial(_place, account_id=account_id, kind=wish.kind, end=wish.end, energy_wh=None)
            await machines.desk.run(partial(place, hold_id=wish.hold_id, actor=actor))
        return await _read(machines, asker, account_id)

    @router.post("/accounts/{account_id}/holds/lift", response_model=Supply)
    async def lift_holds(
        asker: Asker, account_id: AccountId, wish: LiftWish, request: Request
    ) -> reading.Row:
        """End all holds of a kind; where there is none, nothing changes."""
        await _allowed(machines, asker, account_id, RIGHT_FOR_HOLD[wish.kind])
        done = {"act_id": wish.act_id, "organisation_id": asker.organisation_id}
        acts = await machines.ask(_ACT, **done)
        if any(act["subject"] != f"account {account_id}" for act in acts):
            raise _taken()
        if not acts:
            actor = acting(asker, request, why=wish.why)
            lift = partial(holding.lift_holds, account_id=account_id, kind=wish.kind, now=wiring.now())
            await machines.desk.run(partial(lift, actor=actor, audit_id=wish.act_id))
        return await _read(machines, asker, account_id)


def _add_lending(router: APIRouter, machines: Machines) -> None:
    @router.post("/accounts/{account_id}/temporary", response_model=Supply)
    async def lend(
        asker: Switcher, account_id: AccountId, wish: TemporaryWish, request: Request
    ) -> reading.Row:
        """Keep supply on until an instant, or for so much energy; one of the two is needed."""
        meter_id = await _allowed(machines, asker, account_id, Right.SWITCH)
        if wish.end is None and wish.energy_wh is None:
            raise HTTPException(422, "end: say when temporary supply ends, or by how much energy_wh")
        known = {"meter_id": meter_id, "hold_id": wish.hold_id}
        if not await _is_there(machines, account_id, HoldKind.TEMPORARY, known):
            actor = acting(asker, request, why=wish.why)
            place = partial(_place, account_id=account_id, kind=HoldKind.TEMPORARY, end=wish.end)
            lent = partial(place, energy_wh=wish.energy_wh, hold_id=wish.hold_id, actor=actor)
            await machines.desk.run(lent)
        return await _read(machines, asker, account_id)


def _add_policies(router: APIRouter, machines: Machines) -> None:
    SiteId = Annotated[int, InPath(ge=1, le=BIGINT_MAX)]  # noqa: N806

    @router.get("/accounts/{account_id}/policy", response_model=Policy)
    async def read_policy_of_account(asker: Asker, account_id: AccountId) -> dict[str, object]:
        """Read what an account itself has settled."""
        await _allowed(machines, asker, account_id, Right.SEE)
        return await machines.desk.run(partial(_settled, scope="account", scope_id=account_id))

    @router.put("/accounts/{account_id}/policy", response_model=Policy)
    async def settle_account(
        asker: Settler, account_id: AccountId, wish: PolicyWish, request: Request
    ) -> dict[str, object]:
        """Settle an account's policy: a whole document; supply follows at once."""
        await _allowed(machines, asker, account_id, Right.SETTLE)
        return await _settle(machines, asker, request, "account", account_id, wish)

    @router.get("/sites/{site_id}/policy", response_model=Policy)
    async def read_policy_of_site(asker: Asker, site_id: SiteId) -> dict[str, object]:
        """Read what a site itself has settled."""
        await _site_allowed(machines, asker, site_id, Right.SEE)
        return await machines.desk.run(partial(_settled, scope="site", scope_id=site_id))

    @router.put("/sites/{site_id}/policy", response_model=Policy)
    async def settle_site(
        asker: Settler, site_id: SiteId, wish: PolicyWish, request: Request
    ) -> dict[str, object]:
        """Settle a site's policy: a whole document; supply of all its accounts follows at once."""
        await _site_allowed(machines, asker, site_id, Right.SETTLE)
        return await _settle(machines, asker, request, "site", site_id, wish)


async def _read(machines: Machines, asker: Caller, account_id: int) -> reading.Row:
    ids = {"account_id": account_id, "organisation_id": asker.organisation_id}
    row = await machines.one(_SUPPLY, **ids)
    holds = await machines.ask(_HOLDS, account_id=account_id, now=wiring.now(), order=_ORDER)
    offer = await machines.desk.run(partial(_offer, account_id=account_id))
    taken = {name: row.pop(name) for name in ("taken_at", "taken_minor", "spent_at")}
    balance_minor = offer.pop("balance_minor")
    is_offered = bool(offer["is_offered"]) and taken["taken_at"] is None
    credit = {**offer, **taken, "is_offered": is_offered}
    return {**row, "balance_minor": balance_minor, "holds": holds, "emergency": credit}


def _offer(store: PostgresStore, *, account_id: int) -> dict[str, object]:
    with store.transaction() as tx:
        view = tx.look_at([account_id], now=wiring.now())[account_id]
    return {
        "balance_minor": view.balance_minor,
        "limit_minor": view.policy.emergency_minor,
        "below_minor": view.policy.emergency_below_minor,
        "is_offered": beyond_zero.is_offered(view),
    }


async def _allowed(machines: Machines, asker: Caller, account_id: int, right: Right) -> int | None:
    """Return an account's meter, or answer 404 outside the organisation and 403 without the right there."""
    ids = {"account_id": account_id, "organisation_id": asker.organisation_id}
    row = await machines.one(_PLACE, **ids)
    place = Place(
        organisation_id=asker.organisation_id, site_id=row["site_id"], building=row["building"] or None
    )
    if not asker.may(right, place):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not {right.value} there")
    meter_id: int | None = row["meter_id"]
    return meter_id


async def _site_allowed(machines: Machines, asker: Caller, site_id: int, right: Right) -> None:
    await machines.one(_SITE, site_id=site_id, organisation_id=asker.organisation_id)
    if not asker.may(right, Place(organisation_id=asker.organisation_id, site_id=site_id)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not {right.value} there")


async def _is_there(machines: Machines, account_id: int, kind: HoldKind, known: Mapping[str, object]) -> bool:
    """Tell whether a hold of this id was placed already; 409 where it is another."""
    for row in await machines.ask(_HOLD, **known):
        if (row["account_id"], row["kind"]) != (account_id, kind.value):
            raise _taken()
        return True
    return False


def _taken() -> HTTPException:
    return HTTPException(status.HTTP_409_CONFLICT, "this id was used for something else; make a new one")


def _place(
    store: PostgresStore, *, account_id: int, kind: HoldKind, end: datetime | None, **more: Any
) -> None:
    """Place a hold; what is refused is told with the field that it is about."""
    try:
        holding.place_hold(store, account_id, kind=kind, end=end, now=wiring.now(), **more)
    except (holding.EndBeforeStart, holding.EndTooFar) as error:
        raise FieldRefused("end", error) from error
    except holding.HoldsContradict as error:
        raise FieldRefused("kind", error) from error
    except (holding.EnergyNotPositive, holding.RegisterUnknown) as error:
        raise FieldRefused("energy_wh", error) from error
    except holding.AccountWithoutMeter as error:
        raise FieldRefused("account_id", error) from error


def _settled(store: PostgresStore, *, scope: str, scope_id: int) -> dict[str, object]:
    with store.transaction() as tx:
        known = tx.settled(scope=scope, scope_id=scope_id)
    if known is None:
        raise settling.ScopeUnknown(scope, scope_id)
    return {"scope": scope, "scope_id": scope_id, "policy": json.loads(known.document)}


async def _settle(
    machines: Machines, asker: Caller, request: Request, scope: str, scope_id: int, wish: PolicyWish
) -> dict[str, object]:
    document = cast(Mapping[str, Json], wish.policy)  # a number with a point is refused by its field
    settlement = Settlement(scope=scope, scope_id=scope_id, document=document, act_id=wish.act_id)
    done = {"act_id": wish.act_id, "organisation_id": asker.organisation_id}
    acts = await machines.ask(_ACT, **done)
    if any(act["subject"] != f"{scope} {scope_id}" for act in acts):
        raise _taken()
    if not acts:
        actor = acting(asker, request, why=wish.why)
        models = wiring.models(config.settings())
        settle = partial(settling.settle, wish=settlement, actor=actor, models=models, now=wiring.now())
        await machines.desk.run(settle)
    return await machines.desk.run(partial(_settled, scope=scope, scope_id=scope_id))
