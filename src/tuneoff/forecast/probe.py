"""What this machine does in a second: rates of single operations, and how much longer they take inside a training step."""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np
import torch
from transformers import BertConfig

from tuneoff.backbone import read_facts
from tuneoff.forecast.forecast import forecast_trial
from tuneoff.forecast.rehearse import rehearse
from tuneoff.forecast.scene import Part
from tuneoff.forecast.speed import Speed
from tuneoff.forecast.target import this_device
from tuneoff.forecast.watch import Watch
from tuneoff.forecast.work import Rates
from tuneoff.forecast.workload import Workload
from tuneoff.methods import Method, method_class
from tuneoff.spec import TrainSpec

#: A probe is of one moment and one model: how much slower and faster than it says a trial may be.
PROBE_SLOWER, PROBE_FASTER = 1.4, 0.75
PROBE_SECONDS: Final = 0.1
#: The step that is taken: two layers of a small encoder, rows of the length of a sentence. From 384 to 1024 wide and from 64 to 2,048
#: tokens, a step's operations took 2.5 to 4 times as long as alone; what is alike in all is measured in one.
WIDTH, ROWS, LENGTH = 384, 16, 28
WARMUP, STEPS = 3, 9


def probe(device: torch.device) -> Speed:
    """Measure this machine for a second: single operations, and on a CPU a few real training steps of a small model.

    Products in fp32 and bf16, an addition, a GELU, and how long an operation takes to start are measured again and again on the same
    numbers, which then lie in the caches. In a model they do not, threads wait for each other, and memory is new: all operations of a
    pass take longer, in about the same proportion.
    """
    rates = _alone(device)
    if device.type == "cpu":
        with torch.random.fork_rng([]):
            rates = replace(rates, passes=_passes(rates))
    return Speed(rates.times(1 / PROBE_SLOWER), rates.times(1 / PROBE_FASTER), "probe")


def _alone(device: torch.device) -> Rates:
    """Rates of operations that find their numbers in the caches."""
    rows, width = (512, 768) if device.type == "cpu" else (4096, 4096)

    def product(dtype: torch.dtype) -> float:
        left, right = (torch.randn(size, width, device=device).to(dtype) for size in (rows, width))
        return 2 * rows * width**2 / _typical(lambda: torch.mm(left, right), device)

    numbers = torch.randn(1 << 22, device=device)
    more, result = torch.randn_like(numbers), torch.empty_like(numbers)
    size = numbers.numel() * numbers.element_size()
    small = torch.randn(8, device=device, requires_grad=True)
    return Rates(
        half_flops=product(torch.float16 if device.type == "cuda" and not torch.cuda.is_bf16_supported(False) else torch.bfloat16),
        single_flops=product(torch.float32),
        bytes=3 * size / _typical(lambda: torch.add(numbers, more, out=result), device),
        dear_bytes=2 * size / _typical(lambda: torch.nn.functional.gelu(numbers), device),
        # Forward and backward each start an operation; Python's share of a module's call comes on top.
        launch=3 * _typical(lambda: small + 1.0, device),
        overlaps=device.type == "cuda",
    )


def _passes(rates: Rates) -> float:
    """How much longer the passes of a real step take than its operations would alone."""
    method = method_class("full")
    full = method(method.Config())
    assert isinstance(full, Method)
    heads = WIDTH // 64
    config = BertConfig(vocab_size=128, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=heads, intermediate_size=4 * WIDTH)
    part = Part.of(np.full(ROWS, LENGTH), packed=True)
    work = Workload(((part,),), (part,), (part,), (), config.vocab_size, ROWS, False, exact=True)
    train = TrainSpec(batch_size=ROWS, max_length=LENGTH)
    found = forecast_trial(full, read_facts("probe", "none", config), this_device(), train, 1, work)
    watch = _Stopwatch()
    rehearse(replace(found.scene, steps=((part,),) * (WARMUP + STEPS)), torch.device("cpu"), watch)
    seconds = [median(watch.seconds[phase][WARMUP:]) for phase in ("forward", "backward")]
    return sum(seconds) / found.pass_seconds(rates)


class _Stopwatch(Watch):
    """Seconds of each phase, every time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, list[float]] = {}
        self._phase, self._since = "", 0.0

    def mark(self, phase: str) -> None:
        """A phase begins, another ends."""
        now = time.perf_counter()
        self.seconds.setdefault(self._phase, []).append(now - self._since)
        self._phase, self._since = phase, time.perf_counter()


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
