"""Sections 5.1 and 5.2 of the brief: sentences that follow from the numbers, or say that they cannot be decided."""

from tuneoff.analyse import ALMOST_NONE, SMALL, Interval, recommend
from tuneoff.report import format as f
from tuneoff.report.material import Material
from tuneoff.strings import say

#: What a free Colab GPU leaves of its nominal 16 GB (a T4 reports 15,360 MiB less what the driver holds).
T4_BYTES = 15_000_000_000
#: With fewer seeds the report says that an interval can decide little.
FEW_SEEDS = 3


def gap_word(gap: Interval) -> str:
    """Which of the brief's words a paired difference to full fine-tuning (as a share, negative is a loss) deserves."""
    loss, low, high = -100 * gap.mean, -100 * gap.high, -100 * gap.low
    if low <= 0 <= high:
        return "none" if max(abs(low), abs(high)) < SMALL else "undecided"
    if loss < 0:
        return "gain"
    if loss < ALMOST_NONE:
        return "none"
    return "small" if loss < SMALL else "large"


def performance(material: Material, lang: str) -> list[str]:
    """Section 5.1."""
    analysis = material.analysis
    best = analysis.best
    if best is None or best.accuracy is None:
        return [say("report.nothing_yet", lang)]
    lines: list[str] = []
    full = analysis.row("full")
    peft = [row for row in analysis.scored if row.experiment == 3 and row.gap]
    if full is None or full.accuracy is None:
        lines.append("* " + say("report.no_full", lang))
    elif peft:
        lines.append("* " + say("report.gap_intro", lang, accuracy=f.score(full.accuracy)))
        for row in peft:
            assert row.gap is not None
            word = gap_word(row.gap)
            lines.append("  * " + say(f"report.gap_{word}", lang, method=material.name(row, lang), points=f.points(row.gap)))
    others = [material.name(row, lang) for row in analysis.ties if row is not best]
    facts = {
        "domain": material.spec.domain or say("report.domain_none", lang),
        "method": material.name(best, lang),
        "score": f.score(best.accuracy),
    }
    lines.append(
        "* " + (say("report.best_tied", lang, others=", ".join(others), **facts) if others else say("report.best_alone", lang, **facts))
    )
    lines += ["* " + line for line in _gains(material, lang)]
    prompts = [
        row for row in analysis.scored if row.method in ("prompt", "p_tuning") and row.gap and row.gap.high < 0 and (row.epochs or 0) < 10
    ]
    if prompts:
        lines.append("* " + say("report.more_epochs", lang, epochs=prompts[0].epochs))
    if analysis.num_seeds < FEW_SEEDS:
        lines.append("* " + say("report.few_seeds", lang, seeds=analysis.num_seeds, rows=analysis.num_test))
    return lines


def _gains(material: Material, lang: str) -> list[str]:
    lines = []
    for label, gain in material.analysis.pretrain_gains.items():
        after = next(row for row in material.analysis.rows if row.label == label)
        before = material.analysis.row(after.method.removeprefix("pretrain+"))
        assert before is not None
        assert before.accuracy is not None
        word = "yes" if gain.low > 0 else "no" if gain.high < 0 else "undecided"
        relative = f"{100 * gain.mean / before.accuracy.mean:+.1f} %"
        lines.append(say(f"report.gain_{word}", lang, method=material.name(before, lang), points=f.points(gain), percent=relative))
    return lines or [say("report.no_pretraining", lang)]


def efficiency(material: Material, lang: str) -> list[str]:
    """Section 5.2."""
    analysis = material.analysis
    if analysis.best is None:
        return [say("report.nothing_yet", lang)]
    lines = ["* " + " ".join(_memory(material, lang))]
    full = analysis.row("full")
    trained = [row for row in analysis.scored if row.experiment in (1, 2, 3) and row.time.get("train_seconds")]
    if trained:
        fast = min(trained, key=lambda row: row.time["train_seconds"] or 0.0)
        facts = {"method": material.name(fast, lang), "time": f.short_time(fast.time["train_seconds"])}
        if full is not None and full is not fast:
            lines.append("* " + say("report.fastest", lang, full=f.short_time(full.time["train_seconds"]), **facts))
        else:
            lines.append("* " + say("report.fastest_alone", lang, **facts))
    found = recommend(analysis, material.limits)
    if found.choice is not None:
        names = ", ".join(material.name(row, lang) for row in found.candidates)
        lines.append(
            "* "
            + say(
                "report.recommended",
                lang,
                method=material.name(found.choice, lang),
                time=f.short_time(found.choice.time.get("train_seconds")),
                within=f"{material.limits.within:g}",
                candidates=names,
            )
        )
    else:
        over = [
            f"{material.name(row, lang)} ({', '.join(say(f'report.over_{limit}', lang) for limit in found.over_budget[row.label])})"
            for row in found.candidates
        ]
        lines.append("* " + say("report.none_fits", lang, over="; ".join(over)))
    return lines


def _memory(material: Material, lang: str) -> list[str]:
    full, lora = material.analysis.row("full"), material.analysis.row("lora")
    one, other = (row.memory.get("train_peak_bytes") if row else None for row in (lora, full))
    if lora is None or not one or not other:
        return [say("report.no_lora", lang)]
    share = 100 * (1 - one / other)
    key = "report.memory_saved" if share >= 0 else "report.memory_more"
    words = [say(key, lang, method=material.name(lora, lang), percent=f.percent(abs(share)), one=f.size(one), other=f.size(other))]
    words.append(say("report.colab_fits" if one < T4_BYTES else "report.colab_not", lang))
    if lora.memory["counter"].startswith("peak_rss"):
        words.append(say("report.colab_cpu", lang))
    return words


__all__ = ["efficiency", "gap_word", "performance"]
