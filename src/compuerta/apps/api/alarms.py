"""The machines' API to alarms of meters: what is open, who looks after it, and what was found.

Ids of acts are the caller's, so that what got no answer can be sent again.
"""

from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.apps import wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import Limit, Machines
from compuerta.apps.api.supply import REFUSALS, Why
from compuerta.domain.access import Place, Right
from compuerta.domain.alarms import AlarmKind, AlarmOutcome, Severity
from compuerta.services import alarming
from compuerta.services.alarming import AlarmClosed, Closing

Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Looker = Annotated[Caller, Depends(needs(Right.ALARMS))]
Is = Annotated[bool, Query()]


class Alarm(BaseModel):
    """What somebody should look at; one row until it is closed, however often it is told."""

    alarm_id: UUID
    meter_no: str
    account_id: int | None
    supply_point: str | None
    kind: AlarmKind
    severity: Severity
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int
    silenced: bool = Field(description="raised in a maintenance window: nobody was called")
    ended_at: datetime | None = Field(description="what it tells of is over; it stays open all the same")
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    outcome: AlarmOutcome | None
    note: str
    closed_by: str | None
    closed_at: datetime | None


class AlarmClosing(BaseModel):
    """What was found."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    outcome: AlarmOutcome
    why: Why


class AlarmAcknowledgement(BaseModel):
    """Who calls looks after it from now on."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID


_ALARM: Final = """
select a.alarm_id, m.meter_no, a.account_id, p.name as supply_point, a.kind, a.severity, a.detail,
    a.raised_at, a.last_at, a.times, a.silenced, a.ended_at, a.acknowledged_by, a.acknowledged_at, a.outcome,
    a.note, a.closed_by, a.closed_at, c.site_id, p.building
from meter_alarm a
join meter m using (meter_id)
left join account c on c.account_id = a.account_id
left join supply_point p on p.supply_point_id = c.supply_point_id
where a.organisation_id = %(organisation_id)s
"""
_LISTED: Final = f"""{_ALARM} and (a.closed_at is not null) = %(closed)s
    and (%(after)s::uuid is null or (a.raised_at, a.alarm_id) > (
        select o.raised_at, o.alarm_id from meter_alarm o
        where o.organisation_id = %(organisation_id)s and o.alarm_id = %(after)s
    ))
order by a.raised_at, a.alarm_id limit %(limit)s"""
_ONE: Final = f"{_ALARM} and a.alarm_id = %(alarm_id)s"
_ACT: Final = """select subject from audit
where audit_id = %(act_id)s and organisation_id = %(organisation_id)s"""


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of alarms."""
    router = APIRouter(prefix="/api/v1", tags=["alarms"], responses=REFUSALS)
    _add_reading(router, machines)
    _add_acting(router, machines)
    return router


def _add_reading(router: APIRouter, machines: Machines) -> None:
    @router.get("/alarms", response_model=list[Alarm])
    async def list_alarms(
        asker: Asker, closed: Is = False, after: UUID | None = None, limit: Limit = 50
    ) -> list[reading.Row]:
        """List alarms that are open, or closed, by when they were raised; pass the last id to go on."""
        return await machines.ask(
            _LISTED,
            organisation_id=asker.organisation_id,
            closed=closed,
            after=after,
            limit=limit,
        )

    @router.get("/alarms/{alarm_id}", response_model=Alarm)
    async def read_alarm(asker: Asker, alarm_id: UUID) -> reading.Row:
        """Read one alarm."""
        return await machines.one(_ONE, organisation_id=asker.organisation_id, alarm_id=alarm_id)


def _add_acting(router: APIRouter, machines: Machines) -> None:
    @router.post("/alarms/{alarm_id}/acknowledge", response_model=Alarm)
    async def acknowledge_alarm(
        asker: Looker, alarm_id: UUID, wish: AlarmAcknowledgement, request: Request
    ) -> reading.Row:
        """Say that the caller looks after an alarm; the first who says so stays."""
        row = await _allowed(machines, asker, alarm_id)
        if row["acknowledged_by"] is None and not await _was_done(machines, asker, wish.act_id):
            act = partial(alarming.acknowledge, alarm_id=alarm_id, organisation_id=asker.organisation_id)
            actor = acting(asker, request, why="")
            await machines.desk.run(partial(act, actor=actor, audit_id=wish.act_id, now=wiring.now()))
        return await machines.one(_ONE, organisation_id=asker.organisation_id, alarm_id=alarm_id)

    @router.post("/alarms/{alarm_id}/close", response_model=Alarm)
    async def close_alarm(asker: Looker, alarm_id: UUID, wish: AlarmClosing, request: Request) -> reading.Row:
        """Close an alarm with what was found; the same act again answers with the alarm as it is."""
        await _allowed(machines, asker, alarm_id)
        if not await _was_done(machines, asker, wish.act_id):
            closing = Closing(
                organisation_id=asker.organisation_id,
                alarm_id=alarm_id,
                outcome=wish.outcome,
                audit_id=wish.act_id,
            )
            actor = acting(asker, request, why=wish.why)
            try:
                await machines.desk.run(
                    partial(alarming.close, closing=closing, actor=actor, now=wiring.now())
                )
            except AlarmClosed as closed:
                raise HTTPException(status.HTTP_409_CONFLICT, str(closed)) from closed
        return await machines.one(_ONE, organisation_id=asker.organisation_id, alarm_id=alarm_id)


async def _allowed(machines: Machines, asker: Caller, alarm_id: UUID) -> reading.Row:
    row = await machines.one(_ONE, organisation_id=asker.organisation_id, alarm_id=alarm_id)
    place = Place(organisation_id=asker.organisation_id, site_id=row["site_id"], building=row["building"])
    if not asker.may(Right.ALARMS, place):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this API key may not act on alarms here")
    return row


async def _was_done(machines: Machines, asker: Caller, act_id: UUID) -> bool:
    return bool(await machines.ask(_ACT, act_id=act_id, organisation_id=asker.organisation_id))
