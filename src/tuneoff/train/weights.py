"""Trainable parameters in the precision of the device.

In bf16 the model computes in bf16 throughout: frozen weights are cast once, trainable ones are bf16 working copies of fp32
masters, which the optimiser updates. Against autocast this saves the casts of every step and half of the frozen weights;
``docs/decisions/0003`` has the measurements. In fp16 (older GPUs) weights stay fp32, and accelerate does autocast and
gradient scaling.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from tuneoff.backbone import Format
from tuneoff.train import ranks
from tuneoff.train.schedule import AnySchedule


@dataclass(frozen=True)
class Group:
    """Parameters that share a peak learning rate.

    ``start``: share of the steps before which they stay frozen; their own warm-up and decay begin there.
    """

    parameters: Sequence[nn.Parameter]
    learning_rate: float
    start: float = 0.0


def cast_for_compute(model: nn.Module, precision: Format) -> None:
    """Cast every floating-point parameter to the format that the forward pass computes in."""
    if precision == "bf16":
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(torch.bfloat16)


def first_step(start: float, num_steps: int) -> int:
    """The step (from 0) at which a group that waits for a share of the steps begins to learn; never beyond the last."""
    return min(math.ceil(start * num_steps), num_steps - 1)


def make_accelerator(precision: Format) -> Accelerator:
    """Places the model and, in fp16, scales gradients; several devices are the business of ``train/ranks.py``."""
    return Accelerator(mixed_precision="fp16" if precision == "fp16" else "no", cpu=not torch.cuda.is_available())


class Weights:
    """Working copies, masters and optimiser of the trainable parameters.

    Args:
        model: whose remaining parameters are frozen already.
        groups: trainable parameters with their learning rates.
        precision: the format to compute in.
        weight_decay: on matrices; never on biases and norms.
        accelerator: places the model, does the backward pass and, in fp16, scales the gradients.
        sharded: the model is divided among the ranks, which then sum gradients by themselves.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: Sequence[Group],
        precision: Format,
        weight_decay: float,
        accelerator: Accelerator | None = None,
        sharded: bool = False,
    ) -> None:
        self.accelerator = accelerator or make_accelerator(precision)
        self.working = [parameter for group in groups for parameter in group.parameters]
        self.device = self.working[0].device
        self.precision = precision
        self.sharded = sharded
        if precision == "bf16" and not sharded:
            self.masters = [nn.Parameter(parameter.detach().float().clone()) for parameter in self.working]
            cast_for_compute(model, precision)
        else:
            self.masters = self.working
        places = iter(self.masters)
        options = []
        for group in groups:
            members = [next(places) for _ in group.parameters]
            for decay, chosen in ((weight_decay, [p for p in members if p.dim() > 1]), (0.0, [p for p in members if p.dim() <= 1])):
                if chosen:
                    options.append({"params": chosen, "lr": group.learning_rate, "weight_decay": decay, "start": group.start})
        self.optimiser: Any = torch.optim.AdamW(options, fused=self.device.type in ("cpu", "cuda"))
        if precision == "fp16":  # For the scaling; in other formats its wrapper only costs time, which a small probe feels.
            self.optimiser = self.accelerator.prepare_optimizer(self.optimiser)
        self.model = self.accelerator.prepare_model(model)
        # Gradients of the masters keep their buffers from step to step; the first micro-batch of a step overwrites them.
        self._accumulated = False
        self.peaks = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.late = [group for group in groups if group.start > 0]

    def begin(self, step: int, num_steps: int) -> None:
        """Before a step: parameters whose time has not come take no gradient, which also spares the backward pass."""
        for group in self.late:
            awake = step >= first_step(group.start, num_steps)
            for parameter in group.parameters:
                parameter.requires_grad_(awake)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one micro-batch."""
        # Ranks that share a sharded model take the mean of their gradients; what is wanted is the sum.
        self.accelerator.backward(loss * ranks.count() if self.sharded else loss)
        if self.masters is self.working:
            return
        for parameter, master in self.pairs():
            if parameter.grad is None:
                if master.grad is not None and not self._accumulated:
                    master.grad.zero_()
            elif master.grad is None:
                master.grad = parameter.grad.float()
            elif self._accumulated:
                master.grad.add_(parameter.grad)
            else:
                master.grad.copy_(parameter.grad)
            parameter.grad = None
        self._accumulated = True

    def forget(self) -> None:
        """Drop the gradients of micro-batches that make no step."""
        for parameter in (*self.working, *self.masters):
            parameter.grad = None
        self._accumulated = False

    def add_up(self) -> None:
        """After the last micro-batch of a step: the gradients of all ranks together."""
        if not self.sharded:
            ranks.add_up([master.grad for master in self.masters if master.grad is not None])

    def step(self, schedule: AnySchedule, step: int, num_steps: int, after: Callable[[], None] = lambda: None) -> None:
        """One update at the schedule's share of each group's peak learning rate, gradients clipped to a total norm.

        ``after`` is called when the weights have moved, unless fp16 overflowed: the model then consists of the fp32 masters and
        holds the gradients of the step; what is changed there stays.
        """
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            first = first_step(group["start"], num_steps)
            group["lr"] = peak * schedule.factor(step - first, num_steps - first) if step >= first else 0.0
        self.accelerator.clip_grad_norm_(self.masters, schedule.clip)
        self.optimiser.step()
        if not self.accelerator.optimizer_step_was_skipped:
            with self._masters_in_place():
                after()
        if self.masters is self.working:
            self.optimiser.zero_grad(set_to_none=True)
        self._accumulated = False
        self._copy_to_working()

    @contextmanager
    def _masters_in_place(self) -> Iterator[None]:
        if self.masters is self.working:
            yield
            return
        working = [parameter.data for parameter in self.working]
        for parameter, master in self.pairs():
            parameter.data, parameter.grad = master.data, master.grad
        try:
            yield
        finally:
            for parameter, data in zip(self.working, working, strict=True):
                parameter.grad, parameter.data = None, data

    def _copy_to_working(self) -> None:
        if self.masters is not self.working:
            with torch.no_grad():
                torch._foreach_copy_([p.data for p in self.working], [m.data for m in self.masters])

    def snapshot(self) -> list[torch.Tensor]:
        """A copy of the masters."""
        return [master.detach().clone() for master in self.masters]

    def restore(self, snapshot: list[torch.Tensor]) -> None:
        """Go back to a snapshot."""
        with torch.no_grad():
            for master, saved in zip(self.masters, snapshot, strict=True):
                master.copy_(saved)
        self._copy_to_working()

    def state(self) -> dict[str, Any]:
        """Masters, optimiser, and in fp16 the scale of the gradients: what :meth:`load_state` needs to go on exactly from here."""
        masters = [master.detach().cpu() for master in self.masters]
        scaler = self.accelerator.scaler
        return {"masters": masters, "optimiser": self.optimiser.state_dict(), "scaler": scaler.state_dict() if scaler else None}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state` of weights made in the same way."""
        self.restore(state["masters"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])

    def settle(self) -> None:
        """Give the model its trained parameters in full precision, for saving."""
        for parameter, master in zip(self.working, self.masters, strict=True):
            parameter.data = master.data

    def pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        """Working copy and master of each parameter."""
        return zip(self.working, self.masters, strict=True)
