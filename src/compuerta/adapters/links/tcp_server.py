"""The one port that 4G meters and DTUs dial: who they are, that they live, and a `Link` for each.

A dialer says who it is by a registration packet, or by its first frame (`introductions`); then its session is
a plain road: heartbeats are taken out, and what a maker's module wraps around frames is put on and off.
The last connection for an id wins, since a gateway that lost its network dials again long before we notice.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from compuerta.adapters.links.doubles import Doubles
from compuerta.adapters.links.ear import Ear
from compuerta.adapters.links.introductions import Dialect, Introduction, Unclear, introduction
from compuerta.adapters.links.registration import TEMPLATE_BYTES_MAX, DialProfile, Sieve
from compuerta.adapters.links.roadhead import STRANGERS_MAX, PortNotListened, Refusals, Stranger
from compuerta.adapters.links.streams import AcrelStream, BareStream, Stream
from compuerta.services.link_port import Link, Listener

HEARTBEATS_MISSED_MAX = 3  # a session that missed so many is dead, whatever TCP believes
UNSENT_BYTES_MAX = 16_384  # one exchange at a time is far below; more means that nobody reads
# Between two sweeps; a meter says some hundred bytes a second. To look through a megabyte that is no frame
# takes seconds, in which no other session is heard.
HEARD_BYTES_MAX = 16_384
# Who has no registration text has no heartbeat of a known period either: Acrel's tell something every half
# hour at least, and a bare meter answers its polls. Three of those missed, and the session is dead.
UNNAMED_SILENCE_S = 5_400.0

FOREIGN: Final = "serial_foreign"  # a session spoke in the name of another device
TWICE: Final = "address_twice"  # two devices behind one session answer to one address


@dataclass(frozen=True, slots=True, kw_only=True)
class DialLimits:
    """The bounds of one server; each protects against a dialer that misbehaves."""

    sessions_max: int = 10_000
    registration_s: float = 10.0  # to say who it is
    # Who has not said it yet; of more, the one that dialed first makes room. A flood of silent connections
    # would otherwise take all sessions, and no meter could dial.
    unregistered_max: int = 1_000
    sweep_s: float = 1.0  # how often deadlines are looked at: one timer for all sessions
    strangers_max: int = STRANGERS_MAX


@dataclass(slots=True, kw_only=True)
class _Door:
    """What the sessions of one server share."""

    profiles: tuple[DialProfile, ...]
    is_known: Callable[[str], bool]
    dialed: Callable[[str, Link], None]
    heard_at: Callable[[str, int], None]
    civil_now: Callable[[str], datetime | None]
    limits: DialLimits
    refusals: Refusals
    sessions: set["_Session"] = field(default_factory=set)
    by_id: dict[str, "_Session"] = field(default_factory=dict)
    unregistered: dict["_Session", None] = field(default_factory=dict)  # who dialed first comes first


def _unheard(_registration: str, _csq: int) -> None:
    """Nobody wants to know."""


def _no_clock(_registration: str) -> None:
    """Nobody knows what time it is there."""


class TcpServer:
    """Listens on one port and gives a `Link` per registered dialer.

    `dialed(endpoint_id, link)` is called for each; `is_known(endpoint_id)` decides who is let in.
    `heard_at(endpoint_id, csq)` takes how well a module hears its mast, and `civil_now(endpoint_id)` tells
    the local time to those that ask for it; None = they get no answer.
    """

    def __init__(
        self,
        profiles: Sequence[DialProfile],
        *,
        is_known: Callable[[str], bool],
        dialed: Callable[[str, Link], None],
        heard_at: Callable[[str, int], None] = _unheard,
        civil_now: Callable[[str], datetime | None] = _no_clock,
        limits: DialLimits | None = None,
    ) -> None:
        limits = limits or DialLimits()
        self._door = _Door(
            profiles=tuple(profiles),
            is_known=is_known,
            dialed=dialed,
            heard_at=heard_at,
            civil_now=civil_now,
            limits=limits,
            refusals=Refusals(strangers_max=limits.strangers_max),
        )
        self._server: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def open(self, *, host: str, port: int) -> int:
        """Begin to listen, and return the port (0 lets the system choose one).

        Raises `PortNotListened`, for example where another process has the port.
        """
        loop = asyncio.get_running_loop()
        try:
            # The backlog lets a whole estate dial again at once after a power cut.
            self._server = await loop.create_server(self.answer, host, port, backlog=1024)
        except OSError as error:
            raise PortNotListened(host=host, port=port, reason=error.strerror or str(error)) from error
        self._sweep = loop.call_later(self._door.limits.sweep_s, self._sweep_out)
        bound_port: int = self._server.sockets[0].getsockname()[1]
        return bound_port

    def answer(self) -> asyncio.Protocol:
        """Return what hears one more dialer."""
        return _Session(self._door)

    async def shut(self) -> None:
        """Stop listening and end every session without telling its listener."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._server is not None:
            self._server.close()
        for session in list(self._door.sessions):
            session.shut()
        if self._server is not None:
            await self._server.wait_closed()

    def endpoint_ids(self) -> list[str]:
        """Return who is connected now."""
        return list(self._door.by_id)

    def forget_unknown(self) -> None:
        """End the sessions of whoever is not known any more."""
        for endpoint_id, session in list(self._door.by_id.items()):
            if not self._door.is_known(endpoint_id):
                session.expire("not_known")

    def strangers(self) -> list[Stranger]:
        """Return who was not let in, the latest last."""
        return self._door.refusals.strangers()

    def _sweep_out(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for session in self._door.sessions:
            session.heard_bytes = 0
        for session in [session for session in self._door.sessions if session.is_overdue(now_s)]:
            session.expire()
        self._sweep = loop.call_later(self._door.limits.sweep_s, self._sweep_out)


class _Session(asyncio.Protocol):
    """One connection: first unknown, then a `Link`.

    (It inherits, since asyncio gives its callbacks to nothing else.)
    """

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._ear = Ear()
        self._endpoint_id: str | None = None
        self._stream: Stream | None = None
        self._doubles = Doubles()
        self._registration = b""  # as far as it came
        self.heard_bytes = 0  # since the last sweep
        self._deadline_s = 0.0
        self._silence_s = door.limits.registration_s

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._door.unregistered) >= self._door.limits.unregistered_max:
            next(iter(self._door.unregistered)).expire()
        if len(self._door.sessions) >= self._door.limits.sessions_max:
            transport.abort()
            return
        self._door.sessions.add(self)
        self._door.unregistered[self] = None
        # A command and its answer are small: Nagle's algorithm would cost 40 ms on each.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._postpone()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._transport is None:
            return
        if self._stream is None:
            # Not postponed: whoever does not register in time is closed, however much it talks.
            self._register(self._registration + data)
        else:
            self._pass_on(self._stream, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end("closed_by_peer" if exc is None else "broken")

    # the house's side

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self._ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`."""
        if self._transport is None or self._stream is None or not data:
            return
        self._doubles.ask(data)
        self._say(self._stream.wrap(data))

    def _say(self, octets: bytes) -> None:
        if self._transport is None or not octets:
            return
        self._transport.write(octets)
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._end("peer_does_not_read")

    def shut(self) -> None:
        """See `Link`."""
        self._ear.close()
        self._end("shut")

    # the server's side

    def is_overdue(self, now_s: float) -> bool:
        """Whether the dialer has been silent too long, or has not said who it is."""
        return now_s >= self._deadline_s

    def expire(self, reason: str = "silent_too_long") -> None:
        """End a session that is overdue, or not wanted any more."""
        if self._stream is None:
            self._door.refusals.note(self._registration[:TEMPLATE_BYTES_MAX].hex() or "(said nothing)")
        self._end(reason)

    def _postpone(self) -> None:
        self._deadline_s = asyncio.get_running_loop().time() + self._silence_s

    def _register(self, received: bytes) -> None:
        for profile in self._door.profiles:
            endpoint_id = profile.registration.id_in(received)
            if endpoint_id is not None:
                stream = BareStream(Sieve((*profile.heartbeats, profile.registration)))
                rest = received[profile.registration.length :]
                self._admit(endpoint_id, stream, rest=rest, heartbeat_s=profile.heartbeat_s)
                return
        match introduction(received):
            case Introduction() as known:
                self._admit(known.registration, _stream_of(known), rest=known.rest)
            case Unclear.NOBODY if not self._agrees_with_any(received):
                self._refuse(received[:TEMPLATE_BYTES_MAX].hex())
            case _:
                self._registration = received

    def _agrees_with_any(self, received: bytes) -> bool:
        return any(profile.registration.agrees_with(received) for profile in self._door.profiles)

    def _admit(
        self, endpoint_id: str, stream: Stream, *, rest: bytes, heartbeat_s: int | None = None
    ) -> None:
        if not self._door.is_known(endpoint_id):
            self._refuse(endpoint_id)
            return
        earlier = self._door.by_id.get(endpoint_id)
        if earlier is not None:
            earlier._end("replaced")
        self._door.by_id[endpoint_id] = self
        del self._door.unregistered[self]
        self._door.refusals.let_in(endpoint_id)
        self._endpoint_id = endpoint_id
        self._stream = stream
        self._silence_s = UNNAMED_SILENCE_S if heartbeat_s is None else HEARTBEATS_MISSED_MAX * heartbeat_s
        self._door.dialed(endpoint_id, self)
        self._pass_on(stream, rest)

    def _refuse(self, registration: str) -> None:
        self._door.refusals.note(registration)
        self._end("not_known")

    def _pass_on(self, stream: Stream, data: bytes) -> None:
        assert self._endpoint_id is not None
        self._postpone()
        self.heard_bytes += len(data)
        if self.heard_bytes > HEARD_BYTES_MAX:
            self._end("talks_too_much")
            return
        now_ms = int(asyncio.get_running_loop().time() * 1_000)
        taken = stream.take(data, now_ms=now_ms, civil_now=partial(self._door.civil_now, self._endpoint_id))
        if taken.foreign is not None:
            self._door.refusals.note(taken.foreign, why=FOREIGN)
        if taken.csq is not None:
            self._door.heard_at(self._endpoint_id, taken.csq)
        if taken.damaged:
            self._end("talks_nonsense")
            return
        self._say(taken.answers)
        if taken.passed:
            self._hear(taken.passed, self._endpoint_id)

    def _hear(self, passed: bytes, endpoint_id: str) -> None:
        twice = self._doubles.hear(passed)
        if twice is not None:
            self._door.refusals.note(f"{endpoint_id} {twice}", why=TWICE)
        self._ear.hear(passed)

    def _end(self, reason: str) -> None:
        """Leave every table and tell the listener, once; called again it does nothing."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._door.sessions.discard(self)
        self._door.unregistered.pop(self, None)
        if self._endpoint_id is not None:
            del self._door.by_id[self._endpoint_id]
        transport.abort()
        self._ear.lose(reason)


def _stream_of(known: Introduction) -> Stream:
    match known.dialect:
        case Dialect.ACREL:
            return AcrelStream(known.registration)
        case Dialect.BARE:
            return BareStream(Sieve(()))
