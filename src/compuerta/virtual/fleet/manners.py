"""How a modem speaks to the platform: plainly, after a registration text; or as Acrel's modules do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from compuerta.wire import acrel

UPLOAD_MIN: Final = 30
SERIAL_BYTES_MAX: Final = 20
_ICCID: Final = b"89860000000000000000"
_ICCID_BYTES: Final = 30
_FIRMWARE: Final = bytes.fromhex("010001000100")
_SIGNAL_CSQ: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What came of the platform's bytes."""

    requests: tuple[bytes, ...] = ()  # for the meters
    reply: bytes = b""  # of the modem itself


class Manner(Protocol):
    """What a modem says by itself, and how it passes on what meters say."""

    def greeting(self) -> bytes:
        """Return what is said first in a call."""
        ...

    def beat(self) -> bytes:
        """Return what keeps the call alive."""
        ...

    def hear(self, data: bytes, *, line_ms: int) -> Understood:
        """Take the platform's bytes."""
        ...

    def say(self, octets: bytes) -> bytes:
        """Return what brings a meter's bytes to the platform."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A registration text, heartbeats, and frames as they are."""

    registration: bytes
    heartbeat: bytes

    def greeting(self) -> bytes:
        """See `Manner`."""
        return self.registration

    def beat(self) -> bytes:
        """See `Manner`."""
        return self.heartbeat

    def hear(self, data: bytes, *, line_ms: int) -> Understood:
        """See `Manner`."""
        return Understood(requests=(data,))

    def say(self, octets: bytes) -> bytes:
        """See `Manner`."""
        return octets


class AcrelModule:
    """A login, the question for the time once it was answered, heartbeats, and Modbus inside passthrough."""

    def __init__(self, serial_no: str) -> None:
        self.told: datetime | None = None  # the local time that the platform told
        self._serial = serial_no.encode("ascii").ljust(SERIAL_BYTES_MAX, b"\0")
        self._deframer = acrel.Deframer()

    def greeting(self) -> bytes:
        """See `Manner`."""
        self._deframer = acrel.Deframer()
        iccid = _ICCID.ljust(_ICCID_BYTES, b"\0")
        told = bytes((_SIGNAL_CSQ,)) + _FIRMWARE + bytes((UPLOAD_MIN,))
        return _frame(acrel.Command.LOGIN, self._serial + iccid + told)

    def beat(self) -> bytes:
        """See `Manner`."""
        return _frame(acrel.Command.HEARTBEAT)

    def hear(self, data: bytes, *, line_ms: int) -> Understood:
        """See `Manner`."""
        requests: list[bytes] = []
        reply = b""
        for frame in self._deframer.receive(data, now_ms=line_ms):
            match frame.command:
                case acrel.Command.PASSTHROUGH.value:
                    requests.append(frame.body)
                case acrel.Command.LOGIN.value:
                    reply += _frame(acrel.Command.TIME, self._serial)
                case acrel.Command.TIME.value:
                    self.told = acrel.time_of(frame.body)
                case _:
                    pass  # answers to what it reports
        return Understood(requests=tuple(requests), reply=reply)

    def say(self, octets: bytes) -> bytes:
        """See `Manner`."""
        return _frame(acrel.Command.PASSTHROUGH, self._serial + octets)


def _frame(command: acrel.Command, body: bytes = b"") -> bytes:
    return acrel.encode(acrel.Frame(command=command.value, body=body))
