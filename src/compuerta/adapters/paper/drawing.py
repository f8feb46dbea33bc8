"""A drawing as PNG, for those who cannot show SVG."""

import typst

from compuerta.adapters.paper.press import FONTS

_PPI = 144.0


def png(svg: str) -> bytes:
    """Turn SVG into PNG."""
    page = '#set page(width: 480pt, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    drawn = typst.compile(
        page.encode(),
        format="png",
        ppi=_PPI,
        sys_inputs={"svg": svg},
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)]),
    )
    assert isinstance(drawn, bytes), "a drawing is one page"
    return drawn
