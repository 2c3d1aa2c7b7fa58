"""Which number format a device should train in."""

from typing import Literal, TypeAlias

import torch

from tuneoff.errors import RefusedError
from tuneoff.spec import Precision

Format: TypeAlias = Literal["fp32", "bf16", "fp16"]
#: A T4 says yes to bf16 by emulating it; from this capability on (Ampere) it is real.
BF16_CAPABILITY = (8, 0)


def pick_device() -> torch.device:
    """The first GPU, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products are done in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= BF16_CAPABILITY
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def pick_precision(asked: Precision, device: torch.device) -> Format:
    """``auto``: bf16 where it is real, fp16 on older GPUs, fp32 elsewhere.

    Raises:
        RefusedError: fp16 was asked for on a device that cannot scale gradients.
    """
    if asked == "auto":
        return "bf16" if has_bf16(device) else "fp16" if device.type == "cuda" else "fp32"
    if asked == "fp16" and device.type != "cuda":
        raise RefusedError("backbone.no_fp16", where="train.precision", device=device.type)
    return asked


def dtype_of(precision: Format) -> torch.dtype:
    """The torch type of a format."""
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
