"""The model files: YAML on disk becomes `Model`s, or an error that says where to look.

Errors name the file, the line and the field, because the people who write these files are electricians.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import yaml
from jsonschema import Draft202012Validator

from compuerta.domain.errors import Refused
from compuerta.drivers.model import Model, ModelContradictory, ModelMapping, model_from

SCHEMA_FILE = "schema.json"
FILE_BYTES_MAX = 100_000  # a model is two screens long; more is a mistake or an attack
Field = tuple[str | int, ...]


class ModelFileRefused(Refused):
    """A model file that cannot be used; `line` counts from 1."""

    def __init__(self, *, path: Path, line: int, field: str, reason: str) -> None:
        place = f"{path.parent.name}/{path.name}:{line}"
        super().__init__(f"{place}: {field}: {reason}" if field else f"{place}: {reason}")
        self.path = path
        self.line = line
        self.field = field
        self.reason = reason


def load_models(directory: Path) -> dict[str, Model]:
    """Return every model in `directory` by its name; files that begin with "_" are left out.

    Raises `ModelFileRefused` for the first field of the first file that is wrong.
    """
    schema = Draft202012Validator(json.loads((directory / SCHEMA_FILE).read_text(encoding="utf-8")))
    paths = [path for path in sorted(directory.glob("*.yaml")) if not path.name.startswith("_")]
    return {path.stem: load_model(path, schema=schema) for path in paths}


def load_model(path: Path, *, schema: Draft202012Validator) -> Model:
    """Return the model that the file at `path` describes; its name is the file's name."""
    tree = _tree_of(path)
    lines = dict(_lines_of(tree, path=path))
    mapping = yaml.SafeLoader("").construct_document(tree)
    error = min(
        schema.iter_errors(mapping), key=lambda error: lines[tuple(error.absolute_path)], default=None
    )
    if error is not None:
        place = tuple(error.absolute_path)
        raise ModelFileRefused(path=path, line=lines[place], field=_dotted(place), reason=error.message)
    model_mapping = cast(ModelMapping, mapping)
    if model_mapping["name"] != path.stem:
        reason = f"{model_mapping['name']!r} is not the name of the file"
        raise ModelFileRefused(path=path, line=lines[("name",)], field="name", reason=reason)
    try:
        return model_from(model_mapping)
    except ModelContradictory as contradiction:
        field = tuple(contradiction.field.split("."))
        raise ModelFileRefused(
            path=path, line=lines[field], field=contradiction.field, reason=contradiction.reason
        ) from contradiction


def _tree_of(path: Path) -> yaml.Node:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ModelFileRefused(path=path, line=1, field="", reason=f"larger than {FILE_BYTES_MAX} bytes")
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ModelFileRefused(path=path, line=line, field="", reason=str(error.problem)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelFileRefused(path=path, line=1, field="", reason="is not YAML in UTF-8") from error
    if not isinstance(tree, yaml.MappingNode):
        raise ModelFileRefused(path=path, line=1, field="", reason="is not a mapping of fields")
    return tree


def _lines_of(node: yaml.Node, *, path: Path, field: Field = ()) -> Iterator[tuple[Field, int]]:
    """Yield every field below `node` with its line; a key that comes twice is refused."""
    yield field, node.start_mark.line + 1
    children: Iterable[tuple[str | int, yaml.Node, int]] = ()
    if isinstance(node, yaml.MappingNode):
        children = ((key.value, value, key.start_mark.line + 1) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        children = ((place, value, value.start_mark.line + 1) for place, value in enumerate(node.value))
    seen: set[str | int] = set()
    for key, child, line in children:
        if key in seen:  # YAML would silently take the last one
            raise ModelFileRefused(path=path, line=line, field=_dotted((*field, key)), reason="comes twice")
        seen.add(key)
        yield from _lines_of(child, path=path, field=(*field, key))


def _dotted(field: Field) -> str:
    return ".".join(str(part) for part in field)
