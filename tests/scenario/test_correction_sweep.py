"""The sweep of corrections: one that breaks is seen, and keeps none of those behind it."""

from datetime import datetime

import pytest
from tests.scenario.correction_bench import LATER, a_proposal, approved, the_payment
from tests.scenario.moving_bench import Bench
from tests.unit.services.town import an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import Correction
from compuerta.domain.errors import Broken
from compuerta.services import correcting
from compuerta.services.store_port import Store


def test_a_correction_that_breaks_keeps_none_of_those_behind_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = bench.home
    for name in ("1", "2"):
        bench.money_in(home, amount_minor=5_000, name=name)
    first = a_proposal(home)
    second = a_proposal(home, payment_id=the_payment("2"), correction_id=an_id("second"))
    for wish in (first, second):
        approved(bench, wish)
    stepped = []

    def step(store: Store, each: Correction, *, now: datetime) -> None:
        stepped.append(each.correction_id)
        raise Broken("a defect")

    monkeypatch.setattr(correcting, "_step", step)
    correcting.sweep(bench.store, after=0, now=LATER)

    assert set(stepped) == {first.correction_id, second.correction_id}
    if isinstance(bench.store, MemoryStore):
        alarmed = {subject for kind, subject in bench.store.tables.alarms if kind == "correction_broke"}
        assert alarmed == {str(each.correction_id) for each in (first, second)}
