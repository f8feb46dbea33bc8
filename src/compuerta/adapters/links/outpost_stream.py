"""One connection between an outpost and the platform, whichever side: frames in, frames out, and its end.

(It inherits, since asyncio gives its callbacks to nothing else.)
"""

import asyncio
from collections.abc import Callable
from typing import Final

from compuerta.wire import outpost
from compuerta.wire.outpost import Frame, Kind

TICK_S: Final = 2.0  # between two ticks of an outpost
SILENT_S_MAX: Final = 10.0  # a connection that missed so many ticks is dead, whatever TCP believes
PROOF_S_MAX: Final = 10.0  # to show who it is
# Bytes for lines are late before they are sent when so much waits before them: the driver's patience ends.
LATE_BYTES_MAX: Final = 16_384
# Orders and records wait here at most; the other side does not read.
UNSENT_BYTES_MAX: Final = 2 * outpost.PAYLOAD_BYTES_MAX
# Within a second; all lines together say some thousand bytes, and orders come once in half a minute.
HEARD_BYTES_MAX: Final = outpost.PAYLOAD_BYTES_MAX + 262_144


class Stream(asyncio.Protocol):
    """This will cut a connection into frames; `ended(reason)` is told once, and nothing after it."""

    def __init__(
        self,
        *,
        begun: Callable[["Stream"], None],
        heard: Callable[["Stream", Frame], None],
        ended: Callable[["Stream", str], None],
    ) -> None:
        self._begun = begun
        self._heard = heard
        self._ended = ended
        self._deframer = outpost.Deframer()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_s = 0.0
        self._second, self._second_bytes = 0, 0
        self._is_known = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`; called when TLS stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._deadline_s = asyncio.get_running_loop().time() + PROOF_S_MAX
        self._look()
        self._begun(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._transport is None:
            return
        now_s = asyncio.get_running_loop().time()
        if self._is_known:
            self._deadline_s = now_s + SILENT_S_MAX
        if self._is_too_much(len(data), second=int(now_s)):
            self.end("talks_too_much")
            return
        try:
            for frame in self._deframer.receive(data):
                self._heard(self, frame)
                if self._transport is None:
                    return
        except outpost.ProtocolError:
            self.end("talks_nonsense")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.end("closed_by_peer" if exc is None else "broken")

    def know(self) -> None:
        """Let the other side say more from now on, and be silent for no longer than `SILENT_S_MAX`."""
        self._is_known = True
        self._deframer.payload_bytes_max = outpost.PAYLOAD_BYTES_MAX
        self._deadline_s = asyncio.get_running_loop().time() + SILENT_S_MAX

    def send(self, kind: Kind, *, line: int = 0, payload: bytes = b"") -> None:
        """Send a frame without waiting; what is for a line and would be late is dropped."""
        transport = self._transport
        if transport is None:
            return
        waiting = transport.get_write_buffer_size()
        if kind in (Kind.SAY, Kind.HEARD) and waiting > LATE_BYTES_MAX:
            return
        transport.write(outpost.encode(Frame(kind=kind, line=line, payload=payload)))
        if waiting > UNSENT_BYTES_MAX:
            self.end("peer_does_not_read")

    def certificate(self) -> bytes:
        """Return the other side's certificate, in DER; only the platform has one."""
        assert self._transport is not None, "a certificate is asked for while the connection stands"
        tls = self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) or b""

    def end(self, reason: str) -> None:
        """End the connection from our side, and tell of it; called again it does nothing."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        transport.abort()
        self._ended(self, reason)

    def _is_too_much(self, count: int, *, second: int) -> bool:
        if second != self._second:
            self._second, self._second_bytes = second, 0
        self._second_bytes += count
        return self._second_bytes > HEARD_BYTES_MAX

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._deadline_s:
            self.end("silent_too_long" if self._is_known else "did_not_say_who")
        else:
            self._timer = loop.call_later(TICK_S / 2, self._look)
