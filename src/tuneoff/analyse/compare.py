"""Is one method better than another? Paired comparisons over random seeds and random test rows.

Three to five seeds say little about their own variance, which is what makes t-tests over seeds useless and tests over rows alone
wrong. So: the variance of a difference is that of a two-way table (``variance.py``); its part between seeds is averaged with that
of the whole study and keeps its uncertainty, as in the Behrens-Fisher problem; Holm's correction runs over all pairs, and over those
with full fine-tuning. ``docs/statistics.md`` has the sources and what simulation says of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy import special

from tuneoff.analyse.bootstrap import Interval
from tuneoff.analyse.variance import Hits, PairParts, pair_parts

ALPHA: Final = 0.05
#: Degrees of freedom that the study's average variance between seeds weighs against a pair's own.
PRIOR_FREEDOM: Final = 4
#: With fewer test rows that tell two methods apart not even all of them on one side would make an exact test significant.
FEW_ROWS: Final = 6
#: To which the ends of an interval are found.
PRECISION: Final = 1e-8


@dataclass(frozen=True)
class Comparison(Interval):
    """A score of one method less that of another, paired; mean and interval as shares (0.01 is one point).

    The interval is at the level of Holm's correction: it excludes zero exactly when the two are separable.

    Attributes:
        other: label of the method that it is compared with.
        p_value: corrected for the number of comparisons; ``None`` where seeds or rows cannot carry one.
        reason: why there is none: ``one_seed`` or ``few_rows``.
        separable: the two differ by more than chance explains. With one seed this is said of two runs on these rows, not of methods.
        seeds: seeds that both have.
        rows: test rows on which the two differ.
    """

    other: str
    p_value: float | None
    reason: str | None
    separable: bool
    seeds: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        more = ("p_value", "reason", "separable", "seeds", "rows")
        return {"mean": self.mean, "low": self.low, "high": self.high} | {name: getattr(self, name) for name in more}


class Comparisons:
    """Every pair of methods compared.

    Args:
        hits: label → number of the seed → which test rows are right, bool [rows].
        reference: label of the method that the others are held against by plan: full fine-tuning.
        pairs: the only pairs that are asked about, and so corrected for; without, all are.
        answers: label → number of the seed → class numbers [rows], where the hits are what each row adds to another score (float):
            which rows two methods differ on is then read off their answers, and with one seed nothing is told apart.
    """

    def __init__(
        self,
        hits: Mapping[str, Hits],
        reference: str | None = None,
        pairs: Iterable[tuple[str, str]] | None = None,
        answers: Mapping[str, Hits] | None = None,
    ) -> None:
        self.labels = list(hits)
        self._place = {label: place for place, label in enumerate(self.labels)}
        self._found: dict[tuple[str, str], Comparison | None] = {}
        if len(hits) < 2:
            return
        self.parts = pair_parts([hits[label] for label in self.labels])
        self._exact = answers is None
        self._differing = self.parts.discordant if answers is None else _differing([answers[label] for label in self.labels])
        self._seed_part, self._freedom = _seed_part(self.parts)
        self._asked = np.triu(self.parts.seeds > 0, 1)
        if pairs is not None:
            asked = np.zeros_like(self._asked)
            for pair in pairs:
                asked[tuple(sorted(self._place[label] for label in pair))] = True
            self._asked &= asked
        first, second = np.nonzero(self._asked)
        raw = self._raw(first, second)
        corrected, tests = holm(raw)
        if reference in self._place:
            planned = (first == self._place[reference]) | (second == self._place[reference])
            for values, again in zip((corrected, tests), holm(raw[planned]), strict=True):
                values[planned] = np.minimum(values[planned], again)
        self._corrected, self._tests = np.ones((2, len(hits), len(hits)))
        self._corrected[first, second] = self._corrected[second, first] = corrected
        self._tests[first, second] = self._tests[second, first] = tests

    def between(self, one: str, other: str) -> Comparison | None:
        """``one`` less ``other``; ``None`` for a method with itself, for a pair that is not compared, and without a common seed."""
        if one == other or one not in self._place or other not in self._place:
            return None
        if (one, other) not in self._found:
            self._found[one, other] = self._compare(other, self._place[one], self._place[other])
        return self._found[one, other]

    @property
    def any_separable(self) -> bool:
        """Whether any two methods are told apart."""
        return len(self.labels) > 1 and bool((self._corrected <= ALPHA).any())

    def separable(self) -> np.ndarray:
        """Which pairs are told apart, bool [methods, methods]."""
        apart: np.ndarray = self._corrected <= ALPHA
        return apart

    def half_width(self, one: str, other: str) -> float:
        """The smallest difference that would be told apart; infinite where none would."""
        found = self.between(one, other)
        return np.inf if found is None or found.reason == "few_rows" else (found.high - found.low) / 2

    def _raw(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """P-values before correction."""
        parts, raw = self.parts, np.ones(len(first))
        exact = parts.seeds[first, second] == 1
        wins, discordant = parts.wins[first, second], self._differing[first, second]
        for place in np.flatnonzero(exact & (discordant > 0) & self._exact):
            raw[place] = _sign_test(int(wins[place]), int(discordant[place])).pvalue
        for place in np.flatnonzero(~exact & (discordant >= FEW_ROWS)):
            pair = first[place], second[place]
            raw[place] = tail(abs(parts.effect[pair]), *self._variance(pair))
        return raw

    def _variance(self, pair: tuple[Any, Any]) -> tuple[float, float, float, float, int]:
        """Of the mean difference: between seeds, its degrees of freedom, over rows, of both; and the degrees of freedom of rows."""
        parts, seeds = self.parts, self.parts.seeds[pair]
        rows = parts.num_rows
        return (
            float(self._seed_part[pair] / seeds),
            float(self._freedom[pair]),
            float(parts.row[pair] / rows),
            float(parts.both[pair] / (seeds * rows)),
            max(rows - 1, 1),
        )

    def _compare(self, other: str, row: int, column: int) -> Comparison | None:
        parts, pair = self.parts, (row, column)
        seeds, discordant = int(parts.seeds[pair]), int(self._differing[pair])
        if not (self._asked[row, column] or self._asked[column, row]):
            return None
        effect, level = float(parts.effect[pair]), ALPHA / self._tests[pair]
        reason = "few_rows" if discordant < FEW_ROWS else "one_seed" if seeds == 1 else None
        if reason == "one_seed" and self._exact:
            # Clopper and Pearson's interval for the share of differing rows that one method wins agrees with the exact test.
            share = _sign_test(int(parts.wins[pair]), discordant).proportion_ci(1 - level)
            low, high = (discordant / parts.num_rows * (2 * float(end) - 1) for end in share)
        else:
            # Too few differing rows to test: they could have fallen to either side.
            few = reason == "few_rows"
            width = max(discordant / parts.num_rows, abs(effect)) if few else critical(level, *self._variance(pair))
            low, high = (-width, width) if few else (effect - width, effect + width)
        p_value = None if reason else float(self._corrected[pair])
        separable = reason != "few_rows" and bool(self._corrected[pair] <= ALPHA)
        # Floats may put an end that stands on the effect itself on its other side.
        low, high = max(min(low, effect), -1.0) + 0.0, min(max(high, effect), 1.0)
        return Comparison(effect, low, high, other, p_value, reason, separable, seeds, discordant)


def _sign_test(wins: int, rows: int) -> Any:
    """Exact test of so many wins on rows that tell two methods apart."""
    from scipy.stats import binomtest  # With all of scipy.stats, which takes longer than everything else here; one seed alone needs it.

    return binomtest(wins, rows)


def _differing(answers: Sequence[Hits]) -> np.ndarray:
    """Test rows that two methods answer differently at some seed that both have, [methods, methods]."""
    found = np.zeros((len(answers), len(answers)), dtype=int)
    for first, one in enumerate(answers):
        for second in range(first):
            other = answers[second]
            common = sorted(set(one) & set(other))
            if common:
                differs = np.any([one[seed] != other[seed] for seed in common], axis=0)
                found[first, second] = found[second, first] = int(differs.sum())
    return found


def holm(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's step-down correction (1979).

    Returns:
        Corrected p-values, and for each test the number that its own p-value was multiplied by: all tests that were still open.
    """
    count = len(raw)
    order = np.argsort(raw, kind="stable")
    ascending, places = raw[order], np.arange(count)
    # Equal p-values, of methods with equal answers, share the step of the first; what floats add does not part them.
    places = np.maximum.accumulate(np.where(np.diff(ascending, prepend=-1.0) > 1e-9 * ascending, places, 0))
    open_tests = count - places
    stepped = np.maximum.accumulate(np.minimum(ascending * open_tests, 1.0))
    rejected = int((stepped <= ALPHA).sum())
    # What is not rejected stands where the procedure stopped.
    open_tests[rejected:] = max(count - rejected, 1)
    corrected, tests = np.empty(count), np.empty(count)
    corrected[order], tests[order] = stepped, open_tests
    return corrected, tests


def _seed_part(parts: PairParts) -> tuple[np.ndarray, np.ndarray]:
    """Variance over seeds of each pair's difference, averaged with the study's own, and its degrees of freedom.

    The mean over pairs of methods that vary with the seed is the prior (as Smyth 2004 shrinks variances of many tests). It weighs
    four degrees of freedom, and no more than the seeds of the other methods have. A method without randomness has no such part.
    """
    alike = (parts.varying == 2) & (parts.seeds > 1)
    np.fill_diagonal(alike, False)
    varying = int(alike.any(1).sum())
    usual = float(parts.seed[alike].mean()) if varying else 0.0
    own = np.maximum(parts.seeds - 1, 1)
    weight = np.minimum(PRIOR_FREEDOM, max(varying - 2, 0) * own)
    shrunk = (weight * usual * parts.varying / 2 + own * parts.seed) / (weight + own)
    return np.where(parts.varying > 0, shrunk, 0.0), weight + own


@lru_cache
def _quadrature(freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of chi-square over its degrees of freedom, and their weights: dense where a variance would be underestimated."""
    edges = np.concatenate([[0.0], np.logspace(-7, -1, 96, endpoint=False), np.linspace(0.1, 1, 65)])
    return 2 * special.gammaincinv(freedom / 2, (edges[1:] + edges[:-1]) / 2) / freedom, np.diff(edges)


def tail(effect: float, seed: float, freedom: float, row: float, both: float, row_freedom: int) -> float:
    """Two-sided p-value of a difference whose variance is known only as well as the seeds are many.

    The variance between seeds is drawn from its fiducial distribution, estimate · freedom / chi-square (Behrens and Fisher; Tsui and
    Weerahandi 1989), and the tail of Student's t over rows is averaged over it. Without variance between seeds this is the paired
    test over rows; with endless rows it is the t-test over seeds.
    """
    ratio, weight = _quadrature(freedom)
    variance = np.maximum(seed / ratio + row - both, row)
    # A difference without any variance is that of answers which differ on every row.
    return float(2 * weight @ special.stdtr(row_freedom, -effect / np.sqrt(np.maximum(variance, 1e-300))))


def critical(level: float, seed: float, freedom: float, row: float, both: float, row_freedom: int) -> float:
    """The difference whose p-value is ``level``; 1 where none is as large."""

    def above(effect: float) -> float:
        return float(np.log(max(tail(effect, seed, freedom, row, both, row_freedom), 1e-300) / level))

    # Without the seeds' uncertainty it would be smaller, with all of the variance theirs it would be larger.
    low = float(special.stdtrit(row_freedom, 1 - level / 2)) * float(np.sqrt(row))
    high = min(1.0, 1.5 * float(special.stdtrit(freedom, 1 - level / 2)) * float(np.sqrt(seed + row)))
    if not low < high or above(high) > 0:
        low, high = 0.0, 1.0
    if above(high) >= 0:
        return high
    low *= 0.9
    while high - low > PRECISION:  # Halving: all of scipy.optimize takes longer to import than this, and the rest, to run.
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 0 else (low, middle)
    return high
