"""The forecast in a few lines: before a run what it will take, after it how right that was."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from tuneoff.analyse import remedy
from tuneoff.kept import Foresight
from tuneoff.report import Material
from tuneoff.report import format as f
from tuneoff.strings import say

if TYPE_CHECKING:
    from tuneoff.run import Plan


def before(plan: "Plan", foresight: Foresight, left: Collection[str], lang: str) -> list[str]:
    """What the trials and stages that are left will take, and which of them do not fit.

    Args:
        plan: of the trials that are to run.
        foresight: the forecast.
        left: names of trials and stages that are not complete.
        lang: ``en`` or ``ko``.
    """
    from tuneoff.run import expected_seconds

    waiting = [method for method in plan.methods if any(trial.name in left for trial in method.trials)]
    found = {method.label: row for method in waiting if (row := foresight.of(method.trials)) is not None}
    names = {method.label: method.title[lang] if method.label == method.chosen.full_name else method.label for method in waiting}
    stages = [foresight.rows[stage.key] for stage in plan.stages if stage.name in left and stage.key in foresight.rows]
    if stages:
        found["pretrain"], names["pretrain"] = stages[0], say("forecast.pretraining", lang)
    if not found:
        return []
    peaks = {label: max(row["train"]["held"], row["evaluate"]["held"]) for label, row in found.items()}
    largest = max(peaks, key=lambda label: peaks[label])
    count = sum(trial.name in left for method in waiting for trial in method.trials)
    lines = [
        say(
            "foresight.first",
            lang,
            time=f.span(*expected_seconds(foresight, plan, left).ends),
            count=say("foresight.trials_one", lang) if count == 1 else say("foresight.trials_many", lang, count=count),
            memory=f.size(peaks[largest]),
            method=names[largest],
        )
    ]
    device = foresight.device["name"] if foresight.on_gpu else say("forecast.this_cpu", lang)
    tight = {label: row["fit"] for label, row in found.items() if row["fit"]["verdict"] != "fits"}
    if not tight:
        lines[0] += " " + say("foresight.fit", lang, device=device)
    for label, fit in tight.items():
        # What is too large as it is written comes to less with everything that helps, and even that is too much.
        need = fit["need"] if fit["verdict"] == "too_large" else peaks[label]
        facts = {"need": f.size(need), "usable": f.size(fit["usable"]), "rows": fit["micro_batch"]}
        lines.append(say(f"foresight.{remedy(fit)}", lang, method=names[label], device=device, **facts))
    reasons = {method.label: reason for method in waiting if (reason := foresight.reason_of(method.trials)) is not None}
    return lines + ["! " + say("forecast.unforeseen", lang, method=names[label], reason=reason) for label, reason in reasons.items()]


def after(material: Material, lang: str) -> list[str]:
    """How far the forecast was off, over all methods that have both."""
    rows = {row.label: row for row in material.analysis.rows if row.trials.get("complete")}
    found = {label: forecast.quantities for label, forecast in material.forecasts.items() if forecast.quantities and label in rows}
    offs = [value for one in found.values() if (value := one["train_memory"].off_percent) is not None]
    if not offs:
        return []
    low = high = measured = 0.0
    for label, quantities in found.items():
        for name in ("train_seconds", "eval_seconds"):
            trials = rows[label].trials["complete"]
            low, high = low + trials * quantities[name].low, high + trials * quantities[name].high
            measured += trials * (quantities[name].measured or 0.0)
    least, most = f.off(min(offs)), f.off(max(offs))
    memory = least if least == most else say("foresight.off_within", lang, low=least, high=most)
    return [say("foresight.last", lang, count=len(offs), memory=memory, measured=f.short_time(measured), time=f.span(low, high))]
