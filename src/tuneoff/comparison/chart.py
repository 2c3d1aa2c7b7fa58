"""Differences with their intervals as a chart, a panel for each study that is held against the first."""

from typing import Any

from tuneoff.comparison.found import Found
from tuneoff.drawing import on_paper
from tuneoff.strings import say

WIDTH, ROW_HEIGHT = 460, 26


def gap_chart(found: Found, lang: str) -> dict[str, Any] | None:
    """The chart as Vega-Lite; ``None`` where nothing can be compared. What is told apart is filled, never colour alone."""
    apart, same = say("compare.chart_apart", lang), say("compare.chart_same", lang)
    rows = [
        {
            "method": found.title(label, lang),
            "study": one.study,
            "mean": 100 * gap.mean,
            "low": 100 * gap.low,
            "high": 100 * gap.high,
            "verdict": apart if gap.separable else same,
        }
        for one in found.against
        for label, gap in one.gaps.items()
    ]
    if not rows:
        return None
    names = list(dict.fromkeys(row["method"] for row in rows))
    y = {"field": "method", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 300}}
    x = {"type": "quantitative", "title": say("compare.chart_difference", lang, base=found.names[0])}
    verdict = {"field": "verdict", "type": "nominal", "title": say("compare.verdict", lang), "sort": [apart, same]}
    shape = verdict | {"scale": {"domain": [apart, same], "range": ["circle", "diamond"]}}
    colour = verdict | {"scale": {"domain": [apart, same], "range": ["#0072B2", "#6F6F6F"]}}
    layers = [
        {"mark": {"type": "rule", "color": "#888888", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0, **x}}},
        {"mark": "rule", "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": y, "color": colour}},
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": {"field": "mean", **x}, "y": y, "color": colour, "shape": shape},
        },
    ]
    panel = {"width": WIDTH, "height": max(3, len(names)) * ROW_HEIGHT, "layer": layers}
    studies = [one.study for one in found.against if one.gaps]
    return on_paper(
        {
            "title": say("compare.chart", lang),
            "data": {"values": rows},
            "facet": {"row": {"field": "study", "type": "nominal", "title": None, "sort": studies}},
            "spec": panel,
        }
    )
