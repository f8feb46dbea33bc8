"""`compuerta decode acrel`: what the frames of Acrel's 4G meters contain."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compuerta.apps.captures import octets_of
from compuerta.wire import acrel


def decode(
    text: Annotated[str, typer.Argument(metavar="HEX", help="bytes in hexadecimal; spaces do not matter")],
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False,
) -> None:
    """Tell what frames of Acrel's 4G meters (7B 7B ... 7D 7D) some bytes contain."""
    found = acrel.explain(octets_of(text))
    if as_json:
        rows = [
            {
                "command": f"{each.command:02X}",
                "name": each.name,
                "body_hex": each.body_hex,
                "carried_hex": list(each.carried_hex),
                "meaning": each.meaning,
            }
            for each in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("command", "name", "body", "meaning")
    for each in found:
        table.add_row(f"{each.command:02X}", each.name, each.body_hex, Text(each.meaning))
    Console().print(table if found else "no frame")
