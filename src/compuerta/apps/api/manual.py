"""The API's page to read, made of its own OpenAPI description: it needs no network and no script."""

import html
import re
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title} API</title><link rel="icon" type="image/svg+xml" href="/static/console/icon.svg">
<style>
:root{{color-scheme:light dark;--line:#8884;--tone:#0f766e}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:54rem;margin:0 auto;padding:1.5rem}}
h1,h2{{line-height:1.2}} code,pre{{font-family:ui-monospace,monospace;font-size:.9em}}
section{{border:1px solid var(--line);border-radius:.75rem;padding:1rem;margin:1rem 0;overflow-x:auto}}
b.verb{{background:var(--tone);color:#fff;border-radius:.4rem;padding:.1rem .5rem;margin-right:.5rem}}
table{{border-collapse:collapse;width:100%}} td:first-child{{white-space:nowrap}}
td{{border-top:1px solid var(--line);padding:.25rem .5rem .25rem 0;vertical-align:top}}
</style>
<h1>{title} API <small>{version}</small></h1>
<p>{description} Send <code>Authorization: Bearer KEY</code>; keys are made by <code>compuerta key</code>.
The machine-readable description is <a href="openapi.json">openapi.json</a>.</p>
{operations}<h2>Shapes</h2>{shapes}</html>
"""


def add_manual(app: FastAPI) -> None:
    """Serve the page at /api/docs; it is made once, at the first reading."""
    made: list[str] = []

    @app.get("/api/docs", include_in_schema=False)
    async def manual() -> HTMLResponse:
        if not made:
            made.append(page_of(app.openapi()))
        return HTMLResponse(made[0])


def page_of(described: dict[str, Any]) -> str:
    """Return the page of an OpenAPI 3.1 description."""
    about = described["info"]
    operations = [
        _operation(verb, path, operation)
        for path, verbs in described["paths"].items()
        for verb, operation in verbs.items()
    ]
    shapes = [_shape(name, shape) for name, shape in described["components"]["schemas"].items()]
    return _PAGE.format(
        title=html.escape(about["title"]),
        version=html.escape(about["version"]),
        description=html.escape(about.get("description", "")),
        operations="".join(operations),
        shapes="".join(shapes),
    )


def _operation(verb: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        (f"{each['name']} <small>in {each['in']}</small>", _told(each["schema"]))
        for each in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        rows.append(("body", _told(content["schema"])))
    rows += [
        (html.escape(status), html.escape(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    title = f"<b class=verb>{verb.upper()}</b><code>{html.escape(path)}</code>"
    return f"<section>{title}<p>{_prose(operation)}</p>{_table(rows)}</section>"


def _shape(name: str, shape: dict[str, Any]) -> str:
    rows = [(html.escape(field), _told(told)) for field, told in shape.get("properties", {}).items()]
    title = f"<b>{html.escape(name)}</b>"
    return f"<section id={html.escape(name)}>{title}<p>{_prose(shape)}</p>{_table(rows)}</section>"


def _prose(described: dict[str, Any]) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(described.get("description", "")))


def _table(rows: list[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td><code>{name}</code></td><td>{told}</td></tr>" for name, told in rows)
    return f"<table>{lines}</table>"


def _told(schema: dict[str, Any]) -> str:
    """Tell a schema in words: its type, its bounds, and what it is for."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rsplit("/", maxsplit=1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        kinds = " or ".join(_told(each) for each in schema["anyOf"])
    elif schema.get("type") == "array":
        kinds = f"list of {_told(schema['items'])}"
    else:
        kinds = html.escape(str(schema.get("format") or schema.get("type", "anything")))
    bounds = [
        f"{word} {int(schema[key])}"  # FastAPI tells the bounds of a body's whole numbers as floats
        for key, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
        if key in schema
    ]
    return " ".join([kinds, *bounds, html.escape(schema.get("description", ""))]).strip()
