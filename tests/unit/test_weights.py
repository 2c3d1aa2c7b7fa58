"""Groups that start late, as a probe before fine-tuning and a new language-model head need them."""

import pytest
import torch
from torch import nn

from tuneoff.train import Group, Schedule, Weights


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
