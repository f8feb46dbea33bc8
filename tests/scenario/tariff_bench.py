"""Meters on the bench that deduct by tables, and tables as bytes."""

from datetime import datetime

from tests.scenario.meter_bench import NOON, Bench, a_bench

from compuerta.virtual.meter import Ladder, Slot, TariffTables
from compuerta.virtual.meter.clock import ms_from_civil
from compuerta.wire.dlt645 import Acknowledged
from compuerta.wire.dlt645.fields import bcd_to, moment_to

PEAK, FLAT, VALLEY = 2, 3, 4
WORKDAY = (Slot(hour=0, rate=VALLEY), Slot(hour=8, rate=PEAK), Slot(hour=22, rate=VALLEY))
REST_DAY = (Slot(hour=0, rate=FLAT),)
PRICES = (12_000, 10_000, 6_000, 3_000)
HOURS = TariffTables(day_tables=(WORKDAY, REST_DAY), rate_prices_e4=PRICES)
STEPS = TariffTables(ladder=Ladder(bounds_wh=(100_000,), prices_e4=(10_000, 15_000)))
DONE = Acknowledged(function=0x14)
NEVER = b"\x99\x99\x99"
NOVEMBER = datetime(2026, 11, 1)  # noqa: DTZ001 a meter's clock
NEW_YEAR = datetime(2027, 1, 1)  # noqa: DTZ001


def a_tariff_bench(tariff: TariffTables, *, at: datetime = NOON, power_w: int = 1_000) -> Bench:
    return a_bench(balance_minor=1_000_000, power_w=power_w, tariff=tariff, civil_offset_ms=ms_from_civil(at))


def rates_wh(bench: Bench) -> tuple[int, ...]:
    total_wh, *by_rate = bench.values(0x0001FF00).values()
    assert total_wh == sum(by_rate)
    return tuple(by_rate)


def spent_minor(bench: Bench) -> int:
    balance_minor = bench.values(0x00900200)["amount_minor"]
    assert isinstance(balance_minor, int)
    return 1_000_000 - balance_minor


def minute(at: datetime) -> bytes:
    return moment_to(at, order="mhDMY")


def entries(*digits: str) -> bytes:
    """Entries of a list as they travel: "0101" + "02" = from 1 January on, table 2."""
    return b"".join(bytes.fromhex(each)[::-1] for each in digits)


def a_ladder_block(*, bounds: tuple[int, ...], prices: tuple[int, ...], settlements: bytes) -> bytes:
    amounts = (*bounds, *prices)
    assert (len(amounts), len(settlements)) == (13, 12)
    return b"".join(bcd_to(amount, length=4) for amount in amounts) + settlements


MONTHLY_BLOCK = a_ladder_block(
    bounds=(5_000,) * 6, prices=(2_000, *[4_000] * 6), settlements=NEVER * 4
)  # 0.20 to 50 kWh, 0.40 above
