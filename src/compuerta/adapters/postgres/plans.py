"""Plans, in PostgreSQL."""

from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.services.plan_port import RoadPlan


class PostgresPlans:
    """See `plan_port.Plans`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def put(self, plan: RoadPlan) -> None:
        self._tx.insert("road_plan", [rows.columns(plan)], on_conflict="(plan_id) do nothing")

    def plan(self, organisation_id: int, plan_id: UUID) -> RoadPlan | None:
        found = self._tx.query(
            "select * from road_plan where organisation_id = %(ours)s and plan_id = %(id)s",
            {"ours": organisation_id, "id": plan_id},
        )
        return RoadPlan(**found[0]) if found else None

    def latest(self, organisation_id: int, *, limit: int) -> list[RoadPlan]:
        found = self._tx.query(
            """select * from road_plan where organisation_id = %(ours)s
            order by made_at desc, plan_id desc limit %(limit)s""",
            {"ours": organisation_id, "limit": limit},
        )
        return [RoadPlan(**row) for row in found]

    def forget(self, organisation_id: int, plan_id: UUID) -> None:
        self._tx.run(
            "delete from road_plan where organisation_id = %(ours)s and plan_id = %(id)s",
            {"ours": organisation_id, "id": plan_id},
        )
