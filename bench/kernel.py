"""Sorting speed of the tariff kernel, against NREL's PySAM and against what memory can give, all in this run.

PySAM's `utilityrate5` rates one meter per execution, the kernel a town: the rates, calendar and loads are the
same for both, and before anything is timed PySAM's monthly charges are ours to a billionth, for some of the
meters, and 16 bits give the cells that 32 give. The ratios are of PySAM's execution alone, for one year; that
it makes two bills (with and without a solar system, of no power here) is its way. What giving it a meter's
loads and reading its charges takes is told too.

PySAM is given one meter again and again, which stays in the processor's caches; so is the kernel, one block
of meters. A town does not fit there: that is the second ratio, and how fast memory is read decides it. All
runs on one core, and the best of several rounds counts for every side: the machine is shared.

    python bench/kernel.py [--meters 16384] [--rounds 5]
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial

import numpy as np
from numba import njit
from PySAM import Utilityrate5

from compuerta.domain.tariff import kernel

# The peer's calendar is that of 2018, which begins on a Monday: 365 days, no summer time.
YEAR_START = datetime(2018, 1, 1, tzinfo=UTC)
DAYS, MONTHS = 365, 12
# A working day has seven slots of five periods; at weekends there are two.
WEEKDAY = (0,) * 6 + (1,) * 2 + (2,) * 3 + (1,) * 3 + (3,) * 3 + (1,) + (4,) * 3 + (0,) * 3
WEEKEND = (0,) * 9 + (1,) * 12 + (0,) * 3
BOUNDS_KWH = (200, 600)
PERIODS, STEPS = 5, len(BOUNDS_KWH) + 1
# By period, then by step: yuan per 10,000 kWh, so that they are integers.
PRICES = tuple(tuple(3_000 + 700 * period + 1_100 * step + 90 * period * step for step in range(STEPS))
               for period in range(PERIODS))  # fmt: skip
WH_MAX = 3_000  # per hour: a home's
COMPARED = 5  # meters whose bills are compared
ONE_BLOCK_TIMES = 100  # in a round: a block takes a millisecond or less, a town a hundred times as long
SEED = 20_181_231


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A year of readings as blocks, and how they are to be sorted."""

    blocks: kernel.Energies
    runs: kernel.Runs
    ladders: kernel.Ladders
    opening_wh: kernel.Int64s


def main() -> None:
    """Print all speeds and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for per_hour in (1, 4):
        town = a_town(arguments.meters // per_hour, per_hour=per_hour)
        started = time.perf_counter()
        cells = sort(first_block(town))
        told(f"first call {time.perf_counter() - started:.2f} s: compiled or loaded, once")
        model = agreed(town, cells, per_hour=per_hour)
        against_pysam(town, model, rounds=arguments.rounds)
        against_memory(town, rounds=arguments.rounds)


def a_town(meters: int, *, per_hour: int) -> Town:
    """Draw a year of use: no home uses most of what it could."""
    chance = np.random.default_rng(SEED)
    hours = [YEAR_START + timedelta(hours=number) for number in range(DAYS * 24)]
    periods = [(WEEKDAY if hour.weekday() < 5 else WEEKEND)[hour.hour] for hour in hours]
    months = np.repeat([hour.month - 1 for hour in hours], per_hour)
    energies = chance.integers(0, WH_MAX // per_hour, (len(hours) * per_hour, meters), np.int32)
    started = time.perf_counter()
    blocks = kernel.blocks_of(energies.T)
    spent_s = time.perf_counter() - started
    told(f"{per_hour} per hour, {energies.size:,} intervals of {meters:,} meters")
    told(f"{spent_s * 1e9 / energies.size:.2f} ns to lay out")
    bounds_wh = np.array(BOUNDS_KWH) * 1_000
    return Town(
        blocks=blocks,
        runs=kernel.runs_of(periods=np.repeat(periods, per_hour), windows=months, step_windows=months),
        ladders=kernel.Ladders(
            bounds_wh=np.tile(bounds_wh, (MONTHS, PERIODS, 1)), totals=np.zeros(PERIODS, np.int64)
        ),
        opening_wh=np.zeros((1, meters), np.int64),
    )


def first_block(town: Town) -> Town:
    """Return the town of the first block only."""
    return replace(town, blocks=town.blocks[:1], opening_wh=town.opening_wh[:, : kernel.METERS_PER_BLOCK])


def sort(town: Town) -> kernel.Cells:
    """Sort a whole town."""
    return kernel.cells_of(town.blocks, runs=town.runs, ladders=town.ladders, opening_wh=town.opening_wh)


def agreed(town: Town, cells: kernel.Cells, *, per_hour: int) -> Utilityrate5.Utilityrate5:
    """Return PySAM's model, after its bills of some meters were seen to be ours."""
    model = a_model(per_hour=per_hour)
    for meter in range(COMPARED):
        model.Load.load = loads_kw(town, meter, per_hour=per_hour)
        model.execute(0)
        theirs = model.Outputs.year1_monthly_ec_charge_with_system
        for month, charge in enumerate(bills(cells.of(meter))):
            assert abs(theirs[month] - charge) <= abs(charge) * Fraction(1, 10**9), (meter, month)
    told(f"monthly charges of {COMPARED} meters agree with PySAM's to a billionth")
    return model


def loads_kw(town: Town, meter: int, *, per_hour: int) -> list[float]:
    """Return a meter's use as PySAM reads it: the power of each interval."""
    return [int(energy_wh) * per_hour / 1_000 for energy_wh in town.blocks[0, :, meter]]


def bills(cells: kernel.Int64s) -> Sequence[Fraction]:
    """Return what one meter's cells cost, by month, in yuan and exactly."""
    prices = np.array(PRICES, np.int64)
    return [Fraction(int((month * prices).sum()), 1_000 * 10_000) for month in cells]


def a_model(*, per_hour: int) -> Utilityrate5.Utilityrate5:
    """Build PySAM's model of the same rates: chronological steps, no fixed charge, one year."""
    model = Utilityrate5.new()
    model.Lifetime.analysis_period = 1
    model.Lifetime.system_use_lifetime_output = 0
    model.Lifetime.inflation_rate = 0
    model.SystemOutput.degradation = [0]
    model.SystemOutput.gen = [0] * (DAYS * 24 * per_hour)
    rates = model.ElectricityRates
    rates.en_electricity_rates = 1
    rates.ur_metering_option = 2  # each interval at the step that the running total has reached
    for absent in (
        "ur_monthly_fixed_charge", "ur_monthly_min_charge", "ur_annual_min_charge", "ur_nm_yearend_sell_rate",
        "ur_nm_credit_month", "ur_sell_eq_buy", "ur_en_ts_buy_rate", "ur_en_ts_sell_rate", "ur_dc_enable",
    ):  # fmt: skip
        setattr(rates, absent, 0)
    rates.rate_escalation = [0]
    rates.ur_ec_sched_weekday = [[period + 1 for period in WEEKDAY]] * MONTHS
    rates.ur_ec_sched_weekend = [[period + 1 for period in WEEKEND]] * MONTHS
    rates.ur_ec_tou_mat = [
        [period + 1, step + 1, bound, 0, PRICES[period][step] / 10_000, 0]
        for period in range(PERIODS)
        for step, bound in enumerate((*BOUNDS_KWH, 1e38))
    ]
    return model


def against_pysam(town: Town, model: Utilityrate5.Utilityrate5, *, rounds: int) -> None:
    """Print PySAM's time per interval, and ours on 32 and on 16 bits, from the caches and from memory."""
    narrow = replace(town, blocks=town.blocks.astype(np.int16))
    assert np.array_equal(sort(narrow).energy_wh, sort(town).energy_wh), "16 bits are as good"
    intervals = town.blocks.shape[1]
    loads = loads_kw(town, 0, per_hour=intervals // (DAYS * 24))

    def one_meter() -> None:
        model.Load.load = loads
        model.execute(0)
        assert len(model.Outputs.year1_monthly_ec_charge_with_system) == MONTHS

    towns = {
        "int32, one block, from the caches": first_block(town),
        "int16, one block, from the caches": first_block(narrow),
        "int32, the town, from memory": town,
        "int16, the town, from memory": narrow,
    }
    theirs_s = meter_s = float("inf")
    ours_ns = dict.fromkeys(towns, float("inf"))
    for _ in range(rounds):  # interleaved, so that a busy second hurts all
        theirs_s = min(theirs_s, *(timed(lambda: model.execute(0)) for _ in range(10)))
        meter_s = min(meter_s, *(timed(one_meter) for _ in range(10)))
        for name, each in towns.items():
            times = 1 if each.blocks.shape[0] > 1 else ONE_BLOCK_TIMES
            best_s = min(timed(partial(sort, each)) for _ in range(times))
            ours_ns[name] = min(ours_ns[name], best_s * 1e9 / each.blocks.size)
    theirs_ns = theirs_s * 1e9 / intervals
    told(f"  {'PySAM utilityrate5':35}{theirs_ns:8.3f} ns per interval, {theirs_s * 1e3:.2f} ms an execution")
    told(f"  {'with its loads and charges':35}{meter_s * 1e9 / intervals:8.3f} ns")
    for name, spent_ns in ours_ns.items():
        told(f"  {name:35}{spent_ns:8.3f} ns, ratio {theirs_ns / spent_ns:6,.0f}")


def against_memory(town: Town, *, rounds: int) -> None:
    """Print how fast memory is read by a sum, and by the kernel."""
    energies = town.blocks.reshape(-1)
    total_wh = summed(energies)
    assert total_wh == int(sort(town).energy_wh.sum()), "every Wh is in one cell"
    read_s = ours_s = float("inf")
    for _ in range(rounds):
        read_s = min(read_s, timed(lambda: summed(energies)))
        ours_s = min(ours_s, timed(lambda: sort(town)))
    per_run = town.blocks.shape[1] / len(town.runs.ends)
    told(f"  int32, {energies.nbytes / 1e6:,.0f} MB, {per_run:.1f} intervals a run")
    told(f"  {'sum, the read limit':35}{energies.nbytes / read_s / 1e9:8.2f} GB/s")
    told(f"  {'kernel':35}{energies.nbytes / ours_s / 1e9:8.2f} GB/s, ratio {read_s / ours_s:.2f}")


@njit()
def summed(energies: kernel.Energies) -> int:
    """Add all up, as fast as memory gives them: numpy's own sum is slower by a third."""
    total = 0
    for place in range(len(energies)):  # by place: an iterator is not made into vectors
        total += energies[place]
    return total


def timed(once: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    once()
    return time.perf_counter() - started


def told(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
