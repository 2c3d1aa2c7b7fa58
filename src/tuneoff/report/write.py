"""Material → the files of a report: README in both languages, plots, tables as CSV, JSON and LaTeX."""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from tuneoff.analyse import Row, RowForecast, curve_points
from tuneoff.drawing import Artist, Drawing
from tuneoff.faults import fault
from tuneoff.report.charts import learning_curves, trade_off
from tuneoff.report.latex import latex_table
from tuneoff.report.material import Material
from tuneoff.report.names import page_name, readme_name
from tuneoff.report.page import page as report_page
from tuneoff.report.readme import Readme
from tuneoff.report.sections import brief_columns
from tuneoff.store import replace_file
from tuneoff.strings import LANGUAGES

RESULTS_JSON, RESULTS_CSV, RESULTS_TEX = "results.json", "results.csv", "results.tex"


def report_json(material: Material) -> dict[str, Any]:
    """What ``tuneoff report --json`` prints."""
    environments = material.environments
    return {
        "study": material.spec.model_dump(mode="json"),
        "environment": environments[-1] if environments else None,
        "data": material.data.as_dict(),
        "trials": dict(material.analysis.trials),
        "rows": [row.as_dict() | {"money": _money(material, row)} for row in material.analysis.rows],
        "recommendation": material.recommendation.as_dict(),
        "fronts": {cost: {label: at.as_dict() for label, at in found.items()} for cost, found in material.analysis.fronts.items()},
        "forecasts": {label: found.as_dict() for label, found in material.forecasts.items()},
    }


def _money(material: Material, row: Row) -> dict[str, Any] | None:
    spent = material.expense(row)
    return spent.as_dict() if spent else None


def results_table(material: Material) -> list[dict[str, Any]]:
    """One flat row a method, for CSV and data frames."""
    table = []
    for row in material.analysis.rows:
        flat: dict[str, Any] = {"method": row.method, "label": row.label, "state": row.state, "trials": sum(row.trials.values())}
        scores = {"accuracy": row.accuracy, "macro_f1": row.macro_f1, "gap_to_full": row.gap, "f1_gap_to_full": row.f1_gap}
        for name, value in scores.items():
            flat |= {
                name: value.mean if value else None,
                f"{name}_low": value.low if value else None,
                f"{name}_high": value.high if value else None,
            }
        flat |= {
            "gap_to_full_p": row.gap.p_value if row.gap else None,
            "f1_gap_to_full_p": row.f1_gap.p_value if row.f1_gap else None,
            "accuracy_clean": row.accuracy_clean.mean if row.accuracy_clean else None,
        }
        parameters = row.parameters or {}
        flat |= {f"parameters_{part}": parameters.get(part) for part in ("adapter", "head", "base", "total", "percent")}
        flat |= {name: row.memory.get(name) for name in ("train_peak_bytes", "eval_peak_bytes", "counter")}
        flat |= {name: row.time.get(name) for name in ("train_seconds", "search_seconds", "eval_seconds", "total_seconds")}
        flat |= {name: row.energy.get(name) for name in ("train_joules", "search_joules")}
        flat["energy_counters"] = "+".join(row.energy.get("counters", ())) or None
        spent = _money(material, row) or {}
        flat |= {f"money_{name}": spent.get(name) for name in ("train", "search", "total", "currency")}
        flat |= _forecast(material.forecasts.get(row.label))
        flat |= {"answer_seconds": row.answer_seconds, "collapse": row.collapse}
        flat |= {"artefact_bytes": row.artefact_bytes, "mcc": row.mcc, "ece": row.ece, "trained": row.trained, "reload": row.reload}
        table.append(flat)
    return table


def _forecast(found: RowForecast | None) -> dict[str, Any]:
    """Memory of training and its time as they were forecast, and how far off that was."""
    quantities = found.quantities if found else {}
    memory, time = quantities.get("train_memory"), quantities.get("train_seconds")
    return {
        "forecast_train_peak_bytes": memory.low if memory else None,
        "forecast_train_peak_off_percent": memory.off_percent if memory else None,
        "forecast_train_seconds_low": time.low if time else None,
        "forecast_train_seconds_high": time.high if time else None,
        "forecast_train_seconds_off_percent": time.off_percent if time else None,
    }


def write_report(material: Material, lang: str, artist: Artist | None) -> None:
    """Write the report into the study's folder.

    Args:
        material: what it is written from.
        lang: of ``README.md`` and ``report.html``; the other language stands beside them as ``README.<lang>.md`` and
            ``report.<lang>.html``.
        artist: who draws the plots again; without, the README links those that are there.

    Raises:
        StorageError: the folder cannot be written.
    """
    fault("report")
    assets, results = material.folder / "assets", material.folder / "results"
    drawings: dict[Path, Future[Drawing]] = {}
    if artist is not None:
        for language in LANGUAGES:
            drawings |= {_plot(assets, kind, language): artist.draw(chart) for kind, chart in _charts(material, language)}
    replace_file(results / RESULTS_JSON, json.dumps(report_json(material), indent=1, ensure_ascii=False).encode() + b"\n")
    replace_file(results / RESULTS_CSV, _csv(results_table(material)))
    replace_file(results / RESULTS_TEX, latex_table(material, brief_columns(material, lang), lang).encode())
    for language in LANGUAGES:
        replace_file(material.folder / page_name(language, lang), report_page(material, language, lang))
    for file, found in drawings.items():
        drawing = found.result()
        replace_file(file.with_suffix(".svg"), drawing.svg)
        replace_file(file, drawing.png)
    # Last: they show the folder as it is.
    for language in LANGUAGES:
        plots = {kind: _plot(assets, kind, language) for kind in _FILES}
        names = {kind: file.name for kind, file in plots.items() if (file in drawings if drawings else file.exists())}
        page = Readme(material, language, names, lang).text()
        replace_file(material.folder / readme_name(language, lang), page.encode())


def _csv(table: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    # With a byte-order mark, so that Excel on a Korean Windows reads it.
    return text.getvalue().encode("utf-8-sig")


_FILES: Final = {"curves": "learning_curve", "memory": "accuracy_memory", "time": "accuracy_time"}


def _plot(assets: Path, kind: str, lang: str) -> Path:
    return assets / f"{_FILES[kind]}.{lang}.png"


def _charts(material: Material, lang: str) -> Iterator[tuple[str, dict[str, Any]]]:
    names = {method.label: material.name(method, lang) for method in material.methods}
    if points := curve_points(material.methods):
        yield "curves", learning_curves(points, names, lang)
    for kind in ("memory", "time"):
        if (chart := trade_off(material.analysis, names, kind, lang)) is not None:
            yield kind, chart
