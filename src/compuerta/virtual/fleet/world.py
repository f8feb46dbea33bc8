"""The clock of a virtual world: it starts at an instant, and runs as fast as one wishes."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ms(at: datetime) -> int:
    """Turn an aware instant into milliseconds since 1970."""
    return (at - _UNIX_EPOCH) // timedelta(milliseconds=1)


class World:
    """Will tell the world's time in milliseconds since 1970 UTC, and back to real instants.

    `factor` seconds of the world pass in each second of ours. The wire does not speed up with it: frames,
    time-outs and heartbeats stay in our time.
    """

    def __init__(
        self, *, started_at: datetime, factor: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.factor = factor
        self.started_at = started_at
        self._clock = clock
        self._started_s = clock()
        self._started_ms = unix_ms(started_at)

    def line_ms(self) -> int:
        """Return our own time since the start, which the wire runs by."""
        return int((self._clock() - self._started_s) * 1_000)

    def now_ms(self) -> int:
        """Return the world's time."""
        return self._started_ms + self.line_ms() * self.factor

    def real_at(self, now_ms: int) -> datetime:
        """Return the real instant at which the world's time was `now_ms`."""
        return self.started_at + timedelta(milliseconds=(now_ms - self._started_ms) / self.factor)
