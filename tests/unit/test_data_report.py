"""What the data check finds: every oddity planted is counted, with lines to look at; clean data has none."""

import unicodedata
from dataclasses import replace

import pytest

from tuneoff.data import Finding, Rows, Splits, describe

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "영업이익이 늘었다") for form in ("NFC", "NFD"))


def rows(name: str, *pairs: tuple[str, str]) -> Rows:
    return Rows([(text,) for text, _ in pairs], [label for _, label in pairs], [f"{name}:{i}" for i in range(1, len(pairs) + 1)])


CLEAN = Splits(
    rows("train", *[(f"train {i}", "ab"[i % 2]) for i in range(40)]),
    rows("valid", *[(f"valid {i}", "ab"[i % 2]) for i in range(10)]),
    rows("test", ("test 0", "a"), ("test 1", "a"), ("test 2", "b")),
    ["a", "b"],
)


def plant(name: str, *pairs: tuple[str, str]) -> Splits:
    before: Rows = CLEAN[name]
    more = rows(f"planted-{name}", *pairs)
    return replace(CLEAN, **{name: Rows(before.texts + more.texts, before.labels + more.labels, before.places + more.places)})


def found(splits: Splits, name: str) -> Finding | None:
    return next((finding for finding in describe(splits).findings if finding.name == name), None)


def test_clean_data_has_no_findings() -> None:
    report = describe(CLEAN)
    assert report.findings == []
    assert report.rows == {"train": 40, "validation": 10, "test": 3}
    assert report.classes["test"] == {"a": 2, "b": 1}


def test_the_score_of_always_answering_the_most_common_label_is_known() -> None:
    assert describe(plant("train", ("more", "a"))).majority_share == 2 / 3
    assert describe(plant("train", ("more", "b"))).majority_share == 1 / 3
    assert describe(plant("train", ("more", "a"))).as_dict()["majority_share"] == 2 / 3


def test_repeated_texts_are_counted_and_paired() -> None:
    finding = found(plant("train", ("train 1", "b"), (" train\t1 ", "b"), ("train 2", "a")), "duplicates")
    assert finding == Finding("duplicates", 3, ["train:2 = planted-train:1", "train:3 = planted-train:3"])


def test_test_and_validation_texts_that_stand_in_train_are_paired_with_it() -> None:
    finding = found(plant("test", ("train 5", "b"), ("train 6", "a"), ("valid 1", "b")), "overlap")
    assert finding == Finding("overlap", 2, ["planted-test:1 = train:6", "planted-test:2 = train:7"], {"test": 2 / 6})
    finding = found(plant("validation", ("train 5", "b")), "overlap")
    assert finding == Finding("overlap", 1, ["planted-validation:1 = train:6"], {"validation": 1 / 11})


def test_a_text_with_two_labels_shows_two_that_differ() -> None:
    finding = found(plant("train", ("train 1", "b"), ("train 1", "b"), ("train 1", "a")), "two_labels")
    assert finding == Finding("two_labels", 1, ["train:2 b ≠ planted-train:3 a"])
    assert found(plant("train", ("train 1", "b")), "two_labels") is None


def test_empty_texts_are_listed() -> None:
    finding = found(plant("test", ("", "a"), (" \n\u3000", "b"), ("x", "a")), "empty")
    assert finding == Finding("empty", 2, ["planted-test:1", "planted-test:2"])


def test_decomposed_hangul_is_listed_and_twins_are_paired() -> None:
    assert found(plant("test", (DECOMPOSED, "a")), "decomposed") == Finding("decomposed", 1, ["planted-test:1"])
    finding = found(plant("train", ("e\u0301", "a"), (COMPOSED, "a"), (DECOMPOSED, "a")), "decomposed")
    assert finding == Finding("decomposed", 2, ["planted-train:3 = planted-train:2", "planted-train:1"])
    assert found(plant("test", (COMPOSED, "a")), "decomposed") is None


def test_a_class_with_few_training_rows_is_named_with_its_count() -> None:
    splits = replace(plant("train", ("x", "c"), ("y", "c")), labels=["a", "b", "c"])
    assert found(splits, "rare_classes") == Finding("rare_classes", 1, ["c (2)"])


def test_dropped_rows_are_shown() -> None:
    assert found(replace(CLEAN, dropped=["test.csv:7"]), "dropped") == Finding("dropped", 1, ["test.csv:7"])


def test_at_most_five_examples_are_shown_and_all_are_counted() -> None:
    finding = found(plant("train", *[("", "a")] * 30), "empty")
    assert finding is not None
    assert (finding.count, len(finding.examples)) == (30, 5)


@pytest.mark.parametrize("blank", [("", ""), (" ", "\t")])
def test_a_pair_is_empty_when_both_texts_are(blank: tuple[str, str]) -> None:
    pairs = Rows([("q", "a"), blank, ("", "a")], ["a", "b", "a"], ["p:1", "p:2", "p:3"])
    splits = Splits(pairs, Rows([("x", "y")], ["a"], ["v:1"]), Rows([("z", "y")], ["a"], ["e:1"]), ["a", "b"])
    assert found(splits, "empty") == Finding("empty", 1, ["p:2"])
