"""The meter's own clock: civil time that runs a little wrong, over the world's time that is an argument.

World time is `now_ms`, an integer that only grows. Civil time is what the display shows, as `civil_ms`,
milliseconds since 1970-01-01 00:00 of the site's wall clock: a meter knows no time zone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

PPM = 1_000_000
DAY_MS = 86_400_000
CIVIL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 a meter's clock knows no zone


def civil_from_ms(civil_ms: int) -> datetime:
    """Turn civil milliseconds into the naive date and time that the display shows."""
    return CIVIL_EPOCH + timedelta(milliseconds=civil_ms)


def ms_from_civil(civil: datetime) -> int:
    """Turn a naive date and time into civil milliseconds."""
    return (civil - CIVIL_EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CivilClock:
    """A clock that showed `civil_ms` at world time `now_ms`, and gains `drift_ppm` since."""

    now_ms: int
    civil_ms: int
    drift_ppm: int = 0

    def civil_at(self, now_ms: int) -> int:
        """Return the civil milliseconds shown at a world instant."""
        return self.civil_ms + (now_ms - self.now_ms) * (PPM + self.drift_ppm) // PPM

    def first_ms_at(self, civil_ms: int) -> int:
        """Return the first world millisecond at which the clock shows `civil_ms` or later."""
        return self.now_ms - (-(civil_ms - self.civil_ms) * PPM // (PPM + self.drift_ppm))

    def set_to(self, civil_ms: int, *, now_ms: int) -> "CivilClock":
        """Return the clock as it is after somebody set it; the drift stays, for it is in the crystal."""
        return CivilClock(now_ms=now_ms, civil_ms=civil_ms, drift_ppm=self.drift_ppm)
