"""The port to a road: bytes out, bytes in, and the news that it is gone.

Not async, so that the simulator can implement it with a virtual clock: writing never waits, and what comes in
is told by calls. The contract, held by `tests/contract/test_link.py`:

- `attach` comes first; what arrives before it is kept, up to a bound, and told then.
- `lost` is told once, and nothing is told after it; after `shut` nothing is told at all.
- Writing to a link that is lost or shut does nothing: the silence of the meter is what tells.
"""

from typing import Protocol


class Listener(Protocol):
    """Who hears a link; calls come from the event loop, or from the simulator's clock."""

    def heard(self, data: bytes) -> None:
        """Take bytes as they come, in any pieces."""
        ...

    def lost(self, reason: str) -> None:
        """Learn that the other end is gone; `reason` is a stable name."""
        ...


class Link(Protocol):
    """One road end: a session of a dialed-in meter, a serial bus."""

    def attach(self, listener: Listener) -> None:
        """Tell `listener` all that comes from now on, and what has come already."""
        ...

    def write(self, data: bytes) -> None:
        """Send `data` without waiting."""
        ...

    def shut(self) -> None:
        """End the link from our side."""
        ...
