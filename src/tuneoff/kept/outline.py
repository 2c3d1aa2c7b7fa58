"""What a plan comes to, in plain values: the rows of the report and their trials, and what the data check found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from tuneoff.data import DataReport
from tuneoff.spec import TrialSpec


@dataclass(frozen=True)
class BackboneCard:
    """The backbone in a report's words. ``parameters``: without a head."""

    name: str
    revision: str
    kind: str
    layers: int
    hidden: int
    parameters: int


@dataclass(frozen=True)
class MethodOutline:
    """One row of the report before anything is computed.

    Attributes:
        method: as a person writes it in a study file, with its ``pretrain+``.
        experiment: the part of the comparison that it belongs to.
        parameters: counts by where they are; ``None`` where there are none to count.
        trials: by seed.
        search: of its learning rates, where there is one.
    """

    label: str
    method: str
    title: dict[str, str]
    summary: dict[str, str]
    experiment: int
    reference: str
    parameters: dict[str, Any] | None
    trials: list[TrialSpec]
    search: TrialSpec | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values that :meth:`again` makes the same of."""
        return vars(self) | {"trials": [_plain(trial) for trial in self.trials], "search": _plain(self.search) if self.search else None}

    @classmethod
    def again(cls, kept: dict[str, Any]) -> Self:
        """What was kept."""
        search = TrialSpec.model_validate(kept["search"]) if kept["search"] else None
        return cls(**kept | {"trials": [TrialSpec.model_validate(trial) for trial in kept["trials"]], "search": search})


@dataclass(frozen=True)
class Outline:
    """All that a study's status and report need to know of its plan.

    Attributes:
        backbone: ``None`` where no method has one.
        stages: continued pretraining and searches, which trials build on.
        data: what the data check found.
    """

    backbone: BackboneCard | None
    data: DataReport
    methods: list[MethodOutline]
    stages: list[TrialSpec]

    @property
    def revision(self) -> str | None:
        """Exact version of the backbone."""
        return self.backbone.revision if self.backbone else None

    @cached_property
    def trials(self) -> list[TrialSpec]:
        """Stages and trials in the order they run."""
        return in_order((trial for method in self.methods for trial in method.trials), self.stages)

    def as_dict(self) -> dict[str, Any]:
        """Plain values that :meth:`again` makes the same of."""
        return {
            "backbone": asdict(self.backbone) if self.backbone else None,
            "data": self.data.kept(),
            "methods": [method.as_dict() for method in self.methods],
            "stages": [_plain(stage) for stage in self.stages],
        }

    @classmethod
    def again(cls, kept: dict[str, Any]) -> Self:
        """What was kept."""
        return cls(
            BackboneCard(**kept["backbone"]) if kept["backbone"] else None,
            DataReport.again(kept["data"]),
            [MethodOutline.again(method) for method in kept["methods"]],
            [TrialSpec.model_validate(stage) for stage in kept["stages"]],
        )


def _plain(trial: TrialSpec) -> dict[str, Any]:
    return trial.model_dump(mode="json", exclude={"key"})


def in_order(trials: Iterable[TrialSpec], stages: Iterable[TrialSpec]) -> list[TrialSpec]:
    """Trials in the order they run, each once: seed by seed, methods as written, and before a trial the stages that it builds on."""
    ordered: dict[str, TrialSpec] = {}
    by_name = {stage.name: stage for stage in stages}

    def add(trial: TrialSpec) -> None:
        for name in trial.needs:
            add(by_name[name])
        ordered.setdefault(trial.name, trial)

    for trial in sorted(trials, key=lambda trial: trial.seed):
        add(trial)
    return list(ordered.values())
