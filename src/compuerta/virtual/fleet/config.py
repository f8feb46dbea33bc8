"""A fleet from a JSON file: which meters there are, what hangs behind them, and on which road they sit.

    {"factor": 1, "utc_offset_min": 480, "seed": 1, "soft_esam_key": "<hex>",
     "control": "/run/fleet.sock",
     "dial_in": {"host": "127.0.0.1", "port": 7645, "heartbeat_s": 30, "one_way_ms": 80},
     "broker": {"host": "127.0.0.1", "port": 1883, "password": "<of the user platform>"},
     "mqtt": {"host": "127.0.0.1", "port": 1883, "tenant": "1", "secrets": {"mq-1": "<hex>"}},
     "buses": {"house-1": {"baud": 2400, "link": "/run/house-1"}},
     "meters": [{"meter_no": "558890213594", "customer_no": "000000123456", "balance_minor": 5000,
                 "load": {"household_peak_w": 3000}, "endpoint_id": "860123456789012"},
                {"meter_no": "260305510012", "layout": "vendor", "bus": "house-1"}]}

NB-IoT has its own part, with the key of each device (none without DTLS) and how often it speaks if it sleeps:

    {"nbiot": {"host": "127.0.0.1", "port": 5684, "one_way_ms": 400, "window_s": 10,
               "keys": {"nb-1": "<hex>"}, "contact_s": {"nb-1": 60}},
     "operator": {"host": "127.0.0.1", "port": 8443, "push_url": "http://127.0.0.1:8444/push",
                  "secret": "<of the contract>", "contact_s": {"dev-1": 60}},
     "meters": [{"meter_no": "260305510013", "nbiot": "nb-1"},
                {"meter_no": "260305510014", "operator": "dev-1"}]}

Meters that speak Modbus say at which address, and whose registers they have; a converter waits to be dialed:

    {"converters": {"house-2": {"port": 8899, "modbus_tcp": true}},
     "meters": [{"meter_no": "260700000017", "credit_authority": "platform", "converter": "house-2",
                 "unit_no": 17, "modbus_image": "acrel"}]}

A meter with an `endpoint_id` dials in (several with the same id sit behind one gateway); one with `acrel`, a
serial number, does so as that maker's module and wants a `unit_no`, as it carries Modbus; one with a `bus` is
on that line; one with `mqtt` is behind that device of the broker; one with both can be reached by both. What
is not said is as in `MeterSetup`, `Limits`, `DialPlan`; unknown names are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.fleet import mqtt_config, nbiot_config, operator_config
from compuerta.virtual.fleet.bus import Bus
from compuerta.virtual.fleet.converter import converters_from
from compuerta.virtual.fleet.dial import DialPlan, Modem
from compuerta.virtual.fleet.fields import FieldMalformed, Json, filled, mapping, one_of, whole, wholes
from compuerta.virtual.fleet.manners import SERIAL_BYTES_MAX, AcrelModule
from compuerta.virtual.fleet.road import Road
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.load import HOURS, ConstantLoad, DailyLoad, LoadProfile, a_household
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import Limits, MeterSetup

MINUTE_MS: Final = 60_000
# The key of demonstrations: no secret, and no real meter has it.
DEMO_ESAM_KEY: Final = b"compuerta demonstration key"
# Where a meter sits, by the field that says so; it may sit on several roads at once.
_PLACES: Final = ("bus", "endpoint_id", "acrel", "mqtt", "nbiot", "operator", "converter")
_ELSEWHERE: Final = frozenset({*_PLACES, "clock_error_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What the file says about the whole: the rest is in the roads."""

    factor: int
    control: str | None
    broker: mqtt_config.BrokerPlan | None  # that the fleet holds itself


def plan_from(config: Mapping[str, Json]) -> FleetPlan:
    """Read what concerns the fleet as a whole."""
    control = config.get("control")
    return FleetPlan(
        factor=whole(config.get("factor", 1), "factor"),
        control=None if control is None else str(control),
        broker=mqtt_config.broker_from(config),
    )


def roads_from(config: Mapping[str, Json], *, world: World) -> dict[str, Road]:
    """Make all meters and their roads; nothing is opened or dialed yet. Refuses with `FieldMalformed`."""
    chance = Random(whole(config.get("seed", 1), "seed"))
    sitting = _meters_from(config, world=world, chance=chance)
    buses = mapping(config.get("buses", {}), "buses")
    roads: dict[str, Road] = {}
    for name, meters in sitting["bus"].items():
        bus = mapping(buses.get(name), f"buses.{name}")
        baud = whole(bus.get("baud", 2_400), f"buses.{name}.baud")
        link = None if bus.get("link") is None else Path(str(bus["link"]))
        roads[name] = Bus(meters, world=world, chance=chance, baud=baud, link=link)
    if sitting["endpoint_id"] or sitting["acrel"]:
        plan = _dial_plan(mapping(config.get("dial_in"), "dial_in"))
        for endpoint_id, meters in sitting["endpoint_id"].items():
            roads[endpoint_id] = Modem(meters, endpoint_id=endpoint_id, plan=plan, world=world, chance=chance)
        for serial_no, meters in sitting["acrel"].items():
            if not serial_no.isdecimal() or len(serial_no) > SERIAL_BYTES_MAX:
                raise FieldMalformed(f"acrel is a serial number of at most {SERIAL_BYTES_MAX} digits")
            manner = AcrelModule(serial_no)
            roads[serial_no] = Modem(
                meters, endpoint_id=serial_no, plan=plan, world=world, chance=chance, manner=manner
            )
    roads |= mqtt_config.devices_from(config, sitting["mqtt"], world=world, chance=chance)
    roads |= converters_from(config, sitting["converter"], world=world, chance=chance)
    roads |= nbiot_config.modems_from(config, sitting["nbiot"], world=world, chance=chance)
    roads |= operator_config.modems_from(config, sitting["operator"], world=world, chance=chance)
    return roads


def _meters_from(
    config: Mapping[str, Json], *, world: World, chance: Random
) -> dict[str, dict[str, list[VirtualMeter]]]:
    """The meters of each road, by the field that puts them there and the road's name."""
    key = config.get("soft_esam_key")
    esam = SoftEsam(DEMO_ESAM_KEY if key is None else bytes.fromhex(str(key)))
    zone_ms = whole(config.get("utc_offset_min", 0), "utc_offset_min") * MINUTE_MS
    sitting: dict[str, dict[str, list[VirtualMeter]]] = {place: {} for place in _PLACES}
    entries = config.get("meters")
    if not isinstance(entries, list):
        raise FieldMalformed("meters must be a list")
    for entry in entries:
        one = mapping(entry, "each of meters")
        setup = setup_from(one, zone_ms=zone_ms, chance=chance)
        meter = VirtualMeter(setup, now_ms=world.now_ms(), esam=esam, chance=chance)
        places = [place for place in _PLACES if place in one]
        if not places:
            raise FieldMalformed(f"meter {setup.meter_no} needs one of {', '.join(_PLACES)}")
        for place in places:
            sitting[place].setdefault(str(one[place]), []).append(meter)
    return sitting


def setup_from(entry: Mapping[str, Json], *, zone_ms: int, chance: Random) -> MeterSetup:
    """Make one meter's setup of its entry in the file."""
    error_ms = whole(entry.get("clock_error_s", 0), "clock_error_s") * 1_000
    changes: dict[str, object] = {"civil_offset_ms": zone_ms + error_ms}
    for name, value in entry.items():
        match name:
            case "credit_authority":
                changes[name] = CreditAuthority(one_of(value, _values(CreditAuthority), name=name))
            case "layout":
                changes[name] = RechargeLayout(one_of(value, _values(RechargeLayout), name=name))
            case "limits":
                changes[name] = filled(Limits(), mapping(value, name), what=name)
            case "load":
                changes[name] = _load(mapping(value, name), chance=chance)
            case "passwords":
                changes[name] = {int(level): str(word) for level, word in mapping(value, name).items()}
            case "relay_levels":
                changes[name] = frozenset(wholes(value, name))
            case "phases" if value not in (1, 3):
                raise FieldMalformed("phases must be 1 or 3")
            case _ if name not in _ELSEWHERE:
                changes[name] = value
    if "meter_no" not in entry:
        raise FieldMalformed("a meter needs its meter_no")
    return filled(MeterSetup(meter_no=""), changes, what="a meter")


def _values(kind: type[CreditAuthority] | type[RechargeLayout]) -> list[str]:
    return [one.value for one in kind]


def _load(entry: Mapping[str, Json], *, chance: Random) -> LoadProfile:
    match dict(entry):
        case {"power_w": value}:
            return ConstantLoad(power_w=whole(value, "power_w"))
        case {"household_peak_w": value}:
            return a_household(peak_power_w=whole(value, "household_peak_w"), chance=chance)
        case {"hourly_power_w": value} if isinstance(value, list) and len(value) == HOURS:
            return DailyLoad(hourly_power_w=wholes(value, "hourly_power_w"))
        case _:
            raise FieldMalformed("a load is power_w, household_peak_w, or 24 values of hourly_power_w")


def _dial_plan(entry: Mapping[str, Json]) -> DialPlan:
    changes: dict[str, object] = dict(entry)
    if "heartbeat" in entry:
        changes["heartbeat"] = str(entry["heartbeat"]).encode("ascii")
    if "answer_delay_ms" in entry:
        changes["answer_delay_ms"] = wholes(entry["answer_delay_ms"], "answer_delay_ms")
    return filled(DialPlan(host="127.0.0.1", port=0), changes, what="dial_in")
