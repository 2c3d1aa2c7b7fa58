"""How much computing an operation is: multiplications in products, bytes moved, and whether it is cheap or dear for each byte."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

from tuneoff.forecast.operation import facts_of


class Cost(NamedTuple):
    """Of one operation: floating-point operations of products, bytes read and written, element format, dearness."""

    flops: int
    bytes: int
    half: bool
    dear: bool

    def seconds(self, rates: "Rates") -> float:
        """How long it keeps the device busy."""
        product = self.flops / (rates.half_flops if self.half else rates.single_flops)
        return max(product, self.bytes / (rates.dear_bytes if self.dear else rates.bytes))


@dataclass(frozen=True)
class Rates:
    """What a device does in a second.

    Attributes:
        half_flops: floating-point operations of products in bf16 or fp16.
        single_flops: the same in fp32.
        bytes: read and written by cheap operations.
        dear_bytes: the same by dear ones.
        launch: seconds that starting an operation takes.
        overlaps: operations are queued while others run, as on a GPU.
        passes: how much longer operations take in a model's passes, forward and back, than alone.
    """

    half_flops: float
    single_flops: float
    bytes: float
    dear_bytes: float
    launch: float
    overlaps: bool
    passes: float = 1.0

    def times(self, factor: float) -> "Rates":
        """Of a device that is so many times as fast."""
        return replace(
            self,
            half_flops=self.half_flops * factor,
            single_flops=self.single_flops * factor,
            bytes=self.bytes * factor,
            dear_bytes=self.dear_bytes * factor,
            launch=self.launch / factor,
        )


@dataclass
class Operations:
    """Operations of one stretch, by their cost."""

    costs: Counter[Cost] = field(default_factory=Counter)

    def __len__(self) -> int:
        return self.costs.total()

    @property
    def flops(self) -> int:
        """Of all products."""
        return sum(cost.flops * times for cost, times in self.costs.items())

    def seconds(self, rates: Rates) -> float:
        """How long they take one after the other."""
        busy = sum(cost.seconds(rates) * times for cost, times in self.costs.items())
        started = len(self) * rates.launch
        return max(busy, started) if rates.overlaps else busy + started


class WorkLog:
    """Collects operations by phase; handed to :class:`~tuneoff.forecast.storages.Storages` and told of each phase."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, Operations]] = []

    def mark(self, phase: str) -> None:
        """A phase begins."""
        self.phases.append((phase, Operations()))

    def __call__(self, operation: Any, args: tuple[Any, ...], result: Any) -> None:
        """Note one operation."""
        if self.phases and not facts_of(operation).free:
            self.phases[-1][1].costs[_cost(operation, args, result)] += 1


def _cost(operation: Any, args: tuple[Any, ...], result: Any) -> Cost:
    moved, half = 0, False
    for tensor in _tensors((*args, result)):
        size = tensor.element_size()
        moved += tensor.numel() * size
        half = half or (size == 2 and tensor.is_floating_point())
    formula = _formula(operation)
    return Cost(int(formula(*args, out_val=result)) if formula else 0, moved, half, facts_of(operation).dear)


def _tensors(values: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


@cache
def _formula(operation: Any) -> Any:
    return _OWN.get(facts_of(operation).name) or flop_registry.get(operation.overloadpacket)


def _product(left: torch.Tensor, right: torch.Tensor, *_: Any, out_val: torch.Tensor) -> int:
    return 2 * left.shape[-1] * out_val.numel()


def _sum_and_product(_: Any, left: torch.Tensor, right: torch.Tensor, *__: Any, out_val: torch.Tensor) -> int:
    return 2 * left.shape[-1] * out_val.numel()


def _cpu_forward(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, out_val: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _cpu_backward(gradient: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, out_val: Any) -> int:
    return int(sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape))


def _four_bit(inputs: torch.Tensor, _: Any, shape: Any, *__: Any, out_val: Any) -> int:
    return 2 * inputs.numel() * int(shape[0])


#: What torch's table lacks, and, without its detour over trees of arguments, what is asked for most.
_OWN = {
    "mm": _product,
    "bmm": _product,
    "addmm": _sum_and_product,
    "addmm_": _sum_and_product,
    "_scaled_dot_product_flash_attention_for_cpu": _cpu_forward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _cpu_backward,
    "bitsandbytes::gemm_4bit": _four_bit,
    "mkldnn::_linear_pointwise": _product,
}
