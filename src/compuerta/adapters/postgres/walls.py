"""Walls: what one transaction may see, said to PostgreSQL when the transaction begins (promise A1).

The policies are in `schema/0008_walls.sql`; a transaction without a wall sees all organisations.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from compuerta.domain.access import Place

# `true`: until the transaction ends, whatever becomes of it.
PUT_UP = """select set_config('role', 'compuerta_desk', true),
    set_config('compuerta.organisation_id', %(organisation_id)s::text, true),
    set_config('compuerta.scope', coalesce(%(scope)s::text[]::text, ''), true)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One organisation, and of it the places that somebody reaches; None = all of it."""

    organisation_id: int
    scope: tuple[str, ...] | None = None

    @property
    def values(self) -> dict[str, int | list[str] | None]:
        """The values of `PUT_UP`."""
        scope = None if self.scope is None else list(self.scope)
        return {"organisation_id": self.organisation_id, "scope": scope}


def around(organisation_id: int, places: Iterable[Place]) -> Wall:
    """Return the wall around the places that somebody reaches; none at all is a wall around nothing."""
    reached = [place for place in places if place.organisation_id == organisation_id]
    if any(place.site_id is None for place in reached):
        return Wall(organisation_id=organisation_id)
    return Wall(organisation_id=organisation_id, scope=tuple(sorted(map(_written, reached))))


def _written(place: Place) -> str:
    return f"{place.site_id}" if place.building is None else f"{place.site_id}/{place.building}"
