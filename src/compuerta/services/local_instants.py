"""Instants as people write them: by a site's clock, which shows some hours twice a year, or not at all."""

from collections.abc import Sequence
from datetime import UTC, datetime

from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of

YEAR_MIN, YEAR_MAX = 1900, 2999  # of what people can mean, and every zone's clock can show


class InstantMalformed(Refused):
    """What is written is no instant."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no date and time; write it as 2026-05-03T10:00")
        self.text = text


class InstantSkipped(Refused):
    """A site's clock never showed it: it was put forward over it."""

    def __init__(self, text: str, *, zone: str) -> None:
        super().__init__(f"the clock of {zone} never showed {text}: summer time began; choose an hour later")
        self.text = text
        self.zone = zone


class InstantTwice(Refused):
    """A site's clock showed it twice: it was put back."""

    def __init__(self, text: str, *, instants: Sequence[datetime]) -> None:
        choices = " or ".join(each.isoformat() for each in instants)
        super().__init__(f"{text} was twice, as summer time ended; write {choices}")
        self.text = text
        self.instants = tuple(instants)


def instant_of(text: str, *, zone: str, turn: int | None = None) -> datetime:
    """Return the instant that a text means, in UTC; without an offset it is by the zone's clock.

    `turn` says which of two is meant (0 = the first) where the clock showed it twice; without it that is
    refused, with both to choose from.
    """
    try:
        written = datetime.fromisoformat(text)
        if not YEAR_MIN <= written.year <= YEAR_MAX:
            raise InstantMalformed(text)
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        found = _instants(written, zone=zone)
    except (ValueError, OverflowError):
        raise InstantMalformed(text) from None
    if not found:
        raise InstantSkipped(text, zone=zone)
    if len(found) > 1 and turn is None:
        raise InstantTwice(text, instants=found)
    return found[min(turn or 0, len(found) - 1)].astimezone(UTC)


def _instants(written: datetime, *, zone: str) -> list[datetime]:
    """Return when a zone's clock showed this: once, twice, or never."""
    there = zone_of(zone)
    both = [written.replace(tzinfo=there, fold=fold) for fold in (0, 1)]
    shown = [each for each in both if each.astimezone(UTC).astimezone(there).replace(tzinfo=None) == written]
    return shown[:1] if len({each.utcoffset() for each in shown}) == 1 else shown
