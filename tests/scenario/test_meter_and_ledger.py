"""One tariff, two that deduct by it: the meter by its tables, the ledger by the tariff, to the same cent.

Whatever `fit` lets pass is loaded over the wire, over a change of tariff, and used for a year and a half.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from tests.scenario.loading_bench import STANDARD, Bench, a_bench

from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.fitting import Loading, MeterTables, fit
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Version, in_force
from compuerta.domain.tariff.tally import Span, opened
from compuerta.drivers.abilities import Ending, Result, TariffOrder
from compuerta.virtual.meter.clock import ms_from_civil
from compuerta.virtual.meter.load import HOUR_MS, LoadSegment

START = datetime(2027, 1, 1)  # noqa: DTZ001 the site's wall clock: a Friday
DAYS = 540
PREPAID_MINOR = 90_000_000
STANDARD_RATES = 4
ROLES = ("sharp", "peak", "flat", "valley")


@dataclass(frozen=True)
class AnyLoad:
    """Another power each hour, from the first day of the first tariff on."""

    seed: int

    def at(self, civil_ms: int) -> LoadSegment:
        hour = civil_ms // HOUR_MS
        power_w = Random(self.seed * 1_000_003 + hour).choice([0, 37, 1_213, 4_999])
        begun = civil_ms >= ms_from_civil(START)
        return LoadSegment(power_w=power_w if begun else 0, until_civil_ms=(hour + 1) * HOUR_MS)


def a_random_tariff(chance: Random, *, on_change: str = "continue") -> Tariff:
    roles = sorted(chance.sample(ROLES, chance.randint(1, 4)))
    tables = {
        f"table {n}": [f"00:00 {chance.choice(roles)}"]
        + [f"{hour:02}:{chance.choice(['00', '17'])} {chance.choice(roles)}" for hour in (6, 9, 17, 22)]
        for n in range(3)
    }
    rest = chance.choice([("saturday", "sunday"), ("sunday",), ()])
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    seasons = [
        {"name": start, "from": start, "holidays": {"national": "table 0"}}
        | {name: f"table {0 if name in rest else 1 + at % 2}" for name in names}
        for at, start in enumerate(sorted(chance.sample(["01-01", "03-15", "06-01", "10-31"], 3)))
    ]
    bounds = sorted(chance.sample(range(1, 300), chance.randint(0, 3)))
    rises = [0, *(chance.randint(-2_000, 3_000) for _ in bounds)]
    steps = {
        "bounds_kwh": [f"{bound * 10}.37" for bound in bounds],
        "window": chance.choice(["month", "quarter", "year", "cycle"]),
        "year_start": chance.choice(["01-01", "07-15"]),
        "on_change": on_change,
    }
    prices = [chance.randint(2_500, 9_999) for _ in roles]
    energy = {
        "kind": "energy",
        "name": "Energy",
        "periods": [
            {"name": role, "role": role, "prices": [price_text(price + rise) for rise in rises]}
            for role, price in zip(roles, prices, strict=True)
        ],
        "steps": steps,
        "day_tables": tables,
        "seasons": seasons,
        "holidays": {"national": ["2027-05-01", "2027-10-01", "2027-10-02", "2028-01-01"]},
    }
    levy = {"kind": "per_kwh", "name": "Levy", "account": "levy", "price": "0.0107"}
    return tariff_from({"name": "A", "currency": "CNY", "components": [energy, levy]})


def price_text(price_e4: int) -> str:
    return f"{price_e4 // 10_000}.{price_e4 % 10_000:04}"


def utc(civil: datetime) -> datetime:
    return civil.replace(tzinfo=UTC)


def load(bench: Bench, tables: MeterTables, *, at: datetime) -> Result:
    return bench.carry_out(TariffOrder(tables=tables, switch_at=at, now=bench.civil))


def a_pair_that_fits(seed: int) -> tuple[list[Tariff], list[MeterTables], datetime]:
    """Two random tariffs, and a moment at which a meter can go from the one to the other."""
    assert STANDARD.tariff is not None
    for attempt in range(100):
        chance = Random(seed * 100 + attempt)
        tariffs = [a_random_tariff(chance, on_change=chance.choice(["continue", "reset"])) for _ in range(2)]
        at = START + timedelta(days=chance.randint(100, 400), hours=chance.choice([0, 0, 7]))
        first = fit(tariffs[0], profile=STANDARD.tariff, loading=Loading(at=START))
        second = fit(tariffs[1], profile=STANDARD.tariff, loading=Loading(at=at, before=tariffs[0]))
        if isinstance(first, MeterTables) and isinstance(second, MeterTables):
            return tariffs, [first, second], at
    raise AssertionError("nothing fits")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_meter_deducts_what_the_ledger_bills(seed: int) -> None:
    tariffs, tables, change = a_pair_that_fits(seed)
    versions = tuple(
        Version(tariff_id=1, version_no=number, effective_from=at, tariff=tariff)
        for number, (tariff, at) in enumerate(zip(tariffs, (START, change), strict=True), start=1)
    )
    schedule = in_force(versions, zone="UTC")
    tally, billed_minor = opened(schedule=schedule, at=utc(START)), 0
    bench = a_bench(start=START - timedelta(days=2), balance_minor=PREPAID_MINOR, load=AnyLoad(seed))
    load(bench, tables[0], at=START)

    was = Registers(at=START, energy_wh=0, rates_wh=(0,) * STANDARD_RATES)
    for moment in moments_of(change):
        bench.wait_until(moment)
        if moment in loadings(START):
            loaded = load(bench, tables[0], at=START)
        elif moment in loadings(change):
            loaded = load(bench, tables[1], at=change)
        else:
            now = registers_of(bench, at=moment)
            moved = extend(tally, span_of(was, now, tables[was.at >= change]), schedule=schedule)
            billed_minor += sum(ended.total_minor for _, ended in moved.closed)
            tally, was = moved.tally, now
            if moment.day == 1:
                now_minor = billed_minor + bill(tally, schedule=schedule).total_minor
                assert PREPAID_MINOR - bench.balance_minor() == now_minor, moment
    assert (loaded.ending, loaded.reason) == (Ending.DONE, "")
    assert was.energy_wh > 10_000_000


@dataclass(frozen=True)
class Registers:
    """What a meter showed at an instant."""

    at: datetime
    energy_wh: int
    rates_wh: tuple[int, ...]


def registers_of(bench: Bench, *, at: datetime) -> Registers:
    registers = bench.meter.core.registers
    rates_wh = registers.rates_wh(rates=STANDARD_RATES)
    return Registers(at=at, energy_wh=registers.energy_wh, rates_wh=rates_wh)


def span_of(was: Registers, now: Registers, tables: MeterTables) -> Span:
    used_wh = [after - before for before, after in zip(was.rates_wh, now.rates_wh, strict=True)]
    return Span(
        start=utc(was.at),
        end=utc(now.at),
        energy_wh=now.energy_wh - was.energy_wh,
        rates_wh=tuple(used_wh[rate - 1] for rate in tables.rate_of_period),
    )


def loadings(at: datetime) -> set[datetime]:
    """When the platform sends a tariff: the day before, again on the eve, and once more after the switch."""
    return {at - timedelta(hours=30), at - timedelta(minutes=30), at + timedelta(minutes=5)}


def moments_of(change: datetime) -> list[datetime]:
    """Each midnight, the change, and the loadings."""
    midnights = {START + timedelta(days=day) for day in range(1, DAYS)}
    return sorted(midnights | {change} | loadings(START) | loadings(change))
