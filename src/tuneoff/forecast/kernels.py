"""Which attention kernel a device takes, and that kernel's memory on the meta device, where PyTorch itself knows only the unfused one.

The unfused kernel keeps a matrix of length × length for each head, which made forecasts for Llama and Qwen 9–13 % too large.
The rules for GPUs are those of ``aten/src/ATen/native/transformers/cuda/sdp_utils.cpp`` and ``attention.cpp``; cuDNN's kernel,
which recent GPUs prefer, keeps what the flash kernel keeps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, TypeAlias

import torch
from torch.nn import functional
from torch.nn.functional import pad
from torch.overrides import handle_torch_function

aten = torch.ops.aten
Kernel: TypeAlias = Literal["cpu", "flash", "efficient", "math"]
#: (query, key, value, mask, dropout, causal, grouped) → the kernel.
Choose: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, float, bool, bool], Kernel]

FLASH_CAPABILITY, FLASH_LARGEST_HEAD = (8, 0), 256
#: Flash pads heads, the efficient kernel refuses heads and pads masks that are no multiple of this.
MULTIPLE = 8
#: Rows and head width to which backward kernels round their fp32 accumulator of the queries' gradient.
ACCUMULATOR_ROWS, ACCUMULATOR_HEAD = 128, 32
_FLASH_ON_CPU = 1  # SDPBackend::flash_attention, which on a CPU is its own kernel.


@contextmanager
def attention(choose: Choose) -> Iterator[None]:
    """While inside, attention on the meta device has the memory of the kernel that ``choose`` names."""
    whole = functional.scaled_dot_product_attention

    def scaled_dot_product_attention(query: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if torch._C._is_torch_function_mode_enabled():
            return handle_torch_function(scaled_dot_product_attention, (), query, *args, **kwargs)
        if query.device.type != "meta":
            return whole(query, *args, **kwargs)
        return _attend(choose, query, *args, **kwargs)

    functional.scaled_dot_product_attention = scaled_dot_product_attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = whole


def on_cpu(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, dropout: float, causal: bool, grouped: bool
) -> Kernel:
    """The kernel that PyTorch itself takes on a CPU: it is asked."""
    masked = None if mask is None else (mask.shape, mask.dtype, mask.requires_grad)
    shapes = query.shape, key.shape, value.shape, query.dtype, query.requires_grad or key.requires_grad
    return "cpu" if _asked(shapes, masked, dropout, causal, grouped) == _FLASH_ON_CPU else "math"


@cache
def _asked(shapes: tuple[Any, ...], masked: tuple[Any, ...] | None, dropout: float, causal: bool, grouped: bool) -> int:
    # Untouched memory: the question looks at shapes and formats, and such pages are never filled.
    *sizes, dtype, gradient = shapes
    query, key, value = (torch.empty(size, dtype=dtype, requires_grad=gradient) for size in sizes)
    mask = None if masked is None else torch.empty(masked[0], dtype=masked[1], requires_grad=masked[2])
    return int(torch._fused_sdp_choice(query, key, value, mask, dropout, causal, enable_gqa=grouped))


def on_gpu(capability: tuple[int, int]) -> Choose:
    """The kernel that PyTorch takes on a GPU of this compute capability."""

    def choose(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, dropout: float, causal: bool, grouped: bool
    ) -> Kernel:
        head, half = query.shape[-1], query.dtype in (torch.float16, torch.bfloat16)
        if mask is None and half and capability >= FLASH_CAPABILITY and key.shape[-1] == value.shape[-1] == head <= FLASH_LARGEST_HEAD:
            return "flash"
        known = query.dtype != torch.bfloat16 or capability >= FLASH_CAPABILITY
        aligned = head % MULTIPLE == 0 and value.shape[-1] % MULTIPLE == 0
        return "efficient" if known and aligned and query.dtype != torch.float64 else "math"

    return choose


_BACKWARD = frozenset(
    (aten._scaled_dot_product_flash_attention_backward.default, aten._scaled_dot_product_efficient_attention_backward.default)
)


def accumulator_bytes(operation: Any, args: tuple[Any, ...]) -> int:
    """What the fused backward kernels of a GPU allocate and free inside themselves: an fp32 sum of the queries' gradient."""
    if operation not in _BACKWARD:
        return 0
    batch, heads, length, head = args[1].shape
    rows, width = _rounded(length, ACCUMULATOR_ROWS), _rounded(head, ACCUMULATOR_HEAD)
    return int(4 * batch * heads * rows * (width + 1))


def _rounded(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _attend(
    choose: Choose,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """What ``scaled_dot_product_attention`` does once the kernel is chosen."""
    kernel = choose(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    if kernel == "math":
        options: Any = {"scale": scale, "enable_gqa": enable_gqa}
        return torch._C._nn.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **options)
    bias = _as_bias(attn_mask, query.dtype)
    out: torch.Tensor
    if kernel == "cpu":
        out = aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, dropout_p, is_causal, attn_mask=bias, scale=scale)[0]
    elif kernel == "flash":
        head = query.shape[-1]
        if missing := -head % MULTIPLE:
            query, key, value = (pad(part, [0, missing]) for part in (query, key, value))
        out = aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, is_causal, scale=scale)[0][..., :head]
    else:
        if enable_gqa:  # Its backward pass knows no groups.
            key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], 1) for part in (key, value))
        if bias is not None:
            bias = _aligned(bias).expand(*query.shape[:3], key.shape[2])
        keep = query.requires_grad or key.requires_grad or value.requires_grad
        out = aten._scaled_dot_product_efficient_attention(query, key, value, bias, keep, dropout_p, is_causal, scale=scale)[0]
    return out


def _as_bias(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """A mask as numbers to add to the scores."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    zero, low = (torch.scalar_tensor(number, dtype=dtype, device=mask.device) for number in (0.0, float("-inf")))
    return torch.where(mask, zero, low)


def _aligned(bias: torch.Tensor) -> torch.Tensor:
    if bias.stride(-1) == 1 and all(stride % MULTIPLE == 0 for stride in bias.stride()[:-1]):
        return bias
    length = bias.shape[-1]
    return pad(bias, [0, MULTIPLE - length % MULTIPLE])[..., :length]
