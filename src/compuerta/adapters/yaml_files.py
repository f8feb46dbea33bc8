"""YAML files that people write: read with the line of every field, so that an error says where to look."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from compuerta.domain.errors import Refused

FILE_BYTES_MAX = 100_000  # such a file is a few screens long; more is a mistake or an attack
DEPTH_MAX = 16
Field = tuple[str | int, ...]


class FileRefused(Refused):
    """A file that cannot be used; `line` counts from 1."""

    def __init__(self, *, path: Path, line: int, field: str, reason: str) -> None:
        place = f"{path.parent.name}/{path.name}:{line}"
        super().__init__(f"{place}: {field}: {reason}" if field else f"{place}: {reason}")
        self.path = path
        self.line = line
        self.field = field
        self.reason = reason


def tree_of(path: Path) -> yaml.Node:
    """Return a file's tree, which is a mapping; refuses what is no YAML, or too large."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise FileRefused(path=path, line=1, field="", reason=f"larger than {FILE_BYTES_MAX} bytes")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_riddles(text, path=path)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileRefused(path=path, line=line, field="", reason=str(error.problem)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FileRefused(path=path, line=1, field="", reason="is not YAML in UTF-8") from error
    if not isinstance(tree, yaml.MappingNode):
        raise FileRefused(path=path, line=1, field="", reason="is not a mapping of fields")
    return tree


def _refuse_riddles(text: str, *, path: Path) -> None:
    """Refuse what grows when it is read (aliases of aliases), or is nested deeper than anybody writes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEPTH_MAX:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FileRefused(
                path=path, line=line, field="", reason="has an alias (*), or is nested too deep"
            )


def lines_of(node: yaml.Node, *, path: Path, field: Field = ()) -> Iterator[tuple[Field, int]]:
    """Yield every field below `node` with its line; a key that comes twice is refused."""
    yield field, node.start_mark.line + 1
    children: Iterable[tuple[str | int, yaml.Node, int]] = ()
    if isinstance(node, yaml.MappingNode):
        children = ((_name(key, path=path), value, key.start_mark.line + 1) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        children = ((place, value, value.start_mark.line + 1) for place, value in enumerate(node.value))
    seen: set[str | int] = set()
    for key, child, line in children:
        if key in seen:  # YAML would silently take the last one
            raise FileRefused(path=path, line=line, field=dotted((*field, key)), reason="comes twice")
        seen.add(key)
        yield from lines_of(child, path=path, field=(*field, key))


def _name(key: yaml.Node, *, path: Path) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise FileRefused(
            path=path, line=key.start_mark.line + 1, field="", reason="write a name, not a list"
        )
    return str(key.value)


def dotted(field: Field) -> str:
    """Return a field as it is written in errors, such as `relay.style`."""
    return ".".join(str(part) for part in field)
