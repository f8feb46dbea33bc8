"""What is written under the topics: commands, answers, events and readings, as JSON or as CBOR.

Both carry the same fields. A frame of the meter's own protocol is hexadecimal in JSON and bytes in CBOR; an
instant is milliseconds since 1970. Fields that nobody knows are read over, so that devices may say more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import cbor2
import orjson

from compuerta.domain.errors import Refused

LETTER_BYTES_MAX: Final = 32_768
FRAME_BYTES_MAX: Final = 512  # two frames of DL/T 645, or Modbus, with room
READINGS_MAX: Final = 200  # of one letter: what a device has kept for a day on 96 lines comes in several
NUMBER_MAX: Final = 2**63 - 1
TEXT_MAX: Final = 80


class ProtocolError(Refused):
    """A letter or a topic that is not as the contract says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Encoding(Enum):
    """How a letter is written; the value is its content type."""

    JSON = "application/json"
    CBOR = "application/cbor"


class What(Enum):
    """What an event tells."""

    ONLINE = "online"  # the device is here, and listens
    OFFLINE = "offline"  # it is gone; also its will, which the broker tells
    FRAME = "frame"  # a meter spoke unasked
    SIGNAL = "signal"  # how well it hears the mast


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A frame for the device's meters; an empty one only asks whether it is here."""

    seq: int
    ts_ms: int
    cid: str  # the answer carries it
    exp_ms: int  # from then on it is not to be obeyed
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the meters said to a command, or a part of it: `seq` grows from one to the next."""

    seq: int
    ts_ms: int
    cid: str
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a device tells of itself."""

    seq: int
    ts_ms: int
    what: What
    frame: bytes = b""
    rsrp_dbm: int | None = None
    snr_db: int | None = None
    csq: int | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedReading:
    """What one meter's register showed at an instant of its own."""

    meter_no: str
    ts_ms: int
    energy_wh: int
    power_w: int | None = None
    relay: str | None = None  # "closed", "permitted", "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Registers that a device pushes of its own accord."""

    seq: int
    ts_ms: int
    readings: tuple[PushedReading, ...]


Fields = Mapping[str, object]
_RELAYS: Final = (None, "closed", "permitted", "open")


def encode(letter: Command | Answer | Event | Readings, encoding: Encoding) -> bytes:
    """Write a letter."""
    fields: dict[str, object] = {"seq": letter.seq, "ts": letter.ts_ms}
    match letter:
        case Command():
            fields |= {"cid": letter.cid, "exp": letter.exp_ms, "frame": letter.frame}
        case Answer():
            fields |= {"cid": letter.cid, "frame": letter.frame}
        case Event():
            fields |= {"what": letter.what.value, "frame": letter.frame or None}
            fields |= {name: getattr(letter, name) for name in ("rsrp_dbm", "snr_db", "csq", "cell")}
        case Readings():
            fields["readings"] = [_reading_fields(each) for each in letter.readings]
    said = {name: value for name, value in fields.items() if value is not None}
    if encoding is Encoding.CBOR:
        return cbor2.dumps(said)
    frame = said.get("frame")
    if isinstance(frame, bytes):
        said["frame"] = frame.hex()
    return orjson.dumps(said)


def _reading_fields(reading: PushedReading) -> dict[str, object]:
    fields = {
        "meter_no": reading.meter_no,
        "ts": reading.ts_ms,
        "energy_wh": reading.energy_wh,
        "power_w": reading.power_w,
        "relay": reading.relay,
    }
    return {name: value for name, value in fields.items() if value is not None}


def command_from(octets: bytes) -> tuple[Command, Encoding]:
    """Read a command; raises `ProtocolError`."""
    fields, encoding = _fields(octets)
    command = Command(
        seq=_number(fields, "seq"),
        ts_ms=_number(fields, "ts"),
        cid=_text(fields, "cid"),
        exp_ms=_number(fields, "exp"),
        frame=_frame(fields),
    )
    return command, encoding


def answer_from(octets: bytes) -> tuple[Answer, Encoding]:
    """Read an answer; raises `ProtocolError`."""
    fields, encoding = _fields(octets)
    answer = Answer(
        seq=_number(fields, "seq"),
        ts_ms=_number(fields, "ts"),
        cid=_text(fields, "cid"),
        frame=_frame(fields),
    )
    return answer, encoding


def event_from(octets: bytes) -> tuple[Event, Encoding]:
    """Read an event; raises `ProtocolError`."""
    fields, encoding = _fields(octets)
    try:
        what = What(_text(fields, "what"))
    except ValueError as error:
        raise ProtocolError("an event of a kind that is not known") from error
    event = Event(
        seq=_number(fields, "seq"),
        # A will is written before one knows when it will be told.
        ts_ms=_number(fields, "ts") if "ts" in fields else 0,
        what=what,
        frame=_frame(fields) if "frame" in fields else b"",
        rsrp_dbm=_perhaps(fields, "rsrp_dbm"),
        snr_db=_perhaps(fields, "snr_db"),
        csq=_perhaps(fields, "csq"),
        cell=_text(fields, "cell") if fields.get("cell") is not None else None,
    )
    return event, encoding


def readings_from(octets: bytes) -> Readings:
    """Read pushed registers; raises `ProtocolError`: a letter is taken whole or not at all."""
    fields, _ = _fields(octets)
    entries = fields.get("readings")
    if not isinstance(entries, list) or not 0 < len(entries) <= READINGS_MAX:
        raise ProtocolError(f"readings must be a list of 1 to {READINGS_MAX}")
    return Readings(
        seq=_number(fields, "seq"),
        ts_ms=_number(fields, "ts"),
        readings=tuple(_reading(each) for each in entries),
    )


def _reading(entry: object) -> PushedReading:
    if not isinstance(entry, dict):
        raise ProtocolError("a reading must be an object")
    relay = entry.get("relay")
    if relay not in _RELAYS:
        raise ProtocolError("a relay is closed, permitted or open")
    return PushedReading(
        meter_no=_text(entry, "meter_no"),
        ts_ms=_number(entry, "ts"),
        energy_wh=_number(entry, "energy_wh"),
        power_w=_perhaps(entry, "power_w"),
        relay=relay,
    )


def _fields(octets: bytes) -> tuple[Fields, Encoding]:
    if len(octets) > LETTER_BYTES_MAX:
        raise ProtocolError(f"a letter of {len(octets)} bytes; {LETTER_BYTES_MAX} are taken")
    encoding = Encoding.JSON if octets[:1] == b"{" else Encoding.CBOR
    try:
        said = orjson.loads(octets) if encoding is Encoding.JSON else cbor2.loads(octets)
    except (ValueError, RecursionError, cbor2.CBORDecodeError, ArithmeticError, MemoryError) as error:
        raise ProtocolError(f"a letter that is no {encoding.value}") from error
    if not isinstance(said, dict):
        raise ProtocolError("a letter must be an object")
    return said, encoding


def _number(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= NUMBER_MAX:
        raise ProtocolError(f"{name} must be a whole number from 0 on")
    return value


def _perhaps(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > NUMBER_MAX:
        raise ProtocolError(f"{name} must be a whole number")
    return value


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    # What cannot be printed cannot be told in an alarm either: no database's text holds a NUL.
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or not value.isprintable():
        raise ProtocolError(f"{name} must be a text of 1 to {TEXT_MAX} characters that can be printed")
    return value


def _frame(fields: Fields) -> bytes:
    value = fields.get("frame")
    if isinstance(value, str):
        try:
            value = bytes.fromhex(value)
        except ValueError as error:
            raise ProtocolError("frame must be hexadecimal") from error
    if not isinstance(value, bytes) or len(value) > FRAME_BYTES_MAX:
        raise ProtocolError(f"frame must be at most {FRAME_BYTES_MAX} bytes")
    return value
