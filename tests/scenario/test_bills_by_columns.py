"""Bills of intervals made by columns, and one by one, on two databases: not one row may differ."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

import pytest
from tests.scenario.twins import dumped, twins
from tests.unit.domain.tariff.parts import a_calendar, a_tariff, an_energy
from tests.unit.services.town import HOUR, PLATFORM, a_meter_entry, an_opening
from tests.unit.services.town import a_tariff as founded

from compuerta.adapters.postgres import books, bulk_bills
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Allowance,
    Demand,
    Fixed,
    Minimum,
    Percent,
    PerKwh,
    Rounding,
    RoundingPlace,
    Scale,
    Scope,
    Steps,
    Tariff,
    Window,
)
from compuerta.services import billing, promises
from compuerta.services.records import Endpoint, LoadDay
from compuerta.services.store_port import Store

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

__all__ = ["twins"]

TABLES = ("charge", "posting", "bill", "account_state", "meter_state", "warning", "case_file", "instruction")
MADRID = ZoneInfo("Europe/Madrid")
# Three months; October has a day of 25 hours.
OPENED_AT, UNTIL = datetime(2026, 9, 1, tzinfo=MADRID), datetime(2026, 12, 1, tzinfo=MADRID)
CALENDAR = a_calendar(working=((0, 1), (6, 0), (22, 1)), weekend=((0, 1),))
PEAK = an_energy(
    ("0.6170", "0.6670", "0.9170"), ("0.3070", "0.3570", "0.6071"),
    bounds_wh=(90_000, 400_000), calendar=CALENDAR,
)  # fmt: skip
TAXED = (
    PerKwh(name="Lighting", account=Account.LEVY, price=Fraction("0.0203")),
    Fixed(name="Standing", account=Account.FIXED, amount=Fraction("5.01"), per=Window.MONTH),
    Minimum(name="Least", amount=Fraction(150), per=Window.CYCLE, base=("Energy",)),
    Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100)),
)


def tariffs() -> Iterator[Tariff]:
    yield a_tariff(an_energy(("0.5300",)))
    for place in RoundingPlace:
        yield a_tariff(PEAK, *TAXED, rounding=Rounding(place=place))
    yield a_tariff(replace(PEAK, steps=Steps(scope=Scope.PERIOD, window=Window.YEAR)))
    yield a_tariff(replace(PEAK, steps=Steps(window=Window.DAY)), *TAXED)
    yield a_tariff(replace(PEAK, steps=Steps(window=Window.MONTH)), cycle_day=15)
    yield a_tariff(replace(PEAK, steps=Steps(scale=Scale.DAY)), cycle_day=15)
    yield a_tariff(replace(PEAK, steps=Steps(allocation=Allocation.PROPORTIONAL)))
    yield a_tariff(PEAK, Allowance(name="Free", energy_wh=9_000))
    yield a_tariff(
        an_energy(("0.5300",)), Demand(name="Power", calendar=a_calendar(), periods=an_energy(("2",)).periods)
    )


def a_town(store: Store, chance: Random) -> None:
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(
            organisation_id=organisation_id, name="Sur", zone="Europe/Madrid", currency="EUR"
        )
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/one",
            )
        )
        number = 0
        for kind, tariff in enumerate(tariffs()):
            tariff_id = founded(tx, organisation_id, replace(tariff, name=f"tariff {kind}"))
            for place in range(3):
                number += 1
                meter_id = tx.add_meter(a_meter_entry(organisation_id, number=number, authority=PLATFORM))
                tx.add_account(
                    an_opening(
                        site_id,
                        name=f"flat {number}",
                        meter_id=meter_id,
                        tariff_id=tariff_id,
                        opened_at=OPENED_AT,
                        by_intervals=True,
                    )
                )
                days = list(days_of(meter_id, chance, minutes=30 if place == 2 else 60))
                # One has a month of which a day is missing, after one that is whole.
                tx.put_load_days([day for day in days if number % 7 or day is not days[70]])


def days_of(meter_id: int, chance: Random, *, minutes: int) -> Iterator[LoadDay]:
    starts_at = OPENED_AT
    while starts_at < UNTIL:
        ends_at = starts_at + timedelta(days=1)  # by the wall clock
        count = int((ends_at.timestamp() - starts_at.timestamp()) // (60 * minutes))
        wh = tuple(chance.choice((0, 3, 250, 800, 2_100)) for _ in range(count))
        yield LoadDay(meter_id=meter_id, starts_at=starts_at, minutes=minutes, wh=wh)
        starts_at = ends_at


def all_billed(store: Store, *, until: datetime, now: datetime) -> billing.Run:
    with store.transaction() as tx:
        return billing.bill_accounts(tx, tx.interval_accounts(after=0, limit=99), until=until, now=now)


def by_columns_billed(store: PostgresStore, *, until: datetime, now: datetime) -> billing.Run:
    with store.transaction() as tx:
        account_ids = tx.interval_accounts(after=0, limit=99)
    return bulk_bills.bill_accounts(store, account_ids, until=until, now=now)


def test_columns_and_one_by_one_make_the_same_bills(twins: tuple[str, str]) -> None:
    by_columns, one_by_one = (PostgresStore(url) for url in twins)
    a_town(by_columns, Random(5))
    a_town(one_by_one, Random(5))
    billed = []
    for until in (datetime(2026, 10, 20, tzinfo=MADRID), UNTIL):
        run = by_columns_billed(by_columns, until=until, now=until + HOUR)
        assert run == all_billed(one_by_one, until=until, now=until + HOUR)
        billed.append(run)
        for table in TABLES:
            assert dumped(twins[0], table) == dumped(twins[1], table), (table, until)
    again = by_columns_billed(by_columns, until=UNTIL, now=UNTIL + 2 * HOUR)

    assert billed[1].billed > 50 and billed[1].waiting == again.waiting > 0 and not again.billed
    by_columns.shut()
    one_by_one.shut()
    kept = books.load(twins[0], now=UNTIL + HOUR)
    broken = promises.broken(promises.check(kept, now=UNTIL + HOUR, settled=True))
    assert not [line for line in broken if line.startswith(("M", "T"))]
