"""Rules of style that a machine can see: sizes, and words that have a better one."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.tidy.house import PURE_ROOMS, Source, dotted, source_of, sources

BODY_LINES_MAX = 40
FILE_LINES_MAX = 600

# How many there are; a number may only fall. It is lowered in the change that shortens one.
LONG_BODIES = 0
LONG_FILES = 0

ALL_ROOMS = (*PURE_ROOMS, "adapters", "virtual", "sim", "apps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Banned:
    """A word of code, the rooms that it must stay out of, and what to write there."""

    word: str
    rooms: tuple[str, ...]
    instead: str


BANNED = (
    Banned(word="float", rooms=PURE_ROOMS, instead="integers in the smallest unit, or Fraction while rating"),
    Banned(word="datetime.now", rooms=(*PURE_ROOMS, "sim"), instead="`now` as an argument"),
    Banned(word="time.time", rooms=(*PURE_ROOMS, "sim"), instead="`now_ms` as an argument"),
    Banned(word="datetime.utcnow", rooms=ALL_ROOMS, instead="datetime.now(UTC), at the edge"),
    # Programs without an event loop may wait so; inside one, ruff's ASYNC rules forbid it.
    Banned(word="time.sleep", rooms=(*PURE_ROOMS, "sim", "virtual"), instead="await asyncio.sleep"),
    Banned(word="Mock", rooms=("tests",), instead="a fake that passes the port's contract tests"),
    Banned(word="MagicMock", rooms=("tests",), instead="a fake that passes the port's contract tests"),
    Banned(word="AsyncMock", rooms=("tests",), instead="a fake that passes the port's contract tests"),
    Banned(word="print", rooms=ALL_ROOMS, instead="the console of rich in apps.cli, a log line elsewhere"),
)
# Spelled in two pieces, so that this file does not find itself.
LEFT_FOR_LATER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")


def banned_words(source: Source) -> Iterator[str]:
    words = [rule for rule in BANNED if source.room in rule.rooms]
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        name = dotted(node)
        for rule in words:
            # A method of the same name as a function is not that function.
            method = rule.word == "print" and isinstance(node, ast.Attribute)
            if not method and (name == rule.word or name.endswith(f".{rule.word}")):
                yield f"{source.path}:{node.lineno}: {rule.word}: write {rule.instead}"


def greedy_handlers(source: Source) -> Iterator[str]:
    if source.room == "apps":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node):
            yield f"{source.path}:{node.lineno}: catch what you can answer; all, only in an app's loop"


def things_left_for_later(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if LEFT_FOR_LATER.search(line):
            yield f"{source.path}:{number}: write an issue, or do it: {line.strip()}"


def long_bodies(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - statements[0].lineno + 1 if statements else 0
            if lines > BODY_LINES_MAX:
                yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines: let it do one thing"


def long_files(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{source.path}: {lines} lines: split it where two things meet"


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    # One that tidies up and raises again lets everything pass.
    raises = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return not raises and any(
        kind is None or dotted(kind) in ("Exception", "BaseException") for kind in kinds
    )


@pytest.mark.parametrize("rule", [banned_words, greedy_handlers, things_left_for_later])
def test_the_code_keeps_the_rule(rule: object) -> None:
    assert callable(rule)

    complaints = [line for source in (*sources("src"), *sources("tests")) for line in rule(source)]

    assert not complaints, "\n" + "\n".join(complaints)


def test_bodies_fit_a_screen() -> None:
    complaints = [line for source in sources("src") for line in long_bodies(source)]

    assert len(complaints) == LONG_BODIES, f"{len(complaints)} of {LONG_BODIES}\n" + "\n".join(complaints)


def test_files_are_short() -> None:
    complaints = [line for source in (*sources("src"), *sources("tests")) for line in long_files(source)]

    assert len(complaints) == LONG_FILES, f"{len(complaints)} of {LONG_FILES}\n" + "\n".join(complaints)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (banned_words, "def price(kwh: float) -> None: ..."),
        (banned_words, "import datetime\nnow = datetime.datetime.now()"),
        (greedy_handlers, "try:\n    f()\nexcept Exception:\n    pass"),
        (greedy_handlers, "try:\n    f()\nexcept:\n    g()"),
        (things_left_for_later, "x = 1  # TO" + "DO: more"),
        (long_bodies, "def f():\n" + "    x = 1\n" * (BODY_LINES_MAX + 1)),
        (long_files, "x = 1\n" * (FILE_LINES_MAX + 1)),
    ],
)
def test_the_rule_can_fail(rule: object, text: str) -> None:
    assert callable(rule)

    complaints = list(rule(source_of(text, path="src/compuerta/domain/bad.py")))

    assert len(complaints) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (greedy_handlers, "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
        (long_bodies, "def f():\n" + "    x = 1\n" * BODY_LINES_MAX),
        (banned_words, "floating = 1"),
    ],
)
def test_the_rule_lets_good_code_pass(rule: object, text: str) -> None:
    assert callable(rule)

    assert not list(rule(source_of(text, path="src/compuerta/domain/good.py")))
