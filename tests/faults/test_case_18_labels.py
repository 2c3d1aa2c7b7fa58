"""Case 18: one label map, from train, for all splits; a label that train has not is named by line, or dropped and told in the report."""

import json
from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study

BOTH = {"train": "train.csv", "test": "test.csv", "validation": 0.2}


def test_a_label_that_train_has_not_is_named_by_line_with_the_first_five(tmp_path: Path) -> None:
    test = rows(12, line=lambda i: f"{i * 31} t,{'mixed' if i > 3 else 'ab'[i % 2]}")
    study = write_data_study(tmp_path, {"train.csv": rows(), "test.csv": test}, BOTH)
    english, korean = refusals("check", study, code=3)
    assert english.startswith(
        'test.csv:6: label "mixed" does not occur in train (train has: a, b); rows with such labels: 8 (test.csv:6 "mixed", '
    )
    assert korean.startswith(
        'test.csv:6: "mixed" 라벨이 학습 데이터에 없습니다 (학습 데이터 라벨: a, b). 해당 행 8개 (test.csv:6 "mixed", '
    )
    for line in (english, korean):
        assert line.count('"mixed"') == 6, "the first, and five lines"
        assert "unseen_labels: drop" in line


def test_dropped_rows_are_told_by_the_check_and_in_the_report(tmp_path: Path) -> None:
    test = rows(12, line=lambda i: f"{i * 31} t,{'mixed' if i > 3 else 'ab'[i % 2]}")
    study = write_data_study(tmp_path, {"train.csv": rows(), "test.csv": test}, BOTH)
    drop = ("--unseen-labels", "drop")
    check = json.loads(answer("check", study, "--json", *drop).out)
    assert check["rows"]["test"] == 4
    (dropped,) = (finding for finding in check["findings"] if finding["name"] == "dropped")
    assert (dropped["count"], dropped["examples"][0]) == (8, "test.csv:6")
    assert answer("run", study, *drop).code == 0
    for page, words in (("README.md", "rows left out because train has no such label: 8"), ("README.ko.md", "제외한 행 8건")):
        text = (study / page).read_text(encoding="utf-8")
        assert words in text
        assert "`unseen_labels: drop`" in text, "what was asked for"
    english, _ = refusals("check", study, "--unseen-labels", "guess", code=2)
    assert "must be one of error, drop" in english


@pytest.mark.parametrize(("trained", "tested"), [("1", "1.0"), ("1", "01"), ("true", "TRUE"), ("긍정", "긍정 ")])
def test_labels_are_text_and_never_made_alike(trained: str, tested: str, tmp_path: Path) -> None:
    train = rows(line=lambda i: f"{i * 7919} w,{(trained, 'other')[i % 2]}")
    study = write_data_study(tmp_path, {"train.csv": train, "test.csv": f"text,label\nnew,{tested}\n"}, BOTH)
    english, korean = refusals("check", study, code=3)
    assert english.startswith(f'test.csv:2: label "{tested}" does not occur in train (→ `{trained}`?)')
    assert f"(→ `{trained}`?)" in korean


def test_a_number_and_its_text_are_one_label_in_json(tmp_path: Path) -> None:
    train = "".join(json.dumps({"text": f"{i * 7919} w", "label": i % 2}) + "\n" for i in range(40))
    test = '{"text": "new", "label": "1"}\n{"text": "newer", "label": 0}\n'
    study = write_data_study(
        tmp_path, {"train.jsonl": train, "test.jsonl": test}, {"train": "train.jsonl", "test": "test.jsonl", "validation": 0.2}
    )
    assert json.loads(answer("check", study, "--json").out)["classes"]["test"] == {"1": 1, "0": 1}


def test_a_blank_label_one_class_and_blanks_around_labels_are_refused(tmp_path: Path) -> None:
    def line(make: object, name: str) -> str:
        return refusals("check", write_data_study(tmp_path / name, {"train.csv": rows(line=make)}), code=3)[0]  # type: ignore[arg-type]

    blank = line(lambda i: f"{i * 7919} w,{'' if i % 9 == 3 else 'ab'[i % 2]}", "blank")
    assert blank.startswith('train.csv:5: rows without a label in "label": 5 (lines 5, 14, 23, 32, 41) → ')
    one = line(lambda i: f"{i * 7919} w,a", "one")
    assert one.startswith('train.csv: every row has the same label "a" in "label" (rows: 40); classification needs two → ')
    around = line(lambda i: f"{i * 7919} w,{('a', 'b', 'a ')[i % 3]}", "around")
    assert 'differ only in blanks around them: train.csv:2 "a" ≠ train.csv:4 "a "' in around


def test_real_numbers_are_no_classes(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(400, line=lambda i: f"{i * 7919} w,{i * 0.37:.3f}")})
    english, korean = refusals("check", study, code=3)
    assert 'holds 400 different values in 400 rows ("0.000", "0.370", "0.740", …): numbers or ids, not classes' in english
    assert "수치나 ID" in korean


def test_a_class_of_one_row_stays_in_train_with_a_warning(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(line=lambda i: f"{i * 7919} w,{'rare' if i == 0 else 'ab'[i % 2]}")})
    check = json.loads(answer("check", study, "--json").out)
    assert check["classes"]["train"]["rare"] == 1
    warned = {finding["name"] for finding in check["findings"] if finding["severity"] == "warning"}
    assert {"rare_classes", "absent_classes"} <= warned
    three = write_data_study(tmp_path / "three", {"train.csv": rows(3)})
    english, _ = refusals("check", three, code=3)
    assert english.startswith("train.csv: 3 rows are too few to split off validation: every label must keep a row in train")


def test_two_thousand_classes_are_classes(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(10_000, line=lambda i: f"{i * 7919} w,class {i % 2000}")})
    check = answer("check", study)
    assert check.code == 0
    assert "classes with fewer than 10 training rows: 2,000" in check.out
    assert len(check.out) < 5_000, "two thousand names would bury the rest"
