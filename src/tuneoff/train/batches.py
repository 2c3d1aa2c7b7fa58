"""Token arrays → padded batches on the device."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch

from tuneoff.data import Tokens

#: Rows are shuffled, then sorted by length inside windows of this many batches. Sorting a whole epoch lost 3 points.
WINDOW_BATCHES = 8
#: Evaluation batches are bounded by padded tokens and rows.
EVALUATION_TOKENS, EVALUATION_ROWS = 4096, 256


@dataclass
class Batch:
    """Inputs of a model's forward pass, class numbers, and the rows they come from."""

    inputs: dict[str, torch.Tensor]
    targets: torch.Tensor | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


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

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: np.ndarray) -> Batch:
        """Pad these rows to the longest of them."""
        longest = int(self.lengths[rows].max())
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
        self.features = features.to(device)
        self.targets = None if targets is None else torch.from_numpy(targets).to(device)
        self.lengths = np.ones(len(features), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.features)

    def batch(self, rows: np.ndarray) -> Batch:
        """Pick these rows."""
        index = torch.from_numpy(rows).to(self.features.device)
        return Batch({"features_BD": self.features[index]}, None if self.targets is None else self.targets[index], rows)


AnyRows: TypeAlias = TokenRows | FeatureRows


def epoch_order(lengths: np.ndarray, batch_size: int, generator: np.random.Generator, longest_first: bool) -> list[np.ndarray]:
    """Row numbers of each batch of an epoch: shuffled, sorted by length in small windows, batches shuffled again.

    Args:
        lengths: tokens of each row.
        batch_size: rows of a batch; the last one may have fewer.
        generator: of the data order; the same for every method of a seed.
        longest_first: put the batch with the longest row in front, so that memory fails in the first second.
    """
    order = generator.permutation(len(lengths))
    window = batch_size * WINDOW_BATCHES
    order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in np.split(order, range(window, len(order), window))])
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches = [batches[i] for i in generator.permutation(len(batches))]
    if longest_first:
        worst = max(range(len(batches)), key=lambda i: (int(lengths[batches[i]].max()) * len(batches[i]), -i))
        batches.insert(0, batches.pop(worst))
    return batches


def evaluation_batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """All rows, longest first, in large batches of similar length."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, min(EVALUATION_ROWS, EVALUATION_TOKENS // int(lengths[order[start]])))
        yield order[start : start + rows]
        start += rows
