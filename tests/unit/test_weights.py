"""Groups that start late, as a probe before fine-tuning and a new language-model head need them."""

from typing import Any

import pytest
import torch
from torch import nn

from tuneoff.train import Group, Schedule, Weights
from tuneoff.train.loop import try_heaviest


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_late_group_stays_as_it_is_until_its_share_of_the_steps(precision: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    base, head = list(model[0].parameters()), list(model[1].parameters())
    weights = Weights(model, [Group(base, 0.1, start=0.5), Group(head, 0.1)], precision, 0.0)  # type: ignore[arg-type]
    inputs = torch.randn(8, 4, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    schedule, steps = Schedule(1, 0.0, 1.0), 10
    seen, heads = [], []
    for step in range(steps):
        weights.begin(step, steps)
        weights.backward(model(inputs).float().pow(2).mean())
        weights.step(schedule, step, steps)
        seen.append(base[0].detach().clone())
        heads.append(head[0].detach().clone())
    assert all(torch.equal(one, seen[0]) for one in seen[:5])
    assert not torch.equal(seen[5], seen[4]), "its turn has come"
    assert not torch.equal(heads[0], heads[1])
    assert weights.optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * 1 / 5), "its own decay, over the steps it has"


class Rows:
    """An objective of two batches through a model with dropout; the second is the heavy one."""

    num_batches = 2

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self.model, self.tried = model, list[int]()
        self.inputs = [torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows)).to(dtype) for rows in (2, 6)]

    def heaviest(self, number: int) -> int:
        return 1

    def batch(self, number: int, place: int) -> list[torch.Tensor]:
        self.tried.append(place)
        return [self.inputs[place]]

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        return self.model(batch).float().pow(2).sum()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_trying_the_heaviest_batch_leaves_no_trace(precision: str) -> None:
    def trained(first: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 2))
        weights = Weights(model, [Group(list(model.parameters()), 0.1)], precision, 0.0)  # type: ignore[arg-type]
        objective: Any = Rows(model, torch.bfloat16 if precision == "bf16" else torch.float32)
        if first:
            try_heaviest(objective, weights, 4)
            assert objective.tried == [1]
            assert all(parameter.grad is None for parameter in (*weights.working, *weights.masters))
        for step in range(4):
            weights.begin(step, 4)
            weights.backward(objective.loss(objective.inputs[step % 2]))
            weights.step(Schedule(2, 0.0, 1.0), step, 4)
        return [parameter.detach().clone() for parameter in weights.masters]

    assert all(torch.equal(one, other) for one, other in zip(trained(first=True), trained(first=False), strict=True))
