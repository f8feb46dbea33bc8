"""The two ends of a Modbus line, without the line: bytes in, events out, time as an argument.

An RTU answer names neither the register nor the question: whoever answers late answers the next question, if
that is as long. So an answer to a repeated question is kept back until no other can come, and of several the
last one counts. What comes later than all patience nobody can tell apart; drivers read back what matters.
"""

from dataclasses import dataclass

from compuerta.domain.errors import Broken
from compuerta.wire.modbus.fields import BROADCAST, UNIT_MAX, ProtocolError
from compuerta.wire.modbus.messages import Answer, Refusal, Request, answers, parse_answer, parse_request
from compuerta.wire.modbus.rtu import GAP_MS_MAX, Deframer, Frame, Side, encode

# The longest frame at the slowest speed: 256 bytes of 11 bits at 1,200 baud take 2,347 ms. Whoever talks
# longer than this after his time is noise.
TALK_MS_MAX = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a master waits, and how often it asks."""

    first_byte_ms: int = 700
    gap_ms: int = GAP_MS_MAX
    tries_max: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The unit answered, or refused."""

    request: Request
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """No answer came in all tries: the request may, or may not, have been done."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A whole frame of this unit that answers nothing."""

    frame: Frame


Event = Replied | Silent | Stray


class ExchangeInFlight(Broken):
    """One master asks one thing at a time; the caller sent before the last request had ended."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"still waiting for the answer to {request}")
        self.request = request


@dataclass(slots=True, kw_only=True)
class _Exchange:
    request: Request
    octets: bytes
    tries: int = 0
    due_ms: int = 0
    due_ms_max: int = 0
    kept: Answer | None = None  # heard already, while another may still come


class MasterSession:
    """This will carry one request at a time to a unit, repeat it after silence, and recognise its answer.

    `wake_at_ms` says when `wake` wants to be called; call `receive(b"", now_ms=...)` after it, since silence
    is an event too.
    """

    def __init__(self, *, unit_no: int, timing: Timing | None = None) -> None:
        self._unit_no = unit_no
        self._timing = timing or Timing()
        self._deframer = Deframer(Side.METER, gap_ms=self._timing.gap_ms, units=(unit_no,))
        self._exchange: _Exchange | None = None
        self._events: list[Event] = []
        self._events_since_ms = 0

    def send(self, request: Request, *, now_ms: int) -> bytes:
        """Give the bytes of a request, and wait for its answer from `now_ms` on."""
        if self._exchange:
            raise ExchangeInFlight(self._exchange.request)
        if not 1 <= self._unit_no <= UNIT_MAX:
            raise ProtocolError(f"nobody answers as unit {self._unit_no}")
        octets = encode(Frame(self._unit_no, request.to_pdu()))
        self._exchange = _Exchange(request=request, octets=octets)
        return self._try(self._exchange, now_ms=now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> list[Event]:
        """Take what came at `now_ms` and give what happened; it never raises for any bytes."""
        for frame in self._deframer.receive(data, now_ms=now_ms):
            self._hear(frame, now_ms=now_ms)
        if data and self._exchange and not self._deframer.is_empty:
            # A frame is on its way: wait for its end, but not for ever.
            exchange, late = self._exchange, now_ms + self._timing.gap_ms + 1
            exchange.due_ms = min(max(exchange.due_ms, late), exchange.due_ms_max)
        events, self._events = self._events, []
        return events

    def wake_at_ms(self) -> int | None:
        """Give the instant at which `wake` has something to do; None = only bytes can help."""
        if self._events:
            return self._events_since_ms
        return self._exchange.due_ms if self._exchange else None

    def wake(self, now_ms: int) -> bytes:
        """Give the request's bytes once more if its time is up, and b"" otherwise."""
        if not self._exchange or now_ms < self._exchange.due_ms:
            return b""
        for frame in self._deframer.flush():  # a damaged length may have swallowed the answer
            self._hear(frame, now_ms=now_ms)
        exchange = self._exchange
        if exchange is None:
            return b""
        if exchange.kept is not None:
            self._end(Replied(request=exchange.request, answer=exchange.kept), now_ms=now_ms)
            return b""
        return self._try(exchange, now_ms=now_ms)

    def _try(self, exchange: _Exchange, *, now_ms: int) -> bytes:
        if exchange.tries >= self._timing.tries_max:
            self._end(Silent(request=exchange.request), now_ms=now_ms)
            return b""
        exchange.tries += 1
        exchange.due_ms = now_ms + self._timing.first_byte_ms
        exchange.due_ms_max = exchange.due_ms + TALK_MS_MAX
        return exchange.octets

    def _hear(self, frame: Frame, *, now_ms: int) -> None:
        exchange = self._exchange
        answer = _answer_of(frame)
        if exchange is None or answer is None or not answers(answer, exchange.request):
            self._emit(Stray(frame=frame), now_ms=now_ms)
        elif exchange.tries > 1:
            exchange.kept = answer
        else:
            self._end(Replied(request=exchange.request, answer=answer), now_ms=now_ms)

    def _end(self, event: Event, *, now_ms: int) -> None:
        self._exchange = None
        self._emit(event, now_ms=now_ms)

    def _emit(self, event: Event, *, now_ms: int) -> None:
        self._events.append(event)
        self._events_since_ms = now_ms


def _answer_of(frame: Frame) -> Answer | None:
    try:
        return parse_answer(frame.pdu)
    except ProtocolError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A master asked this unit; a broadcast is obeyed without an answer."""

    request: Request
    broadcast: bool


class MeterSession:
    """This will be the meter's end: it hears the requests for one unit, and frames its answers."""

    def __init__(self, *, unit_no: int, gap_ms: int = GAP_MS_MAX) -> None:
        self._unit_no = unit_no
        self._deframer = Deframer(Side.MASTER, gap_ms=gap_ms, units=(BROADCAST, unit_no))

    def receive(self, data: bytes, *, now_ms: int) -> list[Requested]:
        """Take what came at `now_ms` and give the requests that are for this unit."""
        requested = []
        for frame in self._deframer.receive(data, now_ms=now_ms):
            try:
                request = parse_request(frame.pdu)
            except ProtocolError:
                continue  # a right CRC over a wrong count: real meters are silent too
            requested.append(Requested(request=request, broadcast=frame.unit_no == BROADCAST))
        return requested

    def send(self, answer: Answer) -> bytes:
        """Give the bytes of an answer from this unit."""
        return encode(Frame(self._unit_no, answer.to_pdu()))

    def refuse(self, request: Request, *, code: int) -> bytes:
        """Give the bytes of an exception."""
        return self.send(Refusal(function=request.to_pdu()[0], code=code))
