"""Disputed rows, confusions and search points: counted as by hand."""

from dataclasses import replace

import numpy as np

from tests.support import made_up, pages
from tuneoff.analyse import confusions, disagreements, search_points

TARGETS = np.array([0, 1, 2, 0, 1, 2])


def method(label: str, *hits: str) -> made_up.MethodTrials:
    """Hits of each seed as a string of 0 and 1; where a method misses it says the next class."""
    return made_up.method(label, {seed: np.array([one == "1" for one in told]) for seed, told in enumerate(hits)}, TARGETS)


def test_rows_are_disputed_where_the_majority_of_seeds_differs_most_divided_first() -> None:
    found = disagreements(
        [
            method("full", "111110", "111110", "000001"),
            method("lora", "110110", "110110", "110110"),
            method("bitfit", "100110"),
            method("prompt", "100100"),
        ],
        3,
    )
    assert found is not None
    # Row 5: all wrong in the same way. Row 1: two of four right; rows 2 and 4: one and three.
    assert found.rows.tolist() == [1, 2, 4]
    assert found.targets.tolist() == [1, 2, 1]
    assert found.answers.tolist() == [[1, 1, 2, 2], [2, 0, 0, 0], [1, 1, 1, 2]]
    assert found.right.tolist() == [[2, 3, 0, 0], [2, 0, 0, 0], [2, 3, 1, 0]]
    assert found.seeds.tolist() == [3, 3, 1, 1]
    assert (found.labels, found.num_rows) == (["full", "lora", "bitfit", "prompt"], 6)


def test_nothing_is_disputed_among_fewer_than_two_methods_with_a_trial() -> None:
    lone = method("full", "111110")
    pending = made_up.method("lora", {}, TARGETS, planned=[0])
    assert disagreements([lone, pending], 3) is None
    same = disagreements([lone, method("lora", "111110")], 3)
    assert same is not None
    assert same.rows.size == 0


def test_confusions_add_up_the_seeds() -> None:
    counts = confusions(method("full", "111111", "011111", "011110"), 3)
    assert counts.tolist() == [[4, 2, 0], [0, 6, 0], [1, 0, 5]]
    assert not confusions(made_up.method("lora", {}, TARGETS, planned=[0]), 3).any()


def test_search_points_are_candidates_of_the_first_rung_by_rate() -> None:
    searched = made_up.method("lora", {0: np.ones(6, dtype=bool)}, TARGETS, costs={"search": pages.search("lora")})
    points = search_points([searched, method("tfidf", "111111")])
    assert [point["learning_rate"] for point in points] == [1e-4, 3e-4, 1e-3, 3e-3]
    assert [point["chosen"] for point in points] == [False, True, False, False]
    assert [point["collapsed"] for point in points] == [False, False, False, True]
    assert {point["label"] for point in points} == {"lora"}
    # A candidate that diverged has no score.
    search = pages.search("lora")
    search["candidates"][3]["rungs"][0] |= {"accuracy": None, "reason": "diverged"}
    trial = replace(searched.trials[0], record=searched.trials[0].record | {"search": search})
    assert search_points([replace(searched, trials=[trial])])[3]["score"] is None
