"""Documents that name things which are not there mislead at the worst moment."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.tidy.house import PACKAGE, ROOT, documents, dotted, sources

ADR_LINES_MAX = 60
ADR_SECTIONS = ("Context", "Decision", "What it rules out", "When to look again")

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
# `compuerta.services.vend.accept_payments`, with or without its brackets.
FULL_NAME = re.compile(rf"`({PACKAGE}(?:\.\w+)+)(?:\(\))?`")
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\]", re.MULTILINE)


def prose(text: str) -> str:
    return FENCE.sub("", text)


def first_headings(text: str) -> list[str]:
    return re.findall(r"^# .+", prose(text), re.MULTILINE)


def dead_links(path: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(prose(text)):
        name = target.partition("#")[0]
        if (
            name
            and "://" not in name
            and not name.startswith("mailto:")
            and not (ROOT / path.parent / name).exists()
        ):
            yield f"{path}: links to {name}, which is not there"


def names_of_nothing(path: Path, text: str) -> Iterator[str]:
    for name in FULL_NAME.findall(text):
        if not exists_in_code(name):
            yield f"{path}: names `{name}`, which is not in the code"


@cache
def names_by_module() -> dict[str, frozenset[str]]:
    """What each module defines or lets through, and the members of its classes as `Class.member`."""
    return {source.module: frozenset(_names_of(source.tree)) for source in sources("src")}


def _names_of(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=body):
                yield name
                yield from (
                    f"{name}.{member}" for member in _names_of(ast.Module(body=body, type_ignores=[]))
                )
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
            case ast.Assign(targets=targets):
                yield from map(dotted, targets)
            case ast.AnnAssign(target=target):
                yield dotted(target)


def exists_in_code(name: str) -> bool:
    modules = names_by_module()
    parts = name.split(".")
    folders = any(module.startswith(f"{name}.") for module in modules)
    return folders or any(
        ".".join(parts[:cut]) in modules
        and (cut == len(parts) or ".".join(parts[cut:]) in modules[".".join(parts[:cut])])
        for cut in range(1, len(parts) + 1)
    )


def adr_complaints(path: Path, text: str) -> Iterator[str]:
    if len(text.splitlines()) > ADR_LINES_MAX:
        yield f"{path}: longer than {ADR_LINES_MAX} lines: a decision fits a screen"
    found = tuple(re.findall(r"^## (.+)$", text, re.MULTILINE))
    if found != ADR_SECTIONS:
        yield f"{path}: has the sections {found}, and needs {ADR_SECTIONS}"
    if not re.match(rf"# {path.name[:4]}\. \S.+\n", text):
        yield f"{path}: begins with `# {path.name[:4]}. The decision, as a sentence`"


def command_names() -> Iterator[str]:
    cli = importlib.import_module(f"{PACKAGE}.apps.cli")
    typer_main = importlib.import_module("typer.main")
    yield from typer_main.get_command(cli.app).commands


@pytest.mark.parametrize("rule", [dead_links, names_of_nothing])
def test_documents_keep_the_rule(rule: object) -> None:
    assert callable(rule)

    complaints = [line for path, text in documents().items() for line in rule(path, text)]

    assert not complaints, "\n" + "\n".join(complaints)


def test_a_document_has_one_title() -> None:
    titles = {str(path): first_headings(text) for path, text in documents().items()}

    assert not {path: found for path, found in titles.items() if len(found) != 1}


def test_a_decision_says_why_and_when_to_look_again() -> None:
    decisions = {path: text for path, text in documents().items() if path.match("docs/adr/[0-9]*.md")}

    complaints = [line for path, text in decisions.items() for line in adr_complaints(path, text)]

    assert decisions
    assert not complaints, "\n" + "\n".join(complaints)
    assert [path.name[:4] for path in decisions] == [
        f"{number:04}" for number in range(1, len(decisions) + 1)
    ]


def test_the_changelog_is_of_this_version() -> None:
    changelog = ROOT / "CHANGELOG.md"

    releases = RELEASE.findall(changelog.read_text())

    assert releases[:1] == [importlib.import_module(PACKAGE).__version__]


def test_every_command_is_in_a_document() -> None:
    everything = "\n".join(documents().values())

    unknown = [name for name in command_names() if not re.search(rf"\b{PACKAGE} {name}\b", everything)]

    assert not unknown, f"no document tells of: {', '.join(unknown)}"


@pytest.mark.parametrize(
    "complaints",
    [
        dead_links(Path("README.md"), "see [the tour](docs/no-such-tour.md)"),
        names_of_nothing(Path("README.md"), "call `compuerta.domain.money.no_such_name()`"),
        names_of_nothing(Path("README.md"), "see `compuerta.no_such_room`"),
        adr_complaints(Path("docs/adr/0001-a.md"), "# 0002. Wrong number\n"),
        adr_complaints(Path("docs/adr/0001-a.md"), "# 0001. Long\n" + "\n" * ADR_LINES_MAX),
    ],
)
def test_the_rule_can_fail(complaints: Iterator[str]) -> None:
    assert list(complaints)


def test_two_titles_are_seen_and_comments_in_code_are_not_titles() -> None:
    assert len(first_headings("# One\n# Two\n```sh\n# three\n```\n")) == 2


def test_a_name_that_is_there_is_found() -> None:
    text = "`compuerta.domain.errors.Refused` in `compuerta.domain`, `compuerta.services.vend`"

    assert not list(names_of_nothing(Path("README.md"), text))
