"""Macro-F1 compared: what a row adds to it, and comparisons that are as careful as those of accuracy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.made_up import LABELS, answers, method, targets
from tuneoff.analyse import Draws, analyse, scores
from tuneoff.analyse.scores import f1_parts, macro_f1_parts
from tuneoff.measure import class_f1, confusion


def macro_f1(true: np.ndarray, said: np.ndarray, classes: int) -> float:
    return float(class_f1(confusion(true, said, classes)).mean())


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_what_the_rows_add_is_macro_f1(rows: int, classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Some classes may not occur, some may not be said.
    true, said = (generator.integers(generator.integers(1, classes + 1), size=rows) for _ in range(2))
    assert macro_f1_parts(true, said, classes).mean() == pytest.approx(macro_f1(true, said, classes), abs=1e-12)


def test_their_variance_is_that_of_the_bootstrap() -> None:
    generator = np.random.default_rng(0)
    true = generator.choice(3, 1500, p=[0.7, 0.2, 0.1])
    said = np.where(generator.random(1500) < 0.8, true, generator.integers(3, size=1500))
    linear = macro_f1_parts(true, said, 3).std(ddof=1) / np.sqrt(1500)
    drawn = Draws(1500, 2000).macro_f1(true, said[None], 3).std(ddof=1)
    # Of 2,000 draws a standard deviation is known to 1.6 %; the linearisation leaves out terms of the order of 1/rows.
    assert linear == pytest.approx(drawn, rel=0.08)


def hits(accuracy: float, seeds: int = 3, rows: int = 600, seed: int = 0) -> dict[int, np.ndarray]:
    generator = np.random.default_rng(seed)
    common = generator.random(rows)
    return {s: np.where(generator.random(rows) < 0.9, common, generator.random(rows)) < accuracy for s in range(seeds)}


@pytest.mark.parametrize("block", [1, 600 * len(LABELS) * 2, 10**9])
def test_many_seeds_at_once_add_what_each_does(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_BLOCK", block)
    full = method("full", hits(0.85, seeds=5), targets(600))
    found = f1_parts(full, len(LABELS))
    assert list(found) == [trial.seed for trial in full.trials]
    for trial in full.trials:
        alone = macro_f1_parts(trial.targets["test"], trial.answers, len(LABELS))
        assert np.array_equal(found[trial.seed], alone)


def test_a_row_is_compared_with_full_fine_tuning_by_macro_f1_too() -> None:
    analysis = analyse([method("full", hits(0.85), targets(600)), method("lora", hits(0.65), targets(600))], LABELS)
    full, lora = analysis.rows
    assert full.f1_gap is None
    assert lora.f1_gap is not None
    assert full.macro_f1 is not None
    assert lora.macro_f1 is not None
    assert lora.f1_gap.mean == pytest.approx(lora.macro_f1.mean - full.macro_f1.mean)
    assert lora.f1_gap.separable
    assert lora.f1_gap.high < 0
    assert lora.f1_gap.p_value is not None
    assert lora.f1_gap.p_value < 0.01


def test_the_same_answers_are_a_tie_and_one_seed_carries_nothing() -> None:
    analysis = analyse([method("full", hits(0.8), targets(600)), method("again", hits(0.8), targets(600), of="lora")], LABELS)
    gap = analysis.rows[1].f1_gap
    assert gap is not None
    assert (gap.mean, gap.low, gap.high, gap.reason, gap.separable, gap.rows) == (0.0, 0.0, 0.0, "few_rows", False, 0)
    single = analyse([method("full", hits(0.9, 1), targets(600)), method("lora", hits(0.4, 1), targets(600))], LABELS).rows[1].f1_gap
    assert single is not None
    assert (single.reason, single.p_value, single.separable) == ("one_seed", None, False)
    assert single.low <= single.mean <= single.high


def test_answers_that_are_wrong_in_another_way_differ() -> None:
    """Accuracy is the same on every row, macro-F1 is not."""
    true = targets(600)
    right = hits(0.7)
    one, other = method("full", right, true), method("lora", right, true)
    for trial in other.trials:
        said = np.where(right[trial.seed], true, (true + 2) % 3)
        assert not np.array_equal(said, answers(right[trial.seed], true))
        trial.logits["test"] = np.eye(3, dtype=np.float32)[said]
    gap, by_f1 = (getattr(analyse([one, other], LABELS).rows[1], name) for name in ("gap", "f1_gap"))
    assert gap.rows == 0
    assert by_f1.rows > 100
