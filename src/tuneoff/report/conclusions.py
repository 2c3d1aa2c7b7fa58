"""Sections 5.1 and 5.2 of the brief: sentences that follow from the numbers, or say that they cannot be decided."""

from tuneoff.analyse import ALMOST_NONE, SMALL, Change, Comparison, Recommendation, Row, effort, reading
from tuneoff.report import format as f
from tuneoff.report.material import Material
from tuneoff.strings import say

#: What a free Colab GPU leaves of its nominal 16 GB (a T4 reports 15,360 MiB less what the driver holds).
T4_BYTES = 15_000_000_000
#: With fewer seeds the report says that an interval can decide little.
FEW_SEEDS = 3
#: The brief's words for a loss against full fine-tuning, and the points at which each ends.
WORDS = {"gain": -ALMOST_NONE, "none": ALMOST_NONE, "small": SMALL, "large": float("inf")}


def gap_words(gap: Comparison) -> tuple[str, str]:
    """The smallest and the largest of the brief's words that the interval of a difference to full fine-tuning leaves open."""
    # An end that stands on a border belongs to the side of its interval; the rounding takes off what floats add.
    least, most = (round(-100 * end, 6) for end in (gap.high, gap.low))
    return next(word for word, end in WORDS.items() if least < end), next(word for word, end in WORDS.items() if most <= end)


def gap_word(gap: Comparison) -> str:
    """Which sentence a difference deserves: the brief's word where the interval holds one alone, else what the data cannot decide."""
    least, most = gap_words(gap)
    if least == most:
        return least
    return "undecided" if not gap.separable else "lost" if gap.mean < 0 else "won"


def performance(material: Material, lang: str) -> list[str]:
    """Section 5.1."""
    analysis = material.analysis
    best = analysis.best
    if best is None:
        return [say("report.nothing_yet", lang), *_not_ranked(material, lang)]
    lines = [
        *_seeds(material, lang),
        *_gaps(material, lang),
        _best(material, best, lang),
        *_gains(material, lang),
        *_not_ranked(material, lang),
    ]
    prompts = [
        row
        for row in analysis.scored
        if row.method in ("prompt", "p_tuning") and row.gap and row.gap.separable and row.gap.mean < 0 and (row.epochs or 0) < 10
    ]
    if prompts:
        lines.append("* " + say("report.more_epochs", lang, epochs=prompts[0].epochs))
    return lines


def _gaps(material: Material, lang: str) -> list[str]:
    full = material.analysis.row("full")
    if full is None or full.accuracy is None:
        fallen = any(row.method == "full" and not row.trained for row in material.analysis.rows)
        return ["* " + say("report.full_fallen" if fallen else "report.no_full", lang)]
    found = [(row, row.gap) for row in material.analysis.scored if row.experiment == 3 and row.gap]
    lines = ["* " + say("report.gap_intro", lang, accuracy=f.score(full.accuracy))] if found else []
    for row, gap in found:
        low, high = (say(f"report.word_{word}", lang) for word in gap_words(gap))
        facts = {"method": material.name(row, lang), "points": f.points(gap), "low": low, "high": high}
        lines.append("  * " + say(f"report.gap_{gap_word(gap)}", lang, **facts))
    return lines


def _best(material: Material, best: Row, lang: str) -> str:
    analysis = material.analysis
    facts = {
        "domain": material.spec.domain or say("report.domain_none", lang),
        "method": material.name(best, lang),
        "score": f.score(best.accuracy),
    }
    tied = [row for row in analysis.ties if row is not best]
    nearest = next(iter(tied or [row for row in analysis.scored if row is not best]), None)
    difference = analysis.comparisons.between(best.label, nearest.label) if nearest else None
    if nearest is None or difference is None:
        return "* " + say("report.best_only", lang, **facts)
    facts |= {"other": material.name(nearest, lang), "points": f.points(difference)}
    if not tied:
        return "* " + say("report.best_alone", lang, **facts)
    line = "* " + say("report.best_tied", lang, seeds=difference.seeds, rows=analysis.num_test, **facts)
    if len(tied) > 1:
        line += " " + say("report.best_tied_others", lang, others=", ".join(material.name(row, lang) for row in tied[1:]))
    return line


def _gains(material: Material, lang: str) -> list[str]:
    lines = []
    for gain in material.analysis.pretrain_gains.values():
        before = next(row for row in material.analysis.rows if row.label == gain.other)
        assert before.accuracy is not None
        word = "undecided" if not gain.separable else "yes" if gain.mean > 0 else "no"
        relative = f"{100 * gain.mean / before.accuracy.mean:+.1f} %" if before.accuracy.mean else f.NOTHING
        facts = {"method": material.name(before, lang), "points": f.points(gain), "percent": relative}
        lines.append("* " + say(f"report.gain_{word}", lang, **facts))
    return lines or ["* " + say("report.no_pretraining", lang)]


def _not_ranked(material: Material, lang: str) -> list[str]:
    fallen = [f"{material.name(row, lang)} – {material.collapse(row, lang)}" for row in material.analysis.rows if not row.trained]
    return ["* " + say("report.not_ranked", lang, methods=", ".join(fallen))] if fallen else []


def _seeds(material: Material, lang: str) -> list[str]:
    analysis = material.analysis
    compared = [gap for row in analysis.rows for gap in (row.gap, row.gap_to_best) if gap]
    if any(gap.reason == "one_seed" for gap in compared):
        return ["* " + say("report.one_seed", lang, rows=analysis.num_test)]
    if analysis.num_seeds < FEW_SEEDS and compared:
        return ["* " + say("report.few_seeds", lang, seeds=analysis.num_seeds, rows=analysis.num_test)]
    return []


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
    found = material.recommendation
    lines.append("* " + " ".join(_chosen(material, found, lang) if found.choice else _none(material, found, lang)))
    return [*lines, *_changes(material, found, lang)]


def _chosen(material: Material, found: Recommendation, lang: str) -> list[str]:
    choice, limits = found.choice, material.limits
    assert choice is not None
    candidates = ", ".join(material.name(row, lang) for row in found.candidates)
    facts = {"method": material.name(choice, lang), "time": f.short_time(effort(choice)), "within": f"{limits.within:g}"}
    gap = choice.gap_to_best
    if gap is None:
        words = [say("report.recommended_best", lang, candidates=candidates, **facts)]
    else:
        words = [say("report.recommended", lang, candidates=candidates, points=f.points(gap), **facts)]
    if over := _over(material, found, lang):
        words.append(say("report.left_out", lang, over=over))
    if found.share is not None:
        words.append(say("report.how_sure", lang, share=f.percent(100 * found.share)))
        rest = {_name(material, label, lang): share for label, share in found.shares.items() if label != choice.label}
        # A thousandth is one draw; less is what floats add.
        if (nothing := 1 - sum(found.shares.values())) > 0.0005:
            rest[say("report.no_choice", lang)] = nothing
        if rest:
            others = ", ".join(f"{name} ({f.percent(100 * share)})" for name, share in sorted(rest.items(), key=lambda one: -one[1]))
            words.append(say("report.how_sure_others", lang, others=others))
    return words


def _none(material: Material, found: Recommendation, lang: str) -> list[str]:
    words = [say("report.none_fits", lang, over=_over(material, found, lang))]
    if found.nearest is not None:
        words.append(say("report.nearest", lang, method=material.name(found.nearest, lang)))
    return words


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
    lines = []
    for change in found.changes:
        if change.limit not in shown:
            continue
        key = f"report.change_{change.side if change.choice else 'nothing'}"
        facts = {
            "limit": say(f"report.limit_{change.limit}", lang),
            "threshold": _threshold(change, lang),
            "method": _name(material, change.choice, lang) if change.choice else "",
        }
        lines.append("  * " + say(key, lang, **facts))
    return lines


def _threshold(change: Change, lang: str) -> str:
    if change.limit == "within":
        return say("report.in_points", lang, points=f"{change.threshold:.2f}")
    return f.limited(change.limit, change.threshold)


def _name(material: Material, label: str, lang: str) -> str:
    return material.name(next(row for row in material.analysis.rows if row.label == label), lang)


def _memory(material: Material, lang: str) -> list[str]:
    # What a method needs is known whether or not it learnt.
    lora, full = (next((row for row in material.analysis.rows if row.method == name and row.memory), None) for name in ("lora", "full"))
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


__all__ = ["efficiency", "gap_word", "gap_words", "performance"]
