"""Trials → the rows of the report, and what they show when held against each other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tuneoff.analyse import costs
from tuneoff.analyse.bootstrap import Draws
from tuneoff.analyse.compare import Comparison, Comparisons
from tuneoff.analyse.front import Standing, fronts
from tuneoff.analyse.row import Row
from tuneoff.analyse.scores import answers, f1_parts, hits, scores
from tuneoff.analyse.search import sensitivity
from tuneoff.analyse.trials import MethodTrials, TrialResult
from tuneoff.analyse.variance import Hits

#: A difference below this many points is "almost none", below the next "small" (in points of accuracy).
ALMOST_NONE, SMALL = 1.0, 3.0


@dataclass(frozen=True)
class Analysis:
    """All rows, in the order of the study, and what follows from them.

    Attributes:
        rows: of every planned method.
        majority_accuracy: what always answering the most common test class would score.
        num_test: test rows; ``None`` before the first complete trial.
        num_clean: those whose text, or nearly that, is not in train; ``None`` where that is all of them or not known.
        num_seeds: planned for each method.
        comparisons: every pair of trained methods, by accuracy.
        hits: label of a trained method → seed → which test rows are right.
        f1_parts: the same → what each test row adds to macro-F1.
        answers: the same → class numbers.
        draws: of the test rows; ``None`` before the first complete trial.
        accuracy_draws: label → accuracy in each draw of seeds and rows [draws]; paired between methods.
        pretrain_gains: label of a method after continued pretraining → paired gain in accuracy over the same without.
    """

    rows: list[Row]
    majority_accuracy: float | None
    num_test: int | None
    num_seeds: int
    comparisons: Comparisons
    hits: dict[str, Hits] = field(default_factory=dict)
    draws: Draws | None = None
    num_clean: int | None = None
    f1_parts: dict[str, Hits] = field(default_factory=dict)
    answers: dict[str, Hits] = field(default_factory=dict)
    pretrain_gains: dict[str, Comparison] = field(default_factory=dict)
    accuracy_draws: dict[str, np.ndarray] = field(default_factory=dict)

    def row(self, method: str) -> Row | None:
        """The first row of a method by name that has a score and learnt."""
        return _first(self.rows, method)

    @cached_property
    def scored(self) -> list[Row]:
        """Rows with a score whose training took, best first."""
        return _scored(self.rows)

    @property
    def best(self) -> Row | None:
        """The highest mean accuracy."""
        return self.scored[0] if self.scored else None

    @property
    def ties(self) -> list[Row]:
        """The tie group: the best and every row that cannot be told apart from it, best first."""
        return [row for row in self.scored if row.gap_to_best is None or not row.gap_to_best.separable]

    @property
    def trials(self) -> Counter[str]:
        """Trials by state over all rows."""
        return sum((Counter(row.trials) for row in self.rows), Counter())

    @cached_property
    def fronts(self) -> dict[str, dict[str, Standing]]:
        """Cost → label → where the method stands on the front of accuracy and that cost, cheapest first."""
        return fronts(self.scored, self.accuracy_draws)


def analyse(methods: Sequence[MethodTrials], labels: Sequence[str], clean: np.ndarray | None = None) -> Analysis:
    """Summarise every method over its seeds and compare all that learnt.

    Args:
        methods: planned methods with their trials.
        labels: class names in the order of the logits.
        clean: bool [test rows], false where the text, or nearly that, is in train as well; without, nothing is known of it.
    """
    complete = [trial for method in methods for trial in method.complete]
    num_test = len(complete[0].targets["test"]) if complete else None
    draws = Draws(num_test) if num_test else None
    known = clean is not None and num_test is not None and 0 < clean.sum() < num_test
    judged = clean if known else None
    by_label = {method.label: hits(method) for method in methods if method.complete}
    accuracy = {label: draws.accuracy(np.stack(list(found.values()))) for label, found in by_label.items()} if draws else {}
    rows = [_row(method, labels, draws, accuracy.get(method.label), judged) for method in methods]
    trained = {row.label for row in _scored(rows)}
    right = {label: found for label, found in by_label.items() if label in trained}
    full = _first(rows, "full")
    comparisons = Comparisons(right, full.label if full else None)
    best = next(iter(_scored(rows)), None)
    learnt = [method for method in methods if method.label in right]
    said = {method.label: answers(method) for method in learnt}
    added = {method.label: f1_parts(method, len(labels)) for method in learnt}
    by_f1 = Comparisons(added, full.label if full else None, answers=said)
    rows = [
        replace(
            row,
            gap=comparisons.between(row.label, full.label) if full else None,
            gap_to_best=comparisons.between(row.label, best.label) if best else None,
            f1_gap=by_f1.between(row.label, full.label) if full else None,
        )
        for row in rows
    ]
    return Analysis(
        rows,
        _majority(complete),
        num_test,
        max((len(method.trials) for method in methods), default=0),
        comparisons,
        right,
        draws,
        int(judged.sum()) if judged is not None else None,
        added,
        said,
        _pretrain_gains(rows, comparisons),
        accuracy,
    )


def _scored(rows: Sequence[Row]) -> list[Row]:
    """Rows that learnt, best first; of equals the first of the study."""
    return sorted((row for row in rows if row.accuracy and row.trained), key=lambda row: -row.accuracy.mean if row.accuracy else 0.0)


def _first(rows: Sequence[Row], method: str) -> Row | None:
    return next((row for row in rows if row.method == method and row.accuracy and row.trained), None)


def _pretrain_gains(rows: Sequence[Row], comparisons: Comparisons) -> dict[str, Comparison]:
    gains = {}
    for row in rows:
        plain = next((r for r in rows if row.method == f"pretrain+{r.method}" and row.config == r.config), None)
        if plain is not None and (gain := comparisons.between(row.label, plain.label)) is not None:
            gains[row.label] = gain
    return gains


def _majority(complete: Sequence[TrialResult]) -> float | None:
    """What always answering the most common test class would score: no method below it has learnt."""
    if not complete:
        return None
    return float(np.bincount(complete[0].targets["test"]).max() / len(complete[0].targets["test"]))


def _row(method: MethodTrials, labels: Sequence[str], draws: Draws | None, accuracy: np.ndarray | None, clean: np.ndarray | None) -> Row:
    states = Counter(trial.state for trial in method.trials)
    state = "complete" if states["complete"] == len(method.trials) else next((s for s in states if s != "complete"), "pending")
    common: dict[str, Any] = {
        "label": method.label,
        "method": method.method,
        "title": method.title,
        "experiment": method.experiment,
        "reference": method.reference,
        "config": method.config,
        "state": state,
        "trials": dict(states),
        "error": next((trial.record["error"] for trial in method.trials if trial.record.get("error")), None),
    }
    complete = method.complete
    if draws is None or accuracy is None:
        return Row(parameters=method.parameters, **common)
    records = [trial.record for trial in complete]
    reloads = [record.get("reload", {}) for record in records]
    collapse = None if method.method == "majority" else next((reason for record in records if (reason := _collapse(record))), None)
    return Row(
        parameters=records[0]["parameters"],
        memory=costs.memory(records),
        time=costs.time(records),
        workers=costs.workers(records),
        energy=costs.energy(records),
        latency=costs.latency(records),
        sensitivity=sensitivity(records),
        artefact_bytes=max(record["artefact_bytes"] for record in records),
        precision=records[0]["precision"],
        best_epochs=[record["best_epoch"] for record in records],
        epochs=method.config.get("epochs"),
        trained=collapse is None,
        collapse=collapse,
        reload=_reload(reloads),
        pretraining=next((record["pretraining"] for record in records if "pretraining" in record), None),
        **scores(method, labels, draws, accuracy, clean),
        **common,
    )


def _collapse(record: dict[str, Any]) -> str | None:
    """Why a trial did not train, as it judged itself on validation.

    Records from before that judgement are read off their answers: one class for every test row is the majority's accuracy, no score.
    """
    if "collapse" in record:
        reason: str | None = record["collapse"]["reason"]
        return reason
    return "constant" if record["quality"]["test"]["predicted_classes"] < 2 else None


def _reload(proofs: Sequence[dict[str, Any]]) -> str:
    """What the reload proofs of a method's seeds say together: one that failed to run proves nothing, for or against."""
    checks = [check for proof in proofs for check in (proof, proof.get("merged", {"same": True}))]
    if any(check.get("same") is False for check in checks):
        return "different"
    return "same" if all(check.get("same") for check in checks) else "unproven"
