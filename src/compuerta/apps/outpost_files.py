"""What an outpost has on its disk: who it is, its lines, its last orders and its journal.

    outpost.json   {"outpost_id": "house-7", "platform": "host:7646", "key": "<hex>", "certificate": "<PEM>",
                    "lines": {"1": {"device": "/dev/ttyUSB0", "baud": 2400, "parity": "even"}}}
    orders.json    the platform's last word
    journal        what was noted since

The directory is for the outpost's own user alone: the key in it is all that the platform believes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.outpost_client import Identity
from compuerta.apps.files import write_whole
from compuerta.domain.errors import Refused
from compuerta.services.mandating import Orders
from compuerta.wire.outpost import LINES_MAX

CONFIG_FILE: Final = "outpost.json"
ORDERS_FILE: Final = "orders.json"
JOURNAL_FILE: Final = "journal"
_PORT_MAX: Final = 65_535
_BAUDS: Final = frozenset({600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200})
Parity = Literal["even", "none", "odd"]
_PARITIES: Mapping[str, Parity] = {"even": "even", "none": "none", "odd": "odd"}


class OutpostFileMalformed(Refused):
    """A file of an outpost that cannot be used; the field is named."""

    def __init__(self, path: Path, field: str, reason: str) -> None:
        super().__init__(f"{path}: {field}: {reason}")
        self.path = path
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """One serial port of an outpost."""

    line: int
    device: str
    baud: int
    parity: Parity = "even"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutpostPlan:
    """Who an outpost is, and which lines it has."""

    directory: Path
    identity: Identity
    lines: tuple[LinePlan, ...]


def plan_in(directory: Path) -> OutpostPlan:
    """Read `outpost.json`; raises `OutpostFileMalformed` by field."""
    path = directory / CONFIG_FILE
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutpostFileMalformed(path, "file", error.strerror or str(error)) from error
    except ValueError as error:
        raise OutpostFileMalformed(path, "file", "is no JSON") from error
    fields = tree if isinstance(tree, dict) else {}
    host, _, port = _text(path, fields, "platform").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
        raise OutpostFileMalformed(path, "platform", "write host:port")
    try:
        key = bytes.fromhex(_text(path, fields, "key"))
    except ValueError as error:
        raise OutpostFileMalformed(path, "key", "is not hexadecimal") from error
    lines = fields.get("lines")
    if not isinstance(lines, dict) or not lines:
        raise OutpostFileMalformed(path, "lines", "name at least one line")
    return OutpostPlan(
        directory=directory,
        identity=Identity(
            outpost_id=_text(path, fields, "outpost_id"),
            key=key,
            host=host,
            port=int(port),
            certificate=_text(path, fields, "certificate"),
        ),
        lines=tuple(_line(path, name, each) for name, each in sorted(lines.items())),
    )


def write_plan(plan: OutpostPlan) -> Path:
    """Write `outpost.json` into a directory, for its owner alone; returns the file."""
    identity = plan.identity
    lines = {
        str(each.line): {"device": each.device, "baud": each.baud, "parity": each.parity}
        for each in plan.lines
    }
    tree = {
        "outpost_id": identity.outpost_id,
        "platform": f"{identity.host}:{identity.port}",
        "key": identity.key.hex(),
        "certificate": identity.certificate,
        "lines": lines,
    }
    plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = plan.directory / CONFIG_FILE
    write_whole(path, json.dumps(tree, indent=2).encode())
    return path


def orders_in(directory: Path) -> Orders | None:
    """Return the last orders; None where there are none yet. Raises `TextMalformed`."""
    try:
        text = (directory / ORDERS_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return outpost_text.orders_from(text)


def _text(path: Path, fields: Mapping[str, object], name: str, *, within: str = "") -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise OutpostFileMalformed(path, within + name, "write a text")
    return value


def _line(path: Path, name: str, fields: object) -> LinePlan:
    where = f"lines.{name}"
    if not name.isdecimal() or not 0 < int(name) <= LINES_MAX:
        raise OutpostFileMalformed(path, where, f"lines are called 1 to {LINES_MAX}")
    if not isinstance(fields, dict):
        raise OutpostFileMalformed(path, where, "write a device and a baud rate")
    baud, parity = fields.get("baud", 2_400), _PARITIES.get(str(fields.get("parity", "even")))
    if baud not in _BAUDS:
        raise OutpostFileMalformed(path, f"{where}.baud", f"write one of {sorted(_BAUDS)}")
    if parity is None:
        raise OutpostFileMalformed(path, f"{where}.parity", "write even, none or odd")
    return LinePlan(
        line=int(name),
        device=_text(path, fields, "device", within=f"{where}."),
        baud=int(baud),
        parity=parity,
    )
