"""Bytes that are not what the study says: refused with line, byte and the encoding to set; never read as nonsense."""

import codecs
from pathlib import Path

import pytest

from tuneoff.data.encoding import decode, likely_encoding
from tuneoff.data.table import read_table
from tuneoff.errors import DataError

ENGLISH = "text,label\n" + "".join(f"a plain sentence {i},pos\n" for i in range(5))
KOREAN = "text,label\n" + "".join(f"영업이익이 {i}% 늘었다,긍정\n" for i in range(5))
FRENCH = "text,label\ndéjà vu à Noël,neutre\nun café serré,positif\n"


def said(raw: bytes, encoding: str = "utf-8") -> str:
    with pytest.raises(DataError) as caught:
        decode(raw, encoding, "train.csv")
    line = caught.value.text("en")
    assert line.isprintable()
    return line


READ = [
    (KOREAN, "utf-8", "utf-8"),
    (KOREAN, "utf-8", "UTF8"),
    (KOREAN, "utf-8-sig", "utf-8"),
    (KOREAN, "utf-8-sig", "utf-8-sig"),
    (KOREAN, "cp949", "cp949"),
    (KOREAN, "cp949", "ms949"),
    (KOREAN, "euc-kr", "cp949"),
    (KOREAN, "utf-16", "utf-16"),
    (KOREAN, "utf-16-le", "utf-16-le"),
    (KOREAN, "utf-16-be", "utf-16-be"),
    (KOREAN, "utf-32", "utf-32"),
    (FRENCH, "latin-1", "latin-1"),
    (FRENCH, "cp1252", "cp1252"),
    (ENGLISH, "ascii", "cp949"),
    (ENGLISH, "utf-8", "latin-1"),
    ("가\n", "cp949", "cp949"),
    # In CP949 these few bytes are UTF-8 as well, of Latin letters with accents.
    ("책\n", "cp949", "cp949"),
    ("처음\n짜다,책\n", "cp949", "cp949"),
]


@pytest.mark.parametrize(("text", "written", "named"), READ)
def test_a_file_in_the_encoding_named_is_read_exactly(text: str, written: str, named: str) -> None:
    assert decode(text.encode(written), named, "train.csv") == text


def test_every_hangul_syllable_of_cp949_is_read() -> None:
    # One syllable a line: among so many lines some look like two-byte UTF-8, and none of them may count against the file.
    text = "\n".join(chr(code) for code in range(ord("가"), ord("힣") + 1))
    assert decode(text.encode("cp949"), "cp949", "f") == text
    assert likely_encoding(text.encode("cp949")) == "cp949"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_of_utf16_is_no_text(mark: bytes) -> None:
    body = "text,label".encode("utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be")
    assert decode(mark + body, "utf-16", "f") == "text,label"
    assert decode(mark + body, "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be", "f") == "text,label"


WRONG = [
    (KOREAN, "cp949", "cp949"),
    (KOREAN, "euc-kr", "cp949"),
    (KOREAN, "utf-16", "utf-16"),
    (KOREAN, "utf-16-le", "utf-16-le"),
    (KOREAN, "utf-16-be", "utf-16-be"),
    (ENGLISH, "utf-16", "utf-16"),
    (ENGLISH, "utf-16-le", "utf-16-le"),
    (ENGLISH, "utf-16-be", "utf-16-be"),
    (ENGLISH, "utf-32", "utf-32"),
]


@pytest.mark.parametrize(("text", "written", "guess"), WRONG)
def test_a_file_that_is_not_utf8_names_what_to_set(text: str, written: str, guess: str) -> None:
    line = said(text.encode(written))
    assert line.startswith("train.csv:")
    assert f"→ set `encoding: {guess}` under `data`" in line


def test_the_place_is_line_and_byte() -> None:
    raw = b"text,label\n" + b"ascii,pos\n" * 3 + "sales, 매출,pos\n".encode("cp949")
    assert said(raw).startswith("train.csv:5: byte 8 of the line is not utf-8; the file looks like cp949")


def test_the_whole_file_is_tried_not_its_head() -> None:
    # A quarter of a megabyte of ASCII before the only Hangul.
    raw = b"text,label\n" + b"plain,pos\n" * 25_000 + "매출,pos\n".encode("cp949")
    assert said(raw).startswith("train.csv:25002: byte 1 ")


def test_latin1_is_refused_without_a_guess_that_might_be_wrong() -> None:
    line = said(FRENCH.encode("latin-1"))
    assert line.startswith("train.csv:2: byte 2 of the line is not utf-8, and the bytes do not tell which encoding it is")


def test_a_wrong_encoding_in_the_study_is_refused_though_it_decodes() -> None:
    # Each of these decodes without an error, into nonsense.
    assert "but the file is utf-8" in said(KOREAN.encode(), "latin-1")
    assert "but the file is utf-8" in said(FRENCH.encode(), "latin-1")
    assert "but the file is utf-8" in said("text\n각,값\n".encode(), "cp1252")
    assert "but the file is cp949" in said(KOREAN.encode("cp949"), "latin-1")
    assert "but the file is plain ASCII" in said(b"text,label\na,b\n\n", "utf-16-le")


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-16-le", "shift_jis", "latin-1"])
def test_utf8_hangul_is_never_read_as_anything_else(encoding: str) -> None:
    # Also the syllables, two a line, whose UTF-8 bytes CP949 takes for two or three characters.
    assert "각각\n간간\n갈갈\n".encode().decode("cp949")
    assert "but the file is utf-8" in said("각각\n간간\n갈갈\n".encode(), encoding)


def test_a_file_with_two_encodings_is_refused_whichever_is_named() -> None:
    raw = KOREAN.encode() + "합계,중립\n".encode("cp949")
    assert said(raw).startswith("train.csv:7: the file mixes encodings or is damaged")
    assert said(raw, "cp949").startswith("train.csv:2: the file mixes encodings or is damaged")
    accepted = KOREAN.encode("cp949") + "a,각각\n".encode()
    assert accepted.decode("cp949")
    assert said(accepted, "cp949").startswith(
        "train.csv:7: the file mixes encodings or is damaged: some lines are UTF-8, others are not (byte 3"
    )
    french = FRENCH.encode() * 3 + "à la carte,neutre\n".encode("latin-1")
    assert said(french).startswith("train.csv:10: the file mixes encodings or is damaged")


def test_a_utf8_file_cut_inside_a_character_is_called_damaged() -> None:
    assert said(KOREAN.encode() + "매출".encode()[:-1]).startswith("train.csv:7: the file mixes encodings or is damaged")


def test_nul_is_refused_by_line() -> None:
    assert said(b"text,label\na,b\nc\0d,b\n").startswith("train.csv:3: a NUL character in the text")
    assert said("text\n값\n값\0\n".encode()).startswith("train.csv:3: a NUL character in the text")


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "base64"])
def test_an_encoding_that_is_none_of_text_is_refused(encoding: str) -> None:
    assert f'no encoding is called "{encoding}"' in said(b"text\n", encoding)


def test_a_table_is_read_in_the_encoding_of_the_study(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(KOREAN.encode("cp949"))
    table = read_table(tmp_path / "t.csv", ["text", "label"], "cp949", "t.csv")
    assert table.columns["text"][0] == "영업이익이 0% 늘었다"
    with pytest.raises(DataError, match="cp949"):
        read_table(tmp_path / "t.csv", ["text", "label"], "utf-8", "t.csv")
