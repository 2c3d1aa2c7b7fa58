"""What a trial works on, as far as memory and time depend on it: batches by shape, precision, device."""

from dataclasses import dataclass

import numpy as np
import torch

from tuneoff.backbone import BackboneFacts, Format
from tuneoff.forecast.target import Target
from tuneoff.methods import Method
from tuneoff.spec import PretrainSpec, TrainSpec


@dataclass(frozen=True)
class Part:
    """A batch, or a part of one.

    Attributes:
        rows: how many.
        length: of the padded rows.
        lengths: of each row, where the model lays rows end to end (:mod:`tuneoff.train.packed`); empty where it pads them.
    """

    rows: int
    length: int
    lengths: tuple[int, ...] = ()

    @classmethod
    def of(cls, lengths: np.ndarray, packed: bool = False) -> "Part":
        """Rows of these lengths."""
        return cls(len(lengths), int(lengths.max()), tuple(map(int, lengths)) if packed else ())

    @property
    def tokens(self) -> int:
        """How many are computed."""
        return sum(self.lengths) or self.rows * self.length


@dataclass(frozen=True)
class Scene:
    """A method on a backbone with its batches.

    Attributes:
        method: what trains; ``None`` for continued pretraining.
        facts: of the backbone, with the study's number of labels.
        target: the device.
        precision: what the forward pass computes in.
        train: batch size, checkpointing, decay, clipping.
        epochs: passes over the training rows.
        steps: updates to rehearse, each the parts whose gradients are added up.
        evaluation: the heaviest batch without gradients.
        used_rows: rows of the input embedding that the training texts use.
        pairs: rows are pairs of texts, told apart by token types.
        stored_rows: rows whose features are kept, where the backbone stays frozen.
        pretrain: of continued pretraining.
        trust_remote_code: as in the study file.
        whole: all is rehearsed; else only what the peak of memory needs, which is a third less: what ``steps`` has without parts is an
            update with gradients that no batch gave, and no evaluation follows the last validation, beside which more is alive.
    """

    method: Method | None
    facts: BackboneFacts
    target: Target
    precision: Format
    train: TrainSpec
    epochs: int
    steps: tuple[tuple[Part, ...], ...]
    evaluation: Part
    used_rows: int
    pairs: bool = False
    stored_rows: int = 0
    pretrain: PretrainSpec | None = None
    trust_remote_code: bool = False
    whole: bool = True

    @property
    def loading_dtype(self) -> torch.dtype:
        """Format that the weights are loaded in."""
        frozen = self.method is not None and not self.method.facts.trains_backbone
        return torch.bfloat16 if frozen and self.precision == "bf16" else torch.float32
