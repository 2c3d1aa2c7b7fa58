"""Peak memory of a stretch of work, with the counter it was read from; ``None`` where there is none, never 0."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

#: Of main memory, in records; see :class:`MemoryMeter`.
CPU_COUNTER: Final = "peak_own_memory_above_start"
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Peak:
    """Highest use in bytes, by counter.

    Attributes:
        bytes: as ``counter`` counts.
        counter: name of the counter.
        reserved_bytes: of a GPU, what PyTorch held of it.
        live_bytes: of a CPU, all live tensors in the steps that need the most, see :class:`tuneoff.measure.live.LivePeak`.
    """

    bytes: int | None
    counter: str
    reserved_bytes: int | None = None
    live_bytes: int | None = None


class MemoryMeter:
    """Reads the peak since the last :meth:`reset`.

    On a GPU: PyTorch's allocated (and reserved) peak. On a CPU: the peak resident size of this process above what it
    was when the meter was made, from Linux' resettable high-water mark, without pages of files. Those are libraries, which every
    process of a machine shares and the kernel takes back when it needs room; and how many of them one touch makes resident, 64 KB or
    2 MB, hangs on how the file once came into the kernel's cache: the same trial differed by 110 MB from one day to the next.
    """

    def __init__(self, device: "torch.device") -> None:
        self.device = device
        self.start = _own_bytes("VmRSS")

    def reset(self) -> None:
        """Begin a new stretch."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
        elif self.start is not None:
            try:
                _RESET.write_text("5")
            except OSError:
                self.start = None  # No resettable mark here: not measured.

    def peak(self) -> Peak:
        """The highest use since the reset."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)
            reserved = torch.cuda.max_memory_reserved(self.device)
            return Peak(torch.cuda.max_memory_allocated(self.device), "cuda_max_memory_allocated", reserved)
        mark = _own_bytes("VmHWM")
        if self.start is None or mark is None:
            return Peak(None, "not_measured")
        return Peak(max(0, mark - self.start), CPU_COUNTER)


def _own_bytes(field: str) -> int | None:
    """A size of this process, less the pages of files that are resident now: those of libraries, once there, stay."""
    try:
        lines = [line.split() for line in _STATUS.read_text().splitlines()]
    except OSError:
        return None
    found = {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[0] in (f"{field}:", "RssFile:")}
    return found[field] - found["RssFile"] if len(found) == 2 else None
