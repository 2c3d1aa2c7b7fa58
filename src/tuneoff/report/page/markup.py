"""Markdown of the report → HTML for the page: the same lines as in README.md, with what a screen reader needs in its tables."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

#: What the report's own lines use; no images and no HTML, so that text of the data stays text.
RULES: Final = ("backticks", "blockquote", "emphasis", "escape", "fence", "heading", "link", "list", "table")
#: Between a number and its unit no line ends.
_UNIT: Final = re.compile(r"(?<=\d) (?=%|[kMG]?B\b|[mµ]?s\b|min\b|h\b)")


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False}).enable(list(RULES))


def html(lines: Sequence[str], name: str = "") -> Markup:
    """Lines of Markdown as HTML.

    Args:
        lines: as in README.md.
        name: of the tables among them, for screen readers.
    """
    parser = _parser()
    tokens = parser.parse(_UNIT.sub("\u00a0", "\n".join(lines)))
    _tables(tokens, name)
    _links(tokens)
    # The parser escapes everything that is not one of its rules.
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def inline(text: str) -> Markup:
    """One line without the paragraph around it."""
    parser = _parser()
    tokens = parser.parseInline(_UNIT.sub("\u00a0", text))
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _tables(tokens: list[Token], name: str) -> None:
    """Headers for columns and rows, classes instead of styles, which the page's policy forbids, and a region that scrolls."""
    label = f' aria-label="{escape(name)}"' if name else ""
    column = 0
    for token in list(tokens):
        if token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            right = "right" in str(token.attrs.pop("style", ""))
            if token.type == "th_open":
                token.attrs["scope"] = "col"
            elif column == 0:
                token.tag = "th"
                token.attrs["scope"] = "row"
            if right:
                token.attrs["class"] = "number"
            column += 1
        elif token.type == "td_close" and column == 1:
            token.tag = "th"
    for place in reversed(range(len(tokens))):
        if tokens[place].type == "table_close":
            tokens.insert(place + 1, _raw("</div>\n"))
        elif tokens[place].type == "table_open":
            tokens.insert(place, _raw(f'<div class="scroll" role="region" tabindex="0"{label}>\n'))


def _links(tokens: list[Token]) -> None:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs["rel"] = "noreferrer"


def _raw(text: str) -> Token:
    meta: dict[str, Any] = {"content": text}
    return Token("html_block", "", 0, **meta)
