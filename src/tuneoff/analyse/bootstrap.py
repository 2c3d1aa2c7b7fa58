"""Intervals by resampling seeds and test rows together.

Each draw picks seeds with replacement and, once for all methods and seeds, test rows with replacement: rows are shared by all, so
that differences between methods are paired (hierarchical bootstrap, Davison and Hinkley 1997, §3.8). Of S seeds S − 1 are picked,
which makes the variance between seeds unbiased (Rao and Wu 1988); picking S of three would lose a third of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

DRAWS = 1000
LEVEL = 0.95
#: Draws that are worked on at once: bounds the memory, and what is worked on stays in the processor's cache.
BLOCK = 100
_ALL = slice(None)


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
        return np.concatenate([total for _, (total,) in self._blocks(columns)])

    def _blocks(self, *several: np.ndarray) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Totals of several columns at once, some draws after others, and which draws they are."""
        # Counts below 2**24 are exact in float32, and its matrix product is the fastest there is.
        values = [columns.astype(np.float32) for columns in several]
        # Products this small end before a second thread has woken, and it spins for the next: on two busy cores that took twice as long.
        with _linear_algebra().limit(limits=1, user_api="blas"):
            for start in range(0, len(self), BLOCK):
                draws = slice(start, start + BLOCK)
                rows = self._counts[draws].astype(np.float32)
                yield draws, [(rows @ columns).astype(np.float64) for columns in values]

    def over_seeds(self, scores: np.ndarray, draws: slice = _ALL) -> np.ndarray:
        """Mean over the drawn seeds of scores [draws, seeds]: [draws].

        Args:
            scores: of these draws.
            draws: all of them unless said.
        """
        means: np.ndarray = (scores * self.seed_weights(scores.shape[1])[draws]).sum(1)
        return means

    def accuracy(self, hits: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Accuracy in each draw.

        Args:
            hits: bool [seeds, rows].
            rows: bool [rows]: the only ones that count; without, all.
        """
        counted = np.ones(self.num_rows, dtype=bool) if rows is None else rows
        found = []
        for draws, (right, drawn) in self._blocks((hits & counted).T, counted[:, None]):
            right /= np.maximum(drawn, 1)
            found.append(self.over_seeds(right, draws))
        return np.concatenate(found)

    def macro_f1(self, targets: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
        """Macro-F1 in each draw.

        Args:
            targets: true class numbers [rows].
            predicted: class numbers [seeds, rows].
            num_classes: classes; one that neither occurs nor is predicted in a draw counts as 0.
        """
        classes = np.arange(num_classes)
        is_true, is_said = targets[:, None, None] == classes, predicted.T[:, :, None] == classes
        counted = [which.reshape(self.num_rows, -1) for which in (is_true, is_said, is_said & is_true)]
        found = []
        for draws, totals in self._blocks(*counted):
            true, both, f1 = (total.reshape(len(total), -1, num_classes) for total in totals)
            # F1 is 2·hits / (true + said); a class with neither has no hits.
            both += true
            f1 *= 2
            f1 /= np.maximum(both, 1, out=both)
            found.append(self.over_seeds(f1.mean(2), draws))
        return np.concatenate(found)


@cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries that NumPy's products run in."""
    return ThreadpoolController()


def interval(mean: float, draws: np.ndarray) -> Interval:
    """Percentile interval around an observed mean."""
    low, high = quantiles(draws)
    return Interval(mean, low, high)


def quantiles(draws: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The middle 95 %."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
