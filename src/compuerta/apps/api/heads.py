"""Heads of requests are bounded: in bytes, and in the time that they take to come.

The server below us bounds neither. One stranger with an endless header would hold the whole door, since each
part is added to all that came before; and connections that say nothing would stay until no more can open.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 65_536  # providers' and browsers' heads have some 2 KB
HEAD_S_MAX = 10.0


class BoundedHeads(HttpToolsProtocol):
    """This will hang up on whoever sends a head that is too large, or too slowly.

    (It inherits, since the server gives its callbacks to nothing else.)
    """

    head_s_max = HEAD_S_MAX
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None  # set while a head is expected

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._head_is_whole()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """See `httptools`: the first byte of a head, also on a connection that has been used before."""
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See `httptools`."""
        self._head_is_whole()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s_max, self.transport.abort)

    def _head_is_whole(self) -> None:
        deadline, self._deadline = self._deadline, None
        self._head_bytes = 0
        if deadline is not None:
            deadline.cancel()
