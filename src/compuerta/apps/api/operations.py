"""The machines' API to operations on many supplies: try dry, propose, approve, watch, stop and undo."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import BIGINT_MAX, Machines
from compuerta.apps.api.supply import REFUSALS, Why
from compuerta.domain.access import RIGHT_FOR_HOLD, Place, Right, may_in_all
from compuerta.domain.supply import HoldKind
from compuerta.services import masses
from compuerta.services.mass_port import MassKind, Wish
from compuerta.services.masses import Proposal

ACCOUNTS_MAX: Final = 1_000  # in one request: its body is bounded
Proposer = Annotated[Caller, Depends(needs(Right.PROPOSE_MASS))]
Approver = Annotated[Caller, Depends(needs(Right.APPROVE_MASS))]
Account = Annotated[int, Field(strict=True, ge=1, le=BIGINT_MAX)]


class WishOfMany(BaseModel):
    """What is to become of many supplies."""

    model_config = ConfigDict(extra="forbid")

    accounts: list[Account] = Field(min_length=1, max_length=ACCOUNTS_MAX)
    kind: MassKind
    hold: HoldKind
    until: AwareDatetime | None = None


class ProposalOfMany(WishOfMany):
    """A proposal; the id is the caller's. (It inherits, as pydantic extends a body by that.)"""

    operation_id: UUID
    why: Why
    errors_max: int = Field(default=0, strict=True, ge=0, le=masses.ACCOUNTS_MAX)
    undo_min: int = Field(default=60, strict=True, ge=0, le=masses.UNDO_MIN_MAX)


class Decision(BaseModel):
    """Why somebody approves, withdraws, stops or undoes."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class Prospect(BaseModel):
    """What an order would do to one supply."""

    account_id: int
    effect: str
    is_silent: bool
    before: str | None
    after: str | None


class Operation(BaseModel):
    """An operation on many supplies, and how far it is."""

    operation_id: UUID
    kind: str
    hold: str
    until: datetime | None
    state: str
    why: str
    errors_max: int
    undo_min: int
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    wave: int
    undo_until: datetime | None
    ended_at: datetime | None
    supplies: dict[str, int] = Field(description="how many stand how")


_OPERATION = """
select operation_id, kind, hold, until, state, why, errors_max, undo_min, proposed_by, proposed_at,
    decided_by, decided_at, wave, undo_until, ended_at,
    coalesce((select jsonb_object_agg(state, n) from (
        select state, count(*) as n from mass_item i where i.operation_id = o.operation_id group by state
    ) counted), '{}') as supplies
from mass_operation o
where o.organisation_id = %(organisation_id)s and o.operation_id = %(operation_id)s
"""
_PLACES = """
select distinct a.site_id, p.building from account a join supply_point p using (supply_point_id)
where a.organisation_id = %(organisation_id)s and a.account_id = any(%(accounts)s)
"""
_PLACES_OF = """
select distinct a.site_id, p.building from mass_item i
join account a using (account_id) join supply_point p using (supply_point_id)
where i.operation_id = %(operation_id)s and a.organisation_id = %(organisation_id)s
"""
_ACTS: Final = {
    "withdraw": masses.withdraw,
    "pause": masses.pause,
    "undo": masses.undo,
    "approve": masses.approve,
    "resume": masses.resume,
}


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of operations on many supplies."""
    router = APIRouter(prefix="/api/v1", tags=["operations"], responses=REFUSALS)
    _add_proposing(router, machines)
    _add_deciding(router, machines)
    return router


def _add_proposing(router: APIRouter, machines: Machines) -> None:
    @router.post("/operations/dry", response_model=list[Prospect])
    async def try_dry(asker: Proposer, wish: WishOfMany) -> list[dict[str, object]]:
        """Tell what an order would do to each supply; nothing is written."""
        await _require_ours(machines, asker, wish)
        tried = partial(masses.dry_run, account_ids=wish.accounts, wish=_wish(wish), now=wiring.now())
        found = await machines.desk.run(tried)
        return [
            {
                **asdict(each),
                "effect": each.effect.value,
                "before": each.before and each.before.value,
                "after": each.after and each.after.value,
            }
            for each in found
        ]

    @router.post("/operations", response_model=Operation)
    async def propose(asker: Proposer, wish: ProposalOfMany, request: Request) -> reading.Row:
        """Propose an operation; a second person approves it. The same again changes nothing."""
        await _require_ours(machines, asker, wish)
        proposal = Proposal(
            operation_id=wish.operation_id,
            organisation_id=asker.organisation_id,
            wish=_wish(wish),
            account_ids=frozenset(wish.accounts),
            errors_max=wish.errors_max,
            undo_min=wish.undo_min,
        )
        actor = acting(asker, request, why=wish.why)
        try:
            await machines.desk.run(partial(masses.propose, proposal=proposal, actor=actor, now=wiring.now()))
        except masses.OperationDiffers as error:
            raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from error
        return await _read(machines, asker, wish.operation_id)

    @router.get("/operations/{operation_id}", response_model=Operation)
    async def read_operation(asker: Proposer, operation_id: UUID) -> reading.Row:
        """Read how far an operation is."""
        return await _read(machines, asker, operation_id)


def _add_deciding(router: APIRouter, machines: Machines) -> None:
    @router.post("/operations/{operation_id}/{verb}", response_model=Operation)
    async def act(
        asker: Proposer,
        operation_id: UUID,
        verb: Literal["withdraw", "pause", "undo"],
        decision: Decision,
        request: Request,
    ) -> reading.Row:
        """Withdraw a proposal, stop what runs, or undo what was done."""
        return await _act(machines, asker, request, operation_id, (verb, decision))

    @router.post("/operations/{operation_id}/decision/{verb}", response_model=Operation)
    async def decide(
        asker: Approver,
        operation_id: UUID,
        verb: Literal["approve", "resume"],
        decision: Decision,
        request: Request,
    ) -> reading.Row:
        """Approve what another proposed, or go on with what was stopped."""
        return await _act(machines, asker, request, operation_id, (verb, decision))


async def _act(
    machines: Machines,
    asker: Caller,
    request: Request,
    operation_id: UUID,
    wanted: tuple[str, Decision],
) -> reading.Row:
    verb, decision = wanted
    known = await _read(machines, asker, operation_id)
    right = Right.APPROVE_MASS if verb in ("approve", "resume") else Right.PROPOSE_MASS
    ids = {"operation_id": operation_id, "organisation_id": asker.organisation_id}
    places = await _everywhere(machines, _PLACES_OF, **ids)
    _require_rights(asker, HoldKind(known["hold"]), right, places)
    use_case: Callable[..., None] = _ACTS[verb]
    actor = acting(asker, request, why=decision.why)

    def acted(store: PostgresStore) -> None:
        use_case(store, operation_id, actor=actor, now=wiring.now())

    await machines.desk.run(acted)
    return await _read(machines, asker, operation_id)


async def _read(machines: Machines, asker: Caller, operation_id: UUID) -> reading.Row:
    return await machines.one(_OPERATION, organisation_id=asker.organisation_id, operation_id=operation_id)


async def _require_ours(machines: Machines, asker: Caller, wish: WishOfMany) -> None:
    """Refuse accounts of others, and places where the key may not do it."""
    ids = {"organisation_id": asker.organisation_id, "accounts": sorted(set(wish.accounts))}
    places = await _everywhere(machines, _PLACES, **ids)
    if not places:
        raise masses.AccountsNotChosen("none of them is an account of your organisation")
    _require_rights(asker, wish.hold, Right.PROPOSE_MASS, places)


async def _everywhere(machines: Machines, statement: str, **values: object) -> list[reading.Row]:
    """Read all of an organisation: within a key's own site, an operation would seem to reach no further."""
    return await machines.desk.run(lambda store: store.query(statement, values))


def _require_rights(asker: Caller, hold: HoldKind, right: Right, places: list[reading.Row]) -> None:
    reached = [
        Place(organisation_id=asker.organisation_id, site_id=row["site_id"], building=row["building"] or None)
        for row in places
    ]
    for needed in (right, RIGHT_FOR_HOLD[hold]):
        if not may_in_all(asker.may, {needed}, reached):
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not {needed.value} there")


def _wish(wish: WishOfMany) -> Wish:
    return Wish(kind=wish.kind, hold=wish.hold, until=wish.until)
