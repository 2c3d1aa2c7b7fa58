"""What a careful person would want to know of the data before training on it."""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from tuneoff.data.splits import SPLITS, Splits, duplicate_key
from tuneoff.errors import short

SHOWN = 5
#: A class with fewer training rows is hardly learnt.
RARE = 10


@dataclass(frozen=True)
class Finding:
    """One fact about the data: how many rows, with examples of where.

    ``shares`` is the part of a split's rows that it concerns, where that matters.
    """

    name: str
    count: int
    examples: list[str]
    shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DataReport:
    """Sizes, class balance, findings. Counts are rows."""

    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    unlabelled: int
    content_hash: str
    findings: list[Finding]

    @property
    def majority_share(self) -> float:
        """Share of the most common training label in the test split: what always answering it would score."""
        label = max(self.classes["train"], key=lambda name: self.classes["train"][name])
        return self.classes["test"].get(label, 0) / self.rows["test"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self) | {"majority_share": self.majority_share}


Row: TypeAlias = tuple[str, int]


def describe(splits: Splits) -> DataReport:
    """Count what is there and what is odd. Reads test texts only to warn about overlap; nothing is selected by it."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for name in SPLITS:
        for i, text in enumerate(splits[name].texts):
            groups[duplicate_key(text)].append((name, i))
    repeated = [rows for rows in groups.values() if len(rows) > 1]
    classes = {name: dict(Counter(splits[name].labels)) for name in SPLITS}
    rare = [f"{name} ({classes['train'][name]})" for name in splits.labels if classes["train"][name] < RARE]
    blank = [row for key, rows in groups.items() if not key.strip() for row in rows]
    candidates = [
        Finding("duplicates", sum(len(rows) - 1 for rows in repeated), [_equal(splits, *rows[:2]) for rows in repeated[:SHOWN]]),
        _overlap(splits, repeated),
        _two_labels(splits, repeated),
        Finding("empty", len(blank), [_place(splits, row) for row in blank[:SHOWN]]),
        _decomposed(splits, groups),
        Finding("rare_classes", len(rare), rare[:SHOWN]),
        Finding("dropped", len(splits.dropped), splits.dropped[:SHOWN]),
    ]
    return DataReport(
        rows={name: len(splits[name]) for name in SPLITS},
        classes=classes,
        unlabelled=len(splits.unlabelled),
        content_hash=splits.content_hash,
        findings=[finding for finding in candidates if finding.count],
    )


def _place(splits: Splits, row: Row) -> str:
    return splits[row[0]].places[row[1]]


def _equal(splits: Splits, one: Row, other: Row) -> str:
    return f"{_place(splits, one)} = {_place(splits, other)}"


def _overlap(splits: Splits, repeated: list[list[Row]]) -> Finding:
    """Validation and test rows whose text is a training row's as well: they are known already when they are judged."""
    pairs = [(row, rows[0]) for rows in repeated if rows[0][0] == "train" for row in rows if row[0] != "train"]
    counts = Counter(row[0] for row, _ in pairs)
    shares = {name: counts[name] / len(splits[name]) for name in SPLITS if counts[name]}
    return Finding("overlap", len(pairs), [_equal(splits, *pair) for pair in pairs[:SHOWN]], shares)


def _two_labels(splits: Splits, repeated: list[list[Row]]) -> Finding:
    """Texts that carry different labels: no model can be right about both."""

    def label(row: Row) -> str:
        return splits[row[0]].labels[row[1]]

    torn = [(rows[0], other) for rows in repeated if (other := next((row for row in rows if label(row) != label(rows[0])), None))]
    examples = [f"{_place(splits, one)} {short(label(one))} ≠ {_place(splits, other)} {short(label(other))}" for one, other in torn[:SHOWN]]
    return Finding("two_labels", len(torn), examples)


def _decomposed(splits: Splits, groups: dict[str, list[Row]]) -> Finding:
    """Rows not in Unicode NFC. One whose composed twin is there too comes first: a reader sees no difference, a tokenizer does."""

    def composed(row: Row) -> bool:
        return all(unicodedata.is_normalized("NFC", part) for part in splits[row[0]].texts[row[1]])

    twins: list[str] = []
    alone: list[str] = []
    for rows in groups.values():
        if odd := [row for row in rows if not composed(row)]:
            twin = next((row for row in rows if composed(row)), None)
            if twin:
                twins += [_equal(splits, row, twin) for row in odd]
            else:
                alone += [_place(splits, row) for row in odd]
    return Finding("decomposed", len(twins) + len(alone), [*twins, *alone][:SHOWN])
