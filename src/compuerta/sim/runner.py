"""Running: one seed is one world; many seeds are many worlds on all cores, until one breaks a promise."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from compuerta.domain.errors import Broken
from compuerta.sim import audit, weather
from compuerta.sim.faults import drawn
from compuerta.sim.looking import Inspector, PromiseBroken
from compuerta.sim.sabotage import SABOTAGES
from compuerta.sim.stage import START_MS, Stage, Trace, clock_text
from compuerta.sim.town import a_town

SEEDS_PER_TASK = 8
FAILURES_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one run ended."""

    seed: int
    broken: tuple[str, ...]  # promises, or a bug that stopped the run; empty = all is well
    at: str  # virtual time of the end
    last: tuple[str, ...]  # what led to it
    events: int
    commits: int
    payments: int

    @property
    def ok(self) -> bool:
        """Tell whether every promise was kept."""
        return not self.broken


def run(seed: int, *, trace: Trace | None = None, sabotage: str | None = None) -> Report:
    """Run one world to its end, or to the first broken promise; the same seed is the same run.

    `sabotage` names a guard that is switched off for this run; a promise must then break.
    """
    chance = Random(seed)
    stage = Stage(chance=chance, faults=drawn(chance), trace=trace)
    town = a_town(stage)
    inspector = Inspector(town)
    broken: tuple[str, ...] = ()
    with SABOTAGES[sabotage].off() if sabotage else nullcontext():
        try:
            weather.plan(town)
            for body in town.bodies():
                body.start()
            stage.run_until(START_MS + weather.STORM_MS)
            inspector.look()
            weather.clear(town)
            calm_ms = stage.now_ms
            stage.run_until(calm_ms + weather.HEARD_AGAIN_MS)
            inspector.look_who_is_heard(since_ms=calm_ms)
            stage.run_until(START_MS + weather.STORM_MS + weather.CALM_MS)
            inspector.look(settled=True)
            audit.look(town)
        except PromiseBroken as failure:
            broken = tuple(failure.lines)
        except (Broken, AssertionError) as bug:
            broken = (f"Broken: {type(bug).__name__}: {bug}",)
        except BaseException as bug:
            bug.add_note(f"seed {seed} at {clock_text(stage.now_ms)}")
            raise
    return Report(
        seed=seed,
        broken=broken,
        at=clock_text(stage.now_ms),
        last=tuple(str(note) for note in stage.notes) if broken else (),
        events=stage.events,
        commits=town.database.commits,
        payments=len(town.database.store.tables.payments),
    )


def run_many(
    seeds: int, *, first: int = 1, jobs: int = 2, trace: bool = False, console: Console | None = None
) -> int:
    """Run many seeds and show how far it is; returns the exit code: 0 = every promise was kept.

    With `trace` every event is one line, and there is no bar of progress in between.
    """
    console = console or Console()
    if trace:
        return _traced(range(first, first + seeds), console)
    failures: list[Report] = []
    payments = events = 0
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console.print(f"seeds {first} to {first + seeds - 1}")
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("seeds", total=seeds)
        for report in _reports(range(first, first + seeds), jobs=jobs):
            progress.advance(task)
            payments, events = payments + report.payments, events + report.events
            if not report.ok:
                failures.append(report)
                if len(failures) <= FAILURES_SHOWN_MAX:
                    _show(report, console)
    console.print(f"{seeds} seeds, {payments} payments, {events} events, {len(failures)} broken")
    return 1 if failures else 0


def _traced(seeds: range, console: Console) -> int:
    tell: Callable[[str], None] = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for seed in seeds:
        report = run(seed, trace=tell)
        if not report.ok:
            _show(replace(report, last=()), console)
            return 1
    return 0


def _reports(seeds: range, *, jobs: int) -> Iterable[Report]:
    if jobs <= 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(run, seeds, chunksize=SEEDS_PER_TASK)


def _show(report: Report, console: Console) -> None:
    tell: Callable[[str], None] = partial(console.print, markup=False, highlight=False)
    for line in report.last:
        tell(line)
    for line in report.broken:
        tell(f"broken at {report.at}: {line}")
    tell(f"reproduce: compuerta sim --seed {report.seed} --seeds 1 --trace")
