"""A drawing as PNG, for those who cannot show SVG."""

from pathlib import Path

import typst

from compuerta.adapters.paper.press import FONTS

_PPI = 144.0
_LETTERS: list[str | Path | bytes] = [FONTS]


def png(svg: str) -> bytes:
    """Turn SVG into PNG."""
    page = '#set page(width: 480pt, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    drawn = typst.compile(
        page.encode(),
        format="png",
        ppi=_PPI,
        sys_inputs={"svg": svg},
        font_paths=_LETTERS,
        ignore_system_fonts=True,
    )
    assert isinstance(drawn, bytes), "a drawing is one page"
    return drawn
