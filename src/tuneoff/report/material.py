"""Everything a report is written from. Same material, same bytes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneoff.analyse import Analysis, Limits, MethodTrials, Row
from tuneoff.backbone import BackboneFacts
from tuneoff.data import DataReport
from tuneoff.spec import StudySpec


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
        return Limits(budget.memory, budget.time, budget.artefact, budget.within)

    def name(self, row: Row | MethodTrials, lang: str) -> str:
        """A method's name in tables: its title, and its label where the study gave it one."""
        title = row.title[lang]
        return title if row.label == row.method else f"{title} ({row.label})"
