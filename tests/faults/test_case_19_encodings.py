"""Case 19: a file in another encoding is refused with line, byte and the likely encoding; no text is ever read wrongly."""

import json
from pathlib import Path

import pytest

from tests.support.said import answer, refusals, rows, write_data_study

KOREAN = rows(line=lambda i: f"매출이 {i * 7919} 증가했다,{'긍정' if i % 2 else '부정'}")


@pytest.mark.parametrize(
    ("codec", "guess", "place"),
    [
        ("cp949", "cp949", "train.csv:2: byte 1"),
        ("utf-16", "utf-16", "train.csv:1: byte 1"),
        ("utf-16-le", "utf-16-le", "train.csv:"),
        ("utf-16-be", "utf-16-be", "train.csv:"),
    ],
)
def test_the_likely_encoding_is_named_and_works(codec: str, guess: str, place: str, tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": KOREAN.encode(codec)})
    english, korean = refusals("check", study, code=3)
    assert english.startswith(place)
    assert f"is not utf-8; the file looks like {guess} → set `encoding: {guess}` under `data`" in english
    assert f"`encoding: {guess}`" in korean
    check = json.loads(answer("check", study, "--json", "--set", f"data.encoding={guess}").out)
    assert set(check["classes"]["train"]) == {"긍정", "부정"}, "read as it was written"


def test_the_byte_is_that_of_the_line(tmp_path: Path) -> None:
    raw = b"text,label\n" + "in English 매출,a\n".encode("cp949") + KOREAN.encode("cp949")
    english, _ = refusals("check", write_data_study(tmp_path, {"train.csv": raw}), code=3)
    assert english.startswith("train.csv:2: byte 12 of the line is not utf-8; the file looks like cp949")


def test_latin_1_is_refused_without_a_guess_for_nothing_tells_it_from_its_kin(tmp_path: Path) -> None:
    raw = rows(line=lambda i: f"café {i * 7919} is naïve,{'ab'[i % 2]}").encode("latin-1")
    study = write_data_study(tmp_path, {"train.csv": raw})
    english, korean = refusals("check", study, code=3)
    assert english.startswith(
        "train.csv:2: byte 4 of the line is not utf-8, and the bytes do not tell which encoding it is → save the file as UTF-8"
    )
    assert "판별되지 않습니다" in korean
    assert answer("check", study, "--set", "data.encoding=latin-1").code == 0


def test_the_whole_file_is_tried_and_not_its_head(tmp_path: Path) -> None:
    raw = rows(20_000).encode() + "매출 33,a\n".encode("cp949")
    english, _ = refusals("check", write_data_study(tmp_path, {"train.csv": raw}), code=3)
    assert english.startswith("train.csv:20002: byte 1 of the line is not utf-8")


def test_two_encodings_in_one_file_are_refused(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": KOREAN.encode() + "매출 합계,긍정\n".encode("cp949")})
    english, korean = refusals("check", study, code=3)
    assert english.startswith("train.csv:42: the file mixes encodings or is damaged")
    assert "인코딩이 섞였거나" in korean


def test_a_nul_is_refused_by_line(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": rows().replace("39595 words", "39595 wo\0rds")})
    english, _ = refusals("check", study, code=3)
    assert english == "train.csv:7: a NUL character in the text → delete it, or export the file again"


def test_an_encoding_that_the_file_is_not_in_is_refused(tmp_path: Path) -> None:
    study = write_data_study(tmp_path, {"train.csv": KOREAN}, {"train": "train.csv", "encoding": "cp949"})
    english, _ = refusals("check", study, code=3)
    assert english.startswith("train.csv: the study says `encoding: cp949`, but the file is utf-8 → ")
    wrong, _ = refusals("check", study, "--set", "data.encoding=cp94", code=3)
    assert wrong.startswith('train.csv: no encoding is called "cp94" → ')
