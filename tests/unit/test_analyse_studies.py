"""The same method in two studies: pairing of test rows, sizes of effects, and how often equal methods are told apart."""

import numpy as np
import pytest
from scipy import stats

from tuneoff.analyse import StudyHits, compare_studies, pairing
from tuneoff.analyse.scores import macro_f1_parts


def study(accuracy: float, generator: np.random.Generator, rows: int = 400, seeds: int = 3, methods: int = 4, **more: float) -> StudyHits:
    """Methods with the same true accuracy: a row is right where difficulty, what it means to the method and chance add up to little."""
    difficulty = generator.normal(size=rows) if "difficulty" not in more else more.pop("difficulty")  # type: ignore[arg-type]
    hits = {}
    for number in range(methods):
        own = generator.normal(size=rows) * 0.6
        threshold = stats.norm.ppf(accuracy) * np.sqrt(1 + 0.36 + 0.25)
        hits[f"m{number}"] = {
            seed: difficulty + own + 0.5 * generator.normal(size=rows) < threshold + generator.normal() * 0.06 for seed in range(seeds)
        }
    return StudyHits(hits, [f"row {number}" for number in range(rows)])


def test_rows_are_matched_by_what_they_say() -> None:
    same = pairing(["a", "b", "b", "c"], ["b", "c", "a", "b"])
    assert (same.kind, same.common) == ("same", 4)
    assert same.order is not None
    assert [["b", "c", "a", "b"][place] for place in same.order] == ["a", "b", "b", "c"]
    assert len(set(same.order.tolist())) == 4, "each row once"
    assert (pairing(["a", "b"], ["b", "c"]).kind, pairing(["a", "b"], ["b", "c"]).common) == ("overlap", 1)
    assert pairing(["a", "b"], ["a", "b", "b"]).kind == "overlap"
    assert pairing(["a"], ["b"]).kind == "apart"


def test_shuffled_rows_change_nothing() -> None:
    generator = np.random.default_rng(0)
    base, other = study(0.8, generator), study(0.85, generator)
    order = generator.permutation(400)
    shuffled = StudyHits(
        {label: {seed: right[order] for seed, right in found.items()} for label, found in other.hits.items()},
        [other.rows[place] for place in order],
    )
    assert compare_studies(base, shuffled) == compare_studies(base, other)


def test_a_paired_difference_is_narrower_than_an_unpaired_one() -> None:
    generator = np.random.default_rng(1)
    difficulty = generator.normal(size=400)
    base = study(0.80, generator, difficulty=difficulty)  # type: ignore[arg-type]
    other = study(0.84, generator, difficulty=difficulty)  # type: ignore[arg-type]
    apart = StudyHits(other.hits, [f"another {row}" for row in other.rows])
    paired, unpaired = compare_studies(base, other), compare_studies(base, apart)
    assert list(paired) == list(unpaired) == ["m0", "m1", "m2", "m3"]
    for label in paired:
        assert paired[label].paired
        assert not unpaired[label].paired
        # Pairing changes what is known of the difference, not the difference.
        assert paired[label].mean == pytest.approx(unpaired[label].mean, abs=1e-12)
        assert paired[label].high - paired[label].low < 0.9 * (unpaired[label].high - unpaired[label].low)
        for gap in (paired[label], unpaired[label]):
            assert gap.low <= gap.mean <= gap.high
            assert gap.separable == (gap.p_value is not None and gap.p_value <= 0.05) == (not gap.low <= 0 <= gap.high)


def test_only_methods_of_both_are_compared_and_only_they_are_corrected_for() -> None:
    generator = np.random.default_rng(2)
    base, other = study(0.8, generator, methods=2), study(0.8, generator, methods=4)
    assert list(compare_studies(base, other)) == ["m0", "m1"]
    alone = StudyHits({"m0": base.hits["m0"]}, base.rows)
    one = compare_studies(alone, StudyHits({"m0": other.hits["m0"]}, other.rows))
    assert one["m0"].mean == pytest.approx(compare_studies(base, other)["m0"].mean)
    assert compare_studies(StudyHits({}, base.rows), other) == {}


def by_f1(said: dict[int, np.ndarray], targets: np.ndarray, rows: list[str]) -> StudyHits:
    parts = {seed: macro_f1_parts(targets, answers, 3) for seed, answers in said.items()}
    return StudyHits({"m": parts}, rows, {"m": said})


@pytest.mark.parametrize("apart", [False, True])
def test_macro_f1_is_compared_as_accuracy_is(apart: bool) -> None:
    generator = np.random.default_rng(4)
    targets = generator.choice(3, 400, p=[0.7, 0.2, 0.1])

    def said(wrong: float, seeds: int) -> dict[int, np.ndarray]:
        return {seed: np.where(generator.random(400) < wrong, generator.integers(0, 3, 400), targets) for seed in range(seeds)}

    rows = [f"row {number}" for number in range(400)]
    others = [f"another {row}" for row in rows] if apart else rows
    poor, good = said(0.6, 3), said(0.2, 3)
    gap = compare_studies(by_f1(poor, targets, rows), by_f1(good, targets, others))["m"]
    scores = [np.mean([macro_f1(targets, answers) for answers in seeds.values()]) for seeds in (poor, good)]
    assert gap.mean == pytest.approx(scores[1] - scores[0])
    assert gap.separable
    assert gap.paired == (not apart)
    one = compare_studies(by_f1(said(0.6, 1), targets, rows), by_f1(said(0.2, 1), targets, others))["m"]
    assert (one.p_value, one.separable) == (None, False)
    same = compare_studies(by_f1(said(0.4, 3), targets, rows), by_f1(said(0.4, 3), targets, others))["m"]
    assert not same.separable


def macro_f1(targets: np.ndarray, answers: np.ndarray) -> float:
    def f1(name: int) -> float:
        return float(2 * np.sum((targets == name) & (answers == name)) / (np.sum(targets == name) + np.sum(answers == name)))

    return float(np.mean([f1(name) for name in range(3)]))


@pytest.mark.parametrize("apart", [False, True])
def test_one_seed_has_no_p_value(apart: bool) -> None:
    generator = np.random.default_rng(3)
    base, other = study(0.6, generator, seeds=1), study(0.9, generator, seeds=1)
    if apart:
        other = StudyHits(other.hits, [f"another {row}" for row in other.rows])
    for gap in compare_studies(base, other).values():
        assert (gap.p_value, gap.reason) == (None, "one_seed")
        assert gap.separable, "30 points on 400 rows"


@pytest.mark.parametrize("apart", [False, True])
def test_equal_methods_are_rarely_told_apart_and_different_ones_often(apart: bool) -> None:
    """5 % of studies may be wrong somewhere; of 200 then at most 18, which 5 % exceed with a probability of 0.005."""
    generator = np.random.default_rng(4)

    def found(accuracy: float) -> bool:
        difficulty = generator.normal(size=300)
        base = study(0.8, generator, 300, difficulty=difficulty)  # type: ignore[arg-type]
        other = study(accuracy, generator, 300, **({} if apart else {"difficulty": difficulty}))  # type: ignore[arg-type]
        if apart:
            other = StudyHits(other.hits, [f"another {row}" for row in other.rows])
        return any(gap.separable for gap in compare_studies(base, other).values())

    assert sum(found(0.8) for _ in range(200)) <= 18
    assert sum(found(0.92) for _ in range(20)) >= 18, "12 points are seen"
