"""Case 20: damaged files are refused with file and line, the first twenty problems at once; odd ones that are whole are read."""

import gzip
import json
from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study


def told(tmp_path: Path, name: str, content: str | bytes) -> str:
    english, korean = refusals("check", write_data_study(tmp_path, {name: content}, {"train": name}), code=3)
    assert " → " in english, "a next step"
    assert " → " in korean
    return english


def test_ragged_rows_are_listed_twenty_at_once(tmp_path: Path) -> None:
    line = told(tmp_path, "train.csv", rows(60, line=lambda i: f"{i * 7919} w,a,b" if i % 2 else f"{i * 7919} w,a"))
    assert line.startswith("train.csv: unreadable rows (30): line 3: 3 field(s), the header has 2; line 5: 3 field(s)")
    assert line.count("field(s)") == 20
    assert "; and 10 more → mend or delete these rows" in line


@pytest.mark.parametrize(
    ("name", "content", "start"),
    [
        ("train.csv", rows(5) + '"open,a\nx,b\n', "train.csv: unreadable rows (1): line 7: a quote opens and never closes → "),
        ("train.jsonl", '{"text":"a","label":"x"}\n{"text": "b", "la', "train.jsonl: unreadable rows (1): line 2, column 15: not JSON ("),
        ("train.csv", "", "train.csv: the file is empty → "),
        ("train.csv", "text,label\n", "train.csv: the file has no rows → "),
        ("train.csv", "text,label\na,b\n", 'train.csv: every row has the same label "b" in "label" (rows: 1)'),
        ("train.csv.gz", gzip.compress(rows().encode())[:-20], "train.csv.gz: the gzip file is cut or damaged ("),
        ("train.xlsx", b"PK\x03\x04 cut", "train.xlsx: not a readable xlsx file ("),
        ("train.parquet", b"PAR1 cut", "train.parquet: not a readable parquet file ("),
        ("train.csv", b"PK\x03\x04\x14\x00", "train.csv: the content is that of a .xlsx file → "),
    ],
)
def test_what_is_damaged_is_named(name: str, content: str | bytes, start: str, tmp_path: Path) -> None:
    assert told(tmp_path, name, content).startswith(start)


def test_windows_line_ends_and_a_field_of_ten_megabytes_are_read(tmp_path: Path) -> None:
    content = rows(line=lambda i: ("x" * 10_000_000 if i == 3 else f"{i * 7919} words") + f",{'ab'[i % 2]}").replace("\n", "\r\n")
    check = answer("check", write_data_study(tmp_path, {"train.csv": content}), "--json")
    assert check.code == 0, check.err
    found = json.loads(check.out)
    assert found["rows"] == {"train": 28, "validation": 4, "test": 8}
    assert set(found["classes"]["train"]) == {"a", "b"}, "no carriage return in a label"
    assert len(check.out) < 10_000
