"""Chosen columns as strings, each row with the line where it stands, gathered row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuneoff.errors import DataError, Message, short
from tuneoff.spec import nearest

SHOWN_PROBLEMS = 20
SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class Table:
    """Columns of equal length. Cells are text exactly as the file has it; ``lines`` are 1-based lines (or rows) of the file."""

    name: str
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)


def check_columns(has: Sequence[str], wanted: Sequence[str], shown: str) -> None:
    """Refuse a missing or repeated column, naming the nearest.

    Raises:
        DataError: the column is not there, or twice.
    """
    for column in wanted:
        if column not in has:
            names = ", ".join(f'"{short(name)}"' for name in has[:SHOWN_COLUMNS]) + (", …" if len(has) > SHOWN_COLUMNS else "")
            raise DataError("data.no_column", where=shown, column=column, has=names, nearest=nearest(column, has))
        if list(has).count(column) > 1:
            raise DataError("data.column_twice", where=shown, column=column)


class Gathered:
    """Rows read so far and what is wrong with others, so that all of it is said at once.

    Args:
        shown: the file's name in messages.
        columns: the columns wanted.
    """

    def __init__(self, shown: str, columns: Sequence[str]) -> None:
        self.shown, self.columns = shown, columns
        self.cells: list[Sequence[str]] = []
        self.lines: list[int] = []
        self.problems: list[Message] = []
        self.num_problems = 0

    def add(self, line: int, cells: Sequence[str]) -> None:
        """Take one row."""
        self.cells.append(cells)
        self.lines.append(line)

    def add_values(self, line: int, values: Sequence[object]) -> None:
        """Take one row of typed values, or note the first that is no text."""
        cells = [value if type(value) is str else cell_text(value) for value in values]
        if None in cells:
            at = cells.index(None)
            kind = "data.cell_missing" if values[at] is None or isinstance(values[at], float) else "data.cell_not_text"
            self.problem(Message(kind, line=line, column=short(self.columns[at])))
        else:
            self.add(line, cells)  # type: ignore[arg-type]

    def problem(self, message: Message) -> None:
        """Note what is wrong with a row."""
        self.num_problems += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(message)

    def table(self) -> Table:
        """The rows, if nothing is wrong with any.

        Raises:
            DataError: rows with problems, or no rows.
        """
        if self.problems:
            more = self.num_problems - len(self.problems)
            listed = [*self.problems, *([Message("data.more", more=more)] if more else [])]
            raise DataError("data.bad_rows", where=self.shown, count=self.num_problems, problems=listed)
        if not self.cells:
            raise DataError("data.no_rows", where=self.shown)
        columns = dict(zip(self.columns, map(list, zip(*self.cells, strict=True)), strict=True))
        return Table(self.shown, columns, self.lines)


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
            return repr(value) if math.isfinite(value) else None
    return None
