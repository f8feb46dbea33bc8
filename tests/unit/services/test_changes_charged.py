"""What is charged where a tariff changes inside a bill: all of the use, and by a bill that can be shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.services.tariffs import (
    DECEMBER,
    DECEMBER_AT,
    FLAT,
    a_town_of,
    another_tariff,
    approve,
    approved,
    assign,
    drafted,
    places,
    propose,
    proposed,
    stepped,
)
from tests.unit.services.town import METER, NOON, PLATFORM, concluded, taken, the_view, told

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.ledger import DELIVERED
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.drivers.abilities import Ending
from compuerta.services import promises
from compuerta.services.tariffing import MovesAlready
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


def test_a_move_before_one_that_is_decided_is_refused() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=FLAT)
    monthly = another_tariff(store, town, stepped())
    assign(store, town, at=DECEMBER_AT, tariff_id=monthly)

    for at in (DECEMBER_AT, DECEMBER_AT - timedelta(days=5)):
        with pytest.raises(MovesAlready):
            assign(store, town, at=at, tariff_id=town.tariff_id)
    assign(store, town, at=DECEMBER_AT + timedelta(days=5), tariff_id=town.tariff_id)

    schedule = the_view(store, town.homes[0].account_id).schedule
    assert schedule is not None
    assert [version.tariff_id for _, version in schedule.entries()] == [
        town.tariff_id,
        monthly,
        town.tariff_id,
    ]


def test_a_tariff_that_all_have_left_does_not_change_what_they_were_charged() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=FLAT)
    home, january = town.homes[0], DECEMBER_AT + timedelta(days=31)
    told(store, home, at=NOON, energy_wh=0)
    assign(store, town, at=DECEMBER_AT, tariff_id=another_tariff(store, town, stepped()))
    told(store, home, at=DECEMBER_AT + timedelta(days=1), energy_wh=90_000)
    dearer = drafted(store, town, flat_tariff("9.00", currency="CNY"), at=DECEMBER - timedelta(days=5))

    with pytest.raises(TariffFaulty) as caught:
        propose(store, dearer, now=january)

    assert places(caught.value) == ["effective_from"]
    assert not promises.broken(promises.check(books_of(store, now=january), now=january))


def test_what_was_charged_while_somebody_decided_stays_as_it_was() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=FLAT)
    home, soon = town.homes[0], datetime(2026, 11, 22, 12, 0, 1)  # noqa: DTZ001 the site's wall clock
    told(store, home, at=NOON, energy_wh=0)
    key = proposed(store, town, flat_tariff("9.00", currency="CNY"), at=soon)
    told(store, home, at=NOON + timedelta(seconds=5), energy_wh=10)

    with pytest.raises(TariffFaulty) as caught:
        approve(store, key, now=NOON)

    assert places(caught.value) == ["effective_from"]


def test_a_version_that_is_loaded_is_loaded_again_after_one_that_comes_before_it() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, tariff=FLAT)
    home = town.homes[0]
    later = approved(store, town, flat_tariff("0.70", currency="CNY"), at=DECEMBER + timedelta(days=9))
    claim = taken(store, home, now=NOON)
    concluded(store, claim, ending=Ending.DONE, at=NOON, reason="waits_for_switch")

    sooner = approved(store, town, flat_tariff("0.80", currency="CNY"))

    first = taken(store, home, now=NOON + timedelta(minutes=1))
    assert (first.instruction.tariff_id, first.instruction.version_no) == sooner
    running = DECEMBER_AT + timedelta(minutes=4)
    concluded(store, first, ending=Ending.DONE, at=running)
    again = taken(store, home, now=running)
    assert (again.instruction.tariff_id, again.instruction.version_no) == later
