"""The kernel: sorts the watt-hours of many meters and intervals into (window, period, step) cells.

It is for bulk work: billing a town again, trying a tariff on a year of readings; one account at a time is the
tally's. All is integer Wh: nothing is rounded, no money is made, and every Wh that goes in is in one cell.

How steps fill: a stretch of use that takes the running total from x to y puts min(y, b) - min(x, b) at or
below a bound b. So totals are looked at only where a run of equal periods ends, and the work is little more
than one addition per interval. Proportional and slab tariffs need no bounds here: their cells have one step.

The lower part is compiled by numba at its first call (seconds; kept on disk), and even importing it takes a
quarter of a second: nothing that every program needs may import this module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from compuerta.domain.errors import Refused

Int64s = NDArray[np.int64]
Energies = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64]
_P = ParamSpec("_P")
_R = TypeVar("_R")

_INT32_MAX = int(np.iinfo(np.int32).max)
# Stands for a bound that nothing reaches, where a period has fewer steps than others.
UNBOUNDED_WH = int(np.iinfo(np.int64).max)

# Meters side by side in a block: enough for the processor's vectors to run long, few enough that a block's
# totals and cells stay in its nearest cache. Measured: 64 is slower by a tenth, 256 is slower on int16.
METERS_PER_BLOCK = 128


class EnergyNegative(Refused):
    """An interval in which a meter would have used less than nothing: a hold and a case, never a bill."""

    def __init__(self, *, meter: int, interval: int, energy_wh: int) -> None:
        super().__init__(f"meter {meter}, interval {interval}: {energy_wh} Wh; hold it before it is sorted")
        self.meter = meter
        self.interval = interval
        self.energy_wh = energy_wh


class EnergyTooLarge(Refused):
    """Use that could pass 2^63 Wh within one window: some value is not an energy."""

    def __init__(self, *, meter: int) -> None:
        super().__init__(f"meter {meter}: its energy may not fit 64 bits; look for a value that is none")
        self.meter = meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Intervals that follow each other in one period and one window; the same for all meters of a tariff."""

    ends: Int64s  # the first interval after each run
    periods: Int64s
    windows: Int64s  # whose cells the run fills
    resets: NDArray[np.bool_]  # the running totals start again with this run
    counted_max: int  # the most intervals that one running total or one cell gathers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladders:
    """Where the steps end, and what counts towards them."""

    bounds_wh: Int64s  # [window, period, bound]: rising; one step more than bounds
    totals: Int64s  # [period]: the number of the running total that its energy counts in


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Energy by cell, in blocks as it came, and where the running totals have arrived."""

    energy_wh: Int64s  # [block, window, period, step, meter in block]
    closing_wh: Int64s  # [running total, meter]

    def of(self, meter: int) -> Int64s:
        """Return one meter's cells: [window, period, step]."""
        block, place = divmod(meter, METERS_PER_BLOCK)
        return self.energy_wh[block, ..., place]


def runs_of(*, periods: Int64s, windows: Int64s, step_windows: Int64s) -> Runs:
    """Return the runs of a series of intervals, given what each interval belongs to.

    `windows` number the bills (or anything finer that has bounds of its own), `step_windows` the time over
    which steps count; both only rise. The first run never resets: opening totals say what came before it.
    """
    assert len(periods) == len(windows) == len(step_windows) > 0
    assert (np.diff(windows) >= 0).all() and (np.diff(step_windows) >= 0).all(), "time runs forward"
    fresh, counting = _changes(windows), _changes(step_windows)
    starts = np.flatnonzero(_changes(periods) | fresh | counting)
    resets = counting[starts]
    resets[0] = False
    return Runs(
        ends=np.append(starts[1:], len(periods)),
        periods=periods[starts],
        windows=windows[starts],
        resets=resets,
        counted_max=max(_longest(fresh), _longest(counting)),
    )


def _changes(numbers: Int64s) -> NDArray[np.bool_]:
    changes = np.ones(len(numbers), np.bool_)
    changes[1:] = numbers[1:] != numbers[:-1]
    return changes


def _longest(begins: NDArray[np.bool_]) -> int:
    return int(np.diff(np.flatnonzero(begins), append=len(begins)).max())


def blocks_of(energies: Energies) -> Energies:
    """Return [meter, interval] as the kernel reads it: [block, interval, meter in block], zeros at the end.

    An array that is [interval, meter] is given by its transpose.
    """
    meters, intervals = energies.shape
    blocks = np.zeros((_blocks_for(meters), intervals, METERS_PER_BLOCK), energies.dtype)
    for block in range(len(blocks)):
        rows = energies[block * METERS_PER_BLOCK : (block + 1) * METERS_PER_BLOCK]
        blocks[block, :, : len(rows)] = rows.T
    return blocks


def _blocks_for(meters: int) -> int:
    return -(-meters // METERS_PER_BLOCK)


def cells_of(blocks: Energies, *, runs: Runs, ladders: Ladders, opening_wh: Int64s) -> Cells:
    """Sort blocks of meters into cells, each meter's energy in the order of time.

    `opening_wh` is [running total, meter]: what each total has reached when the first interval begins, zero
    where a step window begins with it. Cutting a series in two, and opening the second part with the closing
    of the first, changes nothing.

    Refuses: `EnergyNegative` with its place, and `EnergyTooLarge`. Lets other threads run meanwhile.
    """
    _require_agreement(blocks, runs, ladders, opening_wh)
    totals, meters = opening_wh.shape
    lanes = len(blocks) * METERS_PER_BLOCK
    opening = np.zeros((totals, lanes), np.int64)
    opening[:, :meters] = opening_wh
    windows, periods, bounds = ladders.bounds_wh.shape
    energy = np.zeros((len(blocks), windows, periods, bounds + 1, METERS_PER_BLOCK), np.int64)
    closing, bits = np.empty_like(opening), np.zeros(lanes, blocks.dtype)
    table = (runs.ends, runs.periods, runs.windows, runs.resets)
    unsigned = blocks.view(f"u{blocks.itemsize}")
    results = (energy, closing, bits.view(unsigned.dtype))
    narrow = np.minimum(ladders.bounds_wh, _INT32_MAX).astype(np.int32)
    _sort(unsigned, np.arange(len(blocks)), table, (narrow, ladders.totals, opening), results)
    _require_energies(blocks, bits)
    # What 32 bits may not have held is sorted again with 64, at half the speed.
    wide = np.flatnonzero(
        ~_fit(bits, opening, runs, limit_wh=_INT32_MAX).reshape(-1, METERS_PER_BLOCK).all(axis=1)
    )
    if wide.size:
        _sort(unsigned, wide, table, (ladders.bounds_wh, ladders.totals, opening), results)
    fit = _fit(bits, opening, runs, limit_wh=UNBOUNDED_WH)
    if not fit.all():
        raise EnergyTooLarge(meter=int(np.argmin(fit)))
    return Cells(energy_wh=energy, closing_wh=closing[:, :meters])


def _require_agreement(blocks: Energies, runs: Runs, ladders: Ladders, opening_wh: Int64s) -> None:
    """Hold the shapes and numbers together: compiled code does not look where it reads and writes."""
    totals, meters = opening_wh.shape
    windows, periods, _ = ladders.bounds_wh.shape
    assert blocks.dtype in (np.int16, np.int32, np.int64), "the sign's bit is free, for two to fit"
    assert blocks.shape == (_blocks_for(meters), runs.ends[-1], METERS_PER_BLOCK)
    assert len(ladders.totals) == periods
    assert 0 <= ladders.totals.min() <= ladders.totals.max() < totals
    assert 0 <= runs.windows[0] <= runs.windows[-1] < windows
    assert 0 <= runs.periods.min() <= runs.periods.max() < periods
    assert (ladders.bounds_wh >= 0).all() and (np.diff(ladders.bounds_wh) >= 0).all(), "bounds rise"
    assert (opening_wh >= 0).all()


def _require_energies(blocks: Energies, bits: Energies) -> None:
    meter = int(np.argmin(bits))
    if bits[meter] < 0:
        block, place = divmod(meter, METERS_PER_BLOCK)
        energies = blocks[block, :, place]
        interval = int(np.argmax(energies < 0))
        raise EnergyNegative(meter=meter, interval=interval, energy_wh=int(energies[interval]))


def _fit(bits: Energies, opening: Int64s, runs: Runs, *, limit_wh: int) -> NDArray[np.bool_]:
    """Tell of each meter whether none of its totals and cells can have passed a limit.

    No value is larger than all bits seen in any, and no total or cell gathers more than so many values.
    """
    fit: NDArray[np.bool_] = bits <= (limit_wh - opening.max(axis=0)) // runs.counted_max
    return fit


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither beside the code nor in the user's cache may be written: compile each time
        return njit(nogil=True)(function)


# Below is what numba compiles. Loops over METERS_PER_BLOCK have a length that the compiler knows, and each
# becomes a handful of vector instructions; arrays are read by index, since a view counts references, which
# costs more than a run. The width of totals and cells is that of the bounds given.
#
# Energies narrower than totals are added in pairs first, so that half as many are widened. For this they come
# unsigned: two that are not negative fit where one fits with its sign. A negative one spoils the sum of its
# pair; but it is seen, and refused afterwards.

_Runs = tuple[Int64s, Int64s, Int64s, NDArray[np.bool_]]
_Ladders = tuple[NDArray[np.int32] | Int64s, Int64s, Int64s]
_Results = tuple[Int64s, Int64s, Energies]


@_compiled
def _sort(blocks: Energies, which: Int64s, runs: _Runs, ladders: _Ladders, results: _Results) -> None:
    bounds, totals_of, opening = ladders
    energy, closing, bits = results
    for block in which:
        lanes = slice(block * METERS_PER_BLOCK, (block + 1) * METERS_PER_BLOCK)
        own = (bounds, totals_of, opening[:, lanes])
        _sort_block(blocks[block], runs, own, (energy[block], closing[:, lanes], bits[lanes]))


@_compiled
def _sort_block(block: Energies, runs: _Runs, ladders: _Ladders, results: _Results) -> None:
    ends, periods, windows, resets = runs
    bounds, totals_of, opening = ladders
    energy, closing, bits = results
    last = bounds.shape[2]
    filled = np.zeros((bounds.shape[1], last + 1, METERS_PER_BLOCK), bounds.dtype)
    totals = opening.astype(bounds.dtype)
    before = np.empty(METERS_PER_BLOCK, bounds.dtype)
    seen = np.zeros(METERS_PER_BLOCK, block.dtype)
    narrow, wide = block.dtype.type, bounds.dtype.type
    in_pairs = block.itemsize < bounds.itemsize
    start = 0
    for run in range(len(ends)):
        window, period, total = windows[run], periods[run], totals_of[periods[run]]
        if run and window != windows[run - 1]:
            _hand_over(filled, energy, windows[run - 1])
        if resets[run]:
            totals[:] = 0
        for meter in range(METERS_PER_BLOCK):
            before[meter] = totals[total, meter]
        length = ends[run] - start
        pairs_start = start + (length % 2 if in_pairs else length)
        for interval in range(start, pairs_start):
            for meter in range(METERS_PER_BLOCK):
                totals[total, meter] += wide(block[interval, meter])
                seen[meter] |= block[interval, meter]
        for interval in range(pairs_start, ends[run], 2):
            for meter in range(METERS_PER_BLOCK):
                first, second = block[interval, meter], block[interval + 1, meter]
                totals[total, meter] += wide(narrow(first + second))
                seen[meter] |= first | second
        for step in range(last):
            bound = bounds[window, period, step]
            for meter in range(METERS_PER_BLOCK):
                filled[period, step, meter] += min(totals[total, meter], bound) - min(before[meter], bound)
        for meter in range(METERS_PER_BLOCK):
            filled[period, last, meter] += totals[total, meter] - before[meter]
        start = ends[run]
    _hand_over(filled, energy, windows[-1])
    closing[:] = totals
    bits[:] = seen


@_compiled
def _hand_over(filled: Int64s, energy: Int64s, window: int) -> None:
    """Write a window's cells: what is at or below a step's bound, less what is below the step; begin anew."""
    for period in range(filled.shape[0]):
        for meter in range(METERS_PER_BLOCK):
            energy[window, period, 0, meter] = filled[period, 0, meter]
        for step in range(1, filled.shape[1]):
            for meter in range(METERS_PER_BLOCK):
                step_wh = filled[period, step, meter] - filled[period, step - 1, meter]
                energy[window, period, step, meter] = step_wh
    filled[:] = 0
