"""The bench a trial works at: its job and rows, clock, memory meter and device, and the files it leaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tuneoff.data import Splits
from tuneoff.measure import Clock, EnergyMeter, MemoryMeter
from tuneoff.run.job import ARTEFACT, CURVE, Job
from tuneoff.store import fault
from tuneoff.train import Point


@dataclass
class Bench:
    """What every kind of trial uses."""

    job: Job
    device: torch.device
    clock: Clock
    meter: MemoryMeter
    energy: EnergyMeter
    splits: Splits

    def on_point(self, point: Point, num_steps: int) -> None:
        """Append a point of the curve; the parent reads its last line."""
        with (self.job.folder / CURVE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(point.as_dict() | {"steps": num_steps}) + "\n")
        fault("mid-step")

    @property
    def artefact(self) -> Path:
        """Folder for what prediction needs."""
        folder = self.job.folder / ARTEFACT
        folder.mkdir(exist_ok=True)
        return folder


def synchroniser(device: torch.device) -> Callable[[], None] | None:
    """Waits for queued work, so that a phase is charged with its own; ``None`` where nothing queues."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None
