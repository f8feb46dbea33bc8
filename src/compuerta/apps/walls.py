"""Which wall stands around what is being served: one organisation's rows, and the places somebody reaches.

It is put up once, where a person or a machine is recognised, and is heard of again only where a store is
asked: nothing between them can forget it, nor needs to know. Without one, work serves all organisations.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from compuerta.adapters.postgres.walls import Wall

_STANDING: ContextVar[Wall | None] = ContextVar("wall", default=None)


@contextmanager
def held(wall: Wall | None) -> Iterator[None]:
    """Hold all that a block reads and does to what lies within a wall; None = the installation's own eyes."""
    before = _STANDING.set(wall)
    try:
        yield
    finally:
        _STANDING.reset(before)


def put_up(wall: Wall) -> None:
    """Hold the rest of this task to what lies within a wall."""
    _STANDING.set(wall)


def for_reading() -> Wall | None:
    """Return the wall around what is shown."""
    return _STANDING.get()


def for_acting() -> Wall | None:
    """Return the wall around what an act touches: a sale's books lie outside the cashier's building."""
    standing = _STANDING.get()
    return None if standing is None else replace(standing, scope=None)
