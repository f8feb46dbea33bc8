"""Plans of roads are kept, told to their organisation alone, and forgotten: both stores alike."""

from dataclasses import replace
from uuid import UUID

from tests.unit.services.town import NOON, SECOND, a_town

from compuerta.services.plan_port import RoadPlan
from compuerta.services.store_port import Store

PLAN = RoadPlan(
    plan_id=UUID(int=1),
    organisation_id=1,
    name="north wing",
    site_table="place",
    price_table="",
    latency_ms=10_000,
    success_ppm=980_000,
    facts="{}",
    site_svg="<svg/>",
    alone_svg="",
    latency_svg="",
    success_svg="",
    made_by="ana",
    made_at=NOON,
)


def test_a_plan_comes_back_as_it_was_kept_and_stays_so(store: Store) -> None:
    a_town(store)
    with store.transaction() as tx:
        tx.plans.put(PLAN)
    with store.transaction() as tx:
        tx.plans.put(replace(PLAN, name="another"))

    with store.transaction() as tx:
        assert tx.plans.plan(1, PLAN.plan_id) == PLAN
        assert tx.plans.plan(2, PLAN.plan_id) is None


def test_plans_are_told_newest_first_and_forgotten_by_their_own_organisation(store: Store) -> None:
    a_town(store)
    later = replace(PLAN, plan_id=UUID(int=2), made_at=NOON + SECOND)
    with store.transaction() as tx:
        tx.plans.put(PLAN)
        tx.plans.put(later)

    with store.transaction() as tx:
        tx.plans.forget(2, later.plan_id)
        assert tx.plans.latest(1, limit=9) == [later, PLAN]
        tx.plans.forget(1, later.plan_id)
        assert tx.plans.latest(1, limit=1) == [PLAN]
