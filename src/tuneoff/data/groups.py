"""Which rows stay on one side of a split: those of the same text, and of nearly the same.

A test row with a near twin in train is half known by heart. Where the split is ours, twins are joined, the nearest first, into groups
that go to one side as a whole. A group stops growing at a twentieth of its label's rows: a data set made from a few templates would
else be one group, and nothing could be split off; what then still overlaps is found and told by the data check as ever.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tuneoff.data.files import publish
from tuneoff.data.near import Twins
from tuneoff.data.splits import Rows, digest_of, duplicate_key
from tuneoff.errors import StorageError

#: Most rows of a group of near twins: this part of its label's rows, but always a pair.
LARGEST, PAIR = 0.05, 2
#: From so many rows on finding twins takes longer than reading what was found before.
MANY: Final = 1_000


def rows_together(rows: Rows, cache: Path | None = None) -> np.ndarray:
    """Number of each row's group, int64 of shape [rows]: rows with the same number stay on one side.

    Args:
        rows: what is to be split.
        cache: folder where the groups of many rows are kept; one that cannot be written is done without.
    """
    if cache is None or len(rows) < MANY:
        return _found(rows)
    file = cache / f"together-{digest_of(['joined to a twentieth', rows.texts, rows.labels])[:32]}.safetensors"
    try:
        return load_file(file)["groups"]
    except (OSError, SafetensorError):
        groups = _found(rows)
    content = save({"groups": groups})
    with suppress(StorageError):  # A study whose folder cannot be written can be looked at all the same.
        publish(file, lambda temporary: temporary.write_bytes(content))
    return groups


def _found(rows: Rows) -> np.ndarray:
    members: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(rows.texts):
        members[duplicate_key(text)].append(number)
    texts = list(members.values())
    sizes = Counter(rows.labels)
    joined = _Joined([len(own) for own in texts], [max(PAIR, int(LARGEST * sizes[rows.labels[own[0]]])) for own in texts])
    for _, one, other in Twins([rows.texts[own[0]] for own in texts]).links():
        joined.join(one, other)
    groups = np.empty(len(rows), dtype=np.int64)
    for number, own in enumerate(texts):
        groups[own] = joined.root(number)
    return groups


class _Joined:
    """Disjoint sets of texts with their rows counted, none larger than its smallest bound once anything was joined to it."""

    def __init__(self, rows: Sequence[int], bounds: Sequence[int]) -> None:
        self.parents, self.rows, self.bounds = list(range(len(rows))), list(rows), list(bounds)

    def root(self, text: int) -> int:
        while self.parents[text] != text:
            self.parents[text] = self.parents[self.parents[text]]
            text = self.parents[text]
        return text

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        rows, bound = self.rows[first] + self.rows[second], min(self.bounds[first], self.bounds[second])
        if first != second and rows <= bound:
            self.parents[second], self.rows[first], self.bounds[first] = first, rows, bound
