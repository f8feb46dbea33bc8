"""What a dialed-in session does with its bytes: take out what is for us, and wrap what is for the meter.

Pure: bytes and time in, bytes out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from compuerta.adapters.links.registration import Sieve
from compuerta.domain.road import CSQ_MAX
from compuerta.wire import acrel

Clock = Callable[[], datetime | None]  # the local time of a meter's site; None = not known

COUNTED_MS: Final = 3_000  # in which damaged frames are counted together


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of some bytes."""

    passed: bytes = b""  # for the codec
    answers: bytes = b""  # for the dialer
    csq: int | None = None
    foreign: str | None = None  # a device in whose name somebody else spoke
    damaged: bool = False  # more was given up than a bad network explains


class Stream(Protocol):
    """The manner of one session."""

    def take(self, data: bytes, *, now_ms: int, civil_now: Clock) -> Taken:
        """Return what is in `data`, of bytes that came before too."""
        ...

    def wrap(self, data: bytes) -> bytes:
        """Return the bytes that bring `data` to the meter."""
        ...


class BareStream:
    """Frames as they are, with the dialer's own packets between them taken out."""

    __slots__ = ("_sieve",)

    def __init__(self, sieve: Sieve) -> None:
        self._sieve = sieve

    def take(self, data: bytes, *, now_ms: int, civil_now: Clock) -> Taken:
        """See `Stream`."""
        return Taken(passed=self._sieve.receive(data))

    def wrap(self, data: bytes) -> bytes:
        """See `Stream`."""
        return data


class AcrelStream:
    """Modbus RTU inside the passthrough frames of one of Acrel's modules, whose own words are answered."""

    def __init__(self, serial_no: str) -> None:
        self._serial_no = serial_no
        self._deframer = acrel.Deframer()
        self._counted_ms = 0
        self._damaged_before = 0

    def take(self, data: bytes, *, now_ms: int, civil_now: Clock) -> Taken:
        """See `Stream`."""
        if now_ms - self._counted_ms > COUNTED_MS:
            self._counted_ms, self._damaged_before = now_ms, self._deframer.frames_damaged
        passed, answers = bytearray(), bytearray()
        csq, foreign = None, None
        for frame in self._deframer.receive(data, now_ms=now_ms):
            try:
                message = acrel.parse(frame)
            except acrel.ProtocolError:
                continue  # a whole frame that says nothing known; the meter's silence is what tells
            if (said := _speaker(message)) not in (None, self._serial_no):
                foreign = said
                continue
            answers += acrel.answer(message, civil_now=_time_for(message, civil_now))
            if isinstance(message, acrel.Carried):
                passed += message.octets
            elif isinstance(message, acrel.Login) and message.signal <= CSQ_MAX:
                csq = message.signal
        return Taken(
            passed=bytes(passed),
            answers=bytes(answers),
            csq=csq,
            foreign=foreign,
            damaged=self._is_nonsense(),
        )

    def wrap(self, data: bytes) -> bytes:
        """See `Stream`."""
        return acrel.carry(data)

    def _is_nonsense(self) -> bool:
        """Tell whether more beginnings were given up in a while than damage explains: each costs a sum."""
        return self._deframer.frames_damaged - self._damaged_before >= acrel.DAMAGED_MAX


def _time_for(message: acrel.Message, civil_now: Clock) -> datetime | None:
    return civil_now() if isinstance(message, acrel.TimeAsked) else None


def _speaker(message: acrel.Message) -> str | None:
    match message:
        case acrel.Heartbeat() | acrel.Unread():
            return None
        case _:
            return message.serial_no
