"""Code that nothing uses is read by everybody and kept by nobody."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache

from tests.tidy.house import Source, dotted, source_of, sources

# What Django looks for by name and no line of ours imports.
FOUND_BY_DJANGO = frozenset(
    {"formats", "admin", "apps", "models", "migrations", "management", "templatetags"}
)

# Whoever holds other bills against ours calls these from outside the project.
FOR_OUTSIDE_CHECKS = frozenset({"monthly_totals"})


@cache
def uses() -> Counter[str]:
    """How often each name and dotted string is used in code that ships, and in benchmarks."""
    return Counter(name for source in (*sources("src"), *sources("bench")) for name in names_used(source))


def names_used(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                for alias in names:
                    yield f"{module}.{alias.name}"
                    if source.path.name != "__init__.py":  # to be let out of the front door is not to be used
                        yield alias.name
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(text)) if len(text) < 200 and not text.isidentifier():
                # Settings, process targets and entry points name things in strings, by dotted names; a plain
                # word is a word, and says nothing of a function of that name.
                yield text
                yield from text.replace(":", ".").rpartition(".")[::2]


def is_entry_point(source: Source) -> bool:
    runs_itself = 'if __name__ == "__main__":' in source.text
    is_found_by_name = not FOUND_BY_DJANGO.isdisjoint(source.module.split(".")[2:])
    return runs_itself or source.path.name == "__init__.py" or is_found_by_name


def test_every_module_is_imported_by_another() -> None:
    orphans = [
        f"{source.path}: nothing imports {source.module}: use it, or delete it"
        for source in sources("src")
        if not is_entry_point(source) and not uses()[source.module]
    ]

    assert not orphans, "\n" + "\n".join(orphans)


def test_every_public_function_is_called() -> None:
    orphans = [
        f"{source.path}:{node.lineno}: only tests call {node.name}: use it, make it private, or delete it"
        for source in sources("src")
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        # A decorated function has been handed over to the framework that decorates it.
        if not node.name.startswith("_") and not node.decorator_list and not uses()[node.name]
        if not is_entry_point(source) or source.path.name == "__init__.py"
        if node.name not in FOR_OUTSIDE_CHECKS
    ]

    assert not orphans, "\n" + "\n".join(orphans)


def test_a_name_in_an_import_a_call_or_a_setting_is_used() -> None:
    text = "from a.b import c\nd.e()\nURLS = 'f.g:h'\ndef i(): ..."

    used = set(names_used(source_of(text, path="src/compuerta/domain/used.py")))

    assert {"a.b", "a.b.c", "c", "e", "f.g", "h"} <= used
    assert "i" not in used


def test_the_package_names_its_version_once() -> None:
    assignments = [
        source.path
        for source in sources("src")
        for node in source.tree.body
        if isinstance(node, ast.Assign) and "__version__" in {dotted(target) for target in node.targets}
    ]

    assert [str(path) for path in assignments] == ["src/compuerta/__init__.py"]
