"""Orders and records as JSON: what goes between an outpost and the platform, and lies on the outpost's disk.

No names of people are in it. Who reads it refuses whatever is not as it was written here.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.party import Account, AccountKind, CreditAuthority, Meter, Period, RoadKind
from compuerta.domain.policy import Policy, Slot, policy_of
from compuerta.domain.road import Way
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.document import mapping_of, tariff_from
from compuerta.domain.tariff.schedule import Schedule, Version
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services.forwarding import Cut, Record
from compuerta.services.mandating import Mandate, Orders, Posted
from compuerta.services.records import AccountView, EmergencyCredit, Hold, Holdings, MeterSnapshot

FORMAT: Final = 1
TEXT_BYTES_MAX: Final = 32 * 1024 * 1024  # of orders: thousands of meters with their open bills
NUMBER_MAX: Final = 2**63 - 1  # what a register, and a column, holds
_NOBODY: Final = UUID(int=0)
# A document's leaves are told apart by the fields that they are read into, below.
_Tree = dict[str, Any]
_T = TypeVar("_T")
# What comes of reading a text as what it is not; of reckoning, since JSON can spell infinity.
_MISREAD = (
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    Refused,
    AssertionError,
)


class TextMalformed(Refused):
    """Text of an outpost, or for one, that cannot be read."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what


def orders_text(orders: Orders) -> bytes:
    """Return orders as JSON; tariffs that several accounts share are written once."""
    schedules: dict[str, int] = {}
    mandates = [_of_mandate(each, schedules) for each in orders.mandates.values()]
    tree = {
        "format": FORMAT,
        "outpost_id": orders.outpost_id,
        "issued_at": orders.issued_at.isoformat(),
        "poll_ms": orders.poll_ms,
        "cuts": orders.cuts,
        "mandate_h": orders.mandate_h,
        "meters": [_of_posted(each) for each in orders.meters],
        "schedules": [json.loads(each) for each in schedules],
        "mandates": mandates,
    }
    return json.dumps(tree, separators=(",", ":")).encode()


def orders_from(text: bytes) -> Orders:
    """Read orders; raises `TextMalformed`."""
    return _read("orders", text, _orders)


def records_text(journal_id: UUID, records: Sequence[Record]) -> bytes:
    """Return records of a journal as JSON."""
    tree = {"format": FORMAT, "journal": str(journal_id), "records": [_of_record(each) for each in records]}
    return json.dumps(tree, separators=(",", ":")).encode()


def records_from(text: bytes) -> tuple[UUID, list[Record]]:
    """Read records of a journal; raises `TextMalformed`."""
    return _read("records", text, _records)


def squeezed(text: bytes) -> bytes:
    """Return a text made small."""
    return zlib.compress(text)


def expanded(octets: bytes) -> bytes:
    """Return a text that was made small; raises `TextMalformed`, also where it would be too large."""
    whole = zlib.decompressobj()
    try:
        text = whole.decompress(octets, TEXT_BYTES_MAX)
    except zlib.error as error:
        raise TextMalformed("text", str(error)) from error
    if not whole.eof:
        raise TextMalformed("text", f"more than {TEXT_BYTES_MAX} bytes, or cut off")
    return text


def _read(what: str, text: bytes, build: Callable[[_Tree], _T]) -> _T:
    try:
        tree = json.loads(text)
        if tree["format"] != FORMAT:
            raise TextMalformed(what, f"format {tree['format']} where {FORMAT} is understood")
        return build(tree)
    except TextMalformed:
        raise
    except _MISREAD as error:
        raise TextMalformed(what, f"{type(error).__name__}: {error}") from error


# orders ----------------------------------------------------------------------------------------------------


def _orders(tree: _Tree) -> Orders:
    schedules = [_schedule(each) for each in tree["schedules"]]
    meters = tuple(_posted(each) for each in tree["meters"])
    by_id = {each.meter.meter_id: each.meter for each in meters}
    mandates = [_mandate(each, by_id, schedules) for each in tree["mandates"]]
    return Orders(
        outpost_id=tree["outpost_id"],
        issued_at=_instant(tree["issued_at"]),
        poll_ms=int(tree["poll_ms"]),
        cuts=bool(tree["cuts"]),
        mandate_h=int(tree["mandate_h"]),
        meters=meters,
        mandates={each.view.meter.meter_id: each for each in mandates if each.view.meter is not None},
    )


def _of_posted(posted: Posted) -> _Tree:
    meter = posted.meter
    return {
        "line": posted.line,
        "zone": posted.zone,
        "end": posted.way.endpoint_id,
        "road": posted.way.road.value,
        "meter_id": meter.meter_id,
        "organisation_id": meter.organisation_id,
        "meter_no": meter.meter_no,
        "model": meter.model,
        "authority": meter.credit_authority.value,
        "customer_no": meter.customer_no,
        "own_end": meter.endpoint_id,
        "own_road": meter.road.value,
        "unit_no": meter.unit_no,
    }


def _posted(tree: _Tree) -> Posted:
    meter = Meter(
        meter_id=int(tree["meter_id"]),
        organisation_id=int(tree["organisation_id"]),
        meter_no=tree["meter_no"],
        model=tree["model"],
        credit_authority=CreditAuthority(tree["authority"]),
        customer_no=tree["customer_no"],
        endpoint_id=tree["own_end"],
        road=RoadKind(tree["own_road"]),
        unit_no=tree["unit_no"],
    )
    way = Way(endpoint_id=tree["end"], road=RoadKind(tree["road"]))
    return Posted(line=int(tree["line"]), meter=meter, way=way, zone=tree["zone"])


def _of_mandate(mandate: Mandate, schedules: dict[str, int]) -> _Tree:
    view = mandate.view
    assert view.schedule is not None and view.meter is not None and view.snapshot is not None
    text = json.dumps(_of_schedule(view.schedule), sort_keys=True)
    return {
        "meter_id": view.meter.meter_id,
        "account": _of_account(view.account),
        "holdings": _of_holdings(view.holdings),
        "snapshot": _of_snapshot(view.snapshot),
        "schedule": schedules.setdefault(text, len(schedules)),
        "terms": [[at.isoformat(), each.persons, each.contracted_w] for at, each in view.agreed],
        "policy": _of_policy(view.policy),
        "holds": [_of_hold(each) for each in mandate.holds],
        "emergency": None if mandate.emergency is None else _of_emergency(mandate.emergency),
    }


def _mandate(tree: _Tree, meters: Mapping[int, Meter], schedules: Sequence[Schedule]) -> Mandate:
    meter = meters[tree["meter_id"]]
    emergency = tree["emergency"]
    view = AccountView(
        account=_account(tree["account"], meter),
        holdings=_holdings(tree["holdings"], account_id=tree["account"]["account_id"]),
        meter=meter,
        snapshot=_snapshot(tree["snapshot"], meter_id=meter.meter_id),
        holds=frozenset(),
        schedule=schedules[tree["schedule"]],
        agreed=tuple(
            (_instant(at), Terms(persons=persons, contracted_w=contracted_w))
            for at, persons, contracted_w in tree["terms"]
        ),
        policy=policy_of(tree["policy"]),
    )
    return Mandate(
        view=view,
        holds=tuple(_hold(each, meter_id=meter.meter_id) for each in tree["holds"]),
        emergency=None if emergency is None else _emergency(emergency, account_id=view.account.account_id),
    )


def _of_account(account: Account) -> _Tree:
    return {
        "account_id": account.account_id,
        "site_id": account.site_id,
        "kind": account.kind.value,
        "currency": account.currency,
        "zone": account.zone,
        "opened_at": account.period.start.isoformat(),
    }


def _account(tree: _Tree, meter: Meter) -> Account:
    return Account(
        account_id=int(tree["account_id"]),
        organisation_id=meter.organisation_id,
        site_id=int(tree["site_id"]),
        kind=AccountKind(tree["kind"]),
        name="",
        supply_point="",
        building="",
        currency=tree["currency"],
        zone=tree["zone"],
        tariff_id=None,
        meter_id=meter.meter_id,
        pay_token=_NOBODY,
        period=Period(start=_instant(tree["opened_at"])),
    )


def _of_holdings(holdings: Holdings) -> _Tree:
    return {
        "delivered_minor": holdings.delivered_minor,
        "register_wh": holdings.register_wh,
        "register_at": _text(holdings.register_at),
        "billed_wh": holdings.billed_wh,
        "billing_held": holdings.billing_held,
        "tally": list(holdings.tally),
    }


def _holdings(tree: _Tree, *, account_id: int) -> Holdings:
    return Holdings(
        account_id=account_id,
        delivered_minor=int(tree["delivered_minor"]),
        register_wh=_whole(tree["register_wh"]),
        register_at=_instant_or_none(tree["register_at"]),
        billed_wh=int(tree["billed_wh"]),
        billing_held=bool(tree["billing_held"]),
        tally=tuple(int(each) for each in tree["tally"]),
    )


def _of_snapshot(snapshot: MeterSnapshot) -> _Tree:
    return {
        "wanted_closed": snapshot.wanted_closed,
        "wanted_reason": snapshot.wanted_reason,
        "out_since": _text(snapshot.out_since),
        "relay": None if snapshot.relay is None else snapshot.relay.value,
        "energy_wh": snapshot.energy_wh,
        "power_w": snapshot.power_w,
        "read_at": _text(snapshot.read_at),
    }


def _snapshot(tree: _Tree, *, meter_id: int) -> MeterSnapshot:
    return MeterSnapshot(
        meter_id=meter_id,
        wanted_closed=tree["wanted_closed"],
        wanted_reason=tree["wanted_reason"],
        out_since=_instant_or_none(tree["out_since"]),
        relay=None if tree["relay"] is None else Relay(tree["relay"]),
        energy_wh=_whole(tree["energy_wh"]),
        power_w=_whole(tree["power_w"]),
        read_at=_instant_or_none(tree["read_at"]),
    )


def _of_schedule(schedule: Schedule) -> _Tree:
    versions = [
        {
            "from": start.isoformat(),
            "tariff_id": version.tariff_id,
            "version_no": version.version_no,
            "effective_from": version.effective_from.isoformat(),
            "tariff": mapping_of(version.tariff),
        }
        for start, version in schedule.entries()
    ]
    return {"zone": schedule.zone.key, "versions": versions}


def _schedule(tree: _Tree) -> Schedule:
    versions = tuple(
        (
            _instant(each["from"]),
            Version(
                tariff_id=int(each["tariff_id"]),
                version_no=int(each["version_no"]),
                effective_from=datetime.fromisoformat(each["effective_from"]),
                tariff=tariff_from(each["tariff"]),
            ),
        )
        for each in tree["versions"]
    )
    return Schedule(zone=tree["zone"], versions=versions)


def _of_policy(policy: Policy) -> _Tree:
    """Return what of a policy decides about supply, as a document of `domain/policy`."""
    return {
        "last_chance_min": policy.last_chance_min,
        "emergency_minor": policy.emergency_minor,
        "emergency_below_minor": policy.emergency_below_minor,
        "emergency_automatic": policy.emergency_automatic,
        "friendly_slots": [_of_slot(each) for each in policy.friendly_slots],
        "friendly_weekends": policy.friendly_weekends,
        "holidays": [each.isoformat() for each in policy.holidays],
    }


def _of_slot(slot: Slot) -> str:
    return f"{slot.start.isoformat()}-{slot.end.isoformat()}"


def _of_hold(hold: Hold) -> _Tree:
    return {
        "hold_id": str(hold.hold_id),
        "kind": hold.kind.value,
        "start": hold.start.isoformat(),
        "end": _text(hold.end),
        "until_wh": hold.until_wh,
    }


def _hold(tree: _Tree, *, meter_id: int) -> Hold:
    return Hold(
        meter_id=meter_id,
        hold_id=UUID(tree["hold_id"]),
        kind=HoldKind(tree["kind"]),
        owner="",
        note="",
        start=_instant(tree["start"]),
        end=_instant_or_none(tree["end"]),
        until_wh=_whole(tree["until_wh"]),
    )


def _of_emergency(emergency: EmergencyCredit) -> _Tree:
    return {
        "taken_at": emergency.taken_at.isoformat(),
        "limit_minor": emergency.limit_minor,
        "used_at": _text(emergency.used_at),
        "spent_at": _text(emergency.spent_at),
    }


def _emergency(tree: _Tree, *, account_id: int) -> EmergencyCredit:
    return EmergencyCredit(
        account_id=account_id,
        taken_at=_instant(tree["taken_at"]),
        limit_minor=int(tree["limit_minor"]),
        taken_by="",
        used_at=_instant_or_none(tree["used_at"]),
        spent_at=_instant_or_none(tree["spent_at"]),
    )


# records ---------------------------------------------------------------------------------------------------


def _records(tree: _Tree) -> tuple[UUID, list[Record]]:
    return UUID(tree["journal"]), [_record(each) for each in tree["records"]]


def _of_record(record: Record) -> _Tree:
    return {
        "no": record.record_no,
        "meter_id": record.meter_id,
        "at": record.at.isoformat(),
        "asked_at": _text(record.asked_at),
        "clock_off_s": record.clock_off_s,
        "state": _of_state(record.state),
        "cut": None if record.cut is None else _of_cut(record.cut),
    }


def _record(tree: _Tree) -> Record:
    return Record(
        record_no=_number(tree["no"]),
        meter_id=_number(tree["meter_id"]),
        at=_instant(tree["at"]),
        asked_at=_instant_or_none(tree["asked_at"]),
        clock_off_s=_whole(tree["clock_off_s"]),
        state=_state(tree["state"]),
        cut=None if tree["cut"] is None else _cut(tree["cut"]),
    )


def _of_cut(cut: Cut) -> _Tree:
    return {
        "out_since": cut.out_since.isoformat(),
        "register_wh": cut.register_wh,
        "ends_wh": cut.ends_wh,
        "balance_minor": cut.balance_minor,
        "issued_at": cut.issued_at.isoformat(),
    }


def _cut(tree: _Tree) -> Cut:
    return Cut(
        out_since=_instant(tree["out_since"]),
        register_wh=_number(tree["register_wh"]),
        ends_wh=_whole(tree["ends_wh"]),
        balance_minor=_number(tree["balance_minor"]),
        issued_at=_instant(tree["issued_at"]),
    )


def _of_state(state: MeterState) -> _Tree:
    return {
        "energy_wh": state.energy_wh,
        "rates_wh": None if state.rates_wh is None else list(state.rates_wh),
        "balance_minor": state.balance_minor,
        "purchase_no": state.purchase_no,
        "relay": None if state.relay is None else state.relay.value,
        "power_w": state.power_w,
        "flags": sorted(state.flags),
        "counts": dict(state.counts),
    }


def _state(tree: _Tree) -> MeterState:
    rates_wh = tree["rates_wh"]
    return MeterState(
        energy_wh=_whole(tree["energy_wh"]),
        rates_wh=None if rates_wh is None else tuple(_number(each) for each in rates_wh),
        balance_minor=_whole(tree["balance_minor"]),
        purchase_no=_whole(tree["purchase_no"]),
        relay=None if tree["relay"] is None else Relay(tree["relay"]),
        power_w=_whole(tree["power_w"]),
        flags=frozenset(str(each) for each in tree["flags"]),
        counts={str(name): _number(count) for name, count in tree["counts"].items()},
    )


# leaves ----------------------------------------------------------------------------------------------------


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} is no instant: it has no zone")
    return instant


def _instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def _whole(number: int | None) -> int | None:
    return None if number is None else _number(number)


def _number(number: int) -> int:
    whole = int(number)
    if abs(whole) > NUMBER_MAX:
        raise ValueError("a number that no register shows")
    return whole
