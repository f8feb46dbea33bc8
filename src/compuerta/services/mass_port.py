"""Orders for many supplies at once: their rows, and what may be asked of the store about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay


class MassKind(Enum):
    """What an operation does to each supply."""

    HOLD = "hold"
    LIFT = "lift"


class MassState(Enum):
    """Where an operation stands."""

    PROPOSED = "proposed"
    RUNNING = "running"
    PAUSED = "paused"  # by a person
    STOPPED = "stopped"  # by its failures, for good
    DONE = "done"
    WITHDRAWN = "withdrawn"
    UNDOING = "undoing"
    UNDONE = "undone"


class ItemState(Enum):
    """Where one supply of an operation stands."""

    WAITING = "waiting"  # its wave has not begun
    ORDERED = "ordered"  # written down; the meter has not followed yet
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # there was nothing to do, or something forbids it
    UNDONE = "undone"
    KEPT = "kept"  # not undone: somebody has changed it since


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to become of many supplies."""

    kind: MassKind
    hold: HoldKind
    until: datetime | None = None  # the end of the holds that are placed


@dataclass(frozen=True, slots=True, kw_only=True)
class MassOperation:
    """One order for many supplies, by two persons and in waves."""

    operation_id: UUID
    organisation_id: int
    kind: MassKind
    hold: HoldKind
    until: datetime | None = None
    state: MassState = MassState.PROPOSED
    why: str
    errors_max: int
    undo_min: int  # how long after its end it may be undone
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    wave: int = 0  # the last that was begun
    wave_at: datetime | None = None
    undo_until: datetime | None = None  # known once it has ended
    ended_at: datetime | None = None
    undone_by: str | None = None

    @property
    def wish(self) -> Wish:
        """What it does to each supply."""
        return Wish(kind=self.kind, hold=self.hold, until=self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class MassItem:
    """One supply of an operation, and what became of it."""

    operation_id: UUID
    account_id: int
    wave: int
    state: ItemState = ItemState.WAITING
    answer: str = ""
    lifted_until: datetime | None = None  # the end of the hold that was lifted, where it had one


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An item that was ordered, beside what is known of its meter."""

    item: MassItem
    wanted_closed: bool | None
    relay: Relay | None
    is_switching: bool  # a switch is open
    refused: str  # what the meter said to the last switch, where that was no


class Masses(Protocol):
    """What may be asked of the store about orders for many."""

    def propose(self, operation: MassOperation, items: Sequence[MassItem]) -> bool:
        """Write a new operation; False where there is one of its id."""
        ...

    def operation(self, operation_id: UUID) -> MassOperation | None:
        """Return an operation, locked until the transaction ends."""
        ...

    def save(self, operation: MassOperation) -> None: ...
    def at_work(self) -> list[UUID]:
        """Return the operations that run, are being undone, or whose meters have not all followed."""
        ...

    def items(
        self, operation_id: UUID, *, states: Collection[ItemState], wave_max: int, limit: int
    ) -> list[MassItem]:
        """Return items in these states up to a wave, by wave and account."""
        ...

    def save_items(self, items: Sequence[MassItem]) -> None: ...
    def tally(self, operation_id: UUID) -> dict[tuple[int, ItemState], int]:
        """Return how many items stand how, by wave."""
        ...

    def standings(self, operation_id: UUID) -> list[Standing]:
        """Return what was ordered and has not ended, with its meters."""
        ...

    def accounts_within(self, organisation_id: int, account_ids: Collection[int]) -> set[int]:
        """Return those of these accounts that are open, buy something, and are an organisation's own."""
        ...

    def end_hold(self, meter_id: int, hold_id: UUID, *, at: datetime) -> bool:
        """End one hold; False where it has ended by then."""
        ...
