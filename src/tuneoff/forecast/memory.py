"""A log of storages → the peak of a stretch, and what it consists of."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from tuneoff.backbone import Format
from tuneoff.forecast.allocator import MIN_BLOCK, CachingAllocator
from tuneoff.forecast.storages import Log

PARTS = ("weights", "gradients", "optimiser", "best_epoch", "activations", "workspace")
#: What cuBLAS takes of PyTorch's allocator at its first product: ``:4096:2:16:8`` of CUBLAS_WORKSPACE_CONFIG, on Hopper 32 MiB
#: (``aten/src/ATen/cuda/CublasHandlePool.cpp``). One for cuBLAS and cuBLASLt together.
CUBLAS_WORKSPACE, CUBLAS_WORKSPACE_HOPPER = (2 * 4096 + 8 * 16) << 10, 32 << 20
HOPPER = (9, 0)
#: What a process on a CPU takes beyond its live tensors, pages of library files left out, fitted to the demos of both languages
#: (docs/forecast.md has each method). Of steps alone, as ``plan --measure`` makes them: work space of matrix kernels and what malloc
#: keeps, a little where a frozen backbone is read and more where it trains on tokens. Of a trial also: data, tokenizer, what loading
#: the weights left, and more of weights that were quantised as they were loaded; and where it trains on tokens, holes that batches of
#: many lengths leave, as much again as lives for a moment.
READING_OVERHEAD, STEPS_OVERHEAD, TRIAL_OVERHEAD, QUANTISED_OVERHEAD = 6_000_000, 77_000_000, 75_000_000, 38_000_000
#: In fp32 there are no kernels made for each shape, no weights laid out anew and none left from loading. Where a backbone trains, what
#: is left are holes, nine tenths of what lives for a moment (fitted to the demo of one processor without bf16).
HOLES_IN_FULL_PRECISION = 0.9
#: Mark of a log whose weights are quantised.
QUANTISED = "quantised"
#: What lives for a moment.
TRANSIENT = ("activations", "workspace")


@dataclass(frozen=True)
class PeakForecast:
    """The highest use of a stretch, in bytes.

    Attributes:
        bytes: live tensors; on a GPU as its allocator rounds them, cuBLAS' workspace included.
        held: what the device gives for them: on a GPU the segments of PyTorch's allocator (``max_memory_reserved``), on a CPU the
            process's own memory above its start, as :class:`~tuneoff.measure.MemoryMeter` counts it.
        phase: of the code at that moment.
        parts: the bytes by kind. ``best_epoch`` is the copy of the best epoch's weights, ``workspace`` all that lives for a moment.
        trial: on a CPU, bytes of ``held`` that a trial has and its steps alone have not.
    """

    bytes: int
    held: int
    phase: str
    parts: dict[str, int]
    trial: int = 0

    @property
    def resident_in_steps(self) -> int:
        """On a CPU, resident size of a process that makes these steps and no trial of them."""
        return self.held - self.trial

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {name: value for name, value in asdict(self).items() if name != "trial"}


@dataclass(frozen=True)
class Timeline:
    """A log with what is known of its storages, ready to be asked for the peak of a stretch.

    Args:
        log: of storages.
        kinds: storage → kind, where it is known.
        gpu: follow the caching allocator of a GPU of this compute capability; ``None`` on a CPU.
        precision: of the products.
    """

    log: Log
    kinds: dict[int, str]
    gpu: tuple[int, int] | None = None
    precision: Format = "bf16"

    def peaks(self, *names: str) -> list[PeakForecast]:
        """The highest use between each two neighbours of these marks, each the first of its name."""
        places = [next(place for place, mark in self.log.marks if mark == name) for name in names]
        stretches = list(pairwise(places))
        reserved: list[tuple[int, int] | None] = [None] * len(stretches)
        if self.gpu is not None:
            allocator = CachingAllocator()
            allocator.replay([(-1, CUBLAS_WORKSPACE_HOPPER if self.gpu >= HOPPER else CUBLAS_WORKSPACE), *self.log.events[: places[0]]])
            for number, (begin, end) in enumerate(stretches):
                allocator.reset_peaks()
                allocator.replay(self.log.events[begin:end])
                reserved[number] = allocator.allocated_peak, allocator.reserved_peak
        found = [self._peak(begin, end, held) for (begin, end), held in zip(stretches, reserved, strict=True)]
        # Neither an allocator nor a process gives back what it once held.
        return [replace(peak, held=max(one.held for one in found[: number + 1])) for number, peak in enumerate(found)]

    def _peak(self, begin: int, end: int, held: tuple[int, int] | None) -> PeakForecast:
        moment = self._moment(begin, end)
        parts = self._parts(moment)
        phase = [name for place, name in self.log.marks if place <= moment][-1]
        if held is None:
            live = sum(parts.values())
            steps, trial = self._overheads(sum(parts[kind] for kind in TRANSIENT))
            return PeakForecast(live, live + steps + trial, phase, parts, trial)
        allocated, reserved = held
        parts["workspace"] += allocated - sum(parts.values())
        return PeakForecast(allocated, reserved, phase, parts)

    def _overheads(self, transient: int) -> tuple[int, int]:
        """What a process on a CPU takes beyond its live tensors: for steps alone, and a trial's more."""
        marks = {name for _, name in self.log.marks}
        reading, full = "read" in marks, self.precision == "fp32"
        holes = 0 if reading else round(transient * (HOLES_IN_FULL_PRECISION if full else 1))
        quantised = QUANTISED_OVERHEAD if QUANTISED in marks else 0
        steps = READING_OVERHEAD if reading else 0 if full else STEPS_OVERHEAD
        return steps, holes + quantised + (0 if full else TRIAL_OVERHEAD)

    def _moment(self, begin: int, end: int) -> int:
        """Number of the event after which most was alive."""
        alive = np.cumsum(self._sizes[:end])
        return begin + int(alive[begin:].argmax()) if end > begin else end - 1

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Bytes of each event, as the allocator rounds them."""
        sizes = np.array([size for _, size in self.log.events], dtype=np.int64)
        if self.gpu is None:
            return sizes
        blocks: np.ndarray = np.sign(sizes) * -(-np.abs(sizes) // MIN_BLOCK) * MIN_BLOCK
        return blocks

    def _parts(self, moment: int) -> dict[str, int]:
        alive: dict[int, int] = {}
        for number, (storage, size) in enumerate(self.log.events[: moment + 1]):
            if size >= 0:
                alive[storage] = number
            else:
                del alive[storage]
        forward, backward = self._pass(moment)
        ended = {storage for storage, size in self.log.events[moment + 1 : max(moment + 1, backward)] if size < 0}
        parts = dict.fromkeys(PARTS, 0)
        for storage, born in alive.items():
            kept = forward <= born < backward and storage not in ended
            parts[self.kinds.get(storage, "activations" if kept else "workspace")] += int(self._sizes[born])
        return parts

    def _pass(self, moment: int) -> tuple[int, int]:
        """Where the forward pass that this moment belongs to begins (with its batch) and ends; both 0 outside of training."""
        begin = end = 0
        for (place, name), following in zip(self.log.marks, [*self.log.marks[1:], (len(self.log.events), "end")], strict=True):
            if place > moment:
                break
            if name in ("batch", "forward"):
                begin = place if name == "batch" or end else begin
                end = following[0] if name == "forward" else 0
            elif name in ("validate", "evaluate", "update"):
                begin = end = 0
        return begin, end
