"""Planning: an advice that is kept, and the table of a site that stands to begin one from."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.domain import road_figures
from compuerta.domain.advice import PPM, Signal, Spot, Standing, Target
from compuerta.domain.errors import Refused
from compuerta.domain.party import RoadKind
from compuerta.domain.road_figures import RoadHour
from compuerta.services import advice_csv, advice_picture, advice_told
from compuerta.services.advice_picture import Words
from compuerta.services.advising import advise
from compuerta.services.plan_port import RoadPlan
from compuerta.services.solver_port import Solve
from compuerta.services.store_port import Store

METERS_MAX = 800  # while somebody waits for the page; more are for the command line
LIMIT_MS = 8_000
_MEASURED = timedelta(days=30)
_P95 = 95
# Where nobody said where places are: along a corridor, and buildings well apart.
_STEP_CM, _APART_CM = 500, 6_000
_ROOM = re.compile(r"[0-9]{3,4}", re.ASCII)


class PlanTooLarge(Refused):
    """A site that takes longer than somebody waits for a page."""

    def __init__(self, meters: int) -> None:
        super().__init__(f"{meters} meters: a page plans up to {METERS_MAX}; use `compuerta advise` for more")
        self.meters = meters


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWish:
    """What somebody asks the adviser."""

    plan_id: UUID
    organisation_id: int
    name: str
    site_table: str
    price_table: str
    target: Target
    made_by: str


def plan(store: Store, wish: PlanWish, *, solve: Solve, words: Words, now: datetime) -> None:
    """Advise on a site, and keep the advice; refuses unreadable tables, and sites too large to wait for.

    A wish that was met already is not met again.
    """
    with store.transaction() as tx:
        if tx.plans.plan(wish.organisation_id, wish.plan_id) is not None:
            return
    spots = advice_csv.read_site(wish.site_table)
    costing = advice_csv.read_prices(wish.price_table or "what,value")
    meters = sum(spot.meters for spot in spots)
    if meters > METERS_MAX:
        raise PlanTooLarge(meters)
    advice = advise(spots, costing=costing, target=wish.target, solve=solve, limit_ms=LIMIT_MS)
    alone_svg, latency_svg, success_svg = advice_picture.column_svgs(advice, words=words)
    kept = RoadPlan(
        plan_id=wish.plan_id,
        organisation_id=wish.organisation_id,
        name=wish.name,
        site_table=wish.site_table,
        price_table=wish.price_table,
        latency_ms=wish.target.latency_ms,
        success_ppm=wish.target.success_ppm,
        facts=json.dumps(advice_told.told(advice), ensure_ascii=False),
        site_svg=advice_picture.site_svg(advice.problem, advice.best.plan, words=words),
        alone_svg=alone_svg,
        latency_svg=latency_svg,
        success_svg=success_svg,
        made_by=wish.made_by,
        made_at=now,
    )
    with store.transaction() as tx:
        tx.plans.put(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hung:
    """Where a meter is, and by which end it is reached."""

    place: str
    building: str
    road: RoadKind
    endpoint_id: str


def standing_site(store: Store, hung: Iterable[Hung], *, now: datetime) -> tuple[Spot, ...]:
    """Return a site that stands as places, with what its roads were measured at in the last thirty days.

    Where places are is not known to us: they are laid out along a corridor, and somebody says it better.
    """
    with store.transaction() as tx:
        figures = road_figures.together(tx.roads.hours(since=now - _MEASURED, until=now))
    placed: dict[str, int] = {}
    return tuple(_spot(each, figures.get(each.endpoint_id), placed) for each in hung)


def _spot(hung: Hung, hour: RoadHour | None, placed: dict[str, int]) -> Spot:
    placed[hung.building] = placed.get(hung.building, 0) + 1
    signal = None
    if hour is not None and hour.rsrp is not None:
        signal = Signal(rsrp_dbm=hour.rsrp.mean, snr_db=hour.snr.mean if hour.snr else None)
    return Spot(
        name=f"{hung.building} {hung.place}".strip(),
        building=hung.building,
        floor=_floor(hung.place),
        x_cm=_STEP_CM * placed[hung.building],
        y_cm=_APART_CM * list(placed).index(hung.building),
        meters=1,
        mobile=signal if hung.road is RoadKind.MOBILE_4G else None,
        nbiot=signal if hung.road is RoadKind.NBIOT else None,
        standing=_standing(hung, hour),
    )


def _standing(hung: Hung, hour: RoadHour | None) -> Standing:
    line = hung.endpoint_id if hung.road is RoadKind.RS485 else ""
    if hour is None or not hour.exchanges:
        return Standing(road=hung.road, line=line)
    retried = hour.repeats + hour.silences
    return Standing(
        road=hung.road,
        line=line,
        retries_ppm=min(PPM, retried * PPM // hour.exchanges),
        latency_ms=road_figures.quantile_ms(hour.latencies, percent=_P95),
    )


def _floor(supply_point: str) -> int:
    """Guess a floor from a room's number: 302 is on the third, 1204 on the twelfth."""
    found = _ROOM.search(supply_point)
    return int(found[0]) // 100 if found else 0
