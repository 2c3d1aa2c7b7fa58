"""Case 21: texts reach the trials byte for byte; empty ones and such in two Unicode forms are told by line."""

import json
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.said import answer, write_data_study

HANGUL = "가나다 각"
ODD = [
    "NA",
    "null",
    "None",
    "007",
    "1e5",
    "TRUE",
    "",
    "  ",
    "😀👍🏽",
    "שלום עולם",
    HANGUL,
    unicodedata.normalize("NFD", HANGUL),
    "a\u200bb",
    " x ",
]


def write(folder: Path) -> Path:
    texts = [*ODD, *(f"{i * 7919} words" for i in range(40))]
    content = "text,label\n" + "".join(f'"{text}",{"ab"[i % 2]}\n' for i, text in enumerate(texts))
    return write_data_study(folder, {"train.csv": content})


def test_texts_reach_the_trials_byte_for_byte(tmp_path: Path) -> None:
    study = write(tmp_path)
    assert answer("run", study).code == 0
    (prepared,) = (study / "results" / "cache").glob("*.parquet")
    table = pq.read_table(prepared)
    read = dict(zip(table.column("place").to_pylist(), table.column("first").to_pylist(), strict=True))
    assert [read[f"train.csv:{line}"].encode() for line in range(2, 2 + len(ODD))] == [text.encode() for text in ODD]


def test_empty_texts_and_twins_in_two_unicode_forms_are_told_by_line(tmp_path: Path) -> None:
    study = write(tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(answer("check", study, "--json").out)["findings"]}
    assert findings["empty"]["examples"] == ["train.csv:8", "train.csv:9"]
    assert findings["decomposed"]["examples"] == ["train.csv:13 = train.csv:12"]
    english, korean = (answer("check", study, lang=lang).out for lang in ("en", "ko"))
    assert "rows without text:" in english
    assert "본문이 비어 있는 행:" in korean
    for said in (english, korean):
        assert "train.csv:8\n" in said
        assert "train.csv:13 = train.csv:12\n" in said
