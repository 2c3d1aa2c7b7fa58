"""Variance of a difference of two accuracies when the seeds and the test rows are both samples, and crossed.

A hit of method m at seed s on row r has an effect of the seed, one of the row and one of both. The parts are estimated by the
method of moments from the mean squares of the two-way table, as in multi-reader multi-case studies (Obuchowski and Rockette 1995):
Var(mean) = (MS_seed + MS_row − MS_both) / (S·R). Everything is kept as a covariance between methods, so that a pair's variance is
a contrast of three matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np

#: Hits of a method by number of the seed, each bool [rows]; or what each row adds to another score, float [rows], whose mean it is.
Hits: TypeAlias = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class PairParts:
    """What every pair of methods shows, as arrays [methods, methods]; NaN where two methods have no seed in common.

    Attributes:
        effect: accuracy of the row's method less that of the column's, over the seeds that both have.
        seeds: number of these seeds.
        seed: variance over seeds of the difference.
        row: variance over rows of the difference, averaged over seeds.
        both: variance of what neither seed nor row explains.
        wins: test rows on which the row's method is right more often than the column's.
        varying: how many of the two methods give other answers at other seeds.
        num_rows: test rows.
    """

    effect: np.ndarray
    seeds: np.ndarray
    seed: np.ndarray
    row: np.ndarray
    both: np.ndarray
    wins: np.ndarray
    varying: np.ndarray
    num_rows: int

    @property
    def discordant(self) -> np.ndarray:
        """Test rows on which the two differ."""
        found: np.ndarray = self.wins + self.wins.T
        return found


def pair_parts(methods: Sequence[Hits]) -> PairParts:
    """Compare every method with every other over the seeds that both have; every method needs one seed at least."""
    count, num_rows = len(methods), len(next(iter(methods[0].values())))
    found = {name: np.full((count, count), np.nan) for name in ("effect", "seed", "row", "both")}
    seeds, wins = np.zeros((count, count), dtype=int), np.zeros((count, count), dtype=int)
    by_seeds: dict[frozenset[int], list[int]] = {}
    for number, hits in enumerate(methods):
        by_seeds.setdefault(frozenset(hits), []).append(number)
    for (first, some), (second, others) in combinations_with_replacement(by_seeds.items(), 2):
        common = sorted(first & second)
        if not common:
            continue
        members = np.array(sorted({*some, *others}))
        here = np.ix_(members, members)
        # Pairs inside a group have more seeds than it shares with another; they are filled in their own turn.
        block = np.isin(members, some)[:, None] & np.isin(members, others)
        block |= block.T
        parts = _two_way([np.stack([methods[m][seed] for m in members]) for seed in common])
        for name, values in parts.items():
            target = wins if name == "wins" else found[name]
            target[here] = np.where(block, values, target[here])
        seeds[here] = np.where(block, len(common), seeds[here])
    varies = np.array([any(not np.array_equal(one, first) for one in hits.values()) for hits in methods for first in [_first(hits)]])
    return PairParts(**found, seeds=seeds, wins=wins, varying=varies[:, None].astype(int) + varies, num_rows=num_rows)


def _first(hits: Hits) -> np.ndarray:
    return next(iter(hits.values()))


def _two_way(by_seed: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Parts of every pair from hits [methods, rows] of each seed."""
    num_seeds, num_rows = len(by_seed), by_seed[0].shape[1]
    by_row = np.mean(by_seed, axis=0)
    accuracy = np.stack([hits.mean(1) for hits in by_seed], axis=1)
    mean = accuracy.mean(1)
    effect = mean[:, None] - mean
    centred_rows, centred_seeds = by_row - mean[:, None], accuracy - mean[:, None]
    rows, seeds = centred_rows @ centred_rows.T, centred_seeds @ centred_seeds.T
    total = sum(_products(hits) for hits in by_seed)
    both = total - num_seeds * num_rows * np.outer(mean, mean) - num_rows * seeds - num_seeds * rows
    freedom, row_freedom = max(num_seeds - 1, 1), max(num_rows - 1, 1)
    return {
        "effect": effect,
        "seed": _of_pairs(seeds / freedom),
        "row": _of_pairs(rows / row_freedom),
        "both": np.maximum(_of_pairs(both / (freedom * row_freedom)), 0.0),
        "wins": np.stack([(by_row > other).sum(1) for other in by_row], axis=1),
    }


def _products(hits: np.ndarray) -> np.ndarray:
    """Sums over rows of every two methods' products; those of hits are whole numbers, exact in float32."""
    values = hits.astype(np.float32) if hits.dtype == bool else hits
    found: np.ndarray = (values @ values.T).astype(float)
    return found


def _of_pairs(covariance: np.ndarray) -> np.ndarray:
    """Variances of differences from covariances."""
    own = np.diagonal(covariance)
    variances: np.ndarray = np.maximum(own[:, None] + own - 2 * covariance, 0.0)
    return variances
