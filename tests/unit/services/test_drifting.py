"""What a night's weighing rests on: recomputing by freezes, other versions, clocks, and the unknown."""

from dataclasses import replace
from datetime import timedelta

from tests.contract.test_days import FIRST, HOUR, rolled
from tests.contract.test_drifts import FULL, delivered, frozen, midnight, weighed
from tests.unit.services.tariffs import DAY, DECEMBER_AT, STANDARD, approved
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    Home,
    a_meter_entry,
    a_town,
    an_opening,
    paid,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.drift import Cause
from compuerta.domain.party import AccountKind
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.tally import Span
from compuerta.services import recomputing
from compuerta.services.day_port import AccountWeight, ChargedSince
from compuerta.services.freeze_port import Freeze, FreezeBasis

BY_HOUR = tariff_from(
    {
        "name": "By hour",
        "currency": "CNY",
        "components": [
            {
                "kind": "energy",
                "name": "Energy",
                "periods": [{"name": "peak", "prices": ["0.60"]}, {"name": "valley", "prices": ["0.30"]}],
                "day_tables": {"day": ["00:00 valley", "06:00 peak", "22:00 valley"]},
                "seasons": [{"name": "year", "from": "01-01", "every day": "day"}],
            }
        ],
    }
)


def a_home_by_hour(store: MemoryStore) -> Home:
    """Return a home with credit that was read at one o'clock; use costs 0.60 by day and 0.30 by night."""
    town = a_town(store, authorities=(PLATFORM,), tariff=BY_HOUR)
    home = town.homes[0]
    paid(store, home)
    told(store, home, at=NOON + HOUR, energy_wh=1_000)
    return home


def begun(store: MemoryStore, home: Home, **changes: object) -> AccountWeight:
    weight = recomputing.begun(the_view(store, home.account_id))
    assert weight is not None
    return replace(weight, **changes)  # type: ignore[arg-type]


def a_freeze(home: Home, *, energy_wh: int, rates_wh: tuple[int, ...] | None = None) -> Freeze:
    return Freeze(
        meter_id=home.meter_id,
        day=FIRST,
        version=1,
        site_id=1,
        account_id=home.account_id,
        at=midnight(0),
        basis=FreezeBasis.METER,
        known_at=midnight(0),
        energy_wh=energy_wh,
        rates_wh=rates_wh,
    )


def test_what_cost_by_hour_is_recomputed_by_the_registers_of_the_rates() -> None:
    store = MemoryStore()
    home = a_home_by_hour(store)
    view = the_view(store, home.account_id)
    charged = ChargedSince(
        to_wh=11_000, amount_minor=8_000 * 6 // 100 + 2_000 * 3 // 100, read_at=midnight(0)
    )

    found = recomputing.recompute(
        view,
        begun(store, home, rates_wh=(1_000, 0)),
        a_freeze(home, energy_wh=11_000, rates_wh=(9_000, 2_000)),
        charged,
        runs_by=(view.account.tariff_id or 0, 1),
    )

    assert found is not None
    assert (found.gap_minor, found.unread_wh, found.weight.at) == (0, 0, midnight(0))


def test_without_registers_of_rates_nothing_is_told_and_it_begins_anew_at_the_last_reading() -> None:
    store = MemoryStore()
    home = a_home_by_hour(store)
    weight = begun(store, home)
    charged = ChargedSince(to_wh=11_000, amount_minor=1, read_at=midnight(0))

    found = recomputing.recompute(
        the_view(store, home.account_id), weight, a_freeze(home, energy_wh=11_000), charged, runs_by=None
    )

    assert found is not None
    assert (found.gap_minor, found.weight) == (None, weight)


def test_a_register_that_a_person_set_anew_is_no_use() -> None:
    store = MemoryStore()
    home = a_home_by_hour(store)
    charged = ChargedSince(to_wh=1_000, amount_minor=0, read_at=None)
    view, freeze = the_view(store, home.account_id), a_freeze(home, energy_wh=11_000)

    for weight in (begun(store, home, offset_wh=7), begun(store, home, meter_id=99)):
        assert recomputing.recompute(view, weight, freeze, charged, runs_by=None) is None


def test_a_meter_that_runs_by_the_version_before_deducts_by_its_prices() -> None:
    store = MemoryStore()
    town = a_town(store, authorities=(METER,), model=STANDARD)
    approved(store, town)
    view = the_view(store, town.homes[0].account_id)
    december = Span(start=DECEMBER_AT, end=DECEMBER_AT + DAY, energy_wh=10_000)

    november = Span(start=NOON, end=NOON + DAY, energy_wh=10_000)
    before, now = (town.tariff_id, 1), (town.tariff_id, 2)

    assert recomputing.other_version_minor(view, december, before) == 600 - 530
    assert recomputing.other_version_minor(view, december, None) == 600 - 530  # set by hand: supposed
    assert recomputing.other_version_minor(view, december, now) is None
    assert recomputing.other_version_minor(view, november, before) is None


def test_a_clock_that_is_off_explains_no_more_than_it_can_price_otherwise() -> None:
    for gap_minor, cause in ((-40, Cause.CLOCK), (-900, Cause.UNEXPLAINED)):
        store = MemoryStore()
        town = a_town(store, authorities=(METER,), tariff=BY_HOUR)
        home = town.homes[0]
        delivered(store, home, "1", balance_minor=FULL, at=NOON)
        told(store, home, at=midnight(0) - timedelta(seconds=1), energy_wh=10_000)
        books_minor = the_view(store, home.account_id).holdings.delivered_minor
        frozen(store, town, 0, {home: (10_000, books_minor)})
        weighed(store, town, 0)
        told(store, home, at=midnight(1) - timedelta(seconds=1), energy_wh=20_000)
        books_minor = the_view(store, home.account_id).holdings.delivered_minor
        frozen(store, town, 1, {home: (20_000, books_minor + gap_minor)}, clock_off_s=3_600)

        (drift,) = weighed(store, town, 1)

        assert (drift.cause, drift.minor) == (cause, gap_minor)


def test_a_balance_that_no_posting_explains_is_a_case_and_stays_as_it_is() -> None:
    store = MemoryStore()
    town = a_town(store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(store, home)
    held = store.tables.holdings[home.account_id]
    store.tables.holdings[home.account_id] = replace(held, delivered_minor=held.delivered_minor + 1)

    rolled(store, town)

    (case,) = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("roll_differs", home.account_id)
    assert store.tables.holdings[home.account_id].delivered_minor == held.delivered_minor + 1


def test_a_feeder_whose_meter_shows_money_is_not_weighed() -> None:
    store = MemoryStore()
    town = a_town(store)
    with store.transaction() as tx:
        meter_id = tx.add_meter(a_meter_entry(town.organisation_id, number=7))
        opening = an_opening(town.site_id, name="riser", kind=AccountKind.FEEDER, meter_id=meter_id)
        feeder = Home(meter_id=meter_id, account_id=tx.add_account(opening))
    told(store, feeder, at=NOON + HOUR, energy_wh=500, balance_minor=9_900)
    frozen(store, town, 0, {feeder: (900, 9_900)})

    assert weighed(store, town, 0) == []
