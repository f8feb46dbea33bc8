"""What the screens of the adviser read: the meters of a site, and plans as they are shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from compuerta.apps.console import plan_words
from compuerta.apps.console.reads import rows
from compuerta.domain.party import RoadKind
from compuerta.services.plan_port import RoadPlan
from compuerta.services.planning import METERS_MAX, Hung


@dataclass(frozen=True, slots=True, kw_only=True)
class _HungRow:
    place: str
    building: str
    road: str
    endpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceShown:
    """A place, the road it got, and what each road would have been."""

    name: str
    meters: int
    road: str
    stays: bool
    why: list[str]


def hung(organisation_id: int, site_id: int) -> list[Hung]:
    """Return the meters of a site, and by which ends they are reached."""
    found = rows(
        _HungRow,
        """select p.name as place, p.building, m.road, m.endpoint_id
        from account a
        join supply_point p using (supply_point_id)
        join installation i on i.account_id = a.account_id and i.ended_at is null
        join meter m using (meter_id)
        where a.organisation_id = %(organisation_id)s and a.site_id = %(site_id)s and a.closed_at is null
        order by p.building, p.name, a.account_id limit %(limit)s""",
        {"organisation_id": organisation_id, "site_id": site_id, "limit": METERS_MAX},
    )
    return [
        Hung(place=row.place, building=row.building, road=RoadKind(row.road), endpoint_id=row.endpoint_id)
        for row in found
    ]


def shown(plan: RoadPlan) -> Mapping[str, object]:
    """Return a plan's facts as its page shows them."""
    facts = json.loads(plan.facts)
    currency = facts["currency"]
    return {
        "facts": facts,
        "percent": plan.success_ppm / 10_000,
        "seconds": plan.latency_ms // 1000,
        "gap_percent": f"{facts['gap_ppm'] / 10_000:.1f}",
        "roads": [(road, plan_words.ROADS[road], count) for road, count in facts["meters"].items() if count],
        "alone": [(plan_words.ROADS[road], point) for road, point in facts["alone"].items()],
        "bill": [(plan_words.ITEMS[part["item"]], part) for part in facts["bill"]],
        "places": [
            PlaceShown(
                name=place["place"],
                meters=place["meters"],
                road=place["road"] or "",
                stays=place["stays"],
                why=plan_words.why(place["options"], currency=currency),
            )
            for place in facts["places"]
        ],
    }
