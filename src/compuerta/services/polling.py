"""Polling: when a meter is read next: in its turn, and soon after it said something of its own accord.

What a meter says unasked is a hint that makes its next reading due; the reading is the evidence.
"""

# However often a meter speaks, or somebody in its name: its road is not kept busy by it.
HINTED_POLL_S = 10.0


class Polls:
    """This will tell when each meter's next reading is due, by a clock in seconds that only goes forwards."""

    def __init__(self, *, poll_s: float) -> None:
        self._poll_s = poll_s
        self._begun_s: dict[int, float] = {}
        self._hinted: set[int] = set()

    def hint(self, meter_id: int) -> None:
        """Let a meter be read soon: at once, but no sooner than `HINTED_POLL_S` after its last reading."""
        self._hinted.add(meter_id)

    def begin(self, meter_id: int, *, now_s: float) -> None:
        """Note that a meter is being read."""
        self._begun_s[meter_id] = now_s
        self._hinted.discard(meter_id)

    def due_s(self, meter_id: int) -> float:
        """Return when a meter is to be read; one that never was is due at the beginning of time."""
        begun_s = self._begun_s.get(meter_id)
        if begun_s is None:
            return 0.0
        return begun_s + (min(HINTED_POLL_S, self._poll_s) if meter_id in self._hinted else self._poll_s)
