"""What every link does for its listener: keep what came too early, tell a loss once, end in silence."""

from compuerta.services.link_port import Listener

EARLY_BYTES_MAX = 4_096  # bytes that come before anybody listens; more is a peer that talks to nobody


class Ear:
    """The listener's side of a link."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._early = b""

    def attach(self, listener: Listener) -> None:
        """Tell `listener` what comes, and what has come already."""
        self._listener = listener
        early, self._early = self._early, b""
        if early:
            listener.heard(early)

    def hear(self, data: bytes) -> None:
        """Tell `data`, or keep it for who comes."""
        if self._listener is not None:
            self._listener.heard(data)
        elif len(self._early) + len(data) <= EARLY_BYTES_MAX:
            self._early += data

    def lose(self, reason: str) -> None:
        """Tell that the road is gone, once; nothing is told after it."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(reason)

    def close(self) -> None:
        """Let nothing more be told."""
        self._listener = None
