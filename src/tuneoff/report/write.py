"""Material → the files of a report: README in both languages, plots, tables as CSV and JSON."""

import csv
import io
import json
from typing import Any

from tuneoff.analyse import curve_points, fronts
from tuneoff.report.charts import learning_curves, png, svg, trade_off
from tuneoff.report.material import Material
from tuneoff.report.readme import Readme
from tuneoff.store import fault, replace_file
from tuneoff.strings import LANGUAGES

RESULTS_JSON, RESULTS_CSV = "results.json", "results.csv"


def report_json(material: Material) -> dict[str, Any]:
    """What ``tuneoff report --json`` prints."""
    environments = [record["environment"] for record in material.records if "environment" in record]
    return {
        "study": material.spec.model_dump(mode="json"),
        "environment": environments[-1] if environments else None,
        "data": material.data.as_dict(),
        "trials": dict(material.analysis.trials),
        "rows": [row.as_dict() for row in material.analysis.rows],
        "recommendation": material.recommendation.as_dict(),
        "fronts": {cost: {label: at.as_dict() for label, at in found.items()} for cost, found in fronts(material.analysis).items()},
    }


def results_table(material: Material) -> list[dict[str, Any]]:
    """One flat row a method, for CSV and data frames."""
    table = []
    for row in material.analysis.rows:
        flat: dict[str, Any] = {"method": row.method, "label": row.label, "state": row.state, "trials": sum(row.trials.values())}
        for name, value in (("accuracy", row.accuracy), ("macro_f1", row.macro_f1), ("gap_to_full", row.gap)):
            flat |= {
                name: value.mean if value else None,
                f"{name}_low": value.low if value else None,
                f"{name}_high": value.high if value else None,
            }
        flat |= {
            "gap_to_full_p": row.gap.p_value if row.gap else None,
            "accuracy_clean": row.accuracy_clean.mean if row.accuracy_clean else None,
        }
        parameters = row.parameters or {}
        flat |= {f"parameters_{part}": parameters.get(part) for part in ("adapter", "head", "base", "total", "percent")}
        flat |= {name: row.memory.get(name) for name in ("train_peak_bytes", "eval_peak_bytes", "counter")}
        flat |= {name: row.time.get(name) for name in ("train_seconds", "search_seconds", "eval_seconds", "total_seconds")}
        flat |= {"answer_seconds": row.answer_seconds, "collapse": row.collapse}
        flat |= {"artefact_bytes": row.artefact_bytes, "mcc": row.mcc, "ece": row.ece, "trained": row.trained, "reload": row.reload}
        table.append(flat)
    return table


def write_report(material: Material, lang: str, draw: bool = True) -> None:
    """Write the report into the study's folder.

    Args:
        material: what it is written from.
        lang: of ``README.md``; the other language stands beside it as ``README.<lang>.md``.
        draw: whether to draw the plots again; without, the README links those that are there.

    Raises:
        StorageError: the folder cannot be written.
    """
    fault("report")
    assets = material.folder / "assets"
    for language in LANGUAGES:
        plots = _draw(material, language) if draw else {}
        names = {kind: f"{file}.{language}.png" for kind, file in _FILES.items() if (assets / f"{file}.{language}.png").exists()}
        page = Readme(material, language, plots or names).text()
        name = "README.md" if language == lang else f"README.{language}.md"
        replace_file(material.folder / name, page.encode())
    results = material.folder / "results"
    replace_file(results / RESULTS_JSON, json.dumps(report_json(material), indent=1, ensure_ascii=False).encode() + b"\n")
    table = results_table(material)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    # With a byte-order mark, so that Excel on a Korean Windows reads it.
    replace_file(results / RESULTS_CSV, text.getvalue().encode("utf-8-sig"))


_FILES = {"curves": "learning_curve", "memory": "accuracy_memory", "time": "accuracy_time"}


def _draw(material: Material, lang: str) -> dict[str, str]:
    names = {method.label: material.name(method, lang) for method in material.methods}
    charts: dict[str, dict[str, Any]] = {}
    if points := curve_points(material.methods):
        charts["curves"] = learning_curves(points, names, lang)
    if any(row.accuracy for row in material.analysis.rows):
        charts |= {kind: trade_off(material.analysis, names, kind, lang) for kind in ("memory", "time")}
    for kind, chart in charts.items():
        file = material.folder / "assets" / f"{_FILES[kind]}.{lang}"
        replace_file(file.with_name(file.name + ".png"), png(chart))
        replace_file(file.with_name(file.name + ".svg"), svg(chart))
    return {kind: f"{_FILES[kind]}.{lang}.png" for kind in charts}
