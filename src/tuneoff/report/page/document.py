"""The page itself: one file with its styles, its script and everything that it shows."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from tuneoff.analyse import Interval, Row, effort
from tuneoff.report import format as f
from tuneoff.report import sections, setup
from tuneoff.report.columns import FullColumn, full_columns, state
from tuneoff.report.conclusions import performance
from tuneoff.report.efficiency import efficiency, recommendation
from tuneoff.report.material import Material
from tuneoff.report.names import LANGUAGE_NAMES, page_name
from tuneoff.report.page.markup import html, inline
from tuneoff.report.page.payload import MOST_BYTES, as_script, payload
from tuneoff.report.references import references
from tuneoff.strings import LANGUAGES, say

#: A page is never larger.
MOST_PAGE: Final = 3_000_000
#: Columns that are shown before a reader chooses others.
FIRST_COLUMNS: Final = ("accuracy", "f1", "gap", "percent", "memory", "time", "search_time", "money", "latency", "artefact")
_INTERVAL: Final = re.compile(r"(\S+)\s+(\[.*\])")


def page(material: Material, lang: str, main: str) -> bytes:
    """The whole page. The same material gives the same bytes.

    Args:
        material: of the study.
        lang: ``en`` or ``ko``.
        main: language of ``report.html``.
    """
    room = MOST_BYTES
    while True:
        written = _Page(material, lang, main).render(room).encode("utf-8", "replace")
        if len(written) <= MOST_PAGE or not room:
            return written
        # Disputed rows are all that can be left out.
        room = max(0, room - (len(written) - MOST_PAGE) - 1000)


@cache
def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """The page's own script: its parts, in the order of their names."""
    parts = sorted(part.name for part in (files(__package__) / "script").iterdir() if part.name.endswith(".js"))
    return '"use strict";\n(() => {\n' + "\n".join(_file(f"script/{name}") for name in parts) + "\n})();\n"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _hash(text: str) -> str:
    """How a policy names a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


#: What the table under a chart says of each point, and the titles of the columns.
_POINTS: Final = {
    "trade": {"reading": "page.js_cost", "score": "chart.test_accuracy", "share": "chart.front_share"},
    "forecast": {"said": "chart.forecast", "reading": "chart.measured"},
}


class _Page:
    """What the template fills in."""

    def __init__(self, material: Material, lang: str, main: str) -> None:
        self.material, self.lang, self.main = material, lang, main

    def say(self, key: str, **facts: object) -> Markup:
        """A string of any table, its Markdown as HTML."""
        return inline(say(key, self.lang, **facts))

    def render(self, room: int) -> str:
        material, lang, analysis = self.material, self.lang, self.material.analysis
        values = payload(material, lang, room)
        scripts = [_file("runtime/vega.js"), _script()]
        style = _file("page.css")
        policy = "; ".join(
            [
                "default-src 'none'",
                f"script-src {' '.join(map(_hash, scripts))}",
                f"style-src {_hash(style)}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        )
        return (
            _environment()
            .get_template("page.html.jinja")
            .render(
                page=self,
                say=self.say,
                html=html,
                lang=lang,
                policy=policy,
                style=Markup(style),
                scripts=[Markup(script) for script in scripts],
                data=Markup(as_script(values)),
                licences=_file("runtime/LICENSES.txt"),
                values=values,
                study=material.spec.study,
                title=say("report.title", lang, study=material.spec.study),
                others=[(other, LANGUAGE_NAMES[other], page_name(other, self.main)) for other in LANGUAGES if other != lang],
                done=analysis.trials["complete"],
                total=sum(analysis.trials.values()),
                version=version("tuneoff"),
            )
        )

    # The answer.

    @property
    def progress(self) -> Markup:
        """How many trials are complete."""
        return inline(sections.progress(self.material.plain, self.lang))

    @property
    def answer(self) -> Markup | None:
        """The recommendation, in the README's words."""
        return html(recommendation(self.material.plain, self.lang)) if self.material.analysis.best else None

    @property
    def findings(self) -> Markup:
        """Sections 5.1 and 5.2 of the README."""
        lang, lines = self.lang, []
        for title, told in (("performance", performance), ("efficiency", efficiency)):
            lines += [f"### {say(f'report.{title}', lang)}", "", *told(self.material.plain, lang), ""]
        return html(lines)

    @property
    def key_rows(self) -> list[tuple[str, Row]]:
        """The choice, the best and full fine-tuning, each once, by what they are."""
        analysis = self.material.analysis
        found = [
            ("page.answer_recommended", self.material.plain.recommendation.choice),
            ("page.answer_best", analysis.best),
            ("page.answer_full", analysis.row("full")),
        ]
        rows: list[tuple[str, Row]] = []
        for key, row in found:
            if row is not None and row.label not in [seen.label for _, seen in rows]:
                rows.append((say(key, self.lang), row))
        return rows

    def name(self, row: Row) -> str:
        """A method's name."""
        return self.material.name(row, self.lang)

    def key_figures(self, row: Row) -> list[tuple[str, Markup]]:
        """Accuracy and what it costs."""
        return [
            (say("report.column_accuracy", self.lang), _interval(f.score(row.accuracy))),
            (say("page.effort", self.lang), inline(f.short_time(effort(row)))),
            (say("report.column_memory", self.lang), inline(f.size(row.memory.get("train_peak_bytes")))),
            (say("report.column_artefact", self.lang), inline(f.size(row.artefact_bytes))),
        ]

    # The table.

    @property
    def columns(self) -> list[FullColumn]:
        """Columns with any value in them."""
        rows = self.material.analysis.rows
        return [column for column in full_columns(self.material, self.lang) if any(column.cell(row) != f.NOTHING for row in rows)]

    def first(self, column: FullColumn) -> bool:
        """Whether a column is shown before a reader chooses."""
        return column.key in FIRST_COLUMNS

    def cell(self, column: FullColumn, row: Row) -> Markup:
        """What stands in a cell: a mean and its interval apart; under an accuracy its interval is drawn."""
        text = column.cell(row)
        if column.key == "accuracy" and row.accuracy and row.trained:
            return _interval(text) + self._bar(row.accuracy)
        return _interval(text)

    def _bar(self, value: Interval) -> Markup:
        """An interval on the scale of all of them."""
        known = [row.accuracy for row in self.material.analysis.scored if row.accuracy]
        low, high = min(one.low for one in known), max(one.high for one in known)
        begin, middle, end = (2 + 96 * (at - low) / ((high - low) or 1.0) for at in (value.low, value.mean, value.high))
        return Markup(
            '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
            f'<path d="M{begin:.1f} 3H{end:.1f}M{begin:.1f} 1V5M{end:.1f} 1V5"/><path class="mean" d="M{middle:.1f} 0V6"/></svg>'
        )

    def sorted_by(self, column: FullColumn, row: Row) -> str:
        """The value of a cell for the script; empty where nothing was measured."""
        value = column.value(row)
        return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)

    def badges(self, row: Row) -> list[tuple[str, str]]:
        """What distinguishes a row: class and words."""
        analysis, choice = self.material.analysis, self.material.plain.recommendation.choice
        found = []
        if choice is not None and choice.label == row.label:
            found.append(("chosen", say("page.chosen", self.lang)))
        if analysis.best is not None and analysis.best.label == row.label:
            found.append(("best", say("page.best", self.lang)))
        elif row.label in {tied.label for tied in analysis.ties}:
            found.append(("tied", say("page.tied", self.lang)))
        done = row.trials.get("complete", 0)
        if not row.trained or (row.state != "complete" and (not done or row.error)):
            found.append(("bad", state(self.material, row, self.lang)))
        elif row.state != "complete":
            found.append(("part", say("page.part", self.lang, done=done, total=sum(row.trials.values()))))
        return found

    def flags(self, row: Row) -> str:
        """What the script filters by."""
        analysis = self.material.analysis
        on_front = any(at[row.label].on_front for at in analysis.fronts.values() if row.label in at)
        known = {
            "tied": row.label in {tied.label for tied in analysis.ties},
            "front": on_front,
            "incomplete": row.state != "complete" or not row.trained,
        }
        return " ".join(name for name, is_so in known.items() if is_so)

    # Sections that the README has as well.

    def section(self, name: str) -> Markup | None:
        """One of the README's sections without its heading; ``None`` where the study has nothing to show in it."""
        lines: list[str] = getattr(sections, name)(self.material.plain, self.lang)
        kept = [line for line in lines if not line.startswith("### ")]
        title = next((line.removeprefix("### ") for line in lines if line.startswith("### ")), "")
        return html(kept, title) if lines else None

    def section_title(self, name: str) -> str:
        """Its heading."""
        return say(f"report.{name}", self.lang)

    def part(self, name: str) -> Markup:
        """Overview, data or methodology of the README."""
        lines: list[str] = getattr(setup, name)(self.material.plain, self.lang)
        return html(lines, say(f"report.{name}", self.lang))

    @property
    def references(self) -> Markup:
        """Papers of the methods used."""
        return html(references(self.material.plain, self.lang))

    @property
    def counter(self) -> str | None:
        """How memory was counted."""
        counter = next((row.memory["counter"] for row in self.material.analysis.rows if row.memory), None)
        return say(f"report.counter_{counter}", self.lang) if counter else None

    def all_points(self, values: dict[str, Any], chart: str) -> tuple[list[str], list[list[str]]]:
        """Every point of a chart in which one quantity of several is chosen: titles of the columns, and a row a point."""
        fields = _POINTS[chart]
        lines = []
        for choice in values["charts"][chart]["choices"]:
            for row in choice["rows"]["values"]:
                point = dict(zip(choice["rows"]["fields"], row, strict=True))
                lines.append([choice["title"], point["name"], *(_read(point[field]) for field in fields)])
        titles = [say(key, self.lang) for key in ("page.quantity", "report.method", *fields.values())]
        return titles, lines

    def last_points(self, values: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
        """Last point of every curve: titles of the columns, and a row a method."""
        curves = values["charts"]["curves"]
        fields = curves["rows"]["fields"]
        last: dict[str, dict[str, str]] = {}
        for row in curves["rows"]["values"]:
            point = dict(zip(fields, row, strict=True))
            last.setdefault(point["name"], {})[point["measure"]] = f"{point['mean']:.3f} [{point['low']:.3f}, {point['high']:.3f}]"
        measures: Sequence[dict[str, str]] = curves["measures"]
        titles = [say("report.method", self.lang), *(say("page.last_point", self.lang, measure=one["title"]) for one in measures)]
        return titles, [[name, *(found.get(one["key"], f.NOTHING) for one in measures)] for name, found in last.items()]


def _read(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.0%}"


def _interval(text: str) -> Markup:
    """A mean, and its interval in small figures."""
    found = _INTERVAL.fullmatch(text)
    if found is None:
        return inline(text)
    return Markup('{} <span class="interval">{}</span>').format(escape(found[1]), escape(found[2]))
