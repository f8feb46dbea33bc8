"""What must not be in any file of the project: places on one machine, and where packages came from."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tidy.house import PACKAGE, ROOT, project_files

FILE_BYTES_MAX = 1_000_000
FONT_BYTES_MAX = 2_000_000  # nobody reviews its bytes, but the recipe that stands beside it
# Spelled in pieces, so that this file does not find itself.
PRIVATE = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|opt/pyp" + r"i|hom" + r"e/\w+)/"
    ),
    "a package index": re.compile(r"py" + r"pi\.(?:org|python)|python" + r"hosted|npm" + r"js\.(?:org|com)"),
    "an address that pins packages": re.compile(
        r"^--(?:extra-)?index-url|^--find-links|^--trusted-host", re.M
    ),
}


def private_things(path: Path, text: str) -> Iterator[str]:
    for what, pattern in PRIVATE.items():
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path}:{line}: {what}: {found.group()}"


def text_of(path: Path) -> str:
    try:
        return (ROOT / path).read_text()
    except UnicodeDecodeError:
        return ""  # a picture or a font


def test_no_file_names_a_machine_or_a_package_index() -> None:
    complaints = [line for path in project_files() for line in private_things(path, text_of(path))]

    assert not complaints, "\n" + "\n".join(complaints)


def test_no_file_is_too_large_for_a_review() -> None:
    bounds = {".otf": FONT_BYTES_MAX}
    large = [
        str(path)
        for path in project_files()
        if (ROOT / path).stat().st_size > bounds.get(path.suffix, FILE_BYTES_MAX)
    ]

    assert not large


def test_every_requirement_is_pinned_with_hashes() -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text())
    pins = [block for block in blocks if not block.startswith("#")]

    assert len(pins) > 1
    assert all(re.match(r"[\w.-]+==\S+ ", pin) and "--hash=sha256:" in pin for pin in pins)


@pytest.mark.parametrize("names", ["requirements.in", "requirements-dev.in"])
def test_every_wanted_package_is_among_the_pins(names: str) -> None:
    wanted = re.findall(r"^([\w.-]+)", (ROOT / names).read_text(), re.MULTILINE)
    pinned = {
        name.lower() for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.M)
    }

    assert not {name.lower() for name in wanted if not name.startswith("-")} - pinned


def test_the_command_is_the_one_that_make_writes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["scripts"] == {PACKAGE: f"{PACKAGE}.apps.cli:main"}
    assert f"-m {PACKAGE}.apps.cli" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("text", ["see /wor" + "k/main", "from py" + "pi.org", "--find-links somewhere"])
def test_the_rule_can_fail(text: str) -> None:
    assert list(private_things(Path("a.md"), text))


@pytest.mark.parametrize("text", ["docs/opt/a.md", "https://example.org/home", "a/root/b"])
def test_the_rule_lets_good_text_pass(text: str) -> None:
    assert not list(private_things(Path("a.md"), text))
