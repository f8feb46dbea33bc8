"""What the tidy tests read: the project's own files, and its code as trees."""

import ast
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "compuerta"
PURE_ROOMS = ("domain", "wire", "drivers", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of code: where it is, what it says, and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name by which it is imported."""
        parts = self.path.with_suffix("").parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The folder below the package that it lives in; a test's room is `tests`."""
        return self.path.parts[2] if self.path.parts[0] == "src" else self.path.parts[0]


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is in git or about to be, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    names = filter(None, listed.stdout.split("\0"))
    return tuple(sorted(Path(name) for name in names if (ROOT / name).is_file()))


def source_of(text: str, *, path: str) -> Source:
    """Read one file's text as code."""
    return Source(path=Path(path), text=text, tree=ast.parse(text))


@functools.cache
def sources(top: str) -> tuple[Source, ...]:
    """Return all code below a top folder: `src`, `tests` or `bench`."""
    return tuple(
        source_of((ROOT / path).read_text(), path=str(path))
        for path in project_files()
        if path.parts[0] == top and path.suffix == ".py"
    )


@functools.cache
def documents() -> dict[Path, str]:
    """Return the text of every Markdown file."""
    return {path: (ROOT / path).read_text() for path in project_files() if path.suffix == ".md"}


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, and nothing for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
