"""LoRA and DoRA in the passes of their products, for a model that trains on a CPU.

PEFT writes ``base(x) + B(A(x)) * scaling``: three more passes over the widest activations of a layer on the way forward and two on
the way back, which take about as long as a small encoder's own products. Here the products add the update to what is there already:
forward to the layer's result, backward to the gradient of its input. DoRA's ``(m - 1) ⊙ (base(x) - b) + m ⊙ B(A(x)) * scaling`` beside
``base(x)`` is ``m ⊙ (W x + B(A(x)) * scaling) + b``, with the same scales ``m`` that PEFT computes.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn


class _LowRank(torch.autograd.Function):
    """``base(x) + scale · (x Aᵀ) Bᵀ`` where the base, a linear layer, is frozen; with or without its bias."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, base: Any, biased: bool, down: torch.Tensor, up: torch.Tensor, scale: float) -> torch.Tensor:
        rows_TI = x.reshape(-1, x.shape[-1])
        inner_TR = rows_TI @ down.t()
        result_TO: torch.Tensor = base(rows_TI) if biased else nn.functional.linear(rows_TI, base.weight)
        result_TO.addmm_(inner_TR, up.t(), alpha=scale)
        ctx.save_for_backward(x, inner_TR, down, up)
        ctx.base, ctx.scale = base, scale
        return result_TO.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inner_TR, down, up = ctx.saved_tensors
        gradient_TO = gradients[0].reshape(-1, len(up))
        to_inner_TR = (gradient_TO @ up).mul_(ctx.scale)
        to_up = (gradient_TO.t() @ inner_TR).mul_(ctx.scale)
        to_down = to_inner_TR.t() @ x.reshape(-1, x.shape[-1])
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = (gradient_TO @ _weight(ctx.base, x.dtype)).addmm_(to_inner_TR, down).view_as(x)
        return to_x, None, None, to_down, to_up, None


def _weight(base: Any, dtype: torch.dtype) -> torch.Tensor:
    """[out, in], where it is held in 4 bits in the format of the products."""
    weight: torch.Tensor = base.weight.data
    if type(base) is nn.Linear:
        return weight
    from bitsandbytes.functional import dequantize_4bit

    whole: torch.Tensor = dequantize_4bit(weight.view(-1, 1), base.weight.quant_state)
    return whole.to(dtype)


def fuse_low_rank(model: nn.Module) -> None:
    """Give PEFT's LoRA and DoRA layers such passes while they train, wherever nothing stands between their products.

    Others stay as they are: those with dropout, trained biases or several adapters, and other variants.
    """
    kinds = [_class("peft.tuners.lora.layer", "Linear"), _class("peft.tuners.lora.bnb", "Linear4bit")]
    for module in model.modules():
        if type(module) in kinds:
            module.forward = partial(_forward, module, module.forward)


def _class(module: str, name: str) -> type | None:
    """Of a library that has been loaded: a model with such layers has loaded it."""
    return getattr(sys.modules.get(module), name, None)


def _forward(layer: Any, otherwise: Callable[..., torch.Tensor], x: torch.Tensor, *args: Any, **named: Any) -> torch.Tensor:
    name = None if args or named or not layer.training else _only_adapter(layer)
    if name is None or x.dtype != layer.lora_A[name].weight.dtype:
        return otherwise(x, *args, **named)
    base, down, up, scale = layer.get_base_layer(), layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
    decomposed = name in layer.lora_variant
    result: torch.Tensor = _LowRank.apply(x, base, not decomposed, down.weight, up.weight, scale)  # type: ignore[no-untyped-call]
    if not decomposed:
        return result
    magnitude = layer.lora_magnitude_vector[name]
    with torch.no_grad():
        norm = magnitude.get_weight_norm(base.weight, magnitude.get_lora_weight(down, up), scale)
    scales = magnitude.weight / norm
    return result * scales if base.bias is None else torch.addcmul(base.bias, result, scales)


def _only_adapter(layer: Any) -> str | None:
    """Its name, where it is all that is added to a frozen layer."""
    from peft.tuners.lora.variants import DoraLinearVariant

    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return None
    base, name = layer.get_base_layer(), str(layer.active_adapters[0])
    variant = type(layer.lora_variant.get(name))
    plain = (
        name in layer.lora_A
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and not layer.lora_bias[name]
        and not any(parameter.requires_grad for parameter in base.parameters())
        and (variant is type(None) or (variant is DoraLinearVariant and type(base) is nn.Linear))
        and type(base) in (nn.Linear, _class("bitsandbytes.nn", "Linear4bit"))
    )
    return name if plain else None
