"""A file's chosen columns as strings, each row with the line where it stands."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneoff.data.encoding import read_bytes, read_text
from tuneoff.errors import DataError
from tuneoff.spec import nearest

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Table:
    """Columns of equal length. Cells are text exactly as the file has it; ``lines`` are 1-based lines (or rows) of the file."""

    name: str
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)


def read_table(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    """Read the named columns of a csv, tsv, jsonl, parquet, xlsx or plain text file (csv, tsv, jsonl and txt also gzipped).

    Args:
        path: the file; its ending says what it is.
        columns: the columns wanted, each exactly as in the file.
        encoding: of text formats.
        shown: the file's name in messages.

    Raises:
        DataError: with file, line and column, and the nearest column name.
    """
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    ending = suffixes[-1] if suffixes else ""
    reader = READERS.get(ending)
    if reader is None:
        raise DataError("data.unknown_format", where=shown, ending=ending or "?", known=", ".join(sorted(READERS)))
    return reader(path, columns, encoding, shown)


def _text(path: Path, encoding: str, shown: str) -> str:
    if path.suffix.lower() != ".gz":
        return read_text(path, encoding, shown)
    try:
        raw = gzip.decompress(read_bytes(path, shown))
    except (OSError, EOFError) as error:
        raise DataError("data.bad_gzip", where=shown, problem=str(error)) from error
    try:
        return raw.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError("data.mixed_encoding", where=f"{shown}:{line}", byte=error.start + 1, codec=encoding, guess=None) from error


def check_columns(has: Sequence[str], wanted: Sequence[str], shown: str) -> None:
    """Refuse a missing or repeated column, naming the nearest.

    Raises:
        DataError: the column is not there, or twice.
    """
    for column in wanted:
        if column not in has:
            shown_columns = ", ".join(f'"{name}"' for name in has)
            by_form = [name for name in has if name.strip().casefold() == column.strip().casefold()]
            near = f" (→ `{by_form[0]}`?)" if by_form else nearest(column, has)
            raise DataError("data.no_column", where=shown, column=column, has=shown_columns, nearest=near)
        if list(has).count(column) > 1:
            raise DataError("data.column_twice", where=shown, column=column)


def _refuse(problems: list[str], shown: str) -> None:
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        listed = "; ".join(problems[:SHOWN_PROBLEMS]) + (f"; … (+{more})" if more > 0 else "")
        raise DataError("data.bad_rows", where=shown, count=len(problems), problems=listed)


def _delimited(delimiter: str) -> Callable[[Path, Sequence[str], str, str], Table]:
    def read(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
        text = _text(path, encoding, shown)
        csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        cells: list[list[str]] = []
        lines: list[int] = []
        problems: list[str] = []
        header: list[str] = []
        start = 1
        try:
            header = next(rows)
            check_columns(header, columns, shown)
            chosen = [header.index(column) for column in columns]
            start = rows.line_num + 1
            for row in rows:
                if len(row) == len(header):
                    cells.append([row[i] for i in chosen])
                    lines.append(start)
                elif row:
                    problems.append(f"line {start}: {len(row)} fields, header has {len(header)}")
                start = rows.line_num + 1
        except csv.Error as error:
            problems.append(f"line {start}: {error}")
        _refuse(problems, shown)
        return _table(shown, columns, cells, lines)

    return read


def _table(shown: str, columns: Sequence[str], cells: list[list[str]], lines: list[int]) -> Table:
    if not cells:
        raise DataError("data.no_rows", where=shown)
    return Table(shown, dict(zip(columns, map(list, zip(*cells, strict=True)), strict=True)), lines)


def cell_text(value: object) -> str | None:
    """A JSON, parquet or spreadsheet value as the text that a person sees; ``None`` where there is none."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
    return None


def _jsonl(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    cells: list[list[str]] = []
    lines: list[int] = []
    problems: list[str] = []
    for number, line in enumerate(_text(path, encoding, shown).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number}:{error.colno}: not JSON ({error.msg})")
            continue
        if not isinstance(record, dict):
            problems.append(f"line {number}: not a JSON object")
            continue
        if not cells and not problems:
            check_columns(list(record), columns, shown)
        row = [cell_text(record.get(column)) for column in columns]
        if missing := [column for column, cell in zip(columns, row, strict=True) if cell is None]:
            problems.append(f'line {number}: no text in "{missing[0]}"')
        else:
            cells.append([cell for cell in row if cell is not None])
            lines.append(number)
    _refuse(problems, shown)
    return _table(shown, columns, cells, lines)


def _rows(shown: str, columns: Sequence[str], rows: Iterator[tuple[int, Sequence[object]]]) -> Table:
    cells: list[list[str]] = []
    lines: list[int] = []
    problems: list[str] = []
    for number, values in rows:
        row = [cell_text(value) for value in values]
        if None in row:
            problems.append(f'row {number}: no text in "{columns[row.index(None)]}"')
        else:
            cells.append([cell for cell in row if cell is not None])
            lines.append(number)
    _refuse(problems, shown)
    return _table(shown, columns, cells, lines)


def _parquet(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    read_bytes(path, shown)
    try:
        file = pq.ParquetFile(path)
        check_columns(file.schema_arrow.names, columns, shown)
        arrow = file.read(columns=list(columns))
    except pa.ArrowException as error:
        raise DataError("data.bad_file", where=shown, problem=str(error).splitlines()[0]) from error
    values = [arrow.column(column).to_pylist() for column in columns]
    return _rows(shown, columns, ((number, row) for number, row in enumerate(zip(*values, strict=True), start=1)))


def _xlsx(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    read_bytes(path, shown)
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError) as error:
        raise DataError("data.bad_file", where=shown, problem=str(error)) from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    header = [cell_text(value) or "" for value in next(rows, ())]
    check_columns(header, columns, shown)
    chosen = [header.index(column) for column in columns]
    numbered = ((number, [row[i] for i in chosen]) for number, row in enumerate(rows, start=2) if any(v is not None for v in row))
    table = _rows(shown, columns, numbered)
    book.close()
    return table


def _plain(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    """One text a line; blank lines are no texts. Only for unlabelled text, so there is one column."""
    if len(columns) != 1:
        raise DataError("data.plain_has_no_columns", where=shown, columns=", ".join(columns))
    numbered = enumerate(_text(path, encoding, shown).split("\n"), start=1)
    kept = [(number, line.removesuffix("\r")) for number, line in numbered if line.strip()]
    return _table(shown, columns, [[line] for _, line in kept], [number for number, _ in kept])


READERS: dict[str, Callable[[Path, Sequence[str], str, str], Table]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _jsonl,
    ".parquet": _parquet,
    ".xlsx": _xlsx,
    ".txt": _plain,
}
