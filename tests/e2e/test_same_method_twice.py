"""A/A: one method under two names, really trained, is a tie in every number and every sentence."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.support.calm import calm
from tests.support.inline import run_inline
from tests.support.studies import BAD, GOOD, records, tuneoff, write_rows, write_study
from tuneoff import Study
from tuneoff.analyse import ALPHA, Comparisons

RATE = {"learning_rate": 3e-3, "head_learning_rate": 3e-3}


def write_noisy_rows(file: Path) -> None:
    """400 separable rows, of which a tenth, drawn at random, has the wrong label: no method can be right about all of them."""
    write_rows(file, rows=400)
    lines = file.read_text(encoding="utf-8").splitlines()
    for number in random.Random(0).sample(range(1, len(lines)), 40):
        text, _, label = lines[number].rpartition(",")
        lines[number] = f"{text},{'good' if label == 'bad' else 'bad'}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_unsure_rows(file: Path) -> None:
    """400 rows of three phrases each, labelled by what most are, a fifth wrongly: what is learnt of them is a matter of luck."""
    draw = random.Random(0)
    lines = ["text,label"]
    for _ in range(400):
        phrases = draw.choices(GOOD + BAD, k=3)
        good = sum(phrase in GOOD for phrase in phrases) > 1
        lines.append(f"{' '.join(phrases)},{'good' if good == (draw.random() > 0.2) else 'bad'}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``full`` and ``tfidf``, each under two names, with two seeds."""
    methods = [
        {"full": RATE, "as": "full"},
        {"full": RATE, "as": "again"},
        "tfidf",
        {"tfidf": {}, "as": "tfidf-2"},
    ]
    folder = tmp_path_factory.mktemp("aa") / "study"
    write_study(folder, methods, seeds=2, lang="ko", train={"epochs": 6}, data={"test": 0.4})
    write_noisy_rows(folder / "rows.csv")
    with pytest.MonkeyPatch.context() as patch, calm():
        run_inline(patch)
        assert not Study.load(folder).run().failed
    return folder


def test_the_same_trial_is_run_once_and_counts_for_both(twice: Path) -> None:
    assert len(records(twice)) == 4, "two methods, two seeds"
    assert all(row.trained for row in Study.load(twice).material().analysis.rows)
    rows = {row["label"]: row for row in json.loads(tuneoff("report", twice, "--json").stdout)["rows"]}
    for one, other in (("full", "again"), ("tfidf", "tfidf-2")):
        same = {key: value for key, value in rows[one].items() if key not in ("label", "gap", "gap_to_best", "f1_gap")}
        assert same == {key: rows[other][key] for key in same}


def test_both_names_stand_alike_in_every_comparison(twice: Path) -> None:
    material = Study.load(twice).material()
    comparisons = material.analysis.comparisons
    for one, other in (("full", "again"), ("tfidf", "tfidf-2")):
        same = comparisons.between(one, other)
        assert same is not None
        assert (same.mean, same.low, same.high, same.rows, same.separable) == (0.0, 0.0, 0.0, 0, False)
        for third in {"full", "again", "tfidf", "tfidf-2"} - {one, other}:
            first, second = comparisons.between(one, third), comparisons.between(other, third)
            assert first is not None
            assert second is not None
            assert (first.mean, first.seeds, first.rows) == (second.mean, second.seeds, second.rows)
            # Comparisons with ``full`` are planned and corrected more mildly than those with its twin.
            if one != "full":
                assert first.as_dict() == second.as_dict()
    # A tie group that has one has the other, and so does every list to choose from.
    for group in (material.analysis.ties, material.recommendation.candidates):
        labels = {row.label for row in group}
        assert ("tfidf" in labels) == ("tfidf-2" in labels)
    shares = material.recommendation.shares
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)


def test_the_report_calls_it_a_tie_in_both_languages(twice: Path) -> None:
    korean, english = (twice / "README.md").read_text("utf-8"), (twice / "README.en.md").read_text("utf-8")
    assert "구분되지 않습니다" in korean
    assert "cannot be told apart from it" in english
    assert "did best" not in english
    assert "가장 우수한" not in korean
    for page, name in ((korean, "전체 미세조정 (again)"), (english, "Full fine-tuning (again)")):
        assert any(name in line and "+0.0 [+0.0, +0.0]" in line for line in page.splitlines() if line.startswith("|"))


@pytest.mark.slow
def test_names_exchanged_at_random_are_told_apart_in_one_study_of_twenty_at_most(tmp_path: Path) -> None:
    """Real noise of training: two settings that differ by a hair, six seeds; any three of them, with names exchanged, are a study."""
    rates = {"head_learning_rate": 1e-3}
    methods = [{"full": {"learning_rate": rate, **rates}, "as": name} for name, rate in (("first", 1e-3), ("second", 1.003e-3))]
    folder = write_study(tmp_path / "study", methods, seeds=6, train={"epochs": 12}, data={"test": 0.4})
    write_unsure_rows(folder / "rows.csv")
    study = Study.load(folder)
    study.run()
    analysis = study.material().analysis
    assert [row.state for row in analysis.rows] == ["complete"] * 2
    first, second = (analysis.hits[label] for label in ("first", "second"))
    assert any(not np.array_equal(first[seed], second[seed]) for seed in first), "they were trained apart"
    wrong = studies = 0
    for seeds in itertools.combinations(first, 3):
        for exchanged in itertools.product((False, True), repeat=2):
            swapped = dict(zip(seeds[1:], exchanged, strict=True))
            one, other = ({s: (b if swapped.get(s) else a)[s] for s in seeds} for a, b in ((first, second), (second, first)))
            wrong += Comparisons({"first": one, "second": other}, "first").any_separable
            studies += 1
    assert studies == 80
    # Three standard errors of the twenty sets of seeds; exchanging names makes no new draws of them.
    assert wrong / studies <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 20)
