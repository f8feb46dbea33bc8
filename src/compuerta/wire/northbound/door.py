"""One HTTP connection as its server sees it, bytes in and bytes out; h11 reads and writes HTTP."""

from dataclasses import dataclass
from typing import Final

import h11

BODY_BYTES_MAX: Final = 65_536
HEAD_BYTES_MAX: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAsked:
    """A request that is whole."""

    method: str
    path: str
    seal: str  # "" = none
    body: bytes


class HttpDoor:
    """Will read requests one after another, and write their answers."""

    def __init__(self, *, seal_header: str) -> None:
        self._seal_header = seal_header.encode()
        self._talk = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._head: h11.Request | None = None
        self._body = b""
        self.is_over = False

    def receive(self, octets: bytes) -> HttpAsked | None:
        """Take bytes; returns a request when it is whole. What is no HTTP, or too long, ends it."""
        try:
            self._talk.receive_data(octets)
            while not self.is_over:
                event = self._talk.next_event()
                if isinstance(event, h11.Request):
                    self._head, self._body = event, b""
                elif isinstance(event, h11.Data):
                    self._body += bytes(event.data)
                    self.is_over = len(self._body) > BODY_BYTES_MAX
                elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                    return self._asked(self._head)
                else:
                    self.is_over = isinstance(event, h11.ConnectionClosed)
                    return None
        except h11.RemoteProtocolError:
            self.is_over = True
        return None

    def answer(self, status: int, body: bytes = b"") -> bytes:
        """Write the answer to the request that was whole, and end the connection."""
        self.is_over = True
        headers = [("content-length", str(len(body))), ("connection", "close")]
        said = self._talk.send(h11.Response(status_code=status, headers=headers)) or b""
        said += self._talk.send(h11.Data(data=body)) or b""
        return said + (self._talk.send(h11.EndOfMessage()) or b"")

    def _asked(self, head: h11.Request) -> HttpAsked:
        seals = [value for name, value in head.headers if name == self._seal_header]
        return HttpAsked(
            method=head.method.decode("ascii"),
            path=head.target.decode("ascii"),
            seal=seals[0].decode("latin-1") if seals else "",
            body=self._body,
        )
