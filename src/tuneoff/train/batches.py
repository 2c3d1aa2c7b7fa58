"""Token arrays → padded batches on the device."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import torch

from tuneoff.data import Tokens

#: One more forward and backward pass costs about as much as so many padded tokens: kernels too small to fill the device.
PASS_OVERHEAD = {"cpu": 200, "cuda": 8192}
MOST_CUTS = 8
#: Another pass is never worth it.
UNCUT = 1 << 40
#: The target that the loss passes over.
IGNORED = -100
#: Padded lengths are multiples of this, or the longest row's.
LENGTH_STEP = 4
#: Evaluation batches are bounded by padded tokens and rows.
EVALUATION_TOKENS, EVALUATION_ROWS = 4096, 256
#: Part of these that rows laid end to end take at once: as fast, in less memory.
END_TO_END = 2


@dataclass(frozen=True)
class Passes:
    """What forward and backward passes cost, by which a batch is cut into parts.

    Attributes:
        overhead: of one more pass, in padded tokens.
        packed: the model lays rows end to end (:mod:`tuneoff.train.packed`): padding costs nothing, so batches stay whole.
    """

    overhead: int
    packed: bool = False

    @classmethod
    def on(cls, device: str, packed: bool = False) -> "Passes":
        """On this type of device."""
        return cls(UNCUT if packed else PASS_OVERHEAD[device], packed)

    def tokens(self, sizes: np.ndarray) -> int:
        """Tokens that are computed for rows of these lengths, longest first."""
        return int(sizes.sum()) if self.packed else len(sizes) * int(sizes[0])


@dataclass
class Batch:
    """Inputs of a model's forward pass, class numbers, and the rows they come from.

    ``whole`` is how many rows there are in the batch that this is a part of, on all ranks together.
    """

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor | None
    rows: np.ndarray
    whole: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def uncounted(self) -> "Batch":
        """The same inputs without anything to learn: what a rank computes where it has no rows of its own."""
        targets = None if self.targets is None else torch.full_like(self.targets, IGNORED)
        return replace(self, targets=targets, rows=self.rows[:0])


class TokenRows:
    """A split's tokens and targets, cut into padded batches.

    Args:
        tokens: of the split.
        targets: class numbers [rows], or ``None`` when only logits are wanted.
        pad: id of the pad token.
        device: where batches go.
        padding_side: as the method asks.
    """

    def __init__(
        self, tokens: Tokens, targets: np.ndarray | None, pad: int, device: torch.device, padding_side: Literal["left", "right"] = "right"
    ) -> None:
        self.tokens, self.targets, self.pad, self.device, self.padding_side = tokens, targets, pad, device, padding_side
        self.lengths = tokens.lengths
        self.longest = int(self.lengths.max(initial=1))

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: np.ndarray) -> Batch:
        """Pad these rows to the longest of them, rounded up: kernels are prepared once a shape, and few shapes are met again."""
        longest = min(-(-int(self.lengths[rows].max()) // LENGTH_STEP) * LENGTH_STEP, self.longest)
        ids = np.full((len(rows), longest), self.pad, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        types = np.zeros((len(rows), longest), dtype=np.int64) if self.tokens.types is not None else None
        for i, row in enumerate(rows):
            length = self.lengths[row]
            place = slice(0, length) if self.padding_side == "right" else slice(longest - length, longest)
            ids[i, place] = self.tokens.row(row)
            mask[i, place] = 1
            if types is not None:
                types[i, place] = self.tokens.row_types(row)
        inputs = {"input_ids": self._tensor(ids), "attention_mask": self._tensor(mask)}
        if types is not None:
            inputs["token_type_ids"] = self._tensor(types)
        return Batch(inputs, None if self.targets is None else self._tensor(self.targets[rows]), rows)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


class FeatureRows:
    """Stored features [rows, hidden] in place of tokens; the probe takes them as ``features_BD``."""

    def __init__(self, features: torch.Tensor, targets: np.ndarray | None, device: torch.device) -> None:
        self.features, self.device = features.to(device), device
        self.targets = None if targets is None else torch.from_numpy(targets).to(device)
        self.lengths = np.ones(len(features), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.features)

    def batch(self, rows: np.ndarray) -> Batch:
        """Pick these rows."""
        index = torch.from_numpy(rows).to(self.features.device)
        return Batch({"features_BD": self.features[index]}, None if self.targets is None else self.targets[index], rows)


AnyRows: TypeAlias = TokenRows | FeatureRows


def epoch_order(num_rows: int, batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Row numbers of each batch of an epoch, at random.

    Rows are not grouped by length across batches, and no batch is moved for its length: length goes with the label in real data, so
    that batches of one length would be batches of one class (``docs/decisions/0005``), and training that begins with the longest
    texts learns worse (``docs/decisions/0010``). Padding is saved inside a batch instead, by :func:`length_parts`.

    Args:
        num_rows: rows of the split.
        batch_size: rows of a batch; the last one may have fewer.
        generator: of the data order; the same for every method of a seed.
    """
    order = generator.permutation(num_rows)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def heaviest_batch(batches: list[np.ndarray], lengths: np.ndarray, passes: Passes) -> int:
    """Place of the batch whose largest part has most tokens, of several the one with the longest row, however small micro-batches are.

    Args:
        batches: of :func:`epoch_order`.
        lengths: tokens of each row.
        passes: of the device.
    """

    def largest_part(place: int) -> tuple[int, int]:
        rows = batches[place]
        parts = length_parts(rows, lengths, len(rows), passes.overhead)
        return max(passes.tokens(lengths[part]) for part in parts), int(lengths[rows].max())

    return max(range(len(batches)), key=largest_part)


def length_parts(rows: np.ndarray, lengths: np.ndarray, largest: int, overhead: int) -> list[np.ndarray]:
    """A batch cut into parts of similar length, longest first; the gradient of the whole is the same, up to rounding.

    Args:
        rows: of the batch.
        lengths: tokens of every row of the split.
        largest: rows of a part at most.
        overhead: what one more pass costs, in padded tokens.

    Returns:
        The cut with the lowest sum of padded tokens and overheads, by dynamic programming over a grid of cuts.
    """
    rows = rows[np.argsort(-lengths[rows], kind="stable")]
    sizes = lengths[rows]
    if len(rows) <= largest and int(sizes[0]) * len(rows) - int(sizes.sum()) <= overhead:
        return [rows]  # No cut can save more padding than there is.
    cuts = sorted({*range(0, len(rows), max(1, len(rows) // MOST_CUTS)), *range(0, len(rows), largest), len(rows)})
    best: dict[int, tuple[int, int]] = {0: (0, 0)}
    for end in cuts[1:]:
        starts = [start for start in cuts if start < end and end - start <= largest]
        best[end] = min((best[start][0] + int(sizes[start]) * (end - start) + overhead, start) for start in starts)
    parts = []
    end = len(rows)
    while end:
        start = best[end][1]
        parts.append(rows[start:end])
        end = start
    return parts[::-1]


def evaluation_batches(lengths: np.ndarray, tokens: int = EVALUATION_TOKENS) -> Iterator[np.ndarray]:
    """All rows, longest first, in large batches of similar length, of at most so many padded tokens each."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, min(EVALUATION_ROWS, tokens // int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows


def end_to_end_batches(lengths: np.ndarray, tokens: int = EVALUATION_TOKENS) -> Iterator[np.ndarray]:
    """All rows, longest first, in batches that are laid end to end: where padded ones may have so many tokens."""
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    start = 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        # With fewer tokens than these one is left to spare, and long rows are as good as full.
        fitting = int(np.searchsorted(ends, before + tokens // END_TO_END)) - start
        rows = max(1, min(EVALUATION_ROWS // END_TO_END, fitting))
        yield order[start : start + rows]
        start += rows
