"""Energy from the counters of GPU (NVML) and CPU (RAPL), read through zeus; ``None`` where there is no counter, never 0."""

import importlib.util
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap/intel-rapl")
_WINDOW = "tuneoff"


@dataclass(frozen=True)
class Energy:
    """Joules since the meter was started, by counter; other work on the same device is in it."""

    gpu_joules: float | None
    cpu_joules: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for records."""
        return asdict(self)


def total(parts: Iterable[Energy | None]) -> Energy | None:
    """What several measurements used together; ``None`` for a counter that one of them did not have."""
    found = list(parts)
    if not found or any(part is None for part in found):
        return None
    gpu, cpu = ([getattr(part, name) for part in found] for name in ("gpu_joules", "cpu_joules"))
    sums = [None if None in joules else sum(joules) for joules in (gpu, cpu)]
    return None if sums == [None, None] else Energy(*sums)


class EnergyMeter:
    """Reads the counters between :meth:`start` and :meth:`stop`.

    Args:
        gpu: index of the GPU whose counter is read, or ``None``.
    """

    def __init__(self, gpu: int | None) -> None:
        self._monitor = _monitor(gpu)
        self._running = False

    def start(self) -> None:
        """Begin; again, if what was begun before came to nothing."""
        if self._monitor is not None:
            if self._running:
                self._monitor.end_window(_WINDOW)
            self._monitor.begin_window(_WINDOW)
            self._running = True

    def stop(self) -> Energy | None:
        """What was used since the start, or ``None`` where nothing was measured, or not begun."""
        if self._monitor is None or not self._running:
            return None
        self._running = False
        read = self._monitor.end_window(_WINDOW)
        # A counter that stands still is no measurement: some cards report 0 for ever.
        energy = Energy(_sum(read.gpu_energy), _sum(read.cpu_energy))
        return energy if (energy.gpu_joules, energy.cpu_joules) != (None, None) else None


class NoEnergy(EnergyMeter):
    """A meter without counters."""

    def __init__(self) -> None:
        self._monitor = None
        self._running = False


def _sum(joules: dict[int, float] | None) -> float | None:
    return sum(joules.values()) or None if joules else None


def _monitor(gpu: int | None) -> Any:
    """A monitor of the counters there are; zeus takes seconds to import, so it is not where there is none."""
    if importlib.util.find_spec("zeus") is None or (gpu is None and not RAPL.exists()):
        return None
    from zeus.monitor import ZeusMonitor

    return ZeusMonitor(gpu_indices=[] if gpu is None else [gpu], cpu_indices=None if RAPL.exists() else [])
