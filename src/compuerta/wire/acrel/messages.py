"""What the frames of Acrel's 4G meters say, as far as it is known; what is not is kept as it came.

Published by the maker: login, time, heartbeat. From open platforms that serve these meters: the sections of a
data frame, and passthrough. Not known: what parameters (82), server (88) and alarms (89) carry, and the order
number of the second passthrough (97).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from compuerta.domain.crc16 import crc16
from compuerta.wire.acrel.frame import Frame, ProtocolError, encode

SERIAL_BYTES: Final = 20  # ASCII, filled up with 00
ICCID_BYTES: Final = 30
LOGIN_BYTES: Final = 58
LOGIN_FRAME_BYTES: Final = LOGIN_BYTES + 7
SECTIONS_MAX: Final = 64  # of one data frame; the published ones have two or three
RTU_BYTES_MIN: Final = 5  # unit, function, one byte, CRC


class Command(Enum):
    """What a frame is about."""

    PARAMETERS = 0x82
    LOGIN = 0x84
    SERVER = 0x88
    ALARM = 0x89
    PASSTHROUGH = 0x90
    UPLOAD = 0x91
    TIME = 0x93
    HEARTBEAT = 0x94
    PASSTHROUGH_NUMBERED = 0x97


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The first that a meter says."""

    serial_no: str
    iccid: str
    signal: int  # the unit is not published; what was seen fits CSQ, 0 to 31
    firmware: tuple[str, str, str]
    upload_min: int  # a data frame comes so often


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAsked:
    """A meter wants the local time."""

    serial_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A meter lives; the maker wants no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a data frame: "1-1" are the registers, "1-2" and "1-3" are of other lengths and meanings."""

    place: str
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a meter tells unasked, every half hour unless it was told otherwise."""

    serial_no: str | None
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What went through the meter's module unchanged, usually a Modbus RTU frame."""

    serial_no: str | None
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A frame whose body is not known."""

    command: int
    body: bytes


Message = Login | TimeAsked | Heartbeat | Upload | Carried | Unread


def parse(frame: Frame) -> Message:
    """Return what a meter says by `frame`; raises `ProtocolError` where it says it in no known form."""
    body = frame.body
    match frame.command:
        case Command.LOGIN.value:
            return _login(body)
        case Command.TIME.value:
            if len(body) != SERIAL_BYTES:
                raise ProtocolError(f"a question for the time is {SERIAL_BYTES} bytes long", octets=body)
            return TimeAsked(serial_no=_text(body))
        case Command.HEARTBEAT.value:
            return Heartbeat()
        case Command.UPLOAD.value:
            return _upload(body)
        case Command.PASSTHROUGH.value:
            return _carried(body)
        case _:
            return Unread(command=frame.command, body=body)


def answer(message: Message, *, civil_now: datetime | None) -> bytes:
    """Give the bytes that `message` is answered with; none where it wants no answer.

    `civil_now` is the local time of the meter's site; None = not known, and a wrong time is worse than none.
    """
    match message:
        case Login():
            return encode(Frame(command=Command.LOGIN.value))
        case Upload():
            return encode(Frame(command=Command.UPLOAD.value))
        case TimeAsked() if civil_now is not None:
            return encode(Frame(command=Command.TIME.value, body=time_body(civil_now)))
        case Unread(command=Command.ALARM.value):
            # Not published; the other reports of a meter are answered like this.
            return encode(Frame(command=Command.ALARM.value))
        case _:
            return b""


def carry(rtu: bytes) -> bytes:
    """Give the bytes that bring a Modbus RTU frame to the meter behind the module."""
    return encode(Frame(command=Command.PASSTHROUGH.value, body=rtu))


def time_body(civil: datetime) -> bytes:
    """Give seven bytes of local time: year, month, day, weekday, hour, minute, second.

    Monday is 1 and Sunday 0, as the clock in a meter's own data frame counts; the answer that the maker
    published counts one more.
    """
    return bytes(
        (
            civil.year % 100,
            civil.month,
            civil.day,
            civil.isoweekday() % 7,
            civil.hour,
            civil.minute,
            civil.second,
        )
    )


def time_of(body: bytes) -> datetime:
    """Return the local time in seven bytes; whatever the weekday says. Raises `ProtocolError`."""
    if len(body) != 7:
        raise ProtocolError("a time is seven bytes long", octets=body)
    year, month, day, _, hour, minute, second = body
    try:
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - a meter's clock
    except ValueError as error:
        raise ProtocolError(f"is no time: {error}", octets=body) from error


def _login(body: bytes) -> Login:
    if len(body) != LOGIN_BYTES:
        raise ProtocolError(f"a login is {LOGIN_BYTES} bytes long", octets=body)
    signal_at = SERIAL_BYTES + ICCID_BYTES
    firmware = body[signal_at + 1 : -1].hex()
    return Login(
        serial_no=_text(body[:SERIAL_BYTES]),
        iccid=_text(body[SERIAL_BYTES:signal_at]),
        signal=body[signal_at],
        firmware=(firmware[0:4], firmware[4:8], firmware[8:12]),
        upload_min=body[-1],
    )


def _text(octets: bytes) -> str:
    """Return what stands before the first 00; refuses what is no printable ASCII, or nothing at all."""
    text = octets.split(b"\0", 1)[0].decode("ascii", errors="replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ProtocolError("is no text", octets=octets)
    return text


def _upload(body: bytes) -> Upload:
    """Sections are `[[place((octets))]]`, and octets may contain any of these marks.

    So a section ends at the first `))]]` after which the body ends or the next section begins.
    """
    serial_no = None if body.startswith(b"[[") else _text(body[:SERIAL_BYTES])
    at = 0 if serial_no is None else SERIAL_BYTES
    sections: list[Section] = []
    while at < len(body):
        opening = body.find(b"((", at)
        if body[at : at + 2] != b"[[" or opening < 0 or len(sections) >= SECTIONS_MAX:
            raise ProtocolError("what stands between [[ and ]] is no section", octets=body)
        end = _end_of_section(body, opening + 2)
        sections.append(Section(place=_text(body[at + 2 : opening]), octets=body[opening + 2 : end]))
        at = end + 4
    if not sections:
        raise ProtocolError("a data frame without sections", octets=body)
    return Upload(serial_no=serial_no, sections=tuple(sections))


def _end_of_section(body: bytes, at: int) -> int:
    while (at := body.find(b"))]]", at)) >= 0:
        if at + 4 == len(body) or body[at + 4 : at + 6] == b"[[":
            return at
        at += 1
    raise ProtocolError("a section does not end", octets=body)


def _carried(body: bytes) -> Carried:
    """What a passthrough brings is the meter's; all that is asked here is whether a serial comes first."""
    head, rest = body[:SERIAL_BYTES], body[SERIAL_BYTES:]
    is_named = _is_rtu(rest) or (_is_serial(head) and not _is_rtu(body))
    octets = rest if is_named else body
    if not octets:
        raise ProtocolError("carries nothing", octets=body)
    return Carried(serial_no=_text(head) if is_named else None, octets=octets)


def _is_serial(head: bytes) -> bool:
    text = head.rstrip(b"\0")
    return len(head) == SERIAL_BYTES > len(text) and text.isdigit()


def _is_rtu(octets: bytes) -> bool:
    return len(octets) >= RTU_BYTES_MIN and crc16(octets[:-2]) == octets[-2:]
