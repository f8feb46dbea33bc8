"""What a line needs of a protocol, so that meters of several protocols may share one bus.

A driver's conversation yields requests of its own protocol and is sent replies of it; a line knows neither.
Between them stands a `Spoken`: the conversation, its tongue, and the one exchange it may have on the wire.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from compuerta.domain.errors import Refused
from compuerta.drivers.abilities import Result
from compuerta.drivers.model import RoadTiming

Q = TypeVar("Q")  # the requests of a protocol
R = TypeVar("R")  # what comes of them: its answers, its refusals, and its word for silence
Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A whole frame that answers nothing; `meter_no` is None where no meter of ours can have said it."""

    meter_no: str | None
    words: bytes = b""  # the status words that it told; b"" = it told something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The exchange has ended; `meter_no` is who answered, None = nobody did in all tries."""

    meter_no: str | None
    words: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[R_co]):
    """What came of a request, in words of its protocol."""

    reply: R_co
    heard: Heard


class Session(Protocol[Q_contra, R_co]):
    """One exchange with one meter."""

    def send(self, request: Q_contra, *, now_ms: int) -> bytes:
        """Return the bytes of a request; raises a `Refused` of the protocol where it has none."""
        ...

    def receive(self, data: bytes, *, now_ms: int) -> Sequence[Ended[R_co] | Stray]:
        """Take any bytes, and tell what they were; called with b"" after `wake`."""
        ...

    def wake_at_ms(self) -> int | None:
        """Return when `wake` wants to be called."""
        ...

    def wake(self, now_ms: int) -> bytes:
        """Return the request once more if its time is up, and b"" otherwise."""
        ...


class Tongue(Protocol[Q_contra, R_co]):
    """A protocol as it is spoken with one meter."""

    def session(self, timing: RoadTiming) -> Session[Q_contra, R_co]:
        """Return what carries the next exchange."""
        ...

    def request_bytes(self, request: Q_contra) -> int:
        """Return what a request takes on the wire at most: on a slow bus that is added to the patience."""
        ...

    def is_repeatable(self, request: Q_contra) -> bool:
        """Tell whether a request may be repeated before it is known what came of it."""
        ...

    def silence(self, request: Q_contra) -> R_co:
        """Return the reply that is none."""
        ...


class Ear(Protocol):
    """Who listens to a line on which nobody asks."""

    def receive(self, data: bytes, *, now_ms: int) -> Sequence[Stray]:
        """Take any bytes, and tell which meters spoke."""
        ...


class Speech(Protocol):
    """A conversation as a line drives it, whatever its protocol."""

    @property
    def result(self) -> Result | None:
        """What came of it; None = it wants to say more."""
        ...

    def begin(self) -> None:
        """Let the conversation decide what it says first."""
        ...

    def request_bytes(self) -> int:
        """Return the bytes of what it says next; see `Tongue`."""
        ...

    def is_repeatable(self) -> bool:
        """Tell whether what it says next may be repeated; see `Tongue`."""
        ...

    def send(self, *, timing: RoadTiming, now_ms: int) -> bytes:
        """Put the next request on the wire; b"" = it has no bytes, and the conversation has been told."""
        ...

    def receive(self, data: bytes, *, now_ms: int) -> Sequence[Heard | Stray]:
        """Take bytes while the exchange lasts; after a `Heard` it is over, and the conversation went on."""
        ...

    def wake_at_ms(self) -> int | None:
        """Return when `wake` wants to be called."""
        ...

    def wake(self, now_ms: int) -> bytes:
        """Return the request once more if its time is up, and b"" otherwise."""
        ...

    def break_off(self) -> None:
        """End the exchange as if nobody had answered."""
        ...

    def close(self) -> None:
        """Drop the conversation, wherever it is."""
        ...


class Spoken(Generic[Q, R]):
    """This will be the `Speech` of a conversation in its tongue."""

    def __init__(self, conversation: Generator[Q, R, Result], tongue: Tongue[Q, R]) -> None:
        self._conversation = conversation
        self._tongue = tongue
        self._request: Q | None = None
        self._session: Session[Q, R] | None = None
        self._result: Result | None = None

    @property
    def result(self) -> Result | None:
        """See `Speech`."""
        return self._result

    def begin(self) -> None:
        """See `Speech`."""
        try:
            self._request = next(self._conversation)
        except StopIteration as stop:
            self._result = stop.value

    def request_bytes(self) -> int:
        """See `Speech`."""
        return self._tongue.request_bytes(self._next())

    def is_repeatable(self) -> bool:
        """See `Speech`."""
        return self._tongue.is_repeatable(self._next())

    def send(self, *, timing: RoadTiming, now_ms: int) -> bytes:
        """See `Speech`."""
        session = self._tongue.session(timing)
        try:
            octets = session.send(self._next(), now_ms=now_ms)
        except Refused as refusal:
            self._go_on(refusal)
            return b""
        self._session = session
        return octets

    def receive(self, data: bytes, *, now_ms: int) -> list[Heard | Stray]:
        """See `Speech`."""
        told: list[Heard | Stray] = []
        for event in self._exchange().receive(data, now_ms=now_ms):
            if isinstance(event, Stray):
                told.append(event)
            elif self._session is not None:
                self._session = None
                told.append(event.heard)
                self._go_on(event.reply)
        return told

    def wake_at_ms(self) -> int | None:
        """See `Speech`."""
        return self._exchange().wake_at_ms()

    def wake(self, now_ms: int) -> bytes:
        """See `Speech`."""
        return self._exchange().wake(now_ms)

    def break_off(self) -> None:
        """See `Speech`."""
        self._session = None
        self._go_on(self._tongue.silence(self._next()))

    def close(self) -> None:
        """See `Speech`."""
        self._session = None
        self._conversation.close()

    def _go_on(self, reply: R | Refused) -> None:
        """Tell the conversation what came of its request, and hear what it wants next."""
        try:
            if isinstance(reply, Refused):
                self._request = self._conversation.throw(reply)
            else:
                self._request = self._conversation.send(reply)
        except StopIteration as stop:
            self._result = stop.value

    def _next(self) -> Q:
        assert self._request is not None, "a conversation says something once it has begun"
        return self._request

    def _exchange(self) -> Session[Q, R]:
        assert self._session is not None, "nothing is on the wire"
        return self._session
