"""W1 sees a warning that is missing, one too many, and one that no credit had armed again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.services.town import HOUR, NOON, PLATFORM, SECOND, Home, a_town, paid, told

from compuerta.adapters.memory import MemoryStore
from compuerta.domain import alert
from compuerta.domain.ledger import PostingKind
from compuerta.services import promises
from compuerta.services.records import Warned
from compuerta.sim.looking import books_of


def a_year_of_use(store: MemoryStore) -> Home:
    """A home that has fallen through its levels, has paid, and has fallen through them again."""
    (home,) = a_town(store, authorities=[PLATFORM]).homes
    paid(store, home, amount_minor=6_000)
    for hour in range(1, 100):
        told(store, home, at=NOON + hour * HOUR, energy_wh=1_000 * hour)
    paid(store, home, name="2", amount_minor=3_000, now=NOON + 99 * HOUR + 10 * SECOND)
    for hour in range(100, 160):
        told(store, home, at=NOON + hour * HOUR, energy_wh=1_000 * hour)
    return home


def broken(store: MemoryStore, warnings: Sequence[Warned]) -> list[str]:
    books = replace(books_of(store, now=NOON), warnings=tuple(warnings))
    return [line for line in promises.broken(promises.check(books, now=NOON)) if line.startswith("W1")]


def test_levels_that_spoke_once_for_each_crossing_keep_the_promise() -> None:
    store = MemoryStore()
    a_year_of_use(store)

    levels = [each.level for each in store.tables.warnings]

    assert levels == ["money:5000", "money:2000", "money:1000", "money:2000", "money:1000"]
    assert broken(store, store.tables.warnings) == []


@pytest.mark.parametrize("missing", range(5))
def test_a_crossing_that_nobody_was_told_of_is_seen(missing: int) -> None:
    store = MemoryStore()
    a_year_of_use(store)
    kept = [each for place, each in enumerate(store.tables.warnings) if place != missing]

    assert broken(store, kept)


def test_a_warning_too_many_is_seen() -> None:
    store = MemoryStore()
    a_year_of_use(store)
    first = store.tables.warnings[0]

    assert broken(store, [*store.tables.warnings, replace(first, at=first.at + HOUR)])


def test_a_level_that_speaks_twice_without_credit_between_is_seen_by_whatever_meter() -> None:
    store = MemoryStore()
    a_year_of_use(store)
    books = books_of(store, now=NOON)
    charges = tuple(each for each in books.postings if each.kind is PostingKind.CHARGE)

    assert broken(store, store.tables.warnings) == []
    verdicts = promises.check(replace(books, postings=charges), now=NOON)
    assert any("no credit came between" in line for line in promises.broken(verdicts))


def test_levels_that_forget_that_they_spoke_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = alert.crossings
    monkeypatch.setattr(
        alert, "crossings", lambda known, values, warned: (remembered(known, values, warned)[0], warned)
    )
    store = MemoryStore()
    a_year_of_use(store)

    assert broken(store, store.tables.warnings)
