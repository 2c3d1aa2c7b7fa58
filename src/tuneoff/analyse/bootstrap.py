"""Intervals by resampling seeds and test rows together.

Each draw picks seeds with replacement and, once for all methods and seeds, test rows with replacement: rows are shared by all, so
that differences between methods are paired (hierarchical bootstrap, Davison and Hinkley 1997, §3.8). Of S seeds S − 1 are picked,
which makes the variance between seeds unbiased (Rao and Wu 1988); picking S of three would lose a third of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
LEVEL = 0.95
#: Draws that are worked on at once: bounds the memory of the float copy.
BLOCK = 100


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
        generator = np.random.default_rng(20240229)
        self.num_rows = num_rows
        # A row is picked 256 times of n with a probability below 1e-500: bytes are enough.
        self._counts = np.empty((draws, num_rows), dtype=np.uint8)
        for draw in self._counts:
            draw[:] = np.bincount(generator.integers(num_rows, size=num_rows), minlength=num_rows)
        self._seeds: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        """Number of draws."""
        return len(self._counts)

    def seed_weights(self, num_seeds: int) -> np.ndarray:
        """Weight of each seed in each draw, [draws, seeds]; the same whenever it is asked for, so that seeds are paired."""
        if num_seeds not in self._seeds:
            generator, picked = np.random.default_rng(num_seeds), max(1, num_seeds - 1)
            counts = generator.multinomial(picked, np.full(num_seeds, 1 / num_seeds), size=len(self))
            self._seeds[num_seeds] = counts / picked
        return self._seeds[num_seeds]

    def totals(self, columns: np.ndarray) -> np.ndarray:
        """Sums over the drawn rows of small whole numbers [rows, columns]: [draws, columns]."""
        # Counts below 2**24 are exact in float32, and its matrix product is the fastest there is.
        values = columns.astype(np.float32)
        blocks = range(0, len(self), BLOCK)
        return np.concatenate([self._counts[start : start + BLOCK].astype(np.float32) @ values for start in blocks]).astype(np.float64)

    def over_seeds(self, scores: np.ndarray) -> np.ndarray:
        """Mean over the drawn seeds of scores [draws, seeds]: [draws]."""
        means: np.ndarray = (scores * self.seed_weights(scores.shape[1])).sum(1)
        return means

    def accuracy(self, hits: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Accuracy in each draw.

        Args:
            hits: bool [seeds, rows].
            rows: bool [rows]: the only ones that count; without, all.
        """
        counted = np.ones(self.num_rows, dtype=bool) if rows is None else rows
        totals = self.totals(np.vstack([hits & counted, counted]).T)
        return self.over_seeds(totals[:, :-1] / np.maximum(totals[:, -1:], 1))

    def macro_f1(self, targets: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
        """Macro-F1 in each draw.

        Args:
            targets: true class numbers [rows].
            predicted: class numbers [seeds, rows].
            num_classes: classes; one that neither occurs nor is predicted in a draw counts as 0.
        """
        classes, shape = np.arange(num_classes), (len(self), len(predicted), num_classes)
        is_true, is_said = targets[:, None] == classes, predicted.T[:, :, None] == classes
        true = self.totals(is_true)[:, None]
        said = self.totals(is_said.reshape(self.num_rows, -1)).reshape(shape)
        hits = self.totals((is_said & is_true[:, None]).reshape(self.num_rows, -1)).reshape(shape)
        # F1 is 2·hits / (true + said); a class with neither has no hits.
        return self.over_seeds((2 * hits / np.maximum(true + said, 1)).mean(2))


def interval(mean: float, draws: np.ndarray) -> Interval:
    """Percentile interval around an observed mean."""
    low, high = quantiles(draws)
    return Interval(mean, low, high)


def quantiles(draws: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The middle 95 %."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
