"""How long a training takes and how its learning rate moves."""

import math
from dataclasses import dataclass
from typing import Protocol


class AnySchedule(Protocol):
    """What the loop asks of a schedule."""

    @property
    def clip(self) -> float:
        """Largest norm of the gradient."""

    def steps(self, batches: int) -> int:
        """Updates in all, when an epoch has so many batches."""

    def factor(self, step: int, num_steps: int) -> float:
        """Share of the peak learning rate at a step (from 0)."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: a share of ``epochs`` passes, linear warm-up over a part of the steps, then linear to zero.

    ``share`` below 1 is a shorter training of its own, warm-up and decay included, as a search makes it.
    """

    epochs: int
    warmup: float
    clip: float
    share: float = 1.0

    def steps(self, batches: int) -> int:
        """Updates in all, when an epoch has so many batches."""
        return max(1, int(self.share * self.epochs * batches))

    def factor(self, step: int, num_steps: int) -> float:
        """Share of the peak learning rate at a step (from 0)."""
        ramp = math.ceil(self.warmup * num_steps)
        if step < ramp:
            return (step + 1) / ramp
        return (num_steps - step) / max(1, num_steps - ramp)


@dataclass(frozen=True)
class Trapezoid:
    """Linear warm-up, the full rate, and a linear way down over the last steps (Hu et al. 2024, arXiv:2404.06395).

    Until the way down begins the rate does not depend on the length of the run. A checkpoint of the full rate can therefore be
    cooled down into a usable model at any time (the same schedule with fewer ``epochs``), and training can go on from it later.

    Args:
        epochs: of the whole run.
        clip: largest norm of the gradient.
        warmup_steps: of the rise.
        decay_steps: of the way down.
    """

    epochs: int
    clip: float
    warmup_steps: int
    decay_steps: int = 0

    def steps(self, batches: int) -> int:
        """Updates in all, when an epoch has so many batches."""
        return self.epochs * batches

    def factor(self, step: int, num_steps: int) -> float:
        """Share of the peak learning rate at a step (from 0)."""
        up = (step + 1) / self.warmup_steps if step < self.warmup_steps else 1.0
        down = (num_steps - step) / self.decay_steps if step > num_steps - self.decay_steps else 1.0
        return min(up, down)
