"""A device that is full in the middle of a training: from the beginning with half the rows a pass, and the same update."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from tuneoff.run.bench import Bench
from tuneoff.store import CURVE
from tuneoff.train import ROOM, give_back, ranks

T = TypeVar("T")


class _DeviceFullError(Exception):
    """It was training that ran out of memory: not loading, which fewer rows do not help."""

    def __init__(self, error: torch.OutOfMemoryError) -> None:
        self.error = error
        super().__init__(str(error))


@contextmanager
def training() -> Iterator[None]:
    """Around what needs less memory with fewer rows a pass."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _DeviceFullError(error) from error


def fitting(bench: Bench, batch_size: int, train: Callable[[], T]) -> T:
    """Train; as often as the device is full, again from the beginning with half the micro-batch.

    The batch that needs most memory is tried before training, so that little is lost; and what comes out is what the same
    micro-batch in the study file gives.

    Args:
        bench: whose ``micro_batch`` is halved.
        batch_size: rows of an update.
        train: everything from loading the model; run again as it is.

    Raises:
        torch.OutOfMemoryError: one row a pass does not fit.
    """
    while True:
        rows = min(bench.micro_batch or batch_size, batch_size)
        try:
            return train()
        except _DeviceFullError as full:
            # One of several ranks cannot start again alone.
            if rows == 1 or ranks.count() > 1:
                raise full.error from None
        give_back()
        bench.micro_batch = rows // 2
        seconds = bench.clock.seconds
        seconds["other"] = seconds.get("other", 0.0) + sum(seconds.pop(phase, 0.0) for phase in ("warmup", "train", "validate"))
        (bench.job.folder / CURVE).unlink(missing_ok=True)


def shrunk(bench: Bench, batch_size: int, planned: int | None) -> dict[str, dict[str, int | None]]:
    """For the record: how the trial was made to fit; empty where it ran as the study has it.

    Args:
        bench: after the trial.
        batch_size: rows of an update.
        planned: the study's own micro-batch.
    """
    rows = min(bench.micro_batch or batch_size, batch_size)
    fewer = rows < min(planned or batch_size, batch_size)
    if not fewer and not ROOM.shrunk:
        return {}
    passes = -(-batch_size // rows)
    tokens = ROOM.tokens if ROOM.shrunk else None
    return {"shrunk": {"batch_size": batch_size, "micro_batch": rows, "accumulation": passes, "evaluation_tokens": tokens}}
