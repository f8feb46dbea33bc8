"""Sites for the adviser's tests, and their cheapest plans found by trying everything."""

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from random import Random

from compuerta.domain.advice import Costing, Practice, Signal, Spot, Standing, Target
from compuerta.domain.advice_plan import Problem, problem_of, standing_lines
from compuerta.domain.party import RoadKind


def a_spot(
    name: str = "flat", *, x_m: int = 0, floor: int = 0, meters: int = 1, rsrp_dbm: int | None = -80
) -> Spot:
    heard = None if rsrp_dbm is None else Signal(rsrp_dbm=rsrp_dbm)
    return Spot(name=name, x_cm=100 * x_m, y_cm=0, floor=floor, meters=meters, mobile=heard, nbiot=heard)


def a_problem(
    spots: Sequence[Spot], *, meters_per_line: int = 32, lines_per_gateway: int = 4, line_m_max: int = 1_200
) -> Problem:
    practice = Practice(
        meters_per_line=meters_per_line, lines_per_gateway=lines_per_gateway, line_m_max=line_m_max
    )
    return problem_of(spots, costing=Costing(practice=practice), target=Target())


def random_problem(seed: int, *, places: int) -> Problem:
    """A site of every kind of trouble: cellars, far buildings, small lines, roads that stand already."""
    chance = Random(seed)
    return a_problem(
        [_random_spot(number, chance) for number in range(places)],
        meters_per_line=chance.choice([12, 24, 40]),
        lines_per_gateway=chance.choice([1, 2, 4]),
        line_m_max=chance.choice([60, 150, 1_200]),
    )


def _random_spot(number: int, chance: Random) -> Spot:
    rsrp_dbm = chance.choice([-80, -95, -104, -112, -125])
    standing = None
    if chance.random() < 0.3:
        standing = Standing(road=chance.choice(list(RoadKind)), line=chance.choice("ab"))
    return Spot(
        name=f"place {number}",
        building=chance.choice("AB"),
        floor=chance.randint(-1, 5),
        x_cm=chance.randint(0, 6_000),
        y_cm=chance.randint(0, 4_000),
        meters=chance.randint(1, 12),
        mobile=Signal(rsrp_dbm=rsrp_dbm),
        nbiot=Signal(rsrp_dbm=rsrp_dbm + chance.randint(-8, 8), snr_db=chance.randint(-5, 12)),
        lan=chance.random() < 0.3,
        standing=standing,
    )


def cheapest_by_trying_all(problem: Problem) -> tuple[int, int]:
    """How few units stay without a road, and what the cheapest of such plans costs: every plan is tried."""
    units = range(len(problem.units))
    groups = list(_subsets(units))[1:]
    lines = {(group, host): _cheapest_line(problem, group, host) for group in groups for host in units}
    found = []
    for wired in _subsets(units):
        rest = [_without_wires(problem, choice) for choice in _choices(problem, set(units) - set(wired))]
        best_rest = min(rest)
        for parted in _partitions(list(wired)):
            for hosts in product(units, repeat=len(parted)):
                cost = _lines_cost(
                    problem, [(tuple(g), h) for g, h in zip(parted, hosts, strict=True)], lines
                )
                if cost is not None:
                    found.append((best_rest[0], best_rest[1] + cost))
    return min(found)


def _lines_cost(
    problem: Problem,
    chosen: Sequence[tuple[tuple[int, ...], int]],
    lines: dict[tuple[tuple[int, ...], int], int | None],
) -> int | None:
    costs = [lines[line] for line in chosen]
    if None in costs:
        return None
    ports, hosts = problem.costing.practice.lines_per_gateway, [host for _, host in chosen]
    gateways = sum(
        -(-hosts.count(host) // ports) * (problem.units[host].host_minor or 0) for host in set(hosts)
    )
    return gateways + sum(cost or 0 for cost in costs)


def _cheapest_line(problem: Problem, group: tuple[int, ...], host: int) -> int | None:
    """The cheapest tree over a group, of all the trees that there are, led from a gateway."""
    practice, units = problem.costing.practice, problem.units
    fits = sum(units[unit].meters for unit in group) <= practice.meters_per_line
    if not fits or units[host].host_minor is None or any(units[unit].wired_minor is None for unit in group):
        return None
    costs = []
    for first in group:
        for tree in _trees(group):
            cables = [(host, first), *tree]
            if sum(problem.length_m(*cable) for cable in cables) <= practice.line_m_max:
                costs.append(sum(problem.cable_minor(*cable) for cable in cables))
    wired = sum(units[unit].wired_minor or 0 for unit in group)
    return min(costs) + problem.line_minor + wired if costs else None


def _trees(group: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
    """Every tree over a group: each order of joining, each place to join at."""
    for order in permutations(group):
        for parents in product(*(range(place) for place in range(1, len(order)))):
            yield [(order[parent], order[place]) for place, parent in enumerate(parents, start=1)]


def _choices(problem: Problem, units: set[int]) -> Iterator[list[tuple[int, RoadKind | str]]]:
    options: list[list[tuple[int, RoadKind | str]]] = [
        [(unit, each) for each in (*problem.units[unit].wireless_minor, "unmet", *_kept(problem, unit))]
        for unit in sorted(units)
    ]
    for choice in product(*options):
        yield list(choice)


def _kept(problem: Problem, unit: int) -> list[str]:
    return [] if problem.units[unit].kept_minor is None else ["kept"]


def _without_wires(problem: Problem, choice: list[tuple[int, RoadKind | str]]) -> tuple[int, int]:
    unmet = cost = 0
    kept = []
    for unit, road in choice:
        if road == "unmet":
            unmet += 1
        elif road == "kept":
            kept.append(unit)
            cost += problem.units[unit].kept_minor or 0
        else:
            assert isinstance(road, RoadKind)
            cost += problem.units[unit].wireless_minor[road]
    lines = standing_lines(problem.units[unit].spot for unit in kept)
    return unmet, cost + len(lines) * problem.standing_minor


def _subsets(units: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for mask in range(1 << len(units)):
        yield tuple(unit for unit in units if mask >> unit & 1)


def _partitions(members: list[int]) -> Iterator[list[list[int]]]:
    if not members:
        yield []
        return
    first, rest = members[0], members[1:]
    for parted in _partitions(rest):
        yield [[first], *parted]
        for place in range(len(parted)):
            yield [*parted[:place], [first, *parted[place]], *parted[place + 1 :]]
