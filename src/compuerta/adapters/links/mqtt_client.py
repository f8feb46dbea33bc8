"""A connection to an MQTT broker that is kept: found again with a back-off, and told to one listener.

What a message means is the listener's matter, and so is when it is acknowledged. Small packets go at once:
asyncio sets TCP_NODELAY, without which a command and its answer take ninety milliseconds instead of one.
"""

import asyncio
import random
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from compuerta.domain.errors import Refused, Unreachable
from compuerta.wire.mqtt.packets import PACKET_BYTES_MAX, Connect, Publish
from compuerta.wire.mqtt.session import (
    Arrived,
    ClientSession,
    Connected,
    Ended,
    Event,
    Heard,
    Subscribed,
)

CONNECT_S_MAX: Final = 10.0
BACKOFF_S_MIN: Final = 0.5
BACKOFF_S_MAX: Final = 30.0
UNSENT_BYTES_MAX: Final = 1 << 22  # a broker that reads nothing is gone
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_HOST: Final = re.compile(r"[0-9A-Za-z_.:-]+", re.ASCII)


class BrokerUrlMalformed(Refused):
    """An address of a broker that cannot be used; it may hold a password and is not repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a broker is mqtts://user:password@host:port?ca=FILE; {reason}")
        self.reason = reason


class BrokerAway(Unreachable):
    """There is no connection to the broker now."""

    def __init__(self) -> None:
        super().__init__("the broker is not there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker is, and as whom we come."""

    host: str
    port: int
    user: str
    password: str
    tls: ssl.SSLContext | None = None


class MqttListener(Protocol):
    """Who hears a connection; calls come from the event loop."""

    def connected(self) -> None:
        """Learn that the broker is there, and has been asked for what we listen to."""
        ...

    def heard(self, message: Heard) -> None:
        """Take a message; whoever keeps it acknowledges it."""
        ...

    def arrived(self, packet_id: int, reason: int) -> None:
        """Learn what became of a message of ours."""
        ...

    def ended(self, reason: str) -> None:
        """Learn that the broker is gone, or that it does not let us in."""
        ...


def broker_at(url: str) -> Broker:
    """Read the address of a broker; refuses what cannot be used."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BrokerUrlMalformed("the port is a number") from error
    if parts.scheme not in _PORTS:
        raise BrokerUrlMalformed("begin with mqtt: or mqtts:")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or parts.path not in ("", "/"):
        raise BrokerUrlMalformed("write a host and nothing behind its port")
    asked = parse_qs(parts.query)
    if asked.keys() - {"ca"}:
        raise BrokerUrlMalformed("only ca=FILE may follow")
    tls = _tls(asked.get("ca", [""])[-1]) if parts.scheme == "mqtts" else None
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
    )


def _tls(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise BrokerUrlMalformed(f"the certificates in ca=FILE cannot be read: {error.strerror}") from error


class MqttClient:
    """This will keep one connection to a broker as long as `run` runs."""

    def __init__(
        self,
        broker: Broker,
        opening: Connect,
        *,
        filters: Sequence[str],
        listener: MqttListener,
        packet_bytes_max: int = PACKET_BYTES_MAX,
    ) -> None:
        self._broker = broker
        self._opening = opening
        self._filters = tuple(filters)
        self._listener = listener
        self._packet_bytes_max = packet_bytes_max
        self._call: _Call | None = None

    async def run(self) -> None:
        """Hold the connection until it is cancelled, opening it again after each loss with a back-off."""
        backoff_s = BACKOFF_S_MIN
        loop = asyncio.get_running_loop()
        try:
            while True:
                since_s = loop.time()
                await self._hold()
                # Only a connection that lasted earns a quick return: a broker that refuses us needs rest.
                if loop.time() - since_s > BACKOFF_S_MAX:
                    backoff_s = BACKOFF_S_MIN
                # Half of the wait is luck, so that a thousand clients do not come back in one instant.
                await asyncio.sleep(backoff_s * (0.5 + random.random() / 2))
                backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)
        finally:
            if self._call is not None:
                self._call.finish()

    def publish(self, message: Publish) -> int:
        """Send a message without waiting; returns its number, or 0.

        Raises `BrokerAway`, and `SessionFull` where too much waits already.
        """
        if self._call is None:
            raise BrokerAway
        return self._call.publish(message)

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Say that messages are kept; those of a connection that is gone come again anyway."""
        if self._call is not None:
            self._call.acknowledge(packet_ids)

    def drop(self) -> None:
        """Lose the connection as a mobile network does; it is found again."""
        if self._call is not None:
            self._call.abort()

    async def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        broker = self._broker
        session = ClientSession(self._opening, packet_bytes_max=self._packet_bytes_max)
        call = _Call(session, self._filters, self._listener)
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await loop.create_connection(lambda: call, broker.host, broker.port, ssl=broker.tls)
        except ssl.SSLCertVerificationError:
            self._listener.ended("certificate_refused")
            return
        except (OSError, TimeoutError):
            self._listener.ended("broker_away")
            return
        self._call = call
        try:
            await call.over.wait()
        finally:
            self._call = None
            call.finish()


class _Call(asyncio.Protocol):
    """One connection. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, session: ClientSession, filters: Sequence[str], listener: MqttListener) -> None:
        self.over = asyncio.Event()
        self._session = session
        self._filters = filters
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._session.begin(now_ms=self._now_ms())
        self._pump()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for event in self._session.receive(data, now_ms=self._now_ms()):
            self._tell(event)
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end("broker_gone")

    def publish(self, message: Publish) -> int:
        """See `MqttClient`."""
        packet_id = self._session.publish(message, now_ms=self._now_ms())
        self._pump()
        return packet_id

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """See `MqttClient`."""
        self._session.acknowledge(packet_ids, now_ms=self._now_ms())
        self._pump()

    def finish(self) -> None:
        """Take leave, and tell nothing more."""
        self._is_ended = True
        self._session.finish(now_ms=self._now_ms())
        self._pump()
        self._close()

    def abort(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _tell(self, event: Event) -> None:
        if self._is_ended:
            return
        match event:
            case Heard():
                self._listener.heard(event)
            case Arrived(packet_id=packet_id, reason=reason):
                self._listener.arrived(packet_id, reason)
            case Connected():
                self._session.subscribe(self._filters, now_ms=self._now_ms())
            case Subscribed(refused=refused):
                if refused:
                    self._end("topic_refused")
                else:
                    self._listener.connected()
            case Ended(reason=reason):
                self._end(reason)

    def _end(self, reason: str) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._listener.ended(reason)
        self._close()

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        self._cancel()
        self.over.set()
        if transport is not None:
            transport.close()

    def _pump(self) -> None:
        outgoing = self._session.take_bytes()
        if self._transport is not None:
            if outgoing:
                self._transport.write(outgoing)
            if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
                self._end("broker_silent")
        self._cancel()
        wake_at_ms = self._session.wake_at_ms()
        if wake_at_ms is not None and self._transport is not None:
            self._timer = self._loop.call_at(wake_at_ms / 1_000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for event in self._session.wake(self._now_ms() + 1):
            self._tell(event)
        self._pump()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1_000)
