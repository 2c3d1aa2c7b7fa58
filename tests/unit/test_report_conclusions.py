"""Every conclusion agrees with the table it stands under, in both languages, whatever the table."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.made_up import TITLES, material, method, targets
from tuneoff.analyse import MethodTrials, Row, effort, reading, still_learning
from tuneoff.report import Material
from tuneoff.report.conclusions import efficiency, performance
from tuneoff.report.readme import Readme
from tuneoff.report.setup import methodology

LANGUAGES = ("en", "ko")
NAMES = ("full", "lora", "adapter", "prefix", "prompt", "tfidf", "majority")
PEFT = ("lora", "adapter", "prefix", "prompt")
#: Numbers of a difference: mean and the two ends.
DIFFERENCE = re.compile(r"([+-]\d+\.\d) \[([+-]\d+\.\d), ([+-]\d+\.\d)\]")
#: What a line says of a loss, and what the printed interval of each of its methods must then be; an end is rounded to a tenth.
ROUNDED = 0.05
WORDS = {
    "none": ("Almost no loss, ", "하락폭이 거의 없음("),
    "small": ("A small loss, 1", "하락폭이 작음("),
    "large": ("A large loss, more", "하락폭이 큼("),
    "gain": ("No loss but a gain", "하락이 아니라 1점 넘는 상승"),
}
BOUNDS = {"none": (-1, 1), "small": (1, 3), "large": (3, np.inf), "gain": (-np.inf, -1)}
#: The verdict on all PEFT methods, and the words of which each of their lines must then be.
VERDICTS = {
    "none": ("almost nothing", "거의 없습니다"),
    "small": ("is **small**", "**작습니다**"),
    "large": ("is **large**", "**큽니다**"),
    "gain": ("but **gain**", "**올랐습니다**"),
    "lost": ("**lose accuracy**", "**분명히 하락**"),
    "won": ("**gain accuracy**", "**분명히 상승**"),
    "undecided": ("**cannot decide**", "**판정할 수 없습니다**"),
    "mixed": ("**depends on the method**", "**기법에 따라 다릅니다**"),
}


@dataclass(frozen=True, repr=False)
class Table:
    """A study of random results."""

    material: Material
    hits: dict[str, dict[int, np.ndarray]]
    fallen: list[str]

    def __repr__(self) -> str:
        return "\n".join(line for lang in LANGUAGES for part in (performance, efficiency) for line in part(self.material, lang))


@st.composite
def results(draw: st.DrawFn) -> Table:
    """Between one and seven methods, some of them alike, some not trained, some with a cost that was not measured."""
    rows, seeds = draw(st.sampled_from([30, 150, 600])), draw(st.integers(1, 4))
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=7, unique=True))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    common, alike = generator.random((seeds, rows)), draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    fallen = [name for name in chosen if name in PEFT and draw(st.integers(0, 5)) == 0]
    methods, found = [], {}
    for name in chosen:
        accuracy = draw(st.sampled_from([0.35, 0.7, 0.79, 0.8, 0.81, 0.84, 0.99]))
        own = np.where(generator.random(rows) < alike, common, generator.random((seeds, rows)))
        found[name] = {seed: own[seed] < accuracy for seed in range(seeds)}
        costs: dict[str, Any] = {
            "seconds": float(draw(st.integers(1, 300))),
            "memory": draw(st.none() | st.integers(10**8, 4 * 10**9)),
            "artefact": draw(st.integers(10**5, 10**9)),
            "collapse": {"reason": "flat" if name in fallen else None, "retries": []},
        }
        if draw(st.booleans()):
            seconds = draw(st.integers(1, 100)) / 1000
            costs["latency"] = {"batch_1": {"p50_seconds": seconds / 2, "p95_seconds": seconds, "rows_per_second": 9.0}, "merged": None}
        methods.append(method(name, found[name], targets(rows), costs=costs))
    budget: dict[str, Any] = {"within": draw(st.sampled_from([0.0, 1.0, 5.0]))}
    limits = {"memory": st.integers(10**8, 4 * 10**9), "time": st.integers(1, 300), "artefact": st.integers(10**5, 10**9)}
    for limit, values in (limits | {"latency": st.sampled_from([0.01, 0.05])}).items():
        if draw(st.integers(0, 2)) == 0:
            budget[limit] = draw(values)
    return Table(material(methods, **budget), found, fallen)


def name_of(label: str, lang: str) -> str:
    return TITLES[label][lang == "ko"]


def labels_in(text: str, lang: str) -> list[str]:
    """Methods named in a text, in its order."""
    places = {label: match.start() for label in NAMES if (match := re.search(re.escape(name_of(label, lang)), text, re.IGNORECASE))}
    return sorted(places, key=lambda label: places[label])


def difference_in(line: str) -> tuple[float, float, float]:
    found = DIFFERENCE.search(line)
    assert found, line
    mean, low, high = map(float, found.groups())
    return mean, low, high


def accuracy(table: Table, label: str) -> float:
    return float(np.mean([hits.mean() for hits in table.hits[label].values()]))


def trained(table: Table) -> list[str]:
    return [label for label in table.hits if label not in table.fallen]


def row(table: Table, label: str) -> Row:
    return next(row for row in table.material.analysis.rows if row.label == label)


def bullets(lines: list[str]) -> list[str]:
    return [line for line in lines if line.lstrip().startswith("*")]


@given(results())
@settings(max_examples=80, deadline=None)
def test_sentences_of_performance_agree_with_the_table(table: Table) -> None:
    for lang in LANGUAGES:
        lines = performance(table.material, lang)
        if not trained(table):
            assert "**" not in "".join(lines)
            continue
        check_losses(table, lines, lang)
        check_best(table, lines, lang)
        check_fallen(table, lines, lang)
        single = {"en": "With one seed", "ko": "시드가 하나뿐이라"}[lang]
        compared = [gap for found in table.material.analysis.rows for gap in (found.gap, found.gap_to_best) if gap]
        assert any(single in line for line in lines) == any(gap.reason == "one_seed" for gap in compared)


def check_losses(table: Table, lines: list[str], lang: str) -> None:
    korean = lang == "ko"
    told = [line for line in lines if line.startswith("  * ")]
    expected = [label for label in trained(table) if label in PEFT] if "full" in table.hits else []
    assert sorted(label for line in told for label in labels_in(line, lang)) == sorted(expected)
    groups = []
    for line in told:
        said = [word for word, words in WORDS.items() if words[korean] in line]
        undecided = ("cannot be decided", "판정 불가")[korean] in line.partition("**")[0].lower()
        assert len(said) + undecided == 1, line
        lost, won = (any(word in line for word in words) for words in (("A loss, but", "하락은 분명"), ("A gain, but", "상승은 분명")))
        certain = lost or won
        groups.append(said[0] if said else "lost" if lost else "won" if won else "undecided")
        for part in line.partition("**")[2].split("], "):
            (label,) = labels_in(part, lang)
            mean, low, high = difference_in(part.rstrip("]") + "]")
            # Printed to a tenth of a point.
            assert mean == pytest.approx(100 * (accuracy(table, label) - accuracy(table, "full")), abs=ROUNDED + 1e-6)
            if undecided:
                assert certain == row(table, label).gap.separable  # type: ignore[union-attr]
                # It really straddles a border: no single word holds it all.
                inside = ((a + 0.1, b - 0.1) for a, b in BOUNDS.values())
                assert not any(low_ < -high < high_ and low_ < -low < high_ for low_, high_ in inside)
            else:
                assert BOUNDS[said[0]][0] - 2 * ROUNDED <= -high - ROUNDED, line
                assert -low + ROUNDED <= BOUNDS[said[0]][1] + 2 * ROUNDED, line
    if told:
        (verdict,) = [name for name, words in VERDICTS.items() if any(words[korean] in line for line in lines if line.startswith("* "))]
        assert verdict == (groups[0] if len(set(groups)) == 1 else "mixed")


def check_best(table: Table, lines: list[str], lang: str) -> None:
    (line,) = [line for line in lines if line.startswith("* In the domain of finance" if lang == "en" else "* finance 분야에서")]
    named = labels_in(line, lang)
    highest = max(accuracy(table, label) for label in trained(table))
    assert accuracy(table, named[0]) == pytest.approx(highest)
    apart = ("cannot be told apart", "구분되지 않")[lang == "ko"]
    if len(trained(table)) == 1:
        assert named == trained(table)
        return
    mean, low, high = difference_in(line)
    assert mean == pytest.approx(100 * (highest - accuracy(table, named[1])), abs=ROUNDED + 1e-6)
    if apart in line:
        # A study whose best two differ by less than the noise says so, and names both.
        assert low <= 0 <= high
        assert named == [found.label for found in table.material.analysis.ties]
    else:
        assert low >= 0
        assert accuracy(table, named[1]) == pytest.approx(max(accuracy(table, label) for label in trained(table) if label != named[0]))


def check_fallen(table: Table, lines: list[str], lang: str) -> None:
    told = [line for line in lines if ("Not ranked" if lang == "en" else "순위에서 제외") in line]
    assert (sorted(labels_in(told[0], lang)) if told else []) == sorted(table.fallen)
    others = "".join(line for line in bullets(lines) if line not in told)
    assert not set(labels_in(others, lang)) & set(table.fallen)


@given(results())
@settings(max_examples=80, deadline=None)
def test_sentences_of_efficiency_agree_with_the_table(table: Table) -> None:
    for lang in LANGUAGES:
        lines = efficiency(table.material, lang)
        if not trained(table):
            continue
        limits, found = table.material.limits, table.material.recommendation
        signs = (("most reasonable choice", "가장 합리적인 선택지"), ("is the only method near", "예산에 맞는 것은 **"))
        chosen = [line for line in lines if any(sign[lang == "ko"] in line for sign in signs)]
        if len(fitting_labels(table)) != 1:
            assert not any(signs[1][lang == "ko"] in line for line in lines)
        fitting = [label for label in found_labels(found.candidates) if limits.fit(row(table, label))]
        assert bool(chosen) == bool(fitting)
        if chosen:
            label = labels_in(chosen[0], lang)[0]
            price = effort(row(table, label))
            assert price is not None
            assert label in fitting
            # Nothing that fits is cheaper.
            assert price <= min(effort(row(table, other)) or 0.0 for other in fitting)
            for limit in limits.stated:
                needed = reading(row(table, label), limit)
                assert needed is not None
                assert needed <= getattr(limits, limit)
        else:
            nothing = next(line for line in lines if ("No method near" if lang == "en" else "예산에 맞는 것이 없습니다") in line)
            assert set(labels_in(nothing, lang)) == set(found_labels(found.candidates))
        # The first speaks of memory alone, which is measured whether or not a method learnt.
        assert not set(labels_in("".join(lines[1:]), lang)) & set(table.fallen)


def fitting_labels(table: Table) -> list[str]:
    limits = table.material.limits
    return [found.label for found in table.material.recommendation.candidates if limits.fit(found)]


def found_labels(rows: list[Row]) -> list[str]:
    return [row.label for row in rows]


@given(results())
@settings(max_examples=40, deadline=None)
def test_both_languages_say_the_same_numbers_of_the_same_methods(table: Table) -> None:
    for section in (performance, efficiency):
        english, korean = (bullets(section(table.material, lang)) for lang in LANGUAGES)
        assert len(english) == len(korean)
        for one, other in zip(english, korean, strict=True):
            assert sorted(labels_in(one, "en")) == sorted(labels_in(other, "ko"))
            numbers = [sorted(re.findall(r"\d+(?:\.\d+)?", line)) for line in (one, other)]
            # The Korean of a loss names a border in points where the English does, too.
            assert numbers[0] == numbers[1], (one, other)


@given(results())
@settings(max_examples=25, deadline=None)
def test_the_page_has_no_blank_and_no_word_of_the_machine(table: Table) -> None:
    for lang in LANGUAGES:
        page = Readme(table.material, lang, {}).text()
        assert not re.search(r"\b(nan|None|inf)\b", page)
        cells = [cell for line in page.splitlines() if line.startswith("| ") for cell in line.strip("|").split("|")]
        assert all(cell.strip() for cell in cells)


def two(better: float, rows: int = 600, seeds: int = 3) -> Material:
    generator = np.random.default_rng(2)
    common = generator.random((seeds, rows))
    other = np.where(generator.random((seeds, rows)) < 0.8, common, generator.random((seeds, rows)))
    right = {
        "full": {s: common[s] < 0.8 for s in range(seeds)},
        "lora": {s: other[s] < 0.8 + better for s in range(seeds)},
    }
    return material([method(label, hits, targets(rows)) for label, hits in right.items()])


def test_two_that_differ_by_less_than_the_noise_are_said_to() -> None:
    made = two(0.01)
    (english,) = [line for line in performance(made, "en") if "highest mean" in line]
    (korean,) = [line for line in performance(made, "ko") if "가장 높지만(" in line]
    assert re.search(r"\*\*LoRA\*\* has the highest mean .* but \*\*Full fine-tuning\*\* cannot be told apart from it", english)
    assert "is within the noise of 3 seeds and 600 test rows" in english
    assert "평균은 **LoRA가** 가장 높지만" in korean
    assert "**전체 미세조정과** 구분되지 않습니다" in korean
    assert "시드 3개와 테스트 데이터 600건의 잡음 범위 안입니다" in korean
    assert difference_in(english) == difference_in(korean)


def test_a_difference_beyond_the_noise_is_stated_with_its_interval() -> None:
    (line,) = [line for line in performance(two(0.12), "en") if "did best" in line]
    _, low, _ = difference_in(line)
    assert low > 0


def test_continued_pretraining_is_judged_by_its_own_comparison() -> None:
    generator = np.random.default_rng(3)
    common = generator.random((3, 600))
    for change, english, korean in (
        (0.15, "adapting to the domain pays", "의 성능 향상이 있었으며"),
        (0.0, "neither gain nor harm is shown", "입증되지 않았"),
    ):
        after = np.where(generator.random((3, 600)) < 0.8, common, generator.random((3, 600)))
        made = material(
            [
                method("full", {s: common[s] < 0.7 for s in range(3)}, targets(600)),
                method("pretrain+full", {s: after[s] < 0.7 + change for s in range(3)}, targets(600)),
            ]
        )
        assert english in "".join(performance(made, "en"))
        assert korean in "".join(performance(made, "ko"))


def test_the_second_score_and_the_search_have_their_sections() -> None:
    rungs = [{"share": 0.25, "accuracy": 0.7, "macro_f1": 0.6, "loss": 1.0, "collapsed": False}]
    search = {
        "phases": {"search": 12.0},
        "candidates": [{"learning_rate": r, "head_learning_rate": 1e-3, "rungs": rungs} for r in (1e-4, 1e-3)],
        "chosen": 1,
    }
    hits = {s: np.random.default_rng(s).random(90) < 0.8 for s in range(2)}
    made = material([method("lora", hits, targets(90), costs={"search": search})], clean=np.arange(90) >= 9)
    page = Readme(made, "en", {}).text()
    assert "The text of 9 of the 90 test rows" in page
    assert "| LoRA | 0.001 | 0.001 | 0.700 | 0.700 | 0.700 | 0/2 | 12.0 s |" in page
    assert "Search time |" in page
    plain = Readme(material([method("lora", hits, targets(90))]), "en", {}).text()
    assert "Without test rows" not in plain
    assert "Sensitivity" not in plain


def test_a_rate_that_was_found_and_not_trained_at_is_not_passed_off_as_the_one() -> None:
    candidates = [
        {"learning_rate": r, "head_learning_rate": 1e-3, "rungs": [{"share": 0.5, "accuracy": 0.7, "collapsed": False}]}
        for r in (1e-3, 2e-3)
    ]
    hits = {s: np.random.default_rng(s).random(90) < 0.8 for s in range(3)}

    def page(lang: str, kept: bool, *rates: float) -> str:
        search = {"phases": {"search": 12.0}, "candidates": candidates, "chosen": 1, "kept": kept}
        made = method("lora", hits, targets(90), costs={"search": search})
        trials = [
            replace(trial, record=trial.record | {"rates": {"learning_rate": rate, "head_learning_rate": 1e-3}})
            for trial, rate in zip(made.trials, rates, strict=True)
        ]
        return "\n".join(methodology(material([replace(made, trials=trials)]), lang))

    assert "found by search, but 0.001 in 2 of 3 seeds, which did not train at that" in page("en", False, 1e-3, 2e-3, 1e-3)
    assert "탐색으로 결정, 단, 시드 3개 중 2개는 이 값에서 학습되지 않아 0.001" in page("ko", False, 1e-3, 2e-3, 1e-3)
    same = page("en", False, 2e-3, 2e-3, 2e-3)
    assert "found by search" in same
    assert "did not train at that" not in same
    assert "the search found none that is better beyond chance" in page("en", True, 2e-3, 2e-3, 2e-3)


def test_a_choice_that_changes_in_most_draws_is_said_to_be_open() -> None:
    truth = targets(120)
    rng = np.random.default_rng(3)
    alike = [
        method(name, {s: rng.random(120) < 0.8 for s in range(3)}, truth, costs={"seconds": 10.0 * n}) for n, name in enumerate(PEFT, 1)
    ]
    made = material(alike)
    assert made.recommendation.share is not None
    said = " ".join(efficiency(made, "en"))
    assert ("do not settle the choice" in said) == (made.recommendation.share < 0.5)
    clear = [method(name, {s: np.arange(120) % 10 < share for s in range(3)}, truth) for name, share in (("lora", 9), ("adapter", 3))]
    assert "do not settle the choice" not in " ".join(efficiency(material(clear), "en"))


def test_a_reason_of_a_newer_version_is_told_in_general_words() -> None:
    hits = {0: np.arange(60) % 2 == 0}
    made = material([method("lora", hits, targets(60), costs={"collapse": {"reason": "unheard_of", "retries": []}})])
    assert "did not train" in Readme(made, "en", {}).text()


def test_full_fine_tuning_that_did_not_train_is_said_to() -> None:
    hits = {seed: np.arange(60) % 2 == 0 for seed in range(2)}
    fallen = {"collapse": {"reason": "majority", "retries": []}}
    made = material([method("full", hits, targets(60), costs=fallen), method("lora", hits, targets(60))])
    assert "Full fine-tuning did not train here" in "".join(performance(made, "en"))
    assert "전체 미세조정이 학습되지 않아" in "".join(performance(made, "ko"))


def test_methods_that_were_still_learning_are_named_with_how_much() -> None:
    truth = targets(120)
    right = np.arange(120) % 10 < 8

    def curve(*losses: float) -> list[dict[str, Any]]:
        return [{"step": 10 * n, "steps": 30, "epoch": float(n), "loss": 1.0, "validation_loss": loss} for n, loss in enumerate(losses, 1)]

    def learning(label: str, *seeds: tuple[int, list[dict[str, Any]]]) -> MethodTrials:
        made = method(label, dict.fromkeys(range(len(seeds)), right), truth)
        trials = [
            replace(trial, curve=points, record=trial.record | {"best_epoch": best})
            for trial, (best, points) in zip(made.trials, seeds, strict=True)
        ]
        return replace(made, trials=trials)

    methods = [
        learning("full", (3, curve(0.9, 0.7, 0.68)), (3, curve(0.9, 0.7, 0.69))),  # Hardly falls.
        learning("lora", (3, curve(0.9, 0.8, 0.6)), (3, curve(0.9, 0.8, 0.64))),  # By 25 % and 20 %.
        learning("adapter", (2, curve(0.9, 0.8, 0.6)), (3, curve(0.9, 0.8, 0.6))),  # One seed was best before.
        learning("prefix", (1, curve(0.6)), (1, curve(0.6))),  # One epoch: nothing to compare.
    ]
    assert still_learning(methods) == pytest.approx({"lora": 0.225})
    made = material(methods)
    (line,) = [line for line in performance(made, "en") if "before these methods" in line]
    assert "so much of itself: **LoRA** 22" in line
    assert sum("아직 배우던" in line for line in performance(made, "ko")) == 1
