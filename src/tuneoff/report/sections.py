"""Section 4 of the brief: the tables of results; one that has nothing to show is left out."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tuneoff.analyse import COSTS, Comparison, Row, RowForecast, Sensitivity, Standing, remedy
from tuneoff.errors import retold
from tuneoff.report import format as f
from tuneoff.report.columns import full_columns, state
from tuneoff.report.markdown import Column, plain, table
from tuneoff.report.material import Material
from tuneoff.strings import say

#: The brief's table leaves baselines without a backbone to the fuller ones.
BRIEF_EXPERIMENTS: Final = (1, 2, 3)
PEFT_EXPERIMENT: Final = 3
#: Titles of the fuller tables, and the groups of columns in them.
DETAILS: Final = {"scores": ("score", "trial"), "parameters": ("parameters", "use"), "costs": ("memory", "time", "energy", "money")}
#: Columns that a table of their own has.
ELSEWHERE: Final = ("gap", "latency")
#: With more classes a table with a column for each is no longer read.
MOST_CLASSES: Final = 20


def _headed(key: str, lang: str, note: str, lines: list[str]) -> list[str]:
    return ["", f"### {say(f'report.{key}', lang)}", "", *lines, *(["", f"> {note}"] if note else [])]


def _name(material: Material, lang: str) -> Column[Row]:
    return say("report.method", lang), lambda row: material.name(row, lang)


def progress(material: Material, lang: str) -> str:
    """How many trials are complete, and how the others ended."""
    trials = material.analysis.trials
    total, done = sum(trials.values()), trials["complete"]
    if done == total:
        return say("report.progress_done", lang, total=total)
    rest = ", ".join(f"{say('report.state_' + name, lang)} {count}" for name, count in sorted(trials.items()) if name != "complete")
    return say("report.progress_part", lang, total=total, done=done, rest=rest)


def brief_columns(material: Material, lang: str) -> list[Column[Row]]:
    """The columns of the brief's table beside the method's name."""
    on_gpu = any(row.memory.get("counter", "").startswith("cuda") for row in material.analysis.rows)
    return [
        (say("report.column_parameters", lang), _trainable),
        (
            say("report.column_gpu_memory" if on_gpu else "report.column_memory", lang),
            lambda row: f.gigabytes(row.memory.get("train_peak_bytes")),
        ),
        (say("report.column_time", lang), lambda row: f.minutes(row.time.get("train_seconds"))),
        (say("report.column_accuracy", lang), lambda row: f.score(row.accuracy) if row.accuracy else state(material, row, lang)),
        (say("report.column_f1", lang), lambda row: f.score(row.macro_f1)),
    ]


def brief(material: Material, lang: str) -> list[str]:
    """The brief's own table, and how few parameters PEFT trains."""

    def name(row: Row) -> str:
        found = material.name(row, lang)
        return f"**{say('report.method_peft', lang, method=found) if row.experiment == PEFT_EXPERIMENT else found}**"

    rows = material.analysis.rows
    columns: list[Column[Row]] = [(say("report.method", lang), name), *brief_columns(material, lang)]
    shown = [row for row in rows if row.experiment in BRIEF_EXPERIMENTS]
    lines = [say("report.results_text", lang), ""]
    lines += table(columns, shown) if shown else [say("report.methodology_baselines", lang)]
    notes = [*_share_of_parameters(rows, lang), *_counter(rows, lang)]
    if notes:
        lines += ["", *(line for note in notes for line in ("> " + note, ">"))][:-1]
    return lines


def _share_of_parameters(rows: Sequence[Row], lang: str) -> list[str]:
    known = [row.parameters for row in rows if row.experiment == PEFT_EXPERIMENT and row.parameters and row.parameters.get("percent")]
    if not known:
        return []
    low, high = (f.percent(end(counts["percent"] for counts in known)) for end in (min, max))
    key = "report.note_percent_one" if low == high else "report.note_percent"
    return [say(key, lang, low=low, high=high, total=f.count(known[0]["total"]))]


def _counter(rows: Sequence[Row], lang: str) -> list[str]:
    counter = next((row.memory["counter"] for row in rows if row.memory), None)
    return [say("report.note_counter", lang, counter=say(f"report.counter_{counter}", lang))] if counter else []


def details(material: Material, lang: str) -> list[str]:
    """Everything that was measured, in tables of a few columns; a column without any value is left out."""
    rows, columns = material.analysis.rows, full_columns(material, lang)
    lines: list[str] = []
    for title, groups in DETAILS.items():
        chosen = [column for column in columns if column.group in groups and column.key not in ELSEWHERE]
        chosen = [column for column in chosen if any(column.cell(row) != f.NOTHING for row in rows)]
        shown: list[Column[Row]] = [(column.title, column.cell) for column in chosen]
        # Before any trial has ended there is nothing to tell but its state, which stands above.
        if len(shown) > 1:
            lines += ["", f"### {say(f'report.table_{title}', lang)}", "", *table([_name(material, lang), *shown], rows)]
    return [*lines, "", "> " + _cost_note(material, lang)]


def _cost_note(material: Material, lang: str) -> str:
    """What a dash means, where energy is from, and what money is."""
    rows = material.analysis.rows
    notes = [say("report.note_dash", lang)]
    counters = dict.fromkeys(name for row in rows for name in row.energy.get("counters", ()))
    if counters:
        notes.append(say("report.note_energy", lang, counters=", ".join(say(f"report.counter_{name}", lang) for name in counters)))
    elif any(row.time for row in rows):
        notes.append(say("report.no_energy", lang))
    if (price := material.spec.price_per_hour) is not None:
        notes.append(say("report.note_money", lang, price=f.money(price.amount, price.currency)))
    return " ".join(notes)


def per_class(material: Material, lang: str) -> list[str]:
    """F1 of every class."""
    rows = [row for row in material.analysis.rows if row.per_class_f1]
    if not rows or len(material.labels) > MOST_CLASSES:
        return []
    columns: list[Column[Row]] = [_name(material, lang)]
    columns += [(plain(label), lambda row, label=label: f"{row.per_class_f1[label]:.3f}") for label in material.labels]  # type: ignore[misc]
    return _headed("per_class", lang, "", table(columns, rows))


def comparisons(material: Material, lang: str) -> list[str]:
    """Every method against full fine-tuning and against the best, with what chance explains."""
    rows = [row for row in material.analysis.scored if row.gap or row.gap_to_best]
    if not rows:
        return []

    def cells(title: str, of: Callable[[Row], Comparison | None]) -> list[Column[Row]]:
        if not any(of(row) for row in rows):
            return []
        return [
            (say(f"report.{title}", lang), lambda row: f.points(gap) if (gap := of(row)) else f.NOTHING),
            (say("report.column_p", lang), lambda row: f.p_value(gap.p_value) if (gap := of(row)) else f.NOTHING),
        ]

    columns = [_name(material, lang), *cells("column_gap", lambda row: row.gap), *cells("column_best", lambda row: row.gap_to_best)]
    columns += cells("column_f1_gap", lambda row: row.f1_gap)
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


def forecast(material: Material, lang: str) -> list[str]:
    """What was forecast beside what was measured, and whether a free GPU would do."""
    rows = [row for row in material.analysis.rows if (found := material.forecasts.get(row.label)) and found.quantities]
    if not rows:
        return []

    def of(read: Callable[[RowForecast], str]) -> Callable[[Row], str]:
        return lambda row: read(material.forecasts[row.label])

    def measured(name: str, words: Callable[[Any], str]) -> Callable[[RowForecast], str]:
        return lambda found: words(found.quantities[name].measured)

    def off(name: str) -> Callable[[RowForecast], str]:
        return lambda found: f.off(found.quantities[name].off_percent)

    columns: list[Column[Row]] = [
        _name(material, lang),
        (say("report.column_memory_forecast", lang), of(lambda found: f.size(round(found.quantities["train_memory"].low)))),
        (say("report.column_memory_measured", lang), of(measured("train_memory", f.size))),
        (say("report.column_memory_off", lang), of(off("train_memory"))),
        (say("report.column_time_forecast", lang), of(lambda found: f.span(*found.quantities["train_seconds"].ends))),
        (say("report.column_time_measured", lang), of(measured("train_seconds", f.short_time))),
        (say("report.column_time_off", lang), of(off("train_seconds"))),
    ]
    if any("T4" in material.forecasts[row.label].fits for row in rows):
        columns.append((say("report.column_t4", lang), of(lambda found: _fit(found.fits.get("T4"), lang))))
    lines = _headed("forecast", lang, _forecast_note(material, lang), table(columns, rows))
    reasons = {label: found.reason for label, found in material.forecasts.items() if found.reason}
    names = {row.label: material.name(row, lang) for row in material.analysis.rows}
    return lines + [
        line
        for label, reason in reasons.items()
        for line in (">", "> " + say("forecast.unforeseen", lang, method=names[label], reason=reason))
    ]


def _forecast_note(material: Material, lang: str) -> str:
    """What was compared; of a CPU also how far the tensors themselves were off, where they were counted."""
    found = [forecast.quantities["train_live"] for forecast in material.forecasts.values() if "train_live" in forecast.quantities]
    offs = [value for one in found if (value := one.off_percent) is not None]
    if not offs:
        return say("report.forecast_note", lang)
    low, high = f.off(min(offs)), f.off(max(offs))
    tensors = low if low == high else say("report.off_between", lang, low=low, high=high)
    return f"{say('report.forecast_note', lang)} {say('report.forecast_note_live', lang, tensors=tensors)}"


def _fit(fit: dict[str, Any] | None, lang: str) -> str:
    if fit is None:
        return f.NOTHING
    return say(f"report.t4_{remedy(fit)}", lang, need=f.size(fit["need"]), rows=fit["micro_batch"])


def failures(material: Material, lang: str) -> list[str]:
    """What did not complete, and why."""
    lines = [
        f"* **{material.name(row, lang)}** ({state(material, row, lang)}): {retold(row.error, lang)}"
        for row in material.analysis.rows
        if row.error
    ]
    return _headed("failures", lang, "", lines) if lines else []


def pareto(material: Material, lang: str) -> list[str]:
    """Who is on the front of accuracy and each cost, and how surely."""
    found = material.analysis.fronts
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

    columns = [_name(material, lang), *((say(f"report.cost_{kind}", lang), cell(kind)) for kind in COSTS if kind in found)]
    return _headed("fronts", lang, say("report.fronts_note", lang), table(columns, material.analysis.scored))


def _trainable(row: Row) -> str:
    if not row.parameters:
        return f.NOTHING
    share = row.parameters.get("percent")
    return f.count(row.parameters["trainable"]) + (f" ({f.percent(share)})" if share is not None else "")
