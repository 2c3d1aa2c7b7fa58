"""Files of every format → :class:`Table`. Nothing is converted: a cell is the text that the file has."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tuneoff.data.cells import Gathered, Table, cell_text, check_columns
from tuneoff.data.encoding import decode
from tuneoff.data.files import check_file, find, read_bytes
from tuneoff.errors import DataError, Message, short

__all__ = ["READERS", "Gathered", "Table", "check_columns", "column_names", "read_table"]


def read_table(path: Path, columns: Sequence[str], encoding: str, shown: str) -> Table:
    """Read the named columns of a csv, tsv, jsonl, parquet, xlsx or plain text file (csv, tsv, jsonl and txt also gzipped).

    Args:
        path: the file; its ending says what it is.
        columns: the columns wanted, each exactly as in the file.
        encoding: of text formats.
        shown: the file's name in messages.

    Raises:
        DataError: with file and line, and the nearest column name.
    """
    file = _open(path, encoding, shown)
    if file.names is not None:
        check_columns(file.names, columns, shown)
    gathered = Gathered(shown, columns)
    file.fill(gathered)
    return gathered.table()


def column_names(path: Path, encoding: str, shown: str) -> list[str]:
    """Column names of a file, as the file has them; none for plain text.

    Raises:
        DataError: the file cannot be read.
    """
    return _open(path, encoding, shown).names or []


class _File(ABC):
    """An opened file. ``names`` are its columns, ``None`` where it names none."""

    names: list[str] | None

    def __init__(self, path: Path, encoding: str, shown: str) -> None:
        self.path, self.encoding, self.shown = path, encoding, shown

    def text(self) -> str:
        return decode(read_bytes(self.path, self.shown), self.encoding, self.shown)

    @abstractmethod
    def fill(self, gathered: Gathered) -> None:
        """Read the wanted columns of every row."""


class _Delimited(_File):
    def __init__(self, path: Path, encoding: str, shown: str, delimiter: str) -> None:
        super().__init__(path, encoding, shown)
        self.start = 1
        self.rows = self._rows(self.text(), delimiter)
        try:
            self.names = next(self.rows, None)
        except csv.Error as error:
            raise DataError("data.bad_rows", where=shown, count=1, problems=[self._bad_quote(error)]) from error
        if self.names is None:
            raise DataError("data.empty", where=shown)

    def _rows(self, text: str, delimiter: str) -> Iterator[list[str]]:
        """Rows that are not blank; ``start`` is the line where the latest begins, for a cell may hold line breaks."""
        csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        following = 1
        while True:
            self.start = following
            row = next(rows, None)
            if row is None:
                return
            following = rows.line_num + 1
            if row:
                yield row

    def _bad_quote(self, error: csv.Error) -> Message:
        return Message("data.open_quote" if "unexpected end" in str(error) else "data.bad_quote", line=self.start)

    def fill(self, gathered: Gathered) -> None:
        assert self.names is not None
        chosen = [self.names.index(column) for column in gathered.columns]
        try:
            for row in self.rows:
                if len(row) == len(self.names):
                    gathered.add(self.start, [row[i] for i in chosen])
                else:
                    gathered.problem(Message("data.ragged_row", line=self.start, fields=len(row), columns=len(self.names)))
        except csv.Error as error:
            # Nothing behind a bad quote can be trusted, so reading ends here.
            gathered.problem(self._bad_quote(error))


class _KeyTwiceError(ValueError):
    """A JSON object has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _KeyTwiceError(next(name for name in names if names.count(name) > 1))
    return found


#: Numbers stay as they are written, and NaN is nothing.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=lambda name: None)


class _JsonLines(_File):
    def __init__(self, path: Path, encoding: str, shown: str) -> None:
        super().__init__(path, encoding, shown)
        self.lines = self.text().split("\n")
        self.names = next((list(record) for line in self.lines if isinstance(record := self._record(line), dict)), None)

    def _record(self, line: str) -> dict[str, Any] | Message | None:
        """The object of a line, or what is wrong with it; ``None`` for a blank line."""
        if not line.strip():
            return None
        try:
            record = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            return Message("data.not_json", column=error.colno, problem=error.msg)
        except _KeyTwiceError as error:
            return Message("data.json_key_twice", column=short(str(error)))
        except RecursionError:
            record = None
        return record if isinstance(record, dict) else Message("data.not_an_object")

    def fill(self, gathered: Gathered) -> None:
        for number, line in enumerate(self.lines, start=1):
            match self._record(line):
                case dict() as record:
                    values = [record.get(column) for column in gathered.columns]
                    if "\\u" in line and (half := [i for i, value in enumerate(values) if not _is_whole(value)]):
                        gathered.problem(Message("data.half_character", line=number, column=short(gathered.columns[half[0]])))
                    else:
                        gathered.add_values(number, values)
                case Message() as problem:
                    gathered.problem(Message(problem.key, line=number, **problem.facts))


def _is_whole(value: object) -> bool:
    """Whether a text has no lone surrogate: half of an escaped emoji is no character."""
    try:
        return not isinstance(value, str) or value.encode() is not None
    except UnicodeEncodeError:
        return False


class _Parquet(_File):
    def __init__(self, path: Path, encoding: str, shown: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        super().__init__(path, encoding, shown)
        self.errors = (pa.ArrowException, OSError, UnicodeDecodeError)
        check_file(path, shown)
        try:
            self.names = list(pq.read_schema(path).names)
        except self.errors as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        return DataError("data.bad_file", where=self.shown, kind="parquet", problem=str(error).splitlines()[0])

    def fill(self, gathered: Gathered) -> None:
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                arrow = file.read(columns=list(gathered.columns))
            values = [arrow.column(column).to_pylist() for column in gathered.columns]
        except self.errors as error:
            raise self._damaged(error) from error
        for number, row in enumerate(zip(*values, strict=True), start=1):
            gathered.add_values(number, row)


class _Sheet(_File):
    """The first sheet of a workbook. A blank cell is the empty text: a spreadsheet knows no other."""

    def __init__(self, path: Path, encoding: str, shown: str) -> None:
        super().__init__(path, encoding, shown)
        check_file(path, shown)
        try:
            rows = _sheet_values(path)
        except Exception as error:  # A damaged workbook fails in zipfile, zlib, the XML parser or openpyxl itself, each its own way.
            raise DataError("data.bad_file", where=shown, kind="xlsx", problem=str(error) or type(error).__name__) from error
        self.rows = [(number, row) for number, row in enumerate(rows, start=1) if any(value is not None for value in row)]
        self.names = [str(_sheet_text(value)) for value in self.rows[0][1]] if self.rows else []

    def fill(self, gathered: Gathered) -> None:
        assert self.names is not None
        chosen = [self.names.index(column) for column in gathered.columns]
        for number, row in self.rows[1:]:
            gathered.add_values(number, [_sheet_text(row[i]) if i < len(row) else "" for i in chosen])


def _sheet_values(path: Path) -> list[Sequence[object]]:
    import warnings

    from openpyxl import load_workbook

    with warnings.catch_warnings():
        # Styles and validations that openpyxl does not know: no matter for text.
        warnings.simplefilter("ignore", UserWarning)
        with path.open("rb") as stream:
            book = load_workbook(stream, read_only=True, data_only=True)
            try:
                rows = list(islice(book.worksheets[0].iter_rows(values_only=True), MOST_ROWS + 1))
            finally:
                book.close()
    if len(rows) > MOST_ROWS:  # openpyxl makes up every row before one that is numbered 99999999999.
        raise ValueError(f"a row beyond {MOST_ROWS:,}")
    return rows


def _sheet_text(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case str():
            # How Excel stores a carriage return.
            return value.replace("_x000D_", "\r")
    return cell_text(value) or value


class _Plain(_File):
    """One text a line; blank lines are no texts. Only for unlabelled text, so there is one column."""

    names = None

    def fill(self, gathered: Gathered) -> None:
        if len(gathered.columns) != 1:
            names = ", ".join(f'"{column}"' for column in gathered.columns)
            raise DataError("data.plain_has_no_columns", where=self.shown, columns=names)
        for number, line in enumerate(self.text().split("\n"), start=1):
            if line.strip():
                gathered.add(number, [line.removesuffix("\r")])


#: What a sheet can have.
MOST_ROWS: Final = 1_048_576

READERS: Final[dict[str, Callable[[Path, str, str], _File]]] = {
    ".csv": partial(_Delimited, delimiter=","),
    ".tsv": partial(_Delimited, delimiter="\t"),
    ".jsonl": _JsonLines,
    ".parquet": _Parquet,
    ".xlsx": _Sheet,
    ".txt": _Plain,
}
_BINARY: Final = (".parquet", ".xlsx")


def _open(path: Path, encoding: str, shown: str) -> _File:
    packed = path.suffix.lower() == ".gz"
    ending = (path.with_suffix("") if packed else path).suffix.lower()
    if ending not in READERS or (packed and ending in _BINARY):
        raise DataError("data.unknown_format", where=shown, ending=path.suffix.lower() or "?", known=", ".join(sorted(READERS)))
    return READERS[ending](find(path), encoding, shown)
