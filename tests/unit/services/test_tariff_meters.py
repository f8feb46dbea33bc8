"""Approval and assignment tell the meters that deduct by themselves, or are refused with the reasons."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.unit.services.tariffs import (
    ANA,
    DAY,
    DECEMBER,
    DECEMBER_AT,
    FLAT,
    SILENT,
    STANDARD,
    STANDING,
    VENDOR,
    a_town_of,
    acts,
    another_tariff,
    approve,
    approved,
    assign,
    drafted,
    loadings,
    proposed,
    state,
    stepped,
)
from tests.unit.services.town import (
    HOUR,
    METER,
    MODELS,
    NOON,
    PLATFORM,
    a_tariff,
    an_id,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import State
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.drivers.abilities import TariffOrder
from compuerta.services import deliver, rollout, tariffing
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import VersionState
from compuerta.services.rollout import MetersMisfit, Stand
from compuerta.services.tariffing import (
    AccountNotBilled,
    CurrencyDiffers,
    PastIsRated,
    TariffNotApproved,
    TariffUnknown,
    TermsMidBill,
)


def for_households(*, persons: int) -> Tariff:
    """Two steps, of which the first is 100 kWh longer for so many persons or more."""
    tariff = stepped()
    steps = replace(tariff.energy.steps, household_persons=persons, household_extra_wh=100_000)
    return replace(tariff, components=(replace(tariff.energy, steps=steps),))


def with_a_holiday(day: date) -> Tariff:
    """Dearer by day than by night, but for one date."""
    energy: dict[str, object] = {
        "kind": "energy",
        "name": "Energy",
        "periods": [{"name": "day", "prices": ["0.60"]}, {"name": "night", "prices": ["0.30"]}],
        "day_tables": {"usual": ["00:00 night", "08:00 day"], "feast": ["00:00 night"]},
        "seasons": [{"name": "year", "every day": "usual", "holidays": {"feasts": "feast"}}],
        "holidays": {"feasts": [day.isoformat()]},
    }
    return tariff_from({"name": "Day and night", "currency": "CNY", "components": [energy]})


# Meters.


def test_approval_tells_the_meters_that_deduct_by_themselves_and_no_other() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, PLATFORM, METER)

    key = approved(store, town)

    assert [
        (each.meter_id, each.account_id, (each.tariff_id, each.version_no), each.effective_at, each.state)
        for each in loadings(store)
    ] == [
        (home.meter_id, home.account_id, key, DECEMBER_AT, State.WAITING)
        for home in (town.homes[0], town.homes[2])
    ]


@pytest.mark.parametrize(
    ("model", "tariff", "reason"),
    [
        (STANDARD, STANDING, "a meter deducts for use only, not for time"),
        (VENDOR, FLAT, "meters of this model take no tables: its prices are set by hand"),
        ("unknown", FLAT, "meters of this model take no tables: its prices are set by hand"),
    ],
)
def test_a_version_that_meters_cannot_hold_is_refused_with_the_reasons(
    model: str, tariff: Tariff, reason: str
) -> None:
    store = MemoryStore()
    key = proposed(store, a_town_of(store, METER, PLATFORM, model=model), tariff)

    with pytest.raises(MetersMisfit) as caught:
        approve(store, key)

    (misfit,) = caught.value.meters
    assert (misfit.meter_no, misfit.model) == ("000000000001", model)
    assert [each.reason for each in misfit.misfits] == [reason]
    assert state(store, key) is VersionState.PROPOSED
    assert loadings(store) == []


def test_meters_that_cannot_hold_it_may_be_set_by_hand_and_have_a_case() -> None:
    store = MemoryStore()
    town = a_town_of(store, model=VENDOR)
    key = proposed(store, town)

    approve(store, key, by_hand=True)

    (case,) = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("tariff_by_hand", town.homes[0].account_id)
    assert "set version 2 of tariff 1 in meter 000000000001" in case.detail
    assert loadings(store) == []
    found = rollout.rollout(store, key, models=MODELS, now=NOON)
    assert [each.meter_no for each in found.at(Stand.MISFIT)] == ["000000000001"]


def test_the_platform_rates_what_its_meters_could_not_hold() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, PLATFORM)

    key = approved(store, town, STANDING)

    found = rollout.rollout(store, key, models=MODELS, now=NOON)
    assert (found.by_platform, found.meters) == (2, ())


def test_whether_meters_could_hold_a_version_is_told_before_anybody_decides() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER, PLATFORM)
    fine, standing = drafted(store, town), drafted(store, town, STANDING)

    by_model = [
        rollout.fits(store, store.tables.versions[key].version, models=MODELS, now=NOON)
        for key in (fine, standing)
    ]

    assert [(each.model, each.meters, len(each.misfits)) for found in by_model for each in found] == [
        (STANDARD, 2, 0),
        (STANDARD, 2, 1),
    ]


def test_an_account_that_leaves_before_is_not_told() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER)
    other = another_tariff(store, town, FLAT)
    assign(store, town, at=DECEMBER_AT - DAY, tariff_id=other)
    was = len(loadings(store))

    approved(store, town, flat_tariff("0.70", currency="CNY"))

    assert [each.meter_id for each in loadings(store)[was:]] == [town.homes[1].meter_id]


def test_a_meter_that_no_road_reaches_is_told_of_once() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    approved(store, town)
    told_of = []

    for at in (DECEMBER_AT - HOUR, DECEMBER_AT, DECEMBER_AT + HOUR):
        rollout.tell_overdue(store, now=at)
        told_of.append((len(store.tables.cases), [times for _, times in store.tables.alarms.values()]))

    assert told_of == [(0, []), (1, [1]), (1, [1])]
    (case,) = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("tariff_late", town.homes[0].account_id)


def send_again(store: MemoryStore, key: VersionKey, *, now: datetime = NOON) -> int:
    return rollout.send_again(store, key, actor=ANA, act_id=an_id(f"again {now}"), models=MODELS, now=now)


def test_a_meter_that_refused_is_told_again_and_no_other() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER, METER, PLATFORM)
    key = approved(store, town)
    waits, refused, done = loadings(store)
    with store.transaction() as tx:
        tx.save_instructions(
            [
                replace(refused, state=State.REFUSED, ended_at=NOON),
                replace(done, state=State.DONE, ended_at=NOON),
            ]
        )

    again = (send_again(store, key, now=NOON + HOUR), send_again(store, key, now=NOON + 2 * HOUR))

    assert again == (1, 0)
    assert [each.meter_id for each in loadings(store) if each.created_at > NOON] == [refused.meter_id]
    found = rollout.rollout(store, key, models=MODELS, now=NOON + HOUR)
    assert sorted(each.meter_id for each in found.at(Stand.WAITING)) == [waits.meter_id, refused.meter_id]
    assert "send tariff again" in acts(store)


def test_a_new_meter_gets_the_version_that_it_is_billed_by() -> None:
    store = MemoryStore()
    town = a_town_of(store)

    before = rollout.rollout(store, (town.tariff_id, 1), models=MODELS, now=NOON)
    count = send_again(store, (town.tariff_id, 1))

    (loading,) = loadings(store)
    assert (count, loading.version_no, loading.state) == (1, 1, State.WAITING)
    after = rollout.rollout(store, (town.tariff_id, 1), models=MODELS, now=NOON)
    assert [len(found.at(Stand.UNTOLD)) for found in (before, after)] == [1, 0]


def test_a_new_meter_is_given_holidays_from_now_on_however_old_the_version_is() -> None:
    store = MemoryStore()
    day = date(2027, 1, 1)
    town = a_town_of(store, tariff=with_a_holiday(day))
    send_again(store, (town.tariff_id, 1))

    (claim,) = deliver.claim(store, [town.homes[0].meter_id], now=NOON, owner="gateway")
    order = deliver.order_for(claim, model=MODELS[STANDARD], now=NOON)

    assert isinstance(order, TariffOrder)
    assert [each.on for each in order.tables.holidays] == [day]
    assert store.tables.cases == {}


@pytest.mark.parametrize("number", [2, 9])
def test_a_version_that_bills_nobody_is_not_sent(number: int) -> None:
    store = MemoryStore()
    town = a_town_of(store)
    proposed(store, town)

    assert send_again(store, (town.tariff_id, number)) == 0
    assert loadings(store) == []


# Assignments.


def test_an_account_goes_over_to_another_tariff_and_its_meter_too() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    other = another_tariff(store, town, FLAT)

    assign(store, town, at=DECEMBER_AT, tariff_id=other)

    view = the_view(store, town.homes[0].account_id)
    assert view.schedule is not None
    assert [view.schedule.version_at(to_us(at)).tariff_id for at in (DECEMBER_AT - HOUR, DECEMBER_AT)] == [
        town.tariff_id,
        other,
    ]
    assert [(each.tariff_id, each.effective_at) for each in loadings(store)] == [(other, DECEMBER_AT)]
    (act,) = store.tables.audit
    assert (act.what, act.subject) == ("assign tariff", f"account {town.homes[0].account_id}")


def test_later_versions_of_the_tariff_are_told_to_the_meter_too() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER)
    other = replace(town, tariff_id=another_tariff(store, town, FLAT))
    approved(store, other, flat_tariff("0.70", currency="CNY"), at=DECEMBER + 31 * DAY)

    assign(store, town, at=DECEMBER_AT, tariff_id=other.tariff_id)

    assert [(each.version_no, each.effective_at) for each in loadings(store)] == [
        (1, DECEMBER_AT),
        (2, DECEMBER_AT + 31 * DAY),
    ]


def test_what_is_rated_is_not_rated_again() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    other = another_tariff(store, town, FLAT)
    told(store, town.homes[0], at=NOON + HOUR, energy_wh=100)

    with pytest.raises(PastIsRated):
        assign(store, town, at=NOON + HOUR - timedelta(seconds=1), tariff_id=other)
    assign(store, town, at=NOON + HOUR, tariff_id=other)

    assert len(store.tables.assignments) == 1


def test_terms_change_where_a_bill_begins_and_the_bill_before_keeps_its_own() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    five = Terms(persons=5)

    with pytest.raises(TermsMidBill) as caught:
        assign(store, town, at=DECEMBER_AT - HOUR, tariff_id=town.tariff_id, terms=five)
    assign(store, town, at=DECEMBER_AT, tariff_id=town.tariff_id, terms=five)

    assert "2026-11-30T16:00:00+00:00" in str(caught.value)
    view = the_view(store, town.homes[0].account_id, now=DECEMBER_AT)
    assert (view.terms_at(DECEMBER_AT - HOUR), view.terms_at(DECEMBER_AT)) == (Terms(), five)


def test_a_meter_is_loaded_ahead_by_the_terms_that_its_account_will_have() -> None:
    store = MemoryStore()
    town = a_town_of(store, tariff=for_households(persons=5))
    assign(store, town, at=DECEMBER_AT, tariff_id=town.tariff_id, terms=Terms(persons=5))

    (claim,) = deliver.claim(store, [town.homes[0].meter_id], now=NOON, owner="gateway")
    order = deliver.order_for(claim, model=MODELS[STANDARD], now=NOON)

    assert isinstance(order, TariffOrder) and order.tables.prices is not None
    assert order.tables.prices.bounds_wh == (200_000,)


def test_what_cannot_be_assigned_is_refused_and_nothing_is_saved() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    with store.transaction() as tx:
        stranger = tx.add_organisation("Other house")
        theirs = a_tariff(tx, stranger, FLAT)
        euro = a_tariff(tx, town.organisation_id, replace(FLAT, name="Euro", currency="EUR"))
    unapproved = tariffing.begin(
        store,
        stepped(),
        organisation_id=town.organisation_id,
        effective_from=DECEMBER,
        actor=ANA,
        now=NOON,
    )[0]
    mine = town.tariff_id
    refusals: list[tuple[type[Refused], int, int | None, Actor]] = [
        (TariffUnknown, 99, None, ANA),
        (TariffUnknown, theirs, None, ANA),
        (TariffNotApproved, unapproved, None, ANA),
        (CurrencyDiffers, euro, None, ANA),
        (AccountNotBilled, mine, 99, ANA),
        (AccountNotBilled, mine, town.suspense_id, ANA),
        (ReasonMissing, mine, None, SILENT),
    ]

    for refusal, tariff_id, account_id, actor in refusals:
        with pytest.raises(refusal):
            assign(store, town, at=DECEMBER_AT, tariff_id=tariff_id, account_id=account_id, actor=actor)

    assert store.tables.assignments == {}


def test_a_tariff_whose_steps_mean_something_else_is_not_assigned() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=stepped())
    other = another_tariff(store, town, stepped(window="year"))

    with pytest.raises(TariffFaulty):
        assign(store, town, at=DECEMBER_AT, tariff_id=other)

    assert store.tables.assignments == {}


def test_a_meter_that_cannot_hold_the_other_tariff_keeps_its_account_where_it_is() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    other = another_tariff(store, town, STANDING)

    with pytest.raises(MetersMisfit):
        assign(store, town, at=DECEMBER_AT, tariff_id=other)

    assert store.tables.assignments == {}
