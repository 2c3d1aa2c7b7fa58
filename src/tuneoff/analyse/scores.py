"""Scores of one method over its seeds, from stored logits."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tuneoff.analyse.bootstrap import Draws, interval
from tuneoff.analyse.trials import MethodTrials
from tuneoff.analyse.variance import Hits
from tuneoff.measure import class_f1, confusion

#: Numbers (seeds × rows × classes) that are worked on at once: one seed after the other takes ten times as long, all together memory.
_BLOCK = 100_000


def hits(method: MethodTrials) -> Hits:
    """Which test rows each complete seed is right about, bool [rows] by number of the seed."""
    return {trial.seed: trial.answers == trial.targets["test"] for trial in method.complete}


def answers(method: MethodTrials) -> Hits:
    """Class numbers [rows] that each complete seed gives on test."""
    return {trial.seed: trial.answers for trial in method.complete}


def f1_parts(method: MethodTrials, num_classes: int) -> Hits:
    """What each test row adds to macro-F1 at each complete seed, [rows] by number of the seed; the method needs a complete trial."""
    complete, targets = method.complete, method.complete[0].targets["test"]
    together = max(1, _BLOCK // (len(targets) * num_classes))
    found: dict[int, np.ndarray] = {}
    for start in range(0, len(complete), together):
        block = complete[start : start + together]
        parts = macro_f1_parts(targets, np.stack([trial.answers for trial in block]), num_classes)
        found |= zip((trial.seed for trial in block), parts, strict=True)
    return found


def macro_f1_parts(targets: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """What each row adds to macro-F1: the mean over rows is macro-F1, the variance over rows that of its linearisation.

    F1 of a class is a ratio of sums over rows, 2·hits / (true + said). A row's influence on it (Hampel 1974) is
    (2·hit − F1·(true + said)) / mean(true + said); it has mean zero, and is added to the score itself.

    Args:
        targets: true class numbers [rows].
        predicted: class numbers [..., rows]; what is found is of this shape.
        num_classes: classes.
    """
    classes = np.arange(num_classes)
    true, said = targets[:, None] == classes, predicted[..., None] == classes
    hit, both = true & said, true.astype(float) + said
    size = np.maximum(both.mean(-2, keepdims=True), 1 / len(targets))
    f1 = 2 * hit.mean(-2, keepdims=True) / size
    parts: np.ndarray = (f1 + (2 * hit - f1 * both) / size).mean(-1)
    return parts


def scores(method: MethodTrials, labels: Sequence[str], draws: Draws, accuracy: np.ndarray, clean: np.ndarray | None) -> dict[str, Any]:
    """A row's scores on test, with intervals; the method needs a complete trial.

    Args:
        method: with its trials.
        labels: class names in the order of the logits.
        draws: of the test rows.
        accuracy: of the method in each of them [draws].
        clean: bool [rows], false where the text is known from train; ``None`` where none is.
    """
    complete = method.complete
    targets = complete[0].targets["test"]
    predicted = np.stack([trial.answers for trial in complete])
    right = predicted == targets
    f1 = class_f1(np.stack([confusion(targets, answers, len(labels)) for answers in predicted]))
    quality = [trial.record["quality"]["test"] for trial in complete]
    return {
        "accuracy": interval(float(right.mean()), accuracy),
        "accuracy_clean": None if clean is None else interval(float(right[:, clean].mean()), draws.accuracy(right, clean)),
        "macro_f1": interval(float(f1.mean()), draws.macro_f1(targets, predicted, len(labels))),
        "per_class_f1": dict(zip(labels, map(float, f1.mean(0)), strict=True)),
        "mcc": float(np.mean([q["mcc"] for q in quality])),
        "ece": float(np.mean([q["ece"] for q in quality])),
    }
