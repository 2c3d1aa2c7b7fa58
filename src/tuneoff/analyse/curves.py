"""Learning curves of a method over its seeds: mean and range at each point."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tuneoff.analyse.trials import MethodTrials, TrialResult

#: Measure → what a point of a trial's curve calls it.
MEASURES: Final = {"loss": "loss", "validation_loss": "validation_loss", "accuracy": "validation_accuracy"}
#: A validation loss that fell by this part of itself in the last epoch had not come to an end.
FALLING: Final = 0.05


def still_learning(methods: Sequence[MethodTrials]) -> dict[str, float]:
    """Label → by which part of itself validation loss fell in the last epoch, mean over seeds, of methods that were not at an end.

    Such are those whose every seed was best in its last epoch and whose loss fell by :data:`FALLING` at least. Reads no test row.
    """
    found = {}
    for method in methods:
        falls = [fall for trial in method.complete if (fall := _last_fall(trial)) is not None]
        if falls and len(falls) == len(method.complete) and np.mean(falls) >= FALLING:
            found[method.label] = float(np.mean(falls))
    return found


def _last_fall(trial: TrialResult) -> float | None:
    """Of a trial that was best in its last epoch; ``None`` for others, and with fewer than two validations."""
    judged = [point for point in trial.curve if point.get("validation_loss") is not None]
    if len(judged) < 2 or trial.record.get("best_epoch") != round(judged[-1]["epoch"]):
        return None
    return 1.0 - float(judged[-1]["validation_loss"]) / float(judged[-2]["validation_loss"])


def curve_points(methods: Sequence[MethodTrials]) -> list[dict[str, Any]]:
    """Points for plots: method, measure, step, epoch, seconds of training, share of training done, mean, low, high.

    Measures are ``loss``, the training loss since the last point, and on validation after an epoch ``validation_loss`` and
    ``accuracy``. ``low`` and ``high`` are the lowest and highest of the seeds, ``seconds`` their mean at that step.
    """
    points = []
    for method in methods:
        if method.method in ("majority", "tfidf"):
            continue
        for measure, key in MEASURES.items():
            by_step: dict[int, list[tuple[float, ...]]] = {}
            for trial in method.complete:
                for point in trial.curve:
                    if point.get(key) is not None:
                        by_step.setdefault(point["step"], []).append((point["epoch"], point[key], point["steps"], point["seconds"]))
            for step, values in sorted(by_step.items()):
                epochs, heights, steps, seconds = np.array(values).T
                points.append(
                    {
                        "label": method.label,
                        "measure": measure,
                        "step": step,
                        "epoch": float(epochs[0]),
                        "seconds": float(seconds.mean()),
                        "done": float(step / steps[0]),
                        "mean": float(heights.mean()),
                        "low": float(heights.min()),
                        "high": float(heights.max()),
                    }
                )
    return points
