"""The road to one device on NB-IoT, by whatever platform it is spoken to; there only while it is awake."""

from collections.abc import Callable

from compuerta.adapters.links.ear import Ear
from compuerta.services.link_port import Listener


class DeviceLink:
    """A road to a device that is awake; see `Link`."""

    def __init__(self, *, write: Callable[[bytes], None], shut: Callable[[str], None]) -> None:
        self.ear = Ear()
        self._write: Callable[[bytes], None] | None = write
        self._shut = shut

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self.ear.attach(listener)

    def write(self, octets: bytes) -> None:
        """See `Link`; a frame that is still in the air is given up for this one."""
        if self._write is not None and octets:
            self._write(octets)

    def shut(self) -> None:
        """See `Link`."""
        self.ear.close()
        if self._write is not None:
            self._shut("shut")

    def lose(self, reason: str) -> None:
        """End it, and tell the listener once."""
        self._write = None
        self.ear.lose(reason)
