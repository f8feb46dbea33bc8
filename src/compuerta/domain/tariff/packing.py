"""A tally as a row of integers, and back: what the database keeps of an open bill (bigint[]).

The head is of fixed length, so that a bulk run can read a million of them as columns. Energy is counted in
1/`denominator` Wh; that is 1 wherever no bound is prorated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import lcm
from typing import Final

from compuerta.domain.errors import Broken
from compuerta.domain.tariff.tally import Amount, Segment, Tally, simplest

FORMAT: Final = 1
HEAD: Final = (
    "format", "opened_us", "bill_start_us", "until_us", "accrued_us", "window_start_us", "free_start_us",
    "free_used_wh", "interval_start_us", "interval_wh", "carry_numerator", "carry_denominator",
    "year_numerator", "year_denominator", "denominator", "totals", "segments", "past_peaks",
)  # fmt: skip
SEGMENT_HEAD: Final = ("tariff_id", "version_no", "start_us", "cells", "peaks", "opening")


class TallyUnreadable(Broken):
    """Integers that are no tally."""

    def __init__(self, found: int) -> None:
        super().__init__(f"a kept tally has format {found}; this program reads format {FORMAT}")
        self.found = found


def packed(tally: Tally) -> tuple[int, ...]:
    """Return the integers of a tally: head, totals, segments (head, cells, opening, peaks), past peaks."""
    amounts: list[Amount] = [*tally.totals]
    for segment in tally.segments:
        amounts += [*segment.cells, *segment.opening]
    denominator = lcm(*(Fraction(amount).denominator for amount in amounts))

    def whole(parts: Iterable[Amount]) -> list[int]:
        return [int(part * denominator) for part in parts]

    ints = [
        FORMAT, tally.opened_us, tally.bill_start_us, tally.until_us, tally.accrued_us,
        tally.window_start_us, tally.free_start_us, int(tally.free_used_wh), tally.interval_start_us,
        tally.interval_wh, *tally.carry.as_integer_ratio(), *tally.year_exact.as_integer_ratio(),
        denominator, len(tally.totals), len(tally.segments), len(tally.past_peaks_wh), *whole(tally.totals),
    ]  # fmt: skip
    for segment in tally.segments:
        ints += [*segment.version, segment.start_us, len(segment.cells), len(segment.peaks_wh)]
        ints += [len(segment.opening), *whole(segment.cells), *whole(segment.opening), *segment.peaks_wh]
    for peaks in tally.past_peaks_wh:
        ints += [len(peaks), *peaks]
    return tuple(ints)


def unpacked(ints: Sequence[int]) -> Tally:
    """Return the tally that `packed` has made these of."""
    if not ints or ints[0] != FORMAT:
        raise TallyUnreadable(ints[0] if ints else 0)
    head = dict(zip(HEAD, ints, strict=False))
    rest = iter(ints[len(HEAD) :])
    denominator = head["denominator"]

    def take(count: int) -> tuple[int, ...]:
        return tuple(islice(rest, count))

    def amounts(count: int) -> tuple[Amount, ...]:
        return tuple(_amount(part, denominator) for part in take(count))

    totals = amounts(head["totals"])
    segments = []
    for _ in range(head["segments"]):
        tariff_id, version_no, start_us, cells, peaks, opening = take(len(SEGMENT_HEAD))
        segments.append(
            Segment(
                version=(tariff_id, version_no),
                start_us=start_us,
                cells=amounts(cells),
                opening=amounts(opening),
                peaks_wh=take(peaks),
            )
        )
    return Tally(
        **{name: head[name] for name in _PLAIN},
        segments=tuple(segments),
        totals=totals,
        past_peaks_wh=tuple(take(next(rest)) for _ in range(head["past_peaks"])),
        carry=Fraction(head["carry_numerator"], head["carry_denominator"]),
        year_exact=Fraction(head["year_numerator"], head["year_denominator"]),
    )


_PLAIN: Final = HEAD[1:10]


def _amount(part: int, denominator: int) -> Amount:
    return part if denominator == 1 else simplest(Fraction(part, denominator))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where the numbers of a plain tally are: one version, whole Wh, no demand."""

    totals: int
    cells: int

    @property
    def length(self) -> int:
        """How many integers it has."""
        return len(HEAD) + len(SEGMENT_HEAD) + 2 * self.totals + self.cells

    @property
    def totals_at(self) -> "slice[int, int, None]":
        """The steps' running totals."""
        return slice(len(HEAD), len(HEAD) + self.totals)

    @property
    def segment_at(self) -> "slice[int, int, None]":
        """The head of the one segment."""
        return slice(self.totals_at.stop, self.totals_at.stop + len(SEGMENT_HEAD))

    @property
    def cells_at(self) -> "slice[int, int, None]":
        """The cells."""
        return slice(self.segment_at.stop, self.segment_at.stop + self.cells)

    @property
    def opening_at(self) -> "slice[int, int, None]":
        """The running totals with which the segment began."""
        return slice(self.cells_at.stop, self.cells_at.stop + self.totals)

    @property
    def heads(self) -> dict[int, int]:
        """The numbers that make a tally of this shape, by place."""
        at = HEAD.index
        segment = self.segment_at.start + SEGMENT_HEAD.index("cells")
        plain = {at("format"): FORMAT, at("denominator"): 1, at("segments"): 1, at("past_peaks"): 0}
        return {
            **plain,
            at("totals"): self.totals,
            segment: self.cells,
            segment + 1: 0,
            segment + 2: self.totals,
        }


def shape_of(ints: Sequence[int]) -> Shape | None:
    """Return the shape of a packed tally; None = it is not a plain one."""
    if len(ints) < len(HEAD) + len(SEGMENT_HEAD):
        return None
    totals = int(ints[HEAD.index("totals")])
    shape = Shape(totals=totals, cells=len(ints) - len(HEAD) - len(SEGMENT_HEAD) - 2 * totals)
    if totals < 1 or shape.cells < 1:
        return None
    return shape if all(ints[at] == wanted for at, wanted in shape.heads.items()) else None
