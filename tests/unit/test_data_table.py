"""Files of every format: texts byte-identical, and everything wrong in them by line."""

import csv
import gzip
import io
import json
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuneoff.data.table import column_names, read_table
from tuneoff.errors import DataError

NFC, NFD = unicodedata.normalize("NFC", "한글 텍스트"), unicodedata.normalize("NFD", "한글 텍스트")
#: Texts that other readers change: into nothing, into numbers, into another spelling.
ODD = [
    *("NA", "N/A", "null", "None", "nan", "NaN", "#N/A", "-inf"),
    *("007", "1e5", "1.0", "1", "0x10", "1,000", "TRUE", "true", "yes", "2024-01-01", "=1+1"),
    *("", "   ", " blanks around ", "\u00a0", "tab\there", "line\nbreak", "'", 'he said "yes"', "a,b;c|d"),
    *("😀👩‍👩‍👧🏽", "שלום עולם", "\u202eright to left\u202c", "\ufeffmark inside", "e\u0301 é", NFC, NFD, "a\u2028b\x85c"),
]
LABELS = ["pos" if i % 2 else "NA" for i in range(len(ODD))]
Rows = list[dict[str, str]]
ROWS: Rows = [{"text": text, "label": label} for text, label in zip(ODD, LABELS, strict=True)]


def delimited(delimiter: str) -> Callable[[Path, Rows], None]:
    def write(file: Path, rows: Rows) -> None:
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        file.write_bytes(stream.getvalue().encode())

    return write


def jsonl(file: Path, rows: Rows) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="")


def escaped_jsonl(file: Path, rows: Rows) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows), encoding="utf-8", newline="")


def parquet(file: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), file)


def xlsx(file: Path, rows: Rows) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(rows[0]))
    for number, row in enumerate(rows, start=2):
        for column, value in enumerate(row.values(), start=1):
            sheet.cell(number, column, value).data_type = "s"  # Else "=1+1" is a formula.
    book.save(file)


def zipped(write: Callable[[Path, Rows], None]) -> Callable[[Path, Rows], None]:
    def pack(file: Path, rows: Rows) -> None:
        write(file, rows)
        file.write_bytes(gzip.compress(file.read_bytes()))

    return pack


FORMATS: dict[str, Callable[[Path, Rows], None]] = {
    "t.csv": delimited(","),
    "t.tsv": delimited("\t"),
    "t.jsonl": jsonl,
    "escaped.jsonl": escaped_jsonl,
    "t.parquet": parquet,
    "t.xlsx": xlsx,
    "t.csv.gz": zipped(delimited(",")),
    "t.tsv.gz": zipped(delimited("\t")),
    "t.jsonl.gz": zipped(jsonl),
    "T.CSV": delimited(","),
}


def read(file: Path, columns: Sequence[str] = ("text", "label"), encoding: str = "utf-8") -> dict[str, list[str]]:
    return read_table(file, columns, encoding, file.name).columns


def problem(file: Path, columns: Sequence[str] = ("text", "label")) -> str:
    """What is wrong, without the next step."""
    told, arrow, following = refused(file, columns).partition(" → ")
    assert arrow
    assert following
    return told


def refused(file: Path, columns: Sequence[str] = ("text", "label")) -> str:
    with pytest.raises(DataError) as caught:
        read(file, columns)
    line = caught.value.text("en")
    assert line.startswith(file.name)
    assert line.isprintable()
    assert any("가" <= character <= "힣" for character in caught.value.text("ko"))
    assert caught.value.exit_code == 3
    return line.removeprefix(file.name)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("name", FORMATS)
def test_texts_and_labels_are_byte_identical(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name, ROWS)
    found = read(tmp_path / name)
    assert [text.encode() for text in found["text"]] == [text.encode() for text in ODD]
    assert found["label"] == LABELS


@pytest.mark.parametrize("name", FORMATS)
def test_pairs_are_read_from_two_columns(tmp_path: Path, name: str) -> None:
    rows = [{"a": f"first {i}", "skipped": "x", "b": f"second {i}", "label": "1"} for i in range(3)]
    FORMATS[name](tmp_path / name, rows)
    found = read(tmp_path / name, ("b", "a", "label"))
    assert found == {"b": [f"second {i}" for i in range(3)], "a": [f"first {i}" for i in range(3)], "label": ["1"] * 3}


@pytest.mark.parametrize("name", FORMATS)
def test_the_columns_of_a_file_are_listed_as_they_are_written(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name, [{"Text ": "a", "레이블": "b", "": "c"}])
    assert column_names(tmp_path / name, "utf-8", name) == ["Text ", "레이블", ""]


@pytest.mark.parametrize("name", ["c.txt", "c.txt.gz"])
def test_plain_text_is_one_text_a_line(tmp_path: Path, name: str) -> None:
    kept = [text for text in ODD if text.strip() and "\n" not in text]
    raw = "\n\n".join(kept).encode() + b"\r\n \n"
    put(tmp_path, name, gzip.compress(raw) if name.endswith("gz") else raw)
    assert read(tmp_path / name, ["text"]) == {"text": kept}


def test_windows_line_ends_and_a_mark_change_nothing(tmp_path: Path) -> None:
    unix = 'text,label\na,1\n"b\nc",2\n'
    put(tmp_path, "unix.csv", unix)
    put(tmp_path, "dos.csv", b"\xef\xbb\xbf" + unix.replace("\n", "\r\n").encode())
    assert read(tmp_path / "unix.csv") == {"text": ["a", "b\nc"], "label": ["1", "2"]}
    # Inside a quoted field the line end is text and stays as it is.
    assert read(tmp_path / "dos.csv") == {"text": ["a", "b\r\nc"], "label": ["1", "2"]}
    put(tmp_path, "dos.jsonl", b"\xef\xbb\xbf" + b'{"text": "a", "label": 1}\r\n\r\n{"text": "b", "label": 2}')
    assert read(tmp_path / "dos.jsonl") == {"text": ["a", "b"], "label": ["1", "2"]}


def test_blank_lines_are_no_rows_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", '\ntext,label\n\na,1\n"b\n\nc",2\nd,3\n\n')
    table = read_table(file, ["text"], "utf-8", "t.csv")
    assert table.columns["text"] == ["a", "b\n\nc", "d"]
    assert table.lines == [4, 5, 8]


def test_numbers_and_truths_of_json_stay_as_they_are_written(tmp_path: Path) -> None:
    values = ["1", "1.0", "1.50", "1e5", "-0", "12345678901234567890123", "true", "false"]
    put(tmp_path, "t.jsonl", "".join(f'{{"text": {value}, "label": {value}}}\n' for value in values))
    assert read(tmp_path / "t.jsonl") == {"text": values, "label": values}


def test_typed_columns_of_parquet_become_what_a_person_sees(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": pa.array(["a", "b"]).dictionary_encode(), "i": [0, 10], "f": [1.0, 0.5], "b": [True, False]}),
        tmp_path / "t.parquet",
    )
    found = read(tmp_path / "t.parquet", ["text", "i", "f", "b"])
    assert found == {"text": ["a", "b"], "i": ["0", "10"], "f": ["1.0", "0.5"], "b": ["true", "false"]}


def test_typed_cells_of_a_sheet_become_what_a_person_sees(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for row in ([None, 1], ["b", True], [3.5, "x"], [None, None], ["carriage_x000D_\nreturn", "x"], ["short"]):
        book.active.append(row)
    book.create_sheet("other").append(["not read"])
    book.save(tmp_path / "t.xlsx")
    found = read(tmp_path / "t.xlsx")
    assert found == {"text": ["", "b", "3.5", "carriage\r\nreturn", "short"], "label": ["1", "TRUE", "x", "x", ""]}


def test_a_date_in_a_sheet_is_refused_by_row(tmp_path: Path) -> None:
    from datetime import date

    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a", "1"], [date(2024, 1, 2), "1"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert problem(tmp_path / "t.xlsx") == ': unreadable rows (1): line 3: "text" is no text'


def test_a_long_field_is_read_whole(tmp_path: Path) -> None:
    long = "긴 글 " * 1_500_000  # Ten megabytes and more in UTF-8.
    assert len(long.encode()) > 10_000_000
    for name in ("t.csv", "t.jsonl"):
        FORMATS[name](tmp_path / name, [{"text": long, "label": "1"}, {"text": "b", "label": "2"}])
        assert read(tmp_path / name)["text"] == [long, "b"]


def test_a_long_field_never_floods_a_message(tmp_path: Path) -> None:
    put(tmp_path, "t.csv", "text," + "x" * 1_000_000 + "\na,b\n")
    assert len(refused(tmp_path / "t.csv")) < 400


# What is refused.


def test_ragged_rows_are_listed_with_their_lines(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text,label\na,1\nb\nc,2,3\nd,4\n")
    assert problem(file) == ": unreadable rows (2): line 3: 1 field(s), the header has 2; line 4: 3 field(s), the header has 2"


def test_the_first_twenty_problems_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text,label\n" + "x\n" * 1000)
    line = refused(file)
    assert line.startswith(": unreadable rows (1,000): line 2: ")
    assert line.count("1 field(s)") == 20
    assert "line 21: 1 field(s), the header has 2; and 980 more → " in line


def test_an_open_quote_is_named_by_the_line_where_it_opens(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", 'text,label\na,1\nb\n"open,2\nc,3\nd,4\n')
    assert problem(file) == ": unreadable rows (2): line 3: 1 field(s), the header has 2; line 4: a quote opens and never closes"


def test_a_quote_that_ends_too_early_is_named(tmp_path: Path) -> None:
    assert "line 3: a quote ends before its field does" in refused(put(tmp_path, "t.csv", 'text,label\na,1\n"b" c,2\n'))
    assert "line 1: a quote opens and never closes" in refused(put(tmp_path, "h.csv", '"text,label\na,1\n'))


def test_each_kind_of_bad_json_line_is_named(tmp_path: Path) -> None:
    lines = [
        '{"text": "fine", "label": 1}',
        '{"text": "cut", "lab',
        "[1, 2]",
        '{"text": null, "label": 1}',
        '{"label": 1}',
        '{"text": NaN, "label": 1}',
        '{"text": ["a"], "label": 1}',
        '{"text": "a", "text": "b", "label": 1}',
        '{"text": "half \\ud83d emoji", "label": 1}',
        '{"text": "whole \\ud83d\\ude00 emoji", "label": 1}',
        "[" * 100_000,
    ]
    line = problem(put(tmp_path, "t.jsonl", "\n".join(lines)))
    assert line.startswith(": unreadable rows (9): line 2, column 17: not JSON (")
    rest = line.split("; ")[1:]
    assert rest == [
        "line 3: not a JSON object",
        'line 4: nothing in "text"',
        'line 5: nothing in "text"',
        'line 6: nothing in "text"',
        'line 7: "text" is no text',
        'line 8: key "text" stands twice',
        'line 9: "text" holds half a character (a lone surrogate escape)',
        "line 11: not a JSON object",
    ]


def test_a_half_emoji_in_another_column_is_nobodys_business(tmp_path: Path) -> None:
    file = put(tmp_path, "t.jsonl", '{"text": "a", "label": "b", "other": "\\ud83d"}\n')
    assert read(file)["text"] == ["a"]


def test_a_jsonl_file_that_is_cut_names_its_last_line(tmp_path: Path) -> None:
    whole = "".join(json.dumps({"text": f"t{i}", "label": "a"}) + "\n" for i in range(50))
    assert ": unreadable rows (1): line 50, column" in refused(put(tmp_path, "t.jsonl", whole[:-10]))


def test_missing_values_of_parquet_are_named_by_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None, "c"], "label": [1.0, 2.0, float("nan")]}), tmp_path / "t.parquet")
    assert problem(tmp_path / "t.parquet") == ': unreadable rows (2): line 2: nothing in "text"; line 3: nothing in "label"'


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet", "t.xlsx"])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str) -> None:
    assert problem(put(tmp_path, name, b"")) == ": the file is empty"


@pytest.mark.parametrize("content", [b"\n \r\n", gzip.compress(b" \n")], ids=["blank", "packed"])
def test_a_file_of_blanks_is_empty_too(tmp_path: Path, content: bytes) -> None:
    assert problem(put(tmp_path, "t.csv.gz" if content.startswith(b"\x1f") else "t.csv", content)) == ": the file is empty"


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.xlsx"])
def test_a_header_alone_is_no_data(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name, [{"text": "a", "label": "b"}])
    if name == "t.parquet":
        pq.write_table(pq.read_table(tmp_path / name).slice(1), tmp_path / name)
    elif name == "t.xlsx":
        book = openpyxl.load_workbook(tmp_path / name)
        book.active.delete_rows(2)
        book.save(tmp_path / name)
    else:
        put(tmp_path, name, (tmp_path / name).read_bytes().splitlines(keepends=True)[0])
    assert problem(tmp_path / name) == ": the file has no rows"


def test_one_row_is_a_table(tmp_path: Path) -> None:
    assert read(put(tmp_path, "t.csv", "text,label\na,b")) == {"text": ["a"], "label": ["b"]}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("header", "nearest"),
    [("Label", "Label"), ("label ", "label "), (" LABEL", " LABEL"), ("labels", "labels"), ("라벨", None)],
)
def test_a_column_of_another_spelling_is_named_never_guessed(tmp_path: Path, name: str, header: str, nearest: str | None) -> None:
    FORMATS[name](tmp_path / name, [{"text": "a", header: "b"}])
    hint = f" (→ `{nearest}`?)" if nearest else ""
    assert refused(tmp_path / name).startswith(f': no column "label"{hint} (has: "text", "{header}") → ')


def test_a_column_in_another_unicode_form_is_named(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", f"text,{NFD}\na,b\n")
    assert f"(→ `{NFD}`?)" in refused(file, ("text", NFC))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.xlsx", "t.parquet"])
def test_a_column_that_is_there_twice_is_refused_when_it_is_wanted(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    match name:
        case "t.parquet":
            pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 4, names=["text", "label", "text", "other"]), file)
        case "t.xlsx":
            book = openpyxl.Workbook()
            book.active.append(["text", "label", "text", "other"])
            book.active.append(["a", "b", "c", "d"])
            book.save(file)
        case _:
            put(tmp_path, name, "text,label,text,other\na,b,c,d\n".replace(",", "\t" if name == "t.tsv" else ","))
    assert refused(file) == ': two columns are called "text" → rename one of them'
    assert len(read(file, ["label", "other"])["label"]) == 1


def test_the_wrong_separator_shows_in_the_message(tmp_path: Path) -> None:
    assert '(has: "text;label")' in refused(put(tmp_path, "t.csv", "text;label\na;b\n"))


def test_a_table_with_very_many_columns_lists_some(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", ",".join(f"c{i}" for i in range(5000)) + "\n")
    assert len(refused(file)) < 400


# Damaged files.


def test_a_cut_or_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"text,label\n" + b"".join(b"t%d,a\n" % i for i in range(1000)))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (whole[:-1], whole[: len(whole) // 2], whole[:12], bytes(flipped), b"text,label\na,b\n"):
        assert refused(put(tmp_path, "t.csv.gz", content)).startswith(": the gzip file is cut or damaged (")


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx"])
def test_a_cut_or_damaged_binary_file_is_refused(tmp_path: Path, name: str) -> None:
    rows = [{"text": f"text {i * i}", "label": str(i % 3)} for i in range(500)]
    FORMATS[name](tmp_path / name, rows)
    whole = (tmp_path / name).read_bytes()
    kind = name.removeprefix("t.")
    for content in (b"text,label\na,b\n", whole[: len(whole) // 2], whole[:-1]):
        assert refused(put(tmp_path, name, content)).startswith(f": not a readable {kind} file (")


@pytest.mark.parametrize("name", ["t.parquet", "t.xlsx"])
def test_a_damaged_binary_file_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    FORMATS[name](tmp_path / name, ROWS)
    whole = (tmp_path / name).read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        try:
            read(put(tmp_path, name, bytes(damaged)))
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 0


@pytest.mark.parametrize(("start", "ending"), [(b"PK\x03\x04", ".xlsx"), (b"\xd0\xcf\x11\xe0", ".xls"), (b"\x1f\x8b\x08", ".gz")])
def test_a_binary_file_under_a_text_files_name_is_told(tmp_path: Path, start: bytes, ending: str) -> None:
    assert f"the content is that of a {ending} file" in refused(put(tmp_path, "t.csv", start + bytes(range(256))))


@pytest.mark.parametrize("name", ["t.json", "t.docx", "t", "t.parquet.gz", "t.gz"])
def test_an_ending_that_is_not_read_lists_those_that_are(tmp_path: Path, name: str) -> None:
    assert ".csv, .jsonl, .parquet, .tsv, .txt, .xlsx" in refused(put(tmp_path, name, "x"))


def test_plain_text_may_be_empty_only_to_be_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^t\.txt: "):
        read(put(tmp_path, "t.txt", "\n\n"), ["text"])


def test_plain_text_cannot_hold_labels(tmp_path: Path) -> None:
    assert 'a txt file has no columns, but "text", "label" are needed' in refused(put(tmp_path, "t.txt", "a\nb\n"))


# Paths.


def test_a_missing_file_names_the_folder_and_the_nearest_file(tmp_path: Path) -> None:
    put(tmp_path, "Train.csv", "text,label\na,b\n")
    line = refused(tmp_path / "train.csv")
    assert line.startswith(f": no such file in {tmp_path} (→ `Train.csv`?)")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    assert refused(tmp_path / "t.csv") == ": is a folder, not a file"


@pytest.mark.parametrize("name", ["한글 파일.csv", "with blank.csv", "two.dots.csv", "é.csv"])
def test_a_file_is_found_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert read(put(tmp_path, name, "text,label\na,b\n"))["text"] == ["a"]


def test_a_name_in_the_other_unicode_form_is_the_same_file(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "훈련.csv"), "text,label\na,b\n")
    assert read(tmp_path / unicodedata.normalize("NFC", "훈련.csv"))["text"] == ["a"]
