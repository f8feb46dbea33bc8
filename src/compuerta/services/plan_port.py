"""The port to plans: what the adviser was asked, and what it said."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadPlan:
    """An advice as it was given, with the tables that it was given on."""

    plan_id: UUID
    organisation_id: int
    name: str
    site_table: str
    price_table: str
    latency_ms: int
    success_ppm: int
    facts: str  # JSON, as of `advice_told.told`
    site_svg: str
    alone_svg: str
    latency_svg: str
    success_svg: str
    made_by: str
    made_at: datetime


class Plans(Protocol):
    """What a use case may ask about plans."""

    def put(self, plan: RoadPlan) -> None:
        """Keep a plan; one that is there already stays as it is."""
        ...

    def plan(self, organisation_id: int, plan_id: UUID) -> RoadPlan | None:
        """Return a plan of an organisation."""
        ...

    def latest(self, organisation_id: int, *, limit: int) -> list[RoadPlan]:
        """Return an organisation's plans, the newest first."""
        ...

    def forget(self, organisation_id: int, plan_id: UUID) -> None:
        """Delete a plan of an organisation; one that is not there is forgotten already."""
        ...
