"""Learning curves of a method over its seeds: mean and range at each point."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tuneoff.analyse.trials import MethodTrials

#: Measure → what a point of a trial's curve calls it.
MEASURES: Final = {"loss": "loss", "validation_loss": "validation_loss", "accuracy": "validation_accuracy"}


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
