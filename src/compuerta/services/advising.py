"""Advising: the cheapest roads for a site, what else there would be, what more would cost, and why."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from heapq import nsmallest

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
_NEAREST = 8
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
    problem = asking.problem(target, ALL_ROADS)
    best = asking.answer(problem, limit_ms=limit_ms // _BEST_SHARE, on_progress=on_progress)
    alone = [(target, frozenset({road})) for road in RoadKind]
    latencies = [replace(target, latency_ms=latency_ms) for latency_ms in LATENCIES_MS]
    successes = [replace(target, success_ppm=success_ppm) for success_ppm in SUCCESSES_PPM]
    others = [*alone, *((each, ALL_ROADS) for each in (*latencies, *successes))]
    each_ms = (limit_ms - limit_ms // _BEST_SHARE) // max(1, asking.unanswered(others))
    return Advice(
        problem=problem,
        best=best,
        bill=bill_of(problem, best.plan),
        given=given_of(problem, best.plan),
        alone={
            road: asking.point(target, allowed=allowed, limit_ms=each_ms)
            for road, (_, allowed) in zip(RoadKind, alone, strict=True)
        },
        by_latency=asking.curve(latencies, limit_ms=each_ms),
        by_success=asking.curve(successes, limit_ms=each_ms),
    )


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Puts questions to the solver, each once; the plan of a stricter one begins the search for a looser."""

    spots: Sequence[Spot]
    costing: Costing
    solve: Solve
    answers: dict[Hashable, Answer]

    def problem(self, target: Target, allowed: frozenset[RoadKind]) -> Problem:
        return problem_of(self.spots, costing=self.costing, target=target, allowed=allowed)

    def unanswered(self, questions: Iterable[tuple[Target, frozenset[RoadKind]]]) -> int:
        """Count the searches that these questions come down to, beyond those that were made."""
        return len({_question(self.problem(*each)) for each in questions} - self.answers.keys())

    def answer(
        self, problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()
    ) -> Answer:
        question = _question(problem)
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
        problem = self.problem(target, allowed)
        answer = self.answer(problem, limit_ms=limit_ms, on_progress=lambda cost, least: None, known=known)
        unmet = sum(problem.units[unit].meters for unit in answer.plan.unmet)
        return Point(target=target, answer=answer, unmet_meters=unmet)

    def curve(self, targets: Sequence[Target], *, limit_ms: int) -> tuple[Point, ...]:
        points: list[Point] = []
        for target in targets:
            known = [points[-1].answer.plan] if points else []
            points.append(self.point(target, limit_ms=limit_ms, known=known))
        return tuple(points)


def _question(problem: Problem) -> Hashable:
    """Return what a search goes by: targets between which no road becomes possible ask the same."""
    return tuple(
        (tuple(unit.wireless_minor.items()), unit.wired_minor, unit.host_minor, unit.kept_minor)
        for unit in problem.units
    )


def given_of(problem: Problem, plan: Plan) -> tuple[Given, ...]:
    """Tell of each unit what it gets, and why it is not another road."""
    roads, services = plan.road_of(), service_of(problem, plan)
    line_of = {unit: number for number, line in enumerate(plan.lines) for unit in line.members}
    shares = _shares(problem, plan)
    hosts = [index for index, unit in enumerate(problem.units) if unit.host_minor is not None]
    told = []
    for index, unit in enumerate(problem.units):
        road, standing = roads.get(index), unit.spot.standing
        by_air = index in plan.wireless and standing is not None and standing.road is road
        options = [_by_air(problem, index, each, chosen=road is each) for each in WIRELESS]
        if index in shares:
            hung = Option(
                road=RoadKind.RS485,
                reason=Reason.CHOSEN,
                cost_minor=shares[index],
                service=services.get(index),
            )
            options.append(hung)
        else:
            options.append(_by_wire(problem, index, hung=line_of, hosts=hosts))
        told.append(
            Given(
                spot=unit.spot,
                meters=unit.meters,
                road=road,
                line=line_of.get(index),
                stays=by_air or index in plan.kept,
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


def _by_wire(problem: Problem, index: int, *, hung: Iterable[int], hosts: Sequence[int]) -> Option:
    """Tell what a line would cost: a cable from the nearest place with one, or a line of its own."""
    if not hosts:
        return Option(road=RoadKind.RS485, reason=Reason.NO_GATEWAY, cost_minor=None, service=None)
    ways = [problem.cable_minor(other, index) for other in _nearest(problem, index, hung)]
    for other in _nearest(problem, index, hosts):
        begun_minor = (problem.units[other].host_minor or 0) + problem.line_minor
        ways.append(problem.cable_minor(other, index) + begun_minor)
    cost_minor = min(ways) + (problem.units[index].wired_minor or 0)
    return Option(road=RoadKind.RS485, reason=Reason.DEARER, cost_minor=cost_minor, service=None)


def _nearest(problem: Problem, index: int, others: Iterable[int]) -> list[int]:
    """Return a few of the nearest units; what a cable costs exactly is reckoned of these alone."""
    here, floor_cm = problem.units[index].spot, problem.costing.practice.floor_height_cm

    def away_cm(other: int) -> int:
        there = problem.units[other].spot
        across_cm = abs(here.x_cm - there.x_cm) + abs(here.y_cm - there.y_cm)
        return across_cm + floor_cm * abs(here.floor - there.floor)

    return nsmallest(_NEAREST, others, away_cm)


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
