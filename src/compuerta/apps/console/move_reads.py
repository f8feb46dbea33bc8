"""What the screens of moving read: who is at a meter, with whom rooms can be exchanged, and receipts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.apps.console.people import Person
from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place, Right

ROOMS_SHOWN_MAX = 2_000
# What a receipt's amounts are called, in the order in which they are shown.
AMOUNTS: Mapping[str, Promise] = MappingProxyType(
    {
        "house_charged_minor": _("Used while nobody lived here, paid by the house"),
        "charged_minor": _("Last charge"),
        "balance_minor": _("Balance after it"),
        "display_minor": _("In the old meter"),
        "drift_minor": _("The books differ by"),
        "counted_minor": _("Was in the old meter after all"),
        "cancelled_minor": _("Never reached the old meter"),
        "moved_minor": _("Goes along"),
        "taken_over_minor": _("In the meter there"),
        "credit_given_minor": _("Given by the house"),
        "credit_owed_minor": _("Owed for what is in the meter"),
        "deposit_minor": _("Deposit"),
        "fee_minor": _("First fee"),
        "withheld_minor": _("Withheld of the deposit"),
        "owed_minor": _("Still owed"),
        "in_meter_minor": _("Stays in the meter, for the house"),
    }
)
# Which amount settles each kind of move.
TOTALS: Mapping[str, str] = MappingProxyType(
    {"in": "paid_minor", "out": "rest_minor", "exchange": "rest_minor", "swap": "sent_minor"}
)
KINDS: Mapping[str, Promise] = MappingProxyType(
    {
        "in": _("Move in"),
        "out": _("Move out"),
        "exchange": _("Exchange rooms"),
        "swap": _("Swap the meter"),
    }
)
RIGHT_OF: Mapping[str, Right] = MappingProxyType(
    {"in": Right.MOVE, "out": Right.MOVE, "exchange": Right.MOVE, "swap": Right.EXCHANGE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A meter and who is there: what the forms of moving begin with."""

    meter_id: int
    meter_no: str
    model: str
    road: str
    credit_authority: str
    endpoint_id: str
    account_id: int
    kind: str
    account_name: str
    site_id: int
    site: str
    building: str
    place: str
    currency: str
    zone: str
    energy_wh: int | None
    rates: int
    balance_minor: int | None
    read_at: datetime | None

    def within(self, organisation_id: int) -> Place:
        """Return where it is, as rights see it."""
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room that can be exchanged for another."""

    account_id: int
    place: str
    building: str
    account_name: str
    meter_id: int
    energy_wh: int | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A move as its receipt shows it."""

    move_id: UUID
    kind: str
    at: datetime
    who: str
    why: str
    closing_wh: int | None
    opening_wh: int | None
    settled: Mapping[str, int]
    old_meter_no: str | None
    new_meter_no: str | None
    closed_name: str | None
    opened_name: str | None
    meter_id: int
    site_id: int
    site: str
    building: str
    place: str
    currency: str
    zone: str


_SUBJECT = """
select m.meter_id, m.meter_no, m.model, m.road, m.credit_authority, m.endpoint_id, a.account_id, a.kind,
    a.name as account_name, z.site_id, z.name as site, p.building, p.name as place, z.currency, z.zone,
    t.energy_wh, coalesce(cardinality(s.register_rates_wh), 0) as rates, t.balance_minor, t.read_at
from meter m
join installation i on i.meter_id = m.meter_id and i.ended_at is null
join account a on a.account_id = i.account_id and a.kind in ('customer', 'house')
join account_state s on s.account_id = a.account_id
join supply_point p on p.supply_point_id = a.supply_point_id
join site z on z.site_id = a.site_id
join meter_state t on t.meter_id = m.meter_id
where m.meter_id = %(meter_id)s and m.organisation_id = %(organisation_id)s
"""
_ROOMS = """
select a.account_id, p.name as place, p.building, a.name as account_name, i.meter_id, t.energy_wh, t.read_at
from account a
join supply_point p on p.supply_point_id = a.supply_point_id
join installation i on i.account_id = a.account_id and i.ended_at is null
join meter_state t on t.meter_id = i.meter_id
where a.site_id = %(site_id)s and a.kind = 'customer' and a.account_id <> %(account_id)s
order by p.building, p.name limit %(limit)s
"""
_RECEIPT = """
select v.move_id, v.kind, v.at, v.who, v.why, v.closing_wh, v.opening_wh, v.settled::text as settled,
    o.meter_no as old_meter_no, n.meter_no as new_meter_no, c.name as closed_name, b.name as opened_name,
    coalesce(v.new_meter_id, v.old_meter_id) as meter_id, z.site_id, z.name as site, p.building,
    p.name as place, z.currency, z.zone
from move v
left join meter o on o.meter_id = v.old_meter_id
left join meter n on n.meter_id = v.new_meter_id
left join account c on c.account_id = v.closed_account_id
join account b on b.account_id = v.opened_account_id
join supply_point p on p.supply_point_id = b.supply_point_id
join site z on z.site_id = b.site_id
where v.organisation_id = %(organisation_id)s and v.move_id = %(move_id)s
"""


def subject(organisation_id: int, meter_id: int) -> Subject | None:
    """Return a meter with who is there; None where nobody can move."""
    found = rows(Subject, _SUBJECT, {"organisation_id": organisation_id, "meter_id": meter_id})
    return found[0] if found else None


def offered(person: Person, meter_id: int) -> list[tuple[str, Promise]]:
    """Return the moves that somebody can begin at a meter: (kind, name)."""
    at = subject(person.organisation_id, meter_id)
    if at is None:
        return []
    place = at.within(person.organisation_id)
    fits = ("in", "swap") if at.kind == "house" else ("out", "exchange", "swap")
    return [(kind, KINDS[kind]) for kind in fits if person.may(RIGHT_OF[kind], place)]


def rooms(at: Subject) -> list[Room]:
    """Return the other rooms of the site that somebody lives in."""
    values = {"site_id": at.site_id, "account_id": at.account_id, "limit": ROOMS_SHOWN_MAX}
    return rows(Room, _ROOMS, values)


def receipt(organisation_id: int, move_id: UUID) -> Receipt | None:
    """Return a move's receipt."""
    found = rows(Receipt, _RECEIPT, {"organisation_id": organisation_id, "move_id": move_id})
    return _unpacked(found[0]) if found else None


def place_of(found: Receipt, organisation_id: int) -> Place:
    """Return where a move was, as rights see it."""
    return Place(organisation_id=organisation_id, site_id=found.site_id, building=found.building or None)


def lines(kind: str, settled: Mapping[str, int]) -> dict[str, Any]:
    """Return a settlement as the screens show it: amounts by name, and what is paid in the end."""
    total_minor = settled[TOTALS[kind]]
    return {
        "lines": [(name, settled[key]) for key, name in AMOUNTS.items() if settled.get(key)],
        "total_minor": abs(total_minor),
        "total": _total(kind, total_minor, booked=bool(settled.get("booked"))),
    }


def _total(kind: str, total_minor: int, *, booked: bool) -> Promise:
    if kind == "swap":
        return _("Sent to the new meter")
    if not total_minor:
        return _("Nothing is to be paid")
    collected = total_minor > 0 if kind == "in" else total_minor < 0
    if booked:
        return _("Stays owed by the tenant") if collected else _("Stays owed to the tenant")
    return _("To collect") if collected else _("To pay out")


def _unpacked(found: Receipt) -> Receipt:
    named = {name: getattr(found, name) for name in Receipt.__slots__}
    return Receipt(**{**named, "settled": orjson.loads(str(found.settled))})
