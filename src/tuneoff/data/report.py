"""What a careful person would want to know of the data before training on it."""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from tuneoff.data.splits import SPLITS, Splits, duplicate_key

SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One fact about the data: how many rows, with examples of where."""

    name: str
    count: int
    examples: list[str]


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


def describe(splits: Splits) -> DataReport:
    """Count what is there and what is odd. Reads test texts only to warn about overlap; nothing is selected by it."""
    keys = {name: [duplicate_key(text) for text in splits[name].texts] for name in SPLITS}
    everywhere = [(key, name, i) for name in SPLITS for i, key in enumerate(keys[name])]
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, name, i in everywhere:
        groups[key].append((name, i))

    def place(member: tuple[str, int]) -> str:
        return splits[member[0]].places[member[1]]

    def label(member: tuple[str, int]) -> str:
        return splits[member[0]].labels[member[1]]

    together = [" = ".join(map(place, members[:2])) for members in groups.values() if len(members) > 1]
    duplicates = sum(len(members) - 1 for members in groups.values())
    trained = {key: i for i, key in enumerate(keys["train"])}
    overlap = [
        f"{splits[name].places[i]} = {splits.train.places[trained[key]]}"
        for name in ("validation", "test")
        for i, key in enumerate(keys[name])
        if key in trained
    ]
    torn = [
        " ≠ ".join(f"{place(m)} {label(m)}" for m in members[:2]) for members in groups.values() if len({label(m) for m in members}) > 1
    ]
    empty = [splits[n].places[i] for key, n, i in everywhere if not key.replace("\x1e", "").strip()]
    decomposed = [
        splits[n].places[i]
        for n in SPLITS
        for i, text in enumerate(splits[n].texts)
        if any(not unicodedata.is_normalized("NFC", p) for p in text)
    ]
    classes = {name: dict(Counter(splits[name].labels)) for name in SPLITS}
    rare = [f"{name} ({classes['train'][name]})" for name in splits.labels if classes["train"][name] < 10]
    candidates = [
        Finding("duplicates", duplicates, together[:SHOWN]),
        Finding("overlap", len(overlap), overlap[:SHOWN]),
        Finding("two_labels", len(torn), torn[:SHOWN]),
        Finding("empty", len(empty), empty[:SHOWN]),
        Finding("decomposed", len(decomposed), decomposed[:SHOWN]),
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
