"""Planning: an advice is kept once, and a site that stands tells what its roads were measured at."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.unit.services.test_advising import by_air
from tests.unit.services.town import NOON, a_town

from compuerta.adapters.memory.store import MemoryStore
from compuerta.domain.advice import Signal, Standing, Target
from compuerta.domain.advice_plan import Plan, Problem
from compuerta.domain.party import RoadKind
from compuerta.domain.road_figures import BUCKETS, RoadHour, gauged
from compuerta.services import planning
from compuerta.services.advice_csv import TableRefused
from compuerta.services.advice_picture import ENGLISH
from compuerta.services.planning import METERS_MAX, Hung, PlanTooLarge, PlanWish
from compuerta.services.solver_port import Answer, Progress

WISH = PlanWish(
    plan_id=UUID(int=1),
    organisation_id=1,
    name="north wing",
    site_table="place,x_m,y_m,meters,rsrp_nb_dbm\nflat,0,0,1,-90\n",
    price_table="",
    target=Target(),
    made_by="ana",
)


def planned(store: MemoryStore, wish: PlanWish) -> None:
    planning.plan(store, wish, solve=by_air, words=ENGLISH, now=NOON)


def unwanted(problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()) -> Answer:
    raise AssertionError("a wish that was met is not met again")


def test_an_advice_is_kept_with_its_tables_and_asked_for_once() -> None:
    store = MemoryStore()
    a_town(store)

    planned(store, WISH)
    planning.plan(store, WISH, solve=unwanted, words=ENGLISH, now=NOON)

    with store.transaction() as tx:
        (kept,) = tx.plans.latest(1, limit=9)
    assert (kept.name, kept.site_table, kept.made_at) == (WISH.name, WISH.site_table, NOON)
    assert '"nbiot": 1' in kept.facts
    assert kept.site_svg.startswith("<svg")


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (replace(WISH, site_table="place\n"), TableRefused),
        (replace(WISH, price_table="what,value\ngold,1\n"), TableRefused),
        (replace(WISH, site_table=f"place,x_m,y_m,meters\na,0,0,{METERS_MAX + 1}\n"), PlanTooLarge),
    ],
)
def test_what_cannot_be_planned_is_refused_and_nothing_is_kept(
    wish: PlanWish, refusal: type[Exception]
) -> None:
    store = MemoryStore()
    a_town(store)

    with pytest.raises(refusal):
        planned(store, wish)

    with store.transaction() as tx:
        assert not tx.plans.latest(1, limit=9)


def test_a_site_that_stands_tells_what_its_roads_were_measured_at() -> None:
    store = MemoryStore()
    town = a_town(store)
    with store.transaction() as tx:
        meter = tx.meters()[0]
        latencies = (0,) * 9 + (20,) + (0,) * (BUCKETS - 10)
        hour = RoadHour(
            endpoint_id=meter.endpoint_id,
            hour=(NOON - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0),
            exchanges=20,
            repeats=1,
            latencies=latencies,
            rsrp=gauged(-101),
        )
        tx.roads.add_hours([hour])
    hung = Hung(place="302", building="A", road=RoadKind.MOBILE_4G, endpoint_id=meter.endpoint_id)

    silent = replace(hung, place="303", endpoint_id="unheard")
    known, unknown = planning.standing_site(store, [hung, silent], now=NOON)

    assert town
    assert (known.name, known.floor, known.mobile) == ("A 302", 3, Signal(rsrp_dbm=-101))
    assert known.standing == Standing(road=RoadKind.MOBILE_4G, retries_ppm=50_000, latency_ms=2_000)
    assert unknown.standing == Standing(road=RoadKind.MOBILE_4G)
    assert unknown.mobile is None


@pytest.mark.slow
def test_no_role_brings_the_solver_along() -> None:
    roles = "compuerta.apps.cli, compuerta.apps.worker, compuerta.apps.gateway, compuerta.apps.door"

    asked = f"import sys, {roles}; sys.exit('ortools' in sys.modules or 'pandas' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asked], timeout=60, check=False).returncode == 0
