"""The library of ready tariffs: YAML on disk becomes `Tariff`s, or an error that says where to look."""

import re
from pathlib import Path

import yaml

from compuerta.adapters.yaml_files import Field, FileRefused, lines_of, tree_of
from compuerta.domain.tariff.checking import Fault, check
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.reading import TariffMalformed

_LAST_PART = re.compile(r"[.\[]?[^.\[]*$")  # never empty where there is a part: names may hold a bracket


LIBRARY = Path(__file__).parents[3] / "tariffs"  # the ready ones that ship


def load_tariffs(directory: Path) -> dict[str, Tariff]:
    """Return every tariff in `directory` by its file's name; refuses the first wrong file."""
    return {path.stem: load_tariff(path) for path in sorted(directory.glob("*.yaml"))}


def load_tariff(path: Path) -> Tariff:
    """Return the tariff that the file at `path` describes."""
    tree = tree_of(path)
    lines = {_place(field): line for field, line in lines_of(tree, path=path)}
    try:
        tariff = tariff_from(yaml.SafeLoader("").construct_document(tree))
    except TariffMalformed as malformed:
        fault = Fault(place=malformed.place, reason=malformed.reason)
        raise _refused(path, fault, lines=lines) from malformed
    except (yaml.MarkedYAMLError, ValueError, LookupError, AttributeError) as error:  # such as a 30 February
        raise FileRefused(path=path, line=1, field="", reason=f"has a value of no type: {error}") from error
    for fault in check(tariff):
        raise _refused(path, fault, lines=lines)
    return tariff


def _place(field: Field) -> str:
    """Return a field as a tariff's document calls it, such as `components[0].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return "".join(parts).removeprefix(".")


def _refused(path: Path, fault: Fault, *, lines: dict[str, int]) -> FileRefused:
    """What was left out has no line of its own: it is told at what it is missing from."""
    place = fault.place
    while place not in lines:
        place = _LAST_PART.sub("", place, count=1)
    return FileRefused(path=path, line=lines[place], field=fault.place, reason=fault.reason)
