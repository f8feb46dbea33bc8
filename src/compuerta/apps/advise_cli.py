"""`compuerta advise`: which road each meter of a site should get, what that costs, and why."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from compuerta.domain.advice import PPM, Target
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.services import advice_csv, advice_told
from compuerta.services.advising import Advice, advise

_BYTES_MAX = 4_000_000
_MS = 1_000
_SECONDS_MAX = 3_600


class FileRefused(Refused):
    """A file that cannot be read, or is no text, or has a name that says nothing."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


def advised(
    site: Annotated[
        Path, typer.Argument(metavar="SITE.csv", help="a place in each row; see docs/adviser.md")
    ],
    prices: Annotated[Path | None, typer.Option(help="rows of what,value; else usual prices")] = None,
    latency_s: Annotated[int, typer.Option(min=1, max=86_400, help="p95 from payment to relay")] = 10,
    success_percent: Annotated[int, typer.Option(min=0, max=100, help="conversations at the first try")] = 98,
    seconds: Annotated[int, typer.Option(min=2, max=_SECONDS_MAX, help="for the search")] = 45,
    plot: Annotated[Path | None, typer.Option(help="FILE.svg or FILE.png")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Choose RS485, 4G or NB-IoT for each place of a site: the cheapest mix that meets a target."""
    from compuerta.adapters.solver.search import solve

    if plot is not None and plot.suffix not in (".svg", ".png"):
        raise FileRefused(plot, "a plot is .svg or .png")
    spots = advice_csv.read_site(_text(site))
    costing = advice_csv.read_prices(_text(prices) if prices else "what,value")
    target = Target(latency_ms=latency_s * _MS, success_ppm=success_percent * PPM // 100)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("searching")

        def on_progress(cost_minor: int, least_minor: int) -> None:
            currency = costing.prices.currency
            cost, least = (format_minor(each, currency=currency) for each in (cost_minor, least_minor))
            bar.update(task, description=f"{cost} {currency}, and no plan can cost less than {least}")

        advice = advise(
            spots,
            costing=costing,
            target=target,
            solve=solve,
            limit_ms=seconds * _MS,
            on_progress=on_progress,
        )
    if plot is not None:
        _draw(advice, plot)
    if as_json:
        typer.echo(json.dumps(advice_told.told(advice), ensure_ascii=False))
        return
    _show(advice)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise FileRefused(path, f"more than {_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileRefused(path, error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise FileRefused(path, "is no UTF-8 text") from error


def _draw(advice: Advice, path: Path) -> None:
    from compuerta.adapters.paper import drawing
    from compuerta.services import advice_picture

    svg = advice_picture.whole_svg(advice)
    try:
        if path.suffix == ".svg":
            path.write_text(svg, encoding="utf-8")
        else:
            path.write_bytes(drawing.png(svg))
    except OSError as error:
        raise FileRefused(path, error.strerror or "cannot be written") from error


def _show(advice: Advice) -> None:
    out, currency = Console(file=sys.stdout), advice.problem.costing.prices.currency

    def amount(minor: int) -> str:
        return format_minor(minor, currency=currency)

    best = advice.best
    meters = Counter[str]()
    for given in advice.given:
        meters[f"by {given.road.value}" if given.road else "without a road that is good enough"] += (
            given.meters
        )
    out.print(
        f"{amount(best.cost_minor)} {currency}; " + ", ".join(f"{n} {how}" for how, n in meters.items())
    )
    gap = f"at most {best.gap_ppm / 10_000:.1f} % cheaper is possible: not below {amount(best.least_minor)}"
    out.print("nothing cheaper exists" if best.proven else gap)
    bill = Table("item", "quantity", "each", "together")
    for part in advice.bill:
        bill.add_row(part.item.value, str(part.quantity), amount(part.each_minor), amount(part.amount_minor))
    out.print(bill)
    others = Table("one road for all", "cost", "meters without")
    for road, point in advice.alone.items():
        others.add_row(road.value, amount(point.answer.cost_minor), str(point.unmet_meters))
    out.print(others)
    curve = Table("target", "cost", "meters without")
    for point in (*advice.by_latency, *advice.by_success):
        target = f"{point.target.latency_ms / _MS:g} s, {point.target.success_ppm / 10_000:g} %"
        curve.add_row(target, amount(point.answer.cost_minor), str(point.unmet_meters))
    out.print(curve)
    why = Table("place", "meters", "road", "why")
    for given in advice.given:
        chosen = given.road.value if given.road else "none"
        why.add_row(given.spot.name, str(given.meters), chosen, advice_told.why(given, currency=currency))
    out.print(why)
