"""Tables in Markdown."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")
#: Title of a column, and what stands in it for a row.
Column: TypeAlias = tuple[str, Callable[[T], str]]


def table(columns: Sequence[Column[T]], rows: Sequence[T]) -> list[str]:
    """Lines of a table: the first column left, numbers right; a bar inside a cell does not end it."""
    head = "| " + " | ".join(title for title, _ in columns) + " |"
    rule = "| --- |" + " ---: |" * (len(columns) - 1)
    return [head, rule, *("| " + " | ".join(cell(row).replace("|", "\\|") for _, cell in columns) + " |" for row in rows)]
