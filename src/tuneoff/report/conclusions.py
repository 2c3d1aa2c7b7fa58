"""Section 5.1 of the brief: sentences that follow from the numbers, or say that they cannot be decided."""

from collections.abc import Sequence

from tuneoff.analyse import ALMOST_NONE, SMALL, Comparison, Interval, Row, still_learning
from tuneoff.report import format as f
from tuneoff.report import words
from tuneoff.report.efficiency import efficiency
from tuneoff.report.material import Material
from tuneoff.strings import say

#: With fewer seeds the report says that an interval can decide little.
FEW_SEEDS = 3
#: Methods of soft prompts learn slowly: with fewer epochs than this their accuracy is a lower bound.
FEW_EPOCHS = 10
#: The brief's words for a loss against full fine-tuning, and the points at which each ends.
WORDS = {"gain": -ALMOST_NONE, "none": ALMOST_NONE, "small": SMALL, "large": float("inf")}
#: Groups of methods in the order in which they are told: what is certain first.
GROUPS = ("gain", "won", "none", "small", "large", "lost", "undecided")


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
        if row.method in ("prompt", "p_tuning") and row.gap and row.gap.separable and row.gap.mean < 0 and (row.epochs or 0) < FEW_EPOCHS
    ]
    if prompts:
        lines.append("* " + say("report.more_epochs", lang, epochs=words.epochs(prompts[0].epochs or 0, lang)))
    return [*lines, *_unfinished(material, lang)]


def _unfinished(material: Material, lang: str) -> list[str]:
    """Methods that more epochs would change."""
    falls = still_learning(material.methods)
    rows = [row for row in material.analysis.scored if row.label in falls]
    found = [f"**{material.name(row, lang)}** {f.percent(100 * falls[row.label])}" for row in rows]
    return ["* " + say("report.still_learning", lang, methods=", ".join(found))] if found else []


def _gaps(material: Material, lang: str) -> list[str]:
    """The loss against full fine-tuning: a verdict on all PEFT methods, then those of one verdict together."""
    full = material.analysis.row("full")
    if full is None or full.accuracy is None:
        fallen = any(row.method == "full" and not row.trained for row in material.analysis.rows)
        return ["* " + say("report.full_fallen" if fallen else "report.no_full", lang)]
    groups: dict[tuple[str, tuple[str, str]], list[tuple[Row, Comparison]]] = {}
    for row in material.analysis.scored:
        if row.experiment == 3 and row.gap:
            groups.setdefault((gap_word(row.gap), gap_words(row.gap)), []).append((row, row.gap))
    if not groups:
        return []
    said = {word for word, _ in groups}
    verdict = f"report.gaps_all_{min(said)}" if len(said) == 1 else "report.gaps_mixed"
    lines = ["* " + say(verdict, lang, accuracy=f.score(full.accuracy))]
    for (word, (low, high)), members in sorted(groups.items(), key=lambda group: GROUPS.index(group[0][0])):
        key = "lost_wide" if word == "lost" and (low, high) not in (("none", "small"), ("small", "large")) else word
        facts = {"low": say(f"report.word_{low}", lang), "high": say(f"report.word_{high}", lang)}
        lines.append("  * " + say(f"report.gap_{key}", lang, methods=_each(material, members, lang), **facts))
    return lines


def _each(material: Material, members: Sequence[tuple[Row, Comparison]], lang: str) -> str:
    return ", ".join(f"**{material.name(row, lang)}** {f.points(gap)}" for row, gap in members)


def _best(material: Material, best: Row, lang: str) -> str:
    analysis, domain = material.analysis, material.domain
    facts = {
        "where": say("report.in_domain", lang, domain=domain) if domain else say("report.in_data", lang),
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
    noise = {"seeds": words.seeds(difference.seeds, lang), "rows": f.count(analysis.num_test)}
    line = "* " + say("report.best_tied", lang, **noise, **facts)
    if len(tied) > 1:
        line += " " + say("report.best_tied_others", lang, others=", ".join(material.name(row, lang) for row in tied[1:]))
    return line


def _gains(material: Material, lang: str) -> list[str]:
    """What continued pretraining added, in points and in per cent of the score without it."""
    lines = []
    for gain in material.analysis.pretrain_gains.values():
        before = next(row for row in material.analysis.rows if row.label == gain.other)
        assert before.accuracy is not None
        word = "undecided" if not gain.separable else "yes" if gain.mean > 0 else "no"
        facts = {"method": material.name(before, lang), "points": f.points(gain), "before": f"{before.accuracy.mean:.3f}"}
        lines.append("* " + say(f"report.gain_{word}", lang, percent=_relative(gain, before.accuracy.mean), **facts))
    return lines or ["* " + say("report.no_pretraining", lang)]


def _relative(gain: Interval, before: float) -> str:
    """A difference in per cent of the score that it is added to, which counts as known."""
    if not before:
        return f.NOTHING
    mean, low, high = (round(100 * part / before, 1) + 0.0 for part in (gain.mean, gain.low, gain.high))
    return f"{mean:+.1f} % [{low:+.1f}, {high:+.1f}]"


def _not_ranked(material: Material, lang: str) -> list[str]:
    fallen = [f"{material.name(row, lang)} – {material.collapse(row, lang)}" for row in material.analysis.rows if not row.trained]
    return ["* " + say("report.not_ranked", lang, methods=", ".join(fallen))] if fallen else []


def _seeds(material: Material, lang: str) -> list[str]:
    analysis = material.analysis
    compared = [gap for row in analysis.rows for gap in (row.gap, row.gap_to_best) if gap]
    rows = f.count(analysis.num_test)
    if any(gap.reason == "one_seed" for gap in compared):
        return ["* " + say("report.one_seed", lang, rows=rows)]
    if analysis.num_seeds < FEW_SEEDS and compared:
        return ["* " + say("report.few_seeds", lang, seeds=words.seeds(analysis.num_seeds, lang), rows=rows)]
    return []


__all__ = ["efficiency", "gap_word", "gap_words", "performance"]
