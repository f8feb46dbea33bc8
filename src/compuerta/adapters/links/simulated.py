"""A wire in memory, for tests and the simulator: what one end writes, the other end hears at once."""

from compuerta.services.link_port import Listener

BACKLOG_BYTES_MAX = 4_096  # bytes that come before anybody listens; more is a peer that talks to nobody


class Wire:
    """One end of a pair; see `services.link_port.Link` for the contract."""

    def __init__(self) -> None:
        self._peer: Wire | None = None
        self._listener: Listener | None = None
        self._backlog = bytearray()

    def attach(self, listener: Listener) -> None:
        """This will tell `listener` what comes, and what has come already."""
        self._listener = listener
        backlog, self._backlog = bytes(self._backlog), bytearray()
        if backlog:
            listener.heard(backlog)

    def write(self, data: bytes) -> None:
        """This will let the other end hear `data` before it returns."""
        if data and self._peer is not None:
            self._peer._hear(data)

    def shut(self) -> None:
        """This will end both ends; only the other one is told."""
        peer, self._peer, self._listener = self._peer, None, None
        if peer is not None:
            peer._lose("closed_by_peer")

    def cut(self) -> None:
        """This will break the wire between the ends; both are told."""
        peer = self._peer
        self._lose("cut")
        if peer is not None:
            peer._lose("cut")

    def _hear(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.heard(data)
        elif len(self._backlog) + len(data) <= BACKLOG_BYTES_MAX:
            self._backlog += data

    def _lose(self, reason: str) -> None:
        listener, self._peer, self._listener = self._listener, None, None
        if listener is not None:
            listener.lost(reason)


def a_wire() -> tuple[Wire, Wire]:
    """This will return the two ends of a new wire."""
    near, far = Wire(), Wire()
    near._peer, far._peer = far, near
    return near, far
