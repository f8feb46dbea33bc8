"""Registers taken by columns, and one by one, on two databases: not one row may differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from tests.scenario.twins import dumped, twins
from tests.unit.domain.tariff.parts import a_calendar, a_tariff, an_energy
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    Home,
    a_meter_entry,
    an_id,
    an_opening,
)
from tests.unit.services.town import a_tariff as founded

from compuerta.adapters.postgres import books, bulk
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.ledger import DELIVERED, Posting, PostingKind, cash, transfer
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.civil import from_us, to_us
from compuerta.domain.tariff.components import (
    Account,
    Allowance,
    Demand,
    Fixed,
    Percent,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scope,
    StepKind,
    Steps,
    Tariff,
    Window,
)
from compuerta.drivers.abilities import MeterState
from compuerta.services import observe, promises
from compuerta.services.charge_columns import NONE
from compuerta.services.deducting import RELAYS, Registers
from compuerta.services.records import Endpoint, Hold
from compuerta.services.store_port import Store

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

__all__ = ["twins"]

TABLES = (
    "reading", "charge", "posting", "bill", "account_state", "meter_state", "warning", "case_file",
    "instruction", "recharge_instant",
)  # fmt: skip
HOMES_PER_TARIFF = 12
OWN_LEVELS = '{"levels": [{"kind": "money", "value": 3000}, {"kind": "money", "value": 700}]}'
LEVELS_OF_ENERGY = '{"levels": [{"kind": "energy", "value": 20000}, {"kind": "money", "value": 1000}]}'
CALENDAR = a_calendar(working=((0, 1), (6, 0), (22, 1)), weekend=((0, 1),))
PEAK = an_energy(
    ("0.6170", "0.6670", "0.9170"),
    ("0.3070", "0.3570", "0.6071"),
    bounds_wh=(40_000, 90_000),
    calendar=CALENDAR,
)
TAXED = (
    PerKwh(name="Lighting", account=Account.LEVY, price=Fraction("0.0203")),
    Fixed(name="Standing", account=Account.FIXED, amount=Fraction("5.01"), per=Window.MONTH),
    Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100)),
    Percent(name="Inside", account=Account.LEVY, share=Fraction(3, 100), base=("Energy",), included=True),
)


def tariffs() -> Iterator[Tariff]:
    yield a_tariff(an_energy(("0.5300",)))
    yield a_tariff(replace(PEAK, steps=Steps(scope=Scope.PERIOD, window=Window.YEAR)))
    for place in RoundingPlace:
        yield a_tariff(PEAK, *TAXED, rounding=Rounding(place=place, mode=RoundingMode.HALF_EVEN))
    yield a_tariff(PEAK, Allowance(name="Free", energy_wh=9_000), *TAXED, cycle_day=24)
    yield a_tariff(replace(PEAK, steps=Steps(kind=StepKind.SLAB)))
    yield a_tariff(replace(PEAK, steps=Steps(window=Window.DAY)), *TAXED)
    yield a_tariff(
        an_energy(("0.5300",)),
        Demand(name="Power", calendar=a_calendar(), periods=an_energy(("2",)).periods),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One register, and what came with it."""

    meter_id: int
    at: datetime
    energy_wh: int
    relay: int
    power_w: int


@pytest.mark.parametrize("seed", range(3))
def test_columns_and_one_by_one_write_the_same_rows(twins: tuple[str, str], seed: int) -> None:
    by_columns, one_by_one = (PostgresStore(url) for url in twins)
    homes = a_town(by_columns)
    assert a_town(one_by_one) == homes
    chance = Random(seed)
    registers = {home.meter_id: 0 for home in homes}
    now, moved = NOON, 0
    for hours in (1, 3, 5, 20, 30, 200, 10, 10):
        said = list(a_batch(chance, registers, since=now, until=now + hours * HOUR))
        now += hours * HOUR

        taken = bulk.take_registers(by_columns, as_registers(said), now=now)
        observe.take_readings(one_by_one, [a_report(each) for each in said], now=now)

        assert taken.by_columns + taken.one_by_one == len(said)
        moved += taken.by_columns
        for table in TABLES:
            assert dumped(twins[0], table) == dumped(twins[1], table), (table, hours)
    assert moved > 500, "most should have gone by columns"
    assert dumped(twins[0], "warning") and dumped(twins[0], "case_file") and dumped(twins[0], "instruction")
    by_columns.shut()
    one_by_one.shut()
    kept = books.load(twins[0], now=now)
    assert not promises.broken(promises.check(kept, now=now))
    assert not [
        line for line in promises.broken(promises.check(kept, now=now, settled=True)) if line.startswith("M4")
    ]


def test_a_jump_beyond_what_columns_can_multiply_is_held(twins: tuple[str, str]) -> None:
    by_columns, one_by_one = (PostgresStore(url) for url in twins)
    home = next(home for home in a_town(by_columns) if home.meter_id % HOMES_PER_TARIFF == 2)
    a_town(one_by_one)
    now = NOON + 3 * HOUR
    # 3,600 times so much passes 63 bits, and would come out below nothing.
    jump_wh = 2**63 // 3_600 + 1_000
    for at, energy_wh in (
        (NOON, 0),
        (NOON + HOUR, 100),
        (NOON + 2 * HOUR, 200),
        (NOON + 2 * HOUR + timedelta(milliseconds=1), jump_wh),
    ):
        said = [Said(meter_id=home.meter_id, at=at, energy_wh=energy_wh, relay=NONE, power_w=NONE)]
        bulk.take_registers(by_columns, as_registers(said), now=now)
        observe.take_readings(one_by_one, [a_report(each) for each in said], now=now)

    for table in TABLES:
        assert dumped(twins[0], table) == dumped(twins[1], table), table
    assert len(dumped(twins[0], "case_file")) == 1
    by_columns.shut()
    one_by_one.shut()


def test_the_same_registers_again_change_nothing(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    homes = a_town(store)
    chance = Random(7)
    registers = {home.meter_id: 0 for home in homes}
    first = list(a_batch(chance, registers, since=NOON, until=NOON + HOUR))
    second = list(a_batch(chance, registers, since=NOON + HOUR, until=NOON + 2 * HOUR))
    for said in (first, second):
        bulk.take_registers(store, as_registers(said), now=NOON + 2 * HOUR)
    before = [dumped(postgres_url, table) for table in TABLES]

    bulk.take_registers(store, as_registers([*second, *first]), now=NOON + 2 * HOUR)

    assert [dumped(postgres_url, table) for table in TABLES] == before
    store.shut()


def a_town(store: Store) -> list[Home]:
    homes = []
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(
            organisation_id=organisation_id, name="North", zone="Europe/Madrid", currency="EUR"
        )
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/one",
                baud=2400,
            )
        )
        for kind, tariff in enumerate(tariffs()):
            tariff_id = founded(tx, organisation_id, replace(tariff, name=f"tariff {kind}"))
            for place in range(HOMES_PER_TARIFF):
                number = kind * HOMES_PER_TARIFF + place + 1
                authority = METER if place == 0 else PLATFORM
                meter_id = tx.add_meter(a_meter_entry(organisation_id, number=number, authority=authority))
                opening = an_opening(site_id, name=f"flat {number}", meter_id=meter_id, tariff_id=tariff_id)
                homes.append(Home(meter_id=meter_id, account_id=tx.add_account(opening)))
        tx.book([credited(home.account_id, amount_minor=500 * (home.account_id % 13 + 1)) for home in homes])
        for home in homes[3::11]:
            tx.put_policy(scope="account", scope_id=home.account_id, document=OWN_LEVELS)
        for home in homes[4::29]:
            tx.put_policy(scope="account", scope_id=home.account_id, document=LEVELS_OF_ENERGY)
        for home in homes[5::17]:
            tx.put_hold(
                Hold(
                    meter_id=home.meter_id,
                    hold_id=an_id(f"hold {home.meter_id}"),
                    kind=HoldKind.PROTECTED,
                    owner="ana",
                    note="a machine that keeps somebody alive",
                    start=NOON,
                )
            )
    return homes


def credited(account_id: int, *, amount_minor: int) -> Posting:
    return Posting(
        account_id=account_id,
        posting_id=an_id(f"credit {account_id}"),
        kind=PostingKind.RECHARGE,
        currency="EUR",
        lines=transfer(debit=cash("till"), credit=DELIVERED, amount_minor=amount_minor),
        booked_at=NOON,
        cause_id=an_id(f"cause {account_id}"),
    )


def a_batch(chance: Random, registers: dict[int, int], *, since: datetime, until: datetime) -> Iterator[Said]:
    """One to four registers of nearly every meter; some twice, some late, some that nobody can believe."""
    for meter_id in registers:
        if chance.random() < 0.05:
            continue
        times = sorted(
            chance.sample(range(1, int((until - since).total_seconds())), chance.choice((1, 1, 2, 4)))
        )
        for time_s in times:
            at = since + timedelta(seconds=time_s, microseconds=chance.choice((0, 0, 250)))
            registers[meter_id] += chance.choice((0, 10, 700, 2_500, 12_000))
            energy_wh = registers[meter_id]
            doubt = chance.random()
            if doubt < 0.004:
                energy_wh = max(energy_wh - 5_000, 0)
            elif doubt < 0.008:
                energy_wh += 10**9
            elif doubt < 0.012:
                at += timedelta(days=400)
            said = Said(
                meter_id=meter_id,
                at=at,
                energy_wh=energy_wh,
                relay=chance.choice((0, 1, 2, 2, 2, NONE)),
                power_w=chance.choice((0, 1_500, NONE)),
            )
            yield said
            if chance.random() < 0.05:
                yield said


def as_registers(said: Sequence[Said]) -> Registers:
    def column(name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([getattr(each, name) for each in said], np.int64)

    return Registers(
        meter_id=column("meter_id"),
        at_us=np.array([to_us(each.at) for each in said], np.int64),
        energy_wh=column("energy_wh"),
        relay=column("relay"),
        power_w=column("power_w"),
    )


def a_report(said: Said) -> observe.MeterReport:
    state = MeterState(
        energy_wh=said.energy_wh,
        relay=None if said.relay == NONE else RELAYS[said.relay],
        power_w=None if said.power_w == NONE else said.power_w,
    )
    return observe.MeterReport(meter_id=said.meter_id, at=from_us(to_us(said.at)), state=state)
