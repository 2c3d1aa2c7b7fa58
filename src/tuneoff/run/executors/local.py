"""Attempts on this machine, ``workers`` at a time: cores and GPUs divided, memory as forecast."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing import connection
from typing import Any, Self

from tuneoff.errors import UsageError
from tuneoff.measure import available_cores
from tuneoff.run.admission import Admission, admit
from tuneoff.run.attempt import attempt
from tuneoff.run.depot import recall
from tuneoff.run.job import Job, last_point
from tuneoff.run.outlook import device_here
from tuneoff.run.planner import Plan
from tuneoff.run.processes import Child


@dataclass(frozen=True)
class Slot:
    """A worker's share of the machine.

    Attributes:
        gpus: as ``CUDA_VISIBLE_DEVICES`` names them; ``None`` leaves what there is.
        threads: intra-operation threads; ``None`` leaves torch's choice.
    """

    gpus: str | None
    threads: int | None


class LocalTask:
    """An attempt in processes of this machine."""

    def __init__(self, job: Job, slot: Slot) -> None:
        self.job, self.slot = job, slot
        self._work = attempt(job)
        self.process: Child | None = None
        self.ended = False

    @property
    def point(self) -> dict[str, Any] | None:
        """The newest point of its curve."""
        return last_point(self.job.folder)

    def poll(self) -> dict[str, Any] | None:
        """What the record is made of, once the attempt has ended."""
        try:
            self.process = next(self._work)
        except StopIteration as end:
            self.ended = True
            result: dict[str, Any] = end.value
            return result
        return None

    def stop(self) -> None:
        """Kill its process."""
        self.ended = True
        self._work.close()


class LocalExecutor:
    """Runs attempts on this machine.

    Args:
        workers: attempts at once.
        threads: of each attempt; by default the cores divided by the workers.
        devices: GPUs that one trial takes.

    Raises:
        UsageError: more cores or GPUs are asked for than there are.
    """

    def __init__(self, workers: int = 1, threads: int | None = None, devices: int = 1) -> None:
        self.workers = workers
        self.slots = slots(workers, threads, devices, _visible_gpus(), available_cores())
        self._tasks: list[LocalTask] = []
        self._needs: dict[str, int] = {}
        self._usable: int | None = None

    def admit(self, plan: Plan) -> Mapping[str, Admission]:
        """How this machine's device can hold the plan's trials; what they need is kept, to see which fit beside each other."""
        target = device_here()
        self._usable = target.usable
        admissions = admit(plan, target, beside=self._sharers)
        self._needs = {name: admission.need for name, admission in admissions.items() if admission.need is not None}
        return admissions

    @property
    def _sharers(self) -> int:
        """How many workers share one memory: all of them on a CPU."""
        return max(sum(slot.gpus == other.gpus for other in self.slots) for slot in self.slots)

    def has_room(self, trial: str) -> bool:
        """Whether a worker is free whose memory holds this trial beside the others there. Alone it may always run."""
        return self._slot(trial) is not None

    def _slot(self, trial: str) -> Slot | None:
        self._tasks = [task for task in self._tasks if not task.ended]
        free = list(self.slots)
        for task in self._tasks:
            free.remove(task.slot)
        for slot in free:
            beside = [task.job.trial.name for task in self._tasks if task.slot.gpus == slot.gpus]
            need = sum(self._needs.get(name, 0) for name in [trial, *beside])
            if not beside or self._usable is None or need <= self._usable:
                return slot
        return None

    def start(self, job: Job) -> LocalTask:
        """Start an attempt in a free slot.

        Raises:
            RefusedError: what was pretrained on a cluster lies at a URL and cannot be had.
        """
        slot = self._slot(job.trial.name)
        assert slot is not None, "asked for room first"
        if job.pretrained:
            recall(job.pretrained)
        task = LocalTask(replace(job, gpus=slot.gpus, threads=slot.threads), slot)
        self._tasks.append(task)
        return task

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a process has ended."""
        sentinels = [task.process.sentinel for task in self._tasks if task.process is not None and not task.ended]
        if sentinels:
            connection.wait(sentinels, seconds)
        else:
            time.sleep(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        for task in self._tasks:
            task.stop()


def slots(workers: int, threads: int | None, devices: int, gpus: list[str], cores: int) -> list[Slot]:
    """Divide a machine: each worker its own cores and, where there are enough, its own GPUs.

    Args:
        workers: how many.
        threads: of each; ``None`` divides the cores.
        devices: GPUs of one trial.
        gpus: names of the GPUs.
        cores: of the processor.

    Raises:
        UsageError: trials of several GPUs do not find as many.

    >>> slots(2, None, 1, ["0", "1"], 8)
    [Slot(gpus='0', threads=4), Slot(gpus='1', threads=4)]
    """
    if gpus and devices > 1 and workers * devices > len(gpus):
        raise UsageError(
            "cluster.too_few_gpus", where="--workers", workers=workers, devices=devices, needed=workers * devices, gpus=len(gpus)
        )
    if workers == 1 and (devices == 1 or not gpus):
        return [Slot(None, threads)]
    each = max(1, cores // workers)
    # With more workers than GPUs, each GPU is shared by as few as can be.
    names = [",".join(gpus[(i * devices + k) % len(gpus)] for k in range(devices)) if gpus else None for i in range(workers)]
    return [Slot(name, threads or each) for name in names]


def _visible_gpus() -> list[str]:
    """GPUs as ``CUDA_VISIBLE_DEVICES`` would name them; none is opened."""
    import torch

    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not torch.cuda.is_available():
        return []
    return said.split(",") if said else [str(number) for number in range(torch.cuda.device_count())]
