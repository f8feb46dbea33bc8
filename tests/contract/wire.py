"""A wire in memory, held to the contract of links: what one end writes, the other end hears at once."""

from compuerta.adapters.links.ear import Ear
from compuerta.services.link_port import Listener


class Wire:
    """One end of a pair; see `services.link_port.Link` for the contract."""

    def __init__(self) -> None:
        self._peer: Wire | None = None
        self._ear = Ear()

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self._ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`."""
        if data and self._peer is not None:
            self._peer._ear.hear(data)

    def shut(self) -> None:
        """See `Link`; the other end is told."""
        peer, self._peer = self._peer, None
        self._ear.close()
        if peer is not None:
            peer._peer = None
            peer._ear.lose("closed_by_peer")


def a_wire() -> tuple[Wire, Wire]:
    """The two ends of a new wire."""
    near, far = Wire(), Wire()
    near._peer, far._peer = far, near
    return near, far
