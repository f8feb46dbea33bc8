"""The facts of the story of supply, as the database has them, and what of them has to be there.

A relay's changes are told twice: what was decided, and what was seen at meters with credit of their own,
which open at zero and close when paid by themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.playing import seconds
from compuerta.domain.alarms import AlarmKind, AlarmOutcome
from compuerta.domain.supply import HoldKind, Reason
from compuerta.domain.wording import Told
from compuerta.services.occupancy_port import MoveKind

# A poll each second, on lines that are shared, on a machine that has other work.
ALARM_WITHIN = timedelta(seconds=10)
USUAL_LEVELS = ("money:5000", "money:2000", "money:1000")
# What was decided about each, from the first credit on.
REASONS: Mapping[str, tuple[Reason, ...]] = MappingProxyType(
    {
        "101": (Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
        "102": (Reason.FRIENDLY_HOURS, Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
        "103": (Reason.OUT_OF_CREDIT, Reason.TEMPORARY_SUPPLY, Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
        "104": (Reason.ADMINISTRATOR_HOLD, Reason.IN_CREDIT),
        "105": (Reason.VACANCY, Reason.IN_CREDIT),
        "201": (Reason.OVERLOAD_LOCK, Reason.IN_CREDIT, Reason.OVERLOAD_LOCK, Reason.IN_CREDIT),
        "202": (),
        "203": (),
        "301": (Reason.LAST_CHANCE, Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
        "303": (Reason.EMERGENCY_CREDIT, Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
        "402": (Reason.FRIENDLY_HOURS, Reason.LOOK_FIRST, Reason.OUT_OF_CREDIT, Reason.IN_CREDIT),
    }
)
TRIPPED_BY_THEMSELVES = ("101", "102", "103")
# A look that an overload falls into finds the relay closed and the count risen: the platform then orders what
# has happened already, and readings cannot tell whose trip it was. The count and the rest do.
TRIPPED_BY_EITHER = frozenset({"201"})
WARNED: Mapping[str, tuple[str, ...]] = MappingProxyType({"101": USUAL_LEVELS, "301": USUAL_LEVELS})
ALARMS: Mapping[tuple[str, AlarmKind], int] = MappingProxyType(
    {
        ("201", AlarmKind.OVERLOAD): 2,
        ("202", AlarmKind.COVER_OPEN): 1,
        ("203", AlarmKind.REVERSE_FLOW): 1,
    }
)
SAID: Mapping[str, frozenset[Told]] = MappingProxyType(
    {
        "101": frozenset({Told.WARNING, Told.CUT, Told.PAYMENT, Told.RESTORED}),
        "103": frozenset({Told.CUT, Told.TEMPORARY}),
        "105": frozenset({Told.WELCOME}),
        "201": frozenset({Told.CUT, Told.ALARM}),
        "202": frozenset({Told.ALARM}),
        "203": frozenset({Told.ALARM}),
        "301": frozenset({Told.WARNING, Told.LAST_CHANCE, Told.CUT, Told.PAYMENT, Told.RESTORED}),
        "303": frozenset({Told.EMERGENCY, Told.CUT}),
    }
)
CHANNELS = frozenset({"email", "sms", "webhook"})
ARRIVED = frozenset({"sent", "delivered", "digested"})

_STANDING = """
select p.name as supply_point, a.account_id, s.relay, s.wanted_reason as reason, s.wanted_kept as kept,
    case m.credit_authority when 'meter' then coalesce(s.balance_minor, 0) else h.delivered_minor end
        as balance_minor,
    (select count(*) from warning w where w.account_id = a.account_id and w.level is not null) as warnings,
    array(
        select k.kind from meter_alarm k where k.meter_id = m.meter_id and k.closed_at is null order by kind
    ) as alarms,
    exists (
        select from supply_hold l where l.meter_id = m.meter_id and l.kind = 'overload' and l.ended_at is null
    ) as is_locked
from account a
join supply_point p using (supply_point_id)
join installation i on i.account_id = a.account_id and i.ended_at is null
join meter m on m.meter_id = i.meter_id
join meter_state s on s.meter_id = m.meter_id
join account_state h on h.account_id = a.account_id
"""
# Where a meter is, whoever lives there.
_PLACES = """
with place as (
    select distinct m.meter_id, m.meter_no, m.credit_authority, p.name as supply_point
    from meter m join installation i using (meter_id) join account a on a.account_id = i.account_id
    join supply_point p using (supply_point_id)
)
"""
_DECIDED = (
    _PLACES
    + """
select meter_no as meter, supply_point, credit_authority, at, closed, kept, reason, was_reason,
    case when credit_authority = 'meter' and reason = 'out_of_credit' then 'meter' else 'platform' end
        as decided_by, false as seen
from supply_change join place using (meter_id)
order by meter_id, change_no
"""
)
# A change between two readings is the platform's where it had ordered it by then, and the meter's otherwise.
_TURNED = (
    _PLACES
    + """, turn as (
    select meter_id, at, relay, lag(relay) over own as was_relay, lag(at) over own as was_at
    from reading where relay is not null window own as (partition by meter_id order by at)
)
select meter_no as meter, supply_point, credit_authority, turn.at, turn.relay = 'closed' as closed,
    false as kept, 'seen at the meter' as reason, '' as was_reason,
    case when exists (
        select from instruction o
        where o.meter_id = turn.meter_id and o.kind = 'switch' and o.created_at <= turn.at
            and o.relay_closed = (turn.relay = 'closed') and coalesce(o.ended_at, turn.at) >= turn.was_at
    ) then 'platform' else 'meter' end as decided_by, true as seen
from turn join place using (meter_id)
where credit_authority = 'meter' and was_relay is not null and relay <> was_relay
order by meter_id, turn.at
"""
)
_WARNINGS = """
select w.account_id as account, p.name as supply_point, w.level, w.value, w.balance_minor, w.at, w.zero_at,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'channel', g.channel, 'state', g.state, 'at', g.sent_at, 'urgent', g.urgent) order by g.channel)
        from message g
        where g.account_id = w.account_id and g.template = 'warning' and g.created_at >= w.at
            and g.created_at < w.at + interval '5 seconds'
    ), '[]') as messages
from warning w join account a on a.account_id = w.account_id join supply_point p using (supply_point_id)
where w.level is not null order by w.account_id, w.at, w.value desc
"""
_MESSAGES = """
select g.message_id, g.account_id as account, p.name as supply_point, g.template, g.channel, g.language,
    g.state, g.urgent, g.created_at, g.due_at, g.sent_at, c.user_name is not null as to_staff, g.subject,
    g.last_answer
from message g join contact c using (contact_id)
left join account a on a.account_id = g.account_id left join supply_point p using (supply_point_id)
order by g.created_at, g.message_id
"""
_ALARMS = (
    _PLACES
    + """
select meter_no as meter, supply_point, kind, severity, detail, raised_at, ended_at, acknowledged_by, outcome,
    closed_by, times
from meter_alarm join place using (meter_id)
where kind <> 'clock_drift' -- the stage's meters live faster than we do: one that is read late is ahead of us
order by raised_at, kind
"""
)
_HOLDS = (
    _PLACES
    + """
select meter_no as meter, supply_point, kind, owner, note, started_at, ended_at, until_wh, ended_by
from supply_hold join place using (meter_id) order by started_at
"""
)
_MOVES = (
    _PLACES
    + """
select meter_no as meter, supply_point, kind, at, who, why, closed_account_id, opened_account_id, closing_wh,
    opening_wh, settled
from move join place on place.meter_id = move.old_meter_id order by at
"""
)


def standing(store: PostgresStore) -> Sequence[Row]:
    """Return how each supply point stands now."""
    return store.query(_STANDING, {})


def unsaid(store: PostgresStore) -> bool:
    """Tell whether words that are due still wait."""
    return bool(
        store.query("select from message where state in ('waiting', 'in_flight') and due_at <= now()", {})
    )


def open_alarm(store: PostgresStore, meter_no: str) -> UUID:
    """Return the one alarm of a meter that is on the board."""
    (row,) = store.query(
        """select alarm_id from meter_alarm join meter using (meter_id)
        where meter_no = %(meter_no)s and closed_at is null and kind <> 'clock_drift'""",
        {"meter_no": meter_no},
    )
    alarm_id: UUID = row["alarm_id"]
    return alarm_id


def is_over(store: PostgresStore, alarm_id: UUID) -> bool:
    """Tell whether the meter has ceased to tell an alarm."""
    return bool(
        store.query(
            "select from meter_alarm where alarm_id = %(alarm_id)s and ended_at is not null",
            {"alarm_id": alarm_id},
        )
    )


def gather(store: PostgresStore, *, caused_at: Mapping[str, datetime]) -> dict[str, Any]:
    """Return what the story has left behind, as JSON has it; alarms with when somebody caused them."""
    alarms = _rows(store, _ALARMS)
    for alarm in alarms:
        alarm["caused_at"] = _plain(caused_at.get(alarm["supply_point"]))
    return {
        "relay_changes": [*_rows(store, _DECIDED), *_rows(store, _TURNED)],
        "warnings": _rows(store, _WARNINGS),
        "messages": _rows(store, _MESSAGES),
        "alarms": alarms,
        "holds": _rows(store, _HOLDS),
        "moves": _rows(store, _MOVES),
    }


def missing(facts: Mapping[str, Any]) -> list[str]:
    """Return what did not come as it should have; the promises are looked at elsewhere."""
    looked: tuple[Iterator[str], ...] = (
        _wrong_reasons(facts["relay_changes"]),
        _wrong_warnings(facts["warnings"]),
        _wrong_alarms(facts["alarms"]),
        _wrong_words(facts["messages"]),
        _wrong_acts(facts),
    )
    return [line for lines in looked for line in lines]


def _wrong_reasons(changes: Sequence[Row]) -> Iterator[str]:
    for supply_point, wanted in REASONS.items():
        own = [each for each in changes if each["supply_point"] == supply_point]
        decided = [each["reason"] for each in own if not each["seen"]]
        first = decided.index(Reason.IN_CREDIT.value) + 1 if Reason.IN_CREDIT.value in decided else 0
        if decided[first:] != [each.value for each in wanted]:
            yield f"{supply_point}: {decided} was decided"
        tripped = any(each["seen"] and not each["closed"] and each["decided_by"] == "meter" for each in own)
        told = supply_point not in TRIPPED_BY_EITHER
        if told and tripped != (supply_point in TRIPPED_BY_THEMSELVES):
            yield f"{supply_point}: the meter itself has {'' if tripped else 'not '}tripped"


def _wrong_warnings(warnings: Sequence[Row]) -> Iterator[str]:
    for supply_point, wanted in WARNED.items():
        own = [each for each in warnings if each["supply_point"] == supply_point]
        levels = tuple(each["level"] for each in own)
        # Levels that lie between two readings speak as one, the most urgent.
        fell = [level for level in wanted if level in levels]
        if list(levels) != fell or levels[-1:] != wanted[-1:]:
            yield f"{supply_point}: warned at {levels}"
        for each in own:
            if not any(letter["state"] in ARRIVED for letter in each["messages"]):
                yield f"{supply_point}: nobody was told of {each['level']}"


def _wrong_alarms(alarms: Sequence[Row]) -> Iterator[str]:
    found = {(each["supply_point"], AlarmKind(each["kind"])): each for each in alarms}
    times = {key: each["times"] for key, each in found.items()}
    if times != dict(ALARMS):
        yield f"alarms are {times}"
    for key in (("202", AlarmKind.COVER_OPEN), ("203", AlarmKind.REVERSE_FLOW)):
        each = found.get(key)
        if each and seconds(each["caused_at"], each["raised_at"]) > ALARM_WITHIN.total_seconds():
            yield f"{key[0]}: caused at {each['caused_at']}, told at {each['raised_at']}"
    closed = found.get(("202", AlarmKind.COVER_OPEN))
    if closed and (closed["acknowledged_by"], closed["outcome"]) != (
        "technician", AlarmOutcome.REPAIRED.value,
    ):  # fmt: skip
        yield f"202: its alarm is {closed}"


def _wrong_words(messages: Sequence[Row]) -> Iterator[str]:
    for each in messages:
        if each["state"] not in ARRIVED:
            yield f"{each['template']} for {each['supply_point']} is {each['state']}: {each['last_answer']}"
        if each["urgent"] != (each["template"] in (Told.CUT.value, Told.LAST_CHANCE.value)):
            yield f"{each['template']} for {each['supply_point']}: urgent is {each['urgent']}"
    for supply_point, wanted in SAID.items():
        said = {each["template"] for each in messages if each["supply_point"] == supply_point}
        if absent := {told.value for told in wanted} - said:
            yield f"{supply_point}: nothing was said of {sorted(absent)}"
    if absent_channels := CHANNELS - {each["channel"] for each in messages}:
        yield f"nothing went by {sorted(absent_channels)}"


def _wrong_acts(facts: Mapping[str, Any]) -> Iterator[str]:
    moves = [(each["supply_point"], each["kind"]) for each in facts["moves"]]
    if moves != [("105", MoveKind.OUT.value), ("105", MoveKind.IN.value)]:
        yield f"moves are {moves}"
    holds = {(each["supply_point"], each["kind"]) for each in facts["holds"]}
    wanted = {
        ("103", HoldKind.TEMPORARY.value),
        ("104", HoldKind.ADMINISTRATOR.value),
        ("105", HoldKind.VACANCY.value),
        ("201", HoldKind.OVERLOAD.value),
    }
    if holds != wanted:
        yield f"holds are {sorted(holds)}"


def _rows(store: PostgresStore, statement: str) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in store.query(statement, {})]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
