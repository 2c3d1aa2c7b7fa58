"""What the page's script works on: charts, confusions, disputed rows, words, as plain JSON."""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tuneoff.analyse import COSTS, curve_points, search_points
from tuneoff.analyse.curves import MEASURES
from tuneoff.analyse.foreseen import QUANTITIES
from tuneoff.drawing import COLOURS, COLOURS_MORE
from tuneoff.report.charts import (
    DASHES,
    SHAPES,
    STEPS,
    Look,
    curve_chart,
    curve_rows,
    forecast_chart,
    forecast_rows,
    rate_chart,
    rate_rows,
    trade_chart,
    trade_rows,
)
from tuneoff.report.material import Material
from tuneoff.strings import table

#: What the script says; it fills in the placeholders itself.
SCRIPT_WORDS: Final = "page.js_"

#: The same colours for a dark page, each light enough to stand out from it (3:1 at least).
COLOURS_DARK: Final = ["#5AA9E6", "#F4894A", "#2FC796", "#E79CC4", "#E6AC3C", "#86CFF5", "#F2F2F2", "#C9978A", "#A8A8A8", "#C9C943"]
COLOURS_DARK_MORE: Final = ["#AE92EC", "#F2706F", "#58B9AF", "#FF4FA3", "#D6A05F", "#7AAEEA"]
#: Points of one curve that a chart of this width can show.
MOST_POINTS: Final = 150
#: Different mistakes of one method that are kept, the most frequent first.
MOST_CONFUSIONS: Final = 1500
#: Characters of one text; characters and bytes of all texts together.
MOST_CHARACTERS: Final = 600
MOST_BYTES: Final = 700_000


def payload(material: Material, lang: str, room: int = MOST_BYTES) -> dict[str, Any]:
    """Everything but the tables, which stand in the page itself.

    Args:
        material: of the study.
        lang: ``en`` or ``ko``.
        room: bytes that disputed rows may take.
    """
    names = {method.label: material.name(method, lang) for method in material.methods}
    look = Look(list(names.values()), lang)
    said = {f"page.{entry}": texts[lang] for entry, texts in table("page").items()}
    words = {key.removeprefix(SCRIPT_WORDS): text for key, text in said.items() if key.startswith(SCRIPT_WORDS)}
    return {
        "lang": lang,
        "words": words,
        "names": list(names.values()),
        "looks": {"light": [*COLOURS, *COLOURS_MORE], "dark": [*COLOURS_DARK, *COLOURS_DARK_MORE], "dashes": DASHES, "shapes": SHAPES},
        "charts": _charts(material, look, names),
        "classes": _classes(material),
        "disputed": disputed(material, room),
    }


def as_script(values: Any) -> str:
    """JSON that ends neither its script block nor begins a comment in it, whatever the texts hold."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _charts(material: Material, look: Look, names: dict[str, str]) -> dict[str, Any]:
    """Definitions and rows of each chart by what can be chosen in it; a chart without rows is left out."""
    charts: dict[str, Any] = {}
    if trades := trade_rows(material.analysis, names, look.lang):
        choices = [
            {
                "key": cost,
                "title": look.say(f"report.cost_{cost}"),
                "chart": trade_chart(look, cost, trades[cost]),
                "rows": _packed(trades[cost]),
            }
            for cost in COSTS
            if cost in trades
        ]
        charts["trade"] = {"choices": choices}
    points = _thinned(curve_points(material.methods))
    if points:
        rows = curve_rows(points, names)
        measures = [measure for measure in MEASURES if any(point["measure"] == measure for point in points)]
        charts["curves"] = {
            "rows": _packed(rows),
            "measures": [{"key": measure, "title": look.say(f"chart.{measure}")} for measure in measures],
            "charts": {measure: {over: curve_chart(look, measure, over, rows) for over in STEPS} for measure in measures},
        }
    if rates := rate_rows(search_points(material.methods), names, look.lang):
        charts["rates"] = {"choices": [{"key": "rates", "title": "", "chart": rate_chart(look, rates), "rows": _packed(rates)}]}
    forecasts = {label: found.quantities for label, found in material.forecasts.items()}
    choices = [
        {"key": name, "title": look.say(f"page.quantity_{name}"), "chart": forecast_chart(look, name, rows), "rows": _packed(rows)}
        for name in QUANTITIES
        if f"quantity_{name}" in table("page") and (rows := forecast_rows(name, forecasts, names))
    ]
    if choices:
        charts["forecast"] = {"choices": choices}
    return charts


def _packed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows of one shape with their keys written once."""
    fields = list(rows[0])
    return {"fields": fields, "values": [[_short(row[field]) for field in fields] for row in rows]}


def _short(value: Any) -> Any:
    """Numbers to the digits that a chart can show."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a long curve so many points, evenly spread, the first and the last among them."""
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for point in points:
        curves.setdefault((point["label"], point["measure"]), []).append(point)
    kept = []
    for curve in curves.values():
        places = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), MOST_POINTS)).round().astype(int))
        kept += [curve[place] for place in places]
    return kept


def _classes(material: Material) -> dict[str, Any]:
    """Confusions of every method with a score: ``[true, answered, count]``, and F1 by class."""
    rows = {row.label: row for row in material.analysis.rows}
    methods = []
    for label, counts in material.confusions.items():
        found = np.argwhere(counts)
        order = np.lexsort((found[:, 1], found[:, 0], -counts[tuple(found.T)]))[:MOST_CONFUSIONS]
        methods.append(
            {
                "name": list(rows).index(label),
                "totals": counts.sum(1).tolist(),
                "cells": [[int(true), int(said), int(counts[true, said])] for true, said in found[order]],
                "f1": [_short(rows[label].per_class_f1[name]) for name in material.labels],
            }
        )
    return {"labels": material.labels, "methods": methods}


def disputed(material: Material, room: int = MOST_BYTES) -> dict[str, Any] | None:
    """Test rows on which methods that learnt disagree, as many as there is room for; ``None`` where fewer than two did.

    Args:
        material: of the study; without texts it has none to show.
        room: bytes.
    """
    found = material.disagreements
    if found is None or not material.texts:
        return None
    labels = [method.label for method in material.methods]
    rows: list[list[Any]] = []
    used = 0
    for place, row in enumerate(found.rows):
        texts = [_cut(text) for text in material.texts[row]]
        line = [int(row) + 1, texts, int(found.targets[place]), found.answers[place].tolist(), found.right[place].tolist()]
        used += len(as_script(line).encode("utf-8", "replace")) + 1
        if used > room:
            break
        rows.append(line)
    return {
        "methods": [labels.index(label) for label in found.labels],
        "seeds": found.seeds.tolist(),
        "rows": rows,
        "count": len(found.rows),
        "of": found.num_rows,
    }


def _cut(text: str) -> str:
    # A lone surrogate, which JSON may hold, has no bytes.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"
