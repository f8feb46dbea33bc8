"""The port to what an account owes from before, and what each part of a recharge was for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from compuerta.domain.division import Debt, PartKind
from compuerta.domain.payment import Attempt, PaymentOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeLine:
    """One part of a recharge; together they are what was paid (promise M3). Written once."""

    account_id: int
    recharge_id: UUID
    line_no: int
    kind: PartKind
    amount_minor: int
    name: str = ""
    debt_id: UUID | None = None
    remaining_minor: int | None = None
    period: str = ""


class Dues(Protocol):
    """What a use case may ask about orders, debts, and the lines of recharges."""

    # orders
    def put_order(self, order: PaymentOrder) -> None: ...
    def order(self, account_id: int, order_id: UUID) -> PaymentOrder | None: ...
    def attempts_of(self, account_id: int, order_id: UUID) -> list[Attempt]:
        """Return the attempts of an order, by when they were made; locks nothing."""
        ...

    def orders_paid(self, keys: Iterable[tuple[int, UUID]]) -> set[UUID]:
        """Return which of these orders, each with its account, have an attempt that is paid."""
        ...

    def payee(self, *, organisation_id: int, named: str) -> int | None:
        """Return the open customer account that a payer meant by what they typed.

        Of the meter with exactly this number; where there is none, of the one room with exactly this name.
        None where nobody, or more than one, may be meant.
        """
        ...

    # debts
    def put_debts(self, debts: Sequence[Debt]) -> None: ...
    def save_debts(self, debts: Sequence[Debt]) -> None:
        """Write what may change of debts: what remains, until when they are suspended, and their share."""
        ...

    def debt(self, account_id: int, debt_id: UUID) -> Debt | None: ...
    def open_debts(self, account_ids: Iterable[int]) -> list[Debt]:
        """Return the debts of these accounts of which something remains, suspended ones too."""
        ...

    # lines
    def put_lines(self, lines: Sequence[RechargeLine]) -> None:
        """Write lines; raises `Conflict` where a month of an account was paid meanwhile."""
        ...

    def lines(self, account_id: int, recharge_id: UUID) -> list[RechargeLine]:
        """Return the lines of a recharge in their order."""
        ...

    def months_paid(self, account_ids: Iterable[int]) -> dict[int, list[str]]:
        """Return the months whose fee these accounts have paid; an account that paid none is not there."""
        ...
