"""The bench a trial works at: its job and rows, clock, memory meter and device, and the files it leaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tuneoff.data import Splits
from tuneoff.faults import fault
from tuneoff.forecast import state_tensors
from tuneoff.measure import Clock, EnergyMeter, MemoryMeter, Peak
from tuneoff.measure.live import LivePeak
from tuneoff.run.job import Job
from tuneoff.store import ARTEFACT, CURVE, storage
from tuneoff.train import Point, Weights, ranks, set_aside


@dataclass
class Bench:
    """What every kind of trial uses."""

    job: Job
    device: torch.device
    clock: Clock
    meter: MemoryMeter
    energy: EnergyMeter
    splits: Splits
    #: Rows of a forward pass in training, where the batch does not fit.
    micro_batch: int | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether batches are computed by a CPU."""
        return self.device.type == "cpu"

    def on_point(self, point: Point, num_steps: int) -> None:
        """Append a point of the curve; the parent reads its last line."""
        line = json.dumps(point.as_dict() | {"steps": num_steps}) + "\n"
        curve = self.job.folder / CURVE
        with storage(curve, len(line)), curve.open("a", encoding="utf-8") as stream:
            stream.write(line)
        fault("mid-step")

    def watch(self, model: torch.nn.Module, weights: Weights) -> LivePeak | None:
        """Sums live tensors where the device keeps no such count itself."""
        if not self.on_cpu:
            return None
        peak = LivePeak(self.device.type)
        peak.add_all([*model.parameters(), *model.buffers(), *set_aside(model), *state_tensors(model), *weights.masters])
        return peak

    def peak(self, watch: LivePeak | None) -> Peak:
        """The highest use since the meter was reset; with several devices, of the one that used most."""
        peak = self.meter.peak()
        live = ranks.highest(watch.peak if watch else None, self.device)
        return replace(peak, bytes=ranks.highest(peak.bytes, self.device), live_bytes=live)

    @property
    def artefact(self) -> Path:
        """Folder for what prediction needs."""
        folder = self.job.folder / ARTEFACT
        folder.mkdir(exist_ok=True)
        return folder


def synchroniser(device: torch.device) -> Callable[[], None] | None:
    """Waits for queued work, so that a phase is charged with its own; ``None`` where nothing queues."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None
