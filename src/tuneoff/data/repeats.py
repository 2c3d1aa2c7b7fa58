"""The same text again, exactly or nearly: inside a split, between train and what is judged, and with another label."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, TypeAlias

from tuneoff.data.finding import SHOWN, Finding, Row, of_rows, percent, place, snippet
from tuneoff.data.near import THRESHOLD, Twins
from tuneoff.data.splits import SPLITS, Splits
from tuneoff.errors import short

#: In which splits' rows are shown.
ORDER: Final = ("test", "train", "validation")
#: Twins looked at of one text.
LOOKED_AT: Final = 256

#: A row, one with the same or nearly the same text, and how similar they are.
Pair: TypeAlias = tuple[Row, Row, float]


class Repeats:
    """What stands more than once.

    Args:
        splits: the data.
        groups: rows of each distinct text, texts and rows in the order in which they first occur, train before validation before test.
    """

    def __init__(self, splits: Splits, groups: list[list[Row]]) -> None:
        self.splits, self.groups = splits, groups
        self.twins = Twins([splits[rows[0][0]].texts[rows[0][1]] for rows in groups])
        self.known = self._known()
        self.nearly_known = self._nearly_known()

    def findings(self) -> list[Finding]:
        """Every kind, also those that concern no row."""
        return [
            self._about("overlap", self.known),
            self._about("near_overlap", self.nearly_known),
            self._two_labels(),
            self._near_two_labels(),
            self._about("duplicates", self._duplicates()),
            self._about("near_duplicates", self._near_duplicates()),
        ]

    def overlapping(self, split: str) -> list[int]:
        """Rows of a split whose text, or a near twin of it, is in train."""
        return sorted(row[1] for row, _, _ in (*self.known, *self.nearly_known) if row[0] == split)

    def _known(self) -> list[Pair]:
        """Validation and test rows whose text is a training row's as well: it is known already when it is judged."""
        return [(row, rows[0], 1.0) for rows in self.groups if rows[0][0] == "train" for row in rows if row[0] != "train"]

    def _nearly_known(self) -> list[Pair]:
        """Validation and test rows whose text is not in train, but a near twin of it is."""
        held_out = (text for text in self.twins.having() if self.groups[text][0][0] != "train")
        return [
            (row, other, similarity)
            for text in held_out
            for other, similarity in self._twin(text, lambda row: row[0] == "train")
            for row in self.groups[text]
        ]

    def _duplicates(self) -> list[Pair]:
        """Rows that repeat an earlier one of their split."""
        repeated = [_of(rows, split) for rows in self.groups if len(rows) > 1 for split in SPLITS]
        return [(row, rows[0], 1.0) for rows in repeated for row in rows[1:]]

    def _near_duplicates(self) -> list[Pair]:
        """Rows that nearly repeat an earlier one of their split, and repeat none exactly."""

        def before(first: Row) -> Callable[[Row], bool]:
            return lambda row: row[0] == first[0] and row[1] < first[1]

        firsts = ((text, rows[0]) for text in self.twins.having() for split in SPLITS if (rows := _of(self.groups[text], split)))
        return [(row, other, similarity) for text, row in firsts for other, similarity in self._twin(text, before(row))]

    def _two_labels(self) -> Finding:
        """Texts that carry different labels: no model can be right about both."""
        torn = [(rows, others[0]) for rows in self.groups if (others := [row for row in rows if self._label(row) != self._label(rows[0])])]
        examples = [f"{self._labelled(rows[0])} ≠ {self._labelled(other)} {snippet(self.splits, other)}" for rows, other in torn[:SHOWN]]
        return of_rows("two_labels", self.splits, [row for rows, _ in torn for row in rows], examples, count=len(torn))

    def _near_two_labels(self) -> Finding:
        """Texts with one label of which a near twin has another."""

        def unlike(label: str) -> Callable[[Row], bool]:
            return lambda row: self._label(row) != label

        torn: list[list[Row]] = []
        examples: dict[frozenset[Row], str] = {}
        for text in self.twins.having():
            rows = self.groups[text]
            if len(set(map(self._label, rows))) > 1:
                continue
            for other, similarity in self._twin(text, unlike(self._label(rows[0]))):
                torn.append(rows)
                pair = f"{self._labelled(rows[0])} ≈ {self._labelled(other)} ({similarity:.2f})"
                examples.setdefault(frozenset((rows[0], other)), f"{pair} {snippet(self.splits, other)}")
        return of_rows("near_two_labels", self.splits, [row for rows in torn for row in rows], [*examples.values()], count=len(torn))

    def _twin(self, text: int, wanted: Callable[[Row], bool]) -> list[tuple[Row, float]]:
        """The nearest twin that has a row as wanted, and that row; nothing without one."""
        near = islice(self.twins.of(text), LOOKED_AT)
        return list(islice(((row, similarity) for other, similarity in near for row in self.groups[other] if wanted(row)), 1))

    def _about(self, name: str, pairs: Sequence[Pair]) -> Finding:
        examples = []
        # Of what is judged the test split comes first; else as in the files.
        for row, other, similarity in sorted(pairs, key=lambda pair: (ORDER.index(pair[0][0]), pair[0][1]))[:SHOWN]:
            sign, behind = ("≈", f" ({similarity:.2f})") if name.startswith("near_") else ("=", "")
            examples.append(f"{place(self.splits, row)} {sign} {place(self.splits, other)}{behind} {snippet(self.splits, row)}")
        return of_rows(name, self.splits, [row for row, _, _ in pairs], examples, threshold=percent(THRESHOLD))

    def _label(self, row: Row) -> str:
        return self.splits[row[0]].labels[row[1]]

    def _labelled(self, row: Row) -> str:
        return f"{place(self.splits, row)} {short(self._label(row))}"


def _of(rows: list[Row], split: str) -> list[Row]:
    return [row for row in rows if row[0] == split]
