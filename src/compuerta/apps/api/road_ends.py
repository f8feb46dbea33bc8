"""The machines' API to roads: how their ends stand and serve, and by which ways a meter is reached.

Ids of acts are the caller's, so that what got no answer can be sent again.
"""

from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.postgres.road_ends import END_HOURS, ENDS, WAYS, end_state
from compuerta.adapters.postgres.road_figures import to_hour
from compuerta.apps import config, wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import NOT_FOUND, Limit, Machines
from compuerta.apps.api.supply import REFUSALS, Why
from compuerta.domain.access import Place, Right
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road_figures import RoadHour, quantile_ms, together
from compuerta.services import rerouting
from compuerta.services.expecting import Standing, standing
from compuerta.services.rerouting import WAYS_MAX, WaysUnfit, WaysWish

FIGURES_OVER: Final = timedelta(hours=24)
END_CHARS_MAX: Final = 200
Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Fitter = Annotated[Caller, Depends(needs(Right.COMMISSION))]
MeterNo = Annotated[str, Path(pattern="^[0-9]{12}$")]
EndId = Annotated[str, Field(min_length=1, max_length=END_CHARS_MAX, pattern=r"^[^\x00]+$")]


class Road(BaseModel):
    """The end of a road: how it stands now, and how it served in the last 24 hours."""

    endpoint_id: str
    road: RoadKind
    bearer: Bearer
    address: str
    sites: list[str]
    meters: int = Field(description="whose first way it is")
    further_meters: int = Field(description="whose second or later way it is")
    failing: int = Field(description="meters that did not answer by it last")
    state: Standing
    state_at: datetime | None = Field(
        description="asleep: about until when; alive and dead: since when, null where it never came"
    )
    gateway: str | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str
    cell: str
    rsrp_dbm: int | None
    snr_db: int | None
    csq: int | None
    key_generation: int
    exchanges: int
    silences: int
    done: int = Field(description="conversations that a meter answered to their end")
    failed: int
    success_percent: int | None
    repeats_percent: int | None
    p50_ms: int | None = Field(description="of answered exchanges, repeats included, to the next bound")
    p95_ms: int | None
    p99_ms: int | None


class WayTold(BaseModel):
    """One way to a meter."""

    endpoint_id: str
    road: RoadKind
    bearer: Bearer
    state: Standing
    state_at: datetime | None
    failures: int = Field(description="how often the meter did not answer by it since it last did")


class Ways(BaseModel):
    """All ways to a meter, in the order in which they are used."""

    meter_no: str
    ways: list[WayTold]


class WaysAsked(BaseModel):
    """All ways to a meter in their order; the first becomes its own."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    endpoint_ids: Annotated[list[EndId], Field(min_length=1, max_length=WAYS_MAX)]
    why: Why


_METER: Final = """
select m.meter_id, m.meter_no, p.site_id, p.building
from meter m
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id
left join supply_point p on p.supply_point_id = a.supply_point_id
where m.organisation_id = %(organisation_id)s and m.meter_no = %(meter_no)s
"""
_PAGE: Final = f"""select * from ({ENDS}) ends where endpoint_id > %(after)s
order by endpoint_id limit %(limit)s"""
_ACT: Final = """select subject from audit
where audit_id = %(act_id)s and organisation_id = %(organisation_id)s"""


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of roads."""
    router = APIRouter(prefix="/api/v1", tags=["roads"], responses=REFUSALS)
    _add_reading(router, machines)
    _add_settling(router, machines)
    return router


def _add_reading(router: APIRouter, machines: Machines) -> None:
    @router.get("/roads", response_model=list[Road])
    async def list_roads(
        asker: Asker,
        road: RoadKind | None = None,
        site_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        after: Annotated[str, Query(max_length=END_CHARS_MAX)] = "",
        limit: Limit = 50,
    ) -> list[reading.Row]:
        """List the ends of roads with their state and figures; pass the last id as `after` to go on."""
        found = await machines.ask(
            _PAGE,
            organisation_id=asker.organisation_id,
            bare=asker.may(Right.SEE, Place(organisation_id=asker.organisation_id)),
            road="" if road is None else road.value,
            site_id=site_id,
            endpoint_id=None,
            after=after.replace("\0", ""),
            limit=limit,
        )
        return await _with_figures(machines, asker, found)

    @router.get("/meters/{meter_no}/ways", response_model=Ways, responses=NOT_FOUND)
    async def read_ways(asker: Asker, meter_no: MeterNo) -> reading.Row:
        """Read by which ways a meter is reached, in their order."""
        return await _ways(machines, asker, await _meter(machines, asker, meter_no))


def _add_settling(router: APIRouter, machines: Machines) -> None:
    @router.put("/meters/{meter_no}/ways", response_model=Ways, responses=NOT_FOUND)
    async def settle_ways(asker: Fitter, meter_no: MeterNo, wish: WaysAsked, request: Request) -> reading.Row:
        """Settle all ways to a meter and their order; the same act again answers with the ways."""
        meter = await _meter(machines, asker, meter_no)
        place = Place(
            organisation_id=asker.organisation_id, site_id=meter["site_id"], building=meter["building"]
        )
        if not asker.may(Right.COMMISSION, place):
            raise HTTPException(status.HTTP_403_FORBIDDEN, "this API key may not commission meters here")
        if not await machines.ask(_ACT, act_id=wish.act_id, organisation_id=asker.organisation_id):
            await _settle(machines, asker, meter, wish, request)
        return await _ways(machines, asker, meter)


async def _settle(
    machines: Machines, asker: Caller, meter: reading.Row, wish: WaysAsked, request: Request
) -> None:
    wanted = WaysWish(
        organisation_id=asker.organisation_id,
        meter_id=meter["meter_id"],
        endpoint_ids=tuple(wish.endpoint_ids),
        act_id=wish.act_id,
    )
    try:
        await machines.desk.run(
            partial(
                rerouting.settle_ways,
                wish=wanted,
                models=wiring.models(config.settings()),
                actor=acting(asker, request, why=wish.why),
                now=wiring.now(),
            )
        )
    except WaysUnfit as unfit:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, str(unfit)) from unfit


async def _meter(machines: Machines, asker: Caller, meter_no: str) -> reading.Row:
    return await machines.one(_METER, organisation_id=asker.organisation_id, meter_no=meter_no)


async def _ways(machines: Machines, asker: Caller, meter: reading.Row) -> reading.Row:
    found = await machines.ask(WAYS, organisation_id=asker.organisation_id, meters=[meter["meter_id"]])
    told = [{**row, **_standing(row), "failures": row["failures"] or 0} for row in found]
    return {"meter_no": meter["meter_no"], "ways": told}


async def _with_figures(machines: Machines, asker: Caller, found: list[reading.Row]) -> list[reading.Row]:
    now = wiring.now()
    hours = await machines.ask(
        END_HOURS,
        organisation_id=asker.organisation_id,
        since=now - FIGURES_OVER,
        until=now,
        ends=[row["endpoint_id"] for row in found],
    )
    figures = together(map(to_hour, hours))
    return [{**row, **_standing(row), **_figures(figures.get(row["endpoint_id"]), now)} for row in found]


def _standing(row: reading.Row) -> dict[str, Enum | datetime | None]:
    state, at = standing(end_state(row), now=wiring.now())
    return {"state": state, "state_at": at}


def _figures(hour: RoadHour | None, now: datetime) -> dict[str, int | None]:
    served = RoadHour(endpoint_id="", hour=now) if hour is None else hour
    return {
        "exchanges": served.exchanges,
        "silences": served.silences,
        "done": served.done,
        "failed": served.failed,
        "success_percent": served.success_percent,
        "repeats_percent": served.repeats_percent,
        "p50_ms": quantile_ms(served.latencies, percent=50),
        "p95_ms": quantile_ms(served.latencies, percent=95),
        "p99_ms": quantile_ms(served.latencies, percent=99),
    }
