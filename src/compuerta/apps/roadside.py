"""The roadside: where the platform waits for virtual meters, and what their process is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from compuerta.apps.town import BAUD, UTC_OFFSET_MIN, VENDOR, Home, Town, authority
from compuerta.domain.party import Bearer

ONE_WAY_MS = 40  # of 4G
ONE_WAY_NB_MS = 400
NB_LIFETIME_S = 30  # so long a device that is awake takes to see that its gateway has begun anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Roadside:
    """Where the platform waits for meters, and with what they let themselves in."""

    road_port: int
    bus_paths: Mapping[str, str]
    mqtt_port: int = 0
    mqtt_password: str = ""  # of the platform at the broker
    coap_port: int = 0
    window_s: int = 10  # for which a sleeper can be reached
    keys: Mapping[str, str] = field(default_factory=dict)  # of ends that show one, in hexadecimal


def fleet_config(
    town: Town, *, esam_key: bytes, control: str, roadside: Roadside, factor: int
) -> dict[str, object]:
    """Return what the virtual meters' process reads."""
    return {
        "factor": factor,
        "utc_offset_min": UTC_OFFSET_MIN,
        "soft_esam_key": esam_key.hex(),
        "control": control,
        "dial_in": {
            "host": "127.0.0.1",
            "port": roadside.road_port,
            "heartbeat_s": 30,
            "one_way_ms": ONE_WAY_MS,
            "redial_s_max": 2.0,
        },
        "buses": {name: {"baud": BAUD, "link": path} for name, path in roadside.bus_paths.items()},
        **_mqtt(town, roadside),
        **_nbiot(town, roadside),
        "meters": [_virtual(home) for home in town.homes],
    }


def _mqtt(town: Town, roadside: Roadside) -> dict[str, object]:
    """A broker that the meters' process holds, and its guests."""
    names = [home.endpoint_id for home in town.homes if home.bearer is Bearer.MQTT]
    if not names:
        return {}
    place = {"host": "127.0.0.1", "port": roadside.mqtt_port}
    return {
        "broker": {**place, "password": roadside.mqtt_password},
        "mqtt": {
            **place,
            "tenant": str(town.organisation_id),
            "secrets": {name: roadside.keys[name] for name in names},
            "one_way_ms": ONE_WAY_MS,
        },
    }


def _nbiot(town: Town, roadside: Roadside) -> dict[str, object]:
    modules = {home.nb_module: home for home in town.homes if home.nb_module is not None}
    if not modules:
        return {}
    return {
        "nbiot": {
            "host": "127.0.0.1",
            "port": roadside.coap_port,
            "one_way_ms": ONE_WAY_NB_MS,
            "lifetime_s": NB_LIFETIME_S,
            "window_s": roadside.window_s,
            "keys": {name: roadside.keys[name] for name in modules},
            "contact_s": {name: home.contact_s for name, home in modules.items() if home.contact_s},
        },
    }


_FLEET_FIELDS = {
    Bearer.DIAL_IN: "endpoint_id",
    Bearer.SERIAL: "bus",
    Bearer.MQTT: "mqtt",
    Bearer.COAP: "nbiot",
}


def _virtual(home: Home) -> dict[str, object]:
    return {
        "meter_no": home.meter_no,
        "customer_no": home.meter_no,
        "credit_authority": authority(home).value,
        "layout": "vendor" if home.model == VENDOR else "standard",
        "price_e4": int(home.price.replace(".", "")),
        "load": {"power_w": home.power_w},
        "baud": BAUD,
        _FLEET_FIELDS[home.bearer]: home.endpoint_id,
        **({} if home.spare is None else {"nbiot": home.spare.endpoint_id}),
    }
