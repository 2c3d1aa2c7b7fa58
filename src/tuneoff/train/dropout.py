"""Dropout whose random numbers do not dominate a CPU step.

PyTorch draws one double an element for a CPU dropout, serially. Here one 64-bit draw of SFC64 (Doty-Humphrey's generator, in
NumPy) gives four elements of 15 bits each, so that the probability is exact to 2⁻¹⁵, and the mask is all ones or all zeros in
an integer of the element's width, applied by a bitwise *and*, with the same expectation and variance.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

_LEVELS = 1 << 15
_BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}


class MaskSource:
    """Random masks from one seeded stream."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.Generator(np.random.SFC64(seed))

    def words(self, count: int) -> torch.Tensor:
        """So many random 64-bit integers."""
        return torch.from_numpy(self.generator.integers(-(2**63), 2**63, count, dtype=np.int64))

    def draw(self, shape: torch.Size, probability: float) -> torch.Tensor:
        """An int16 mask of this shape: -1 (all bits set) with ``1 - probability``, else 0."""
        count = shape.numel()
        draws = self.words((count + 3) // 4).view(torch.int16)[:count]
        keep = round((1.0 - probability) * _LEVELS)
        # 15 random bits minus the threshold: negative, so all ones after an arithmetic shift, with the wanted probability.
        return draws.bitwise_and_(_LEVELS - 1).sub_(keep).bitwise_right_shift_(15).view(shape)


def _apply(values: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
    bits = _BITS[values.dtype]
    scaled = values * scale
    scaled.view(bits).bitwise_and_(mask if bits == torch.int16 else mask.to(bits))
    return scaled


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return _apply(values.contiguous(), mask, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return _apply(gradients[0].contiguous(), mask, ctx.scale), None, None


def dropout(values: torch.Tensor, probability: float, source: MaskSource) -> torch.Tensor:
    """Zero elements with this probability and scale the rest, on a CPU."""
    mask = source.draw(values.shape, probability)
    dropped: torch.Tensor = _Dropout.apply(values, mask, 1.0 / (1.0 - probability))  # type: ignore[no-untyped-call]
    return dropped


class FastDropout(nn.Dropout):
    """``nn.Dropout`` by :func:`dropout`."""

    def __init__(self, probability: float, source: MaskSource) -> None:
        super().__init__(probability)
        self.source = source

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Identity in evaluation."""
        return dropout(input, self.p, self.source) if self.training and self.p > 0 else input
