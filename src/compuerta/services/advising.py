"""Advising: the cheapest roads for a site, what else there would be, what more would cost, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from compuerta.domain import advice_signal
from compuerta.domain.advice import Costing, Part, Spot, Target
from compuerta.domain.advice_plan import (
    ALL_ROADS,
    WIRELESS,
    Plan,
    Problem,
    bill_of,
    cost_of,
    problem_of,
    service_of,
)
from compuerta.domain.advice_signal import Service
from compuerta.domain.party import RoadKind
from compuerta.services.solver_port import Answer, Progress, Solve

# What the curves ask: how soon, at the wanted sureness; and how surely, at the wanted time.
LATENCIES_MS = (4_000, 6_000, 10_000, 20_000, 60_000)
SUCCESSES_PPM = (995_000, 990_000, 980_000, 950_000, 880_000)
_BEST_SHARE = 2  # half of the time goes to the plan that was asked for, the rest to all others together


class Reason(Enum):
    """Why a road was taken for a place, or was not."""

    CHOSEN = "chosen"
    DEARER = "dearer"
    UNKNOWN = "unknown"  # nobody measured or estimated the signal
    UNHEARD = "unheard"
    SLOW = "slow"
    UNSURE = "unsure"
    NO_GATEWAY = "no_gateway"  # nowhere on the site does a gateway reach us well enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A road for a unit: why or why not, and what it costs there over the years."""

    road: RoadKind
    reason: Reason
    cost_minor: int | None  # on a line, with its share of cable, line and gateway; None where there is none
    service: Service | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a unit gets, beside what it could have had."""

    spot: Spot
    meters: int
    road: RoadKind | None  # None: no road is good enough
    line: int | None  # which of the plan's lines
    stays: bool  # nothing has to be changed there
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a target costs."""

    target: Target
    answer: Answer
    unmet_meters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """All that is told about a site."""

    problem: Problem
    best: Answer
    bill: tuple[Part, ...]
    given: tuple[Given, ...]
    alone: Mapping[RoadKind, Point]  # each road for everybody
    by_latency: tuple[Point, ...]
    by_success: tuple[Point, ...]


def advise(
    spots: Sequence[Spot],
    *,
    costing: Costing,
    target: Target,
    solve: Solve,
    limit_ms: int,
    on_progress: Progress = lambda cost_minor, least_minor: None,
) -> Advice:
    """Find the cheapest roads that meet a target, and what lies around that plan."""
    asking = _Asking(spots=spots, costing=costing, solve=solve, answers={})
    problem = problem_of(spots, costing=costing, target=target)
    best = asking.answer(problem, limit_ms=limit_ms // _BEST_SHARE, on_progress=on_progress)
    others = len(RoadKind) + len(LATENCIES_MS) + len(SUCCESSES_PPM)
    each_ms = (limit_ms - limit_ms // _BEST_SHARE) // others
    alone = {road: asking.point(target, allowed=frozenset({road}), limit_ms=each_ms) for road in RoadKind}
    by_latency = asking.curve(
        [Target(latency_ms=latency_ms, success_ppm=target.success_ppm) for latency_ms in LATENCIES_MS],
        limit_ms=each_ms,
    )
    by_success = asking.curve(
        [Target(latency_ms=target.latency_ms, success_ppm=success_ppm) for success_ppm in SUCCESSES_PPM],
        limit_ms=each_ms,
    )
    return Advice(
        problem=problem,
        best=best,
        bill=bill_of(problem, best.plan),
        given=given_of(problem, best.plan),
        alone=alone,
        by_latency=by_latency,
        by_success=by_success,
    )


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Puts questions to the solver, each once; the plan of a stricter one begins the search for a looser."""

    spots: Sequence[Spot]
    costing: Costing
    solve: Solve
    answers: dict[tuple[object, ...], Answer]

    def answer(
        self, problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()
    ) -> Answer:
        question = tuple(
            (tuple(unit.wireless_minor.items()), unit.wired_minor, unit.host_minor, unit.kept_minor)
            for unit in problem.units
        )
        if question not in self.answers:
            self.answers[question] = self.solve(
                problem, limit_ms=limit_ms, on_progress=on_progress, known=known
            )
        return self.answers[question]

    def point(
        self,
        target: Target,
        *,
        limit_ms: int,
        allowed: frozenset[RoadKind] = ALL_ROADS,
        known: Sequence[Plan] = (),
    ) -> Point:
        problem = problem_of(self.spots, costing=self.costing, target=target, allowed=allowed)
        answer = self.answer(problem, limit_ms=limit_ms, on_progress=lambda cost, least: None, known=known)
        unmet = sum(problem.units[unit].meters for unit in answer.plan.unmet)
        return Point(target=target, answer=answer, unmet_meters=unmet)

    def curve(self, targets: Sequence[Target], *, limit_ms: int) -> tuple[Point, ...]:
        points: list[Point] = []
        for target in targets:
            known = [points[-1].answer.plan] if points else []
            points.append(self.point(target, limit_ms=limit_ms, known=known))
        return tuple(points)


def given_of(problem: Problem, plan: Plan) -> tuple[Given, ...]:
    """Tell of each unit what it gets, and why it is not another road."""
    roads, services = plan.road_of(), service_of(problem, plan)
    line_of = {unit: number for number, line in enumerate(plan.lines) for unit in line.members}
    shares = _shares(problem, plan)
    gateway_reaches = any(unit.host_minor is not None for unit in problem.units)
    told = []
    for index, unit in enumerate(problem.units):
        road, standing = roads.get(index), unit.spot.standing
        stays = index in plan.kept or (
            standing is not None and standing.road is road and index in plan.wireless
        )
        options = [_by_air(problem, index, each, chosen=road is each) for each in WIRELESS]
        options.append(_by_wire(problem, index, roads, shares=shares, reaches=gateway_reaches))
        if index in services and road is RoadKind.RS485:
            options[-1] = Option(
                road=road, reason=Reason.CHOSEN, cost_minor=shares[index], service=services[index]
            )
        told.append(
            Given(
                spot=unit.spot,
                meters=unit.meters,
                road=road,
                line=line_of.get(index),
                stays=stays,
                options=tuple(options),
            )
        )
    return tuple(told)


def _by_air(problem: Problem, index: int, road: RoadKind, *, chosen: bool) -> Option:
    unit, target = problem.units[index], problem.target
    service = advice_signal.wireless(unit.spot, road)
    cost_minor = unit.wireless_minor.get(road)
    if cost_minor is not None:
        reason = Reason.CHOSEN if chosen else Reason.DEARER
    elif service is None:
        signal = unit.spot.mobile if road is RoadKind.MOBILE_4G else unit.spot.nbiot
        reason = Reason.UNKNOWN if signal is None else Reason.UNHEARD
    else:
        reason = Reason.SLOW if service.latency_ms > target.latency_ms else Reason.UNSURE
    return Option(road=road, reason=reason, cost_minor=cost_minor, service=service)


def _by_wire(
    problem: Problem, index: int, roads: Mapping[int, RoadKind], *, shares: Mapping[int, int], reaches: bool
) -> Option:
    """Tell what a line would cost at least: a cable from the nearest place with one, or a line of its own."""
    unit = problem.units[index]
    if not reaches:
        return Option(road=RoadKind.RS485, reason=Reason.NO_GATEWAY, cost_minor=None, service=None)
    beside = [problem.cable_minor(other, index) for other in shares if other != index]
    own = [
        problem.cable_minor(other, index) + (there.host_minor or 0) + problem.line_minor
        for other, there in enumerate(problem.units)
        if there.host_minor is not None
    ]
    least = min((*beside, *own)) + (unit.wired_minor or 0)
    return Option(road=RoadKind.RS485, reason=Reason.DEARER, cost_minor=least, service=None)


def _shares(problem: Problem, plan: Plan) -> Mapping[int, int]:
    """Share what each line costs among its meters, and what its gateway costs among the gateway's lines."""
    ports = problem.costing.practice.lines_per_gateway
    gateways = plan.gateways(lines_per_gateway=ports)
    lines_at = {place: sum(line.gateway == place for line in plan.lines) for place in gateways}
    shares: dict[int, int] = {}
    for line in plan.lines:
        hosts = gateways[line.gateway] * (problem.units[line.gateway].host_minor or 0)
        common = hosts // lines_at[line.gateway] + problem.line_minor
        common += sum(problem.cable_minor(source, target) for source, target in line.cables)
        meters = sum(problem.units[unit].meters for unit in line.members)
        for unit in line.members:
            own = problem.units[unit]
            shares[unit] = common * own.meters // meters + (own.wired_minor or 0)
    for unit in plan.kept:
        shares[unit] = cost_of(problem.costing.kept(meters=problem.units[unit].meters))
    return shares
