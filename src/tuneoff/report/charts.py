"""Charts as Vega-Lite definitions, drawn to PNG and SVG by vl-convert: one definition for paper and page."""

from functools import cache
from importlib.resources import as_file, files
from typing import Any

from tuneoff.analyse import Analysis
from tuneoff.strings import say

FONT = "TuneoffSans"
#: Colour-blind-safe order (Okabe and Ito 2008), then dashes: never colour alone.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B", "#7F7F7F", "#A6A600"]
COLOURS += ["#5E3C99", "#A50026", "#01665E", "#F768A1", "#8C510A", "#2166AC"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [10, 4], [3, 5], [1, 4], [12, 2], [5, 2, 1, 2]]
SCALE_PNG = 2.0


def _style(chart: dict[str, Any]) -> dict[str, Any]:
    fonts = {"font": FONT, "labelFont": FONT, "titleFont": FONT}
    config = {
        "font": FONT,
        "axis": {"grid": True, "gridOpacity": 0.4, "labelFontSize": 12, "titleFontSize": 13},
        "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260, "symbolOpacity": 1, "symbolStrokeWidth": 3},
        "title": {"fontSize": 15, "anchor": "start", **fonts},
        "view": {"stroke": None},
        "background": "white",
    }
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": config, **chart}


def _by_method(names: list[str], title: str) -> dict[str, Any]:
    colour = {"field": "name", "type": "nominal", "title": title, "sort": names}
    count = len(names)
    return {
        "color": {**colour, "scale": {"domain": names, "range": [COLOURS[i % len(COLOURS)] for i in range(count)]}},
        "strokeDash": {**colour, "scale": {"domain": names, "range": [DASHES[i % len(DASHES)] for i in range(count)]}},
    }


def learning_curves(points: list[dict[str, Any]], names: dict[str, str], lang: str) -> dict[str, Any]:
    """Training loss and validation accuracy of every method over its training: mean over seeds and their range."""
    rows = [{**point, "name": names[point["label"]], "done": 100 * point["done"]} for point in points]
    shown = list(dict.fromkeys(row["name"] for row in rows))
    shared = _by_method(shown, say("report.method", lang))
    x = {"field": "done", "type": "quantitative", "title": say("report.chart_done", lang), "scale": {"domain": [0, 100]}}

    def panel(measure: str) -> dict[str, Any]:
        y = {"type": "quantitative", "title": say(f"report.chart_{measure}", lang), "scale": {"zero": False}}
        return {
            "width": 420,
            "height": 300,
            "transform": [{"filter": f"datum.measure === '{measure}'"}],
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.12},
                    "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": shared["color"]},
                },
                {"mark": {"type": "line", "point": {"size": 25}}, "encoding": {"x": x, "y": {"field": "mean", **y}, **shared}},
            ],
        }

    return _style({"title": say("report.chart_curves", lang), "data": {"values": rows}, "hconcat": [panel("loss"), panel("accuracy")]})


def trade_off(analysis: Analysis, names: dict[str, str], cost: str, lang: str) -> dict[str, Any]:
    """Accuracy with its interval against one cost: ``memory`` (MB) or ``time`` (seconds). The majority class costs nothing."""
    rows: list[dict[str, Any]] = []
    for row in analysis.rows:
        value = row.memory.get("train_peak_bytes") if cost == "memory" else row.time.get("train_seconds")
        if row.accuracy and value and row.trained and row.method != "majority":
            reading = value / 1e6 if cost == "memory" else value
            rows.append({"name": names[row.label], "cost": reading, **row.accuracy.as_dict()})
    shared = _by_method([row["name"] for row in rows], say("report.method", lang))
    shared["color"]["legend"] = None  # Every point carries its name.
    x = {
        "field": "cost",
        "type": "quantitative",
        "title": say(f"report.chart_{cost}", lang),
        "scale": {"type": "log", "nice": False, "padding": 40},
    }
    y = {"type": "quantitative", "title": say("report.chart_test_accuracy", lang), "scale": {"zero": False}}
    return _style(
        {
            "title": say(f"report.chart_trade_{cost}", lang),
            "width": 520,
            "height": 340,
            "data": {"values": rows},
            "layer": [
                {
                    "mark": {"type": "rule", "opacity": 0.5},
                    "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": shared["color"]},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 80},
                    "encoding": {"x": x, "y": {"field": "mean", **y}, "color": shared["color"]},
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 8, "dy": -6, "fontSize": 11},
                    "encoding": {"x": x, "y": {"field": "mean", **y}, "text": {"field": "name"}},
                },
            ],
        }
    )


@cache
def _converter() -> Any:
    """vl-convert with the font that is shipped, so that Hangul is drawn everywhere."""
    import vl_convert

    with as_file(files("tuneoff") / "report" / "fonts") as folder:
        vl_convert.register_font_directory(str(folder))
    return vl_convert


def png(chart: dict[str, Any]) -> bytes:
    """A chart as PNG."""
    drawn: bytes = _converter().vegalite_to_png(chart, scale=SCALE_PNG)
    return drawn


def svg(chart: dict[str, Any]) -> bytes:
    """A chart as SVG."""
    drawn: str = _converter().vegalite_to_svg(chart)
    return drawn.encode()
