"""Cables between all units of a site at once, and the shortest tree that joins them.

The same prices as `advice.Costing.cable`, in one go: a large site has millions of pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from compuerta.domain.advice_plan import Problem

Table: TypeAlias = NDArray[np.int64]
_CM_PER_M = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """What a cable between any two units costs, and how long it is."""

    cable_minor: Table
    length_m: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Units that are nearer to each other than to any other; all clusters together are the shortest tree."""

    units: tuple[int, ...]
    parts: tuple[int, ...]  # the clusters that it was joined from, by their number
    moat_minor: int  # what any cable into it from outside costs beyond what its parts already ask for


def distances_of(problem: Problem) -> Distances:
    """Measure a site."""
    spots, costing = [unit.spot for unit in problem.units], problem.costing
    x_cm, y_cm, floors = (
        np.array(told, dtype=np.int64)
        for told in ([s.x_cm for s in spots], [s.y_cm for s in spots], [s.floor for s in spots])
    )
    names = {name: number for number, name in enumerate(sorted({spot.building for spot in spots}))}
    buildings = np.array([names[spot.building] for spot in spots])
    other = buildings[:, None] != buildings[None, :]
    across_cm = np.abs(x_cm[:, None] - x_cm) + np.abs(y_cm[:, None] - y_cm)
    climbed = np.where(other, np.abs(floors)[:, None] + np.abs(floors), np.abs(floors[:, None] - floors))
    length_m = -(-(across_cm + climbed * costing.practice.floor_height_cm) // _CM_PER_M)
    buried_m = np.where(other, -(-across_cm // _CM_PER_M), 0)
    prices = costing.prices
    cable_minor = (
        length_m * prices.cable_metre + climbed * prices.cable_floor + buried_m * prices.buried_metre
    )
    return Distances(cable_minor=cable_minor, length_m=length_m)


def shortest_tree(cable_minor: Table) -> list[tuple[int, int, int]]:
    """Return the cheapest cables that join all units, as (cost, unit, unit), cheapest first (Prim)."""
    count = len(cable_minor)
    nearest, cost = np.zeros(count, dtype=np.int64), cable_minor[0].copy()
    outside = np.ones(count, dtype=bool)
    outside[0] = False
    edges = []
    for _ in range(count - 1):
        unit = int(np.where(outside, cost, np.iinfo(np.int64).max).argmin())
        edges.append((int(cost[unit]), int(nearest[unit]), unit))
        outside[unit] = False
        closer = outside & (cable_minor[unit] < cost)
        cost[closer], nearest[closer] = cable_minor[unit][closer], unit
    return sorted(edges)


def clusters_of(count: int, tree: list[tuple[int, int, int]]) -> list[Cluster]:
    """Return the clusters in which units join along their shortest tree; single units first."""
    units: list[tuple[int, ...]] = [(unit,) for unit in range(count)]
    parts: list[tuple[int, ...]] = [()] * count
    formed_minor, joined_minor = [0] * count, [0] * count
    holder = list(range(count))  # the cluster that each unit is in
    for cost_minor, edges in groupby(tree, key=itemgetter(0)):
        for joined in _joined((holder[one], holder[other]) for _, one, other in edges):
            number = len(units)
            units.append(tuple(unit for part in joined for unit in units[part]))
            parts.append(joined)
            formed_minor.append(cost_minor)
            joined_minor.append(cost_minor)
            for part in joined:
                joined_minor[part] = cost_minor
            for unit in units[number]:
                holder[unit] = number
    return [
        Cluster(units=units[n], parts=parts[n], moat_minor=joined_minor[n] - formed_minor[n])
        for n in range(len(units))
    ]


def _joined(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return what hangs together by these pairs."""
    groups: dict[int, set[int]] = {}
    for one, other in pairs:
        merged = groups.get(one, {one}) | groups.get(other, {other})
        groups |= dict.fromkeys(merged, merged)
    return sorted({tuple(sorted(merged)) for merged in groups.values()})
