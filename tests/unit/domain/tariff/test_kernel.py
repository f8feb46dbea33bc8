"""The kernel against a slow reference that looks at every watt-hour's step, interval by interval."""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compuerta.domain.tariff import kernel
from compuerta.domain.tariff.kernel import Energies, Int64s

# The first call of a process loads compiled code, or compiles it.
pytestmark = pytest.mark.slow

UNBOUNDED = kernel.UNBOUNDED_WH
SOURCES = Path(kernel.__file__).parents[3]
VECTORS = Path(__file__).parents[4] / "../shared/vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Meters, their energies, and the tariff that sorts them."""

    energies: Energies  # [meter, interval]
    periods: Sequence[int]
    windows: Sequence[int]
    step_windows: Sequence[int]
    bounds_wh: Int64s  # [window, period, bound]
    totals: Sequence[int]
    opening_wh: Int64s  # [running total, meter]


def a_scene(
    energies: Sequence[Sequence[int]],
    *,
    periods: Sequence[int] | None = None,
    windows: Sequence[int] | None = None,
    bounds_wh: Sequence[Sequence[int]] = ((),),
    totals: Sequence[int] | None = None,
    dtype: type = np.int32,
) -> Scene:
    """Build a scene in which steps count per window, and all windows have the same bounds."""
    array = np.array(energies, dtype)
    windows = windows or [0] * array.shape[1]
    totals = totals or [0] * len(bounds_wh)
    rows = np.array(bounds_wh, np.int64).reshape(len(bounds_wh), -1)
    return Scene(
        energies=array,
        periods=periods or [0] * array.shape[1],
        windows=windows,
        step_windows=windows,
        bounds_wh=np.repeat(rows[np.newaxis], max(windows) + 1, axis=0),
        totals=totals,
        opening_wh=np.zeros((max(totals) + 1, len(array)), np.int64),
    )


def cells_of(scene: Scene) -> kernel.Cells:
    numbers = (np.array(each, np.int64) for each in (scene.periods, scene.windows, scene.step_windows))
    periods, windows, step_windows = numbers
    return kernel.cells_of(
        kernel.blocks_of(scene.energies),
        runs=kernel.runs_of(periods=periods, windows=windows, step_windows=step_windows),
        ladders=kernel.Ladders(bounds_wh=scene.bounds_wh, totals=np.array(scene.totals, np.int64)),
        opening_wh=scene.opening_wh,
    )


def slowly(scene: Scene, meter: int) -> tuple[dict[tuple[int, int, int], int], list[int]]:
    """Sort one meter in plain Python: its cells that are not empty, and its closing totals."""
    totals = [int(opening) for opening in scene.opening_wh[:, meter]]
    cells: dict[tuple[int, int, int], int] = {}
    step_window = scene.step_windows[0]
    for interval, energy_wh in enumerate(int(each) for each in scene.energies[meter]):
        if scene.step_windows[interval] != step_window:
            totals = [0] * len(totals)
            step_window = scene.step_windows[interval]
        window, period = scene.windows[interval], scene.periods[interval]
        lower = totals[scene.totals[period]]
        upper = totals[scene.totals[period]] = lower + energy_wh
        edges = [0, *(int(bound) for bound in scene.bounds_wh[window, period]), UNBOUNDED]
        for step, (floor, ceiling) in enumerate(pairwise(edges)):
            share = max(min(upper, ceiling) - max(lower, floor), 0)
            if share:
                cells[window, period, step] = cells.get((window, period, step), 0) + share
    return cells, totals


def filled(cells: kernel.Cells, meter: int) -> dict[tuple[int, int, int], int]:
    """Return one meter's cells that are not empty."""
    of_meter = cells.of(meter)
    places = zip(*(axis.tolist() for axis in np.nonzero(of_meter)), strict=True)
    return {place: int(of_meter[place]) for place in places}


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    count, meters = draw(st.integers(1, 60)), draw(st.sampled_from([1, 3, kernel.METERS_PER_BLOCK + 2]))
    bounds, periods = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    numbers = st.lists(st.integers(0, 1), min_size=count - 1, max_size=count - 1)
    windows = [0, *np.cumsum(draw(numbers), dtype=int).tolist()]
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    highest_wh = draw(st.sampled_from([3, 500, 30_000]))
    rows = np.sort(chance.integers(0, highest_wh * count + 1, (windows[-1] + 1, periods, bounds)))
    own_totals = draw(st.booleans())
    return Scene(
        energies=chance.integers(0, highest_wh, (meters, count)).astype(
            draw(st.sampled_from([np.int16, np.int32, np.int64]))
        ),
        periods=chance.integers(0, periods, count).tolist(),
        windows=windows,
        step_windows=[0, *np.cumsum(draw(numbers), dtype=int).tolist()],
        bounds_wh=rows,
        totals=list(range(periods)) if own_totals else [0] * periods,
        opening_wh=chance.integers(0, highest_wh * 5, (periods if own_totals else 1, meters)),
    )


@settings(max_examples=150, deadline=None)
@given(scene=scenes())
def test_cells_and_closings_are_those_of_the_slow_reference(scene: Scene) -> None:
    cells = cells_of(scene)

    for meter in range(len(scene.energies)):
        assert (filled(cells, meter), cells.closing_wh[:, meter].tolist()) == slowly(scene, meter)


@settings(max_examples=50, deadline=None)
@given(scene=scenes())
def test_every_watt_hour_is_in_one_cell(scene: Scene) -> None:
    cells = cells_of(scene)

    assert (cells.energy_wh >= 0).all()
    assert int(cells.energy_wh.sum()) == int(scene.energies.sum(dtype=np.int64))


@settings(max_examples=100, deadline=None)
@given(scene=scenes(), share=st.fractions(0, 1))
def test_cutting_a_series_in_two_changes_nothing(scene: Scene, share: Fraction) -> None:
    count = scene.energies.shape[1]
    cut = 1 + int(share * (count - 2))
    assume(0 < cut < count)

    first = cells_of(a_part(scene, slice(0, cut), opening_wh=scene.opening_wh))
    renewed = scene.step_windows[cut] != scene.step_windows[cut - 1]
    opening_wh = np.zeros_like(scene.opening_wh) if renewed else first.closing_wh
    second = cells_of(a_part(scene, slice(cut, count), opening_wh=opening_wh))

    whole = cells_of(scene)
    assert np.array_equal(first.energy_wh + second.energy_wh, whole.energy_wh)
    assert np.array_equal(second.closing_wh, whole.closing_wh)


def a_part(scene: Scene, intervals: slice, *, opening_wh: Int64s) -> Scene:
    """Build the scene of some intervals only."""
    return replace(
        scene,
        energies=scene.energies[:, intervals],
        periods=scene.periods[intervals],
        windows=scene.windows[intervals],
        step_windows=scene.step_windows[intervals],
        opening_wh=opening_wh,
    )


def loads_of(interval_minutes: int) -> dict[str, list[int]]:
    with gzip.open(VECTORS / f"tariff_loads_{interval_minutes}min.csv.gz", "rt", encoding="ascii") as lines:
        names, *rows = csv.reader(lines)
    return {name: [int(row[at]) for row in rows] for at, name in enumerate(names)}


def bound_wh(tier: dict[str, object]) -> int:
    """Read a tier's upper bound, of which rate files say in several ways that there is none."""
    most_kwh = Fraction(str(tier.get("max", 0)))
    return UNBOUNDED if most_kwh == 0 or most_kwh > 10**30 else int(most_kwh * 1_000)


def charge_e12(month: list[list[int]], ladders: list[list[dict[str, object]]]) -> Fraction:
    """Price a month's cells exactly, in 1e-12 of the currency, by prices per kWh."""
    return sum(
        (
            energy_wh * 10**9 * (Fraction(str(tier["rate"])) + Fraction(str(tier.get("adj", 0))))
            for steps, tiers in zip(month, ladders, strict=True)
            for energy_wh, tier in zip(
                steps, tiers, strict=False
            )  # a shorter ladder's further steps are empty
        ),
        start=Fraction(0),
    )


@pytest.mark.outside
def test_the_exact_charges_of_every_chronological_vector_come_out_of_its_cells() -> None:
    cases = json.loads((VECTORS / "tariff_cases.json").read_text("utf-8"))["cases"]
    chronological = [case for case in cases if case["tier_mode"] == "chronological"]
    loads = {minutes: loads_of(minutes) for minutes in (15, 30, 60)}
    assert len(chronological) >= 20

    for case in chronological:
        rate, minutes = case["rate"], case["interval_minutes"]
        energies = loads[minutes][case["load"]]
        begin = datetime(case["calendar_year"], 1, 1, tzinfo=UTC)
        times = [begin + timedelta(minutes=minutes * number) for number in range(len(energies))]
        schedules = (rate["energyweekdayschedule"], rate["energyweekendschedule"])
        ladders = rate["energyratestructure"]
        most = max(len(tiers) for tiers in ladders)
        scene = a_scene(
            [energies],
            periods=[schedules[time.weekday() >= 5][time.month - 1][time.hour] for time in times],
            windows=[time.month - 1 for time in times],
            bounds_wh=[
                ([bound_wh(tier) for tier in tiers[:-1]] + [UNBOUNDED] * most)[: most - 1]
                for tiers in ladders
            ],
        )
        if case["tier_accumulation"] == "year":
            scene = replace(scene, step_windows=[0] * len(times))

        months = cells_of(scene).of(0).tolist()

        charges = [charge_e12(month, ladders) for month in months]
        assert charges == [Fraction(exact) for exact in case["expected"]["energy_exact_e12"]], case["id"]


def test_a_lower_step_includes_its_bound() -> None:
    scene = a_scene([[60, 40, 1, 99]], bounds_wh=[[100, 200]])

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[100, 100, 0]]]


def test_an_interval_that_crosses_two_bounds_is_in_three_steps() -> None:
    scene = a_scene([[90, 150, 7]], bounds_wh=[[100, 200]])

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[100, 100, 47]]]


def test_steps_count_over_all_periods_or_over_each_its_own() -> None:
    energies, periods, bounds_wh = [[80, 80, 80]], [0, 1, 0], [[100], [100]]

    together = cells_of(a_scene(energies, periods=periods, bounds_wh=bounds_wh))
    apart = cells_of(a_scene(energies, periods=periods, bounds_wh=bounds_wh, totals=[0, 1]))

    assert together.of(0).tolist() == [[[80, 80], [20, 60]]]
    assert apart.of(0).tolist() == [[[100, 60], [80, 0]]]


def test_steps_begin_anew_with_their_window() -> None:
    scene = a_scene([[150, 150, 150]], windows=[0, 0, 1], bounds_wh=[[100]])

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[100, 200]], [[100, 50]]]
    assert cells.closing_wh.tolist() == [[150]]


def test_steps_may_count_on_while_bills_change() -> None:
    scene = replace(a_scene([[60, 60, 60]], windows=[0, 1, 2], bounds_wh=[[100]]), step_windows=[0, 0, 0])

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[60, 0]], [[40, 20]], [[0, 60]]]


# Nine in a run are one alone and four pairs.
@pytest.mark.parametrize("interval", [0, 7, 8])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_a_negative_energy_is_refused_with_its_place(dtype: type, interval: int) -> None:
    energies = np.full((kernel.METERS_PER_BLOCK + 7, 9), 5)
    energies[kernel.METERS_PER_BLOCK + 3, interval] = -1

    with pytest.raises(kernel.EnergyNegative) as refusal:
        cells_of(a_scene(energies.tolist(), dtype=dtype))

    place = (refusal.value.meter, refusal.value.interval, refusal.value.energy_wh)
    assert place == (kernel.METERS_PER_BLOCK + 3, interval, -1)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_the_largest_readings_add_up(dtype: type) -> None:
    largest = int(np.iinfo(dtype).max)
    scene = a_scene([[largest] * 5], bounds_wh=[[2 * largest - 1]], dtype=dtype)

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[2 * largest - 1, 3 * largest + 1]]]


def test_a_window_beyond_31_bits_is_exact() -> None:
    large = 2**31 - 1
    energies = [[1] * 6] * kernel.METERS_PER_BLOCK + [[large] * 6, [2] * 6]
    scene = a_scene(energies, bounds_wh=[[3, 3 * large]], windows=[0, 0, 0, 0, 0, 1])

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[3, 2, 0]], [[1, 0, 0]]]
    assert cells.of(kernel.METERS_PER_BLOCK).tolist() == [
        [[3, 3 * large - 3, 2 * large]],
        [[3, large - 3, 0]],
    ]
    assert cells.of(kernel.METERS_PER_BLOCK + 1).tolist() == [[[3, 7, 0]], [[2, 0, 0]]]


def test_an_opening_beyond_31_bits_is_exact() -> None:
    scene = replace(a_scene([[7]], bounds_wh=[[2**40 + 3]]), opening_wh=np.array([[2**40]]))

    cells = cells_of(scene)

    assert cells.of(0).tolist() == [[[3, 4]]]
    assert cells.closing_wh.tolist() == [[2**40 + 7]]


def test_energy_beyond_63_bits_is_refused() -> None:
    scene = a_scene([[1, 1, 1], [2**62, 2**62, 2**62]], dtype=np.int64)

    with pytest.raises(kernel.EnergyTooLarge) as refusal:
        cells_of(scene)

    assert refusal.value.meter == 1


def test_a_run_ends_where_any_of_three_things_changes() -> None:
    runs = kernel.runs_of(
        periods=np.array([0, 0, 1, 1, 1, 0]),
        windows=np.array([0, 0, 0, 1, 1, 1]),
        step_windows=np.array([0, 0, 0, 0, 1, 1]),
    )

    assert runs.ends.tolist() == [2, 3, 4, 5, 6]
    assert runs.periods.tolist() == [0, 1, 1, 1, 0]
    assert runs.windows.tolist() == [0, 0, 1, 1, 1]
    assert runs.resets.tolist() == [False, False, False, True, False]
    assert runs.counted_max == 4


def test_meters_are_read_from_either_layout() -> None:
    energies = np.arange(3 * 5, dtype=np.int32).reshape(3, 5)

    blocks = kernel.blocks_of(energies)

    assert blocks.shape == (1, 5, kernel.METERS_PER_BLOCK)
    assert np.array_equal(blocks[0, :, :3], energies.T)
    assert not blocks[0, :, 3:].any()
    assert np.array_equal(kernel.blocks_of(np.ascontiguousarray(energies.T).T), blocks)


@pytest.mark.parametrize(
    ("code", "settings_wanted"),
    [
        # Programs that sort nothing in bulk do not wait for the compiler.
        ("import compuerta.domain.tariff, sys; sys.exit('numba' in sys.modules)", {}),
        # Where nothing may be written the kernel compiles each time.
        (
            "import compuerta.domain.tariff.kernel",
            {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "NUMBA_CACHE_DIR": "/dev/null/none"},
        ),
    ],
)
def test_a_program_starts(code: str, settings_wanted: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), **settings_wanted}

    ended = subprocess.run([sys.executable, "-c", code], env=environment, timeout=60, check=False)

    assert ended.returncode == 0
