"""Parts of the README's results that are there only if the study has something to show in them."""

from collections.abc import Callable
from typing import Any

from tuneoff.analyse import COSTS, Comparison, Row, Sensitivity, Standing, fronts
from tuneoff.report import format as f
from tuneoff.report.markdown import Column, table
from tuneoff.report.material import Material
from tuneoff.strings import say


def _headed(key: str, lang: str, note: str, lines: list[str]) -> list[str]:
    return ["", f"### {say(f'report.{key}', lang)}", "", *lines, "", f"> {note}"]


def _name(material: Material, lang: str) -> Column[Row]:
    return say("report.method", lang), lambda row: material.name(row, lang)


def comparisons(material: Material, lang: str) -> list[str]:
    """Every method against full fine-tuning and against the best, with what chance explains."""
    rows = [row for row in material.analysis.scored if row.gap or row.gap_to_best]
    if not rows:
        return []

    def cells(title: str, of: Callable[[Row], Comparison | None]) -> list[Column[Row]]:
        return [
            (say(f"report.{title}", lang), lambda row: f.points(gap) if (gap := of(row)) else f.NOTHING),
            (say("report.column_p", lang), lambda row: f.p_value(gap.p_value) if (gap := of(row)) else f.NOTHING),
        ]

    columns = [_name(material, lang), *cells("column_gap", lambda row: row.gap), *cells("column_best", lambda row: row.gap_to_best)]
    return _headed("comparisons", lang, say("report.comparisons_note", lang), table(columns, rows))


def second_score(material: Material, lang: str) -> list[str]:
    """Accuracy without the test rows that are known from training."""
    analysis = material.analysis
    if analysis.num_clean is None or analysis.num_test is None:
        return []
    facts = {"known": analysis.num_test - analysis.num_clean, "rows": analysis.num_test, "clean": analysis.num_clean}
    columns: list[Column[Row]] = [
        _name(material, lang),
        (say("report.column_accuracy", lang), lambda row: f.score(row.accuracy)),
        (say("report.column_clean", lang), lambda row: f.score(row.accuracy_clean)),
    ]
    rows = [row for row in analysis.rows if row.accuracy_clean]
    return _headed("clean", lang, say("report.clean_note", lang, **facts), table(columns, rows))


def sensitivity(material: Material, lang: str) -> list[str]:
    """How much each method's learning rate matters."""
    rows = [row for row in material.analysis.rows if row.sensitivity]
    if not rows:
        return []

    def of(read: Callable[[Sensitivity], str]) -> Callable[[Row], str]:
        return lambda row: read(row.sensitivity) if row.sensitivity else f.NOTHING

    columns: list[Column[Row]] = [
        _name(material, lang),
        (say("report.column_rate", lang), of(lambda seen: f.rate(seen.learning_rate))),
        (say("report.column_head_rate", lang), of(lambda seen: f.rate(seen.head_learning_rate))),
        (say("report.column_first", lang), of(lambda seen: f"{seen.best:.3f}")),
        (say("report.column_middle", lang), of(lambda seen: f"{seen.median:.3f}")),
        (say("report.column_last", lang), of(lambda seen: f"{seen.worst:.3f}")),
        (say("report.column_collapsed", lang), of(lambda seen: f"{round(seen.collapsed * seen.candidates)}/{seen.candidates}")),
        (say("report.column_search_time", lang), lambda row: f.short_time(row.time.get("search_seconds"))),
    ]
    seen = rows[0].sensitivity
    assert seen is not None
    facts = {"metric": say(f"report.metric_{seen.metric}", lang), "candidates": seen.candidates, "share": f.percent(100 * seen.share)}
    return _headed("sensitivity", lang, say("report.sensitivity_note", lang, **facts), table(columns, rows))


def latency(material: Material, lang: str) -> list[str]:
    """Time to answer, by batch size, unmerged and merged."""
    lines: list[tuple[str, dict[str, Any]]] = []
    for row in material.analysis.rows:
        if row.latency:
            name = material.name(row, lang)
            lines.append((name, row.latency))
            if merged := row.latency.get("merged"):
                lines.append((say("report.merged", lang, name=name), merged))
    if not lines:
        return []

    def cell(batch: str) -> Callable[[tuple[str, dict[str, Any]]], str]:
        def read(line: tuple[str, dict[str, Any]]) -> str:
            if not (found := line[1].get(batch)):
                return f.NOTHING
            times = {"time": f.latency(found.get("p50_seconds")), "slow": f.latency(found.get("p95_seconds"))}
            speed = found.get("rows_per_second")
            return say("report.per_second", lang, rows=f.NOTHING if speed is None else f.count(round(speed)), **times)

        return read

    batches = [name for name in lines[0][1] if name.startswith("batch_")]
    columns: list[Column[tuple[str, dict[str, Any]]]] = [(say("report.method", lang), lambda line: line[0])]
    columns += [(say("report.batch", lang, size=name.removeprefix("batch_")), cell(name)) for name in batches]
    return _headed("latency", lang, say("report.latency_note", lang), table(columns, lines))


def pareto(material: Material, lang: str) -> list[str]:
    """Who is on the front of accuracy and each cost, and how surely."""
    found = fronts(material.analysis)
    if not found:
        return []

    def cell(kind: str) -> Callable[[Row], str]:
        def read(row: Row) -> str:
            standing: Standing | None = found.get(kind, {}).get(row.label)
            if standing is None:
                return f.NOTHING
            share = f.percent(100 * standing.share)
            return f"**{share}**" if standing.on_front else share

        return read

    columns = [_name(material, lang), *((say(f"report.cost_{kind}", lang), cell(kind)) for kind in COSTS)]
    return _headed("fronts", lang, say("report.fronts_note", lang), table(columns, material.analysis.scored))
