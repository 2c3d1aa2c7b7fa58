"""Made-up studies in which the truth is known, and how often the analysis is right about them.

``python -m tests.statistics.simulate`` prints the tables of docs/statistics.md.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from tuneoff.analyse import ALPHA, Comparisons, Draws, interval
from tuneoff.analyse.compare import holm
from tuneoff.analyse.scores import macro_f1_parts
from tuneoff.analyse.variance import pair_parts

Results = dict[str, dict[int, np.ndarray]]
#: Shares of classes, by what the documentation calls them.
CLASSES = {
    "3 alike": (1 / 3, 1 / 3, 1 / 3),
    "60, 30, 10 %": (0.6, 0.3, 0.1),
    "90, 7, 3 %": (0.9, 0.07, 0.03),
    "20 alike": (0.05,) * 20,
}
#: Procedures of the literature.
KINDS = {"rows": "Over rows", "seeds": "Over seeds", "satterthwaite": "Satterthwaite", "hillis": "Hillis"}


@dataclass(frozen=True)
class Scene:
    """A kind of study: ``full`` and others, all of the same accuracy unless they have an advantage.

    A row is right where a normal score stays below the method's threshold. The score adds up the row's difficulty, what the row
    means to the method, and chance; the threshold moves with the seed.

    Attributes:
        methods: number of methods; the first is ``full``.
        seeds: of each method.
        rows: test rows.
        accuracy: of each method in the long run.
        seed_sd: standard deviation between seeds in accuracy (0.01 is a point): one for all, or one for each.
        between: correlation of the scores of two methods on a row.
        within: correlation of the scores of two seeds of a method on a row.
        advantage: by how much the first method is better.
        deterministic: so many methods, the last ones, give the same answers at every seed.
    """

    methods: int = 5
    seeds: int = 3
    rows: int = 800
    accuracy: float = 0.8
    seed_sd: float | Sequence[float] = 0.01
    between: float = 0.9
    within: float = 0.95
    advantage: float = 0.0
    deterministic: int = 0

    def draw(self, generator: np.random.Generator) -> Results:
        """One study: label → seed → hits, bool [rows]."""
        shape = (self.methods, self.seeds, self.rows)
        accuracy = np.full(self.methods, self.accuracy)
        accuracy[0] += self.advantage
        level = stats.norm.ppf(accuracy)
        spread = np.broadcast_to(np.asarray(self.seed_sd), self.methods).copy()
        spread[self.methods - self.deterministic :] = 0.0
        # An accuracy moves with its threshold by the normal density there.
        threshold = level[:, None] + (spread / stats.norm.pdf(level))[:, None] * generator.standard_normal(shape[:2])
        score = np.sqrt(self.between) * generator.standard_normal(self.rows, np.float32)
        score = score + np.sqrt(self.within - self.between) * generator.standard_normal((self.methods, 1, self.rows), np.float32)
        score = score + np.sqrt(1 - self.within) * generator.standard_normal(shape, np.float32)
        hits = score < threshold[:, :, None]
        hits[self.methods - self.deterministic :] = hits[self.methods - self.deterministic :, :1]
        return {label: dict(enumerate(hits[number])) for number, label in enumerate(self.labels)}

    @property
    def labels(self) -> list[str]:
        """``full`` and ``m1``, ``m2``, …"""
        return ["full", *(f"m{number}" for number in range(1, self.methods))]

    def studies(self, count: int, seed: int = 0) -> Iterator[Results]:
        """So many studies."""
        generator = np.random.default_rng(seed)
        return (self.draw(generator) for _ in range(count))


def ours(results: Results) -> np.ndarray:
    """Which pairs the analysis tells apart, bool [methods, methods]."""
    return Comparisons(results, "full").separable()


def usual(results: Results, kind: str) -> np.ndarray:
    """The same by a procedure of the literature, Holm over all pairs.

    Args:
        results: hits.
        kind: ``rows``: paired t-test over rows of the mean over seeds. ``seeds``: paired t-test over the seeds' accuracies.
            ``satterthwaite``: two-way variance, its degrees of freedom estimated. ``hillis``: that of Hillis 2007.
    """
    parts = pair_parts(list(results.values()))
    first, second = np.triu_indices(len(results), 1)
    effect, seed, row, both, seeds = (getattr(parts, part)[first, second] for part in ("effect", "seed", "row", "both", "seeds"))
    # Seeds that happen to be equally good have no variance to divide by.
    seed, row, both = np.maximum(seed / seeds, 1e-12), row / parts.num_rows, both / (seeds * parts.num_rows)
    own, rest = seeds - 1, parts.num_rows - 1
    if kind == "rows":
        variance, freedom = row, np.full(len(first), rest)
    elif kind == "seeds":
        variance, freedom = seed, own
    elif kind == "satterthwaite":
        variance = np.maximum(seed + row - both, row)
        freedom = variance**2 / (seed**2 / own + row**2 / rest + both**2 / (own * rest))
    else:
        variance = seed + np.maximum(row - both, 0)
        freedom = variance**2 / (seed**2 / own)
    corrected, _ = holm(2 * stats.t.sf(np.abs(effect) / np.sqrt(variance), freedom))
    apart = np.zeros((len(results), len(results)), dtype=bool)
    apart[first, second] = apart[second, first] = corrected <= ALPHA
    return apart


#: Classes and scenes of the table on macro-F1.
BY_F1 = [
    *((classes, Scene(5, 3, rows)) for classes in ("3 alike", "60, 30, 10 %") for rows in (200, 800)),
    ("60, 30, 10 %", Scene(5, 5, 800)),
    ("90, 7, 3 %", Scene(5, 3, 200)),
    ("90, 7, 3 %", Scene(5, 3, 800)),
    ("20 alike", Scene(10, 3, 400)),
]


def labelled(results: Results, shares: Sequence[float], generator: np.random.Generator) -> tuple[Results, np.ndarray]:
    """Answers of several classes to the hits of a study, and the true classes [rows].

    A row has one wrong class that most methods and seeds fall for: four in five wrong answers are it.

    Args:
        results: label → seed → hits, bool [rows].
        shares: of each class.
        generator: of classes and wrong answers.
    """
    num_classes, num_rows = len(shares), len(next(iter(next(iter(results.values())).values())))
    targets = generator.choice(num_classes, num_rows, p=list(shares))
    usual = generator.integers(num_classes - 1, size=num_rows)

    def answer(hits: np.ndarray) -> np.ndarray:
        off = np.where(generator.random(num_rows) < 0.8, usual, generator.integers(num_classes - 1, size=num_rows))
        return np.where(hits, targets, (targets + 1 + off) % num_classes)

    return {label: {seed: answer(hits) for seed, hits in found.items()} for label, found in results.items()}, targets


def by_macro_f1(answers: Results, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Which pairs the analysis tells apart by macro-F1, bool [methods, methods]."""
    parts = {label: {seed: macro_f1_parts(targets, said, num_classes) for seed, said in found.items()} for label, found in answers.items()}
    return Comparisons(parts, "full", answers=answers).separable()


def shares_by_macro_f1(scene: Scene, shares: Sequence[float], count: int) -> tuple[float, float]:
    """Studies that tell two equal methods apart by macro-F1, and comparisons with ``full`` that are told apart: power, if it is better."""
    generator = np.random.default_rng(1)
    wrong, found = 0, 0.0
    for results in scene.studies(count):
        apart = by_macro_f1(*labelled(results, shares, generator), len(shares))
        wrong += bool((apart[1:, 1:] if scene.advantage else apart).any())
        found += apart[0, 1:].mean()
    return wrong / count, found / count


def share_with_a_false_difference(scene: Scene, count: int, judge: Callable[[Results], np.ndarray] = ours) -> float:
    """Share of studies in which two methods of the same accuracy are told apart, anywhere."""
    wrong = 0
    for results in scene.studies(count):
        apart = judge(results)
        # The first method may be truly better; all others are equal.
        wrong += bool((apart[1:, 1:] if scene.advantage else apart).any())
    return wrong / count


def power(scene: Scene, count: int) -> tuple[float, float]:
    """Of the pairs with the better method, the share told apart: where that method is ``full``, and where it is any other."""
    planned, other = 0.0, 0.0
    for results in scene.studies(count):
        planned += Comparisons(results, "full").separable()[0, 1:].mean()
        other += Comparisons(results).separable()[0, 1:].mean()
    return planned / count, other / count


def coverage(scene: Scene, count: int) -> tuple[float, float]:
    """Share of 95 % intervals of a score, and of studies whose intervals of every difference with ``full``, that hold the truth."""
    scores, studies = 0, 0
    for results in scene.studies(count):
        hits = np.stack(list(results["m1"].values()))
        found = interval(hits.mean(), Draws(scene.rows, 500).accuracy(hits))
        scores += found.low <= scene.accuracy <= found.high
        made = Comparisons(results, "full")
        gaps = [gap for label in scene.labels[1:] if (gap := made.between(label, "full")) is not None]
        studies += all(gap.low <= -scene.advantage <= gap.high for gap in gaps)
    return scores / count, studies / count


def error(share: float, count: int) -> float:
    """Monte Carlo standard error of a share."""
    return float(np.sqrt(max(share, 1 / count) * (1 - share) / count))


def _table(title: str, head: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    write = sys.stdout.write
    write(f"\n### {title}\n\n| {' | '.join(head)} |\n|{' ---: |' * len(head)}\n")
    for row in rows:
        write(f"| {' | '.join(str(cell) for cell in row)} |\n")
        sys.stdout.flush()


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def main(count: int = 2000) -> None:
    """Print every table."""
    scenes = [Scene(k, s, r) for k in (2, 5, 10) for s in (3, 5) for r in (200, 800)]
    _table(
        "No difference between the methods",
        ("Methods", "Seeds", "Rows", "Studies with a difference"),
        ((x.methods, x.seeds, x.rows, _percent(share_with_a_false_difference(x, count))) for x in scenes),
    )
    better = [replace(x, advantage=0.03) for x in scenes] + [Scene(k, s, 3000, advantage=0.03) for k in (2, 5, 10) for s in (3, 5)]
    _table(
        "One method 3 points better",
        ("Methods", "Seeds", "Rows", "Found where it is full fine-tuning", "Found where it is another", "Studies with a false difference"),
        (
            (x.methods, x.seeds, x.rows, *map(_percent, power(x, count // 4)), _percent(share_with_a_false_difference(x, count // 4)))
            for x in better
        ),
    )
    odd = {
        "two seeds": Scene(5, 2),
        "two methods, two seeds": Scene(2, 2, 3000),
        "3,000 rows": Scene(5, 3, 3000),
        "3,000 rows, ten methods": Scene(10, 3, 3000),
        "seeds do not matter": Scene(5, seed_sd=0.0),
        "seeds differ by 3 points": Scene(5, seed_sd=0.03),
        "accuracy 0.95, 100 rows": Scene(5, rows=100, accuracy=0.95, seed_sd=0.003),
        "40 rows, two methods": Scene(2, rows=40),
        "rows correlate little": Scene(10, between=0.6, within=0.7),
        "rows correlate much": Scene(10, between=0.97, within=0.985),
        "two deterministic methods of ten": Scene(10, deterministic=2),
        "one method with three times the spread": Scene(10, seed_sd=[0.01, 0.03, *[0.01] * 8]),
        "full fine-tuning with three times the spread": Scene(10, seed_sd=[0.03, *[0.01] * 9]),
        "half of the methods 2 points, half 0.4": Scene(10, seed_sd=[0.02, 0.004] * 5),
        "one method with five times the spread, 3,000 rows": Scene(5, 3, 3000, seed_sd=[0.01, 0.05, *[0.01] * 3]),
        "full fine-tuning with five times the spread, 3,000 rows": Scene(5, 3, 3000, seed_sd=[0.05, *[0.01] * 4]),
    }
    _table(
        "Other conditions, no difference",
        ("What is different", "Methods", "Seeds", "Rows", "Studies with a difference"),
        ((name, x.methods, x.seeds, x.rows, _percent(share_with_a_false_difference(x, count))) for name, x in odd.items()),
    )
    _table(
        "What other procedures do, no difference",
        ("Methods", "Seeds", "Rows", *KINDS.values(), "This project"),
        (
            (
                x.methods,
                x.seeds,
                x.rows,
                *(_percent(share_with_a_false_difference(x, count // 2, partial(usual, kind=kind))) for kind in KINDS),
                _percent(share_with_a_false_difference(x, count // 2)),
            )
            for x in [Scene(k, s, r) for k in (2, 10) for s in (3, 5) for r in (800, 3000)]
        ),
    )
    _table(
        "Macro-F1",
        ("Classes", "Methods", "Seeds", "Rows", "No difference: studies with one", "Full fine-tuning 3 points better: found"),
        (
            (
                classes,
                x.methods,
                x.seeds,
                x.rows,
                _percent(shares_by_macro_f1(x, CLASSES[classes], count)[0]),
                _percent(shares_by_macro_f1(replace(x, advantage=0.03), CLASSES[classes], count // 4)[1]),
            )
            for classes, x in BY_F1
        ),
    )
    single = [Scene(k, 1, r) for k in (2, 5) for r in (200, 800, 3000)]
    _table(
        "One seed, exact tests over rows alone",
        ("Methods", "Rows", "Studies in which two runs differ although the methods do not"),
        ((x.methods, x.rows, _percent(share_with_a_false_difference(x, count))) for x in single),
    )
    _table(
        "Coverage of 95 % intervals",
        ("Seeds", "Rows", "Accuracy of a method", "All differences with full fine-tuning"),
        ((s, r, *map(_percent, coverage(Scene(5, s, r, advantage=0.03), count // 4))) for s in (2, 3, 5) for r in (200, 800, 3000)),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
