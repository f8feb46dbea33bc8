"""A client's session with a broker: what is said, what is heard, and when to ping; no socket, no clock.

Messages that want an acknowledgement are numbered, no more of them at once than the broker takes; further
ones wait here, up to a bound, and are dropped when their life is over. What was not acknowledged when the
connection ends is not sent again: who sent it learns that the road is gone, and decides anew.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from compuerta.domain.errors import Unreachable
from compuerta.wire.mqtt.fields import ProtocolError
from compuerta.wire.mqtt.packets import (
    FAILED_FROM,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    PubAck,
    Publish,
    Reason,
    Stream,
    SubAck,
    Subscribe,
    encode,
)

PACKET_IDS: Final = 65_535
WAITING_MAX: Final = 4_096  # one frame of each line of a large gateway
PONG_MS_MAX: Final = 10_000  # a broker that is silent for longer is gone, whatever TCP believes


class SessionFull(Unreachable):
    """More messages wait to be sent than may."""

    def __init__(self) -> None:
        super().__init__(f"{WAITING_MAX} messages wait for the broker already")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """We were let in; the broker may have kept what was said to us meanwhile."""

    session_present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The broker said which filters it serves; a failed one is a right that is missing."""

    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message; `packet_id` is 0 where it wants no acknowledgement."""

    topic: str
    payload: bytes
    packet_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What became of a message that we numbered: `reason` 0 = somebody gets it."""

    packet_id: int
    reason: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The session is over; `reason` is a stable name."""

    reason: str


Event = Connected | Subscribed | Heard | Arrived | Ended

_REASONS: Final = {
    Reason.BAD_USER: "key_refused",
    Reason.NOT_AUTHORIZED: "key_refused",
    Reason.TAKEN_OVER: "taken_over",
    Reason.VERSION_UNSUPPORTED: "version_refused",
}


class ClientSession:
    """This will speak for one client on one connection; every call gives bytes or events, and none waits."""

    def __init__(self, opening: Connect, *, packet_bytes_max: int) -> None:
        self._opening = opening
        self._stream = Stream(packet_bytes_max)
        self._keep_alive_ms = opening.keep_alive_s * 1_000
        self._is_open = self._is_over = False
        self._receive_max = 0
        self._last_id = 0
        self._in_flight: set[int] = set()
        self._waiting: deque[tuple[Publish, int]] = deque()
        self._asked: dict[int, Sequence[str]] = {}
        self._outgoing = bytearray()
        self._said_ms = 0
        self._pinged_ms: int | None = None

    def begin(self, *, now_ms: int) -> None:
        """Ask to be let in."""
        self._say(self._opening, now_ms=now_ms)
        self._pinged_ms = now_ms  # the answer is waited for as that of a ping is

    def take_bytes(self) -> bytes:
        """Return what is to be sent now."""
        outgoing = bytes(self._outgoing)
        self._outgoing.clear()
        return outgoing

    def subscribe(self, filters: Sequence[str], *, now_ms: int) -> None:
        """Ask to hear these, acknowledged each by each."""
        packet_id = self._next_id()
        self._asked[packet_id] = tuple(filters)
        self._say(Subscribe(packet_id=packet_id, filters=tuple((each, 1) for each in filters)), now_ms=now_ms)

    def publish(self, message: Publish, *, now_ms: int) -> int:
        """Send a message, now or when the broker takes more; returns its number, 0 where it has none.

        Raises `SessionFull`.
        """
        if not message.qos:
            self._say(message, now_ms=now_ms)
            return 0
        if len(self._waiting) >= WAITING_MAX:
            raise SessionFull
        numbered = replace(message, packet_id=self._next_id())
        life_ms = (message.expiry_s or 0) * 1_000
        self._waiting.append((numbered, now_ms + life_ms if life_ms else 0))
        self._send_waiting(now_ms)
        return numbered.packet_id

    def acknowledge(self, packet_ids: Iterable[int], *, now_ms: int) -> None:
        """Say that messages are kept: the broker may forget them."""
        for packet_id in packet_ids:
            if packet_id:
                self._say(PubAck(packet_id=packet_id), now_ms=now_ms)

    def finish(self, *, now_ms: int) -> None:
        """Take leave: the broker tells nobody that we are gone."""
        if not self._is_over:
            self._is_over = True
            self._say(Disconnect(), now_ms=now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> list[Event]:
        """Take what came, and say what it means; nothing more is said after `Ended`."""
        if self._is_over:
            return []
        self._pinged_ms = None if self._is_open else self._pinged_ms
        try:
            packets = self._stream.receive(data)
            events = [event for packet in packets for event in self._meant(packet, now_ms)]
        except ProtocolError:
            events = [Ended(reason="malformed")]
        ends = [place for place, event in enumerate(events) if isinstance(event, Ended)]
        if ends:
            self._is_over = True
            return events[: ends[0] + 1]
        return events

    def wake_at_ms(self) -> int | None:
        """Return when `wake` is to be called."""
        if self._is_over:
            return None
        if self._pinged_ms is not None:
            return self._pinged_ms + PONG_MS_MAX
        # Half of what was promised: a ping that is late by the other half still comes in time.
        return self._said_ms + self._keep_alive_ms // 2 if self._keep_alive_ms else None

    def wake(self, now_ms: int) -> list[Event]:
        """Do what is due by the clock."""
        wake_at_ms = self.wake_at_ms()
        if wake_at_ms is None or now_ms < wake_at_ms:
            return []
        if self._pinged_ms is not None:
            self._is_over = True
            return [Ended(reason="broker_silent")]
        self._say(Ping(), now_ms=now_ms)
        self._pinged_ms = now_ms
        return []

    def _meant(self, packet: Packet, now_ms: int) -> list[Event]:
        if not self._is_open:
            return [self._let_in(packet)]
        match packet:
            case Publish():
                return [Heard(topic=packet.topic, payload=packet.payload, packet_id=packet.packet_id)]
            case PubAck(packet_id=packet_id, reason=reason):
                self._in_flight.discard(packet_id)
                self._send_waiting(now_ms)
                return [Arrived(packet_id=packet_id, reason=reason)]
            case SubAck(packet_id=packet_id, reasons=reasons):
                asked = self._asked.pop(packet_id, ())
                refused = [each for each, said in zip(asked, reasons, strict=False) if said >= FAILED_FROM]
                return [Subscribed(refused=tuple(refused))]
            case Pong():
                return []
            case Disconnect(reason=reason):
                return [Ended(reason=_named(reason, "broker_ended"))]
            case _:
                raise ProtocolError(f"{type(packet).__name__} is not a broker's to say")

    def _let_in(self, packet: Packet) -> Event:
        if not isinstance(packet, ConnAck):
            raise ProtocolError(f"{type(packet).__name__} before the answer to a connection")
        if packet.reason >= FAILED_FROM:
            return Ended(reason=_named(packet.reason, "not_let_in"))
        self._is_open, self._pinged_ms = True, None
        self._receive_max = packet.receive_max
        if packet.keep_alive_s is not None:
            self._keep_alive_ms = packet.keep_alive_s * 1_000
        return Connected(session_present=packet.session_present)

    def _send_waiting(self, now_ms: int) -> None:
        while self._is_open and self._waiting and len(self._in_flight) < self._receive_max:
            message, until_ms = self._waiting.popleft()
            if until_ms and now_ms >= until_ms:
                continue
            self._in_flight.add(message.packet_id)
            self._say(message, now_ms=now_ms)

    def _next_id(self) -> int:
        # Far more numbers than there can be messages in flight and waiting, so the next free one is near.
        while True:
            self._last_id = self._last_id % PACKET_IDS + 1
            if self._last_id not in self._in_flight:
                return self._last_id

    def _say(self, packet: Packet, *, now_ms: int) -> None:
        self._outgoing += encode(packet)
        self._said_ms = now_ms


def _named(reason: int, usual: str) -> str:
    return _REASONS.get(Reason(reason), usual) if reason in Reason.__members__.values() else usual
