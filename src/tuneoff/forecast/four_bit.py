"""A backbone in 4 bits on the meta device, laid out as bitsandbytes lays it out: NF4 in blocks of 64, scales quantised once more.

Per weight that is half a byte, a byte for each block of 64 and four bytes for each 256 blocks: 4.13 bits (Dettmers et al. 2023).
"""

from typing import Any

import torch
from torch import nn

from tuneoff.forecast.operation import facts_of

#: Weights that share a scale; scales that share a scale.
BLOCK, OUTER_BLOCK = 64, 256


def quantise(model: nn.Module, quantisation: Any) -> None:
    """Replace the linear layers of a model as loading it with this ``BitsAndBytesConfig`` would.

    Args:
        model: on the meta device, where the layers become empty ones, or on a real one.
        quantisation: with the modules to leave alone.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    before = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    replace_with_bnb_linear(model, quantisation.llm_int8_skip_modules, quantisation)
    for name, module in model.named_modules():
        if not isinstance(module, Linear4bit):
            continue
        old = before.pop(name)
        module.bias = old.bias
        weight, device = old.weight.data, old.weight.device
        if device.type == "meta":
            packed = torch.empty((weight.numel() + 1) // 2, 1, dtype=torch.uint8, device=device)
            module.weight = Params4bit(packed, quant_state=_state(weight.shape, weight.dtype), module=module, bnb_quantized=True)
        else:
            options = {"quant_type": quantisation.bnb_4bit_quant_type, "compress_statistics": quantisation.bnb_4bit_use_double_quant}
            module.weight = Params4bit(weight, requires_grad=False, module=module, **options).to(device)
        module.quant_state = module.weight.quant_state


def _state(shape: torch.Size, dtype: torch.dtype) -> Any:
    from bitsandbytes.functional import QuantState

    def numbers(*size: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(size, dtype=kind, device="meta")

    blocks = -(-shape.numel() // BLOCK)
    outer = QuantState(absmax=numbers(-(-blocks // OUTER_BLOCK)), code=numbers(256), blocksize=OUTER_BLOCK, dtype=torch.float32)
    inner = numbers(blocks, kind=torch.uint8)
    return QuantState(inner, shape, numbers(16), BLOCK, "nf4", dtype, numbers(), outer)


def state_tensors(model: nn.Module) -> list[torch.Tensor]:
    """Scales and code books of the 4-bit layers: no parameters, but memory."""
    found: list[torch.Tensor] = []
    for module in model.modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if state is not None:
            found += [state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code]
    return found


def dequantised_bytes(operation: Any, args: tuple[Any, ...]) -> int:
    """What a product with 4-bit weights allocates and frees inside itself: the weights in the format of the product, and their scales.

    Above a few rows bitsandbytes 0.50 takes this way on every GPU; below, its own kernels need no copy.
    """
    if facts_of(operation).name != "bitsandbytes::gemm_4bit":
        return 0
    inputs, _, (rows, columns) = args[:3]
    weights = int(rows * columns)
    return weights * int(inputs.element_size()) + 4 * -(-weights // BLOCK)
