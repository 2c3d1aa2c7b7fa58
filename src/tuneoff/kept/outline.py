"""What a plan comes to, in plain values: the rows of the report and their trials, and what the data check found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
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
class MethodCard:
    """One row of the report in words.

    Attributes:
        label: its name there.
        method: as a person writes it in a study file, with its ``pretrain+``.
        title: by language, as is the summary.
        experiment: the part of the comparison that it belongs to.
        reference: the paper.
        parameters: counts by where they are; ``None`` where there are none to count.
    """

    label: str
    method: str
    title: dict[str, str]
    summary: dict[str, str]
    experiment: int
    reference: str
    parameters: dict[str, Any] | None


@dataclass(frozen=True)
class MethodOutline(MethodCard):
    """One row of the report before anything is computed.

    Attributes:
        trials: by seed.
        search: of its learning rates, where there is one.
    """

    trials: list[TrialSpec]
    search: TrialSpec | None = None

    @property
    def card(self) -> dict[str, Any]:
        """What a :class:`MethodCard` is made of."""
        return {part.name: getattr(self, part.name) for part in fields(MethodCard)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values that :meth:`again` makes the same of."""
        return vars(self) | {"trials": _plain_row(self.trials), "search": _plain(self.search) if self.search else None}

    @classmethod
    def again(cls, kept: dict[str, Any]) -> Self:
        """What was kept."""
        return cls(**kept | {"trials": _row(kept["trials"]), "search": _trial(kept["search"]) if kept["search"] else None})


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
            [_trial(stage) for stage in kept["stages"]],
        )


def _plain(trial: TrialSpec) -> dict[str, Any]:
    """A trial with its key, which takes longer to work out than all the rest to read."""
    return trial.model_dump(mode="json")


def _trial(kept: dict[str, Any]) -> TrialSpec:
    trial = TrialSpec.model_validate({name: value for name, value in kept.items() if name != "key"})
    vars(trial)["key"] = kept["key"]  # Where it would be put when it is first asked for.
    return trial


def _plain_row(trials: list[TrialSpec]) -> list[dict[str, Any]]:
    """The first of a method's trials, and in what the others differ from it: often they are a thousand, by their seed alone."""
    first, *others = map(_plain, trials)
    return [first, *({name: value for name, value in other.items() if value != first[name]} for other in others)]


def _row(kept: list[dict[str, Any]]) -> list[TrialSpec]:
    first = _trial(kept[0])
    common = {name: getattr(first, name) for name in TrialSpec.model_fields}
    return [first, *(_trial(common | differing) for differing in kept[1:])]


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
