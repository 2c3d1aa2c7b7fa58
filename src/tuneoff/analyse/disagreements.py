"""Test rows on which methods give different answers: what the choice between them is about."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneoff.analyse.trials import MethodTrials


@dataclass(frozen=True)
class Disagreements:
    """Rows on which not all methods agree, the most divided first.

    Attributes:
        labels: of the methods that were asked.
        seeds: complete seeds of each method, int [methods].
        rows: numbers of test rows, int [disputed].
        targets: true classes, int [disputed].
        answers: what most seeds of a method say, int [disputed, methods]; of equals the lowest class number.
        right: seeds of a method that are right, int [disputed, methods].
        num_rows: test rows.
    """

    labels: list[str]
    seeds: np.ndarray
    rows: np.ndarray
    targets: np.ndarray
    answers: np.ndarray
    right: np.ndarray
    num_rows: int


def disagreements(methods: Sequence[MethodTrials], num_classes: int) -> Disagreements | None:
    """Compare the answers of every method with a complete trial; ``None`` with fewer than two.

    A row is the more divided the closer to half the methods are right about it; then the more different answers it gets.

    Args:
        methods: whose answers count; one that always says the same would dispute every row.
        num_classes: classes.
    """
    asked = [method for method in methods if method.complete]
    if len(asked) < 2:
        return None
    targets = asked[0].complete[0].targets["test"]
    said = [np.stack([trial.answers for trial in method.complete]) for method in asked]
    answers = np.stack([_majority(answered, num_classes) for answered in said], axis=1)
    right = np.stack([(answered == targets).sum(0) for answered in said], axis=1)
    disputed = np.flatnonzero((answers != answers[:, :1]).any(1))
    hits = (answers[disputed] == targets[disputed, None]).sum(1)
    divided = np.minimum(hits, len(asked) - hits)
    different = (np.diff(np.sort(answers[disputed], axis=1), axis=1) > 0).sum(1)
    rows = disputed[np.lexsort((disputed, -different, -divided))]
    seeds = np.array([len(answered) for answered in said])
    return Disagreements([method.label for method in asked], seeds, rows, targets[rows], answers[rows], right[rows], len(targets))


def _majority(said: np.ndarray, num_classes: int) -> np.ndarray:
    """The most common answer to each row, [rows], of answers [seeds, rows]."""
    rows = said.shape[1]
    votes = np.bincount((np.arange(rows) * num_classes + said).ravel(), minlength=rows * num_classes).reshape(rows, num_classes)
    most: np.ndarray = votes.argmax(1)
    return most
