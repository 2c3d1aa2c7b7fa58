"""Case 17: a column that is missing, renamed or there twice is named with the nearest name, and never guessed."""

from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study

BOTH = {"train": "train.csv", "test": "test.csv"}


@pytest.mark.parametrize(
    ("header", "wanted", "nearest", "has"),
    [
        ("text,Label ", "label", "Label ", '"text", "Label "'),
        ("Text,label", "text", "Text", '"Text", "label"'),
        (" text,label", "text", " text", '" text", "label"'),
        ("text,lable", "label", "lable", '"text", "lable"'),
        ("문장,라벨", "text", None, '"문장", "라벨"'),
    ],
)
def test_a_column_of_another_spelling_is_named_and_not_taken(
    header: str, wanted: str, nearest: str | None, has: str, tmp_path: Path
) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(header=header)})
    english, korean = refusals("check", study, code=3)
    hint = f" (→ `{nearest}`?)" if nearest else ""
    assert english.startswith(f'train.csv: no column "{wanted}"{hint} (has: {has}) → rename the column in this file, or set `text` and')
    assert korean.startswith(f'train.csv: "{wanted}" 열이 없습니다{hint} (있는 열: {has}) → ')


def test_train_and_test_must_name_their_columns_alike(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows(), "test.csv": rows(header="text,Label ")}, BOTH)
    english, _ = refusals("run", study, code=3)
    assert english.startswith('test.csv: no column "label" (→ `Label `?) (has: "text", "Label ")')
    assert not (study / "results").exists(), "refused before anything ran"


def test_a_header_with_a_column_twice_is_refused_if_that_column_is_wanted(tmp_path: Path) -> None:
    twice = write_data_study(
        tmp_path / "twice", {"train.csv": rows(header="text,label,text", line=lambda i: f"{i * 7919} w,{'ab'[i % 2]},x")}
    )
    english, korean = refusals("check", twice, code=3)
    assert english == 'train.csv: two columns are called "text" → rename one of them'
    assert korean == 'train.csv: "text" 열이 두 개입니다 → 하나의 이름을 바꾸세요'
    other = write_data_study(
        tmp_path / "other", {"train.csv": rows(header="text,label,x,x", line=lambda i: f"{i * 7919} w,{'ab'[i % 2]},,")}
    )
    assert answer("check", other).code == 0


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": "\ufeff" + rows()})
    assert answer("check", study).code == 0


def test_a_missing_file_is_named_with_its_folder_and_the_nearest(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"trian.csv": rows()})
    english, korean = refusals("check", study, code=3)
    assert english.startswith(f"train.csv: no such file in {tmp_path} (→ `trian.csv`?)")
    assert "trian.csv" in korean
