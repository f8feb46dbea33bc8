"""The press: a receipt's lines become a PDF, on till rolls of 58 and 80 mm and on A4.

The templates beside this file say where things stand; what stands there is handed over as JSON, and is never
read as markup. All letters are of the one font that is brought along, so that a fresh machine prints Chinese.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final, Literal

import segno
import typst

from compuerta.domain.contact import Language
from compuerta.services.receipt_sheet import Sheet

_ROOM: Final = Path(__file__).parent
FONTS: Final = _ROOM / "fonts"
TYPESETTING: Final[Mapping[Language, str]] = MappingProxyType(
    {Language.ENGLISH: "en", Language.SPANISH: "es", Language.CHINESE: "zh"}
)


class Paper(Enum):
    """What a receipt is printed on; each has a template of its name."""

    ROLL_58 = "58"  # mm
    ROLL_80 = "80"
    A4 = "a4"


def pdf(sheet: Sheet, *, paper: Paper, proof_url: str) -> bytes:
    """Print a receipt, with the address of its proof as a QR."""
    return _pressed(sheet, paper=paper, proof_url=proof_url, kind="pdf")


def qr_svg(text: str) -> str:
    """Return the QR of a text as SVG: error level M, and the quiet zone of four modules."""
    drawn = BytesIO()
    segno.make(text, error="m", micro=False, boost_error=False).save(drawn, kind="svg", border=4)
    return drawn.getvalue().decode()


def _pressed(sheet: Sheet, *, paper: Paper, proof_url: str, kind: Literal["pdf", "png"]) -> bytes:
    told = {**asdict(sheet), "language": TYPESETTING[sheet.language], "qr": qr_svg(proof_url)}
    with _ONE_AT_A_TIME:
        pressed = _press(paper).compile(format=kind, ppi=203.0, sys_inputs={"sheet": json.dumps(told)})
    assert isinstance(pressed, bytes), "a receipt is one page, however long"
    return pressed


# A press keeps fonts and templates read; it sets one receipt at a time, which takes some milliseconds.
_ONE_AT_A_TIME: Final = Lock()


@lru_cache(maxsize=len(Paper))
def _press(paper: Paper) -> typst.Compiler:
    return typst.Compiler(
        input=str(_ROOM / f"{paper.value}.typ"),
        root=str(_ROOM),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
    )
