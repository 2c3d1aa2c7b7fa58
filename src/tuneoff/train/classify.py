"""The objective of classification, and logits of whole splits."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from tuneoff.faults import fault
from tuneoff.measure import score
from tuneoff.seeds import seed_for
from tuneoff.train import ranks
from tuneoff.train.batches import AnyRows, Batch, Passes, epoch_order, heaviest_batch
from tuneoff.train.on_cpu import reading
from tuneoff.train.packed import ReadMask, read_mask
from tuneoff.train.room import ROOM


def forward(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Logits [rows, classes] in fp32."""
    out: Any = model(**batch.inputs)
    logits: torch.Tensor = out if isinstance(out, torch.Tensor) else out.logits
    return logits.float()


def predict(model: nn.Module, rows: AnyRows, on_cpu: bool = False, read: ReadMask = read_mask) -> np.ndarray:
    """Logits of all rows, float32 of shape [rows, classes], in the rows' order.

    Args:
        model: tokens or features → logits.
        rows: to judge.
        on_cpu: the device is a CPU, where rows of tokens are laid end to end if the architecture allows it.
        read: how masks of attention are read.
    """
    return ROOM.fit(lambda tokens: _predict(model, rows, tokens, on_cpu, read))


def _predict(model: nn.Module, rows: AnyRows, tokens: int, on_cpu: bool, read: ReadMask) -> np.ndarray:
    model.eval()
    found: np.ndarray | None = None
    with torch.inference_mode(), reading(model, on_cpu, read) as batches:
        for chosen, counts in ranks.mine(list(batches(rows.lengths, tokens))):
            fault("evaluate", len(chosen))
            logits = forward(model, rows.batch(chosen)).cpu().numpy()
            if found is None:
                found = np.zeros((len(rows), logits.shape[1]), dtype=np.float32)
            if counts:
                found[chosen] = logits
        assert found is not None
        if ranks.count() > 1:
            everywhere = torch.from_numpy(found).to(rows.device)
            ranks.add_up([everywhere])
            found = everywhere.cpu().numpy()
    return found


class Classification:
    """Cross-entropy on labelled rows; judged by the scores of the validation rows.

    Args:
        model: called with a batch's inputs.
        train: rows to learn from.
        validation: rows to judge by.
        labels: class names, in the order of the logits.
        batch_size: rows of an update.
        micro_batch: rows of one forward pass; the update is the same.
        seed: number of the seed; the data order follows from it, and which batches come first from how they are cut.
        packed: the model lays rows end to end while it trains.
        on_cpu: see :func:`predict`.
        read: see :func:`predict`.
    """

    def __init__(
        self,
        model: nn.Module,
        train: AnyRows,
        validation: AnyRows,
        labels: list[str],
        batch_size: int,
        micro_batch: int | None,
        seed: int,
        packed: bool = False,
        on_cpu: bool = False,
        read: ReadMask = read_mask,
    ) -> None:
        self.model, self.train_rows, self.validation, self.labels = model, train, validation, labels
        self.batch_size, self.micro_batch = batch_size, micro_batch or batch_size
        self.seed = seed
        self.device = train.device
        self.packed, self.on_cpu, self.read = packed, on_cpu, read
        self.num_batches = -(-len(train) // batch_size)

    @property
    def passes(self) -> Passes:
        """What one more pass costs here."""
        return Passes.on(self.device.type, self.packed)

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """Batches in the order that this seed gives every method."""
        yield from map(self._cut, self._order(number))

    def heaviest(self, number: int) -> int:
        """Place in an epoch of the batch that needs most memory."""
        return heaviest_batch(self._order(number), self.train_rows.lengths, self.passes)

    def batch(self, number: int, place: int) -> list[Batch]:
        """One batch of an epoch, cut into micro-batches."""
        return self._cut(self._order(number)[place])

    def _order(self, number: int) -> list[np.ndarray]:
        generator = np.random.default_rng(seed_for("data order", self.seed, number))
        return epoch_order(len(self.train_rows), self.batch_size, generator)

    def _cut(self, rows: np.ndarray) -> list[Batch]:
        parts = ranks.parts(rows, self.train_rows.lengths, self.micro_batch, self.passes.overhead)
        return [self._batch(part, rows) for part in parts]

    def _batch(self, part: np.ndarray, whole: np.ndarray) -> Batch:
        batch = self.train_rows.batch(part) if len(part) else self.train_rows.batch(whole[:1]).uncounted()
        return replace(batch, whole=len(whole))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy."""
        assert batch.targets is not None
        fault("forward", len(batch))
        return nn.functional.cross_entropy(forward(self.model, batch), batch.targets, reduction="sum")

    def weight(self, batches: list[Batch]) -> int:
        """Rows of the whole batch, other ranks' too."""
        return batches[0].whole or sum(map(len, batches))

    def validate(self) -> dict[str, float]:
        """Loss, accuracy, macro-F1 and number of predicted classes of the validation rows; where logits are no numbers, the loss alone."""
        logits = predict(self.model, self.validation, self.on_cpu, self.read)
        targets = self.validation.targets
        assert targets is not None
        truth = targets if isinstance(targets, np.ndarray) else targets.cpu().numpy()
        if not np.isfinite(logits).all():
            return {"loss": math.nan}
        quality = score(logits, truth, self.labels)
        loss = float(nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth)))
        return {"loss": loss, "accuracy": quality.accuracy, "macro_f1": quality.macro_f1, "classes": quality.predicted_classes}
