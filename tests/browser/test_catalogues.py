"""Every word of the console is there in Spanish and Chinese; no gettext tool is needed to know."""

import ast
import gettext
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from compuerta.apps.console import tariff_words

CONSOLE = Path(__file__).resolve().parents[2] / "src" / "compuerta" / "apps" / "console"
FOLDERS = {"es": "es", "zh-hans": "zh_Hans"}
WORD = re.compile(r"""\{%\s*translate\s+(?:"([^"]+)"|'([^']+)')""")
BLOCK = re.compile(r"\{%\s*blocktranslate([^%]*)%\}(.*?)\{%\s*endblocktranslate\s*%\}", re.S)
PLURAL = re.compile(r"\{%\s*plural\s*%\}")
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"}


@cache
def catalogue(language: str) -> gettext.GNUTranslations:
    path = CONSOLE / "locale" / FOLDERS[language] / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


def words_in_template(text: str) -> Iterator[str]:
    for double, single in WORD.findall(text):
        yield double or single
    for _, inner in BLOCK.findall(text):
        # A plural is kept under its singular.
        yield re.sub(r"\{\{\s*(\w+)\s*\}\}", r"%(\1)s", PLURAL.split(inner)[0])


def words_in_code(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


@cache
def words() -> frozenset[str]:
    """Every word that our templates and code show."""
    templates = (path.read_text() for path in sorted((CONSOLE / "templates").rglob("*.html")))
    code = (path.read_text() for path in sorted(CONSOLE.rglob("*.py")))
    return frozenset(
        [word for text in templates for word in words_in_template(text)]
        + [word for text in code for word in words_in_code(text)]
    )


def translated(word: str, *, language: str) -> str | None:
    """The word in a language, or None where the catalogue lacks it."""
    entries: dict[object, str] = catalogue(language)._catalog  # type: ignore[attr-defined]
    return entries.get(word) or entries.get((word, 0))


def untranslated_in(text: str, *, language: str) -> list[str]:
    """The English words of ours that a page in another language still shows; short ones may be anything."""
    return [
        word
        for word in sorted(words())
        if len(word) >= 8 and "%(" not in word and translated(word, language=language) not in (word, None)
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)
    ]


def entries_of(text: str) -> dict[str, str]:
    """The words and their (first) translations of a .po file as we write them: one line each."""
    found = re.findall(r'^msgid "(.+)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(.*)"$', text, re.MULTILINE)
    return {word.replace('\\"', '"'): told.replace('\\"', '"') for word, told in found}


@pytest.mark.parametrize("language", sorted(FOLDERS))
def test_every_word_has_a_translation(language: str) -> None:
    missing = [word for word in sorted(words()) if translated(word, language=language) is None]

    assert len(words()) > 200
    assert not missing


@pytest.mark.parametrize("language", sorted(FOLDERS))
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    written = entries_of((CONSOLE / "locale" / FOLDERS[language] / "LC_MESSAGES" / "django.po").read_text())

    differ = [word for word, told in written.items() if translated(word, language=language) != told]

    assert len(written) > 200
    assert not differ


@pytest.mark.parametrize("language", sorted(FOLDERS))
def test_translations_keep_the_places_of_values(language: str) -> None:
    written = entries_of((CONSOLE / "locale" / FOLDERS[language] / "LC_MESSAGES" / "django.po").read_text())
    places = re.compile(r"%\(\w+\)s")

    differ = [word for word, told in written.items() if places.findall(word) != places.findall(told)]

    assert not differ


def test_the_rule_can_fail() -> None:
    assert translated("a word that nobody wrote", language="es") is None
    assert untranslated_in("… Low balances …", language="es") == ["Low balances"]
    template = "{% translate 'one' %}{% blocktranslate %}two {{ n }}{% endblocktranslate %}"
    assert list(words_in_template(template)) == ["one", "two %(n)s"]


REFUSING = {"refused", "_miss", "_miss_beyond"}  # what says a reason with its last argument


def reasons_in(text: str) -> Iterator[str]:
    """What is said of a faulty tariff, a rate or a meter: last of what is yielded, or called a reason."""
    for node in ast.walk(ast.parse(text)):
        told: ast.expr | None = None
        match node:
            case ast.Yield(value=ast.Tuple(elts=[*_, last])):
                told = last
            case ast.Call(func=ast.Attribute(attr=name), args=[*_, last]) if name in REFUSING:
                told = last
            case (
                ast.keyword(arg="reason", value=value)
                | ast.Assign(targets=[ast.Name(id="reason")], value=value)
            ):
                told = value
        choices = [told.body, told.orelse] if isinstance(told, ast.IfExp) else [told]
        for choice in choices:
            if isinstance(choice, ast.Constant | ast.JoinedStr):
                yield from texts_of(choice)


def texts_of(told: ast.Constant | ast.JoinedStr) -> Iterator[str]:
    """A text with a sample for each value; a value that is one of two words stands for itself."""
    parts = told.values if isinstance(told, ast.JoinedStr) else [told]
    texts = [""]
    for part in parts:
        match part:
            case ast.FormattedValue(
                value=ast.IfExp(body=ast.Constant() as one, orelse=ast.Constant() as two)
            ):
                said = [str(one.value), str(two.value)]
            case ast.Constant(value=value):
                said = [str(value)]
            case _:
                said = ["sample"]
        texts = [text + each for text in texts for each in said]
    yield from filter(None, texts)


def is_known(reason: str) -> bool:
    """Whether a reason can be said in other languages, by itself or of something that has a name."""
    said = [reason, f"sample {reason}"]
    return any(pattern.fullmatch(each) for _, pattern in tariff_words.REASON_PATTERNS for each in said)


# Made of words that are said elsewhere in their file, and are looked at there.
MADE_OF_WORDS = {
    "domain/tariff/fitting.py": {
        "a meter sample at sample: change where a window of both begins",
        "the meter has sample",
    },
    "domain/tariff/checking.py": {"sample sample"},
}


@pytest.mark.parametrize(
    ("file", "least"),
    [
        ("domain/tariff/checking.py", 30),
        ("domain/tariff/document.py", 5),
        ("domain/tariff/fitting.py", 25),
        ("domain/tariff/reading.py", 15),
        ("domain/tariff/urdb.py", 20),
        ("services/tariffing.py", 3),
    ],
)
def test_every_reason_why_a_tariff_is_refused_has_a_translation(file: str, least: int) -> None:
    said = set(reasons_in((CONSOLE.parents[1] / file).read_text()))

    reasons = {each for each in said - MADE_OF_WORDS.get(file, set()) if not each.startswith("components[")}

    assert len(reasons) >= least
    assert not [reason for reason in reasons if not is_known(reason)]


def facts_in(text: str) -> Iterator[str]:
    """What is told of a tariff, place and value, and the tables of words it is told by, piece by piece."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Yield(value=ast.Tuple(elts=told)) | ast.Dict(values=told):
                for each in told:
                    choices = [each.body, each.orelse] if isinstance(each, ast.IfExp) else [each]
                    for choice in choices:
                        if isinstance(choice, ast.Constant | ast.JoinedStr):
                            yield from (piece for said in texts_of(choice) for piece in said.split(", "))


def test_every_fact_of_a_tariff_has_a_translation() -> None:
    told = set(facts_in((CONSOLE.parents[1] / "domain/tariff/diff.py").read_text()))

    # A bound's place may begin with its period; then the comma between them is the period's.
    facts = {each.removeprefix("sample") if each.startswith("samplestep") else each for each in told}
    facts = {each for each in facts if each.replace("sample", "").strip(" %")}

    assert len(facts) >= 40
    assert {"sample persons or more", "the same for everybody", "large households"} <= facts
    assert not [
        fact for fact in facts if not any(each.fullmatch(fact) for _, each in tariff_words.PHRASE_PATTERNS)
    ]


def test_a_fault_of_unknown_words_is_seen() -> None:
    assert not is_known("a reason that nobody translated")
    assert list(reasons_in('def f():\n    yield ".place", f"write {most}, not less"')) == [
        "write sample, not less"
    ]
