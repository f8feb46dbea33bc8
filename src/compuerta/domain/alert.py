"""Warnings: each level speaks once on the way down, and is armed again by a recharge.

Levels are balances in minor units, such as 50, 20 and 10 yuan. This room decides; sending is elsewhere.
"""

from collections.abc import Sequence

LEVELS_MAJOR = (50, 20, 10)  # the trade's usual ones


def crossed(levels_minor: Sequence[int], *, before_minor: int, after_minor: int) -> int | None:
    """Return the lowest level that a balance fell through, or None; a big step gets one message."""
    passed = [level for level in levels_minor if after_minor <= level < before_minor]
    return min(passed) if passed else None
