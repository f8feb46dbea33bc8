"""The model files: YAML on disk becomes `Model`s, or an error that says where to look.

Errors name the file, the line and the field, because the people who write these files are electricians.
"""

import json
from pathlib import Path
from typing import cast

import yaml
from jsonschema import Draft202012Validator

from compuerta.adapters.yaml_files import FileRefused, dotted, lines_of, tree_of
from compuerta.drivers.model import Model, ModelContradictory, ModelMapping, model_from

SCHEMA_FILE = "schema.json"


def load_models(directory: Path) -> dict[str, Model]:
    """Return every model in `directory` by its name; files that begin with "_" are left out.

    Raises `FileRefused` for the first field of the first file that is wrong.
    """
    schema = Draft202012Validator(json.loads((directory / SCHEMA_FILE).read_text(encoding="utf-8")))
    paths = [path for path in sorted(directory.glob("*.yaml")) if not path.name.startswith("_")]
    return {path.stem: load_model(path, schema=schema) for path in paths}


def load_model(path: Path, *, schema: Draft202012Validator) -> Model:
    """Return the model that the file at `path` describes; its name is the file's name."""
    tree = tree_of(path)
    lines = dict(lines_of(tree, path=path))
    mapping = yaml.SafeLoader("").construct_document(tree)
    error = min(
        schema.iter_errors(mapping), key=lambda error: lines[tuple(error.absolute_path)], default=None
    )
    if error is not None:
        place = tuple(error.absolute_path)
        raise FileRefused(path=path, line=lines[place], field=dotted(place), reason=error.message)
    model_mapping = cast(ModelMapping, mapping)
    if model_mapping["name"] != path.stem:
        reason = f"{model_mapping['name']!r} is not the name of the file"
        raise FileRefused(path=path, line=lines[("name",)], field="name", reason=reason)
    try:
        return model_from(model_mapping)
    except ModelContradictory as contradiction:
        field = tuple(contradiction.field.split("."))
        raise FileRefused(
            path=path, line=lines[field], field=contradiction.field, reason=contradiction.reason
        ) from contradiction
