"""An outpost's side of the connection: it dials, proves its key, and is told what comes.

The platform's certificate is pinned: the outpost speaks to the holder of that one key, or to nobody.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.outpost_stream import TICK_S, Stream
from compuerta.domain.errors import Unreachable
from compuerta.wire import outpost
from compuerta.wire.outpost import Frame, Kind

CONNECT_S_MAX: Final = 20.0
BACKOFF_S_MIN: Final = 1.0
BACKOFF_S_MAX: Final = 30.0  # a platform that is back is found within half a minute


class PlatformAway(Unreachable):
    """The platform cannot be reached, or is not the one whose certificate is pinned."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the platform is not reached: {reason}")
        self.reason = reason


class Tenant(Protocol):
    """Who holds the lines of an outpost; calls come from the event loop."""

    def welcomed(self) -> None:
        """Learn that the platform is there: forward what was noted, and then offer the lines."""
        ...

    def ordered(self, orders: bytes) -> None:
        """Take new orders."""
        ...

    def kept(self, record_no: int) -> None:
        """Learn up to which record all is committed."""
        ...

    def returned(self, line: int) -> None:
        """Learn that a line is not wanted, or not any more."""
        ...

    def said(self, line: int, data: bytes) -> None:
        """Put bytes on a line."""
        ...

    def left_alone(self, reason: str) -> None:
        """Learn that the platform is gone; told once after each `welcomed`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who an outpost is, and whom it believes."""

    outpost_id: str
    key: bytes
    host: str
    port: int
    certificate: str  # of the platform, in PEM: pinned

    def context(self) -> ssl.SSLContext:
        """Return what believes this one certificate, and no name and no authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.load_verify_locations(cadata=self.certificate)
        return context


class OutpostClient:
    """This will hold one connection to the platform for as long as `run` runs."""

    def __init__(
        self,
        identity: Identity,
        tenant: Tenant,
        *,
        away: Callable[[PlatformAway], None],
        chance: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._tenant = tenant
        self._away = away
        self._chance = chance  # from 0 to 1: a thousand outposts do not come back in one second
        self._stream: Stream | None = None
        self._is_welcome = False
        self._ended = asyncio.Event()
        self._stale = 0

    async def run(self) -> None:
        """Connect, again and again; `away` is told once per reason."""
        backoff_s, told = BACKOFF_S_MIN, ""
        while True:
            try:
                await self._connect()
                told, backoff_s = "", BACKOFF_S_MIN
                await self._tick_on()
            except PlatformAway as error:
                if error.reason != told:
                    self._away(error)
                told = error.reason
            finally:
                if self._stream is not None:
                    self._stream.end("shut")
            await asyncio.sleep(backoff_s * (1 + self._chance()) / 2)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    @property
    def stale(self) -> int:
        """How many frames for lines came too late, and were dropped."""
        return self._stale

    def send(self, kind: Kind, *, line: int = 0, payload: bytes = b"") -> None:
        """Send a frame, if the platform is there."""
        if self._stream is not None and self._is_welcome:
            self._stream.send(kind, line=line, payload=payload)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await loop.create_connection(
                    lambda: Stream(begun=self._begun, heard=self._heard, ended=self._lost),
                    self._identity.host,
                    self._identity.port,
                    ssl=self._identity.context(),
                    server_hostname="",
                )
        except (OSError, TimeoutError) as error:
            raise PlatformAway(_reason(error)) from error

    async def _tick_on(self) -> None:
        """Say the time by our clock until the connection ends."""
        while not self._ended.is_set():
            self.send(Kind.TICK, payload=outpost.stamp(_now_ms()))
            try:
                async with asyncio.timeout(TICK_S):
                    await self._ended.wait()
            except TimeoutError:
                pass

    def _begun(self, stream: Stream) -> None:
        self._stream = stream

    def _heard(self, stream: Stream, frame: Frame) -> None:
        if frame.kind is Kind.CHALLENGE and not self._is_welcome:
            self._prove(stream, frame.payload)
        elif frame.kind is Kind.WELCOME and not self._is_welcome:
            self._is_welcome = True
            stream.know()
            self.send(Kind.TICK, payload=outpost.stamp(_now_ms()))
            self._tenant.welcomed()
        elif self._is_welcome:
            self._told(frame)
        else:
            raise outpost.ProtocolError(f"{frame.kind.name} before a welcome")

    def _prove(self, stream: Stream, nonce: bytes) -> None:
        if len(nonce) != outpost.NONCE_BYTES:
            raise outpost.ProtocolError("a challenge that is no nonce")
        identity = self._identity
        proof = outpost.proof_of(
            identity.outpost_id, key=identity.key, nonce=nonce, certificate=stream.certificate()
        )
        stream.send(Kind.PROOF, payload=proof.encoded())

    def _told(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.SAY:
                tick_ms, octets = outpost.unstamped(frame.payload)
                if outpost.is_fresh(tick_ms, now_ms=_now_ms()):
                    self._tenant.said(frame.line, octets)
                else:
                    self._stale += 1
            case Kind.ORDERS:
                self._tenant.ordered(outpost_text.expanded(frame.payload))
            case Kind.KEPT:
                record_no, _ = outpost.unstamped(frame.payload)
                self._tenant.kept(record_no)
            case Kind.RETURN:
                self._tenant.returned(frame.line)
            case Kind.TICK:
                pass  # that it came at all is what it says
            case _:
                raise outpost.ProtocolError(f"{frame.kind.name} is not said by the platform")

    def _lost(self, stream: Stream, reason: str) -> None:
        was_welcome, self._is_welcome = self._is_welcome, False
        self._stream = None
        self._ended.set()
        if was_welcome:
            self._tenant.left_alone(reason)


def _now_ms() -> int:
    """The outpost's own clock, which only goes forwards."""
    return int(asyncio.get_running_loop().time() * 1_000)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not the one that is pinned"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(error)
