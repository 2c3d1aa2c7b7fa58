"""What a device does in a second: a GPU's by its maker's rates and a stated efficiency; this machine is asked in ``probe.py``."""

from dataclasses import dataclass

from tuneoff.forecast.target import Gpu
from tuneoff.forecast.work import Rates

#: Share of a GPU's peak rates that its kernels reach, low and high. Whole training runs that publish it reach 38 to 46 % of the
#: peak in products (PaLM, arXiv:2204.02311; Llama 3, arXiv:2407.21783) with the rest of the step included; single products of
#: these sizes reach more. Memory-bound kernels come closer to the peak. An assumption until ``bench/gpu_truth.py`` has run.
PRODUCT_EFFICIENCY = (0.35, 0.7)
MEMORY_EFFICIENCY = (0.6, 0.9)
#: Seconds that PyTorch needs to queue an operation of a training step, its share of Python included; slow and fast hosts.
LAUNCH = (15e-6, 6e-6)


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
