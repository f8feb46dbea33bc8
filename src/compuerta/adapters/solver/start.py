"""A plan to begin a search at: lines cut from the shortest tree of what seems to belong on wires."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from compuerta.adapters.solver.distances import Distances, Table, shortest_tree
from compuerta.domain.advice_plan import Line, Plan, Problem, meters_of
from compuerta.domain.party import RoadKind


def by_air(problem: Problem, units: Iterable[int]) -> Plan:
    """Give each unit the cheapest road that needs no new cable."""
    wireless: dict[int, RoadKind] = {}
    kept, unmet = [], []
    for unit in units:
        options = problem.units[unit].wireless_minor
        stays = problem.units[unit].kept_minor
        if stays is not None and stays <= min(options.values(), default=stays):
            kept.append(unit)
        elif options:
            wireless[unit] = min(options, key=lambda road: options[road])
        else:
            unmet.append(unit)
    return Plan(wireless=wireless, lines=(), kept=tuple(kept), unmet=tuple(unmet))


def wired(problem: Problem, distances: Distances, units: Sequence[int]) -> Plan:
    """Put units on lines, as their shortest tree falls into pieces; all others go by air."""
    lines: list[Line] = []
    hosts = [unit for unit, there in enumerate(problem.units) if there.host_minor is not None]
    if hosts and units:
        begun: Counter[int] = Counter()
        for members in _pieces(
            problem, distances, units, begun_minor=_begun_minor(problem, distances, hosts)
        ):
            line = _line(problem, distances, members, hosts=hosts, begun=begun)
            if line is not None:
                begun[line.gateway] += 1
                lines.append(line)
    hung = {unit for line in lines for unit in line.members}
    rest = by_air(problem, (unit for unit in range(len(problem.units)) if unit not in hung))
    return Plan(wireless=rest.wireless, lines=tuple(lines), kept=rest.kept, unmet=rest.unmet)


def _begun_minor(problem: Problem, distances: Distances, hosts: Sequence[int]) -> Table:
    """Return what a line to each unit costs from a gateway of its own, by the nearest host."""
    host_minor = np.array([problem.units[host].host_minor for host in hosts], dtype=np.int64)
    nearest: Table = (distances.cable_minor[hosts] + host_minor[:, None]).min(axis=0)
    return nearest + problem.line_minor


def _pieces(
    problem: Problem, distances: Distances, units: Sequence[int], *, begun_minor: Table
) -> list[list[int]]:
    """Cut the shortest tree from its leaves in: a piece is full, or a cable dearer than a gateway."""
    practice = problem.costing.practice
    onward, order = _rooted(distances.cable_minor[np.ix_(units, units)])
    held: dict[int, tuple[list[int], int]] = {}  # what hangs on a unit so far, and its metres
    pieces = []
    for place in reversed(order):
        members, metres = [units[place]], 0
        for child in sorted(onward[place], key=lambda child: meters_of(problem, held[child][0])):
            more, further = held.pop(child)
            reach = metres + further + int(distances.length_m[units[place], units[child]])
            full = meters_of(problem, [*members, *more]) > practice.meters_per_line
            dear = distances.cable_minor[units[place], units[child]] > begun_minor[more].min()
            # Half of what RS485 carries is left for the way to a gateway.
            if full or dear or reach > practice.line_m_max // 2:
                pieces.append(more)
            else:
                members, metres = [*members, *more], reach
        held[place] = (members, metres)
    return [*pieces, held[order[0]][0]]


def _rooted(cable_minor: Table) -> tuple[list[list[int]], list[int]]:
    beside: list[list[int]] = [[] for _ in cable_minor]
    for _, one, other in shortest_tree(cable_minor):
        beside[one].append(other)
        beside[other].append(one)
    onward: list[list[int]] = [[] for _ in cable_minor]
    order, seen = [0], {0}
    for place in order:
        onward[place] = [other for other in beside[place] if other not in seen]
        seen.update(onward[place])
        order.extend(onward[place])
    return onward, order


def _line(
    problem: Problem, distances: Distances, members: list[int], *, hosts: list[int], begun: Counter[int]
) -> Line | None:
    """Lead a piece to the gateway that costs least, a new one or one with room; None where it is too far."""
    ports = problem.costing.practice.lines_per_gateway
    ways = distances.cable_minor[np.ix_(hosts, members)]
    needed = [0 if begun[host] % ports else problem.units[host].host_minor for host in hosts]
    host, first = divmod(int((ways + np.array(needed)[:, None]).argmin()), len(members))
    members[0], members[first] = members[first], members[0]
    cables = [(hosts[host], members[0])]
    inner = distances.cable_minor[np.ix_(members, members)]
    onward, order = _rooted(inner)
    cables += [(members[place], members[child]) for place in order for child in onward[place]]
    if sum(int(distances.length_m[cable]) for cable in cables) > problem.costing.practice.line_m_max:
        return None
    return Line(gateway=hosts[host], cables=tuple(cables))
