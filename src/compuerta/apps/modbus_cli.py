"""`compuerta decode modbus`: what Modbus frames contain, in every reading that they have."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compuerta.apps.captures import octets_of
from compuerta.wire import modbus


def decode(
    text: Annotated[str, typer.Argument(metavar="HEX", help="bytes in hexadecimal; spaces do not matter")],
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False,
) -> None:
    """Tell what Modbus frames some bytes contain, RTU or TCP; one with two readings comes twice."""
    found = modbus.explain(octets_of(text))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
        return
    table = Table("at", "framing", "unit", "function", "direction", "meaning", "registers")
    for each in found:
        table.add_row(
            str(each.at),
            each.framing,
            str(each.unit_no),
            f"{each.function:02X}",
            each.direction,
            Text(each.meaning),
            " ".join(each.values_hex),
        )
    Console().print(table if found else "no frame")
