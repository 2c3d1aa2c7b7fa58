"""One thing that the data check found: how much, where, and what to do about it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np

from tuneoff.data.splits import SPLITS, Splits
from tuneoff.errors import Message, in_words, printable, short
from tuneoff.strings import LANGUAGES, say

#: Split and number of a row.
Row: TypeAlias = tuple[str, int]
Severity = Literal["warning", "note"]

#: Examples kept, and examples shown to a reader.
SHOWN, READ = 5, 3
SNIPPET: Final = 40
_MARKUP, _BACKSLASH = re.compile(r"[\\`*_<>\[\]|]"), r"\\\g<0>"
#: Part of a split's rows from which a finding is a warning: so many rows can move an accuracy by a point.
SERIOUS: Final = 0.01


@dataclass(frozen=True)
class Finding:
    """One fact about the data, in words of both languages.

    Attributes:
        name: which fact; its words are ``finding_<name>`` in the string table.
        severity: a ``warning`` can change what a study concludes; a ``note`` is good to know.
        count: rows; for texts with two labels texts, for classes classes.
        examples: up to five places to look at, ``file:line``.
        counts: rows of each split that it concerns.
        shares: the same as a part of the split's rows, 0 to 1.
        facts: further values for the words.
        remedy: whose next step is told, where it is not the finding's own.
    """

    name: str
    severity: Severity
    count: int
    examples: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""

    def text(self, lang: str) -> str:
        """What was found."""
        return say(f"data.finding_{self.name}", lang, **self._facts(lang))

    def next(self, lang: str) -> str:
        """What to do about it."""
        return say(f"data.finding_{self.remedy or self.name}.next", lang, **self._facts(lang))

    def title(self, lang: str) -> str:
        """The severity in words."""
        return say(f"data.severity_{self.severity}", lang)

    @property
    def places(self) -> list[str]:
        """A few of the examples, each on its line whatever the data holds."""
        return [printable(example) for example in self.examples[:READ]]

    def markdown(self, lang: str) -> str:
        """All of it on one line of Markdown; nothing in the data becomes markup."""
        places = "; ".join(self.places).replace("`", "'")
        where = f" (`{places}`)" if places else ""
        return f"**{self.title(lang)}:** {_MARKUP.sub(_BACKSLASH, self.text(lang))}{where} → {self.next(lang)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``; the words in both languages."""
        plain = {name: getattr(self, name) for name in ("name", "severity", "count", "examples", "counts", "shares")}
        words = {part: {lang: getattr(self, part)(lang) for lang in LANGUAGES} for part in ("text", "next")}
        return plain | words

    def kept(self) -> dict[str, Any]:
        """Plain values that :meth:`again` makes the same finding of."""
        return vars(self) | {"facts": {name: _plain(value) for name, value in self.facts.items()}}

    @classmethod
    def again(cls, kept: dict[str, Any]) -> Self:
        """What was kept."""
        facts = {name: Message(value[0], **value[1]) if isinstance(value, list) else value for name, value in kept["facts"].items()}
        return cls(**kept | {"facts": facts})

    def _facts(self, lang: str) -> dict[str, Any]:
        parts = [
            say("data.finding_part", lang, split=say(f"data.split_{name}", lang), count=count, share=percent(self.shares[name]))
            for name, count in self.counts.items()
        ]
        return in_words(self.facts, lang) | {"count": self.count, "rows": ", ".join(parts)}


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return [value.key, value.facts]
    return value.item() if isinstance(value, np.generic) else value


def of_rows(
    name: str,
    splits: Splits,
    rows: Iterable[Row],
    examples: Sequence[str],
    *,
    count: int | None = None,
    severity: Severity | None = None,
    remedy: str = "",
    **facts: Any,
) -> Finding:
    """A finding about rows.

    Args:
        name: which fact.
        splits: the data.
        rows: every row that it concerns, once.
        examples: places; the first five are kept.
        count: what is counted where it is not rows.
        severity: where the share of rows does not decide; it makes a warning from a hundredth of any split on.
        remedy: whose next step is told.
        facts: further values for the words.
    """
    found = Counter(split for split, _ in rows)
    counts = {split: found[split] for split in SPLITS if found[split]}
    shares = {split: number / len(splits[split]) for split, number in counts.items()}
    weight = severity or ("warning" if max(shares.values(), default=0.0) >= SERIOUS else "note")
    number = sum(counts.values()) if count is None else count
    return Finding(name, weight, number, list(examples[:SHOWN]), counts, shares, facts, remedy)


def place(splits: Splits, row: Row) -> str:
    """File and line of a row."""
    return splits[row[0]].places[row[1]]


def snippet(splits: Splits, row: Row) -> str:
    """How a row's text begins, in quotes."""
    return f'"{short(" ".join(" | ".join(splits[row[0]].texts[row[1]]).split()), SNIPPET)}"'


def percent(share: float) -> str:
    """A share of 0 to 1 as a reader has it: 3.4 %, 0.06 %, never a false 0 or 100."""
    if 0 < share < 0.0001:
        return "<0.01 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.3g} %"
