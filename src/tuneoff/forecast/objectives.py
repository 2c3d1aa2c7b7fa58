"""The objectives of training over batches that are given by their shapes: what to learn from is made up, how it is learnt is not."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from tuneoff.forecast.scene import Part, Scene
from tuneoff.forecast.watch import Watch
from tuneoff.train import Classification, LanguageModelling
from tuneoff.train.batches import Batch
from tuneoff.train.packed import ReadMask

#: Epochs that are rehearsed: from the second on, a copy of the best epoch's weights lives beside what trains.
MOST_EPOCHS = 2


class StandIn:
    """In place of tokenised rows: shapes, and on a real device random ids.

    Rows are as long as their part says, or the last token of all but the first row is padding.
    """

    def __init__(
        self,
        watch: Watch,
        parts: Iterable[Part],
        device: torch.device,
        vocabulary: int,
        pairs: bool,
        masks: "GivenMasks",
        targets: bool = True,
    ) -> None:
        self.watch, self.parts, self.masks = watch, list(parts), masks
        self.device, self.vocabulary, self.pairs = device, vocabulary, pairs
        self.lengths = np.concatenate([part.lengths or [part.length] * part.rows for part in self.parts])
        self.filled = np.concatenate([part.lengths or [part.length, *[max(1, part.length - 1)] * (part.rows - 1)] for part in self.parts])
        self.targets = np.zeros(len(self.lengths), dtype=np.int64) if targets else None

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self) -> Iterator[np.ndarray]:
        """Row numbers of each part."""
        start = 0
        for part in self.parts:
            yield np.arange(start, start + part.rows)
            start += part.rows

    def batch(self, rows: np.ndarray) -> Batch:
        """A batch of the rows' shape."""
        shape = len(rows), int(self.lengths[rows].max())
        there = self.masks.there = np.arange(shape[1]) < self.filled[rows, None]
        self.watch.batch(len(rows))
        if self.device.type == "meta":
            ids = torch.empty(shape, dtype=torch.long, device="meta")
            mask = torch.empty_like(ids)
        else:
            ids = torch.randint(self.vocabulary // 2, self.vocabulary, shape, device=self.device)
            mask = torch.from_numpy(there.astype(np.int64)).to(self.device)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self.pairs:
            inputs["token_type_ids"] = torch.zeros_like(ids)
        targets = None if self.targets is None else torch.zeros(shape[0], dtype=torch.long, device=self.device)
        return Batch(inputs, targets, rows)


class GivenMasks:
    """Reads masks that have no numbers: of the batch that a stand-in made last, with virtual tokens in front.

    Attributes:
        there: [rows, length], true where that batch has a token.
    """

    def __init__(self) -> None:
        self.there = np.ones((0, 0), dtype=bool)

    def __call__(self, mask: torch.Tensor, length: int) -> np.ndarray:
        """See :data:`~tuneoff.train.packed.ReadMask`."""
        return np.pad(self.there, ((0, 0), (length - self.there.shape[1], 0)), constant_values=True)


class _Judged:
    """A validation that gets better each time, so that the best epoch's copy is made as often as can be."""

    _times = 0

    def improved(self, scores: dict[str, float]) -> dict[str, float]:
        """Better than any before."""
        self._times += 1
        return scores | {"accuracy": float(self._times), "macro_f1": float(self._times), "loss": 1.0 / self._times}


class RehearsedClassification(Classification, _Judged):
    """The objective of classification over given batches: the scene's steps, spread over the epochs."""

    def __init__(
        self, watch: Watch, scene: Scene, model: nn.Module, train: Any, parts: list[list[np.ndarray]], validation: Any, read: ReadMask
    ) -> None:
        labels = [str(number) for number in range(scene.facts.config.num_labels)]
        super().__init__(model, train, validation, labels, 1, None, 0, on_cpu=scene.target.kind == "cpu", read=read)
        self._watch = watch
        self._epochs = _by_epoch(scene, parts)
        self.num_batches = len(self._epochs[0])

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """The steps of this epoch."""
        for parts in self._epochs[number]:
            self._watch.mark("batch")
            yield [self.train_rows.batch(part) for part in parts]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy."""
        self._watch.mark("forward")
        return super().loss(batch)

    def weight(self, batches: list[Batch]) -> int:
        """Rows of the whole batch; none where gradients are given."""
        return super().weight(batches) if batches else 0

    def validate(self) -> dict[str, float]:
        """Scores that improve. Only the last is worked out: beside it stands most."""
        self._watch.mark("validate")
        return self.improved(super().validate() if self._times == len(self._epochs) - 1 else {})


class RehearsedLanguageModelling(LanguageModelling, _Judged):
    """The objective of continued pretraining over given batches."""

    def __init__(self, watch: Watch, scene: Scene, model: Any, train: StandIn, evaluation: StandIn) -> None:
        assert scene.pretrain is not None
        tokenizer: Any = _Vocabulary(scene.facts.config.vocab_size)
        super().__init__(model, train, tokenizer, scene.facts.kind, scene.pretrain.batch_size, scene.pretrain.mask, 0)  # type: ignore[arg-type]
        self._watch, self._evaluation = watch, evaluation
        self._epochs = _by_epoch(scene, by_step(scene.steps, train))
        self.num_batches = len(self._epochs[0])

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """The steps of this epoch."""
        generator = np.random.default_rng(number)
        for parts in self._epochs[number]:
            self._watch.mark("batch")
            yield [self._hide(self.rows.batch(part), generator) for part in parts]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed cross-entropy of the hidden words; validation asks for it too."""
        if torch.is_grad_enabled():
            self._watch.mark("forward")
        return super().loss(batch)

    def validate(self) -> dict[str, float]:
        """Scores that improve."""
        self._watch.mark("validate")
        rows, held_out = self.rows, self.held_out
        self.rows, self.held_out = self._evaluation, np.arange(len(self._evaluation))  # type: ignore[assignment]
        try:
            return self.improved(super().validate())
        finally:
            self.rows, self.held_out = rows, held_out


class _Vocabulary:
    """As much of a tokenizer as the objective asks for: ids from the middle of the vocabulary on are words."""

    mask_token_id = 0
    all_special_ids = (0,)

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def by_step(steps: Iterable[tuple[Part, ...]], rows: StandIn) -> list[list[np.ndarray]]:
    """Row numbers of each part of each step."""
    parts = rows.rows()
    return [[next(parts) for _ in step] for step in steps]


def _by_epoch(scene: Scene, steps: list[list[np.ndarray]]) -> list[list[list[np.ndarray]]]:
    """Steps spread over the rehearsed epochs, as many in each; the last may have fewer. A single one is made in each."""
    epochs = min(scene.epochs, MOST_EPOCHS)
    steps = [steps[0]] * (epochs - len(steps)) + steps
    each = -(-len(steps) // epochs)
    return [steps[number * each : (number + 1) * each] for number in range(epochs)]
