"""The search for the cheapest plan: small sites are solved whole, large ones window by window.

A window is some lines and what lies around them; all else stays as it is while the window is solved by the
same program as a small site. Whatever is found is priced anew by its bill, and kept only if it is cheaper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from random import Random
from time import monotonic

import numpy as np
from ortools.sat.python import cp_model

from compuerta.adapters.solver import start
from compuerta.adapters.solver.bound import least_minor
from compuerta.adapters.solver.distances import Cluster, Distances, clusters_of, distances_of, shortest_tree
from compuerta.adapters.solver.model import Cables, Model
from compuerta.domain.advice_plan import Plan, Problem, plan_minor, require_sound
from compuerta.services.solver_port import Answer, Progress

WHOLE_UNITS_MAX = 12  # so many are solved with every cable that there could be, and proven
_WINDOW_UNITS = (14, 28, 48, 72)  # small windows are solved to the end, large ones see further
_WINDOW_S = 3
_NEAR = 5  # cables that are thought of at each unit of a window
_NEAR_GATEWAYS = 3
_WORKERS = 2
_BOUND_SHARE = 4  # a quarter of the time, to learn what nothing can cost less than
_BOUND_MS = 3_000  # and where time is short, up to this
_IDLE_WINDOWS_MAX = 40  # in which nothing was gained, before the search gives up
_LEAST_S = 0.1
_ROUNDING = 1e-6  # what the solver's own arithmetic may be off by


def solve(problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()) -> Answer:
    """Find the cheapest plan within so much time; says what no plan can cost less than."""
    until = monotonic() + limit_ms / 1000
    distances = distances_of(problem)
    unmet_minor = _unmet_minor(problem, distances)
    tree = shortest_tree(distances.cable_minor)
    clusters = clusters_of(len(problem.units), tree)
    search = _Search(problem=problem, distances=distances, unmet_minor=unmet_minor, until=until)
    if len(problem.units) <= WHOLE_UNITS_MAX:
        return search.whole(clusters)
    bound_ms = max(limit_ms // _BOUND_SHARE, min(_BOUND_MS, limit_ms // 2))
    least = least_minor(problem, clusters, unmet_minor=unmet_minor, limit_ms=bound_ms)
    everybody = range(len(problem.units))
    beginnings = [
        start.by_air(problem, everybody),
        start.wired(
            problem, distances, [unit for unit in everybody if problem.units[unit].wired_minor is not None]
        ),
        start.wired(problem, distances, least.wired),
        *known,
    ]
    best = min(beginnings, key=search.reckoned)
    return search.windows(best, least=least.minor, on_progress=on_progress)


@dataclass(slots=True, kw_only=True)
class _Search:
    problem: Problem
    distances: Distances
    unmet_minor: int
    until: float
    random: Random = field(default_factory=lambda: Random(0))  # the same site gets the same advice

    def reckoned(self, plan: Plan) -> int:
        return plan_minor(self.problem, plan) + len(plan.unmet) * self.unmet_minor

    def whole(self, clusters: Sequence[Cluster]) -> Answer:
        """Solve all at once, with every cable that there could be."""
        units = tuple(range(len(self.problem.units)))
        hosts = [unit for unit in units if self.problem.units[unit].host_minor is not None]
        model = Model(
            problem=self.problem,
            units=units,
            cables=Cables(
                between=tuple((source, target) for source in units for target in units if source != target),
                first=tuple((host, unit) for host in hosts for unit in units),
            ),
            unmet_minor=self.unmet_minor,
            clusters=clusters,
        ).built()
        solver = self._solver(self.until - monotonic())
        solver.solve(model.program)
        return self._answer(model.plan(solver), least=ceil(solver.best_objective_bound - _ROUNDING))

    def windows(self, plan: Plan, *, least: int, on_progress: Progress) -> Answer:
        """Better a plan window by window, until time is over or nothing is gained any more."""
        cost, idle = self.reckoned(plan), 0
        while monotonic() < self.until and idle < _IDLE_WINDOWS_MAX and cost > least:
            idle += 1
            units = self._window(plan)
            found, is_cheapest = self._better(plan, units)
            if found is not None and self.reckoned(found) < cost:
                plan, cost, idle = found, self.reckoned(found), 0
            on_progress(cost, least)
            if idle and is_cheapest and len(units) == len(self.problem.units):
                break  # the window was the whole site, and was searched to the end
        return self._answer(plan, least=least)

    def _answer(self, plan: Plan, *, least: int) -> Answer:
        require_sound(self.problem, plan)
        unmet_minor = len(plan.unmet) * self.unmet_minor
        least = max(0, min(least, self.reckoned(plan)) - unmet_minor)
        return Answer(plan=plan, cost_minor=plan_minor(self.problem, plan), least_minor=least)

    def _window(self, plan: Plan) -> tuple[int, ...]:
        """Choose some lines, and what lies around them."""
        size = self.random.choice(_WINDOW_UNITS)
        near = self.distances.cable_minor[self.random.randrange(len(self.problem.units))]
        lined = [line.members for line in plan.lines]
        alone = [(unit,) for unit in (*plan.wireless, *plan.kept, *plan.unmet)]
        chosen: list[int] = []
        for block in sorted([*lined, *alone], key=lambda block: int(near[list(block)].min())):
            if chosen and len(chosen) + len(block) > size:
                break
            chosen += block
        return tuple(sorted(chosen))

    def _better(self, plan: Plan, units: tuple[int, ...]) -> tuple[Plan | None, bool]:
        """Solve a window; tells too whether time sufficed to know that nothing in it is cheaper."""
        inside, outside = _divided(plan, frozenset(units))
        tree = shortest_tree(self.distances.cable_minor[np.ix_(units, units)])
        model = Model(
            problem=self.problem,
            units=units,
            cables=self._cables(units, tree, inside=inside, outside=outside),
            unmet_minor=self.unmet_minor,
            clusters=[each for each in clusters_of(len(units), tree) if each.moat_minor],
            outside=outside,
        ).built()
        model.hint(inside)
        solver = self._solver(min(_WINDOW_S, self.until - monotonic()))
        ended = solver.solve(model.program)
        if ended not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None, False
        found = model.plan(solver)
        whole = Plan(
            wireless={**outside.wireless, **found.wireless},
            lines=(*outside.lines, *found.lines),
            kept=(*outside.kept, *found.kept),
            unmet=(*outside.unmet, *found.unmet),
        )
        return whole, ended == cp_model.OPTIMAL

    def _cables(
        self, units: tuple[int, ...], tree: Sequence[tuple[int, int, int]], *, inside: Plan, outside: Plan
    ) -> Cables:
        """Choose the cables that are thought of in a window: laid ones, the shortest tree's, near ones."""
        table = self.distances.cable_minor
        within = table[np.ix_(units, units)]
        nearest = np.argsort(within, axis=1, kind="stable")[:, : _NEAR + 1]
        between = {cable for line in inside.lines for cable in line.cables[1:]}
        for place, row in enumerate(nearest):
            between |= {(units[other], units[place]) for other in row if other != place}
        for _, one, other in tree:
            between |= {(units[one], units[other]), (units[other], units[one])}
        first = {line.cables[0] for line in inside.lines}
        hosts = [unit for unit in units if self.problem.units[unit].host_minor is not None]
        open_there = {line.gateway for line in (*inside.lines, *outside.lines)} - set(hosts)
        reach = sorted(open_there, key=lambda place: int(table[place, list(units)].min()))
        for place in (*hosts, *reach[:_NEAR_GATEWAYS]):
            ways = np.argsort(table[place, list(units)], kind="stable")[:_NEAR_GATEWAYS]
            first |= {(place, units[way]) for way in ways}
        return Cables(between=tuple(sorted(between)), first=tuple(sorted(first)))

    def _solver(self, limit_s: float) -> cp_model.CpSolver:
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = _WORKERS
        solver.parameters.max_time_in_seconds = max(limit_s, _LEAST_S)
        solver.parameters.linearization_level = 2
        return solver


def _divided(plan: Plan, units: frozenset[int]) -> tuple[Plan, Plan]:
    """Part a plan in what is decided about some units, and about all others; no line lies on both sides."""

    def half(here: bool) -> Plan:
        return Plan(
            wireless={unit: road for unit, road in plan.wireless.items() if (unit in units) is here},
            lines=tuple(line for line in plan.lines if (line.members[0] in units) is here),
            kept=tuple(unit for unit in plan.kept if (unit in units) is here),
            unmet=tuple(unit for unit in plan.unmet if (unit in units) is here),
        )

    return half(True), half(False)


def _unmet_minor(problem: Problem, distances: Distances) -> int:
    """Reckon a unit without a road at more than any road could cost it."""
    units = problem.units
    by_air = max((minor for unit in units for minor in unit.wireless_minor.values()), default=0)
    by_wire = max((unit.wired_minor or 0) for unit in units) + max((unit.host_minor or 0) for unit in units)
    laid = int(distances.cable_minor.max()) + problem.line_minor + problem.standing_minor
    return by_air + by_wire + laid + 1
