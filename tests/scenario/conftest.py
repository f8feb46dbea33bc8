"""The towns that people move in: one in each store that ships."""

from collections.abc import Iterator

import pytest
from tests.scenario.moving_bench import Bench, a_bench
from tests.unit.services.town import (
    METER,
    PLATFORM,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.sim.looking import books_of

STORES = ["memory", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])]
# Ten kWh a month at 0.50, what is more at 0.80.
STEPPED = tariff_from(
    {
        "name": "Two steps",
        "currency": "CNY",
        "components": [
            {
                "kind": "energy",
                "name": "Energy",
                "periods": [{"name": "any time", "prices": ["0.50", "0.80"]}],
                "steps": {"window": "month", "bounds_kwh": ["10"]},
            }
        ],
    }
)


# By day at 1.00, by night at 0.30.
HOURLY = tariff_from(
    {
        "name": "By the hour",
        "currency": "CNY",
        "components": [
            {
                "kind": "energy",
                "name": "Energy",
                "periods": [
                    {"name": "day", "role": "peak", "prices": ["1.00"]},
                    {"name": "night", "role": "valley", "prices": ["0.30"]},
                ],
                "day_tables": {"any": ["00:00 night", "08:00 day", "22:00 night"]},
                "seasons": [{"name": "all year", "from": "01-01", "every day": "any"}],
            }
        ],
    }
)


@pytest.fixture(params=STORES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Two flats whose meters hold their money, and two whose balance is the platform's."""
    yield from _benches(request, None)


@pytest.fixture(params=STORES)
def stepped(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same flats under a tariff of two steps."""
    yield from _benches(request, STEPPED)


@pytest.fixture(params=STORES)
def hourly(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same flats under a tariff of two periods."""
    yield from _benches(request, HOURLY)


def _benches(request: pytest.FixtureRequest, tariff: Tariff | None) -> Iterator[Bench]:
    authorities = (METER, PLATFORM, METER, PLATFORM)
    if request.param == "memory":
        memory = MemoryStore()
        yield a_bench(memory, lambda now: books_of(memory, now=now), *authorities, tariff=tariff)
        return
    url = request.getfixturevalue("postgres_url")
    postgres = PostgresStore(url)
    try:
        yield a_bench(postgres, lambda now: books.load(url, now=now), *authorities, tariff=tariff)
    finally:
        postgres.shut()
