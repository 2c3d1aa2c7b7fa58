"""Rows → train, validation and test with one label map and a content hash."""

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from tuneoff.data.cells import Table
from tuneoff.errors import DataError, short
from tuneoff.spec import DataSpec, nearest

SPLITS = ("train", "validation", "test")
SHOWN_LINES = 5
SHOWN_LABELS = 10
#: Digits of a label that is a number to anybody; Python reads no more than 4,300.
LONGEST_NUMBER = 100


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
        return digest_of({"labels": self.labels} | {name: [self[name].texts, self[name].labels] for name in SPLITS})

    @cached_property
    def corpus(self) -> list[str]:
        """Texts for continued pretraining: unlabelled and training texts, each once, nothing of validation or test."""
        held_out = {duplicate_key((part,)) for name in ("validation", "test") for text in self[name].texts for part in text}
        seen = dict.fromkeys([*self.unlabelled, *(part for text in self.train.texts for part in text)])
        return [text for text in seen if (key := duplicate_key((text,))) and key not in held_out]

    @cached_property
    def corpus_hash(self) -> str:
        """SHA-256 of :attr:`corpus`."""
        return digest_of(self.corpus)


def digest_of(content: object) -> str:
    """SHA-256 of texts in lists: no two contents share a spelling, whatever characters the texts hold."""
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")).hexdigest()


def rows_of(table: Table, spec: DataSpec) -> Rows:
    """A table's text and label columns as rows.

    Raises:
        DataError: rows without a label, by line.
    """
    labels = table.columns[spec.label]
    if blank := [line for line, label in zip(table.lines, labels, strict=True) if not label.strip()]:
        lines = ", ".join(map(str, blank[:SHOWN_LINES])) + (", …" if len(blank) > SHOWN_LINES else "")
        raise DataError("data.blank_label", where=f"{table.name}:{blank[0]}", column=spec.label, count=len(blank), lines=lines)
    texts = list(zip(*(table.columns[column] for column in spec.text_columns), strict=True))
    return Rows(texts, labels, [f"{table.name}:{line}" for line in table.lines])


def duplicate_key(text: tuple[str, ...]) -> str:
    """Rows with the same key are the same text to a reader: NFC, white space folded."""
    parts = [" ".join(unicodedata.normalize("NFC", part).split()) for part in text]
    return parts[0] if len(parts) == 1 else "\x1e".join(parts)


def stratified_pick(rows: Rows, count: int, seed: int, together: Sequence[Hashable] | None = None) -> tuple[list[int], list[int]]:
    """Choose about ``count`` rows, each label in its share, rows of a group together.

    No label loses its last row to the choice: training must know every label that is to be judged.

    Args:
        rows: what to choose from.
        count: number of rows to choose.
        seed: same seed, same choice.
        together: the group of each row; without, rows of the same text are one.

    Returns:
        Row numbers chosen and left, each in file order.
    """
    left = Counter(rows.labels)

    def may_go(members: list[int]) -> bool:
        going = Counter(rows.labels[i] for i in members)
        if any(left[label] == number for label, number in going.items()):
            return False
        left.subtract(going)
        return True

    chosen = set(_pick(_groups(rows, together), count, seed, may_go, at_least=0))
    return sorted(chosen), [i for i in range(len(rows)) if i not in chosen]


def limited(rows: Rows, limit: int | None, seed: int) -> Rows:
    """At most ``limit`` rows, each label in its share but with one at least, rows of the same text together."""
    if limit is None or limit >= len(rows):
        return rows
    return rows.take(sorted(_pick(_groups(rows), limit, seed, lambda members: True, at_least=1)))


def _groups(rows: Rows, together: Sequence[Hashable] | None = None) -> dict[str, list[list[int]]]:
    """Row numbers of each group, by the group's (most common) label."""
    grouped: dict[Hashable, list[int]] = defaultdict(list)
    for number, group in enumerate(map(duplicate_key, rows.texts) if together is None else together):
        grouped[group].append(number)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for members in grouped.values():
        labels = [rows.labels[i] for i in members]
        by_label[labels[0] if len(labels) == 1 else Counter(labels).most_common(1)[0][0]].append(members)
    return by_label


def _pick(
    groups: dict[str, list[list[int]]], count: int, seed: int, allowed: Callable[[list[int]], bool], at_least: Literal[0, 1]
) -> list[int]:
    """Choose groups of at most ``count`` rows in all: first each label its share, then whatever still fits."""
    generator = np.random.default_rng(seed)
    quotas = _quotas({label: sum(map(len, members)) for label, members in groups.items()}, count, at_least)
    chosen: list[int] = []
    left: list[list[int]] = []
    for label in sorted(groups):
        room = quotas[label]
        for index in generator.permutation(len(groups[label])):
            members = groups[label][index]
            if len(members) <= room and allowed(members):
                chosen += members
                room -= len(members)
            else:
                left.append(members)
    for index in generator.permutation(len(left)):
        if len(chosen) == count:
            break
        if len(chosen) + len(left[index]) <= count and allowed(left[index]):
            chosen += left[index]
    return chosen


def _quotas(sizes: dict[str, int], count: int, at_least: int) -> dict[str, int]:
    """Share ``count`` among labels in proportion to their sizes (largest remainders), if it reaches with so many for each."""
    total = sum(sizes.values())
    exact = {label: min(count, total) * size / total for label, size in sizes.items()}
    quotas = {label: int(value) for label, value in exact.items()}
    for label in sorted(exact, key=lambda label: (quotas[label] - exact[label], label))[: min(count, total) - sum(quotas.values())]:
        quotas[label] += 1
    if at_least * len(sizes) <= count:
        for label in sorted(sizes):
            if quotas[label] < at_least:
                quotas[max(quotas, key=lambda label: (quotas[label], label))] -= at_least - quotas[label]
                quotas[label] = at_least
    return quotas


def label_order(labels: Sequence[str]) -> list[str]:
    """Distinct labels: whole numbers by value, anything else by text."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() and len(label) <= LONGEST_NUMBER for label in distinct):
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
        names = label_order(train.labels)
        first = other.labels[strange[0]]
        raise DataError(
            "data.unseen_label",
            where=other.places[strange[0]],
            label=short(first),
            nearest=nearest(first, names),
            known=", ".join(map(short, names[:SHOWN_LABELS])) + (", …" if len(names) > SHOWN_LABELS else ""),
            count=len(strange),
            lines=", ".join(f'{other.places[i]} "{short(other.labels[i])}"' for i in strange[:SHOWN_LINES]),
        )
    outside = set(strange)
    return other.take([i for i in range(len(other)) if i not in outside]), [other.places[i] for i in strange]
