"""The columns of a file, for whoever must choose among them."""

import csv
import io
import json
from pathlib import Path

from tuneoff.data.encoding import read_text
from tuneoff.errors import DataError


def column_names(path: Path, encoding: str, shown: str) -> list[str]:
    """Column names of a csv, tsv, jsonl, parquet or xlsx file, as the file has them.

    Raises:
        DataError: the file cannot be read, or its ending is of none of these.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            rows = csv.reader(io.StringIO(read_text(path, encoding, shown), newline=""), delimiter=delimiter)
            return next(rows, [])
        case ".jsonl":
            first = read_text(path, encoding, shown).lstrip().split("\n", 1)[0]
            try:
                record = json.loads(first)
            except json.JSONDecodeError as error:
                raise DataError("data.bad_rows", where=shown, count=1, problems=f"line 1:{error.colno}: not JSON ({error.msg})") from error
            return list(record) if isinstance(record, dict) else []
        case ".parquet":
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names)
        case ".xlsx":
            from openpyxl import load_workbook

            book = load_workbook(path, read_only=True)
            header = next(book.worksheets[0].iter_rows(values_only=True), ())
            book.close()
            return [str(cell) for cell in header if cell is not None]
    raise DataError("data.unknown_format", where=shown, ending=path.suffix or "?", known=".csv, .tsv, .jsonl, .parquet, .xlsx")
