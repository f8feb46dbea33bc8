"""Converters that we dial: a bus, or one meter, behind a TCP port that waits for us.

rtu://host:port      bytes as they are: Modbus RTU, or DL/T 645, or both on one bus
modbus://host:port   Modbus TCP: the line speaks RTU, and the link changes its dress
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol
from urllib.parse import urlsplit

from compuerta.adapters.links.ear import Ear
from compuerta.domain.errors import Refused, Unreachable
from compuerta.drivers.abilities import SWITCH_VALID_S
from compuerta.services.link_port import Link, Listener
from compuerta.wire import modbus

DIAL_S_MAX: Final = 10.0  # a converter that takes longer to answer is not there
BACKOFF_S_MIN: Final = 1.0
BACKOFF_S_MAX: Final = 60.0  # one that comes back is found within a minute
UNSENT_BYTES_MAX: Final = 16_384  # one exchange at a time is far below; more means that nobody reads
# What a converter has not taken by then dies with its connection: the system would say it again for a quarter
# of an hour, and a Modbus cut has no "valid until". A cut is looked after so long (`converging.looks_after`).
UNTAKEN_MS_MAX: Final = 1_000 * SWITCH_VALID_S
# A converter that lost its power says nothing: the system asks it after half a minute without a word.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS_MAX),
)


class Dress(Enum):
    """How frames travel to a converter, by the scheme of its address."""

    PLAIN = "rtu"
    MODBUS_TCP = "modbus"


class AddressNotDialable(Refused):
    """The address of a converter that does not say whom to dial, and how."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address!r}: write rtu://host:port, or modbus://host:port for Modbus TCP")
        self.address = address


class NobodyAnswers(Unreachable):
    """A converter that cannot be reached now."""

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Whom to dial, and how."""

    host: str
    port: int
    dress: Dress


def converter_of(address: str) -> Converter:
    """Return the converter at an address; raises `AddressNotDialable`."""
    try:
        parts = urlsplit(address)
        dress, port = Dress(parts.scheme), parts.port
    except ValueError as error:
        raise AddressNotDialable(address) from error
    if not parts.hostname or not port or parts.path.strip("/") or parts.query or parts.username:
        raise AddressNotDialable(address)
    return Converter(host=parts.hostname, port=port, dress=dress)


class DialedOut:
    """Keeps one converter dialed as long as `run` runs.

    `opened(link)` is called each time that it answers; `not_opened(error)` when it does not, once per reason.
    """

    def __init__(
        self,
        address: str,
        *,
        opened: Callable[[Link], None],
        not_opened: Callable[[NobodyAnswers], None],
        backoff_s_min: float = BACKOFF_S_MIN,
    ) -> None:
        self._address = address
        self._converter = converter_of(address)
        self._opened = opened
        self._not_opened = not_opened
        self._backoff_s_min = backoff_s_min

    async def run(self) -> None:
        """Hold the connection until it is cancelled, dialing again after each loss with a back-off."""
        loop, backoff_s, told = asyncio.get_running_loop(), self._backoff_s_min, ""
        while True:
            try:
                link = await self._dial()
            except NobodyAnswers as error:
                if error.reason != told:
                    self._not_opened(error)
                told = error.reason
            else:
                told, since_s = "", loop.time()
                try:
                    self._opened(link)
                    await link.ended.wait()
                finally:
                    link.shut()
                # Only a connection that lasted earns a quick redial: a converter that takes one master at a
                # time hangs up on us at once while another has it.
                if loop.time() - since_s > BACKOFF_S_MAX:
                    backoff_s = self._backoff_s_min
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _dial(self) -> "_Connection":
        loop, converter = asyncio.get_running_loop(), self._converter
        try:
            async with asyncio.timeout(DIAL_S_MAX):
                _, link = await loop.create_connection(
                    lambda: _Connection(_tailor(converter.dress)), converter.host, converter.port
                )
        except TimeoutError as error:
            raise NobodyAnswers(address=self._address, reason="does not answer") from error
        except OSError as error:
            reason = error.strerror or "is not known"
            raise NobodyAnswers(address=self._address, reason=reason) from error
        return link


class _Tailor(Protocol):
    """Who changes the dress of frames on their way."""

    def outward(self, octets: bytes) -> bytes: ...

    def inward(self, octets: bytes) -> bytes: ...


class _AsTheyAre:
    """Bytes for who speaks as the line does."""

    def outward(self, octets: bytes) -> bytes:
        return octets

    def inward(self, octets: bytes) -> bytes:
        return octets


def _tailor(dress: Dress) -> _Tailor:
    return modbus.Dress() if dress is Dress.MODBUS_TCP else _AsTheyAre()


class _Connection(asyncio.Protocol):
    """One connection, as a `Link`.

    (It inherits, since asyncio gives its callbacks to nothing else.)
    """

    def __init__(self, tailor: _Tailor) -> None:
        self.ended = asyncio.Event()
        self._tailor = tailor
        self._transport: asyncio.Transport | None = None
        self._ear = Ear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        for option in _KEEPALIVE:
            transport.get_extra_info("socket").setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        octets = self._tailor.inward(data)
        if octets:
            self._ear.hear(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self.ended.set()
        self._ear.lose("converter_gone")

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self._ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`; who does not read what it asked to be dialed for is hung up on."""
        if self._transport is None or not data:
            return
        self._transport.write(self._tailor.outward(data))
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._transport.abort()

    def shut(self) -> None:
        """See `Link`."""
        transport, self._transport = self._transport, None
        self._ear.close()
        self.ended.set()
        if transport is not None:
            transport.abort()
