"""What a careful person would want to know of the data before training on it."""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from tuneoff.data.finding import SHOWN, Finding, Row, of_rows, place
from tuneoff.data.reading import Reader, Reading, TokenCounts
from tuneoff.data.repeats import Repeats
from tuneoff.data.splits import SPLITS, Splits, duplicate_key
from tuneoff.errors import Message, short
from tuneoff.strings import say

#: A class with fewer training rows is hardly learnt.
RARE = 10
#: From so many times the rows of the smallest class on, the largest one decides the accuracy.
UNEVEN = 10
#: Part of the training rows from which one class is nearly all of them.
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class DataReport:
    """Sizes, class balance, tokens, findings. Counts are rows.

    Attributes:
        tokens: of each split; empty for a study without a backbone.
        overlapping: test rows whose text, or a near twin of it, is in train.
    """

    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    unlabelled: int
    content_hash: str
    findings: list[Finding]
    tokens: dict[str, TokenCounts] = field(default_factory=dict)
    overlapping: tuple[int, ...] = ()

    @property
    def majority_share(self) -> float:
        """Share of the most common training label in the test split: what always answering it would score."""
        label = max(self.classes["train"], key=lambda name: self.classes["train"][name])
        return self.classes["test"].get(label, 0) / self.rows["test"]

    @property
    def clean_test(self) -> np.ndarray | None:
        """Which test rows overlap with no training row, bool of shape [test rows]; ``None`` when all of them do not."""
        if not self.overlapping:
            return None
        clean = np.ones(self.rows["test"], dtype=bool)
        clean[list(self.overlapping)] = False
        return clean

    def tokens_line(self, lang: str) -> str:
        """How long the training rows are in tokens; empty for a study without a backbone."""
        return say("data.tokens", lang, **self.tokens["train"].facts()) if self.tokens else ""

    def kept(self) -> dict[str, Any]:
        """Plain values that :meth:`again` makes the same report of."""
        tokens = {name: asdict(counts) for name, counts in self.tokens.items()}
        return vars(self) | {"findings": [finding.kept() for finding in self.findings], "tokens": tokens}

    @classmethod
    def again(cls, kept: dict[str, Any]) -> Self:
        """What was kept."""
        findings = [Finding.again(finding) for finding in kept["findings"]]
        tokens = {name: TokenCounts(**counts) for name, counts in kept["tokens"].items()}
        return cls(**kept | {"findings": findings, "tokens": tokens, "overlapping": tuple(kept["overlapping"])})

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        plain = {name: getattr(self, name) for name in ("rows", "classes", "unlabelled", "content_hash")}
        return plain | {
            "majority_share": self.majority_share,
            "clean_test_rows": self.rows["test"] - len(self.overlapping),
            "tokens": {name: asdict(counts) for name, counts in self.tokens.items()},
            "findings": [finding.as_dict() for finding in self.findings],
        }


def describe(splits: Splits, reader: Reader | None = None) -> DataReport:
    """Count what is there and what is odd. Reads test texts only to warn of them; nothing is selected by it.

    Args:
        splits: the data.
        reader: how the backbone reads texts; without, nothing is said of tokens.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for name in SPLITS:
        for i, text in enumerate(splits[name].texts):
            groups[duplicate_key(text)].append((name, i))
    repeats = Repeats(splits, list(groups.values()))
    reading = Reading(splits, reader) if reader else None
    classes = {name: dict(Counter(splits[name].labels)) for name in SPLITS}
    found = [
        *(reading.findings() if reading else ()),
        *repeats.findings(),
        *_classes(splits, classes),
        *_too_little(splits, groups),
        _decomposed(splits, groups),
        Finding("dropped", "note", len(splits.dropped), splits.dropped[:SHOWN]),
    ]
    return DataReport(
        rows={name: len(splits[name]) for name in SPLITS},
        classes=classes,
        unlabelled=len(splits.unlabelled),
        content_hash=splits.content_hash,
        findings=sorted((finding for finding in found if finding.count), key=lambda finding: finding.severity != "warning"),
        tokens=reading.counts() if reading else {},
        overlapping=tuple(repeats.overlapping("test")),
    )


def _classes(splits: Splits, classes: dict[str, dict[str, int]]) -> list[Finding]:
    """Classes that are hardly learnt, that cannot be judged, or that outweigh all others."""
    train = classes["train"]
    rare = [f"{short(label)} ({train[label]})" for label in splits.labels if train[label] < RARE]
    absent = {label: [name for name in ("validation", "test") if label not in classes[name]] for label in splits.labels}
    missing = [f"{short(label)} ({', '.join(names)})" for label, names in absent.items() if names]
    by_size = sorted(splits.labels, key=lambda label: -train[label])
    most, least = train[by_size[0]], train[by_size[-1]]
    share = most / len(splits.train)
    uneven = most >= UNEVEN * least or share >= NEARLY_ALL
    return [
        Finding("rare_classes", "warning", len(rare), rare[:SHOWN], facts={"rare": RARE}),
        Finding("absent_classes", "warning", len(missing), missing[:SHOWN]),
        Finding(
            "imbalance",
            "warning" if share >= NEARLY_ALL else "note",
            len(splits.labels) if uneven else 0,
            [],
            facts={"largest": short(by_size[0]), "most": most, "smallest": short(by_size[-1]), "least": least},
        ),
    ]


def _too_little(splits: Splits, groups: dict[str, list[Row]]) -> list[Finding]:
    """Rows without text, and such of one letter or none."""
    blank = [row for key, rows in groups.items() if not key.strip() for row in rows]
    slight = [row for key, rows in groups.items() if key.strip() and sum(map(str.isalnum, key)) < 2 for row in rows]
    found = {"empty": blank, "short": slight}
    return [of_rows(name, splits, rows, [place(splits, row) for row in rows[:SHOWN]]) for name, rows in found.items()]


def _decomposed(splits: Splits, groups: dict[str, list[Row]]) -> Finding:
    """Rows not in Unicode NFC. One whose composed twin is there too comes first: a reader sees no difference, a tokenizer does."""

    def composed(row: Row) -> bool:
        return all(unicodedata.is_normalized("NFC", part) for part in splits[row[0]].texts[row[1]])

    twins: list[tuple[Row, Row]] = []
    alone: list[Row] = []
    for rows in groups.values():
        if odd := [row for row in rows if not composed(row)]:
            if twin := next((row for row in rows if composed(row)), None):
                twins += [(row, twin) for row in odd]
            else:
                alone += odd
    examples = [f"{place(splits, row)} = {place(splits, twin)}" for row, twin in twins[:SHOWN]]
    examples += [place(splits, row) for row in alone[:SHOWN]]
    beside = Message("data.with_twins", count=len(twins)) if twins else ""
    return of_rows("decomposed", splits, [*(row for row, _ in twins), *alone], examples, twins=beside)
