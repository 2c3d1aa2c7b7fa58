"""The study's README.md: the brief, filled in, in one language."""

from tuneoff.report import sections, setup
from tuneoff.report.conclusions import performance
from tuneoff.report.directory import directory
from tuneoff.report.efficiency import efficiency
from tuneoff.report.markdown import plain
from tuneoff.report.material import Material
from tuneoff.report.references import references
from tuneoff.strings import say


class Readme:
    """Builds the page section by section.

    Args:
        material: what it is written from.
        lang: ``en`` or ``ko``.
        plots: file names of the plots that exist, by kind.
        main: language of ``README.md``, where that is another page.
    """

    def __init__(self, material: Material, lang: str, plots: dict[str, str], main: str | None = None) -> None:
        self.material, self.lang, self.plots, self.main = material.plain, lang, plots, main or lang

    def say(self, key: str, **facts: object) -> str:
        """A string of the report's table."""
        return say(f"report.{key}", self.lang, **facts)

    def text(self) -> str:
        """The whole page."""
        material, lang = self.material, self.lang
        parts = [
            [f"# {self.say('title', study=plain(material.spec.study))}", "", sections.progress(material, lang)],
            [f"## {self.say('overview')}", "", *setup.overview(material, lang)],
            [f"## {self.say('data')}", "", *setup.data(material, lang)],
            [f"## {self.say('methodology')}", "", *setup.methodology(material, lang)],
            self._results(),
            self._curves(),
            self._analysis(),
            [f"## {self.say('directory')}", "", *directory(material.folder, lang, self.main)],
            [f"## {self.say('references')}", "", *references(material, lang)],
        ]
        return "\n\n".join("\n".join(part).strip() for part in parts) + "\n"

    def _results(self) -> list[str]:
        lines = [f"## {self.say('results')}", ""]
        for section in (
            sections.brief,
            sections.details,
            sections.per_class,
            sections.comparisons,
            sections.second_score,
            sections.sensitivity,
            sections.latency,
            sections.forecast,
            sections.failures,
        ):
            lines += section(self.material, self.lang)
        return lines

    def _curves(self) -> list[str]:
        lines = [f"### {self.say('curves')}", ""]
        if "curves" not in self.plots:
            return [*lines, self.say("no_curves"), *sections.pareto(self.material, self.lang)]
        lines.append(f"![{self.say('curves')}](./assets/{self.plots['curves']})")
        trades = [kind for kind in ("memory", "time") if kind in self.plots]
        if trades:
            lines += ["", f"### {self.say('trade_offs')}"]
            for kind in trades:
                lines += ["", f"![{self.say('chart_trade_' + kind)}](./assets/{self.plots[kind]})"]
        return lines + sections.pareto(self.material, self.lang)

    def _analysis(self) -> list[str]:
        lines = [f"## {self.say('analysis')}", "", f"### {self.say('performance')}", ""]
        lines += performance(self.material, self.lang)
        return [*lines, "", f"### {self.say('efficiency')}", "", *efficiency(self.material, self.lang)]
