"""The training loop: the only one. It knows objectives and weights, and no method by name."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from tuneoff.errors import DivergedError
from tuneoff.measure import Clock
from tuneoff.train.batches import Batch
from tuneoff.train.weights import Weights

#: The loss is looked at this often in an epoch; between looks nothing waits for the device.
LOOKS_PER_EPOCH = 10


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
class Point:
    """One point of a learning curve. ``loss`` is the mean training loss since the last point."""

    step: int
    epoch: float
    seconds: float
    loss: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_macro_f1: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a line of JSON."""
        return asdict(self)


class Objective(Protocol):
    """What is being learnt: batches, a loss, and a judgement on validation."""

    num_batches: int

    def epoch(self, number: int) -> Iterator[list[Batch]]:
        """The batches of an epoch, each cut into micro-batches."""

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed loss of a micro-batch, in fp32."""

    def weight(self, batches: list[Batch]) -> int:
        """What the summed loss of a whole batch is divided by."""

    def validate(self) -> dict[str, float]:
        """Scores on validation (``loss``, ``accuracy``, ``macro_f1``); empty where there is none."""


@dataclass
class Outcome:
    """What a training run gave. The weights are those of ``best_epoch``."""

    steps: int
    curve: list[Point] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, float] = field(default_factory=dict)


def fit(
    model: nn.Module,
    weights: Weights,
    objective: Objective,
    schedule: Schedule,
    clock: Clock,
    select: str = "accuracy",
    on_point: Callable[[Point, int], None] = lambda point, num_steps: None,
    after_first_backward: Callable[[], None] = lambda: None,
    after_step: Callable[[int, int], None] = lambda step, num_steps: None,
    penalty: Callable[[], torch.Tensor | None] = lambda: None,
    epochs_between_validations: int = 1,
) -> Outcome:
    """Train, validate after each epoch, and end with the weights of the best one (ties: the lower validation loss).

    Args:
        model: in whose modes and weights training happens.
        weights: its trainable parameters.
        objective: batches, loss, validation.
        schedule: epochs, warm-up, clipping.
        clock: charged with ``train`` and ``validate``; the first step is kept apart as ``warmup``.
        select: the validation score that chooses the epoch.
        on_point: told of each point of the curve and the number of steps.
        after_first_backward: called once, before the first update.
        after_step: called after each update, see :meth:`Weights.step`.
        penalty: added to the loss of each update and to no curve.
        epochs_between_validations: more than 1 where an epoch costs less than a validation.

    Raises:
        DivergedError: the loss is not finite, with the step.
    """
    num_steps = schedule.steps(objective.num_batches)
    epochs = -(-num_steps // objective.num_batches)
    losses = torch.zeros(num_steps, device=weights.device)
    outcome = Outcome(num_steps)
    best: list[torch.Tensor] | None = None
    look_every = max(1, objective.num_batches // LOOKS_PER_EPOCH) if epochs < LOOKS_PER_EPOCH else objective.num_batches
    step = seen = 0

    def look(scores: dict[str, float] | None = None) -> None:
        nonlocal seen
        recent = losses[seen:step]
        if not bool(torch.isfinite(recent).all()):
            at = seen + int((~torch.isfinite(recent)).nonzero()[0]) + 1
            raise DivergedError("run.diverged", step=at, steps=num_steps)
        scores = scores or {}
        seconds = clock.seconds.get("train", 0.0) + clock.seconds.get("warmup", 0.0)
        point = Point(
            step,
            step / objective.num_batches,
            seconds,
            float(recent.mean()) if len(recent) else outcome.curve[-1].loss,
            scores.get("loss"),
            scores.get("accuracy"),
            scores.get("macro_f1"),
        )
        seen = step
        outcome.curve.append(point)
        on_point(point, num_steps)

    for epoch in range(epochs):
        model.train()
        batches = objective.epoch(epoch)
        end = min(num_steps, (epoch + 1) * objective.num_batches)
        while step < end:
            with clock.phase("warmup" if step == 0 else "train"):
                for micro_batches in batches:
                    weights.begin(step, num_steps)
                    total = objective.weight(micro_batches)
                    for batch in micro_batches:
                        loss = objective.loss(batch) / total
                        weights.backward(loss)
                        losses[step] += loss.detach()
                    if step == 0:
                        after_first_backward()
                    if (extra := penalty()) is not None:
                        weights.backward(extra)
                    weights.step(schedule, step, num_steps, partial(after_step, step, num_steps))
                    step += 1
                    if step in (1, end) or step % look_every == 0:
                        break
            if step < end:
                look()
        last = epoch == epochs - 1
        if (epoch + 1) % epochs_between_validations and not last:
            continue
        with clock.phase("validate"):
            model.eval()
            scores = objective.validate()
            rank = (scores.get(select, 0.0), -scores.get("loss", 0.0))
            better = not outcome.best or rank > (outcome.best.get(select, 0.0), -outcome.best.get("loss", 0.0))
            if better:
                outcome.best_epoch, outcome.best = epoch + 1, scores
                best = weights.snapshot() if scores and not last else None
        look(scores)
    if best is not None:
        weights.restore(best)
    model.eval()
    return outcome
