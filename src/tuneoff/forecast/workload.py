"""The batches of a trial by shape, as the training code itself cuts them from the lengths of the rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tuneoff.forecast.scene import Part
from tuneoff.seeds import seed_for
from tuneoff.train import Classification
from tuneoff.train.batches import Batch, Passes, end_to_end_batches, epoch_order, evaluation_batches, length_parts

#: Characters of a token, where there is no tokenizer to ask: of Hangul, and of other scripts. Measured on this project's samples
#: with KLUE's and BERT's vocabularies; a tokenizer made for another language needs more.
HANGUL_CHARACTERS, OTHER_CHARACTERS = 1.8, 4.2
SPECIAL_TOKENS = 2
_HANGUL = re.compile("[가-힣]")


@dataclass(frozen=True)
class Workload:
    """Everything a trial reads, by shape.

    Attributes:
        steps: parts of each update of an epoch.
        validation: batches of the pass after each epoch.
        evaluation: batches of the final pass over validation and test.
        reading: batches of reading the training rows through a frozen backbone; empty where it does not stay frozen.
        used_rows: different tokens of the training texts.
        rows: of all splits.
        pairs: rows are pairs of texts.
        exact: lengths are the tokenizer's; else every row is taken for as long as is allowed, so that memory is no surprise.
        filled: part of these tokens that there will be by an estimate; time is forecast for them.
        second: updates of the second epoch, whose rows meet in other batches; empty where that is not looked at.
    """

    steps: tuple[tuple[Part, ...], ...]
    validation: tuple[Part, ...]
    evaluation: tuple[Part, ...]
    reading: tuple[Part, ...]
    used_rows: int
    rows: int
    pairs: bool
    exact: bool
    filled: float = 1.0
    second: tuple[tuple[Part, ...], ...] = ()

    @property
    def parts(self) -> list[Part]:
        """All parts of an epoch."""
        return [part for step in self.steps for part in step]

    @property
    def typical(self) -> Part:
        """A part of mean size: its time, times the number of parts, is that of an epoch."""
        rows, tokens = sum(part.rows for part in self.parts), sum(part.tokens for part in self.parts)
        mean = Part(max(1, round(rows / len(self.parts))), max(1, round(tokens / rows)))
        # Of rows that are laid end to end, one of as many rows has the lengths that there are.
        near = [part for part in self.parts if part.lengths and part.rows == mean.rows]
        return min(near, key=lambda part: abs(part.tokens - mean.tokens)) if near else mean

    def heaviest(self, epochs: int) -> tuple[tuple[Part, ...], ...]:
        """The step of each epoch that needs most memory: of the first two, and of the second alone where the first needs no more.

        From the second epoch on the best weights' copy stands beside it, so that no other can need more.
        """
        first = _heaviest(self.steps)
        if epochs == 1 or not self.second:
            return (first,)
        second = _heaviest(self.second)
        return (second,) if _weight(first[0]) <= _weight(second[0]) else (first, second)

    @property
    def heaviest_evaluation(self) -> Part:
        """The batch without gradients that needs most memory."""
        return max((*self.validation, *self.evaluation, *self.reading), key=_weight)


def _heaviest(steps: tuple[tuple[Part, ...], ...]) -> tuple[Part, ...]:
    """The step with the largest part; of its other parts one is enough to have gradients added up."""
    step = max(steps, key=lambda parts: max(map(_weight, parts)))
    first, *others = sorted(step, key=_weight, reverse=True)
    return (first, *others[:1])


def _weight(part: Part) -> tuple[int, int]:
    return part.tokens, part.length


class _Lengths:
    """In place of tokenised rows: lengths alone."""

    def __init__(self, lengths: np.ndarray, kind: str) -> None:
        self.lengths = lengths
        self.device = torch.device(kind)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray) -> Batch:
        """Rows without tokens."""
        return Batch({}, None, rows)


def steps_of(
    lengths: np.ndarray, kind: str, batch_size: int, micro_batch: int | None, packed: bool = False, epoch: int = 0
) -> tuple[tuple[Part, ...], ...]:
    """Parts of each update of an epoch of seed 0.

    Args:
        lengths: tokens of each training row.
        kind: of the device: how much another pass costs there decides where a batch is cut.
        batch_size: rows of an update.
        micro_batch: rows of a part at most.
        packed: the model lays rows end to end.
        epoch: from 0.
    """
    rows: Any = _Lengths(lengths, kind)
    model = torch.nn.Module()
    objective = Classification(model, rows, rows, [], batch_size, micro_batch, 0, packed)
    return tuple(tuple(Part.of(lengths[batch.rows], packed) for batch in parts) for parts in objective.epoch(epoch))


def pretraining_steps(lengths: np.ndarray, kind: str, batch_size: int, packed: bool = False) -> tuple[tuple[Part, ...], ...]:
    """The same of continued pretraining."""
    generator = np.random.default_rng(seed_for("pretraining order", 0, 0))
    passes = Passes.on(kind, packed)
    return tuple(
        tuple(Part.of(lengths[part], packed) for part in length_parts(rows, lengths, batch_size, passes.overhead))
        for rows in epoch_order(len(lengths), batch_size, generator)
    )


def evaluation_parts(lengths: np.ndarray, packed: bool = False) -> tuple[Part, ...]:
    """Batches of a pass without gradients."""
    return tuple(Part.of(lengths[rows], packed) for rows in (end_to_end_batches if packed else evaluation_batches)(lengths))


def estimated_lengths(texts: Sequence[tuple[str, ...]], max_length: int) -> np.ndarray:
    """Tokens of each row by its characters."""

    def tokens(text: str) -> float:
        hangul = len(_HANGUL.findall(text))
        return hangul / HANGUL_CHARACTERS + (len(text) - hangul) / OTHER_CHARACTERS

    counts = [SPECIAL_TOKENS + sum(map(tokens, row)) for row in texts]
    lengths: np.ndarray = np.clip(np.ceil(np.array(counts, dtype=float)), 1, max_length).astype(np.int64)
    return lengths
