"""What a device does in a second: a GPU's by its maker's rates and a stated efficiency, this machine's by a short probe."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch

from tuneoff.forecast.target import Gpu
from tuneoff.forecast.work import Rates

#: Share of a GPU's peak rates that its kernels reach, low and high. Whole training runs that publish it reach 38 to 46 % of the
#: peak in products (PaLM, arXiv:2204.02311; Llama 3, arXiv:2407.21783) with the rest of the step included; single products of
#: these sizes reach more. Memory-bound kernels come closer to the peak. An assumption until ``bench/gpu_truth.py`` has run.
PRODUCT_EFFICIENCY = (0.35, 0.7)
MEMORY_EFFICIENCY = (0.6, 0.9)
#: Seconds that PyTorch needs to queue an operation of a training step, its share of Python included; slow and fast hosts.
LAUNCH = (15e-6, 6e-6)
#: A probe is of one kind of product in one moment: how much slower and faster than it says a step may be.
PROBE_SLOWER, PROBE_FASTER = 1.4, 0.85
PROBE_SECONDS = 0.15


@dataclass(frozen=True)
class Speed:
    """Rates at their lowest and at their highest, and where they come from: ``probe`` or ``datasheet``."""

    slow: Rates
    fast: Rates
    source: str


def speed_of(gpu: Gpu) -> Speed:
    """A GPU's rates."""

    def rates(which: int) -> Rates:
        moved = gpu.bytes * MEMORY_EFFICIENCY[which]
        products = gpu.half_flops * PRODUCT_EFFICIENCY[which], gpu.single_flops * PRODUCT_EFFICIENCY[which]
        return Rates(*products, moved, moved, LAUNCH[which], overlaps=True)

    return Speed(rates(0), rates(1), "datasheet")


def probe(device: torch.device) -> Speed:
    """Measure this machine for a second: products in fp32 and bf16, an addition, a GELU, and how long an operation takes to start."""
    rows, width = (512, 768) if device.type == "cpu" else (4096, 4096)

    def product(dtype: torch.dtype) -> float:
        left, right = (torch.randn(size, width, device=device).to(dtype) for size in (rows, width))
        return 2 * rows * width**2 / _typical(lambda: torch.mm(left, right), device)

    numbers = torch.randn(1 << 22, device=device)
    more, result = torch.randn_like(numbers), torch.empty_like(numbers)
    size = numbers.numel() * numbers.element_size()
    small = torch.randn(8, device=device, requires_grad=True)
    measured = Rates(
        half_flops=product(torch.float16 if device.type == "cuda" and not torch.cuda.is_bf16_supported(False) else torch.bfloat16),
        single_flops=product(torch.float32),
        bytes=3 * size / _typical(lambda: torch.add(numbers, more, out=result), device),
        dear_bytes=2 * size / _typical(lambda: torch.nn.functional.gelu(numbers), device),
        # Forward and backward each start an operation; Python's share of a module's call comes on top.
        launch=3 * _typical(lambda: small + 1.0, device),
        overlaps=device.type == "cuda",
    )
    return Speed(_scaled(measured, 1 / PROBE_SLOWER), _scaled(measured, 1 / PROBE_FASTER), "probe")


def _scaled(rates: Rates, factor: float) -> Rates:
    return replace(
        rates,
        half_flops=rates.half_flops * factor,
        single_flops=rates.single_flops * factor,
        bytes=rates.bytes * factor,
        dear_bytes=rates.dear_bytes * factor,
        launch=rates.launch / factor,
    )


def _typical(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the median of as many as fit into the probe's time: a step seldom finds the caches as the fastest does."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    work()
    seconds, end = [], time.perf_counter() + PROBE_SECONDS
    while time.perf_counter() < end:
        wait()
        start = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
