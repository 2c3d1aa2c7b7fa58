"""Tables in Markdown, and text in it that is no markup."""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

from tuneoff.errors import printable

T = TypeVar("T")
#: Title of a column, and what stands in it for a row.
Column: TypeAlias = tuple[str, Callable[[T], str]]
_MARKUP: Final = re.compile(r"[\\`*_<>\[\]]")


def plain(text: str) -> str:
    """What a person wrote into data or a study file, on one line and as it is."""
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def table(columns: Sequence[Column[T]], rows: Sequence[T]) -> list[str]:
    """Lines of a table: the first column left, numbers right; a bar inside a cell does not end it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "| --- |" + " ---: |" * (len(columns) - 1)
    return [line([title for title, _ in columns]), rule, *(line([cell(row) for _, cell in columns]) for row in rows)]
