"""The figures of a shift: what an X report shows at any time, and a Z report once it is over. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compuerta.services.shift_port import CASH, CashMovement, MovementKind, TillSale


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was sold and moved in a shift; amounts that went out of the drawer are below zero."""

    sales: int
    sold_minor: int  # sales that were voided are out of it
    voids: int
    voided_minor: int
    tenders: Mapping[str, int]  # what stayed of each way to pay; of cash without its change
    moved: Mapping[MovementKind, int]
    drawer_minor: int  # what should lie in the drawer
    receipt_no_first: int | None
    receipt_no_last: int | None


def report(movements: Sequence[CashMovement], sales: Sequence[TillSale]) -> Report:
    """Return the figures of a shift from its cash movements and its sales."""
    numbered = [each for each in sales if each.receipt_no is not None]
    kept = [each for each in numbered if each.voided_at is None]
    gone = [each for each in numbered if each.voided_at is not None]
    moved: Counter[MovementKind] = Counter()
    for movement in movements:
        moved[movement.kind] += movement.amount_minor
    numbers = [each.receipt_no for each in numbered if each.receipt_no is not None]
    numbers += [each.void_receipt_no for each in gone if each.void_receipt_no is not None]
    return Report(
        sales=len(numbered),
        sold_minor=sum(each.amount_minor for each in kept),
        voids=len(gone),
        voided_minor=sum(each.amount_minor for each in gone),
        tenders=_tenders(kept),
        moved=dict(moved),
        drawer_minor=drawer_minor(movements, numbered),
        receipt_no_first=min(numbers, default=None),
        receipt_no_last=max(numbers, default=None),
    )


def drawer_minor(movements: Sequence[CashMovement], sales: Sequence[TillSale]) -> int:
    """Return what should lie in the drawer; a voided sale's cash went out of it as a movement of its own."""
    moved_minor = sum(each.amount_minor for each in movements if each.kind is not MovementKind.COUNT)
    return moved_minor + sum(each.cash_minor for each in sales if each.receipt_no is not None)


def _tenders(sales: Sequence[TillSale]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for sale in sales:
        for kind, amount_minor in sale.tenders.items():
            found[kind] += amount_minor
        found[CASH] -= sale.change_minor
    return {kind: amount_minor for kind, amount_minor in sorted(found.items()) if amount_minor}
