"""What no plan of a site can cost less than, however long one searched.

Cables are let go of, and only what they must cost is kept: a cluster of places in which nobody's gateway
stands needs a cable into it, for each line's worth of meters that it has, and that costs at least the
cluster's moat. Along the shortest tree of all places these moats are as wide as they can be together (the
dual of Edmonds' branchings), so that little is lost: what remains is a small integer program.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from ortools.linear_solver.python import model_builder

from compuerta.adapters.solver.distances import Cluster
from compuerta.domain.advice_plan import Problem, standing_lines

_LEAST_S = 0.1
_FINE = 0.5  # all costs are whole; what lies less than this above a whole number is arithmetic


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """What no plan can cost less than, and who hangs on wires where cables are reckoned so."""

    minor: int
    wired: tuple[int, ...]


def least_minor(problem: Problem, clusters: Sequence[Cluster], *, unmet_minor: int, limit_ms: int) -> Least:
    """Find what no plan can cost less than, as far as it is found in this time."""
    relaxed = _Relaxed(problem=problem, clusters=clusters, unmet_minor=unmet_minor).built()
    solver = model_builder.Solver("scip")
    solver.set_time_limit_in_seconds(max(limit_ms / 1000, _LEAST_S))
    found = solver.solve(relaxed.program)
    if found not in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE):
        return Least(minor=0, wired=())
    return Least(
        minor=ceil(solver.best_objective_bound - _FINE),
        wired=tuple(unit for unit, there in enumerate(relaxed.wired) if solver.value(there) > _FINE),
    )


@dataclass(slots=True, kw_only=True)
class _Relaxed:
    """The small program: who hangs on wires, where lines begin, how many cables enter each cluster."""

    problem: Problem
    clusters: Sequence[Cluster]
    unmet_minor: int
    program: model_builder.Model = field(default_factory=model_builder.Model)
    wired: list[model_builder.Variable] = field(default_factory=list)
    terms: list[model_builder.LinearExprT] = field(default_factory=list)

    def built(self) -> "_Relaxed":
        """Put all variables, rules and the cost into the program."""
        self._choices()
        self._cables(self._lines())
        self.program.minimize(sum(self.terms))
        return self

    def _choices(self) -> None:
        standing: dict[str, model_builder.Variable] = {}
        new = self.program.new_bool_var
        for number, unit in enumerate(self.problem.units):
            wired, unmet = new(f"wired {number}"), new(f"unmet {number}")
            self.wired.append(wired)
            choices = [(unmet, self.unmet_minor), (wired, unit.wired_minor or 0)]
            choices += [(new(f"{road.value} {number}"), minor) for road, minor in unit.wireless_minor.items()]
            if unit.wired_minor is None:
                self.program.add(wired == 0)
            if unit.kept_minor is not None:
                kept = new(f"kept {number}")
                choices.append((kept, unit.kept_minor))
                (line,) = standing_lines([unit.spot])
                if line not in standing:
                    standing[line] = new(f"standing {line}")
                    self.terms.append(self.problem.standing_minor * standing[line])
                self.program.add(kept <= standing[line])
            self.program.add(sum(choice for choice, _ in choices) == 1)
            self.terms += [minor * choice for choice, minor in choices]

    def _lines(self) -> list[model_builder.Variable]:
        """Return how many lines begin in each cluster."""
        practice, begun = self.problem.costing.practice, list[model_builder.Variable]()
        lines_max = len(self.problem.units)
        for number, cluster in enumerate(self.clusters):
            lines = self.program.new_int_var(0, lines_max, f"lines {number}")
            if cluster.parts:
                self.program.add(lines == sum(begun[part] for part in cluster.parts))
            else:
                host_minor = self.problem.units[number].host_minor
                gateways = self.program.new_int_var(
                    0, 0 if host_minor is None else lines_max, f"gateways {number}"
                )
                self.program.add(lines <= practice.lines_per_gateway * gateways)
                self.terms.append((host_minor or 0) * gateways)
            begun.append(lines)
        self.terms.append(self.problem.line_minor * begun[-1])
        return begun

    def _cables(self, begun: list[model_builder.Variable]) -> None:
        size = self.problem.costing.practice.meters_per_line
        touched: list[model_builder.Variable] = []
        for number, cluster in enumerate(self.clusters):
            there = self.program.new_bool_var(f"touched {number}") if cluster.parts else self.wired[number]
            for part in cluster.parts:
                self.program.add(touched[part] <= there)
            touched.append(there)
            last = number == len(self.clusters) - 1
            if not (cluster.moat_minor or last):
                continue
            meters = sum(self.problem.units[unit].meters * self.wired[unit] for unit in cluster.units)
            entering = self.program.new_int_var(0, 0 if last else len(self.clusters), f"entering {number}")
            self.program.add(entering + begun[number] >= there)
            self.program.add(size * (entering + begun[number]) >= meters)
            self.terms.append(cluster.moat_minor * entering)
