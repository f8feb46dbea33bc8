"""`compuerta bus plan`: what an RS485 line will be like before somebody lays it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from compuerta.apps import config
from compuerta.domain.errors import Refused
from compuerta.drivers.model import Model
from compuerta.services import bus_planning
from compuerta.services.bus_planning import Doubt, LinePlan, LineWish, Share

commands = typer.Typer(help="Lines that meters share.", no_args_is_help=True)

_SAID = {
    Doubt.MORE_THAN_USUAL: "more than 32 meters: their transceivers must be of an eighth of a unit load",
    Doubt.MORE_THAN_ANY: "more than 128 meters: lay a second line",
    Doubt.CABLE_TOO_LONG: "more than 1,200 m of cable: lay a second line, or a repeater",
    Doubt.ROUND_TOO_LONG: "the readings leave too little room: fewer meters, a faster line, or rarer polls",
    Doubt.LIGHT_TOO_LATE: "a payment may take longer than ten seconds to give light",
}


class MetersUnclear(Refused):
    """What should be a model, a count and perhaps how many are absent."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}; write MODEL:COUNT or MODEL:COUNT:ABSENT")
        self.text = text


@commands.command("plan")
def plan(
    meters: Annotated[list[str], typer.Argument(metavar="MODEL:COUNT[:ABSENT]", help="repeatable")],
    baud: Annotated[int, typer.Option(min=1, max=1_000_000)] = 2_400,
    poll_s: Annotated[int, typer.Option(min=1, max=86_400, help="seconds between two readings")] = 900,
    cable_m: Annotated[int, typer.Option(min=0, max=100_000)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell how long a round of readings and a payment take on a line, and how many meters it carries."""
    from compuerta.apps import wiring

    models = wiring.models(config.settings())
    shares = [_share(text, models) for text in meters]
    planned = bus_planning.plan(LineWish(shares=shares, baud=baud, poll_s=poll_s, cable_m=cable_m))
    if as_json:
        typer.echo(json.dumps(_told(planned)))
        return
    Console().print(_table(planned))
    for doubt in planned.doubts:
        typer.echo(f"! {_SAID[doubt]}")


@commands.command("entered")
def entered(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, by line")] = False,
) -> None:
    """Tell the same of every line that is entered, with the meters that sit on it."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    given = config.settings()
    store = PostgresStore(wiring.database_url(given))
    try:
        with store.transaction() as tx:
            ends, meters = tx.endpoints(), tx.meters()
    finally:
        store.shut()
    plans = bus_planning.plan_entered(ends, meters, models=wiring.models(given), poll_s=given.poll_s)
    if as_json:
        typer.echo(json.dumps({end: _told(planned) for end, planned in plans.items()}))
        return
    table = Table("line", "meters", "of at most", "a round", "load", "a payment", "doubts")
    for end, planned in plans.items():
        table.add_row(
            end,
            str(planned.meters),
            str(planned.meters_max),
            f"{planned.round_ms / 1_000:.0f} s",
            f"{planned.load_percent} %",
            f"{(planned.wait_ms_max + planned.supply_ms) / 1_000:.1f} s",
            ", ".join(each.value for each in planned.doubts),
        )
    Console().print(table if plans else "no line is entered")


def _told(planned: LinePlan) -> dict[str, object]:
    return {**asdict(planned), "doubts": [each.value for each in planned.doubts]}


def _share(text: str, models: dict[str, Model]) -> Share:
    name, *counts = text.split(":")
    if name not in models:
        raise MetersUnclear(text, f"there is no model {name!r} among {', '.join(sorted(models))}")
    if len(counts) not in (1, 2) or not all(each.isascii() and each.isdecimal() for each in counts):
        raise MetersUnclear(text, "says no count")
    if any(len(each) > 6 for each in counts):
        raise MetersUnclear(text, "is no count of meters")
    meters, absent = (int(each) for each in [*counts, "0"][:2])
    return Share(model=models[name], meters=meters, absent=absent)


def _table(planned: LinePlan) -> Table:
    table = Table(show_header=False)
    rows = {
        "meters": f"{planned.meters} of at most {planned.meters_max}",
        "lines needed": str(planned.lines_min),
        "one meter is read in": f"{planned.meter_ms / 1_000:.1f} s",
        "a round takes": f"{planned.round_ms / 1_000:.0f} s, {planned.load_percent} % of the time for it",
        "a payment waits at most": f"{planned.wait_ms_max / 1_000:.1f} s for the line",
        "and then takes": f"{planned.supply_ms / 1_000:.1f} s until the relay is proved closed",
    }
    for words, figure in rows.items():
        table.add_row(words, figure)
    return table
