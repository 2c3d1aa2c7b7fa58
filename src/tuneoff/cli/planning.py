"""What ``tuneoff plan`` prints: trials and parameters, memory and time, and which GPUs would do."""

from typing import Any

from tuneoff.analyse import remedy
from tuneoff.backbone import known_backbone
from tuneoff.cli.tables import _table, plan_text
from tuneoff.forecast import GPUS, Fit, PeakForecast
from tuneoff.kept import Range
from tuneoff.report import format as f
from tuneoff.run import MeasuredTrial, Outlook, Plan, TrialOutlook
from tuneoff.strings import language, say


def planning_text(plan: Plan, states: dict[str, str], outlook: Outlook, measured: dict[str, MeasuredTrial]) -> str:
    """Every part, a blank line between two."""
    parts = [plan_text(plan, states), *_notes(plan)]
    if outlook.rows:
        parts += [_forecast(plan, outlook), _gpus(outlook), *_findings(plan, outlook)]
    parts += [_unforeseen(outlook)]
    if measured:
        parts.append(_measured(outlook, measured))
    return "\n\n".join(part for part in parts if part)


def _notes(plan: Plan) -> list[str]:
    """Of a backbone that is not here."""
    if plan.facts is None or plan.resolved is not None:
        return []
    lang = language()
    entry = known_backbone(plan.study.spec.backbone)
    return [" ".join([say("forecast.unseen", lang), *([say("forecast.gated", lang)] if entry and entry.gated else [])])]


def _unforeseen(outlook: Outlook) -> str:
    """Methods without a forecast, and why."""
    said = [say("forecast.unforeseen", language(), method=label, reason=reason) for label, reason in outlook.unforeseen.items()]
    return "\n".join(f"! {line}" for line in said)


def _name(label: str, outlook: Outlook) -> str:
    return say("forecast.pretraining", language()) if outlook.rows[label] is outlook.pretraining else label


def _device(outlook: Outlook) -> str:
    return outlook.target.name if outlook.target.kind == "cuda" else say("forecast.this_cpu", language())


def _forecast(plan: Plan, outlook: Outlook) -> str:
    lang, spec = language(), plan.study.spec
    first = next(iter(outlook.rows.values())).forecast
    title = say("forecast.title", lang, device=_device(outlook), precision=first.scene.precision)
    held = say("forecast.column_held", lang)
    columns = [say("report.method", lang), say("forecast.column_train", lang), held, say("forecast.column_evaluate", lang), held]
    columns += [say(f"forecast.column_{name}", lang) for name in ("fixed", "activations", "time")]
    rows = [[_name(label, outlook), *_peaks(row), between(row.duration.trial)] for label, row in outlook.rows.items()]
    lengths = say("forecast.lengths_exact" if outlook.exact else "forecast.lengths_estimated", lang, length=spec.train.max_length)
    rates = say("forecast.rates_probe" if outlook.speed.source == "probe" else "forecast.rates_datasheet", lang)
    memory = say("forecast.memory_cpu" if outlook.target.kind == "cpu" else "forecast.memory_gpu", lang)
    total = say("forecast.study_time", lang, time=between(outlook.seconds))
    return "\n".join([title, "", _table(columns, rows), "", lengths, memory, rates, total])


def _peaks(row: TrialOutlook) -> list[str]:
    train, evaluate = row.forecast.train, row.forecast.evaluate
    fixed = sum(train.parts[part] for part in ("weights", "gradients", "optimiser", "best_epoch"))
    return [f.size(value) for value in (train.bytes, train.held, evaluate.bytes, evaluate.held, fixed, train.bytes - fixed)]


def between(seconds: Range) -> str:
    """A range of times."""
    low, high = f.short_time(seconds.low), f.short_time(seconds.high)
    return low if low == high else say("forecast.between", language(), low=low, high=high)


def _gpus(outlook: Outlook) -> str:
    lang = language()
    names = list(next(iter(outlook.rows.values())).fits)
    usable = {gpu.name: gpu.target.usable for gpu in GPUS}
    columns = [say("report.method", lang), *(f"{name} ({f.size(usable[name])})" for name in names)]
    rows = [[_name(label, outlook), *(_cell(row.fits[name]) for name in names)] for label, row in outlook.rows.items()]
    return "\n".join([say("forecast.gpus_title", lang), "", _table(columns, rows), "", say("forecast.gpus_legend", lang)])


def _cell(fit: Fit) -> str:
    size = f.size(fit.need)
    if fit.verdict == "fits":
        return size
    return say(f"forecast.cell_{remedy(fit.as_dict())}", language(), size=size, rows=fit.micro_batch)


def _findings(plan: Plan, outlook: Outlook) -> list[str]:
    """What does not fit the device asked about, or the budget."""
    lang, budget = language(), plan.study.spec.budget.memory
    lines = []
    for label, row in outlook.rows.items():
        name = _name(label, outlook)
        if row.fit.verdict == "too_large":
            facts = {"need": f.size(row.fit.need), "usable": f.size(row.fit.usable)}
            lines.append("! " + say("forecast.does_not_fit", lang, method=name, device=_device(outlook), **facts))
        elif row.fit.verdict != "fits":
            lines.append("! " + say("forecast.fits_smaller", lang, method=name, device=_device(outlook), setting=_setting(row.fit)))
        if budget is not None and row.forecast.peak > budget:
            lines.append("! " + say("forecast.over_budget", lang, method=name, need=f.size(row.forecast.peak), budget=f.size(budget)))
    return ["\n".join(lines)]


def _setting(fit: Fit) -> str:
    rows = [] if fit.micro_batch is None else [f"train.micro_batch={fit.micro_batch}"]
    return " ".join([*rows, *(["train.gradient_checkpointing=true"] if fit.verdict == "checkpointing" else [])])


def _measured(outlook: Outlook, measured: dict[str, MeasuredTrial]) -> str:
    lang = language()
    columns = [say("report.method", lang)]
    for name in ("train", "evaluate"):
        columns += [say(f"forecast.column_{part}", lang) for part in (name, "off")]
    columns.append(say("forecast.column_step", lang))
    rows, reasons = [], []
    for label, found in measured.items():
        if found.measured is None:
            reasons.append("! " + label + ": " + say("forecast.measure_failed", lang, reason=found.reason))
            continue
        forecast, seen = outlook.rows[label].forecast, found.measured
        cells = []
        for peak, what in ((forecast.train, seen.train), (forecast.evaluate, seen.evaluate)):
            cells += [f.size(what.bytes), _off(peak, what)]
        rows.append([_name(label, outlook), *cells, f"{seen.seconds['step']:.3g}"])
    table = _table(columns, rows) if rows else ""
    return "\n".join([say("forecast.measured_title", lang), "", table, *reasons])


def _off(forecast: PeakForecast, measured: Any) -> str:
    expected = forecast.bytes if measured.counter == "cuda_max_memory_allocated" else forecast.resident_in_steps
    return f"{100 * (expected / measured.bytes - 1):+.1f} %" if measured.bytes else f.NOTHING


def outlook_json(plan: Plan, outlook: Outlook, measured: dict[str, MeasuredTrial]) -> dict[str, Any]:
    """The shape of ``tuneoff plan --json`` beside trials and methods."""
    target = outlook.target
    return {
        "device": {"name": target.name, "kind": target.kind, "usable_bytes": target.usable, "rates": outlook.speed.source},
        "lengths": "tokenizer" if outlook.exact else "estimated",
        "seconds": outlook.seconds.as_dict(),
        "forecasts": {label: _row_json(plan, row) for label, row in outlook.rows.items()},
        "unforeseen": outlook.unforeseen,
        "measured": {label: found.as_dict() for label, found in measured.items()},
    }


def _row_json(plan: Plan, row: TrialOutlook) -> dict[str, Any]:
    budget = plan.study.spec.budget.memory
    return row.as_dict() | {"over_budget": None if budget is None else row.forecast.peak > budget}
