"""Texts that are nearly the same: MinHash finds candidates, the exact Jaccard index of their shingles decides.

Two texts are near twins when at least four fifths of the short pieces that either has are in both. A piece is three characters;
two where the first writes a syllable or a word, as Hangul does, so that the measure asks about the same of an English sentence and
its translation. Case, blanks and punctuation do not count.

Candidates share a band of their signatures (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, §3.4):
with 21 bands of 6 values, of pairs at the threshold one in 600 escapes, of closer ones fewer.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, product
from typing import Final, TypeAlias

import numpy as np
from rensa import RMinHash

THRESHOLD: Final = 0.8
#: Characters of a piece, and of one that begins with Hangul, kana or a Chinese character, which stand from this one on.
SHINGLE, SHORT_SHINGLE, SYLLABLES = 3, 2, "\u1100"
BANDS, BAND_WIDTH = 21, 6
SEED: Final = 1
#: Characters compared of a text; no tokenizer's length reaches further.
LONGEST: Final = 20_000
#: Characters hashed at once, for the sake of memory.
BLOCK: Final = 250_000
#: In a bucket each text is compared with so many that follow it, and all in all two pairs a text and some to spare are looked at:
#: ordinary data has a tenth of that, and a hundred thousand texts made from one template would have billions.
WINDOW, PER_TEXT, SPARE = 32, 2, 50_000
#: Signatures agree in about as many places as the Jaccard index says; at the threshold not one in a million falls below this.
LIKELY: Final = 0.6

#: A text's parts in the form that is compared.
Form: TypeAlias = tuple[str, ...]
_MARKS = re.compile(r"[\W_]+")


class Twins:
    """Near twins among texts: found once, asked by number of the text.

    Args:
        texts: distinct texts, one or two strings each.
    """

    def __init__(self, texts: Sequence[tuple[str, ...]]) -> None:
        self._forms = [tuple(map(_plain, text)) for text in texts]
        self._texts_of: dict[Form, list[int]] = defaultdict(list)
        for number, form in enumerate(self._forms):
            self._texts_of[form].append(number)
        self._near: dict[Form, list[tuple[float, Form]]] = defaultdict(list)
        for similarity, one, other in near_forms(list(self._texts_of)):
            self._near[one].append((similarity, other))
            self._near[other].append((similarity, one))
        for found in self._near.values():
            found.sort(key=lambda near: (-near[0], self._texts_of[near[1]][0]))

    def having(self) -> Iterator[int]:
        """Texts that have a twin, in order."""
        return (number for number, form in enumerate(self._forms) if form in self._near or len(self._texts_of[form]) > 1)

    def of(self, text: int) -> Iterator[tuple[int, float]]:
        """Twins of a text and their similarity: the nearest first, of equals the earliest."""
        form = self._forms[text]
        yield from ((other, 1.0) for other in self._texts_of[form] if other != text)
        for similarity, near in self._near.get(form, ()):
            yield from ((other, similarity) for other in self._texts_of[near])

    def links(self) -> list[tuple[float, int, int]]:
        """Pairs that lead from any text to all that are twins of it, of twins, of theirs …: similarity and texts, the nearest first."""
        found = {(1.0, one, other) for texts in self._texts_of.values() for one, other in pairwise(texts)}
        first = {form: texts[0] for form, texts in self._texts_of.items()}
        for form, near in self._near.items():
            for similarity, other in near:
                found.add((similarity, min(first[form], first[other]), max(first[form], first[other])))
        return sorted(found, key=lambda link: (-link[0], link[1:]))


def near_forms(forms: Sequence[Form]) -> list[tuple[float, Form, Form]]:
    """Pairs of distinct forms that are near in every part, each with the lowest Jaccard index of its parts."""
    shingles = lru_cache(maxsize=256)(_shingles)
    pairs = []
    for first, second in _candidates(_signatures(forms)).tolist():
        similarity = min(_jaccard(shingles(one), shingles(other)) for one, other in zip(forms[first], forms[second], strict=True))
        if similarity >= THRESHOLD:
            pairs.append((similarity, forms[first], forms[second]))
    return pairs


def _plain(text: str) -> str:
    """Letters and digits without case; of a text that has none, all but its blanks."""
    composed = unicodedata.normalize("NFC", text[:LONGEST])
    return _MARKS.sub("", composed).casefold() or "".join(composed.split())


def _shingles(part: str) -> set[str]:
    """The pieces of a text. Its edges count as characters, so that a text of one has a piece."""
    edged = f"\0{part}\0"
    if part.isascii():
        return {edged[start : start + SHINGLE] for start in range(len(part))}
    pieces = {edged[start : start + (SHORT_SHINGLE if first >= SYLLABLES else SHINGLE)] for start, first in enumerate(edged[:-2])}
    return pieces | {edged[-2:]} if edged[-2] >= SYLLABLES else pieces


def _jaccard(one: set[str], other: set[str]) -> float:
    both = len(one & other)
    either = len(one) + len(other) - both
    return both / either if either else 1.0


def _signatures(forms: Sequence[Form]) -> np.ndarray:
    """MinHash values, uint32 of shape [forms, bands × band width]."""
    signatures = np.empty((len(forms), BANDS * BAND_WIDTH), dtype=np.uint32)
    start = 0
    while start < len(forms):
        stop, room = start, BLOCK
        while stop < len(forms) and room > 0:
            room -= sum(map(len, forms[stop]))
            stop += 1
        pieces = [list(set().union(*map(_shingles, form))) for form in forms[start:stop]]
        signatures[start:stop] = RMinHash.digest_matrix_from_token_sets(pieces, signatures.shape[1], SEED).to_rows()
        start = stop
    return signatures


def _candidates(signatures: np.ndarray) -> np.ndarray:
    """Pairs of rows that share a band and whose signatures agree well enough, int64 of shape [pairs, 2]."""
    count = len(signatures)
    bands = [_buckets(signatures[:, start : start + BAND_WIDTH]) for start in range(0, signatures.shape[1], BAND_WIDTH)]
    found = np.empty(0, dtype=np.int64)
    for lag, (order, buckets) in product(range(1, WINDOW + 1), bands):
        same = np.flatnonzero(buckets[lag:] == buckets[:-lag])
        first, second = order[same], order[same + lag]
        likely = (signatures[first] == signatures[second]).mean(axis=1) >= LIKELY
        found = np.union1d(found, first[likely] * count + second[likely])
        if len(found) > SPARE + PER_TEXT * count:
            break
    return np.stack(np.divmod(found, max(count, 1)), axis=1)


def _buckets(band: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows ordered by the bucket that they fall into, and these buckets: rows with equal values stand together."""
    mix = np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, BAND_WIDTH + 1, dtype=np.uint64)
    buckets = (band * mix).sum(axis=1, dtype=np.uint64)
    order = np.argsort(buckets, kind="stable")
    return order, buckets[order]
