"""Bias and GELU in the same pass as their product, for a model that is read on a CPU in bf16.

PyTorch copies the bias into the result before it multiplies, and GELU reads and writes the widest activations of a layer once more:
a fifth of the time of a small encoder. oneDNN does both on the numbers that it has just summed up, in fp32, through the operation
that PyTorch's own compiler uses (``torch/_inductor/fx_passes/mkldnn_fusion.py``). It knows no gradients.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import torch
from torch import nn
from transformers.activations import GELUActivation

#: Names of a linear layer and of the activation that is called on its result, and on nothing else, in transformers' feed-forward blocks.
_ACTIVATED: Final = (("dense", "intermediate_act_fn"), ("lin1", "activation"))


@contextmanager
def fused_products(model: nn.Module) -> Iterator[None]:
    """While inside, the model's plain linear layers take one pass where nobody asks for gradients and numbers are bf16."""
    changed: list[nn.Module] = []
    if able():
        for module in model.modules():
            for linear, activation in _ACTIVATED:
                product, after = getattr(module, linear, None), getattr(module, activation, None)
                if _is_plain(product) and isinstance(after, GELUActivation) and after.act is nn.functional.gelu:
                    changed += _fuse(product, after)
        done = set(map(id, changed))
        for module in model.modules():
            if _is_plain(module) and id(module) not in done:
                changed += _fuse(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


@cache
def able() -> bool:
    """Whether this processor and this PyTorch do it."""
    operations: Any = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and hasattr(operations, "_linear_pointwise") and operations._is_mkldnn_bf16_supported()


def _is_plain(module: Any) -> bool:
    return type(module) is nn.Linear and "forward" not in vars(module)


def _fuse(linear: Any, activation: Any = None) -> list[nn.Module]:
    """Give the modules forward passes of their own; of the activation nothing is left to do where the product did it."""
    product = torch.ops.mkldnn._linear_pointwise.default
    kind, algorithm = ("none", None) if activation is None else ("gelu", "none")
    fused = False

    def multiply(values: torch.Tensor) -> torch.Tensor:
        nonlocal fused
        fused = not torch.is_grad_enabled() and values.dtype == linear.weight.dtype == torch.bfloat16
        if not fused:
            return nn.functional.linear(values, linear.weight, linear.bias)
        out: torch.Tensor = product(values, linear.weight, linear.bias, kind, [], algorithm)
        return out

    linear.forward = multiply
    if activation is None:
        return [linear]
    activation.forward = lambda values: values if fused else activation.act(values)
    return [linear, activation]
