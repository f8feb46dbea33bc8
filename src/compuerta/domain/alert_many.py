"""Warnings of many balances at once, by `alert`'s rules: levels of money, which all these accounts share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compuerta.domain import alert
from compuerta.domain.policy import Level, LevelKind
from compuerta.domain.tariff.columns import Bools, Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What levels have to say, a row for each account."""

    place: Int64s  # of the level that speaks now, among the ordered levels; -1 = none
    warned: Int64s  # the bits of those that have spoken


def based(levels: Sequence[Level], *, was_minor: Int64s, warned: Int64s, warned_of: Int64s) -> Int64s:
    """Return which levels have spoken; where they are of other levels, those passed already count as such."""
    anew = np.zeros(len(was_minor), np.int64)
    for bit, level in enumerate(levels):
        anew |= (was_minor <= level.value).astype(np.int64) << bit
    return np.where(warned_of == alert.mark(levels), warned, anew)


def spoken(
    levels: Sequence[Level], *, was_minor: Int64s, is_minor: Int64s, warned: Int64s, recharged: Bools
) -> Spoken:
    """Return what each balance's change makes the levels say: `alert.rearmed`, then `alert.crossings`."""
    assert all(level.kind is LevelKind.MONEY for level in levels), (
        "energy and hours are not of balances alone"
    )
    place = np.full(len(was_minor), -1, np.int64)
    warned = warned.copy()
    for bit, level in enumerate(levels):
        above = was_minor > np.where(recharged, level.value, alert.rearm_above(level))
        warned &= ~(above.astype(np.int64) << bit)
        crosses = (is_minor <= level.value) & (warned >> bit & 1 == 0)
        place[crosses] = bit
        warned |= crosses.astype(np.int64) << bit
    return Spoken(place=place, warned=warned)
