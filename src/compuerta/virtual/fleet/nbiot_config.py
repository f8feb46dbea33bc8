"""NB-IoT in a fleet's file: where the platform is, and of each device its key and its sleep."""

from collections.abc import Mapping, Sequence
from random import Random

from compuerta.virtual.fleet.fields import Json, filled, mapping, wholes
from compuerta.virtual.fleet.nbiot import NbModem, NbPlan
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter


def modems_from(
    config: Mapping[str, Json],
    sitting: Mapping[str, Sequence[VirtualMeter]],
    *,
    world: World,
    chance: Random,
) -> dict[str, NbModem]:
    """Make the devices that meters sit behind, by their names; refuses with `FieldMalformed`."""
    return {
        name: NbModem(
            meters,
            name=name,
            plan=_plan(mapping(config.get("nbiot"), "nbiot"), name),
            world=world,
            chance=chance,
        )
        for name, meters in sitting.items()
    }


def _plan(entry: Mapping[str, Json], name: str) -> NbPlan:
    """How one device lives: what all have in common, with its own key and sleep."""
    changes: dict[str, object] = {}
    for field, value in entry.items():
        match field:
            case "keys":
                changes["key"] = bytes.fromhex(str(mapping(value, "nbiot.keys").get(name, "")))
            case "contact_s":
                changes[field] = mapping(value, "nbiot.contact_s").get(name, 0)
            case "answer_delay_ms":
                changes[field] = wholes(value, field)
            case _:
                changes[field] = value
    return filled(NbPlan(host="127.0.0.1", port=0), changes, what="nbiot")
