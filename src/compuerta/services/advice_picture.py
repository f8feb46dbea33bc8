"""The picture of an advice: the site with its roads, what a target costs, and each road for everybody."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.sax.saxutils import escape

from compuerta.domain.advice import Spot
from compuerta.domain.advice_plan import Plan, Problem
from compuerta.domain.money import format_minor
from compuerta.domain.party import RoadKind
from compuerta.services.advising import Advice, Point

COLOURS: Mapping[RoadKind | None, str] = MappingProxyType(
    {
        RoadKind.RS485: "#0f766e",
        RoadKind.MOBILE_4G: "#b45309",
        RoadKind.NBIOT: "#6d28d9",
        None: "#b91c1c",
    }
)
_WIDTH, _SITE_HEIGHT_MAX, _CURVE_HEIGHT, _EDGE = 960, 640, 240, 48
_NAMED_MAX = 60  # places; with more of them hardly a name would find room
_LETTER_WIDTH, _NAME_HEIGHT = 6, 10
_INK, _PALE = "#1f2937", "#d1d5db"
_HOLLOW = f'fill="none" stroke="{_INK}" stroke-width="2"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is written into a picture; the reader's language is the caller's."""

    roads: Mapping[RoadKind | None, str]
    gateway: str = "gateway"
    by_latency: str = "cost by p95, s"
    by_success: str = "cost by first-try success, %"
    alone: str = "one road for all, and the best mix"
    best: str = "best mix"
    unmet: str = "without"


ENGLISH = Words(
    roads={
        RoadKind.RS485: "RS485",
        RoadKind.MOBILE_4G: "4G",
        RoadKind.NBIOT: "NB-IoT",
        None: "no road is good enough",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where a site lies on the picture: seen from the south, each floor above the other and to the right."""

    left_cm: int
    top_cm: int
    span_cm: int  # what the picture's width shows
    floor_cm: int
    height: int

    def at(self, spot: Spot) -> tuple[int, int]:
        x_cm, y_cm = _seen(spot, self.floor_cm)
        width = _WIDTH - 2 * _EDGE
        return (
            _EDGE + (x_cm - self.left_cm) * width // self.span_cm,
            _EDGE + (y_cm - self.top_cm) * width // self.span_cm,
        )


def site_svg(problem: Problem, plan: Plan, *, words: Words = ENGLISH) -> str:
    """Draw a site, without a legend: dots in the colours of their roads, cables, and gateways as squares."""
    return _svg(_frame(problem).height, _site(problem, plan, words))


def column_svgs(advice: Advice, *, words: Words = ENGLISH) -> tuple[str, str, str]:
    """Draw one road for everybody, what being sooner costs, and what being surer costs."""
    one, sooner, surer = (_svg(_CURVE_HEIGHT, parts, width=_WIDTH // 3) for parts in _columns(advice, words))
    return one, sooner, surer


def whole_svg(advice: Advice, *, words: Words = ENGLISH) -> str:
    """Draw both, one above the other."""
    height = _frame(advice.problem).height
    parts = [*_legend(advice.best.plan, words), *_site(advice.problem, advice.best.plan, words)]
    for number, columns in enumerate(_columns(advice, words)):
        x = number * _WIDTH // 3
        parts.append(f'<g transform="translate({x} {height})">{"".join(columns)}</g>')
    return _svg(height + _CURVE_HEIGHT, parts)


def _svg(height: int, parts: Iterable[str], *, width: int = _WIDTH) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="Compuerta Receipt SC, sans-serif" font-size="12" fill="{_INK}">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def _site(problem: Problem, plan: Plan, words: Words) -> Iterator[str]:
    frame = _frame(problem)
    places = [frame.at(unit.spot) for unit in problem.units]
    for line in plan.lines:
        for source, target in line.cables:
            (x, y), (to_x, to_y) = places[source], places[target]
            yield f'<path d="M{x} {y}L{to_x} {to_y}" stroke="{COLOURS[RoadKind.RS485]}" fill="none"/>'
    for unit in plan.gateways(lines_per_gateway=problem.costing.practice.lines_per_gateway):
        x, y = places[unit]
        yield f'<rect x="{x - 7}" y="{y - 7}" width="14" height="14" {_HOLLOW}/>'
    roads = plan.road_of()
    for index, (unit_there, (x, y)) in enumerate(zip(problem.units, places, strict=True)):
        told = f"{unit_there.spot.name}: {words.roads[roads.get(index)]}"
        yield (
            f'<circle cx="{x}" cy="{y}" r="4" fill="{COLOURS[roads.get(index)]}">'
            f"<title>{escape(told)}</title></circle>"
        )
    if len(problem.units) <= _NAMED_MAX:
        yield from _names([unit.spot.name for unit in problem.units], places)


def _names(names: Sequence[str], places: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Write the names that have room beside their dots; the others are told by the dot itself."""
    written: list[tuple[int, int, int]] = []
    for name, (x, y) in zip(names, places, strict=True):
        width = _LETTER_WIDTH * len(name)
        left = x + 9 if x + 9 + width <= _WIDTH else x - 9 - width
        right = left + width
        on_dot = any(
            left - 4 < dot_x < right + 4 and abs(dot_y - y) < _NAME_HEIGHT for dot_x, dot_y in places
        )
        on_name = any(
            left < other_right and other_left < right and abs(other_y - y) < _NAME_HEIGHT
            for other_left, other_right, other_y in written
        )
        if not on_dot and not on_name:
            written.append((left, right, y))
            side = f'x="{left}"' if left > x else f'x="{x - 9}" text-anchor="end"'
            yield f'<text {side} y="{y + 4}" font-size="10">{escape(name)}</text>'


def _legend(plan: Plan, words: Words) -> Iterator[str]:
    there = set(plan.road_of().values())
    x = _EDGE
    for road in (*RoadKind, None):
        if road not in there and not (road is None and plan.unmet):
            continue
        yield f'<circle cx="{x}" cy="20" r="5" fill="{COLOURS[road]}"/>'
        yield f'<text x="{x + 10}" y="24">{escape(words.roads[road])}</text>'
        x += 40 + 9 * len(words.roads[road])
    if plan.lines:
        yield f'<rect x="{x - 6}" y="14" width="12" height="12" {_HOLLOW}/>'
        yield f'<text x="{x + 12}" y="24">{escape(words.gateway)}</text>'


def _columns(advice: Advice, words: Words) -> Iterator[Iterable[str]]:
    currency = advice.problem.costing.prices.currency
    bars = [(words.roads[road], point, COLOURS[road]) for road, point in advice.alone.items()]
    best = Point(
        target=advice.problem.target,
        answer=advice.best,
        unmet_meters=sum(advice.problem.units[unit].meters for unit in advice.best.plan.unmet),
    )
    yield _bars(words.alone, [*bars, (words.best, best, _INK)], currency, words)
    by_latency = [(str(point.target.latency_ms // 1_000), point) for point in advice.by_latency]
    by_success = [(_tenths(point.target.success_ppm), point) for point in advice.by_success]
    yield _bars(words.by_latency, _plain(by_latency), currency, words)
    yield _bars(words.by_success, _plain(by_success), currency, words)


def _plain(points: Iterable[tuple[str, Point]]) -> list[tuple[str, Point, str]]:
    return [(name, point, COLOURS[RoadKind.RS485]) for name, point in points]


def _bars(title: str, points: Sequence[tuple[str, Point, str]], currency: str, words: Words) -> Iterator[str]:
    """Draw costs as columns; what leaves meters without a road is pale, for it is no alternative."""
    base, room = _CURVE_HEIGHT - 44, _CURVE_HEIGHT - 110
    step = (_WIDTH // 3 - 40) // len(points)
    top = max(1, *(point.answer.cost_minor for _, point, _ in points))
    yield f'<text x="20" y="22" font-weight="bold">{escape(title)} ({currency})</text>'
    yield f'<path d="M20 {base}H{_WIDTH // 3 - 20}" stroke="{_PALE}"/>'
    for number, (name, point, colour) in enumerate(points):
        x, tall = 24 + number * step, point.answer.cost_minor * room // top
        pale = ' fill-opacity="0.25"' if point.unmet_meters else ""
        cost = format_minor(point.answer.cost_minor, currency=currency).partition(".")[0]
        yield f'<rect x="{x}" y="{base - tall}" width="{step - 10}" height="{tall}" fill="{colour}"{pale}/>'
        yield f'<text x="{x}" y="{base - tall - 6}" font-size="11">{cost}</text>'
        yield f'<text x="{x}" y="{base + 16}">{escape(name)}</text>'
        if point.unmet_meters:
            without = escape(f"{words.unmet} {point.unmet_meters}")
            yield f'<text x="{x}" y="{base + 32}" fill="{COLOURS[None]}" font-size="11">{without}</text>'


def _tenths(share_ppm: int) -> str:
    whole, rest = divmod(share_ppm // 1_000, 10)
    return f"{whole}.{rest}" if rest else f"{whole}"


def _frame(problem: Problem) -> _Frame:
    floor_cm = 2 * problem.costing.practice.floor_height_cm
    seen = [_seen(unit.spot, floor_cm) for unit in problem.units]
    across, down = [x for x, _ in seen], [y for _, y in seen]
    wide_cm, tall_cm = max(across) - min(across), max(down) - min(down)
    width, height_max = _WIDTH - 2 * _EDGE, _SITE_HEIGHT_MAX - 2 * _EDGE
    span_cm = max(wide_cm, tall_cm * width // height_max, 1)
    return _Frame(
        left_cm=min(across) - (span_cm - wide_cm) // 2,
        top_cm=min(down),
        span_cm=span_cm,
        floor_cm=floor_cm,
        height=2 * _EDGE + tall_cm * width // span_cm,
    )


def _seen(spot: Spot, floor_cm: int) -> tuple[int, int]:
    return spot.x_cm + spot.floor * floor_cm // 4, -spot.y_cm - spot.floor * floor_cm
