"""Accounts that are billed by intervals: one charge for each bill that has ended, and none on a gap."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.domain.tariff.parts import a_calendar, a_tariff, an_energy
from tests.unit.services.town import HOUR, PLATFORM, Home, a_meter_entry, an_opening, the_view, told
from tests.unit.services.town import a_tariff as founded

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.supply import Reason
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.tally import Span
from compuerta.drivers.abilities import Relay
from compuerta.services import billing, holding, promises
from compuerta.services.records import Basis, Endpoint, LoadDay
from compuerta.sim.looking import books_of

# A month with a day of 25 hours in Madrid, and the hours before and after it.
OCTOBER, NOVEMBER = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
BY_HOUR = a_tariff(
    an_energy(
        ("0.6170", "0.6670", "0.9170"), ("0.3070", "0.3570", "0.6070"), bounds_wh=(100_000, 300_000),
        calendar=a_calendar(working=((0, 1), (6, 0), (22, 1)), weekend=((0, 1),)),
    )
)  # fmt: skip


def a_home(store: MemoryStore) -> Home:
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(
            organisation_id=organisation_id, name="Sur", zone="Europe/Madrid", currency="EUR"
        )
        end = Endpoint(
            endpoint_id="bus",
            organisation_id=organisation_id,
            road=RoadKind.RS485,
            bearer=Bearer.SERIAL,
            address="/dev/one",
        )
        tx.add_endpoint(end)
        tariff_id = founded(tx, organisation_id, BY_HOUR)
        meter_id = tx.add_meter(a_meter_entry(organisation_id, number=1, authority=PLATFORM))
        opening = an_opening(
            site_id,
            name="flat 1",
            meter_id=meter_id,
            tariff_id=tariff_id,
            opened_at=OCTOBER,
            by_intervals=True,
        )
        return Home(meter_id=meter_id, account_id=tx.add_account(opening))


def days_of(home: Home, *, until: datetime) -> Iterator[LoadDay]:
    """October and November in Madrid, by the hour."""
    starts_at, day = OCTOBER, 0
    while starts_at < until:
        hours = 25 if day == 24 else 24  # 25 October 2026
        wh = tuple((day * 31 + hour * 97) % 1_900 for hour in range(hours))
        yield LoadDay(meter_id=home.meter_id, starts_at=starts_at, minutes=60, wh=wh)
        starts_at, day = starts_at + hours * HOUR, day + 1


def brought(store: MemoryStore, days: Sequence[LoadDay]) -> None:
    with store.transaction() as tx:
        tx.put_load_days(days)


def all_billed(store: MemoryStore, *, until: datetime, now: datetime) -> billing.Run:
    with store.transaction() as tx:
        return billing.bill_accounts(tx, tx.interval_accounts(after=0, limit=10), until=until, now=now)


def spans_of(days: Sequence[LoadDay]) -> list[Span]:
    return [
        Span(start=day.starts_at + place * HOUR, end=day.starts_at + (place + 1) * HOUR, energy_wh=energy_wh)
        for day in days
        for place, energy_wh in enumerate(day.wh)
    ]


def test_a_month_of_hours_is_one_charge_and_the_bill_of_those_hours() -> None:
    store = MemoryStore()
    home = a_home(store)
    days = list(days_of(home, until=NOVEMBER))
    brought(store, days)

    run = all_billed(store, until=NOVEMBER, now=NOVEMBER + HOUR)

    asked = the_view(store, home.account_id).snapshot
    assert asked is not None and asked.decide_at is not None
    assert asked.wanted_reason == Reason.LOOK_FIRST.value, "no register was read lately"
    holding.sweep(store, now=asked.decide_at)
    view = the_view(store, home.account_id)
    assert view.schedule is not None
    (wanted,) = rate(spans_of(days), schedule=view.schedule, start=OCTOBER)[:1]
    (charge,) = store.tables.charges.values()
    assert run == billing.Run(billed=1)
    assert (charge.basis, charge.from_at, charge.read_at) == (Basis.INTERVALS, OCTOBER, NOVEMBER)
    assert charge.bill_after_minor == wanted.total_minor > 0
    assert charge.to_wh == sum(sum(day.wh) for day in days)
    assert view.holdings.delivered_minor == -wanted.total_minor
    assert view.snapshot is not None and view.snapshot.wanted_closed is False, "without credit supply ends"
    broken = promises.broken(
        promises.check(books_of(store, now=NOVEMBER + HOUR), now=NOVEMBER + HOUR, settled=True)
    )
    assert not [line for line in broken if line.startswith(("M1", "M4", "S2"))]


def test_a_second_run_bills_nothing_again() -> None:
    store = MemoryStore()
    home = a_home(store)
    brought(store, list(days_of(home, until=NOVEMBER + 40 * 24 * HOUR)))
    first = all_billed(store, until=NOVEMBER + 31 * 24 * HOUR, now=NOVEMBER + 31 * 24 * HOUR)
    charges = dict(store.tables.charges)

    second = all_billed(store, until=NOVEMBER + 31 * 24 * HOUR, now=NOVEMBER + 32 * 24 * HOUR)

    assert (first, second) == (billing.Run(billed=2), billing.Run())
    assert store.tables.charges == charges


@pytest.mark.parametrize("missing", [0, 12, 30])
def test_a_month_with_a_day_missing_waits_with_a_case_and_is_billed_when_it_comes(missing: int) -> None:
    store = MemoryStore()
    home = a_home(store)
    days = list(days_of(home, until=NOVEMBER))
    brought(store, [day for day in days if day is not days[missing]])

    run = all_billed(store, until=NOVEMBER, now=NOVEMBER)

    assert run == billing.Run(waiting=1)
    assert not store.tables.charges
    (case,) = store.tables.cases.values()
    assert case.kind == "intervals_missing" and days[missing].starts_at.isoformat() in case.detail
    brought(store, [days[missing]])
    assert all_billed(store, until=NOVEMBER, now=NOVEMBER).billed == 1


def test_registers_of_an_account_that_is_billed_by_intervals_are_kept_and_not_charged() -> None:
    store = MemoryStore()
    home = a_home(store)

    for hours in (1, 2):
        told(store, home, at=OCTOBER + timedelta(hours=hours), energy_wh=hours * 1_000, relay=Relay.CLOSED)

    assert len(store.tables.readings) == 2
    assert not store.tables.charges
