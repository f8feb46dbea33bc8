"""A fleet's broker and its devices, from the fleet's file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from compuerta.virtual.broker import PLATFORM, Guests
from compuerta.virtual.fleet.fields import FieldMalformed, Json, filled, mapping, whole, wholes
from compuerta.virtual.fleet.mqtt import MqttDevice, MqttPlan
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPlan:
    """The broker that the fleet itself holds, where no other is there."""

    host: str
    port: int
    guests: Guests


def broker_from(config: Mapping[str, Json]) -> BrokerPlan | None:
    """Read `broker`: its guests are the platform and the devices with a secret."""
    if "broker" not in config:
        return None
    entry = mapping(config["broker"], "broker")
    password = entry.get("password")
    if not isinstance(password, str) or not password:
        raise FieldMalformed("broker needs the password of the user platform")
    return BrokerPlan(
        host=str(entry.get("host", "127.0.0.1")),
        port=whole(entry.get("port", 0), "broker.port"),
        guests=Guests(words={**_secrets(config), PLATFORM: password}),
    )


def devices_from(
    config: Mapping[str, Json],
    sitting: Mapping[str, Sequence[VirtualMeter]],
    *,
    world: World,
    chance: Random,
) -> dict[str, MqttDevice]:
    """Make the devices that meters sit behind, by their names."""
    if not sitting:
        return {}
    entry = dict(mapping(config.get("mqtt"), "mqtt"))
    secrets = _secrets(config)
    entry.pop("secrets", None)
    changes: dict[str, object] = dict(entry)
    if "answer_delay_ms" in entry:
        changes["answer_delay_ms"] = wholes(entry["answer_delay_ms"], "answer_delay_ms")
    plan = filled(MqttPlan(host="127.0.0.1", port=1883), changes, what="mqtt")
    return {
        name: MqttDevice(
            meters, name=name, secret=secrets.get(name, ""), plan=plan, world=world, chance=chance
        )
        for name, meters in sitting.items()
    }


def _secrets(config: Mapping[str, Json]) -> dict[str, str]:
    entry = mapping(config.get("mqtt", {}), "mqtt")
    return {name: str(secret) for name, secret in mapping(entry.get("secrets", {}), "mqtt.secrets").items()}
