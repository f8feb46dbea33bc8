"""The broker on a port: who is let in, and the connection of each client."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

from compuerta.virtual.broker.post import Box, PostOffice
from compuerta.virtual.broker.rights import Guests, may_publish, may_subscribe
from compuerta.wire.mqtt.fields import ProtocolError
from compuerta.wire.mqtt.packets import (
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
    Subscribe,
    VersionUnsupported,
    encode,
)

CONNECT_S_MAX: Final = 10.0  # to say who one is
KEEP_ALIVE_PARTS: Final = 1.5  # MQTT 5.0 3.1.2.10
DAY_S: Final = 86_400.0
UNSENT_BYTES_MAX: Final = 1 << 22  # a client that reads nothing is let go


class BrokerServer:
    """This will listen on one port and carry messages between its clients."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests
        self.office = PostOffice()
        self.refusals = 0  # connections, messages and subscriptions that were not allowed
        self._here: dict[str, _Client] = {}
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None

    async def open(self, *, host: str, port: int) -> int:
        """Begin to listen, and return the port (0 lets the system choose one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def shut(self) -> None:
        """Stop listening and let everybody go, as a broker that is killed does."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.drop(tells_will=False)
        if self._server is not None:
            await self._server.wait_closed()

    def post(self, message: Publish) -> int:
        """Bring a message to whom it is for; returns how many those are."""
        boxes = self.office.post(message, now_ms=now_ms())
        for box in boxes:
            client = self._here.get(box.client_id)
            if client is not None:
                client.send_due()
        return len(boxes)

    def came(self, client: "_Client") -> None:
        """Learn of a connection, before it says who it is."""
        self._clients.add(client)

    def greeted(self, client_id: str, client: "_Client") -> None:
        """Let a client have its place; an earlier connection of the same name loses it."""
        former = self._here.pop(client_id, None)
        if former is not None:
            former.end(Reason.TAKEN_OVER)
        self._here[client_id] = client

    def gone(self, client: "_Client", box: Box | None, *, told: bool) -> None:
        """Learn that a connection is over; its will is told unless it took its leave."""
        self._clients.discard(client)
        if box is None or self._here.get(box.client_id) is not client:
            return
        del self._here[box.client_id]
        self.office.leave(box, now_ms=now_ms())
        if told and client.will is not None:
            self.post(client.will)


def now_ms() -> int:
    """The clock of the running loop, in milliseconds."""
    return int(asyncio.get_running_loop().time() * 1_000)


class _Client(asyncio.Protocol):
    """One connection. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, broker: BrokerServer) -> None:
        self.will: Publish | None = None
        self._broker = broker
        self._stream = Stream()
        self._box: Box | None = None
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._patience_s = CONNECT_S_MAX
        self._heard_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._heard_s = asyncio.get_running_loop().time()
        self._broker.came(self)
        self._wait_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.drop(tells_will=True)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard_s = asyncio.get_running_loop().time()
        try:
            for packet in self._stream.receive(data):
                self._take(packet)
        except VersionUnsupported:
            self._say(ConnAck(reason=Reason.VERSION_UNSUPPORTED))
            self.drop(tells_will=False)
        except ProtocolError:
            self.end(Reason.MALFORMED)

    def send_due(self) -> None:
        """Send what waits, as much as the client takes at once."""
        if self._box is None or self._transport is None:
            return
        due = self._broker.office.due(self._box, now_ms=now_ms())
        self._transport.write(b"".join(map(encode, due)))
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.drop(tells_will=True)

    def end(self, reason: Reason) -> None:
        """Say why, and let the client go; its will is told."""
        self._say(Disconnect(reason=reason))
        self.drop(tells_will=True)

    def drop(self, *, tells_will: bool) -> None:
        """Let the client go without a word."""
        transport, self._transport = self._transport, None
        if self._patience is not None:
            self._patience.cancel()
        if transport is not None:
            transport.close()
            self._broker.gone(self, self._box, told=tells_will)

    def _say(self, packet: Packet) -> None:
        if self._transport is not None:
            self._transport.write(encode(packet))

    def _wait_on(self) -> None:
        loop = asyncio.get_running_loop()
        if self._patience is not None:
            self._patience.cancel()
        if loop.time() - self._heard_s > self._patience_s:
            self.end(Reason.KEEP_ALIVE_TIMEOUT)
        else:
            self._patience = loop.call_later(min(self._patience_s, DAY_S), self._wait_on)

    def _take(self, packet: Packet) -> None:
        if self._transport is None:
            return
        if self._box is None:
            self._let_in(packet)
            return
        user, office = self._box.user, self._broker.office
        match packet:
            case Publish():
                self._carry(packet, user)
            case PubAck():
                office.acknowledged(self._box, packet)
                self.send_due()
            case Subscribe():
                answer = office.subscribe(self._box, packet, may=_allowed(user))
                self._broker.refusals += answer.reasons.count(Reason.NOT_AUTHORIZED)
                self._say(answer)
            case Ping():
                self._say(Pong())
            case Disconnect(reason=reason):
                self.drop(tells_will=reason != Reason.SUCCESS)
            case _:
                raise ProtocolError(f"{type(packet).__name__} is not a client's to say")

    def _let_in(self, packet: Packet) -> None:
        if not isinstance(packet, Connect):
            raise ProtocolError("nobody has said yet who it is")
        if not self._broker.guests.knows(packet.user, packet.password):
            self._broker.refusals += 1
            self._say(ConnAck(reason=Reason.BAD_USER))
            self.drop(tells_will=False)
            return
        will = packet.will
        if will is not None and not may_publish(packet.user, will.topic):
            will = None
        self.will = will
        self._broker.greeted(packet.client_id, self)
        self._box, present = self._broker.office.open_box(
            packet.client_id, user=packet.user, clean_start=packet.clean_start, now_ms=now_ms()
        )
        self._box.receive_max = packet.receive_max or 1
        self._box.session_expiry_s = packet.session_expiry_s
        self._patience_s = packet.keep_alive_s * KEEP_ALIVE_PARTS or inf  # MQTT 5.0 3.1.2.10: 0 = for ever
        self._wait_on()
        self._say(ConnAck(reason=Reason.SUCCESS, session_present=present))
        self.send_due()

    def _carry(self, message: Publish, user: str) -> None:
        reason = Reason.SUCCESS
        if not may_publish(user, message.topic):
            self._broker.refusals += 1
            reason = Reason.NOT_AUTHORIZED
        elif not self._broker.post(message):
            reason = Reason.NOBODY_SUBSCRIBED
        if message.qos:
            self._say(PubAck(packet_id=message.packet_id, reason=reason))


def _allowed(user: str) -> Callable[[str], bool]:
    return lambda wanted: may_subscribe(user, wanted)
