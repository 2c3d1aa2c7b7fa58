"""Trainable parameters in the precision of the device.

In bf16 the model computes in bf16 throughout: frozen weights are cast once, trainable ones are bf16 working copies of fp32
masters, which the optimiser updates. Against autocast this saves the casts of every step and half of the frozen weights;
``docs/decisions/0003`` has the measurements. In fp16 (older GPUs) weights stay fp32, and accelerate does autocast and
gradient scaling.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from tuneoff.backbone import Format


@dataclass(frozen=True)
class Group:
    """Parameters that share a peak learning rate."""

    parameters: Sequence[nn.Parameter]
    learning_rate: float


def cast_for_compute(model: nn.Module, precision: Format) -> None:
    """Cast every floating-point parameter to the format that the forward pass computes in."""
    if precision == "bf16":
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(torch.bfloat16)


def make_accelerator(precision: Format) -> Accelerator:
    """One process here; several GPUs by accelerate's own configuration."""
    return Accelerator(mixed_precision="fp16" if precision == "fp16" else "no", cpu=not torch.cuda.is_available())


class Weights:
    """Working copies, masters and optimiser of the trainable parameters.

    Args:
        model: whose remaining parameters are frozen already.
        groups: trainable parameters with their learning rates.
        precision: the format to compute in.
        weight_decay: on matrices; never on biases and norms.
        accelerator: places the model, does the backward pass and, in fp16, scales the gradients.
    """

    def __init__(
        self, model: nn.Module, groups: Sequence[Group], precision: Format, weight_decay: float, accelerator: Accelerator | None = None
    ) -> None:
        self.accelerator = accelerator or make_accelerator(precision)
        self.working = [parameter for group in groups for parameter in group.parameters]
        self.device = self.working[0].device
        self.precision = precision
        if precision == "bf16":
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
                    options.append({"params": chosen, "lr": group.learning_rate, "weight_decay": decay})
        adam = torch.optim.AdamW(options, fused=self.device.type in ("cpu", "cuda"))
        self.optimiser = self.accelerator.prepare_optimizer(adam)
        self.model = self.accelerator.prepare_model(model)
        # Gradients of the masters keep their buffers from step to step; the first micro-batch of a step overwrites them.
        self._accumulated = False
        self.peaks = [float(group["lr"]) for group in self.optimiser.param_groups]

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one micro-batch."""
        self.accelerator.backward(loss)
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

    def step(self, factor: float, clip: float) -> None:
        """One update at ``factor`` of each group's peak learning rate, gradients clipped to a total norm."""
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        self.accelerator.clip_grad_norm_(self.masters, clip)
        self.optimiser.step()
        if self.masters is self.working:
            self.optimiser.zero_grad(set_to_none=True)
        self._accumulated = False
        self._copy_to_working()

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

    def settle(self) -> None:
        """Give the model its trained parameters in full precision, for saving."""
        for parameter, master in zip(self.working, self.masters, strict=True):
            parameter.data = master.data

    def pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        """Working copy and master of each parameter."""
        return zip(self.working, self.masters, strict=True)
