"""An advice as facts for machines, and in plain English sentences."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from compuerta.domain.advice import Part, Target
from compuerta.domain.advice_plan import plan_minor
from compuerta.domain.money import format_minor
from compuerta.domain.party import RoadKind
from compuerta.services.advising import Advice, Given, Option, Point, Reason

Facts: TypeAlias = Mapping[str, object]
_ROADS = {RoadKind.RS485: "RS485", RoadKind.MOBILE_4G: "4G", RoadKind.NBIOT: "NB-IoT"}
_AGAINST = {
    Reason.UNKNOWN: "nobody knows the signal of {road}",
    Reason.UNHEARD: "{road} is not heard",
    Reason.SLOW: "{road} is too slow ({seconds} s)",
    Reason.UNSURE: "{road} fails too often ({percent} % at the first try)",
    Reason.NO_GATEWAY: "no gateway for {road} would reach us well enough",
}


def told(advice: Advice) -> Facts:
    """Return all of an advice as it goes into JSON."""
    problem, best = advice.problem, advice.best
    prices, practice = problem.costing.prices, problem.costing.practice
    meters = {road.value: 0 for road in RoadKind}
    for given in advice.given:
        if given.road is not None:
            meters[given.road.value] += given.meters
    assert plan_minor(problem, best.plan) == sum(part.amount_minor for part in advice.bill), "bill is cost"
    return {
        "currency": prices.currency,
        "years": practice.years,
        "target": _target(problem.target),
        "cost_minor": best.cost_minor,
        "least_minor": best.least_minor,
        "gap_ppm": best.gap_ppm,
        "proven": best.proven,
        "meters": meters,
        "meters_without": sum(given.meters for given in advice.given if given.road is None),
        "bill": [_part(part) for part in advice.bill],
        "lines": list(_lines(advice)),
        "places": [_place(given, currency=prices.currency) for given in advice.given],
        "alone": {road.value: _point(point) for road, point in advice.alone.items()},
        "by_latency": [_point(point) for point in advice.by_latency],
        "by_success": [_point(point) for point in advice.by_success],
    }


def why(given: Given, *, currency: str) -> str:
    """Say why a place got its road: what it costs there, and what is against each other road."""
    chosen = [option for option in given.options if option.reason is Reason.CHOSEN]
    against = [_against(option, currency) for option in given.options if option.reason is not Reason.CHOSEN]
    if not chosen:
        return f"No road is good enough: {'; '.join(against)}."
    (option,) = chosen
    stays = "It stays on" if given.stays else "Cheapest for the site is"
    share = ", with its share of the line" if option.road is RoadKind.RS485 and not given.stays else ""
    cost = format_minor(option.cost_minor or 0, currency=currency)
    return f"{stays} {_ROADS[option.road]} at {cost}{share}; {'; '.join(against)}."


def _against(option: Option, currency: str) -> str:
    road, service = _ROADS[option.road], option.service
    if option.reason is Reason.DEARER:
        cost = format_minor(option.cost_minor or 0, currency=currency)
        return f"a line would cost about {cost}" if option.road is RoadKind.RS485 else f"{road} costs {cost}"
    return _AGAINST[option.reason].format(
        road=road,
        seconds=service.latency_ms // 1_000 if service else "",
        percent=service.success_ppm // 10_000 if service else "",
    )


def _target(target: Target) -> Facts:
    return {"latency_ms": target.latency_ms, "success_ppm": target.success_ppm}


def _part(part: Part) -> Facts:
    return {
        "item": part.item.value,
        "quantity": part.quantity,
        "each_minor": part.each_minor,
        "amount_minor": part.amount_minor,
    }


def _lines(advice: Advice) -> Iterable[Facts]:
    problem = advice.problem
    for line in advice.best.plan.lines:
        yield {
            "gateway": problem.units[line.gateway].spot.name,
            "meters": sum(problem.units[unit].meters for unit in line.members),
            "length_m": sum(problem.length_m(source, target) for source, target in line.cables),
            "cables": [
                [problem.units[source].spot.name, problem.units[target].spot.name]
                for source, target in line.cables
            ],
        }


def _place(given: Given, *, currency: str) -> Facts:
    return {
        "place": given.spot.name,
        "meters": given.meters,
        "road": given.road.value if given.road else None,
        "line": given.line,
        "stays": given.stays,
        "why": why(given, currency=currency),
        "options": [
            {
                "road": option.road.value,
                "reason": option.reason.value,
                "cost_minor": option.cost_minor,
                "latency_ms": option.service.latency_ms if option.service else None,
                "success_ppm": option.service.success_ppm if option.service else None,
            }
            for option in given.options
        ],
    }


def _point(point: Point) -> Facts:
    return {
        **_target(point.target),
        "cost_minor": point.answer.cost_minor,
        "least_minor": point.answer.least_minor,
        "proven": point.answer.proven,
        "meters_without": point.unmet_meters,
    }
