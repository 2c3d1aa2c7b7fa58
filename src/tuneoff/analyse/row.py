"""One row of the report: a method over its seeds."""

from dataclasses import dataclass, field
from typing import Any

from tuneoff.analyse.bootstrap import Interval
from tuneoff.analyse.compare import Comparison
from tuneoff.analyse.search import Sensitivity


@dataclass(frozen=True)
class Row:
    """A method over its seeds. Costs are means over seeds (memory: the highest); ``None`` where not measured.

    Attributes:
        time: ``train_seconds`` holds training steps and, charged in full, the continued pretraining that the method builds on;
            ``search_seconds`` the search for its learning rates, which stands beside it; ``total_seconds`` everything.
        workers: how many trials of the study trained on the machine at once while its own did, themselves included.
        energy: ``train_joules`` and ``search_joules``, charged as time is, and the ``counters`` (``gpu``, ``cpu``) that they add up.
        latency: seconds for one batch by its size, and the same of the merged model where there is one.
        accuracy_clean: accuracy on the test rows whose text, or nearly that, is not in train; ``None`` where that is all of them.
        trained: whether it learnt; a row that did not has a reason in ``collapse`` and is neither compared nor ranked.
        gap: compared with full fine-tuning.
        gap_to_best: compared with the best row.
        f1_gap: compared with full fine-tuning by macro-F1.
        sensitivity: what the search saw of the method's learning rates.
    """

    label: str
    method: str
    title: dict[str, str]
    experiment: int
    reference: str
    config: dict[str, Any]
    state: str
    trials: dict[str, int]
    parameters: dict[str, Any] | None
    memory: dict[str, Any] = field(default_factory=dict)
    time: dict[str, float | None] = field(default_factory=dict)
    workers: list[int] = field(default_factory=list)
    energy: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, Any] | None = None
    accuracy: Interval | None = None
    accuracy_clean: Interval | None = None
    macro_f1: Interval | None = None
    per_class_f1: dict[str, float] = field(default_factory=dict)
    mcc: float | None = None
    ece: float | None = None
    artefact_bytes: int | None = None
    precision: str | None = None
    best_epochs: list[int] = field(default_factory=list)
    epochs: int | None = None
    trained: bool = True
    collapse: str | None = None
    reload: str | None = None
    error: dict[str, Any] | None = None
    gap: Comparison | None = None
    gap_to_best: Comparison | None = None
    f1_gap: Comparison | None = None
    pretraining: dict[str, Any] | None = None
    sensitivity: Sensitivity | None = None

    @property
    def answer_seconds(self) -> float | None:
        """What a user waits for one answer: the 95th percentile at batch 1, of the merged model where there is one."""
        served = (self.latency or {}).get("merged") or self.latency or {}
        seconds: float | None = served.get("batch_1", {}).get("p95_seconds")
        return seconds

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``tuneoff report --json``."""
        parts = ("accuracy", "accuracy_clean", "macro_f1", "gap", "gap_to_best", "f1_gap", "sensitivity")
        found = {name: value.as_dict() if (value := getattr(self, name)) else None for name in parts}
        plain = ("label", "method", "title", "state", "trials", "parameters", "memory", "time", "energy", "latency", "per_class_f1")
        more = ("workers", "mcc", "ece", "artefact_bytes", "precision", "epochs", "best_epochs", "trained", "collapse", "reload", "error")
        rest = ("config", "pretraining")
        return {name: getattr(self, name) for name in (*plain, *more, *rest)} | found
