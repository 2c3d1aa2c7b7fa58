"""One ended trial as the analysis sees it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from tuneoff.kept import MethodCard

#: Of an ended attempt, as the store has it.
Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class TrialResult:
    """A trial's record with its curve and predictions.

    Attributes:
        label: the method's name in the report.
        seed: number of the seed.
        state: ``pending``, ``running`` or how the last attempt ended.
        record: the attempt's record; empty while there is none.
        curve: points in order.
        logits: of ``validation`` and ``test``, float32 [rows, classes]; only when complete.
        targets: class numbers of the same splits, int64 [rows].
    """

    label: str
    seed: int
    state: str
    record: Record = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    targets: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Only complete trials enter a mean."""
        return self.state == "complete"

    @cached_property
    def answers(self) -> np.ndarray:
        """Class numbers that it gives on test, int [rows]; only when complete."""
        answers: np.ndarray = self.logits["test"].argmax(1)
        return answers


@dataclass(frozen=True)
class MethodTrials(MethodCard):
    """A row of the report before anything is computed: a planned method and its trials, by seed."""

    config: dict[str, Any]
    trials: list[TrialResult]

    @cached_property
    def complete(self) -> list[TrialResult]:
        """Trials that count."""
        return [trial for trial in self.trials if trial.complete]
