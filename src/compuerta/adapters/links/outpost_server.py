"""The port that outposts connect to: TLS, a proof of each one's key, and a `Link` for each line lent.

The last connection of an outpost wins, since one that lost its network connects again long before we notice.
"""

import asyncio
import secrets
import ssl
from hmac import compare_digest
from typing import Final, Protocol

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.ear import Ear
from compuerta.adapters.links.outpost_stream import Stream
from compuerta.adapters.links.roadhead import KEY_REFUSED, UNKNOWN, PortNotListened, Refusals, Stranger
from compuerta.services.link_port import Link, Listener
from compuerta.wire import outpost
from compuerta.wire.outpost import Frame, Kind

OUTPOSTS_MAX: Final = 2_000  # of one gateway
UNPROVEN_MAX: Final = 100  # connections that have not shown who they are; of more, the first makes room
HANDSHAKE_S_MAX: Final = 10.0


class Host(Protocol):
    """Who receives outposts; calls come from the event loop."""

    def key_of(self, outpost_id: str) -> bytes | None:
        """Return the key that is good now; None = there is no such outpost."""
        ...

    def came(self, guest: "Guest") -> None:
        """Take an outpost that has shown who it is: send it its orders."""
        ...

    def told(self, guest: "Guest", records: bytes) -> None:
        """Take records of its journal; they are acknowledged by `Guest.keep`."""
        ...

    def offered(self, guest: "Guest", line: int) -> bool:
        """Take a line, by `Guest.link`; False = it is not wanted."""
        ...

    def left(self, guest: "Guest") -> None:
        """Learn that an outpost is gone; the links of its lines are lost by then."""
        ...


class _Line:
    """One line of an outpost, lent to us, as a `Link`."""

    def __init__(self, guest: "Guest", line: int) -> None:
        self._guest = guest
        self._line = line
        self.ear = Ear()
        self._is_shut = False

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self.ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`; stamped, so that the outpost drops what comes too late."""
        if data and not self._is_shut:
            self._guest.say(self._line, data)

    def shut(self) -> None:
        """See `Link`: the line goes back to the outpost."""
        if not self._is_shut:
            self._is_shut = True
            self.ear.close()
            self._guest.give_back(self._line, self)

    def lose(self, reason: str) -> None:
        """Tell the listener, once, that the line is gone."""
        self._is_shut = True
        self.ear.lose(reason)


class Guest:
    """One outpost that is connected and known."""

    def __init__(self, outpost_id: str, stream: Stream, *, key: bytes) -> None:
        self.outpost_id = outpost_id
        self.key = key  # that it has shown
        self._stream = stream
        self._lines: dict[int, _Line] = {}
        self._tick_ms = 0

    def order(self, orders: bytes) -> None:
        """Send orders; on a mobile network each byte is paid for."""
        self._stream.send(Kind.ORDERS, payload=outpost_text.squeezed(orders))

    def keep(self, record_no: int) -> None:
        """Say that all up to a record is committed: the outpost may forget it."""
        self._stream.send(Kind.KEPT, payload=outpost.stamp(record_no))

    def link(self, line: int) -> Link:
        """Return the link of a line that was offered; an earlier one of the same line is lost by it."""
        former = self._lines.get(line)
        if former is not None:
            former.lose("offered_again")
        self._lines[line] = link = _Line(self, line)
        return link

    def send_off(self, reason: str) -> None:
        """End the connection from our side."""
        self._stream.end(reason)

    def say(self, line: int, data: bytes) -> None:
        """Send bytes for a line, stamped with the outpost's last tick."""
        self._stream.send(Kind.SAY, line=line, payload=outpost.stamped(data, tick_ms=self._tick_ms))

    def give_back(self, line: int, link: _Line) -> None:
        """Return a line to the outpost."""
        if self._lines.get(line) is link:
            del self._lines[line]
            self._stream.send(Kind.RETURN, line=line)

    def heard(self, frame: Frame, host: Host) -> None:
        """Do what a frame of this outpost says; raises `ProtocolError`."""
        match frame.kind:
            case Kind.TICK:
                self._tick_ms, _ = outpost.unstamped(frame.payload)
                self._stream.send(Kind.TICK, payload=frame.payload)
            case Kind.HEARD:
                if frame.line in self._lines:
                    self._lines[frame.line].ear.hear(frame.payload)
            case Kind.OFFER:
                if not host.offered(self, frame.line):
                    self._stream.send(Kind.RETURN, line=frame.line)
            case Kind.WITHDRAW:
                link = self._lines.pop(frame.line, None)
                if link is not None:
                    link.lose("device_gone")
            case Kind.RECORDS:
                host.told(self, frame.payload)
            case _:
                raise outpost.ProtocolError(f"{frame.kind.name} is not said by outposts")

    def lose(self, reason: str) -> None:
        """Tell all lines that the outpost is gone."""
        lines, self._lines = self._lines, {}
        for link in lines.values():
            link.lose(reason)

    def shut(self) -> None:
        """Let nothing more be told, and end the connection."""
        for link in self._lines.values():
            link.ear.close()
        self._lines.clear()
        self._stream.end("shut")


class OutpostServer:
    """This will listen for outposts, and give each to its host once it has shown that it has its key."""

    def __init__(self, host: Host, *, certificate: bytes, context: ssl.SSLContext) -> None:
        self._host = host
        self._certificate = certificate
        self._context = context
        self._nonces: dict[Stream, bytes] = {}  # of who has not shown it yet; who came first is first
        self._guests: dict[Stream, Guest] = {}
        self._by_id: dict[str, Stream] = {}
        self._refusals = Refusals()
        self._server: asyncio.Server | None = None

    async def open(self, *, host: str, port: int) -> int:
        """Begin to listen, and return the port; raises `PortNotListened`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._stream, host, port, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S_MAX
            )
        except OSError as error:
            raise PortNotListened(host=host, port=port, reason=error.strerror or str(error)) from error
        bound_port: int = self._server.sockets[0].getsockname()[1]
        return bound_port

    async def shut(self) -> None:
        """Stop listening and end every connection without telling any listener."""
        if self._server is not None:
            self._server.close()
        for guest in list(self._guests.values()):
            guest.shut()
        for stream in list(self._nonces):
            stream.end("shut")
        if self._server is not None:
            await self._server.wait_closed()

    def guests(self) -> list[Guest]:
        """Return the outposts that are connected."""
        return list(self._guests.values())

    def strangers(self) -> list[Stranger]:
        """Return who was not let in."""
        return self._refusals.strangers()

    def _stream(self) -> Stream:
        return Stream(begun=self._begun, heard=self._heard, ended=self._ended)

    def _begun(self, stream: Stream) -> None:
        if len(self._nonces) >= UNPROVEN_MAX:
            next(iter(self._nonces)).end("made_room")
        self._nonces[stream] = nonce = secrets.token_bytes(outpost.NONCE_BYTES)
        stream.send(Kind.CHALLENGE, payload=nonce)

    def _heard(self, stream: Stream, frame: Frame) -> None:
        guest = self._guests.get(stream)
        if guest is not None:
            guest.heard(frame, self._host)
        elif frame.kind is Kind.PROOF:
            self._prove(stream, outpost.parse_proof(frame.payload))
        else:
            raise outpost.ProtocolError(f"{frame.kind.name} before a proof")

    def _prove(self, stream: Stream, proof: outpost.Proof) -> None:
        """Let in who signed our nonce with the key that is good now; each nonce serves once."""
        nonce, key = self._nonces.pop(stream), self._host.key_of(proof.outpost_id)
        if key is None or len(self._guests) >= OUTPOSTS_MAX:
            self._refuse(stream, proof.outpost_id, UNKNOWN)
        elif not is_proven(proof, key=key, nonce=nonce, certificate=self._certificate):
            self._refuse(stream, proof.outpost_id, KEY_REFUSED)
        else:
            former = self._by_id.get(proof.outpost_id)
            if former is not None:
                former.end("replaced")
            self._by_id[proof.outpost_id] = stream
            self._guests[stream] = guest = Guest(proof.outpost_id, stream, key=key)
            stream.know()
            stream.send(Kind.WELCOME)
            self._host.came(guest)

    def _refuse(self, stream: Stream, name: str, why: str) -> None:
        self._refusals.note(name, why=why)
        stream.end(why)

    def _ended(self, stream: Stream, reason: str) -> None:
        self._nonces.pop(stream, None)
        guest = self._guests.pop(stream, None)
        if guest is not None:
            if self._by_id.get(guest.outpost_id) is stream:
                del self._by_id[guest.outpost_id]
            guest.lose(reason)
            self._host.left(guest)


def is_proven(proof: outpost.Proof, *, key: bytes, nonce: bytes, certificate: bytes) -> bool:
    """Tell whether a proof was made with a key, for a nonce and a certificate."""
    right = outpost.proof_of(proof.outpost_id, key=key, nonce=nonce, certificate=certificate)
    return compare_digest(right.code, proof.code)
