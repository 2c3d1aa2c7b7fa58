"""Charts for papers: white, in a font that is shipped, drawn to PNG and SVG by vl-convert."""

from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final, NamedTuple

FONT: Final = "TuneoffSans"
#: Colour-blind-safe order after Okabe and Ito (2008), each darkened until it stands out from white (3:1).
COLOURS: Final = ["#0072B2", "#D55E00", "#008F68", "#C0619A", "#B97F00", "#2F8FC6", "#000000", "#8C564B", "#6F6F6F", "#8A8A00"]
COLOURS_MORE: Final = ["#5E3C99", "#A50026", "#01665E", "#E0007F", "#8C510A", "#2166AC"]
SCALE_PNG: Final = 2.0


def on_paper(chart: dict[str, Any]) -> dict[str, Any]:
    """A chart with its looks."""
    fonts = {"font": FONT, "labelFont": FONT, "titleFont": FONT}
    config = {
        "font": FONT,
        "range": {"category": [*COLOURS, *COLOURS_MORE]},
        "axis": {"grid": True, "gridOpacity": 0.4, "labelFontSize": 12, "titleFontSize": 13},
        "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 300, "symbolOpacity": 1, "symbolStrokeWidth": 2},
        "title": {"fontSize": 15, "anchor": "start", **fonts},
        "view": {"stroke": None},
        "background": "white",
    }
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": config, **chart}


@cache
def _converter() -> Any:
    """vl-convert with the font that is shipped, so that Hangul is drawn everywhere."""
    import vl_convert

    with as_file(files("tuneoff") / "drawing" / "fonts") as folder:
        vl_convert.register_font_directory(str(folder))
    return vl_convert


def svg(chart: dict[str, Any]) -> bytes:
    """A chart as SVG."""
    drawn: str = _converter().vegalite_to_svg(chart)
    return drawn.encode()


def png(drawing: bytes) -> bytes:
    """A drawing of :func:`svg` as PNG: laying a chart out takes far longer than filling its pixels, and is not done twice."""
    pixels: bytes = _converter().svg_to_png(drawing.decode(), scale=SCALE_PNG)
    return pixels


class Drawing(NamedTuple):
    """A chart in both formats."""

    svg: bytes
    png: bytes


def draw(chart: dict[str, Any]) -> Drawing:
    """A chart as SVG and as PNG."""
    drawing = svg(chart)
    return Drawing(drawing, png(drawing))
