"""Rows → train, validation and test with one label map and a content hash."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tuneoff.data.table import Table
from tuneoff.errors import DataError
from tuneoff.spec import DataSpec

SPLITS = ("train", "validation", "test")
SHOWN_LINES = 5


@dataclass(frozen=True)
class Rows:
    """Texts (one or two strings a row), labels as text, and where each stands: file and line."""

    texts: list[tuple[str, ...]]
    labels: list[str]
    places: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> "Rows":
        """The chosen rows, in that order."""
        return Rows([self.texts[i] for i in rows], [self.labels[i] for i in rows], [self.places[i] for i in rows])


@dataclass(frozen=True)
class Splits:
    """What a study learns from, selects on and is judged by.

    ``labels`` is the label map: its order is the order of the logits. ``unlabelled`` is text for continued pretraining.
    """

    train: Rows
    validation: Rows
    test: Rows
    labels: list[str]
    unlabelled: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> Rows:
        rows: Rows = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        return rows

    def targets(self, name: str) -> np.ndarray:
        """Class numbers of a split, int64 of shape [rows]."""
        index = {label: number for number, label in enumerate(self.labels)}
        return np.array([index[label] for label in self[name].labels], dtype=np.int64)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over every text and label of every split and the label map: the identity of the data."""
        digest = hashlib.sha256()
        for name in SPLITS:
            digest.update(f"\x1d{name}".encode())
            for text, label in zip(self[name].texts, self[name].labels, strict=True):
                digest.update("\x1e".join((*text, label)).encode("utf-8", "surrogatepass") + b"\x1f")
        digest.update("\x1e".join(self.labels).encode())
        return digest.hexdigest()

    @cached_property
    def corpus(self) -> list[str]:
        """Texts for continued pretraining: unlabelled and training texts, each once, nothing of validation or test."""
        held_out = {part for name in ("validation", "test") for text in self[name].texts for part in text}
        seen = dict.fromkeys([*self.unlabelled, *(part for text in self.train.texts for part in text)])
        return [text for text in seen if text.strip() and text not in held_out]

    @cached_property
    def corpus_hash(self) -> str:
        """SHA-256 of :attr:`corpus`."""
        return hashlib.sha256("\x1e".join(self.corpus).encode("utf-8", "surrogatepass")).hexdigest()


def rows_of(table: Table, spec: DataSpec) -> Rows:
    """A table's text and label columns as rows.

    Raises:
        DataError: rows without a label, by line.
    """
    labels = table.columns[spec.label]
    if blank := [line for line, label in zip(table.lines, labels, strict=True) if not label.strip()]:
        shown = ", ".join(map(str, blank[:SHOWN_LINES])) + (", …" if len(blank) > SHOWN_LINES else "")
        raise DataError("data.blank_label", where=table.name, column=spec.label, count=len(blank), lines=shown)
    texts = list(zip(*(table.columns[column] for column in spec.text_columns), strict=True))
    return Rows(texts, labels, [f"{table.name}:{line}" for line in table.lines])


def duplicate_key(text: tuple[str, ...]) -> str:
    """Rows with the same key are the same text to a reader: NFC, white space folded."""
    return "\x1e".join(" ".join(unicodedata.normalize("NFC", part).split()) for part in text)


def stratified_pick(rows: Rows, count: int, seed: int) -> tuple[list[int], list[int]]:
    """Choose about ``count`` rows, each label in its share, rows of the same text together.

    Args:
        rows: what to choose from.
        count: number of rows to choose.
        seed: same seed, same choice.

    Returns:
        Row numbers chosen and left, each in file order.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(rows.texts):
        groups[duplicate_key(text)].append(number)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        by_label[Counter(rows.labels[i] for i in members).most_common(1)[0][0]].append(members)
    generator = np.random.default_rng(seed)
    sizes = {label: sum(map(len, members)) for label, members in by_label.items()}
    quotas = _quotas(sizes, count)
    chosen: list[int] = []
    for label in sorted(by_label):
        room = quotas[label]
        for index in generator.permutation(len(by_label[label])):
            members = by_label[label][index]
            if len(members) <= room:
                chosen += members
                room -= len(members)
            if not room:
                break
    inside = set(chosen)
    return sorted(inside), [number for number in range(len(rows)) if number not in inside]


def _quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Share ``count`` among labels in proportion to their sizes (largest remainders)."""
    total = sum(sizes.values())
    exact = {label: min(count, total) * size / total for label, size in sizes.items()}
    quotas = {label: int(value) for label, value in exact.items()}
    for label in sorted(exact, key=lambda label: (quotas[label] - exact[label], label))[: min(count, total) - sum(quotas.values())]:
        quotas[label] += 1
    return quotas


def label_order(labels: Sequence[str]) -> list[str]:
    """Distinct labels: whole numbers by value, anything else by text."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() for label in distinct):
        return sorted(distinct, key=lambda label: (int(label), label))
    return sorted(distinct)


def check_labels(train: Rows, other: Rows, unseen: str) -> tuple[Rows, list[str]]:
    """Hold a split to the training labels.

    Returns:
        The rows kept and the places of the rows dropped.

    Raises:
        DataError: a label that training never saw, with the first lines, when ``unseen`` is ``error``.
    """
    known = set(train.labels)
    strange = [i for i, label in enumerate(other.labels) if label not in known]
    if not strange:
        return other, []
    if unseen == "error":
        shown = ", ".join(f'{other.places[i]} "{other.labels[i]}"' for i in strange[:SHOWN_LINES])
        names = ", ".join(label_order(train.labels)[:10])
        raise DataError("data.unseen_label", where=other.places[strange[0]], count=len(strange), lines=shown, known=names)
    outside = set(strange)
    return other.take([i for i in range(len(other)) if i not in outside]), [other.places[i] for i in strange]
