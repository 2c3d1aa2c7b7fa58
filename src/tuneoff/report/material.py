"""Everything a report is written from. Same material, same bytes."""

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tuneoff.analyse import (
    Analysis,
    Disagreements,
    Expense,
    Limits,
    MethodTrials,
    Recommendation,
    Row,
    RowForecast,
    confusions,
    disagreements,
    expense,
    recommend,
)
from tuneoff.data import DataReport
from tuneoff.kept import BackboneCard
from tuneoff.report import markdown
from tuneoff.spec import StudySpec
from tuneoff.strings import has, say


@dataclass(frozen=True)
class Material:
    """A study, its data, its trials and what they show.

    Attributes:
        stages: records of continued pretraining and of searches.
        forecasts: label of a method → what was forecast for it beside what was measured; methods without a backbone have none, and
            none has where no forecast was kept.
        texts: of the test rows, one or two a row, in the order of the logits; empty where the report shows none.
    """

    folder: Path
    spec: StudySpec
    data: DataReport
    labels: list[str]
    backbone: BackboneCard | None
    methods: list[MethodTrials]
    analysis: Analysis
    stages: list[dict[str, Any]] = field(default_factory=list)
    forecasts: dict[str, RowForecast] = field(default_factory=dict)
    texts: list[tuple[str, ...]] = field(default_factory=list)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """All records of ended attempts that count, stages first."""
        return [*self.stages, *(trial.record for method in self.methods for trial in method.trials if trial.record)]

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """Where and with what the records that say it were made, the oldest first."""
        return [record["environment"] for record in sorted(self.records, key=_began) if "environment" in record]

    @cached_property
    def period(self) -> tuple[datetime, datetime] | None:
        """From the start of the first record to the end of the last; ``None`` where no record says when it began."""
        spans = [
            (began := datetime.fromisoformat(record["began"]), began + timedelta(seconds=record.get("wall_seconds", 0.0)))
            for record in self.records
            if record.get("began")
        ]
        return (min(spans)[0], max(end for _, end in spans)) if spans else None

    @cached_property
    def installed(self) -> list[dict[str, str | None]]:
        """Versions of packages that records were made with, each combination once."""
        return [dict(packages) for packages in {tuple(machine["packages"].items()) for machine in self.environments}]

    @property
    def limits(self) -> Limits:
        """The budget in plain numbers."""
        budget = self.spec.budget
        return Limits(budget.memory, budget.time, budget.artefact, budget.latency, budget.within)

    @cached_property
    def confusions(self) -> dict[str, np.ndarray]:
        """By label of a method with a score: test rows by true and predicted class, int [true, predicted]."""
        return {method.label: confusions(method, len(self.labels)) for method in self.methods if method.complete}

    @cached_property
    def disagreements(self) -> Disagreements | None:
        """Test rows on which methods that learnt disagree; ``None`` where fewer than two did."""
        trained = {row.label for row in self.analysis.scored if row.method != "majority"}
        return disagreements([method for method in self.methods if method.label in trained], len(self.labels))

    @cached_property
    def recommendation(self) -> Recommendation:
        """What to choose inside the budget."""
        return recommend(self.analysis, self.limits)

    def expense(self, row: Row) -> Expense | None:
        """What a row costs in money; ``None`` where the study has no price or the row no time."""
        price = self.spec.price_per_hour
        return expense(row, price.amount, price.currency) if price else None

    @cached_property
    def plain(self) -> "Material":
        """The same for lines of Markdown: names are no markup there, whatever people called their methods and data."""
        return _Plain(**{field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def domain(self) -> str | None:
        """What the texts are about, in a sentence."""
        return self.spec.domain

    def name(self, row: Row | MethodTrials, lang: str) -> str:
        """A method's name in tables: its title, and its label where the study gave it one."""
        title = row.title[lang]
        return title if row.label == row.method else f"{title} ({row.label})"

    def collapse(self, row: Row, lang: str) -> str:
        """Why a row did not train; in general words where a record names a reason that this version does not know."""
        key = f"report.collapse_{row.collapse}"
        return say(key if has(key) else "report.not_trained", lang)


def _began(record: dict[str, Any]) -> str:
    """When an attempt began; the times of all records are of one zone and one form."""
    return record.get("began") or ""


class _Plain(Material):
    @property
    def domain(self) -> str | None:
        return markdown.plain(self.spec.domain) if self.spec.domain else None

    def name(self, row: Row | MethodTrials, lang: str) -> str:
        return markdown.plain(super().name(row, lang))
