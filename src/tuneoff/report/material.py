"""Everything a report is written from. Same material, same bytes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tuneoff.analyse import Analysis, Limits, MethodTrials, Recommendation, Row, recommend
from tuneoff.backbone import BackboneFacts
from tuneoff.data import DataReport
from tuneoff.spec import StudySpec
from tuneoff.strings import has, say


@dataclass(frozen=True)
class BackboneCard:
    """The backbone in a report's words."""

    name: str
    revision: str
    kind: str
    layers: int
    hidden: int
    parameters: int

    @classmethod
    def of(cls, facts: BackboneFacts) -> "BackboneCard":
        """Read off the backbone's facts."""
        return cls(facts.name, facts.revision, facts.kind, facts.layers, facts.hidden, facts.total_parameters)


@dataclass(frozen=True)
class Material:
    """A study, its data, its trials and what they show."""

    folder: Path
    spec: StudySpec
    data: DataReport
    labels: list[str]
    backbone: BackboneCard | None
    methods: list[MethodTrials]
    analysis: Analysis
    stages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records of ended attempts that count, stages first."""
        return [*self.stages, *(trial.record for method in self.methods for trial in method.trials if trial.record)]

    @property
    def limits(self) -> Limits:
        """The budget in plain numbers."""
        budget = self.spec.budget
        return Limits(budget.memory, budget.time, budget.artefact, budget.latency, budget.within)

    @cached_property
    def recommendation(self) -> Recommendation:
        """What to choose inside the budget."""
        return recommend(self.analysis, self.limits)

    def name(self, row: Row | MethodTrials, lang: str) -> str:
        """A method's name in tables: its title, and its label where the study gave it one."""
        title = row.title[lang]
        return title if row.label == row.method else f"{title} ({row.label})"

    def collapse(self, row: Row, lang: str) -> str:
        """Why a row did not train; in general words where a record names a reason that this version does not know."""
        key = f"report.collapse_{row.collapse}"
        return say(key if has(key) else "report.not_trained", lang)
