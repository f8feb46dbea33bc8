"""How a device that dials in is known by its first bytes where it sends no registration text.

A DL/T 645 meter tells its number in its first frame, Acrel's meters log in with a serial number, IVY's send a
heartbeat with their number. A Modbus frame has no name but a unit, so a bare Modbus dialer is let in only
where somebody entered that unit as the end's address.
Everything here is pure; whether who is named may come in is for the port to say.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from compuerta.adapters.links.registration import DialProfile, Template, rtu_bytes
from compuerta.wire import acrel, dlt645

# The longest first frame: a Modbus answer, or 216 bytes of DL/T 645 after its FE.
FIRST_BYTES_MAX: Final = 300
MODBUS_NAME: Final = "modbus:"
_WAKE: Final = b"\xfe"
_DLT645_START: Final = b"\x68"
_ACREL_LOGIN: Final = b"\x7b\x7b\x84"


class Dialect(Enum):
    """In what manner a session carries its frames."""

    BARE = "bare"  # as they are
    ACREL = "acrel"  # wrapped in the maker's frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """Who dialed, and the bytes of it that are still to be heard."""

    registration: str
    dialect: Dialect
    rest: bytes


class Unclear(Enum):
    """Why nobody is known by the bytes so far."""

    MORE = "more"  # they may become an introduction
    NOBODY = "nobody"


def introduction(received: bytes) -> Introduction | Unclear:
    """Return who dials with `received`, all that it has said so far."""
    first = received[:FIRST_BYTES_MAX]
    if first[:1] in (_WAKE, _DLT645_START):
        known = _by_dlt645(first)
    elif _agree(first, _ACREL_LOGIN):
        known = _by_acrel(first)
    else:
        known = _by_modbus(first)
    if isinstance(known, str):
        # Even the bytes that named it are still to be heard: a login is answered, a frame is a meter's word.
        dialect = Dialect.ACREL if first.startswith(_ACREL_LOGIN) else Dialect.BARE
        return Introduction(registration=known, dialect=dialect, rest=received)
    return Unclear.NOBODY if len(received) > FIRST_BYTES_MAX else known


def _agree(received: bytes, start: bytes) -> bool:
    return received[: len(start)] == start[: len(received)]


def _by_dlt645(received: bytes) -> str | Unclear:
    deframer = dlt645.Deframer()
    frames = deframer.receive(received, now_ms=0)
    if not frames:
        is_waking = len(received) <= dlt645.WAKE_BYTES_MAX and not received.strip(_WAKE)
        # A whole frame is found at its last byte; what is none is given up as soon as it is known to be.
        is_whole_so_far = not deframer.frames_damaged and not deframer.is_empty
        return Unclear.MORE if is_waking or is_whole_so_far else Unclear.NOBODY
    first = frames[0]
    if not first.control & dlt645.ANSWER_BIT or not first.address.isdecimal():
        return Unclear.NOBODY
    return first.address


def _by_acrel(received: bytes) -> str | Unclear:
    if len(received) < acrel.LOGIN_FRAME_BYTES:
        return Unclear.MORE
    frames = acrel.Deframer().receive(received[: acrel.LOGIN_FRAME_BYTES], now_ms=0)
    try:
        login = acrel.parse(frames[0]) if frames else None
    except acrel.ProtocolError:
        login = None
    if not isinstance(login, acrel.Login):
        return Unclear.NOBODY
    return login.serial_no


def _by_modbus(received: bytes) -> str | Unclear:
    frame_bytes = rtu_bytes(received)
    if frame_bytes is None:
        return Unclear.MORE
    if frame_bytes == 0:
        return Unclear.NOBODY
    return f"{MODBUS_NAME}{received[0]}"


def ivy_profile() -> DialProfile:
    """Return how IVY's meters dial in: a heartbeat in a DLMS wrapper, with the meter's number.

    00 01 00 01 00 01 00 12 | 0A 02 0C | twelve digits | three bytes; the kind of its check sum is not known.
    """
    fixed = bytes.fromhex("00010001000100120a020c")
    allowed = (
        *(bytes((octet,)) for octet in fixed),
        *(b"0123456789",) * 12,
        *(bytes(range(256)),) * 3,
    )
    heartbeat = Template(allowed=allowed, hole=slice(len(fixed), len(fixed) + 12))
    return DialProfile(registration=heartbeat, heartbeat_s=60)
