"""The two ends of a DL/T 645 line, without the line: bytes in, events out, time as an argument.

The master asks one thing at a time and accepts as its answer only a frame from the right meter, of the right
function, about the right data identifier. Everything else is `Stray`. What the wire cannot tell apart, nobody
can: a late answer to an earlier, equal request looks like the answer to this one, and a refusal names no data
identifier at all. So drivers read back what matters.
"""

from dataclasses import dataclass
from enum import Enum

from compuerta.domain.errors import Broken
from compuerta.wire.dlt645.answers import ANSWER_BIT, FUNCTION_BITS, REFUSED_BIT
from compuerta.wire.dlt645.frame import (
    BROADCAST,
    GAP_MS_MAX,
    WAKE_BYTES_MAX,
    Deframer,
    Frame,
    address_matches,
    encode,
)
from compuerta.wire.dlt645.messages import Answer, Request, parse_answer, parse_request
from compuerta.wire.dlt645.requests import Function

# The longest frame at the slowest speed: 271 bytes of 11 bits at 600 baud take 4,969 ms. Whoever talks longer
# than this after his time is noise.
TALK_MS_MAX = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a master waits, and how often it asks."""

    first_byte_ms: int = 700  # cable; a 4G road wants about 3,000
    gap_ms: int = GAP_MS_MAX  # silence that ends a frame
    tries_max: int = 3


class Why(Enum):
    """Why a frame is not the answer."""

    ECHO = "echo"  # our own request, heard back from a half-duplex converter
    NOT_AN_ANSWER = "not_an_answer"  # another master's request
    OTHER_METER = "other_meter"
    NOT_ASKED = "not_asked"  # other function, other register, or nothing was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The meter answered; `meter_no` is the full number, also where the request had a wildcard."""

    request: Request
    answer: Answer
    meter_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """No answer came in all tries: the request may, or may not, have been done."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A broadcast went out; nobody answers it."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A whole frame that answers nothing."""

    frame: Frame
    why: Why


Event = Replied | Silent | Sent | Stray


class ExchangeInFlight(Broken):
    """One master asks one thing at a time; the caller sent before the last request had ended."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"still waiting for the answer to {request}")
        self.request = request


@dataclass(slots=True, kw_only=True)
class _Exchange:
    request: Request
    frame: Frame
    tries: int
    due_ms: int
    due_ms_max: int


class MasterSession:
    """This will carry one request at a time to a meter, repeat it after silence, and recognise its answer.

    `wake_at_ms` says when `wake` wants to be called; call `receive(b"", now_ms=...)` after it, since silence
    and a finished broadcast are events too.
    """

    def __init__(
        self, *, address: str, timing: Timing | None = None, wake_bytes: int = WAKE_BYTES_MAX
    ) -> None:
        self._address = address
        self._timing = timing or Timing()
        self._wake_bytes = wake_bytes
        self._deframer = Deframer(self._timing.gap_ms)
        self._exchange: _Exchange | None = None
        self._events: list[Event] = []
        self._events_since_ms = 0

    def send(self, request: Request, *, now_ms: int) -> bytes:
        """Give the bytes of a request, and wait for its answer from `now_ms` on."""
        if self._exchange:
            raise ExchangeInFlight(self._exchange.request)
        frame = request.to_frame(self._address)
        octets = encode(frame, wake_bytes=self._wake_bytes)  # refuses before anything is in flight
        if self._address == BROADCAST:
            self._emit(Sent(request=request), now_ms=now_ms)
            return octets
        self._exchange = _Exchange(request=request, frame=frame, tries=0, due_ms=0, due_ms_max=0)
        return self._try(now_ms=now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> list[Event]:
        """Take what came at `now_ms` and give what happened; it never raises for any bytes."""
        for frame in self._deframer.receive(data, now_ms=now_ms):
            self._hear(frame, now_ms=now_ms)
        if data and self._exchange and not self._deframer.is_empty:
            # A frame is on its way: wait for its end, but not for ever.
            exchange = self._exchange
            late = now_ms + self._timing.gap_ms + 1
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
        return self._try(now_ms=now_ms)

    def _try(self, *, now_ms: int) -> bytes:
        exchange = self._exchange
        if not exchange:
            return b""
        if exchange.tries >= self._timing.tries_max:
            self._exchange = None
            self._emit(Silent(request=exchange.request), now_ms=now_ms)
            return b""
        exchange.tries += 1
        exchange.due_ms = now_ms + self._timing.first_byte_ms
        exchange.due_ms_max = exchange.due_ms + TALK_MS_MAX
        return encode(exchange.frame, wake_bytes=self._wake_bytes)

    def _hear(self, frame: Frame, *, now_ms: int) -> None:
        exchange = self._exchange
        if why := _why_not(frame, exchange.frame if exchange else None):
            self._emit(Stray(frame=frame, why=why), now_ms=now_ms)
        elif exchange:
            answer = parse_answer(frame)
            self._exchange = None
            self._emit(
                Replied(request=exchange.request, answer=answer, meter_no=frame.address), now_ms=now_ms
            )

    def _emit(self, event: Event, *, now_ms: int) -> None:
        self._events.append(event)
        self._events_since_ms = now_ms


def _why_not(frame: Frame, asked: Frame | None) -> Why | None:
    """Why a frame is not the answer to what was asked; None if it is."""
    if frame == asked:
        return Why.ECHO
    if not frame.control & ANSWER_BIT:
        return Why.NOT_AN_ANSWER
    if not asked or (frame.control & FUNCTION_BITS) != asked.control:
        return Why.NOT_ASKED
    if not address_matches(asked.address, frame.address):
        return Why.OTHER_METER
    if not frame.control & REFUSED_BIT and not _about_the_same(frame, asked):
        return Why.NOT_ASKED
    return None


def _about_the_same(frame: Frame, asked: Frame) -> bool:
    """A good answer repeats what it is about: the data identifier, and a follow-up its sequence."""
    match asked.control:
        case Function.READ:
            return frame.data[:4] == asked.data[:4]
        case Function.SECURITY:
            return len(frame.data) < 4 or frame.data[:4] == asked.data[:4]  # vendors answer without it
        case Function.READ_FOLLOW_UP:
            return frame.data[:4] == asked.data[:4] and frame.data[-1:] == asked.data[4:5]
        case Function.READ_ADDRESS:
            return len(frame.data) == 6
        case _:
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A master asked this meter; a broadcast is obeyed without an answer, a wildcard may be anybody's."""

    request: Request
    broadcast: bool
    wildcard: bool


class MeterSession:
    """This will be the meter's end: it hears the requests for one meter number, and frames its answers."""

    def __init__(
        self, *, address: str, gap_ms_max: int = GAP_MS_MAX, wake_bytes: int = WAKE_BYTES_MAX
    ) -> None:
        self._address = address
        self._wake_bytes = wake_bytes
        self._deframer = Deframer(gap_ms_max)

    def receive(self, data: bytes, now_ms: int) -> list[Requested]:
        """Take what came at `now_ms` and give the requests that are for this meter."""
        return [
            Requested(
                request=parse_request(frame),
                broadcast=frame.address == BROADCAST,
                wildcard=frame.address.startswith("AA"),
            )
            for frame in self._deframer.receive(data, now_ms=now_ms)
            if not frame.control & ANSWER_BIT
            and (frame.address == BROADCAST or address_matches(frame.address, self._address))
        ]

    def send(self, answer: Answer) -> bytes:
        """Give the bytes of an answer from this meter."""
        return encode(answer.to_frame(self._address), wake_bytes=self._wake_bytes)
