"""What the data check finds: every oddity planted is counted, with lines to look at; clean data has none."""

import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tuneoff.data import SPLITS, Finding, Rows, Splits, describe
from tuneoff.strings import table

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "영업이익이 늘었다") for form in ("NFC", "NFD"))
LONG = "Net sales of the group rose to EUR 94 million in the third quarter"


def rows(name: str, *pairs: tuple[str, str]) -> Rows:
    return Rows([(text,) for text, _ in pairs], [label for _, label in pairs], [f"{name}:{i}" for i in range(1, len(pairs) + 1)])


CLEAN = Splits(
    rows("train", *[(f"train {i}", "ab"[i % 2]) for i in range(40)]),
    rows("valid", *[(f"valid {i}", "ab"[i % 2]) for i in range(10)]),
    rows("test", ("test 0", "a"), ("test 1", "a"), ("test 2", "b")),
    ["a", "b"],
)


def plant(name: str, *pairs: tuple[str, str], into: Splits = CLEAN) -> Splits:
    before: Rows = into[name]
    more = rows(f"planted-{name}", *pairs)
    return replace(into, **{name: Rows(before.texts + more.texts, before.labels + more.labels, before.places + more.places)})


def found(splits: Splits, name: str) -> Finding | None:
    return next((finding for finding in describe(splits).findings if finding.name == name), None)


def what(splits: Splits, name: str) -> tuple[int, list[str]]:
    """Count and examples of a finding that must be there."""
    finding = found(splits, name)
    assert finding is not None
    return finding.count, finding.examples


def test_clean_data_has_no_findings() -> None:
    report = describe(CLEAN)
    assert report.findings == []
    assert report.rows == {"train": 40, "validation": 10, "test": 3}
    assert report.classes["test"] == {"a": 2, "b": 1}
    assert report.tokens == {}
    assert report.tokens_line("en") == ""


def test_the_score_of_always_answering_the_most_common_label_is_known() -> None:
    assert describe(plant("train", ("more", "a"))).majority_share == 2 / 3
    assert describe(plant("train", ("more", "b"))).majority_share == 1 / 3
    assert describe(plant("train", ("more", "a"))).as_dict()["majority_share"] == 2 / 3


# The same text again.


def test_repeated_texts_are_counted_in_their_split_and_paired() -> None:
    splits = plant("train", ("train 1", "b"), (" train\t1 ", "b"), ("train 2", "a"))
    finding = found(plant("test", ("test 2", "b"), into=splits), "duplicates")
    assert finding is not None
    assert (finding.count, finding.counts) == (4, {"train": 3, "test": 1})
    assert finding.shares == {"train": 3 / 43, "test": 1 / 4}
    assert finding.examples == [
        'planted-test:1 = test:3 "test 2"',
        'planted-train:1 = train:2 "train 1"',
        'planted-train:2 = train:2 "train 1"',
        'planted-train:3 = train:3 "train 2"',
    ]


def test_nearly_repeated_texts_are_counted_apart() -> None:
    splits = plant("train", (LONG, "a"), (LONG + ".", "a"), (LONG.upper(), "a"), (LONG, "a"), (LONG.replace("94", "95"), "a"))
    assert what(splits, "duplicates") == (1, [f'planted-train:4 = planted-train:1 "{LONG[:39]}…"'])
    count, examples = what(splits, "near_duplicates")
    assert count == 3
    assert examples[0].startswith("planted-train:2 ≈ planted-train:1 (1.00) ")
    assert examples[2].startswith("planted-train:5 ≈ planted-train:1 (0.")
    # A near twin in another split is no repetition inside one.
    assert found(plant("test", (LONG + ".", "a"), into=plant("train", (LONG, "a"))), "near_duplicates") is None


def test_test_and_validation_texts_that_stand_in_train_are_paired_with_it() -> None:
    splits = plant("test", ("train 5", "b"), ("train 6", "a"), ("valid 1", "b"))
    assert what(splits, "overlap") == (2, ['planted-test:1 = train:6 "train 5"', 'planted-test:2 = train:7 "train 6"'])
    splits = plant("validation", ("train 5", "b"))
    finding = found(splits, "overlap")
    assert finding is not None
    assert (finding.examples, finding.shares) == (['planted-validation:1 = train:6 "train 5"'], {"validation": 1 / 11})


def test_texts_that_nearly_stand_in_train_are_paired_with_the_nearest() -> None:
    other = LONG.replace("94", "95")
    splits = plant("test", ("new", "a"), (LONG.lower(), "a"), (LONG, "a"), into=plant("train", (other, "a"), (LONG + "!", "a")))
    assert what(splits, "near_overlap")[1] == [
        f'planted-test:2 ≈ planted-train:2 (1.00) "{LONG.lower()[:39]}…"',
        f'planted-test:3 ≈ planted-train:2 (1.00) "{LONG[:39]}…"',
    ]
    assert found(splits, "overlap") is None


def test_the_rows_without_overlap_are_told_apart_for_a_second_score() -> None:
    splits = plant("test", ("train 5", "b"), (LONG + ".", "a"), ("new", "a"), ("train 5", "a"), into=plant("train", (LONG, "a")))
    report = describe(splits)
    assert report.overlapping == (3, 4, 6)
    assert report.clean_test is not None
    assert report.clean_test.tolist() == [True, True, True, False, False, True, False]
    assert report.clean_test.dtype == np.bool_
    plain = report.as_dict()
    assert plain["clean_test_rows"] == 4
    # A list of 200,000 row numbers has no place in a report.
    assert "overlapping" not in plain
    assert describe(CLEAN).clean_test is None
    # Only train teaches: what validation and test share is no overlap.
    assert describe(plant("test", ("valid 1", "b"))).clean_test is None


def test_a_text_with_two_labels_shows_two_that_differ() -> None:
    splits = plant("train", ("train 1", "b"), ("train 1", "b"), ("train 1", "a"))
    assert what(splits, "two_labels") == (1, ['train:2 b ≠ planted-train:3 a "train 1"'])
    finding = found(splits, "two_labels")
    assert finding is not None
    assert finding.counts == {"train": 4}
    assert found(plant("train", ("train 1", "b")), "two_labels") is None


def test_a_near_twin_with_another_label_is_shown_once_and_both_are_counted() -> None:
    splits = plant("test", (LONG + ".", "b"), into=plant("train", (LONG, "a"), (LONG.lower(), "a")))
    count, examples = what(splits, "near_two_labels")
    assert count == 3
    assert examples[0] == f'planted-train:1 a ≈ planted-test:1 b (1.00) "{LONG[:39]}…"'
    assert len(examples) == 2
    assert found(splits, "two_labels") is None
    assert found(plant("test", (LONG + ".", "a"), into=plant("train", (LONG, "a"))), "near_two_labels") is None


# Rows and classes.


def test_empty_texts_are_listed() -> None:
    assert what(plant("test", ("", "a"), (" \n\u3000", "b"), ("x1", "a")), "empty") == (2, ["planted-test:1", "planted-test:2"])


def test_texts_of_hardly_a_letter_are_listed() -> None:
    splits = plant("test", ("굿", "a"), ("!?", "b"), ("♥", "a"), ("10", "a"), ("ㅋㅋ", "a"), ("", "a"))
    assert what(splits, "short") == (3, ["planted-test:1", "planted-test:2", "planted-test:3"])


def test_decomposed_hangul_is_listed_and_twins_are_paired() -> None:
    assert what(plant("test", (DECOMPOSED, "a")), "decomposed") == (1, ["planted-test:1"])
    splits = plant("train", ("e\u0301", "a"), (COMPOSED, "a"), (DECOMPOSED, "a"))
    assert what(splits, "decomposed") == (2, ["planted-train:3 = planted-train:2", "planted-train:1"])
    assert found(plant("test", (COMPOSED, "a")), "decomposed") is None
    finding = found(splits, "decomposed")
    assert finding is not None
    assert "the same text in NFC stands beside 1 of them" in finding.text("en")
    assert "그중 1건은" in finding.text("ko")


def test_a_class_with_few_training_rows_is_named_with_its_count() -> None:
    splits = replace(plant("train", ("x1", "c"), ("y2", "c")), labels=["a", "b", "c"])
    assert what(splits, "rare_classes") == (1, ["c (2)"])


def test_a_class_that_cannot_be_judged_is_named_with_the_splits_that_lack_it() -> None:
    many = [(f"row of class c, number {i}, {'xyz'[i % 3] * i}", "c") for i in range(12)]
    splits = replace(plant("train", *many), labels=["a", "b", "c"])
    assert what(splits, "absent_classes") == (1, ["c (validation, test)"])
    assert what(plant("test", ("judged", "c"), into=splits), "absent_classes") == (1, ["c (validation)"])


def test_uneven_classes_are_told_of_and_nearly_one_class_is_a_warning() -> None:
    def with_more(number: int) -> Splits:
        return plant("train", *[(f"{i} {'abcdefghij'[i % 10] * 9}", "a") for i in range(number)])

    assert found(with_more(159), "imbalance") is None  # 179 of 199 rows are not nine tenths yet.
    finding = found(with_more(180), "imbalance")
    assert finding is not None
    assert '200 training rows of "a", 20 of "b"' in finding.text("en")
    assert finding.severity == "warning"
    three = replace(with_more(0), labels=["a", "b", "c"])
    three = plant("train", *[(f"{i} {'klmnopqrst'[i % 10] * 9}", "c") for i in range(200)], into=three)
    finding = found(three, "imbalance")  # Ten times the smallest, but no class is nearly all.
    assert finding is not None
    assert finding.severity == "note"


def test_dropped_rows_are_shown() -> None:
    assert what(replace(CLEAN, dropped=["test.csv:7"]), "dropped") == (1, ["test.csv:7"])


def test_at_most_five_examples_are_kept_and_all_are_counted() -> None:
    count, examples = what(plant("train", *[("", "a")] * 30), "empty")
    assert (count, len(examples)) == (30, 5)


@pytest.mark.parametrize("blank", [("", ""), (" ", "\t")])
def test_a_pair_is_empty_when_both_texts_are(blank: tuple[str, str]) -> None:
    pairs = Rows([("question", "a"), blank, ("", "an")], ["a", "b", "a"], ["p:1", "p:2", "p:3"])
    splits = Splits(pairs, Rows([("x", "y")], ["a"], ["v:1"]), Rows([("z", "y")], ["a"], ["e:1"]), ["a", "b"])
    assert what(splits, "empty") == (1, ["p:2"])


# How it is said.


def test_what_concerns_one_row_in_a_hundred_is_a_warning_and_comes_first() -> None:
    train = [(f"{'qwertyuiop'[i % 10] * 7} {'asdfghjkl'[i // 10 % 9] * 7} {i}", "ab"[i % 2]) for i in range(298)]
    splits = replace(CLEAN, train=rows("many", *train))
    one = describe(plant("train", ("", "a"), into=splits))
    assert [(finding.name, finding.severity) for finding in one.findings] == [("empty", "note")]
    four = describe(plant("train", ("", "a"), ("", "b"), ("\u3000", "a"), (" ", "a"), ("e\u0301" * 5, "a"), into=splits))
    assert [(finding.name, finding.severity) for finding in four.findings] == [
        ("two_labels", "warning"),
        ("empty", "warning"),
        ("duplicates", "note"),
        ("decomposed", "note"),
    ]


def test_everything_found_is_said_in_both_languages_with_numbers_places_and_a_next_step() -> None:
    splits = plant("train", (LONG, "a"), (LONG, "b"), (LONG + ".", "b"), ("", "a"), ("♥", "b"), (DECOMPOSED, "a"), ("x1", "c"))
    splits = replace(plant("test", (LONG, "a"), (LONG + "!", "a"), into=splits), labels=["a", "b", "c"], dropped=["test.csv:9"])
    findings = describe(splits).findings
    names = {finding.name for finding in findings}
    assert names >= {"overlap", "near_overlap", "two_labels", "near_two_labels", "duplicates", "near_duplicates"}
    assert names >= {"empty", "short", "decomposed", "rare_classes", "absent_classes", "dropped"}
    for finding in findings:
        english, korean = finding.markdown("en"), finding.markdown("ko")
        assert re.match(r"\*\*(Warning|Note):\*\* [^{}]+ → [^{}]+$", english), english
        assert re.match(r"\*\*(경고|참고):\*\* [^{}]*[가-힣][^{}]* → [^{}]*[가-힣][^{}]*$", korean), korean
        assert english.isprintable()
        assert korean.isprintable()
        for name, share in finding.shares.items():
            assert f"{name} {finding.counts[name]} (" in english
            assert share == finding.counts[name] / len(splits[name])
        assert all(place in english and place in korean for place in finding.places)


def test_findings_are_plain_values_for_programs() -> None:
    plain = describe(plant("test", ("train 5", "b"), ("\x1b[31m", "a"))).as_dict()
    assert json.loads(json.dumps(plain)) == plain
    (overlap,) = (finding for finding in plain["findings"] if finding["name"] == "overlap")
    assert overlap["severity"] == "warning"
    assert overlap["counts"] == {"test": 1}
    assert overlap["text"]["en"].startswith("rows whose text stands in train as well: test 1 (20 %)")
    assert set(overlap["next"]) == {"en", "ko"}


def test_a_row_that_moves_the_cursor_stays_on_its_line() -> None:
    finding = found(plant("test", ("\x1b[31m\nred", "a"), ("\x1b[31m\nred", "a")), "duplicates")
    assert finding is not None
    assert "\\x1b[31m red" in finding.places[0]
    assert finding.markdown("en").isprintable()


def test_nothing_in_the_data_becomes_markup() -> None:
    text, label = "<script>`*bold*` | cell", "_<b>_`"
    finding = found(plant("test", (text, "a"), (text, "a")), "duplicates")
    assert finding is not None
    code = finding.markdown("en").split("`")
    assert len(code) == 3
    assert "<script>'*bold*' | cell" in code[1]
    splits = replace(plant("train", *[(f"{i} {'abcdefghij'[i % 10] * 9}", label) for i in range(200)]), labels=["a", "b", label])
    uneven = found(splits, "imbalance")
    assert uneven is not None
    assert '"\\_\\<b\\>\\_\\`"' in uneven.markdown("en")
    assert f'"{label}"' in uneven.text("en")


def test_every_finding_is_defined_in_the_documentation() -> None:
    words = set(table("data"))
    names = {name.removeprefix("finding_") for name in words if name.startswith("finding_") and f"{name}.next" in words}
    page = (Path(__file__).parents[2] / "docs" / "measuring.md").read_text(encoding="utf-8")
    section = page[page.index("## What the data check finds") : page.index("### Near twins")]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == names
    assert len(names) > 10


def test_every_split_is_named() -> None:
    splits = CLEAN
    for name in SPLITS:
        splits = plant(name, ("", "a"), into=splits)
    finding = found(splits, "empty")
    assert finding is not None
    assert finding.text("en") == "rows without text: train 1 (2.4 %), validation 1 (9.1 %), test 1 (25 %)"
    assert finding.text("ko") == "본문이 비어 있는 행: 학습 1건(2.4 %), 검증 1건(9.1 %), 테스트 1건(25 %)"
