"""The port to who lives where: accounts that begin and end, meters that are exchanged, receipts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from compuerta.domain.instruction import Instruction
from compuerta.domain.party import Meter
from compuerta.domain.payment import Attempt


class MoveKind(Enum):
    """What kind of act a move was."""

    IN = "in"
    OUT = "out"
    EXCHANGE = "exchange"  # of rooms; one row for each of the two
    SWAP = "swap"  # of a meter for another


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What was read when somebody moved, and how money was settled: the receipt. Written once."""

    organisation_id: int
    move_id: UUID
    kind: MoveKind
    at: datetime
    who: str
    why: str
    closed_account_id: int | None = None  # whose time ended; of a swap: whose meter it was
    opened_account_id: int | None = None  # whose time began
    old_meter_id: int | None = None
    new_meter_id: int | None = None
    closing_wh: int | None = None
    opening_wh: int | None = None
    settled: Mapping[str, int] = field(default_factory=dict)  # amounts in minor units by what they were


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Credit that no payment grants, and why."""

    account_id: int
    adjustment_id: UUID
    amount_minor: int
    who: str
    why: str
    at: datetime
    kind: str = "carried"
    correction_id: UUID | None = None  # what placed it


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyPointRow:
    """Where electricity is delivered; its token is on the sticker and stays, whoever lives there."""

    site_id: int
    building: str
    floor: int | None
    name: str
    pay_token: UUID


class Occupancy(Protocol):
    """What a use case may ask about accounts that begin and end, and meters that are exchanged."""

    def close_account(self, account_id: int, *, at: datetime) -> None:
        """End an account and what its meter measures for it; a new one may then be added at its place."""
        ...

    def exchange_meter(self, account_id: int, *, old_meter_id: int, new_meter_id: int, at: datetime) -> None:
        """Let another meter measure for an account from an instant on."""
        ...

    def meter_by_no(self, meter_no: str) -> Meter | None: ...
    def was_installed(self, meter_id: int) -> bool:
        """Tell whether a meter measures for an account, or ever did."""
        ...

    def supply_points(self, site_id: int) -> list[SupplyPointRow]:
        """Return the named supply points of a site, by building and name."""
        ...

    def site_of(self, *, organisation_id: int, site_id: int) -> str | None:
        """Return the currency of a site of this organisation; None where it has no such site."""
        ...

    def put_move(self, move: Move) -> None: ...
    def move(self, *, organisation_id: int, move_id: UUID) -> Move | None: ...
    def put_adjustments(self, adjustments: Sequence[Adjustment]) -> None: ...
    def codes_minor(self, account_id: int, codes: Iterable[str]) -> dict[str, int]:
        """Return what an account's postings have made under codes, debit-positive; 0 where there is none."""
        ...

    def open_instructions(self, meter_id: int) -> list[Instruction]:
        """Return what a meter still has to do, locked, the earliest first."""
        ...

    def open_attempts(self, account_id: int) -> list[Attempt]:
        """Lock what somebody could still pay for an account, before the account, and return it."""
        ...
