"""A version's whole way on both stores: drafted, proposed, approved by another, claimed, loaded, told of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import METER, MODELS, NOON, PLATFORM, Town, a_town, an_id, concluded, taken

from compuerta.domain.instruction import Kind
from compuerta.domain.tariff.components import Ladder, Scale, Steps
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.drivers.abilities import Ending, TariffOrder
from compuerta.services import deliver, rollout, tariffing
from compuerta.services.acting import Actor
from compuerta.services.records import VersionState
from compuerta.services.rollout import MetersMisfit, Rollout, Stand
from compuerta.services.store_port import Store
from compuerta.services.tariffing import PowerUnknown

ANA = Actor(who="ana", why="prices change", origin="console")
BEA = Actor(who="bea", why="checked", origin="console")
DECEMBER = datetime(2026, 12, 1)  # noqa: DTZ001 the site's wall clock
DECEMBER_AT = datetime(2026, 11, 30, 16, tzinfo=UTC)  # in Shanghai
STANDARD = MODELS["dlt645-standard-4g"]
MINUTE = timedelta(minutes=1)


def proposed(store: Store, town: Town) -> VersionKey:
    tariff = flat_tariff("0.60", currency="CNY")
    key = tariffing.draft(
        store, tariff, tariff_id=town.tariff_id, effective_from=DECEMBER, actor=ANA, now=NOON
    )
    tariffing.propose(store, key, actor=ANA, act_id=an_id("propose"), now=NOON)
    return key


def approve(store: Store, key: VersionKey) -> None:
    tariffing.approve(store, key, actor=BEA, act_id=an_id("approve"), models=MODELS, now=NOON)


def stands(store: Store, key: VersionKey, *, now: datetime = NOON) -> Rollout:
    return rollout.rollout(store, key, models=MODELS, now=now)


def test_a_version_goes_from_its_draft_to_the_meter_that_runs_by_it(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, authorities=(METER, PLATFORM), model=STANDARD.name)
    key = proposed(store, town)
    approve(store, key)

    claim = taken(store, town.homes[0], now=NOON)
    order = deliver.order_for(claim, model=STANDARD, now=NOON)
    concluded(store, claim, ending=Ending.DONE, at=NOON, reason="waits_for_switch")
    loaded = stands(store, key)
    after = DECEMBER_AT + 5 * MINUTE
    concluded(store, taken(store, town.homes[0], now=after), ending=Ending.DONE, at=after)

    assert isinstance(order, TariffOrder)
    assert order.switch_at == DECEMBER
    assert order.tables.prices is not None and order.tables.prices.rate_prices_e4 == (6_000,) * 3
    assert [each.stand for each in loaded.meters] == [Stand.LOADED]
    assert [each.stand for each in stands(store, key, now=after).meters] == [Stand.CONFIRMED]
    assert (stands(store, key, now=after).by_platform, shelf.count("audit")) == (1, 3)


def test_an_approval_that_a_meter_refuses_leaves_nothing_behind(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, authorities=(METER, METER))  # meters that take no tables
    key = proposed(store, town)

    with pytest.raises(MetersMisfit):
        approve(store, key)

    assert tariffing.version(store, key).state is VersionState.PROPOSED
    assert (shelf.count("instruction"), shelf.count("case_file"), shelf.count("audit")) == (0, 0, 2)


def test_steps_by_a_power_that_nobody_entered_are_refused(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, authorities=(PLATFORM,))
    tariff = flat_tariff("0.60", currency="CNY")
    (period,) = tariff.energy.periods
    stepped = replace(period, ladder=Ladder(bounds=(10_000,), prices=period.ladder.prices * 2))
    energy = replace(tariff.energy, periods=(stepped,), steps=Steps(scale=Scale.KW))
    key = tariffing.draft(
        store,
        replace(tariff, components=(energy,)),
        tariff_id=town.tariff_id,
        effective_from=DECEMBER,
        actor=ANA,
        now=NOON,
    )
    tariffing.propose(store, key, actor=ANA, act_id=an_id("propose"), now=NOON)

    with pytest.raises(PowerUnknown, match=str(town.homes[0].account_id)):
        approve(store, key)

    assert tariffing.version(store, key).state is VersionState.PROPOSED


def test_a_late_meter_is_put_off_in_the_claim_that_finds_it(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, model=STANDARD.name)
    approve(store, proposed(store, town))

    claim = taken(store, town.homes[0], now=DECEMBER_AT)

    assert claim.instruction.effective_at == DECEMBER_AT + 10 * MINUTE
    with store.transaction() as tx:
        (kept,) = tx.loadings([town.homes[0].meter_id])
    assert (kept.effective_at, kept.kind) == (claim.instruction.effective_at, Kind.TARIFF)
    assert shelf.count("case_file") == 1
    assert shelf.alarm_times(kind="tariff_late", subject="000000000001") == 1


def test_a_meter_out_of_reach_is_told_of_at_its_instant(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, model=STANDARD.name)
    approve(store, proposed(store, town))

    rollout.tell_overdue(store, now=DECEMBER_AT - MINUTE)
    early = shelf.count("case_file")
    for minutes in (0, 1):
        rollout.tell_overdue(store, now=DECEMBER_AT + minutes * MINUTE)

    assert (early, shelf.count("case_file")) == (0, 1)
    assert shelf.alarm_times(kind="tariff_late", subject="000000000001") == 1


def test_a_decision_is_seen_by_the_next_transaction(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, model=STANDARD.name)
    key = proposed(store, town)
    with store.transaction() as tx:
        before = tx.look_at([town.homes[0].account_id], now=NOON)[town.homes[0].account_id]

    approve(store, key)

    with store.transaction() as tx:
        after = tx.look_at([town.homes[0].account_id], now=NOON)[town.homes[0].account_id]
    assert before.schedule is not None and after.schedule is not None
    assert [len(list(each.entries())) for each in (before.schedule, after.schedule)] == [1, 2]
    assert replace(after, schedule=before.schedule) == before
