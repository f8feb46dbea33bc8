"""The press: three papers, three languages, and names that try to be more than text."""

import re
import struct
import zlib
from dataclasses import replace

import pytest
import segno

from compuerta.adapters.paper import press
from compuerta.adapters.paper.press import Paper
from compuerta.domain import receipt_words
from compuerta.domain.contact import Language
from compuerta.services.receipt_sheet import Row, Sheet

PROOF = "https://volta.example/r/00000000-0000-4000-8000-000000000000"
_BOX = re.compile(rb"/MediaBox ?\[ ?([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ?\]")


def a_sheet(*, name: str = "Ana", language: Language = Language.ENGLISH, rows: int = 1) -> Sheet:
    words = receipt_words.WORDS[language]
    return Sheet(
        language=language,
        owner="Casa",
        title=words["title"],
        stamps=(),
        sections=((Row(label=words["customer"], value=name),) * rows,),
        proof=words["proof"],
    )


def size_of(pdf: bytes) -> tuple[int, int]:
    """Return the size of a PDF's first page in millimetres."""
    for stream in (pdf, *_streams(pdf)):
        found = _BOX.search(stream)
        if found:
            _x, _y, width, height = (float(number) * 25.4 / 72 for number in found.groups())
            return round(width), round(height)
    raise AssertionError("this PDF has no page")


def _streams(pdf: bytes) -> list[bytes]:
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    opened = []
    for each in packed:
        try:
            opened.append(zlib.decompress(each))
        except zlib.error:
            continue
    return opened


def characters_of_the_font() -> set[str]:
    """Return what the font can show: the segments of its `cmap` in format 4 (OpenType 1.9, 5.1.4)."""
    font = (press.FONTS / "CompuertaReceiptSC-Regular.otf").read_bytes()
    tables = struct.unpack(">H", font[4:6])[0]
    entries = [struct.unpack(">4sIII", font[12 + 16 * n : 28 + 16 * n]) for n in range(tables)]
    at = next(offset for tag, _sum, offset, _length in entries if tag == b"cmap")
    count = struct.unpack(">H", font[at + 2 : at + 4])[0]
    parts = [struct.unpack(">HHI", font[at + 4 + 8 * n : at + 12 + 8 * n]) for n in range(count)]
    begin = next(at + part for _p, _e, part in parts if font[at + part : at + part + 2] == b"\0\4")
    double = struct.unpack(">H", font[begin + 6 : begin + 8])[0]
    ends = struct.unpack(f">{double // 2}H", font[begin + 14 : begin + 14 + double])
    starts = struct.unpack(f">{double // 2}H", font[begin + 16 + double : begin + 16 + 2 * double])
    return {chr(code) for start, end in zip(starts, ends, strict=True) for code in range(start, end + 1)}


@pytest.mark.parametrize(("paper", "width_mm"), [(Paper.ROLL_58, 58), (Paper.ROLL_80, 80), (Paper.A4, 210)])
@pytest.mark.parametrize("language", list(Language))
def test_each_paper_has_its_width_in_each_language(paper: Paper, width_mm: int, language: Language) -> None:
    pdf = press.pdf(a_sheet(language=language), paper=paper, proof_url=PROOF)

    assert pdf.startswith(b"%PDF-")
    assert size_of(pdf)[0] == width_mm


def test_a_roll_is_as_long_as_what_it_says() -> None:
    short = press.pdf(a_sheet(rows=1), paper=Paper.ROLL_80, proof_url=PROOF)
    long = press.pdf(a_sheet(rows=30), paper=Paper.ROLL_80, proof_url=PROOF)

    assert size_of(long)[1] > size_of(short)[1] + 80


def test_the_letters_are_in_the_file() -> None:
    pdf = press.pdf(a_sheet(language=Language.CHINESE), paper=Paper.ROLL_58, proof_url=PROOF)

    assert any(b"CompuertaReceiptSC" in stream for stream in (pdf, *_streams(pdf)))


@pytest.mark.parametrize("language", list(Language))
def test_every_word_on_receipts_has_its_letters(language: Language) -> None:
    needed = set("".join(receipt_words.WORDS[language].values())) | set("0123456789.,-:·…¥€$£ {}")

    assert needed <= characters_of_the_font()


def test_names_of_people_have_their_letters() -> None:
    assert set("王小明欧阳喆堃昇玥张伟 Íñigo Ångström Çelik") <= characters_of_the_font()


@pytest.mark.parametrize("name", ["𪚥", "אברהם", "🙂", "\u0007", "𠮷野家", "अमृता"])
def test_a_name_beyond_the_font_is_no_failure(name: str) -> None:
    assert press.pdf(a_sheet(name=name), paper=Paper.ROLL_58, proof_url=PROOF).startswith(b"%PDF-")


@pytest.mark.parametrize(
    "name",
    [
        '#import "@preview/cetz:0.3.0"',
        "#panic()",
        "#set page(width: 1mm)",
        "] #pagebreak() [",
        '" } #read("/etc/passwd") {',
        "*b* _i_ `c` $x$ // y /* z",
        '\\") + sys.version + ("',
    ],
)
def test_a_name_stays_text_whatever_it_looks_like(name: str) -> None:
    harmless = press.pdf(a_sheet(name="x" * len(name)), paper=Paper.A4, proof_url=PROOF)

    pdf = press.pdf(a_sheet(name=name), paper=Paper.A4, proof_url=PROOF)

    assert size_of(pdf) == size_of(harmless)
    assert pdf.count(b"/Type/Page/") == harmless.count(b"/Type/Page/")


def test_the_qr_is_of_the_address_and_keeps_its_quiet_zone() -> None:
    drawn = press.qr_svg(PROOF)
    code = segno.make(PROOF, error="m", micro=False, boost_error=False)

    width = code.symbol_size(border=4)[0]

    assert f'viewBox="0 0 {width} {width}"' in drawn or f'width="{width}"' in drawn
    assert drawn != press.qr_svg(PROOF.replace("000000", "000001"))


def test_what_was_printed_before_leaves_no_trace() -> None:
    first = press.pdf(a_sheet(name="Ana"), paper=Paper.ROLL_80, proof_url=PROOF)
    press.pdf(replace(a_sheet(name="Bruno"), stamps=("COPY 1",)), paper=Paper.ROLL_80, proof_url=PROOF)

    again = press.pdf(a_sheet(name="Ana"), paper=Paper.ROLL_80, proof_url=PROOF)

    assert size_of(again) == size_of(first)
    assert len(again) == len(first)
