"""Intervals by resampling seeds and test rows together.

Each draw picks seeds with replacement and, inside it, one set of test rows with replacement for all methods and seeds: rows
are shared by all, so differences between methods are paired (hierarchical bootstrap, Davison and Hinkley 1997, §3.8).
"""

from dataclasses import dataclass

import numpy as np

from tuneoff.measure import class_f1

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


class Draws:
    """Resampled rows, the same for every method of a study.

    Args:
        num_rows: rows of the test split.
        draws: number of resamples.
    """

    def __init__(self, num_rows: int, draws: int = DRAWS) -> None:
        self.generator = np.random.default_rng(20240229)
        self.row_weights = self.generator.multinomial(num_rows, np.full(num_rows, 1 / num_rows), size=draws).astype(np.float32)
        self._seeds: dict[int, np.ndarray] = {}

    def seeds(self, num_seeds: int) -> np.ndarray:
        """How often each seed is in each draw, [draws, seeds]; the same whenever it is asked for."""
        if num_seeds not in self._seeds:
            generator = np.random.default_rng(num_seeds)
            self._seeds[num_seeds] = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=len(self.row_weights))
        return self._seeds[num_seeds]

    def accuracy(self, right: np.ndarray) -> np.ndarray:
        """Accuracy in each draw from hits [seeds, rows]."""
        seeds, rows = right.shape
        by_seed = self.row_weights @ right.T.astype(np.float32) / rows
        accuracy: np.ndarray = (by_seed * self.seeds(seeds)).sum(1) / seeds
        return accuracy

    def macro_f1(self, cells: np.ndarray, num_classes: int) -> np.ndarray:
        """Macro-F1 in each draw from confusion cells ``true * classes + predicted`` [seeds, rows]."""
        seeds = len(cells)
        scores = np.empty((len(self.row_weights), seeds))
        for s, row in enumerate(cells):
            for d, weights in enumerate(self.row_weights):
                counts = np.bincount(row, weights=weights, minlength=num_classes**2).reshape(num_classes, num_classes)
                scores[d, s] = class_f1(counts).mean()
        macro: np.ndarray = (scores * self.seeds(seeds)).sum(1) / seeds
        return macro


def interval(mean: float, draws: np.ndarray) -> Interval:
    """Percentile interval around an observed mean."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(mean, float(low), float(high))
