"""The training loop: the only one. It knows objectives and weights, and no method by name."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from tuneoff.errors import DivergedError
from tuneoff.measure import Clock
from tuneoff.train import ranks
from tuneoff.train.batches import Batch
from tuneoff.train.schedule import AnySchedule
from tuneoff.train.weights import Weights

#: The loss is looked at this often in an epoch; between looks nothing waits for the device.
LOOKS_PER_EPOCH = 10
#: From the second epoch on the best weights' copy stands beside those that train: the heaviest steps of these are all that memory needs.
WATCHED_EPOCHS = 2
#: Steps that are no steady state: kernels are chosen in the first, moments of the optimiser are new until the second.
WARMUP_STEPS = 2


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

    def heaviest(self, number: int) -> int:
        """Place in an epoch of the batch that needs most memory."""

    def batch(self, number: int, place: int) -> list[Batch]:
        """One batch of an epoch, cut into micro-batches."""

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


@dataclass
class Progress:
    """How far a run is at the end of an epoch: epochs done, the outcome so far, and the best weights if they are not the last."""

    epochs: int
    outcome: Outcome
    best: list[torch.Tensor] | None = None


def fit(
    model: nn.Module,
    weights: Weights,
    objective: Objective,
    schedule: AnySchedule,
    clock: Clock,
    select: str | None = "accuracy",
    on_point: Callable[[Point, int], None] = lambda point, num_steps: None,
    after_first_backward: Callable[[], None] = lambda: None,
    after_step: Callable[[int, int], None] = lambda step, num_steps: None,
    penalty: Callable[[], torch.Tensor | None] = lambda: None,
    epochs_between_validations: int = 1,
    watch: AbstractContextManager[Any] | None = None,
    progress: Progress | None = None,
    after_epoch: Callable[[Progress], bool] = lambda progress: True,
) -> Outcome:
    """Train, validate after each epoch, and end with the weights of the best one (ties: the lower validation loss).

    A run that was stopped goes on where it was: weights, optimiser and random numbers as they were, and its ``progress``.

    Args:
        model: in whose modes and weights training happens.
        weights: its trainable parameters.
        objective: batches, loss, validation.
        schedule: epochs, warm-up, clipping.
        clock: charged with ``train`` and ``validate``; the first two steps are kept apart as ``warmup``.
        select: the validation score that chooses the epoch; ``None`` ends with the last one, whatever its scores.
        on_point: told of each point of the curve and the number of steps.
        after_first_backward: called once, before the first update.
        after_step: called after each update, see :meth:`Weights.step`.
        penalty: added to the loss of each update and to no curve.
        epochs_between_validations: more than 1 where an epoch costs less than a validation.
        progress: of the same run, to go on from.
        after_epoch: called after each validation, to save what a stop would lose; ``False`` stops here.
        watch: entered around the steps of the warm-up, the heaviest one of each of the first two epochs, where the best epoch's
            weights are first kept beside those that train, and the first validation that finds them there: by then all that training
            needs has been there.

    Raises:
        DivergedError: the loss is not finite, with the step.
    """
    num_steps = schedule.steps(objective.num_batches)
    epochs = -(-num_steps // objective.num_batches)
    losses = torch.zeros(num_steps, device=weights.device)
    done = 0 if progress is None else progress.epochs
    outcome = Outcome(num_steps) if progress is None else progress.outcome
    best = None if progress is None else progress.best
    if best is None and select is not None and outcome.best_epoch and outcome.best_epoch == done < epochs:
        best = weights.snapshot()  # A run that had ended is made longer: its last weights may stay the best.
    outcome.steps = num_steps
    look_every = max(1, objective.num_batches // LOOKS_PER_EPOCH) if epochs < LOOKS_PER_EPOCH else objective.num_batches
    step = seen = done * objective.num_batches
    judged = False  # Whether a validation was watched.
    heavy = {n * objective.num_batches + objective.heaviest(n) for n in range(done, min(epochs, WATCHED_EPOCHS))} if watch else set()
    if weights.device.type not in ("cpu", "meta") and not done:
        with clock.phase("warmup"):
            try_heaviest(objective, weights, num_steps)

    def look(scores: dict[str, float] | None = None) -> None:
        nonlocal seen
        recent = losses[seen:step]
        ranks.add_up([recent])
        if not bool(torch.isfinite(recent).all()):
            at = seen + int((~torch.isfinite(recent)).nonzero()[0]) + 1
            raise DivergedError("run.diverged", step=at, steps=num_steps)
        scores = scores or {}
        if not math.isfinite(scores.get("loss", 0.0)):
            raise DivergedError("run.diverged_validation", step=step, steps=num_steps)
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

    for epoch in range(done, epochs):
        model.train()
        batches = objective.epoch(epoch)
        end = min(num_steps, (epoch + 1) * objective.num_batches)
        while step < end:
            warming = step < WARMUP_STEPS
            watched = watch if watch and (warming or step in heavy) else nullcontext()
            with clock.phase("warmup" if warming else "train"), watched:
                for micro_batches in batches:
                    weights.begin(step, num_steps)
                    total = objective.weight(micro_batches)
                    for batch in micro_batches:
                        loss = objective.loss(batch) / total
                        weights.backward(loss)
                        losses[step] += loss.detach()
                    weights.add_up()
                    if step == 0:
                        after_first_backward()
                    if (extra := penalty()) is not None:
                        weights.backward(extra)
                    weights.step(schedule, step, num_steps, partial(after_step, step, num_steps))
                    step += 1
                    if step in (1, WARMUP_STEPS, end) or step % look_every == 0 or heavy & {step - 1, step}:
                        break
            if step < end and (step == 1 or step % look_every == 0):
                look()
        last = epoch == epochs - 1
        if (epoch + 1) % epochs_between_validations and not last:
            continue
        with clock.phase("validate"):
            model.eval()
            watched = watch if watch and not judged and (best is not None or last) else nullcontext()
            judged = judged or watched is watch
            with watched:
                scores = objective.validate()
            if select is None or not outcome.best or _rank(scores, select) > _rank(outcome.best, select):
                outcome.best_epoch, outcome.best = epoch + 1, scores
                with watch if watch and epoch == 0 else nullcontext():
                    best = weights.snapshot() if select is not None and scores and not last else None
        look(scores)
        if not after_epoch(Progress(epoch + 1, outcome, best)):
            break
    if best is not None:
        weights.restore(best)
    model.eval()
    return outcome


def try_heaviest(objective: Objective, weights: Weights, num_steps: int) -> None:
    """The batch of the first epoch that needs most memory, forward and backward, and nothing of it kept.

    What does not fit a device fails in the first seconds so. To train on that batch first would do the same, and teach the model
    the longest texts before all others (``docs/decisions/0010``).
    """
    generators = [weights.device] if weights.device.type == "cuda" else []
    with torch.random.fork_rng(generators):
        weights.begin(0, num_steps)
        for batch in objective.batch(0, objective.heaviest(0)):
            weights.backward(objective.loss(batch))
        weights.forget()


def _rank(scores: dict[str, float], select: str) -> tuple[float, float]:
    return scores.get(select, 0.0), -scores.get("loss", 0.0)
