"""Commands, their states, and what devices say, as JSON; and the seal that shows whose a letter is."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

from compuerta.domain.errors import Refused

FRAME_BYTES_MAX: Final = 512
ID_MAX: Final = 64
SEAL_HEADER: Final = "x-seal"
SEAL_S_MAX: Final = 300  # a letter older than this is somebody's copy of it
SERVICE: Final = "RawData"


class LetterMalformed(Refused):
    """JSON that is no letter of this form."""

    def __init__(self, field: str) -> None:
        super().__init__(f"letter: {field} cannot be read")
        self.field = field


class CommandState(Enum):
    """Where a command stands at the operator's platform."""

    DEFAULT = "DEFAULT"
    PENDING = "PENDING"  # kept until the device is heard
    SENT = "SENT"
    DELIVERED = "DELIVERED"  # the device has acknowledged it
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"  # nobody was there in time
    TIMEOUT = "TIMEOUT"
    CANCELED = "CANCELED"


ENDED: Final = frozenset(
    {
        CommandState.SUCCESSFUL,
        CommandState.FAILED,
        CommandState.EXPIRED,
        CommandState.TIMEOUT,
        CommandState.CANCELED,
    }
)
# Pushes shorten two of them.
_STATES: Final = {**{each.value: each for each in CommandState}} | {
    "SUCCESS": CommandState.SUCCESSFUL,
    "FAIL": CommandState.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Bytes for a device, and how long the platform may keep them."""

    device_id: str
    frame: bytes
    expire_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a command stands."""

    device_id: str
    command_id: str
    state: CommandState


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Bytes from a device; empty where it only shows that it is there."""

    device_id: str
    request_id: str  # of this push: one that comes twice is taken once
    frame: bytes
    rsrp_dbm: int | None = None
    snr_db: int | None = None
    cell: str | None = None


Push = Said | Standing


def command_to(command: Command) -> bytes:
    """Write a command."""
    return _json(
        {
            "deviceId": command.device_id,
            "command": {
                "serviceId": SERVICE,
                "method": "WRITE",
                "paras": {"rawData": base64.b64encode(command.frame).decode()},
            },
            "expireTime": command.expire_s,
        }
    )


def command_from(body: bytes) -> Command:
    """Read a command."""
    letter = _mapping(body)
    asked = _part(letter, "command")
    expire_s = letter.get("expireTime")
    if not isinstance(expire_s, int) or isinstance(expire_s, bool) or expire_s < 0:
        raise LetterMalformed("expireTime")
    return Command(device_id=_id(letter, "deviceId"), frame=_frame(_part(asked, "paras")), expire_s=expire_s)


def standing_to(standing: Standing) -> bytes:
    """Write how a command stands: the answer to a command, and the push of a change."""
    return _json(
        {
            "deviceId": standing.device_id,
            "commandId": standing.command_id,
            "status": standing.state.value,
            "result": {"resultCode": standing.state.value, "resultDetail": None},
        }
    )


def said_to(said: Said) -> bytes:
    """Write the push of what a device says."""
    values: dict[str, object] = {"rawData": base64.b64encode(said.frame).decode()}
    values |= {"rsrp": said.rsrp_dbm, "snr": said.snr_db, "cellId": said.cell}
    return _json(
        {
            "notifyType": "deviceDataChanged",
            "deviceId": said.device_id,
            "requestId": said.request_id,
            "service": {
                "serviceId": SERVICE,
                "data": {name: value for name, value in values.items() if value is not None},
            },
        }
    )


def standing_from(body: bytes) -> Standing:
    """Read the platform's answer to a command."""
    return _standing(_mapping(body))


def push_from(body: bytes) -> Push:
    """Read a push; refuses what is neither a device's word nor a command's state."""
    letter = _mapping(body)
    if "commandId" in letter:
        return _standing(letter)
    values = _part(_part(letter, "service"), "data")
    cell = values.get("cellId")
    return Said(
        device_id=_id(letter, "deviceId"),
        request_id=_id(letter, "requestId"),
        frame=_frame(values),
        rsrp_dbm=_decibels(values, "rsrp"),
        snr_db=_decibels(values, "snr"),
        cell=cell[:ID_MAX] if isinstance(cell, str) else None,
    )


def seal(body: bytes, *, at_s: int, secret: bytes) -> str:
    """Return what shows that a letter is from who has the secret, and of when."""
    return f"t={at_s},v={hmac.new(secret, f'{at_s}.'.encode() + body, sha256).hexdigest()}"


def is_sealed(body: bytes, said: str, *, secret: bytes, now_s: int) -> bool:
    """Tell whether a seal is genuine and new."""
    stamp = said.partition(",")[0].removeprefix("t=")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return False
    if abs(now_s - int(stamp)) > SEAL_S_MAX:
        return False
    return hmac.compare_digest(said.encode(), seal(body, at_s=int(stamp), secret=secret).encode())


def _standing(letter: Mapping[str, object]) -> Standing:
    result = letter.get("result")
    said = result.get("resultCode") if isinstance(result, Mapping) else letter.get("status")
    state = _STATES.get(said) if isinstance(said, str) else None
    if state is None:
        raise LetterMalformed("resultCode")
    return Standing(device_id=_id(letter, "deviceId"), command_id=_id(letter, "commandId"), state=state)


def _json(letter: Mapping[str, object]) -> bytes:
    return json.dumps(letter, separators=(",", ":")).encode()


def _mapping(body: bytes) -> Mapping[str, object]:
    try:
        letter: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LetterMalformed("JSON") from error
    if not isinstance(letter, dict):
        raise LetterMalformed("JSON")
    return letter


def _part(letter: Mapping[str, object], field: str) -> Mapping[str, object]:
    part = letter.get(field)
    if not isinstance(part, dict):
        raise LetterMalformed(field)
    return part


def _id(letter: Mapping[str, object], field: str) -> str:
    value = letter.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= ID_MAX or not value.isprintable():
        raise LetterMalformed(field)
    return value


def _frame(values: Mapping[str, object]) -> bytes:
    raw = values.get("rawData")
    try:
        frame = base64.b64decode(raw, validate=True) if isinstance(raw, str) else None
    except (binascii.Error, ValueError) as error:
        raise LetterMalformed("rawData") from error
    if frame is None or len(frame) > FRAME_BYTES_MAX:
        raise LetterMalformed("rawData")
    return frame


def _decibels(values: Mapping[str, object], field: str) -> int | None:
    value = values.get(field)
    return value if isinstance(value, int) and -200 <= value <= 100 else None
