"""What the screens of operations on many supplies read, and how a form becomes a proposal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.apps.console import fields, work
from compuerta.apps.console.board_reads import Unit
from compuerta.apps.console.fields import FieldOdd, Form
from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place
from compuerta.domain.errors import Refused
from compuerta.domain.supply import HoldKind
from compuerta.services.mass_port import MassKind, Wish

OPERATIONS_SHOWN_MAX = 50
ITEMS_SHOWN_MAX = 200
ROOMS_CHARS_MAX = 60_000
# What can be ordered for many, by the name that the form sends.
ORDERS: Mapping[str, Promise] = MappingProxyType(
    {
        "hold administrator": _("switch off by hand"),
        "lift administrator": _("lift what was switched off by hand"),
        "hold temporary": _("temporary supply until a moment"),
        "lift temporary": _("end temporary supply"),
        "hold protected": _("protect: never cut for money"),
        "lift protected": _("end protection"),
        "hold vacancy": _("switch off: nobody lives there"),
        "lift vacancy": _("end of vacancy"),
        "hold safety": _("switch off for safety"),
    }
)
EFFECTS: Mapping[str, Promise] = MappingProxyType(
    {
        "on_to_off": _("goes off"),
        "off_to_on": _("comes on"),
        "same": _("stays as it is, for another reason"),
        "nothing": _("is so already"),
        "contradicts": _("left alone: another hold forbids it"),
        "protected": _("left alone: protected"),
        "no_meter": _("left alone: no meter"),
    }
)
STATES: Mapping[str, Promise] = MappingProxyType(
    {
        "proposed": _("waits for a second person"),
        "running": _("under way"),
        "paused": _("stopped by hand"),
        "stopped": _("stopped by its failures"),
        "done": _("finished"),
        "withdrawn": _("withdrawn"),
        "undoing": _("being undone"),
        "undone": _("undone"),
    }
)
ITEM_STATES: Mapping[str, Promise] = MappingProxyType(
    {
        "done": _("done"),
        "ordered": _("on its way"),
        "failed": _("failed"),
        "skipped": _("left alone"),
        "undone": _("undone"),
        "kept": _("changed since: not undone"),
        "waiting": _("waiting"),
    }
)
ANSWERS: Mapping[str, Promise] = MappingProxyType(
    {
        **EFFECTS,
        "not_followed": _("did not follow in time"),
        "changed_since": _("somebody has changed it since"),
    }
)


class RoomsUnknown(Refused):
    """Rooms of a pasted list that are not at the site."""

    def __init__(self, rooms: Sequence[str]) -> None:
        super().__init__(f"rooms: not at this site: {', '.join(rooms[:10])}")
        self.field = "rooms"
        self.rooms = tuple(rooms)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """An operation with how far it is."""

    operation_id: UUID
    kind: str
    hold: str
    until: datetime | None
    state: str
    why: str
    errors_max: int
    undo_min: int
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    wave: int
    undo_until: datetime | None
    ended_at: datetime | None
    undone_by: str | None
    supplies: int
    settled: int
    failed: int

    @property
    def order(self) -> Promise | str:
        """What it does, in words."""
        return ORDERS.get(f"{self.kind} {self.hold}", f"{self.kind} {self.hold}")

    @property
    def stands(self) -> Promise:
        """Where it stands, in words."""
        return STATES[self.state]

    @property
    def is_live(self) -> bool:
        """Whether it may change while somebody looks."""
        return self.state in ("running", "undoing", "proposed", "paused", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One supply of an operation."""

    meter_id: int | None
    place: str
    building: str
    account_name: str
    wave: int
    state: str
    answer: str

    @property
    def stands(self) -> Promise:
        """Where it stands, in words."""
        return ITEM_STATES[self.state]

    @property
    def told(self) -> Promise | str:
        """What was said of it, in words."""
        return ANSWERS.get(self.answer, self.answer.replace("_", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRow:
    """How many of a wave stand how."""

    wave: int
    state: str
    count: int


_OPERATIONS = """
select o.operation_id, o.kind, o.hold, o.until, o.state, o.why, o.errors_max, o.undo_min, o.proposed_by,
    o.proposed_at, o.decided_by, o.decided_at, o.wave, o.undo_until, o.ended_at, o.undone_by,
    i.supplies, i.settled, i.failed
from mass_operation o
cross join lateral (
    select count(*) as supplies, count(*) filter (where state not in ('waiting', 'ordered')) as settled,
        count(*) filter (where state = 'failed') as failed
    from mass_item where mass_item.operation_id = o.operation_id
) i
where o.organisation_id = %(organisation_id)s
"""


def operations(organisation_id: int) -> list[OperationRow]:
    """Return an organisation's operations, what waits for a person first, then the newest."""
    return rows(
        OperationRow,
        f"""{_OPERATIONS} order by o.state = 'proposed' desc, o.proposed_at desc, o.operation_id
        limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": OPERATIONS_SHOWN_MAX},
    )


def operation(organisation_id: int, operation_id: UUID) -> OperationRow | None:
    """Return one operation, or None where the organisation has no such."""
    values = {"organisation_id": organisation_id, "id": operation_id}
    found = rows(OperationRow, f"{_OPERATIONS} and o.operation_id = %(id)s", values)
    return found[0] if found else None


def waves(operation_id: UUID) -> list[WaveRow]:
    """Return how many supplies of each wave stand how."""
    return rows(
        WaveRow,
        """select wave, state, count(*) as count from mass_item where operation_id = %(id)s
        group by wave, state
        order by wave, array_position(%(states)s::text[], state)""",
        {"id": operation_id, "states": list(ITEM_STATES)},
    )


def items(operation_id: UUID) -> list[ItemRow]:
    """Return supplies of an operation, failures first."""
    return rows(
        ItemRow,
        """select n.meter_id, p.name as place, p.building, a.name as account_name, i.wave, i.state, i.answer
        from mass_item i
        join account a using (account_id)
        join supply_point p using (supply_point_id)
        left join installation n on n.account_id = i.account_id and n.ended_at is null
        where i.operation_id = %(id)s
        order by i.state = 'failed' desc, i.wave, p.building, length(p.name), p.name, i.account_id
        limit %(limit)s""",
        {"id": operation_id, "limit": ITEMS_SHOWN_MAX},
    )


def places(organisation_id: int, operation_id: UUID) -> list[Place]:
    """Return the buildings that an operation reaches into, those beyond the reader's own among them."""
    with work.store() as store:
        found = store.query(
            """select distinct p.site_id, p.building from mass_item i
            join account a using (account_id) join supply_point p using (supply_point_id)
            where i.operation_id = %(id)s order by 1, 2""",
            {"id": operation_id},
        )
    return [Place(organisation_id=organisation_id, **each) for each in found]


def chosen(units: Collection[Unit], asked: Mapping[str, str]) -> list[Unit]:
    """Return the units that a form chooses: by building and state, or by a pasted list; `RoomsUnknown`."""
    building, state = asked.get("building", ""), asked.get("state", "")
    rooms = (
        asked.get("rooms", "")[:ROOMS_CHARS_MAX].replace(",", "\n").replace("，", "\n").replace("、", "\n")
    )
    listed = {room.strip() for room in rooms.splitlines() if room.strip()}
    within = [each for each in units if not building or each.building == building]
    if listed:
        unknown = sorted(listed - {each.name for each in within if each.account_id is not None})
        if unknown:
            raise RoomsUnknown(unknown)
        within = [each for each in within if each.name in listed]
    return [each for each in within if each.account_id is not None and state in ("", each.state)]


def wish(asked: Form, *, zone: str) -> Wish:
    """Return what a form orders; raises `FieldOdd`."""
    kind, _, hold = asked.get("order", "").partition(" ")
    if asked.get("order", "") not in ORDERS:
        raise FieldOdd("order")
    until = fields.instant(asked, "until", zone=zone)
    return Wish(kind=MassKind(kind), hold=HoldKind(hold), until=until if kind == "hold" else None)


def number(asked: Form, field: str) -> int:
    """Return a whole number that has to be given; raises `FieldOdd`."""
    found = fields.whole(asked, field)
    if found is None:
        raise FieldOdd(field)
    return found
