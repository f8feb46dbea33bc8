"""Warnings: each level speaks once on the way down, and is armed again by a recharge.

A level counts money, energy that the balance still buys, or hours until it is used up. Energy and hours go up
and down by themselves, with prices and habits: without a recharge a level is armed again only well above it.
This room decides; sending is elsewhere.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from compuerta.domain.policy import Level, LevelKind

REARM_PERCENT: Final = 10  # so far above its level a value has to be, where no recharge lifted it
_KINDS: Final = tuple(LevelKind)


def ordered(levels: Sequence[Level]) -> tuple[Level, ...]:
    """Return levels in the order of their bits, the most urgent last: lowest, and time."""
    return tuple(sorted(levels, key=lambda level: (_KINDS.index(level.kind), -level.value)))


def mark(levels: Sequence[Level]) -> int:
    """Return the number by which ordered levels are known again; 0 is that of nobody's."""
    return (crc32(" ".join(level.key for level in levels).encode()) >> 1) or 1


def passed(levels: Sequence[Level], values: Sequence[int | None]) -> int:
    """Return the bits of levels that values lie at or below; what is not known counts as passed."""
    return sum(
        1 << bit
        for bit, (level, value) in enumerate(zip(levels, values, strict=True))
        if value is None or value <= level.value
    )


def rearmed(levels: Sequence[Level], values: Sequence[int | None], warned: int, *, recharged: bool) -> int:
    """Return the bits of levels that have spoken, less those that may speak again."""
    for bit, (level, value) in enumerate(zip(levels, values, strict=True)):
        if value is not None and value > (level.value if recharged else rearm_above(level)):
            warned &= ~(1 << bit)
    return warned


def rearm_above(level: Level) -> int:
    """Return the value above which a level is armed again without a recharge."""
    return level.value * (100 + REARM_PERCENT) // 100


def crossings(levels: Sequence[Level], values: Sequence[int | None], warned: int) -> tuple[Level | None, int]:
    """Return the level that speaks now, and the bits of those that have spoken.

    Levels are ordered. A step through several levels is one crossing of the most urgent one.
    """
    said = None
    for bit, (level, value) in enumerate(zip(levels, values, strict=True)):
        if value is not None and value <= level.value and not warned >> bit & 1:
            said = level
            warned |= 1 << bit
    return said, warned
