"""Plans of roads: what may be chosen at each place of a site, what was chosen, and what that costs.

A line is a tree of cables that begins at a gateway, and all of it counts: no more meters than a line may
have, no more metres than RS485 carries. A place with more meters than fit on a line is told in several
units.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compuerta.domain.advice import Costing, Part, Spot, Target
from compuerta.domain.advice_signal import Service, kept_line, uplink, wireless
from compuerta.domain.errors import Broken
from compuerta.domain.party import RoadKind

WIRELESS = (RoadKind.MOBILE_4G, RoadKind.NBIOT)
ALL_ROADS = frozenset(RoadKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Meters that get a road together, and what each road that is good enough costs them."""

    spot: Spot
    meters: int
    wireless_minor: Mapping[RoadKind, int]
    wired_minor: int | None  # without cable, line and gateway; None where lines are not wanted
    host_minor: int | None  # what a gateway costs here; None where it reaches nobody well enough
    kept_minor: int | None  # what staying on the line that stands costs, without that line's own upkeep


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A site, as the solver sees it."""

    costing: Costing
    target: Target
    units: tuple[Unit, ...]

    def cable_minor(self, source: int, target: int) -> int:
        """Return what the cable from unit to unit costs."""
        return cost_of(self.costing.cable(self.units[source].spot, self.units[target].spot))

    def length_m(self, source: int, target: int) -> int:
        """Return how long the cable from unit to unit is."""
        return self.costing.length_m(self.units[source].spot, self.units[target].spot)

    @property
    def line_minor(self) -> int:
        """What beginning a line costs."""
        return cost_of(self.costing.line())

    @property
    def standing_minor(self) -> int:
        """What a line that stands already costs as long as anything hangs on it."""
        return cost_of(self.costing.gateway_running(mobile=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A new line: where its gateway stands, and its cables in order; the first begins at the gateway."""

    gateway: int  # a unit
    cables: tuple[tuple[int, int], ...]  # unit to unit; each unit is led to once

    @property
    def members(self) -> tuple[int, ...]:
        """The units that hang on it."""
        return tuple(target for _, target in self.cables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A road for every unit, or the plain word that there is none that is good enough."""

    wireless: Mapping[int, RoadKind]
    lines: tuple[Line, ...]
    kept: tuple[int, ...] = ()  # units that stay on the line that they hang on
    unmet: tuple[int, ...] = ()

    def gateways(self, *, lines_per_gateway: int) -> Mapping[int, int]:
        """Return how many gateways stand at each unit that has any."""
        lines = Counter(line.gateway for line in self.lines)
        return {unit: -(-count // lines_per_gateway) for unit, count in lines.items()}

    def road_of(self) -> Mapping[int, RoadKind]:
        """Return the road of each unit that has one."""
        wired = (*self.kept, *(unit for line in self.lines for unit in line.members))
        return {**self.wireless, **dict.fromkeys(wired, RoadKind.RS485)}


class PlanUnsound(Broken):
    """A plan that cannot be built as it stands; it must not be shown to anybody."""


def problem_of(
    spots: Iterable[Spot], *, costing: Costing, target: Target, allowed: frozenset[RoadKind] = ALL_ROADS
) -> Problem:
    """Lay out what may be chosen for a site: only roads that meet the target, and are allowed."""
    size = costing.practice.meters_per_line
    units = tuple(
        _unit(spot, meters, costing=costing, target=target, allowed=allowed)
        for spot in spots
        for meters in _shares(spot.meters, size)
    )
    return Problem(costing=costing, target=target, units=units)


def cost_of(parts: Iterable[Part]) -> int:
    """Return what parts cost together."""
    return sum(part.amount_minor for part in parts)


def bill_of(problem: Problem, plan: Plan) -> tuple[Part, ...]:
    """Return the bill of materials of a plan; its sum is the plan's cost."""
    bought: Counter[tuple[str, int]] = Counter()
    items = {}
    for part in _parts(problem, plan):
        bought[(part.item.value, part.each_minor)] += part.quantity
        items[part.item.value] = part.item
    return tuple(
        Part(item=items[item], quantity=quantity, each_minor=each_minor)
        for (item, each_minor), quantity in sorted(bought.items())
        if quantity
    )


def plan_minor(problem: Problem, plan: Plan) -> int:
    """Return what a plan costs."""
    return cost_of(_parts(problem, plan))


def require_sound(problem: Problem, plan: Plan) -> None:
    """Refuse a plan that leaves a unit out, names one twice, or has a line that cannot be built."""
    told = sorted(
        [*plan.wireless, *plan.kept, *plan.unmet, *(u for line in plan.lines for u in line.members)]
    )
    if told != list(range(len(problem.units))):
        raise PlanUnsound("each unit gets one road")
    if any(road not in problem.units[unit].wireless_minor for unit, road in plan.wireless.items()):
        raise PlanUnsound("a network is used where it is not good enough")
    if any(problem.units[unit].kept_minor is None for unit in plan.kept):
        raise PlanUnsound("a unit stays on a line that it does not hang on")
    for line in plan.lines:
        _require_line(problem, line)


def service_of(problem: Problem, plan: Plan) -> Mapping[int, Service]:
    """Return what each unit's road gives."""
    found = {unit: wireless(problem.units[unit].spot, road) for unit, road in plan.wireless.items()}
    found |= {unit: kept_line(problem.units[unit].spot) for unit in plan.kept}
    for line in plan.lines:
        found |= dict.fromkeys(line.members, uplink(problem.units[line.gateway].spot))
    return {unit: service for unit, service in found.items() if service is not None}


def _shares(meters: int, size: int) -> list[int]:
    full, rest = divmod(meters, size)
    return [size] * full + ([rest] if rest else [])


def _unit(spot: Spot, meters: int, *, costing: Costing, target: Target, allowed: frozenset[RoadKind]) -> Unit:
    def good(service: Service | None) -> bool:
        return service is not None and service.meets(target)

    services = {road: wireless(spot, road) for road in WIRELESS if road in allowed}
    lines = RoadKind.RS485 in allowed
    return Unit(
        spot=spot,
        meters=meters,
        wireless_minor={
            road: cost_of(costing.wireless(spot, road, meters=meters, visits_ppm=service.visits_ppm))
            for road, service in services.items()
            if service is not None and service.meets(target)
        },
        wired_minor=cost_of(costing.wired(spot, meters=meters)) if lines else None,
        host_minor=cost_of(costing.gateway(spot, mobile=not spot.lan))
        if lines and good(uplink(spot))
        else None,
        kept_minor=cost_of(costing.kept(meters=meters)) if lines and good(kept_line(spot)) else None,
    )


def _parts(problem: Problem, plan: Plan) -> Iterable[Part]:
    costing, units = problem.costing, problem.units
    for unit, road in plan.wireless.items():
        spot, service = units[unit].spot, wireless(units[unit].spot, road)
        assert service is not None, "a network is chosen only where it is heard"
        yield from costing.wireless(spot, road, meters=units[unit].meters, visits_ppm=service.visits_ppm)
    for unit in plan.kept:
        yield from costing.kept(meters=units[unit].meters)
    for _ in standing_lines(units[unit].spot for unit in plan.kept):
        yield from costing.gateway_running(mobile=True)
    for line in plan.lines:
        yield from costing.line()
        for source, target in line.cables:
            yield from costing.cable(units[source].spot, units[target].spot)
            yield from costing.wired(units[target].spot, meters=units[target].meters)
    for unit, count in plan.gateways(lines_per_gateway=costing.practice.lines_per_gateway).items():
        for _ in range(count):
            yield from costing.gateway(units[unit].spot, mobile=not units[unit].spot.lan)


def standing_lines(spots: Iterable[Spot]) -> frozenset[str]:
    """Return the names of the lines that stand already, on which any of these places hang."""
    return frozenset(
        spot.standing.line
        for spot in spots
        if spot.standing is not None and spot.standing.road is RoadKind.RS485
    )


def _require_line(problem: Problem, line: Line) -> None:
    practice, reached = problem.costing.practice, {line.gateway}
    if problem.units[line.gateway].host_minor is None:
        raise PlanUnsound("a gateway stands where it reaches nobody")
    for number, (source, target) in enumerate(line.cables):
        if source not in reached or (number and source == line.gateway and source not in line.members):
            raise PlanUnsound("a cable begins where its line does not pass")
        reached.add(target)
    if meters_of(problem, line.members) > practice.meters_per_line:
        raise PlanUnsound("a line has more meters than it may have")
    if sum(problem.length_m(source, target) for source, target in line.cables) > practice.line_m_max:
        raise PlanUnsound("a line is longer than RS485 carries")


def meters_of(problem: Problem, units: Sequence[int]) -> int:
    """Return how many meters some units have."""
    return sum(problem.units[unit].meters for unit in units)
