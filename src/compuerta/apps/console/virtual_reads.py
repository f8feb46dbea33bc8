"""What the fault panel reads: which virtual meters are the organisation's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from compuerta.apps.console.reads import rows

METERS_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualRow:
    """A meter of a demonstration, and where it hangs."""

    meter_id: int
    meter_no: str
    endpoint_id: str
    road: str
    place: str | None


_METERS = """
select m.meter_id, m.meter_no, m.endpoint_id, m.road, p.name as place
from meter m
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id
left join supply_point p on p.supply_point_id = a.supply_point_id
where m.organisation_id = %(organisation_id)s
"""
_IN_ORDER = "order by length(p.name), p.name, m.meter_id limit %(limit)s"


def meters(organisation_id: int, meter_nos: Sequence[str]) -> list[VirtualRow]:
    """Return which of these meters are the organisation's."""
    values = {"organisation_id": organisation_id, "nos": list(meter_nos), "limit": METERS_SHOWN_MAX}
    return rows(VirtualRow, f"{_METERS} and m.meter_no = any(%(nos)s) {_IN_ORDER}", values)


def meters_by_id(organisation_id: int) -> dict[int, VirtualRow]:
    """Return the organisation's meters by id."""
    values = {"organisation_id": organisation_id, "limit": METERS_SHOWN_MAX}
    return {each.meter_id: each for each in rows(VirtualRow, f"{_METERS} {_IN_ORDER}", values)}
