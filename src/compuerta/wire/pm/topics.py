"""Topics of the contract: whose they are, and which way they go."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from compuerta.wire.pm.letters import ProtocolError

_ROOT: Final = "pm/v1"
# What a broker's rule can hold without meaning more than one device: no slash, no wildcard.
_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


class Direction(Enum):
    """The last level of a topic."""

    UP = "up"  # readings that a device pushes
    EVENT = "ev"  # that it is here or gone, how it hears the mast, what a meter says unasked
    COMMAND = "cmd"  # to the device
    ANSWER = "rsp"


_LEVELS: Final = _ROOT.split("/")
_DIRECTIONS: Final = {direction.value: direction for direction in Direction}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose topic it is, and which way it goes."""

    tenant: str
    device: str
    direction: Direction


def topic(tenant: str, device: str, direction: Direction) -> str:
    """Return a topic; `+` stands for any tenant or device, to listen."""
    return f"{_ROOT}/{tenant}/{device}/{direction.value}"


def shared(group: str, direction: Direction) -> str:
    """Return the filter by which several listeners share all devices' messages."""
    return f"$share/{group}/{topic('+', '+', direction)}"


def place_of(name: str) -> Place:
    """Return what a topic says; refuses (`ProtocolError`) what is none of the contract's."""
    levels = name.split("/")
    if len(levels) != 5 or levels[:2] != _LEVELS or not is_name(levels[3]):
        raise ProtocolError(f"topic {name[:80]!r} is none of ours")
    direction = _DIRECTIONS.get(levels[4])
    if direction is None:
        raise ProtocolError(f"topic {name[:80]!r} goes no way that we know")
    return Place(tenant=levels[2], device=levels[3], direction=direction)


def is_name(device: str) -> bool:
    """Tell whether a device may be called so."""
    return _NAME.fullmatch(device) is not None
