"""Debts for tests."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from compuerta.domain.division import Debt, DebtKind


def a_debt(
    name: str = "arrears",
    *,
    remaining_minor: int = 10_000,
    account_id: int = 1,
    rank: int = 100,
    share_ppm: int | None = None,
    least_minor: int = 0,
    suspended_until: datetime | None = None,
) -> Debt:
    """Return a debt that is named as its receipt line is."""
    debt_id = uuid5(UUID(int=0), f"debt {account_id} {name}")
    return Debt(
        account_id=account_id,
        debt_id=debt_id,
        kind=DebtKind.ARREARS,
        name=name,
        opened_minor=max(remaining_minor, 1),
        remaining_minor=remaining_minor,
        opened_at=datetime(2026, 1, 1, tzinfo=UTC),
        opened_by="ana",
        why="from before the meters",
        cause_id=debt_id,
        rank=rank,
        share_ppm=share_ppm,
        least_minor=least_minor,
        suspended_until=suspended_until,
    )
