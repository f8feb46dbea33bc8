"""Polling: when a meter is read next: in its turn, and soon after it said something of its own accord.

What a meter says unasked is a hint that makes its next reading due; the reading is the evidence.
"""

# However often a meter speaks, or somebody in its name: its road is not kept busy by it.
HINTED_POLL_MS = 10_000


class Polls:
    """This will tell when each meter's next reading is due, by a clock that only goes forwards."""

    def __init__(self, *, poll_ms: int) -> None:
        self._poll_ms = poll_ms
        self._begun_ms: dict[int, int] = {}
        self._rest_ms: dict[int, int] = {}  # of meters that are to be read more seldom than others
        self._hinted: set[int] = set()

    def hint(self, meter_id: int) -> None:
        """Let a meter be read soon: at once, but no sooner than `HINTED_POLL_MS` after its last reading."""
        self._hinted.add(meter_id)

    def begin(self, meter_id: int, *, now_ms: int, rest_ms: int = 0) -> None:
        """Note that a meter is being read, and for how long it is then left alone at least.

        Who sleeps between two contacts is read once at each: readings that follow each other keep it awake.
        """
        self._begun_ms[meter_id] = now_ms
        self._rest_ms[meter_id] = rest_ms
        self._hinted.discard(meter_id)

    def due_ms(self, meter_id: int) -> int:
        """Return when a meter is to be read; one that never was is due at the beginning of time."""
        begun_ms = self._begun_ms.get(meter_id)
        if begun_ms is None:
            return 0
        turn_ms = min(HINTED_POLL_MS, self._poll_ms) if meter_id in self._hinted else self._poll_ms
        return begun_ms + max(turn_ms, self._rest_ms[meter_id])
