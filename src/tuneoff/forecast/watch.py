"""What is seen of the code that is rehearsed: its phases, and which tensors are weights, gradients, moments."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from tuneoff.forecast.storages import Storages
from tuneoff.forecast.work import WorkLog
from tuneoff.train import Weights


class Watch:
    """Told what the rehearsed code does: phases begin, tensors turn out to be weights, gradients, moments.

    Args:
        storages: counts memory.
        work: counts operations.
        kernels: makes the context that replaces attention kernels.
    """

    def __init__(
        self,
        storages: Storages | None = None,
        work: WorkLog | None = None,
        kernels: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.storages, self.work, self.kernels = storages, work, kernels
        self.kinds: dict[int, str] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """While what happens is counted."""
        with self.kernels(), self.storages or nullcontext():
            yield

    def mark(self, phase: str) -> None:
        """A phase begins."""
        if self.storages is not None:
            self.storages.log.mark(phase)
        if self.work is not None:
            self.work.mark(phase)

    def batch(self, rows: int) -> None:
        """A batch of so many rows: more than one are padded to the longest."""
        if self.storages is not None:
            self.storages.padded = rows > 1

    def tag(self, kind: str, tensors: Iterable[torch.Tensor | None]) -> None:
        """What these tensors are; the first word counts."""
        for tensor in tensors:
            number = None if self.storages is None or tensor is None else self.storages.number(tensor)
            if number is not None:
                self.kinds.setdefault(number, kind)

    def there(self, kind: str, tensors: Iterable[torch.Tensor]) -> None:
        """Tensors that were there before."""
        if self.storages is not None:
            kept = list(tensors)
            self.storages.add_all(kept)
            self.tag(kind, kept)


class WatchedWeights(Weights):
    """Weights whose phases and tensors are seen.

    ``given``: the first step has no batch, and gradients as one would have left them.
    """

    def __init__(self, watch: Watch, *arguments: Any, given: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watch, self._given = watch, given
        for parameter in self.working:
            parameter.register_post_accumulate_grad_hook(lambda p: watch.tag("gradients", [p.grad]))
        for group in self.optimiser.param_groups:
            group["fused"] = True  # As on every real device; torch just does not expect to be asked on this one.

    def begin(self, step: int, num_steps: int) -> None:
        """Before a step."""
        super().begin(step, num_steps)
        if self._given and step == 0:
            for parameter, master in self.pairs():
                master.grad = torch.empty_like(master) if parameter.requires_grad else None

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one micro-batch."""
        self._watch.mark("backward")
        super().backward(loss)

    def step(self, *arguments: Any) -> None:
        """One update."""
        self._watch.mark("update")
        super().step(*arguments)
        # What holds numbers of the optimiser, and what the optimiser holds of the weights beside those that compute.
        states = self.optimiser.state.values()
        members = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        self._watch.tag("weights", self.working)
        self._watch.tag("optimiser", [*members, *(v for state in states for v in state.values() if isinstance(v, torch.Tensor))])
        self._watch.tag("gradients", [parameter.grad for parameter in members])

    def snapshot(self) -> list[torch.Tensor]:
        """A copy of the masters."""
        copied = super().snapshot()
        self._watch.tag("best_epoch", copied)
        return copied
