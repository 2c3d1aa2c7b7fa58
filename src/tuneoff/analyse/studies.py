"""The same method in two studies: by how much does its score differ, and is that more than chance?

Where both studies judge by the same test rows the comparison is paired over seeds and rows, as between two methods of one study.
Where they do not, nothing is shared: the variances of the two accuracies add up, each estimated as ``variance.py`` does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tuneoff.analyse.bootstrap import Interval
from tuneoff.analyse.compare import ALPHA, PRIOR_FREEDOM, Comparisons, critical, holm, tail
from tuneoff.analyse.variance import Hits, pair_parts


@dataclass(frozen=True)
class StudyHits:
    """A study as it is compared with another.

    Attributes:
        hits: label of a method that learnt → number of the seed → which test rows are right, bool [rows].
        rows: what tells a test row from another, text and label, in the order of the hits.
        answers: class numbers in the shape of the hits, where those are what each row adds to another score: as
            :class:`~tuneoff.analyse.compare.Comparisons` takes them.
    """

    hits: Mapping[str, Hits]
    rows: Sequence[str]
    answers: Mapping[str, Hits] | None = None


@dataclass(frozen=True)
class StudyGap(Interval):
    """Score of a method in one study less its score in the other; mean and interval as shares (0.01 is one point).

    The interval is at the level of Holm's correction over the methods of the two studies.

    Attributes:
        paired: over the same test rows.
        p_value: corrected; ``None`` where seeds or rows cannot carry one.
        reason: why there is none: ``one_seed`` or ``few_rows``.
        separable: the two differ by more than chance explains. With one seed this is said of two runs, not of the method.
        seeds: seeds that enter, of each study.
    """

    paired: bool
    p_value: float | None
    reason: str | None
    separable: bool
    seeds: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"seeds": list(self.seeds)}


@dataclass(frozen=True)
class Pairing:
    """Test rows of two studies.

    Attributes:
        kind: ``same`` rows (in whatever order), ``overlap``, or ``apart``.
        common: rows that both have.
        order: places of the first study's rows in the second; only of the same rows.
    """

    kind: Literal["same", "overlap", "apart"]
    common: int
    order: np.ndarray | None = None


def pairing(first: Sequence[str], second: Sequence[str]) -> Pairing:
    """Match test rows by what they say; a row that stands there twice is matched twice."""
    common = sum((Counter(first) & Counter(second)).values())
    if common < max(len(first), len(second)) or not common:
        return Pairing("overlap" if common else "apart", common)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(second):
        places.setdefault(row, []).append(place)
    return Pairing("same", common, np.array([places[row].pop(0) for row in first]))


def compare_studies(base: StudyHits, other: StudyHits) -> dict[str, StudyGap]:
    """Every method that learnt in both: its score in ``other`` less that in ``base``, by label."""
    labels = [label for label in other.hits if label in base.hits]
    match = pairing(base.rows, other.rows)
    if not labels:
        return {}
    return _paired(base, other, labels, match.order) if match.order is not None else _unpaired(base, other, labels)


def _paired(base: StudyHits, other: StudyHits, labels: list[str], order: np.ndarray) -> dict[str, StudyGap]:
    def side_by_side(first: Mapping[str, Hits], second: Mapping[str, Hits]) -> dict[str, Hits]:
        ordered = {label: {seed: found[order] for seed, found in seeds.items()} for label, seeds in second.items()}
        return {f"0 {label}": found for label, found in first.items()} | {f"1 {label}": found for label, found in ordered.items()}

    hits = side_by_side(base.hits, other.hits)
    answers = None if base.answers is None or other.answers is None else side_by_side(base.answers, other.answers)
    compared = Comparisons(hits, pairs=[(f"1 {label}", f"0 {label}") for label in labels], answers=answers)
    gaps = {}
    for label in labels:
        found = compared.between(f"1 {label}", f"0 {label}")
        if found is not None:
            more = (found.p_value, found.reason, found.separable, (found.seeds, found.seeds))
            gaps[label] = StudyGap(found.mean, found.low, found.high, True, *more)
    return gaps


@dataclass(frozen=True)
class _Spread:
    """A mean accuracy with the parts of its variance: between seeds with their freedom, over rows, of both."""

    mean: float
    seeds: int
    seed: float
    freedom: float
    row: float
    both: float
    rows: int


def _spreads(study: StudyHits) -> dict[str, _Spread]:
    """Of every method, by holding it against one that is always right. Variance between seeds is averaged with the study's."""
    labels = list(study.hits)
    always = np.ones(len(study.rows), dtype=bool)
    found = {}
    for label in labels:
        parts = pair_parts([study.hits[label], dict.fromkeys(study.hits[label], always)])
        seeds, rows = int(parts.seeds[0, 1]), parts.num_rows
        at = (0, 1)
        mean, seed, row, both = 1.0 + float(parts.effect[at]), float(parts.seed[at]), float(parts.row[at]), float(parts.both[at])
        found[label] = _Spread(mean, seeds, seed / seeds, max(seeds - 1, 1), row / rows, both / (seeds * rows), rows)
    varying = [one for one in found.values() if one.seeds > 1 and one.seed > 0]
    usual = float(np.mean([one.seed * one.seeds for one in varying])) if varying else 0.0
    for label, one in found.items():
        if one in varying:
            weight = min(PRIOR_FREEDOM, (len(varying) - 1) * one.freedom)
            shared = (one.freedom * one.seed * one.seeds + weight * usual) / (one.freedom + weight)
            found[label] = _Spread(one.mean, one.seeds, shared / one.seeds, one.freedom + weight, one.row, one.both, one.rows)
    return found


def _unpaired(base: StudyHits, other: StudyHits, labels: list[str]) -> dict[str, StudyGap]:
    first, second = _spreads(base), _spreads(other)
    parts = {label: _together(first[label], second[label]) for label in labels}
    effects = {label: second[label].mean - first[label].mean for label in labels}
    corrected, tests = holm(np.array([tail(abs(effects[label]), *parts[label]) for label in labels]))
    gaps = {}
    for place, label in enumerate(labels):
        seeds = (first[label].seeds, second[label].seeds)
        reason = "one_seed" if min(seeds) == 1 else None
        width = critical(ALPHA / tests[place], *parts[label])
        effect, p_value = effects[label], float(corrected[place])
        low, high = max(effect - width, -1.0), min(effect + width, 1.0)
        # Of one seed each it can be said that two runs differ in rows; not so of another score, which is not a mean of rows.
        separable = p_value <= ALPHA and (reason is None or base.answers is None)
        gaps[label] = StudyGap(effect, low, high, False, None if reason else p_value, reason, separable, seeds)
    return gaps


def _together(one: _Spread, other: _Spread) -> tuple[float, float, float, float, int]:
    """Variance of a difference of two independent means, in the parts that :func:`~tuneoff.analyse.compare.tail` takes.

    The freedom of the part between seeds is Satterthwaite's.
    """
    seed = one.seed + other.seed
    parts = [(spread.seed, spread.freedom) for spread in (one, other) if spread.seed > 0]
    freedom = seed**2 / sum(variance**2 / known for variance, known in parts) if parts else 1.0
    return seed, freedom, one.row + other.row, one.both + other.both, max(min(one.rows, other.rows) - 1, 1)
