"""Objects and resources of LwM2M that meters have, by the numbers of the OMA registry."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

Path = tuple[str, ...]

# Object 19, "BinaryAppDataContainer": /19/0/0 is what the device says, /19/1/0 what it is told. Platforms of
# Chinese operators carry everything by this pair, and we carry the meter's own frames in it.
SAYS: Final[Path] = ("19", "0", "0")
IS_TOLD: Final[Path] = ("19", "1", "0")
SIGNAL: Final[Path] = ("4", "0")
REGISTRATION: Final[Path] = ("rd",)
UPDATE_TRIGGER: Final[Path] = ("1", "0", "8")  # executed, it makes the device say that it is there


class ContentFormat(IntEnum):
    """Forms of payloads (LwM2M 1.1 7.4)."""

    TEXT = 0
    LINK = 40
    OPAQUE = 42
    JSON = 50
    CBOR = 60
    SENML_JSON = 110
    SENML_CBOR = 112
    TLV = 11542
    LWM2M_JSON = 11543


OBJECT_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "security",
        1: "server",
        3: "device",
        4: "connectivity",
        5: "firmware",
        19: "binary container",
        3305: "power measurement",
        3306: "actuation",
        3312: "power control",
        3331: "energy",
        10242: "three-phase meter",
        10243: "single-phase meter",
    }
)
RESOURCE_NAMES: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (1, 1): "lifetime_s",
        (1, 8): "registration update trigger",
        (3, 0): "manufacturer",
        (3, 1): "model",
        (3, 2): "serial number",
        (3, 4): "reboot",
        (3, 11): "error code",
        (3, 13): "clock",
        (4, 2): "rsrp_dbm",
        (4, 3): "link quality",
        (4, 8): "cell",
        (4, 11): "snr_db",
        (19, 0): "opaque",
        (3305, 5800): "active power, W",
        (3305, 5805): "active energy, Wh",
        (3305, 5820): "power factor",
        (3306, 5850): "on",
        (3331, 5700): "energy",
        (3331, 5701): "unit",
        (3331, 5805): "energy, Wh",
    }
)


def path_of(text: str) -> Path:
    """Split "/3306/0/5850" into its parts."""
    return tuple(part for part in text.split("/") if part)


def name_of(path: Path) -> str:
    """Return what a path is called in words; "" where we do not know it."""
    if not path or not all(part.isascii() and part.isdecimal() and len(part) <= 5 for part in path):
        return ""
    object_id = int(path[0])
    names = [OBJECT_NAMES.get(object_id, "")]
    if len(path) >= 3:
        names.append(RESOURCE_NAMES.get((object_id, int(path[2])), ""))
    return ": ".join(name for name in names if name)
