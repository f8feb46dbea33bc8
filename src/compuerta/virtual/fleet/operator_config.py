"""An operator's platform in a fleet's file: where it listens and pushes, and how its devices sleep."""

from collections.abc import Mapping, Sequence
from random import Random

from compuerta.virtual.fleet.fields import Json, filled, mapping, whole, wholes
from compuerta.virtual.fleet.operated import OperatedModem, OperatedPlan
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.operator.platform import Contract, OperatorPlatform

_OF_THE_CONTRACT = frozenset({"host", "port", "push_url", "secret"})


def modems_from(
    config: Mapping[str, Json],
    sitting: Mapping[str, Sequence[VirtualMeter]],
    *,
    world: World,
    chance: Random,
) -> dict[str, OperatedModem]:
    """Make the devices behind the platform, by the operator's ids; refuses with `FieldMalformed`."""
    if not sitting:
        return {}
    entry = mapping(config.get("operator"), "operator")
    platform = OperatorPlatform(
        Contract(
            host=str(entry.get("host", "127.0.0.1")),
            port=whole(entry.get("port"), "operator.port"),
            push_url=str(entry.get("push_url")),
            secret=str(entry.get("secret")).encode(),
        )
    )
    return {
        device_id: OperatedModem(
            meters,
            device_id=device_id,
            plan=_plan(entry, device_id),
            platform=platform,
            world=world,
            chance=chance,
        )
        for device_id, meters in sitting.items()
    }


def _plan(entry: Mapping[str, Json], device_id: str) -> OperatedPlan:
    changes: dict[str, object] = {}
    for field, value in entry.items():
        match field:
            case "contact_s":
                changes[field] = mapping(value, "operator.contact_s").get(device_id, 0)
            case "answer_delay_ms":
                changes[field] = wholes(value, field)
            case _ if field not in _OF_THE_CONTRACT:
                changes[field] = value
    return filled(OperatedPlan(), changes, what="operator")
