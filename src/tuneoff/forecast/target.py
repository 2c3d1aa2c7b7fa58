"""Devices that a forecast is made for: this machine, and GPUs that users have."""

from dataclasses import dataclass
from typing import Literal

import torch

from tuneoff.backbone import Format, dtype_of, has_bf16
from tuneoff.backbone.precision import BF16_CAPABILITY
from tuneoff.errors import RefusedError, UsageError
from tuneoff.measure.environment import memory_bytes
from tuneoff.measure.host import memory_limit
from tuneoff.spec import Precision, nearest

GIB = 1 << 30
#: What CUDA itself takes of a GPU beside PyTorch's tensors: context, kernels, cuBLAS' handles. "Non-PyTorch memory" in the
#: out-of-memory messages that users report: about 0.1 GiB on a T4, 0.4 to 0.6 GiB from Ampere on. Not allocated, not reserved.
CONTEXT, CONTEXT_BEFORE_AMPERE = GIB * 6 // 10, GIB * 2 // 10


@dataclass(frozen=True)
class Target:
    """A device as far as a forecast of memory depends on it.

    Attributes:
        name: as people call it.
        kind: CPU or GPU.
        bf16: its matrix products are done in bf16 by hardware.
        capability: compute capability of a GPU.
        total: bytes of the device as PyTorch reports them, less than the number on the box; ``None`` where nothing limits.
    """

    name: str
    kind: Literal["cpu", "cuda"]
    bf16: bool
    capability: tuple[int, int] | None = None
    total: int | None = None

    def precision(self, asked: Precision) -> Format:
        """The format that a trial takes there, by the rule of :func:`~tuneoff.backbone.pick_precision`.

        Raises:
            RefusedError: fp16 was asked for on a CPU.
        """
        if asked == "fp16" and self.kind != "cuda":
            raise RefusedError("backbone.no_fp16", where="train.precision", device=self.kind)
        if asked != "auto":
            return asked
        return "bf16" if self.bf16 else "fp16" if self.kind == "cuda" else "fp32"

    @property
    def compute_dtype(self) -> torch.dtype:
        """What products with 4-bit weights are done in."""
        return dtype_of(self.precision("auto"))

    @property
    def usable(self) -> int | None:
        """Bytes that tensors can have."""
        if self.total is None or self.capability is None:
            return self.total
        return self.total - (CONTEXT if self.capability >= BF16_CAPABILITY else CONTEXT_BEFORE_AMPERE)


@dataclass(frozen=True)
class Gpu:
    """A GPU that users have, with its makers' rates.

    Attributes:
        target: for its memory.
        half_flops: dense products in fp16 or bf16 with sums in fp32, a second.
        single_flops: products in fp32.
        bytes: of memory, a second.
    """

    target: Target
    half_flops: float
    single_flops: float
    bytes: float

    @property
    def name(self) -> str:
        """As people call it."""
        return self.target.name


def _gpu(name: str, capability: tuple[int, int], total: float, half: float, single: float, speed: float) -> Gpu:
    bf16 = capability >= BF16_CAPABILITY
    return Gpu(Target(name, "cuda", bf16, capability, int(total * GIB)), half * 1e12, single * 1e12, speed * 1e9)


#: Memory: the least that PyTorch reports in out-of-memory messages ("total capacity of … GiB") of public issue threads, for
#: drivers and error correction differ. Rates: the makers' data sheets, tera-operations (without sparsity) and GB a second.
GPUS = (
    _gpu("T4", (7, 5), 14.56, 65, 8.1, 320),
    _gpu("V100-16GB", (7, 0), 15.77, 125, 15.7, 900),
    _gpu("L4", (8, 9), 22.03, 121, 30.3, 300),
    _gpu("RTX-3090", (8, 6), 23.56, 71, 35.6, 936),
    _gpu("RTX-4090", (8, 9), 23.51, 165, 82.6, 1008),
    _gpu("V100-32GB", (7, 0), 31.73, 125, 15.7, 900),
    _gpu("A100-40GB", (8, 0), 39.38, 312, 19.5, 1555),
    _gpu("A100-80GB", (8, 0), 79.14, 312, 19.5, 2039),
    _gpu("H100", (9, 0), 79.18, 989, 67, 3350),
    _gpu("H200", (9, 0), 139.72, 989, 67, 4800),
)


def find_gpu(name: str) -> Gpu:
    """The GPU of this name, however it is spelt.

    Raises:
        UsageError: the table has none.
    """

    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.lower()))

    asked = plain(name)
    matching = [gpu for gpu in GPUS if plain(gpu.name) == asked] or [gpu for gpu in GPUS if plain(gpu.name).removesuffix("gb") == asked]
    matching = matching or [gpu for gpu in GPUS if asked and asked in plain(gpu.name)]
    if not matching:
        names = [gpu.name for gpu in GPUS]
        raise UsageError("forecast.unknown_gpu", gpu=name, nearest=nearest(name, names), known=", ".join(names))
    return matching[0]


def this_device() -> Target:
    """What trials on this machine use: the first GPU, else the processor."""
    if not torch.cuda.is_available():
        return Target("CPU", "cpu", has_bf16(torch.device("cpu")), total=memory_limit() or memory_bytes())
    facts = torch.cuda.get_device_properties(0)
    return Target(facts.name, "cuda", (facts.major, facts.minor) >= BF16_CAPABILITY, (facts.major, facts.minor), facts.total_memory)
