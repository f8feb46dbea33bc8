"""The API's page to read is whole, and safe to show."""

from typing import Any

from compuerta.apps.api.manual import page_of

DESCRIBED: dict[str, Any] = {
    "info": {"title": "T", "version": "1", "description": "a <b>"},
    "paths": {
        "/meters/{meter_no}": {
            "get": {
                "description": "Read one meter, by `no`.",
                "parameters": [{"name": "meter_no", "in": "path", "schema": {"type": "string"}}],
                "responses": {"404": {"description": "not yours"}},
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/x/Wish"}}}},
                "responses": {},
            },
        }
    },
    "components": {
        "schemas": {
            "Wish": {
                "properties": {
                    "amount_minor": {"type": "integer", "exclusiveMinimum": 0.0, "description": "in <fen>"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "flags": {"type": "array", "items": {"type": "string"}},
                }
            }
        }
    },
}


def test_every_operation_answer_and_field_is_told() -> None:
    page = page_of(DESCRIBED)

    for told in ("GET", "POST", "/meters/{meter_no}", "meter, by <code>no</code>.", "404", "not yours"):
        assert told in page
    assert '<a href="#Wish">Wish</a>' in page
    assert "integer above 0 in" in page
    assert "string or null" in page
    assert "list of string" in page


def test_what_is_told_is_text_and_the_page_fetches_nothing() -> None:
    page = page_of(DESCRIBED)

    assert "a &lt;b&gt;" in page and "in &lt;fen&gt;" in page
    assert "<script" not in page and "src=" not in page
