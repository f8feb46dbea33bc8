"""Parts: players of a story who play side by side on the same stage.

A player is a generator that does something and then says what it waits for. One look in each round tells all
of them how things stand.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

ROUND_S = 0.2
STEP_WITHIN = timedelta(seconds=60)

Seen = TypeVar("Seen")


@dataclass(kw_only=True)  # neither frozen nor slotted: a generic alias that is called could not mark it
class Wait(Generic[Seen]):
    """What a player waits for, and no longer than that."""

    what: str
    is_so: Callable[[Seen], bool]
    within: timedelta = STEP_WITHIN


Steps = Generator[Wait[Seen], Seen, None]


@dataclass(slots=True, kw_only=True)
class _Part(Generic[Seen]):
    """A player on the stage, and what they wait for."""

    name: str
    steps: Steps[Seen]
    wait: Wait[Seen]
    since_s: float


def side_by_side(
    players: Mapping[str, Steps[Seen]],
    *,
    look: Callable[[], Mapping[str, Seen]],
    ended: Callable[[str], None],
) -> list[str]:
    """Let everybody play until all have ended, or have waited too long; returns what came too late.

    `look` tells each player by name how things stand, and is called once in each round.
    """
    parts = [
        _Part(name=name, steps=steps, wait=next(steps), since_s=time.monotonic())
        for name, steps in players.items()
    ]
    late: list[str] = []
    while parts:
        seen = look()
        parts = [part for part in parts if _goes_on(part, seen[part.name], ended=ended, late=late)]
        time.sleep(ROUND_S)
    return late


def _goes_on(part: _Part[Seen], seen: Seen, *, ended: Callable[[str], None], late: list[str]) -> bool:
    """Give a player the turn if it is theirs; false when they have ended."""
    if not part.wait.is_so(seen):
        waited_s = time.monotonic() - part.since_s
        if waited_s <= part.wait.within.total_seconds():
            return True
        late.append(f"{part.name}: waited {waited_s:.0f} s for {part.wait.what}, and there is {seen}")
        return False
    try:
        part.wait, part.since_s = part.steps.send(seen), time.monotonic()
    except StopIteration:
        ended(part.name)
        return False
    return True
