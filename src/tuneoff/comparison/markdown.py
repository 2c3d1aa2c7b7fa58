"""A comparison as a Markdown page: what differs, what that did to accuracy, what it costs."""

from typing import TYPE_CHECKING, Any

from tuneoff.comparison.found import Against, Difference, Found
from tuneoff.comparison.side import Side
from tuneoff.report import format as f
from tuneoff.report.markdown import Column, plain, table
from tuneoff.strings import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuneoff.analyse import Interval, Row, StudyGap

#: Longer values of a setting are cut in the table; JSON has them whole.
SHOWN = 60


def page(found: Found, lang: str) -> str:
    """The whole page."""
    parts = [
        [f"# {say('compare.title', lang, names=', '.join(map(plain, found.names)))}", "", say("compare.intro", lang, base=_base(found))],
        _studies(found, lang),
        _differences(found, lang),
        *(_against(found, one, lang) for one in found.against),
        _costs(found, lang),
        _alone(found, lang),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _base(found: Found) -> str:
    return f"**{plain(found.names[0])}**"


def _studies(found: Found, lang: str) -> list[str]:
    def rows(side: Side) -> str:
        counts = side.material.data.rows
        return " / ".join(f.count(counts[name]) for name in ("train", "validation", "test"))

    def trials(side: Side) -> str:
        states = side.material.analysis.trials
        return f"{states['complete']}/{sum(states.values())}"

    columns: list[Column[Side]] = [
        (say("compare.study", lang), lambda side: plain(side.name)),
        (say("compare.backbone", lang), lambda side: plain(side.material.spec.backbone)),
        (say("compare.rows", lang), rows),
        (say("compare.seeds", lang), lambda side: str(side.material.analysis.num_seeds)),
        (say("compare.trials", lang), trials),
        (say("compare.device", lang), lambda side: plain(side.environment.get("device_name") or f.NOTHING)),
    ]
    return [f"## {say('compare.studies', lang)}", "", *table(columns, found.sides)]


def _differences(found: Found, lang: str) -> list[str]:
    head = [f"## {say('compare.differs', lang)}", ""]
    if not found.differences:
        return [*head, say("compare.differs_nothing", lang)]

    def value_in(name: str) -> "Column[Difference]":
        return plain(name), lambda one: _value(one.values[name]) if name in one.values else f.NOTHING

    what: Column[Difference] = (say("compare.what", lang), lambda one: f"`{one.what}`")
    return [*head, *table([what, *map(value_in, found.names)], found.differences)]


def _value(value: Any) -> str:
    if value is None:
        return f.NOTHING
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return plain(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def _against(found: Found, one: Against, lang: str) -> list[str]:
    base, side = found.sides[0], next(side for side in found.sides if side.name == one.study)
    sizes = {"base_rows": f.count(len(base.hits.rows)), "other_rows": f.count(len(side.hits.rows)), "common": f.count(one.rows.common)}
    names = {"base": plain(base.name), "other": plain(one.study)}
    lines = [f"## {say('compare.against', lang, **names)}", "", say(f"compare.rows_{one.rows.kind}", lang, **sizes), ""]
    labels = [label for label in found.labels if label in base.rows and label in side.rows]
    if not labels:
        return [*lines, say("compare.no_method", lang)]

    by_accuracy = _scores(found, base, side, one.gaps, labels, lambda row: row.accuracy, lang)
    by_f1 = _scores(found, base, side, one.f1_gaps, labels, lambda row: row.macro_f1, lang)
    return [*lines, *by_accuracy, "", *_summary(one, names["other"], lang), "", say("compare.by_f1", lang), "", *by_f1]


def _scores(
    found: Found,
    base: Side,
    side: Side,
    gaps: "Mapping[str, StudyGap]",
    labels: list[str],
    of: "Callable[[Row], Interval | None]",
    lang: str,
) -> list[str]:
    """One score of each method in both studies, and their difference."""

    def score(where: Side) -> "Column[str]":
        return say("compare.score_in", lang, study=plain(where.name)), lambda label: _score(where.rows[label], of, lang)

    def verdict(label: str) -> str:
        gap = gaps.get(label)
        return say(f"compare.{_verdict(gap)}", lang) if gap else f.NOTHING

    columns: list[Column[str]] = [
        (say("report.method", lang), lambda label: plain(found.title(label, lang))),
        score(base),
        score(side),
        (say("compare.difference", lang), lambda label: f.points(gaps[label]) if label in gaps else f.NOTHING),
        ("p", lambda label: f.p_value(gaps[label].p_value) if label in gaps else f.NOTHING),
        (say("compare.verdict", lang), verdict),
    ]
    return table(columns, labels)


def _score(row: "Row", of: "Callable[[Row], Interval | None]", lang: str) -> str:
    if not row.trained:
        return say("report.not_trained", lang)
    value = of(row)
    return f.score(value) if value else say(f"report.state_{row.state}", lang)


def _verdict(gap: "StudyGap") -> str:
    if not gap.separable:
        return "not_separable"
    return "higher" if gap.mean > 0 else "lower"


def _summary(one: Against, name: str, lang: str) -> list[str]:
    """What the table shows, in a sentence that only counts what it marks."""
    if not one.gaps:
        return [say("compare.summary_nothing", lang)]
    marks = [_verdict(gap) for gap in one.gaps.values()]
    counts = {mark: marks.count(mark) for mark in ("higher", "lower", "not_separable")}
    same = counts.pop("not_separable")
    lines = [say("compare.summary", lang, study=name, total=len(marks), **counts)]
    if same:
        lines.append(say("compare.summary_same", lang, not_separable=same))
    if any(gap.reason == "one_seed" for gap in one.gaps.values()):
        lines.append(say("compare.one_seed", lang))
    return [" ".join(lines)]


def _costs(found: Found, lang: str) -> list[str]:
    machine = "same_machine" if found.same_machine else "other_machine"
    lines = [f"## {say('compare.costs', lang)}", "", say(f"compare.{machine}", lang), ""]
    pairs = [(label, name) for label in found.labels for name in found.costs(label)]

    def cost(name: str, reads: Any) -> "Column[tuple[str, str]]":
        def cell(pair: tuple[str, str]) -> str:
            label, study = pair
            values = {of: costs[name] for of, costs in found.costs(label).items()}
            base = values.get(found.names[0])
            value = values[study]
            times = f" (×{value / base:.2f})" if value and base and study != found.names[0] else ""
            return f"{reads(value)}{times}"

        return say(f"compare.{name}", lang), cell

    def size(value: float | None) -> str:
        return f.size(None if value is None else int(value))

    columns: list[Column[tuple[str, str]]] = [
        (say("report.method", lang), lambda pair: plain(found.title(pair[0], lang))),
        (say("compare.study", lang), lambda pair: plain(pair[1])),
        cost("trainable_parameters", f.count),
        cost("train_peak_bytes", size),
        cost("train_seconds", f.short_time),
        cost("search_seconds", f.short_time),
        cost("artefact_bytes", size),
        cost("answer_seconds", f.latency),
    ]
    return [*lines, *table(columns, pairs)]


def _alone(found: Found, lang: str) -> list[str]:
    if not found.alone:
        return []
    names = ", ".join(f"{plain(label)} ({plain(study)})" for label, study in found.alone.items())
    return [say("compare.alone", lang, names=names)]
