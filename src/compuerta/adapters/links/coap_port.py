"""The UDP ports of CoAP: one behind DTLS, and a bare one for an operator's private network."""

import asyncio
from collections.abc import Mapping
from typing import Final

from compuerta.adapters.links.coap_server import CoapServer, Source
from compuerta.adapters.links.dtls import Address, DtlsServer, Event, KeyRefused, Left, Spoke
from compuerta.adapters.links.roadhead import KEY_REFUSED, UNKNOWN, PortNotListened, Refusals

SWEEP_S: Final = 1.0


class CoapPort:
    """This will listen on one port and pass datagrams on, behind DTLS or bare."""

    def __init__(self, server: CoapServer, refusals: Refusals, *, secured: bool) -> None:
        self._server = server
        self._refusals = refusals
        self._dtls = DtlsServer(send=self._send) if secured else None
        self._transport: asyncio.DatagramTransport | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    async def open(self, *, host: str, port: int) -> int:
        """Begin to listen, and return the port; raises `PortNotListened`."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
        except OSError as error:
            raise PortNotListened(host=host, port=port, reason=error.strerror or str(error)) from error
        self._sweep_timer = loop.call_later(SWEEP_S, self._sweep)
        bound_port: int = self._transport.get_extra_info("sockname")[1]
        return bound_port

    def shut(self) -> None:
        """Stop listening."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def learn(self, keys: Mapping[str, bytes]) -> None:
        """Take over the keys by the names of devices."""
        if self._dtls is not None:
            self._pass_on(self._dtls.learn(keys))

    def hear(self, datagram: bytes, address: Address) -> None:
        """Take a datagram from the socket."""
        if self._dtls is not None:
            now_s = asyncio.get_running_loop().time()
            self._pass_on(self._dtls.hear(address, datagram, now_s=now_s))
            return
        source = Source(
            address=("bare", address),
            host=address[0],
            identity=None,
            send=lambda answer: self._send(address, answer),
            close=lambda: None,
        )
        self._server.hear(source, datagram)

    def _pass_on(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Spoke():
                    self._server.hear(self._secured(event), event.plain)
                case Left():
                    self._server.gone(("dtls", event.session))
                case KeyRefused():
                    why = KEY_REFUSED if event.known else UNKNOWN
                    self._refusals.note(event.identity, why=why)

    def _secured(self, event: Spoke) -> Source:
        dtls = self._dtls
        assert dtls is not None
        return Source(
            address=("dtls", event.session),
            host=event.address[0],
            identity=event.identity,
            send=lambda answer: dtls.say(event.session, answer),
            close=lambda: dtls.forget(event.session),
        )

    def _send(self, address: Address, datagram: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, address)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        if self._dtls is not None:
            self._pass_on(self._dtls.sweep(now_s=loop.time()))
        self._sweep_timer = loop.call_later(SWEEP_S, self._sweep)


class _Datagrams(asyncio.DatagramProtocol):
    """The socket's side. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, port: CoapPort) -> None:
        self._port = port

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """See `asyncio.DatagramProtocol`."""
        self._port.hear(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """See `asyncio.DatagramProtocol`; who is not there is told by silence."""
