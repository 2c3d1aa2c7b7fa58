"""Trials → the rows of the report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tuneoff.analyse.bootstrap import Draws, Interval, interval
from tuneoff.analyse.trials import MethodTrials, TrialResult
from tuneoff.measure import class_f1, confusion

TRAIN_PHASES, EVALUATE_PHASES = ("warmup", "train"), ("validate", "evaluate")
#: A difference below this many points is "almost none", below the next "small" (in points of accuracy).
ALMOST_NONE, SMALL = 1.0, 3.0


@dataclass(frozen=True)
class Row:
    """A method over its seeds. Costs are means over seeds (memory: the highest); ``None`` where not measured.

    ``train_seconds`` holds training steps and, charged in full, the continued pretraining that the method builds on.
    ``gap`` is the difference to full fine-tuning in accuracy, ``gap_to_best`` that to the best row; both paired.
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
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    per_class_f1: dict[str, float] = field(default_factory=dict)
    mcc: float | None = None
    ece: float | None = None
    artefact_bytes: int | None = None
    precision: str | None = None
    best_epochs: list[int] = field(default_factory=list)
    epochs: int | None = None
    trained: bool = True
    reload: str | None = None
    error: dict[str, Any] | None = None
    gap: Interval | None = None
    gap_to_best: Interval | None = None
    pretraining: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``tuneoff report --json``."""
        intervals = {
            name: value.as_dict() if (value := getattr(self, name)) else None for name in ("accuracy", "macro_f1", "gap", "gap_to_best")
        }
        plain = ("label", "method", "title", "state", "trials", "parameters", "memory", "time", "per_class_f1", "mcc", "ece")
        more = ("artefact_bytes", "precision", "epochs", "best_epochs", "trained", "reload", "error", "config", "pretraining")
        return {name: getattr(self, name) for name in (*plain, *more)} | intervals


@dataclass(frozen=True)
class Analysis:
    """All rows, in the order of the study, and what follows from them.

    ``pretrain_gains``: label of a method after continued pretraining → paired gain in accuracy over the same without.
    """

    rows: list[Row]
    majority_accuracy: float | None
    num_test: int | None
    num_seeds: int
    pretrain_gains: dict[str, Interval] = field(default_factory=dict)

    def row(self, method: str) -> Row | None:
        """The first row of a method by name that has a score."""
        return next((row for row in self.rows if row.method == method and row.accuracy), None)

    @property
    def scored(self) -> list[Row]:
        """Rows with a score whose training took, best first."""
        found = [row for row in self.rows if row.accuracy and row.trained]
        return sorted(found, key=lambda row: -row.accuracy.mean if row.accuracy else 0.0)

    @property
    def best(self) -> Row | None:
        """The highest mean accuracy."""
        return self.scored[0] if self.scored else None

    @property
    def ties(self) -> list[Row]:
        """The best and every row whose paired difference to it has zero in its interval."""
        best = self.best
        return [row for row in self.scored if row is best or (row.gap_to_best is not None and row.gap_to_best.high >= 0)]

    @property
    def trials(self) -> Counter[str]:
        """Trials by state over all rows."""
        return sum((Counter(row.trials) for row in self.rows), Counter())


def analyse(methods: Sequence[MethodTrials], labels: Sequence[str]) -> Analysis:
    """Summarise every method over its seeds.

    Args:
        methods: planned methods with their trials.
        labels: class names in the order of the logits.
    """
    complete = [trial for method in methods for trial in method.complete]
    num_test = len(complete[0].targets["test"]) if complete else None
    draws = Draws(num_test) if num_test else None
    hits = {m.label: _hits(m) for m in methods if m.complete}
    sampled = {label: draws.accuracy(right) for label, right in hits.items()} if draws else {}
    majority = _majority(complete)
    rows = [_row(method, labels, draws, hits.get(method.label), sampled.get(method.label), majority) for method in methods]
    scored = [row for row in rows if row.accuracy and row.trained]
    best = max(scored, key=lambda row: row.accuracy.mean if row.accuracy else 0.0, default=None)
    full = next((row for row in scored if row.method == "full"), None)
    rows = [_with_gaps(row, full, best, sampled) for row in rows]
    seeds = max((len(m.trials) for m in methods), default=0)
    return Analysis(rows, majority, num_test, seeds, _pretrain_gains(rows, sampled))


def _pretrain_gains(rows: Sequence[Row], sampled: dict[str, np.ndarray]) -> dict[str, Interval]:
    gains = {}
    for row in rows:
        plain = next((r for r in rows if row.method == f"pretrain+{r.method}" and _same_config(row, r)), None)
        if plain is not None and row.accuracy and plain.accuracy:
            gains[row.label] = interval(row.accuracy.mean - plain.accuracy.mean, sampled[row.label] - sampled[plain.label])
    return gains


def _same_config(one: Row, other: Row) -> bool:
    return one.config == other.config


def _hits(method: MethodTrials) -> np.ndarray:
    return np.stack([trial.logits["test"].argmax(1) == trial.targets["test"] for trial in method.complete])


def _majority(complete: Sequence[TrialResult]) -> float | None:
    """What always answering the most common test class would score: no method below it has learnt."""
    if not complete:
        return None
    return float(np.bincount(complete[0].targets["test"]).max() / len(complete[0].targets["test"]))


def _row(
    method: MethodTrials,
    labels: Sequence[str],
    draws: Draws | None,
    hits: np.ndarray | None,
    sampled: np.ndarray | None,
    majority: float | None,
) -> Row:
    states = Counter(trial.state for trial in method.trials)
    state = "complete" if states["complete"] == len(method.trials) else next((s for s in states if s != "complete"), "pending")
    error = next((trial.record["error"] for trial in method.trials if trial.record.get("error")), None)
    common: dict[str, Any] = {
        "label": method.label,
        "method": method.method,
        "title": method.title,
        "experiment": method.experiment,
        "reference": method.reference,
        "config": method.config,
        "state": state,
        "trials": dict(states),
        "error": error,
    }
    complete = method.complete
    if not complete or draws is None or hits is None or sampled is None:
        return Row(parameters=method.parameters, **common)
    records = [trial.record for trial in complete]
    cells = np.stack([t.targets["test"] * len(labels) + t.logits["test"].argmax(1) for t in complete])
    counts = np.stack([confusion(t.targets["test"], t.logits["test"].argmax(1), len(labels)) for t in complete])
    f1 = class_f1(counts)
    quality = [record["quality"]["test"] for record in records]
    accuracy = interval(float(hits.mean()), sampled)
    reloads = [record.get("reload", {}) for record in records]
    return Row(
        parameters=records[0]["parameters"],
        memory=_memory(records),
        time=_time(records),
        accuracy=accuracy,
        macro_f1=interval(float(f1.mean()), draws.macro_f1(cells, len(labels))),
        per_class_f1=dict(zip(labels, map(float, f1.mean(0)), strict=True)),
        mcc=float(np.mean([q["mcc"] for q in quality])),
        ece=float(np.mean([q["ece"] for q in quality])),
        artefact_bytes=max(record["artefact_bytes"] for record in records),
        precision=records[0]["precision"],
        best_epochs=[record["best_epoch"] for record in records],
        epochs=method.config.get("epochs"),
        trained=method.method == "majority" or all(_took(record) for record in records),
        reload="same" if all(r.get("same") for r in reloads) else "different" if any("same" in r for r in reloads) else "unproven",
        pretraining=next((record["pretraining"] for record in records if "pretraining" in record), None),
        **common,
    )


def _took(record: dict[str, Any]) -> bool:
    """A method that answers one class for every row did not train; its accuracy is the majority's, not a score."""
    return bool(record["quality"]["test"]["predicted_classes"] > 1)


def _memory(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def highest(part: str) -> int | None:
        values = [record["memory"][part]["bytes"] for record in records if record["memory"].get(part)]
        values += [r["pretraining"]["memory"]["train"]["bytes"] for r in records if part == "train" and "pretraining" in r]
        return max((value for value in values if value is not None), default=None)

    return {
        "train_peak_bytes": highest("train"),
        "eval_peak_bytes": highest("evaluate"),
        "counter": records[0]["memory"]["train"]["counter"],
    }


def _time(records: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    def mean(names: Sequence[str], stage: bool) -> float:
        own = [sum(record["phases"].get(name, 0.0) for name in names) for record in records]
        before = [
            sum(r["pretraining"]["phases"].get(name, 0.0) for name in names) if stage and "pretraining" in r else 0.0 for r in records
        ]
        return float(np.mean(np.add(own, before)))

    phases = sorted({name for record in records for name in record["phases"]})
    stages = sorted({name for r in records if "pretraining" in r for name in r["pretraining"]["phases"]})
    return {
        "train_seconds": mean(TRAIN_PHASES, True),
        "eval_seconds": mean(EVALUATE_PHASES, False),
        "total_seconds": mean(sorted({*phases, *stages}), True),
    }


def _with_gaps(row: Row, full: Row | None, best: Row | None, sampled: dict[str, np.ndarray]) -> Row:
    def gap(other: Row | None) -> Interval | None:
        if other is None or other.accuracy is None or row.accuracy is None:
            return None
        return interval(row.accuracy.mean - other.accuracy.mean, sampled[row.label] - sampled[other.label])

    return replace(row, gap=gap(full), gap_to_best=gap(best))
