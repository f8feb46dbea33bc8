"""A site's problem as an integer program: who goes by which network, where gateways stand, how cables run.

Cables are a rooted forest: each unit on a line is led to by one cable, from a gateway or from another unit.
Two flows run along them, meters and metres still to lay, so that no line is too full or too long and none
is a ring.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ortools.sat.python import cp_model

from compuerta.adapters.solver.distances import Cluster
from compuerta.domain.advice_plan import Line, Plan, Problem, standing_lines
from compuerta.domain.party import RoadKind

Arc: TypeAlias = tuple[int, int]
_NOBODY = Plan(wireless={}, lines=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cables:
    """Which cables may be laid: between units, and from a gateway's place to the first unit of a line."""

    between: tuple[Arc, ...]
    first: tuple[Arc, ...]


@dataclass(slots=True, kw_only=True)
class Model:
    """An integer program that is built once, solved, and read as a plan."""

    problem: Problem
    units: tuple[int, ...]  # those that are decided here
    cables: Cables
    unmet_minor: int  # what a unit without a road is reckoned at: more than any road
    clusters: Sequence[Cluster] = ()  # of these units: what must enter each
    outside: Plan = _NOBODY  # what is decided about all other units
    program: cp_model.CpModel = field(default_factory=cp_model.CpModel)
    roads: dict[tuple[int, RoadKind], cp_model.IntVar] = field(default_factory=dict)
    kept: dict[int, cp_model.IntVar] = field(default_factory=dict)
    standing: dict[str, cp_model.IntVar] = field(default_factory=dict)
    unmet: dict[int, cp_model.IntVar] = field(default_factory=dict)
    laid: dict[Arc, cp_model.IntVar] = field(default_factory=dict)
    begun: dict[Arc, cp_model.IntVar] = field(default_factory=dict)
    gateways: dict[int, cp_model.IntVar] = field(default_factory=dict)

    def built(self) -> "Model":
        """Put all variables, rules and the cost into the program."""
        self._choices()
        self._gateways()
        self._flow_of_meters()
        self._flow_of_metres()
        self._enter_clusters()
        self.program.minimize(self._cost())
        return self

    def plan(self, solver: cp_model.CpSolver) -> Plan:
        """Read the solver's answer."""
        chosen = {name for name, there in self.roads.items() if solver.boolean_value(there)}
        return Plan(
            wireless=dict(sorted(chosen, key=lambda pair: pair[0])),
            kept=tuple(unit for unit, there in self.kept.items() if solver.boolean_value(there)),
            unmet=tuple(unit for unit, there in self.unmet.items() if solver.boolean_value(there)),
            lines=lines_of(
                first=[arc for arc, there in self.begun.items() if solver.boolean_value(there)],
                between=[arc for arc, there in self.laid.items() if solver.boolean_value(there)],
            ),
        )

    def hint(self, plan: Plan) -> None:
        """Let the search begin at a plan that is known."""
        between = {arc for line in plan.lines for arc in line.cables[1:]}
        first = {line.cables[0] for line in plan.lines}
        gateways = plan.gateways(lines_per_gateway=self.problem.costing.practice.lines_per_gateway)
        hung = standing_lines(self.problem.units[unit].spot for unit in plan.kept)
        for told, known in (
            (self.roads, set(plan.wireless.items())),
            (self.kept, set(plan.kept)),
            (self.standing, set(hung)),
            (self.unmet, set(plan.unmet)),
            (self.laid, between),
            (self.begun, first),
        ):
            for name, variable in told.items():
                self.program.add_hint(variable, name in known)
        for unit, count in self.gateways.items():
            self.program.add_hint(count, gateways.get(unit, 0))

    def _choices(self) -> None:
        new = self.program.new_bool_var
        into: dict[int, list[cp_model.IntVar]] = {unit: [] for unit in self.units}
        for source, target in self.cables.between:
            self.laid[source, target] = new(f"laid {source} {target}")
            into[target].append(self.laid[source, target])
        for source, target in self.cables.first:
            self.begun[source, target] = new(f"begun {source} {target}")
            into[target].append(self.begun[source, target])
        for index in self.units:
            unit = self.problem.units[index]
            self.unmet[index] = new(f"unmet {index}")
            for road in unit.wireless_minor:
                self.roads[index, road] = new(f"{road.value} {index}")
            if unit.kept_minor is not None:
                self._keep(index)
            by_air = [self.roads[index, road] for road in unit.wireless_minor]
            kept = [self.kept[index]] if index in self.kept else []
            self.program.add_exactly_one([*by_air, *kept, *into[index], self.unmet[index]])

    def _keep(self, index: int) -> None:
        (line,) = standing_lines([self.problem.units[index].spot])
        if line not in self.standing:
            self.standing[line] = self.program.new_bool_var(f"standing {line}")
            others = standing_lines(self.problem.units[unit].spot for unit in self.outside.kept)
            if line in others:
                self.program.add(self.standing[line] == 1)
        self.kept[index] = self.program.new_bool_var(f"kept {index}")
        self.program.add_implication(self.kept[index], self.standing[line])

    def _gateways(self) -> None:
        lines_each = self.problem.costing.practice.lines_per_gateway
        used = Counter(line.gateway for line in self.outside.lines)
        for place in sorted({source for source, _ in self.begun}):
            lines = [there for (source, _), there in self.begun.items() if source == place]
            least, most = -(-used[place] // lines_each), -(-(used[place] + len(lines)) // lines_each)
            self.gateways[place] = self.program.new_int_var(least, most, f"gateways {place}")
            self.program.add(sum(lines) + used[place] <= lines_each * self.gateways[place])
            for there in lines:
                self.program.add(self.gateways[place] >= there)

    def _flow_of_meters(self) -> None:
        size, flow = self.problem.costing.practice.meters_per_line, {}
        meters = {unit: self.problem.units[unit].meters for unit in self.units}
        for arc, there in self._arcs():
            room = size - (meters[arc[0]] if arc in self.laid and there is self.laid[arc] else 0)
            if room < meters[arc[1]]:
                self.program.add(there == 0)
                room = size
            carried = self.program.new_int_var(0, room, "")
            self.program.add(carried <= room * there)
            self.program.add(carried >= meters[arc[1]] * there)
            flow[there.index] = carried
        for unit in self.units:
            into = [(there, flow[there.index]) for arc, there in self._arcs() if arc[1] == unit]
            onward = [flow[there.index] for arc, there in self.laid.items() if arc[0] == unit]
            self.program.add(
                sum(carried for _, carried in into)
                == sum(onward) + meters[unit] * sum(there for there, _ in into)
            )

    def _flow_of_metres(self) -> None:
        metres_max, flow = self.problem.costing.practice.line_m_max, {}
        lengths = {arc: self.problem.length_m(*arc) for arc, _ in self._arcs()}
        if sum(sorted(lengths.values())[-len(self.units) :]) <= metres_max:
            return  # not even the longest cables are too long together
        for arc, there in self._arcs():
            if lengths[arc] > metres_max:
                self.program.add(there == 0)
            left = self.program.new_int_var(0, metres_max, "")
            self.program.add(left <= metres_max * there)
            self.program.add(left >= lengths[arc] * there)
            flow[there.index] = left
        for unit in self.units:
            into = [(arc, there) for arc, there in self._arcs() if arc[1] == unit]
            onward = [flow[there.index] for arc, there in self.laid.items() if arc[0] == unit]
            self.program.add(
                sum(flow[there.index] - lengths[arc] * there for arc, there in into) == sum(onward)
            )

    def _enter_clusters(self) -> None:
        size = self.problem.costing.practice.meters_per_line
        into: dict[int, list[cp_model.IntVar]] = {unit: [] for unit in self.units}
        for arc, there in self._arcs():
            into[arc[1]].append(there)
        for (source, _), there in self.laid.items():
            self.program.add(there <= sum(into[source]))
        for cluster in self.clusters:
            members = {self.units[place] for place in cluster.units}
            entering = [
                there for arc, there in self.laid.items() if arc[1] in members and arc[0] not in members
            ]
            entering += [there for arc, there in self.begun.items() if arc[1] in members]
            if cluster.parts:
                for unit in members:
                    self.program.add(sum(entering) >= sum(into[unit]))
            meters = sum(self.problem.units[unit].meters * there for unit in members for there in into[unit])
            self.program.add(size * sum(entering) >= meters)

    def _arcs(self) -> Iterable[tuple[Arc, cp_model.IntVar]]:
        yield from self.laid.items()
        yield from self.begun.items()

    def _cost(self) -> cp_model.LinearExprT:
        problem, units = self.problem, self.problem.units
        terms = [units[unit].wireless_minor[road] * there for (unit, road), there in self.roads.items()]
        terms += [(units[unit].kept_minor or 0) * there for unit, there in self.kept.items()]
        terms += [problem.standing_minor * there for there in self.standing.values()]
        terms += [self.unmet_minor * there for there in self.unmet.values()]
        terms += [(units[unit].host_minor or 0) * count for unit, count in self.gateways.items()]
        for arc, there in self._arcs():
            terms.append((problem.cable_minor(*arc) + (units[arc[1]].wired_minor or 0)) * there)
        terms += [problem.line_minor * there for there in self.begun.values()]
        return sum(terms)


def lines_of(*, first: Iterable[Arc], between: Sequence[Arc]) -> tuple[Line, ...]:
    """Put cables in the order in which they are laid, line by line."""
    onward: dict[int, list[Arc]] = {}
    for arc in between:
        onward.setdefault(arc[0], []).append(arc)
    return tuple(_line(arc, onward) for arc in sorted(first))


def _line(first: Arc, onward: Mapping[int, Sequence[Arc]]) -> Line:
    cables, ahead = [], [first]
    while ahead:
        cable = ahead.pop()
        cables.append(cable)
        ahead.extend(sorted(onward.get(cable[1], ()), reverse=True))
    return Line(gateway=first[0], cables=tuple(cables))
