"""Orders to a running fleet: what a person at the meter would do, and what the world does to it.

One JSON object per line in, one per line out. `{"order": "set_load", "meter_no": "...", "power_w": 2000}`
gives `{"ok": true}`; anything wrong gives `{"ok": false, "reason": "..."}`. This is for demonstrations and
tests: it has no password, so it listens on a unix socket or on loopback only.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.party import MeterNoMalformed, require_meter_no
from compuerta.virtual.faults import Faults, afflict
from compuerta.virtual.fleet.fields import FieldMalformed, Json, filled, one_of, truth, whole, within
from compuerta.virtual.fleet.road import CannotHangUp, Road
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.clock import civil_from_ms
from compuerta.virtual.meter.peer import VirtualMeter

LINE_BYTES_MAX: Final = 1 << 22  # a state of 10,000 meters is about three megabytes

VOLTAGE_DV_MAX: Final = 9_999  # XXX.X


class OrderMalformed(Refused):
    """An order that names no meter, or asks for what there is not."""


class Fleet:
    """Will find a meter by its number, bring it up to now, and do to it what is ordered."""

    def __init__(self, roads: Mapping[str, Road], *, world: World) -> None:
        self.world = world
        self.roads = dict(roads)
        # By the numbers of the file: a meter that is given another one is still called by its first.
        self._meters = {meter.meter_no: meter for road in roads.values() for meter in road.meters}

    def meter(self, meter_no: str) -> VirtualMeter:
        """Return a meter as it is now; refuses a number that is not here."""
        if meter_no not in self._meters:
            raise OrderMalformed(f"no virtual meter {meter_no!r}")
        meter = self._meters[meter_no]
        meter.advance(to_ms=self.world.now_ms())
        return meter

    def state(self, meter_no: str) -> dict[str, Json]:
        """Return what is true of a meter now; instants are real, in ISO 8601."""
        meter, real_at = self.meter(meter_no), self.world.real_at
        core = meter.core
        credited: list[Json] = [
            {
                "purchase_no": one.purchase_no,
                "amount_minor": one.amount_minor,
                "credited_at": real_at(one.credited_at_ms).isoformat(),
                "closed_at": None if one.closed_at_ms is None else real_at(one.closed_at_ms).isoformat(),
            }
            for one in core.records.credited
        ]
        return {
            "meter_no": meter_no,
            "balance_minor": core.balance_minor,
            "energy_wh": core.energy_wh,
            "power_w": core.power_w,
            "relay": core.relay.value,
            "open_reason": core.open_reason.value,
            "purchase_no": core.purchase_no,
            "clock": civil_from_ms(core.civil_ms).isoformat(),
            "powered": core.powered,
            "silent": meter.silent,
            "cover_open": core.cover_open,
            "terminal_cover_open": core.terminal_cover_open,
            "magnet": core.magnet,
            "counts": {event.value: count for event, count in core.records.counts.items()},
            "keep_power": core.keep_power,
            "pre_trip_alarm": core.pre_trip_alarm,
            "credited": credited,
        }

    def obey(self, order: Mapping[str, Json]) -> dict[str, Json]:
        """Do one order; refuses with `OrderMalformed` what it does not understand."""
        name, meter_no = order.get("order"), order.get("meter_no")
        if name == "dump":
            wanted = self._meters if meter_no is None else (str(meter_no),)
            return {"meters": [self.state(one) for one in wanted]}
        if name == "roads":
            return {"roads": {road_name: dict(road.state()) for road_name, road in self.roads.items()}}
        if name == "cut_road":
            self._cut(order)
            return {}
        action = _ACTIONS.get(str(name))
        if action is None:
            raise OrderMalformed(f"no order {name!r}; there are dump, roads, cut_road, {', '.join(_ACTIONS)}")
        meter = self.meter(str(meter_no))
        action(self, meter, order)
        for road in self.roads_of(meter):
            road.push()
        return {}

    def roads_of(self, meter: VirtualMeter) -> Sequence[Road]:
        """Return the roads that a meter is on, in the order of the file."""
        return [road for road in self.roads.values() if any(each is meter for each in road.meters)]

    def _cut(self, order: Mapping[str, Json]) -> None:
        road = self.roads.get(str(order.get("road")))
        if road is None:
            raise OrderMalformed(f"no road {order.get('road')!r}; there are {', '.join(self.roads)}")
        road.set_cut(truth(order.get("cut"), "cut"))


# The orders.


def _set_load(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.set_load(whole(order.get("power_w"), "power_w"))


def _press_button(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.press_button()


def _set_cover(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.set_cover(truth(order.get("open"), "open"))


def _set_terminal_cover(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.set_terminal_cover(truth(order.get("open"), "open"))


def _set_magnet(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.set_magnet(truth(order.get("present"), "present"))


def _set_reverse(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    """Let current run backwards through a phase, or all, or the right way again."""
    wiring, phases = meter.core.wiring, _phases(meter, order)
    backwards = truth(order.get("reversed"), "reversed")
    runs = wiring.reversed | phases if backwards else wiring.reversed - phases
    meter.core.set_wiring(replace(wiring, reversed=runs))


def _set_current_fault(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    """Let the meter see no current of a phase, or of any, or see it again."""
    wiring, phases = meter.core.wiring, _phases(meter, order)
    lost = wiring.lost | phases if truth(order.get("lost"), "lost") else wiring.lost - phases
    meter.core.set_wiring(replace(wiring, lost=lost))


def _set_voltage(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    wiring, phases = meter.core.wiring, _phases(meter, order)
    voltage_dv = within(order.get("voltage_dv"), "voltage_dv", most=VOLTAGE_DV_MAX)
    voltages_dv = tuple(
        voltage_dv if place in phases else before_dv for place, before_dv in enumerate(wiring.voltages_dv)
    )
    meter.core.set_wiring(replace(wiring, voltages_dv=voltages_dv))


def _set_bypass(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    """Lead a part of the current around the meter."""
    percent = within(order.get("percent"), "percent", most=100)
    meter.core.set_wiring(replace(meter.core.wiring, bypassed_percent=percent))


def _phases(meter: VirtualMeter, order: Mapping[str, Json]) -> frozenset[int]:
    """The phase that an order names, or all of them; counted from 0."""
    names = "abc"[: meter.core.setup.phases]
    if order.get("phase") is None:
        return frozenset(range(len(names)))
    return frozenset({names.index(one_of(order.get("phase"), names, name="phase"))})


def _set_limits(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    changes = {name: value for name, value in order.items() if name not in ("order", "meter_no")}
    meter.core.set_limits(filled(meter.core.limits, changes, what="limits"))


def _set_power(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.set_power(truth(order.get("powered"), "powered"))
    for road in fleet.roads_of(meter):
        road.power_changed()


def _set_silent(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.silent = truth(order.get("silent"), "silent")


def _set_number(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    """Give a meter a number, perhaps one that another meter has."""
    number = str(order.get("number"))
    require_meter_no(number)
    meter.renumber(number)


def _set_key(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    meter.core.programming_key = truth(order.get("pressed"), "pressed")


def _set_faults(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    """Misbehave now: faults of the road hold for all meters on it, those of the meter for this one."""
    changes = {name: value for name, value in order.items() if name not in ("order", "meter_no")}
    faults = filled(Faults(), changes, what="faults")
    for road in fleet.roads_of(meter):
        road.faults = faults
    afflict(meter, faults)


def _hang_up(fleet: Fleet, meter: VirtualMeter, order: Mapping[str, Json]) -> None:
    fleet.roads_of(meter)[0].hang_up()


_ACTIONS: Final[Mapping[str, Callable[[Fleet, VirtualMeter, Mapping[str, Json]], None]]] = {
    "set_load": _set_load,
    "press_button": _press_button,
    "set_cover": _set_cover,
    "set_terminal_cover": _set_terminal_cover,
    "set_magnet": _set_magnet,
    "set_reverse": _set_reverse,
    "set_current_fault": _set_current_fault,
    "set_voltage": _set_voltage,
    "set_bypass": _set_bypass,
    "set_limits": _set_limits,
    "set_power": _set_power,
    "set_silent": _set_silent,
    "set_number": _set_number,
    "set_key": _set_key,
    "set_faults": _set_faults,
    "hang_up": _hang_up,
}


async def serve(fleet: Fleet, *, path: str) -> asyncio.Server:
    """Listen for orders on a unix socket (a path) or on loopback ("127.0.0.1:9000")."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(_answer(fleet, line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):  # gone, or a line without end
            pass
        finally:
            writer.close()

    host, colon, port = path.rpartition(":")
    if colon and port.isdecimal():
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise OrderMalformed(f"orders are taken on loopback only, not on {host}")
        return await asyncio.start_server(talk, host, int(port), limit=LINE_BYTES_MAX)
    return await asyncio.start_unix_server(talk, path, limit=LINE_BYTES_MAX)


def _answer(fleet: Fleet, line: bytes) -> dict[str, Json]:
    try:
        order = json.loads(line)
        if not isinstance(order, dict):
            raise OrderMalformed("an order is a JSON object")
        return {"ok": True, **fleet.obey(order)}
    except (OrderMalformed, FieldMalformed, MeterNoMalformed, CannotHangUp, ValueError) as refusal:
        return {"ok": False, "reason": str(refusal)}
