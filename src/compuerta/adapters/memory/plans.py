"""Plans, in memory."""

from uuid import UUID

from compuerta.adapters.memory.tables import Tables
from compuerta.services.plan_port import RoadPlan


class MemoryPlans:
    """See `plan_port.Plans`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, plan: RoadPlan) -> None:
        self._tables.road_plans.setdefault(plan.plan_id, plan)

    def plan(self, organisation_id: int, plan_id: UUID) -> RoadPlan | None:
        found = self._tables.road_plans.get(plan_id)
        return found if found is not None and found.organisation_id == organisation_id else None

    def latest(self, organisation_id: int, *, limit: int) -> list[RoadPlan]:
        ours = [each for each in self._tables.road_plans.values() if each.organisation_id == organisation_id]
        return sorted(ours, key=lambda each: (each.made_at, each.plan_id), reverse=True)[:limit]

    def forget(self, organisation_id: int, plan_id: UUID) -> None:
        if self.plan(organisation_id, plan_id) is not None:
            del self._tables.road_plans[plan_id]
