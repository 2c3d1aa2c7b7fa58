"""Learning curves of a method over its seeds: mean and range at each point."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tuneoff.analyse.trials import MethodTrials


def curve_points(methods: Sequence[MethodTrials]) -> list[dict[str, Any]]:
    """Points for plots: method, measure (``loss`` or ``accuracy``), share of training done, epoch, mean, low, high.

    ``loss`` is the training loss since the last point; ``accuracy`` that on validation after an epoch. ``low`` and ``high`` are
    the lowest and highest of the seeds.
    """
    points = []
    for method in methods:
        if method.method in ("majority", "tfidf"):
            continue
        for measure, key in (("loss", "loss"), ("accuracy", "validation_accuracy")):
            by_step: dict[int, list[tuple[float, float, float]]] = {}
            for trial in method.complete:
                for point in trial.curve:
                    if point.get(key) is not None:
                        by_step.setdefault(point["step"], []).append((point["epoch"], point[key], point["steps"]))
            for step, values in sorted(by_step.items()):
                epochs, heights, steps = np.array(values).T
                points.append(
                    {
                        "label": method.label,
                        "measure": measure,
                        "step": step,
                        "epoch": float(epochs[0]),
                        "done": float(step / steps[0]),
                        "mean": float(heights.mean()),
                        "low": float(heights.min()),
                        "high": float(heights.max()),
                    }
                )
    return points
