"""What a trial really needs on the device at hand: two steps of the real code with random weights of the true architecture."""

import gc
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from tuneoff.forecast.rehearse import rehearse
from tuneoff.forecast.scene import Scene
from tuneoff.forecast.watch import Watch
from tuneoff.measure import MemoryMeter, Peak


@dataclass(frozen=True)
class Measured:
    """Peaks of training and of evaluation, and seconds of an update with one typical part and of its three phases.

    The first update is left out: it warms up.
    """

    train: Peak
    evaluate: Peak
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)


class StopWatch(Watch):
    """Reads the clock and the memory counter as phases begin."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.meter = device, MemoryMeter(device)
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, Peak] = {}
        self._phase, self._since = "", 0.0

    def mark(self, phase: str) -> None:
        """A phase begins, another ends."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.seconds[self._phase] = now - self._since
        if phase == "evaluate":
            self.peaks["train"] = self.meter.peak()
        elif phase == "end":
            self.peaks["evaluate"] = self.meter.peak()
        if phase == "start" and self.device.type == "cuda":
            # What drawing and quantising random weights left in the allocator's cache is no part of a trial.
            gc.collect()
            torch.cuda.empty_cache()
        if phase in ("start", "evaluate"):
            self.meter.reset()
        self._phase, self._since = phase, time.perf_counter()


def measure(scene: Scene) -> Measured:
    """Run the scene on this machine's device, in this process: give it a fresh one.

    Raises:
        torch.OutOfMemoryError: it does not fit.
    """
    device = torch.device("cuda" if scene.target.kind == "cuda" else "cpu")
    watch = StopWatch(device)
    first, *others = scene.steps
    rehearse(replace(scene, steps=(first, first, *others, first)), device, watch)
    seconds = {phase: watch.seconds[phase] for phase in ("forward", "backward", "update") if phase in watch.seconds}
    return Measured(watch.peaks["train"], watch.peaks["evaluate"], seconds | {"step": sum(seconds.values())})
