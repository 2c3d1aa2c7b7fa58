"""Every chart as a Vega-Lite definition: the same for paper, notebooks and the page, which add their own looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tuneoff.analyse import Analysis, Foreseen
from tuneoff.drawing import on_paper
from tuneoff.report import format as f
from tuneoff.report.scales import KINDS, cost_axis
from tuneoff.strings import say

#: One after the other: never colour alone.
DASHES: Final = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [10, 4], [3, 5], [1, 4], [12, 2], [5, 2, 1, 2]]
SHAPES: Final = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"]
#: Costs by the names that notebooks and files have for them.
COST_OF: Final = {"memory": "memory", "time": "seconds"}

Chart = dict[str, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Look:
    """What all charts of a report share, so that a method looks the same in each.

    Attributes:
        names: of the methods in tables, in the order of the study.
        lang: ``en`` or ``ko``.
    """

    names: Sequence[str]
    lang: str

    def say(self, key: str) -> str:
        """A string in the report's language."""
        return say(key, self.lang)

    def by_method(self, *channels: str, shown: Iterable[str] | None = None) -> Chart:
        """Encodings of these channels by the method's name; the legend has only what is shown."""
        field: Chart = {"field": "name", "type": "nominal", "title": self.say("report.method"), "sort": None}
        if shown is not None:
            field["legend"] = {"values": [name for name in self.names if name in set(shown)], "columns": 1}
        count, domain = len(self.names), list(self.names)
        scales: dict[str, Chart] = {
            # Colours are the looks' own: paper is white, a page may be dark.
            "color": {"domain": domain},
            "strokeDash": {"domain": domain, "range": [DASHES[i % len(DASHES)] for i in range(count)]},
            "shape": {"domain": domain, "range": [SHAPES[i % len(SHAPES)] for i in range(count)]},
        }
        return {channel: field | {"scale": scales[channel]} for channel in channels}


# Learning curves.

#: What a curve can run over.
STEPS: Final = ("done", "step", "epoch", "seconds")


def curve_rows(points: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Rows:
    """Points of curves as a chart has them."""
    return [{**point, "name": names[point["label"]], "done": 100 * point["done"]} for point in points]


def curve_chart(look: Look, measure: str, over: str, rows: Rows) -> Chart:
    """One measure of every method over its training: mean over seeds, and their range as a band.

    Args:
        look: of the report.
        measure: ``loss``, ``validation_loss`` or ``accuracy``.
        over: of :data:`STEPS`.
        rows: of :func:`curve_rows`.
    """
    shown = dict.fromkeys(row["name"] for row in rows if row["measure"] == measure)
    shared = look.by_method("color", "strokeDash", "shape", shown=shown)
    x: Chart = {"field": over, "type": "quantitative", "title": look.say(f"chart.{over}")}
    if over == "seconds":
        # Frozen features train in a hundredth of the time of the others.
        x |= cost_axis("time", [row[over] for row in rows if row["measure"] == measure and row[over] > 0])
        x["scale"] = x["scale"] | {"padding": 4}
    elif over == "done":
        x["scale"] = {"domain": [0, 100]}
    y = {"type": "quantitative", "title": look.say(f"chart.{measure}"), "scale": {"zero": False}}
    tips = [
        {"field": "name", "type": "nominal", "title": look.say("report.method")},
        {"field": over, "type": "quantitative", "title": look.say(f"chart.{over}"), "format": ".4~g"},
        *({"field": part, "type": "quantitative", "title": look.say(f"chart.{part}"), "format": ".3f"} for part in ("mean", "low", "high")),
    ]
    return {
        "transform": [{"filter": f"datum.measure === '{measure}'"}],
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.12, "tooltip": None},
                "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": shared["color"]},
            },
            {
                "mark": {"type": "line", "strokeWidth": 1.8},
                "encoding": {"x": x, "y": {"field": "mean", **y}, "color": shared["color"], "strokeDash": shared["strokeDash"]},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1},
                "encoding": {"x": x, "y": {"field": "mean", **y}, "color": shared["color"], "shape": shared["shape"], "tooltip": tips},
            },
        ],
    }


# Accuracy against what it costs.


def trade_rows(analysis: Analysis, names: Mapping[str, str], lang: str) -> dict[str, Rows]:
    """Cost → a row a method, cheapest first; without the majority class, and without what costs nothing."""
    found: dict[str, Rows] = {}
    by_label = {row.label: row for row in analysis.scored}
    for cost, standings in analysis.fronts.items():
        rows = []
        for label, standing in standings.items():
            row = by_label[label]
            if row.method == "majority" or not standing.cost or row.accuracy is None:
                continue
            rows.append(
                {
                    "name": names[label],
                    "cost": standing.cost,
                    "reading": reading(cost, standing.cost),
                    "score": f.score(row.accuracy),
                    "front": standing.on_front,
                    "share": standing.share,
                    **row.accuracy.as_dict(),
                }
            )
        if rows:
            found[cost] = rows
    return found


def reading(cost: str, value: float) -> str:
    """A cost as people read it."""
    kind = KINDS[cost]
    if kind == "bytes":
        return f.size(round(value))
    if kind == "time":
        return f.latency(value) if cost == "latency" else f.short_time(value)
    return f.count(round(value)) if kind == "count" else f.energy(value)


def trade_chart(look: Look, cost: str, rows: Rows) -> Chart:
    """Accuracy with its interval against one cost, and the Pareto front as a line of steps.

    Args:
        look: of the report.
        cost: of :data:`~tuneoff.analyse.COSTS`.
        rows: of :func:`trade_rows`, of that cost.
    """
    shown = [row["name"] for row in rows]
    shared = look.by_method("color", "shape", shown=shown)
    axis = cost_axis(KINDS[cost], [row["cost"] for row in rows])
    x = {"field": "cost", "type": "quantitative", "title": look.say(f"report.cost_{cost}"), **axis}
    y = {"type": "quantitative", "title": look.say("chart.test_accuracy"), "scale": {"zero": False}}
    front = {"filter": "datum.front"}
    tips = [
        {"field": "name", "type": "nominal", "title": look.say("report.method")},
        {"field": "score", "type": "nominal", "title": look.say("chart.test_accuracy")},
        {"field": "reading", "type": "nominal", "title": look.say(f"report.cost_{cost}")},
        {"field": "share", "type": "quantitative", "title": look.say("chart.front_share"), "format": ".0%"},
    ]
    return {
        "layer": [
            {
                "name": "front",
                "transform": [front],
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.2, "color": "#888888", "tooltip": None},
                "encoding": {"x": x, "y": {"field": "mean", **y}},
            },
            {
                "name": "interval",
                "mark": {"type": "rule", "opacity": 0.45, "strokeWidth": 1.2, "tooltip": None},
                "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": shared["color"]},
            },
            {
                "name": "points",
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "y": {"field": "mean", **y}, **shared, "tooltip": tips},
            },
        ],
        # The page writes names beside the points of this layer where there is room for them.
        "usermeta": {"labels": "points"},
    }


# Sensitivity to the learning rate.


def rate_rows(points: Iterable[Mapping[str, Any]], names: Mapping[str, str], lang: str) -> Rows:
    """Candidates of the search as a chart has them; what diverged has no score and is left to the table."""
    outcomes = {(True, False): "chosen", (True, True): "collapsed", (False, True): "collapsed", (False, False): "tried"}
    return [
        {**point, "name": names[point["label"]], "outcome": say(f"chart.rate_{outcomes[point['chosen'], point['collapsed']]}", lang)}
        for point in points
        if point["score"] is not None
    ]


def rate_chart(look: Look, rows: Rows) -> Chart:
    """Validation score of every learning rate tried, a line a method.

    Args:
        look: of the report.
        rows: of :func:`rate_rows`, one at least.
    """
    shown = dict.fromkeys(row["name"] for row in rows)
    shared = look.by_method("color", "strokeDash", shown=shown)
    outcomes = [look.say(f"chart.rate_{outcome}") for outcome in ("tried", "chosen", "collapsed")]
    x = {
        "field": "learning_rate",
        "type": "quantitative",
        "title": look.say("report.column_rate"),
        "scale": {"type": "log", "nice": False, "padding": 16},
        "axis": {"labelExpr": "format(datum.value, '.0e')", "tickCount": 6, "labelOverlap": "greedy"},
    }
    metric = look.say(f"report.metric_{rows[0]['metric']}")
    y = {
        "field": "score",
        "type": "quantitative",
        "title": say("chart.rate", look.lang, metric=metric),
        "scale": {"zero": False},
    }
    shape = {
        "field": "outcome",
        "type": "nominal",
        "title": None,
        "scale": {"domain": outcomes, "range": ["circle", "diamond", "cross"]},
        "sort": None,
    }
    size = {"condition": {"test": "datum.chosen", "value": 150}, "value": 50}
    tips = [
        {"field": "name", "type": "nominal", "title": look.say("report.method")},
        {"field": "learning_rate", "type": "quantitative", "title": look.say("report.column_rate"), "format": ".2~e"},
        {"field": "head_learning_rate", "type": "quantitative", "title": look.say("report.column_head_rate"), "format": ".2~e"},
        {"field": "score", "type": "quantitative", "title": metric, "format": ".3f"},
        {"field": "outcome", "type": "nominal", "title": look.say("report.column_state")},
    ]
    return {
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **shared}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": shared["color"], "shape": shape, "size": size, "tooltip": tips},
            },
        ]
    }


# Forecast against measurement.


def forecast_rows(quantity: str, forecasts: Mapping[str, Mapping[str, Foreseen]], names: Mapping[str, str]) -> Rows:
    """One quantity of every method that was both forecast and measured.

    Args:
        quantity: of :data:`~tuneoff.analyse.foreseen.QUANTITIES`.
        forecasts: label → quantity → forecast.
        names: of the methods.
    """
    rows = []
    for label, quantities in forecasts.items():
        seen = quantities.get(quantity)
        if seen is None or not seen.measured or seen.low <= 0:
            continue
        measured, low, high = (_foreseen(quantity, value) for value in (seen.measured, seen.low, seen.high))
        ends = {"low": seen.low, "high": seen.high, "middle": (seen.low * seen.high) ** 0.5, "measured": seen.measured}
        rows.append({"name": names[label], "said": low if low == high else f"{low} – {high}", "reading": measured, **ends})
    return rows


def _foreseen(quantity: str, value: float) -> str:
    return f.size(round(value)) if quantity.endswith("memory") else f.short_time(value)


def forecast_chart(look: Look, quantity: str, rows: Rows) -> Chart:
    """What was measured against what was forecast; on the line both are equal.

    Args:
        look: of the report.
        quantity: of :data:`~tuneoff.analyse.foreseen.QUANTITIES`.
        rows: of :func:`forecast_rows`, one at least.
    """
    ends = [row[end] for row in rows for end in ("low", "high", "measured")]
    axis = cost_axis("bytes" if quantity.endswith("memory") else "time", ends)
    domain = [min(ends) / 1.15, max(ends) * 1.15]
    axis["scale"] = {key: value for key, value in axis["scale"].items() if key == "type"} | {"domain": domain, "nice": False}
    shared = look.by_method("color", "shape", shown=[row["name"] for row in rows])
    x = {"field": "middle", "type": "quantitative", "title": look.say("chart.forecast"), **axis}
    y = {"field": "measured", "type": "quantitative", "title": look.say("chart.measured"), **axis}
    tips = [
        {"field": "name", "type": "nominal", "title": look.say("report.method")},
        {"field": "said", "type": "nominal", "title": look.say("chart.forecast")},
        {"field": "reading", "type": "nominal", "title": look.say("chart.measured")},
    ]
    return {
        "layer": [
            {
                "data": {"values": [{"end": end} for end in domain]},
                "mark": {"type": "line", "strokeDash": [4, 3], "strokeWidth": 1, "color": "#888888", "tooltip": None},
                "encoding": {"x": {**x, "field": "end"}, "y": {**y, "field": "end"}},
            },
            {
                "mark": {"type": "rule", "opacity": 0.45, "strokeWidth": 1.2, "tooltip": None},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": shared["color"]},
            },
            {
                "name": "points",
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "y": y, **shared, "tooltip": tips},
            },
        ],
        "usermeta": {"labels": "points"},
    }


# On paper and in notebooks.


def learning_curves(points: list[dict[str, Any]], names: dict[str, str], lang: str) -> Chart:
    """Training loss and validation accuracy of every method, side by side."""
    rows, look = curve_rows(points, names), Look(list(names.values()), lang)
    panels = [{**curve_chart(look, measure, "done", rows), "width": 420, "height": 300} for measure in ("loss", "accuracy")]
    return on_paper({"title": look.say("report.chart_curves"), "data": {"values": rows}, "hconcat": panels})


def trade_off(analysis: Analysis, names: dict[str, str], cost: str, lang: str) -> Chart | None:
    """Accuracy with its interval against one cost, ``memory`` or ``time``; ``None`` where no method that learns has both."""
    rows, look = trade_rows(analysis, names, lang).get(COST_OF[cost], []), Look(list(names.values()), lang)
    if not rows:
        return None
    chart = trade_chart(look, COST_OF[cost], rows)
    points = chart["layer"][-1]["encoding"]
    name = {
        "transform": [{"filter": "datum.front"}],
        "mark": {"type": "text", "align": "left", "dx": 9, "dy": -7, "fontSize": 11},
        "encoding": {"x": points["x"], "y": points["y"], "text": {"field": "name"}},
    }
    chart = chart | {"layer": [*chart["layer"], name]}
    size = {"width": 560, "height": 380}
    return on_paper({"title": look.say(f"report.chart_trade_{cost}"), "data": {"values": rows}, **size, **chart})


__all__ = [
    "DASHES",
    "SHAPES",
    "STEPS",
    "Look",
    "curve_chart",
    "curve_rows",
    "forecast_chart",
    "forecast_rows",
    "learning_curves",
    "rate_chart",
    "rate_rows",
    "trade_chart",
    "trade_off",
    "trade_rows",
]
