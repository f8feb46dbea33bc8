"""What is charged where a tariff changes inside a bill: all of the use, and by a bill that can be shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.services.tariffs import FLAT, a_town_of, approved
from tests.unit.services.town import PLATFORM, told

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.ledger import DELIVERED
from compuerta.services import promises
from compuerta.sim.looking import books_of

READ_FROM = datetime(2026, 11, 30, 17, tzinfo=UTC)
CHANGES = [datetime(2026, 12, 10), datetime(2026, 12, 20, 12)]  # noqa: DTZ001 the site's wall clock


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("days", [(31,), (5, 12, 25, 31), (14, 31), (40, 80)])
def test_another_day_for_bills_loses_no_use(change: datetime, days: tuple[int, ...]) -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=FLAT)
    approved(store, town, replace(FLAT, cycle_day=15), at=change)
    told(store, town.homes[0], at=READ_FROM, energy_wh=0)

    for day in days:
        told(store, town.homes[0], at=READ_FROM + timedelta(days=day), energy_wh=day * 10_000)

    books = books_of(store, now=READ_FROM + timedelta(days=99))
    paid = [line.amount_minor for each in books.postings for line in each.lines if line.code == DELIVERED]
    assert sum(paid) == days[-1] * 600
    assert not promises.broken(promises.check(books, now=READ_FROM + timedelta(days=99)))
