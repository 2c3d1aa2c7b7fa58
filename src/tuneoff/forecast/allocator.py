"""What PyTorch's caching allocator on a GPU makes of a log of births and ends: bytes allocated, and bytes reserved for them.

A replay of ``c10/cuda/CUDACachingAllocator.cpp`` with its default settings, on one stream: sizes are rounded, small ones share
segments of 2 MiB, middling ones of 20 MiB, large ones get their own; a freed block is kept and given to the smallest request
that it fits (best fit), cut where enough is left, and grown together with free neighbours.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

#: Constants of ``c10/core/AllocatorConfig.h`` and ``CUDACachingAllocator.cpp`` (PyTorch 2.13), in bytes.
MIN_BLOCK = 512
SMALL_REQUEST, SMALL_SEGMENT = 1 << 20, 2 << 20
LARGE_REQUEST, MIDDLE_SEGMENT, LARGE_ROUNDING = 10 << 20, 20 << 20, 2 << 20


@dataclass(eq=False)
class _Block:
    size: int
    small: bool
    number: int
    free: bool = False
    before: "_Block | None" = None
    after: "_Block | None" = None

    @property
    def place(self) -> tuple[int, int]:
        """Order of the pool of free blocks: smallest first, then oldest."""
        return self.size, self.number


@dataclass
class CachingAllocator:
    """Bytes allocated and reserved, now and at their highest."""

    allocated: int = 0
    reserved: int = 0
    allocated_peak: int = 0
    reserved_peak: int = 0
    _pools: dict[bool, list[tuple[int, int]]] = field(default_factory=lambda: {True: [], False: []})
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _held: dict[int, _Block] = field(default_factory=dict)

    def replay(self, events: Iterable[tuple[int, int]]) -> None:
        """Follow a log of ``(storage, bytes)`` for a birth and ``(storage, -bytes)`` for an end."""
        for storage, size in events:
            if size > 0:
                self._held[storage] = self._allocate(size)
            elif storage in self._held:
                self._release(self._held.pop(storage))

    def reset_peaks(self) -> None:
        """Begin a new stretch, as ``reset_peak_memory_stats`` does."""
        self.allocated_peak, self.reserved_peak = self.allocated, self.reserved

    def _allocate(self, asked: int) -> _Block:
        size = rounded(asked)
        small = size <= SMALL_REQUEST
        pool = self._pools[small]
        at = bisect_left(pool, (size, -1))
        if at < len(pool):
            block = self._blocks[pool.pop(at)[1]]
        else:
            block = _Block(segment(size), small, next(self._numbers))
            self._blocks[block.number] = block
            self.reserved += block.size
            self.reserved_peak = max(self.reserved_peak, self.reserved)
        left = block.size - size
        if left >= MIN_BLOCK if small else left > SMALL_REQUEST:
            rest = _Block(left, small, next(self._numbers), free=True, before=block, after=block.after)
            if block.after is not None:
                block.after.before = rest
            block.after, block.size = rest, size
            self._blocks[rest.number] = rest
            insort(pool, rest.place)
        block.free = False
        self.allocated += block.size
        self.allocated_peak = max(self.allocated_peak, self.allocated)
        return block

    def _release(self, block: _Block) -> None:
        self.allocated -= block.size
        pool = self._pools[block.small]
        for neighbour in (block.before, block.after):
            if neighbour is not None and neighbour.free:
                pool.pop(bisect_left(pool, neighbour.place))
                del self._blocks[neighbour.number]
                block.size += neighbour.size
                if neighbour is block.before:
                    block.before = neighbour.before
                    if block.before is not None:
                        block.before.after = block
                else:
                    block.after = neighbour.after
                    if block.after is not None:
                        block.after.before = block
        block.free = True
        insort(pool, block.place)


def rounded(size: int) -> int:
    """Bytes of the block that a request gets."""
    return max(MIN_BLOCK, -(-size // MIN_BLOCK) * MIN_BLOCK)


def segment(size: int) -> int:
    """Bytes asked of the device when no free block fits."""
    if size <= SMALL_REQUEST:
        return SMALL_SEGMENT
    if size < LARGE_REQUEST:
        return MIDDLE_SEGMENT
    return -(-size // LARGE_ROUNDING) * LARGE_ROUNDING
