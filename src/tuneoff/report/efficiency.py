"""Section 5.2 of the brief: memory that LoRA saves, a free Colab, the fastest method, and which is recommended."""

import math
from typing import Any, Final

from tuneoff.analyse import Change, Recommendation, Row, effort, reading, remedy
from tuneoff.report import format as f
from tuneoff.report import words
from tuneoff.report.material import Material
from tuneoff.strings import say

#: What free Colab lends, as the forecast calls it and as it calls itself.
FREE_GPU: Final = "T4"
#: A method that gives up more points than this for its cheapness is no advice.
MOST_GIVEN_UP: Final = 10.0
#: A choice that changes in more than half of the draws is not settled.
SETTLED: Final = 0.5


def efficiency(material: Material, lang: str) -> list[str]:
    """Section 5.2."""
    if material.analysis.best is None:
        return [say("report.nothing_yet", lang)]
    return ["* " + " ".join(_memory(material, lang)), *_fastest(material, lang), *recommendation(material, lang)]


def recommendation(material: Material, lang: str) -> list[str]:
    """The choice inside the budget, how sure it is, and what would change it; some method needs a score."""
    found = material.recommendation
    chosen = _chosen(material, found, lang) if found.choice else _none(material, found, lang)
    return ["* " + " ".join(chosen), *_changes(material, found, lang)]


def _memory(material: Material, lang: str) -> list[str]:
    # What a method needs is known whether or not it learnt.
    lora, full = (next((row for row in material.analysis.rows if row.method == name and row.memory), None) for name in ("lora", "full"))
    one, other = (row.memory.get("train_peak_bytes") if row else None for row in (lora, full))
    if lora is None or not one or not other:
        return [say("report.no_lora", lang)]
    share = 100 * (1 - one / other)
    key = "report.memory_same" if one == other else "report.memory_saved" if share > 0 else "report.memory_more"
    facts = {"one": f.size(one), "other": f.size(other), "percent": f.percent(abs(share))}
    return [say(key, lang, method=material.name(lora, lang), **facts), *_colab(material, lora, lang)]


def _colab(material: Material, lora: Row, lang: str) -> list[str]:
    """Whether LoRA runs on a free Colab GPU: measured where the study ran on one, else by forecast where one was kept."""
    gpus = {machine["device_name"] for machine in material.environments if machine["device"] == "cuda"}
    if (ran := next((name for name in sorted(gpus) if FREE_GPU in name.split()), None)) and len(gpus) == 1:
        return [say("report.colab_ran", lang, device=ran)]
    fit = _fit(material, lora.label)
    if fit is None:
        return [say("report.colab_unknown", lang)]
    facts = {"need": f.size(fit["need"]), "usable": f.size(fit["usable"]), "rows": fit["micro_batch"]}
    said = [say(f"report.colab_{remedy(fit)}", lang, **facts)]
    full = _fit(material, "full")
    if full is not None and fit["verdict"] == "fits":
        said.append(say("report.colab_full_too" if full["verdict"] == "fits" else "report.colab_full_not", lang, need=f.size(full["need"])))
    return said


def _fit(material: Material, label: str) -> dict[str, Any] | None:
    forecast = material.forecasts.get(label)
    return forecast.fits.get(FREE_GPU) if forecast else None


def _fastest(material: Material, lang: str) -> list[str]:
    full = material.analysis.row("full")
    trained = [row for row in material.analysis.scored if row.experiment in (1, 2, 3) and row.time.get("train_seconds")]
    if not trained:
        return []
    fast = min(trained, key=lambda row: row.time["train_seconds"] or 0.0)
    facts = {"method": material.name(fast, lang), "time": f.short_time(fast.time["train_seconds"])}
    if len(trained) == 1:
        return ["* " + say("report.fastest_only", lang, **facts)]
    if full is None or full is fast:
        return ["* " + say("report.fastest_alone", lang, **facts)]
    return ["* " + say("report.fastest", lang, full=f.short_time(full.time["train_seconds"]), **facts)]


def _chosen(material: Material, found: Recommendation, lang: str) -> list[str]:
    choice = found.choice
    assert choice is not None
    fitting = [row for row in found.candidates if material.limits.fit(row)]
    facts = {
        "method": material.name(choice, lang),
        "time": f.short_time(effort(choice)),
        "within": words.in_points(material.limits.within, lang),
        "candidates": ", ".join(material.name(row, lang) for row in fitting),
    }
    gap = choice.gap_to_best
    if len(fitting) == 1:
        said = [say("report.recommended_only", lang, **facts)]
    elif gap is None:
        said = [say("report.recommended_best", lang, **facts)]
    else:
        said = [say("report.recommended", lang, points=f.points(gap), **facts)]
    if (spent := material.expense(choice)) is not None:
        said.append(say("report.recommended_money", lang, money=f.money(spent.total, spent.currency)))
    if over := _over(material, found, lang):
        said.append(say("report.left_out", lang, over=over))
    return said + _how_sure(material, found, lang)


def _how_sure(material: Material, found: Recommendation, lang: str) -> list[str]:
    if found.share is None or found.choice is None:
        return []
    said = [say("report.how_sure", lang, share=f.percent(100 * found.share))]
    rest = {_name(material, label, lang): share for label, share in found.shares.items() if label != found.choice.label}
    # A thousandth is one draw; less is what floats add.
    if (nothing := 1 - sum(found.shares.values())) > 0.0005:
        rest[say("report.no_choice", lang)] = nothing
    if rest:
        others = ", ".join(f"{name} ({f.percent(100 * share)})" for name, share in sorted(rest.items(), key=lambda one: -one[1]))
        said.append(say("report.how_sure_others", lang, others=others))
    if found.share < SETTLED:
        said.append(say("report.not_settled", lang))
    return said


def _none(material: Material, found: Recommendation, lang: str) -> list[str]:
    said = [say("report.none_fits", lang, over=_over(material, found, lang))]
    if found.nearest is not None:
        said.append(say("report.nearest", lang, method=material.name(found.nearest, lang)))
    return said


def _over(material: Material, found: Recommendation, lang: str) -> str:
    """Every candidate that is not known to fit, and by how much it breaks each limit."""
    told = []
    for row in found.candidates:
        parts = [
            say(
                "report.over",
                lang,
                limit=say(f"report.limit_{limit}", lang),
                reading=f.limited(limit, reading(row, limit)),
                ratio=f.ratio(ratio),
                allowed=f.limited(limit, getattr(material.limits, limit)),
            )
            for limit, ratio in found.exceeded.get(row.label, {}).items()
        ]
        parts += [say("report.unmeasured", lang, limit=say(f"report.limit_{limit}", lang)) for limit in found.unmeasured.get(row.label, [])]
        if parts:
            told.append(f"{material.name(row, lang)} ({'; '.join(parts)})")
    return ", ".join(told)


def _changes(material: Material, found: Recommendation, lang: str) -> list[str]:
    """What moving the stated limits would change; without any, those of memory and time."""
    shown = {*(material.limits.stated or ("memory", "seconds")), "within"}
    changes = [change for change in found.changes if change.limit in shown and not _pointless(material, change)]
    return ["  * " + _change(material, change, lang) for change in changes]


def _pointless(material: Material, change: Change) -> bool:
    """Nobody gives up so much accuracy for a cheaper method."""
    return change.limit == "within" and change.side == "from" and change.threshold > max(MOST_GIVEN_UP, material.limits.within)


def _change(material: Material, change: Change, lang: str) -> str:
    method = _name(material, change.choice, lang) if change.choice else ""
    if change.limit == "within":
        key = "within_nothing" if not change.choice else "within" if change.side == "from" else "within_below"
        # The hundredth that is printed must do what the sentence says of it.
        hundredths = math.ceil(round(100 * change.threshold, 6)) if change.side == "from" else max(1, math.floor(100 * change.threshold))
        return say(f"report.change_{key}", lang, threshold=words.in_points(hundredths / 100, lang), method=method)
    facts = {"limit": say(f"report.limit_{change.limit}", lang), "threshold": f.limited(change.limit, change.threshold)}
    return say(f"report.change_{change.side if change.choice else 'nothing'}", lang, method=method, **facts)


def _name(material: Material, label: str, lang: str) -> str:
    return material.name(next(row for row in material.analysis.rows if row.label == label), lang)
