"""`compuerta decode acrel`: what Acrel's 4G meters say, in frames by TCP and in JSON by MQTT."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compuerta.apps.captures import octets_of
from compuerta.wire import acrel
from compuerta.wire.acrel import json_form


def decode(
    text: Annotated[str, typer.Argument(metavar="HEX", help="bytes in hexadecimal; spaces do not matter")],
    topic: Annotated[str | None, typer.Option(help="the bytes came by MQTT, under this topic")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell what frames of Acrel's 4G meters (7B 7B ... 7D 7D) some bytes contain, or a letter by MQTT."""
    if topic is not None:
        _tell_letter(json_form.Letter(topic=topic, payload=octets_of(text)), as_json=as_json)
        return
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


def _tell_letter(letter: json_form.Letter, *, as_json: bool) -> None:
    report = json_form.parse(letter)
    answer = json_form.answer(report)
    told = {
        "product": report.place.product,
        "kind": report.place.kind,
        "serial_no": report.place.serial_no,
        "meter_serial_no": report.meter_serial_no,
        "signal_percent": report.signal_percent,
        "fields": dict(report.fields),
        "answer_topic": None if answer is None else answer.topic,
        "answer": None if answer is None else answer.payload.decode(),
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for name, value in told.items():
        table.add_row(name.replace("_", " "), Text("" if value is None else str(value)))
    Console().print(table)
