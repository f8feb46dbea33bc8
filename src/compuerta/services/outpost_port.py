"""The port to outposts: gateways that stand beside buses, and what of their journals is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Outpost:
    """A small gateway beside buses; its lines are ends of the bearer `outpost`."""

    outpost_id: str  # what it calls itself, and what its ends' addresses begin with
    organisation_id: int
    key_generation: int = 1  # one more takes a lost key away
    cuts: bool = True  # while the platform is away, it opens relays at the end of credit
    mandate_h: int = 72  # after so long without the platform it opens none any more: too much is not known


class Outposts(Protocol):
    """What a use case may ask about outposts."""

    def outposts(self) -> dict[str, Outpost]:
        """Return all outposts by their names."""
        ...

    def put(self, outpost: Outpost) -> None:
        """Enter an outpost, or write anew what of it may change."""
        ...

    def marks(self, outpost_id: str) -> Mapping[UUID, int]:
        """Return up to which record each journal of an outpost is kept, locked until the transaction ends."""
        ...

    def mark(self, outpost_id: str, journal_id: UUID, *, record_no: int) -> None:
        """Note that a journal is kept up to a record; it never goes back."""
        ...
