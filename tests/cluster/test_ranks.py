"""How a batch is dealt out to ranks."""

import numpy as np
import pytest
import torch

from tuneoff.train import ranks
from tuneoff.train.batches import length_parts


def as_rank(monkeypatch: pytest.MonkeyPatch, rank: int, count: int) -> None:
    monkeypatch.setattr(ranks, "count", lambda: count)
    monkeypatch.setattr(ranks, "rank", lambda: rank)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_every_row_once_and_as_many_parts_for_all(size: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.random.default_rng(size).integers(3, 60, 100)
    rows = np.random.default_rng(count).permutation(100)[:size]
    dealt = []
    for rank in range(count):
        as_rank(monkeypatch, rank, count)
        dealt.append(ranks.parts(rows, lengths, 4, 20))
    assert sorted(np.concatenate([part for parts in dealt for part in parts])) == sorted(rows)
    assert len({len(parts) for parts in dealt}) == 1
    assert max(len(part) for parts in dealt for part in parts) <= 4
    tokens = [sum(int(lengths[part].sum()) for part in parts) for parts in dealt]
    assert max(tokens) - min(tokens) <= lengths.max(), "shares differ by less than a row"


def test_alone_nothing_changes() -> None:
    lengths, rows = np.arange(1, 41), np.arange(40)
    alone = ranks.parts(rows, lengths, 8, 20)
    assert [list(part) for part in alone] == [list(part) for part in length_parts(rows, lengths, 8, 20)]
    tensor = torch.tensor([1.0, 2.0])
    ranks.add_up([tensor])
    assert tensor.tolist() == [1.0, 2.0]
    assert (ranks.count(), ranks.rank(), ranks.apart(), ranks.total(3, tensor.device)) == (1, 0, (), 3)
    assert ranks.highest(None, tensor.device) is None


@pytest.mark.parametrize(("batches", "count"), [(1, 2), (5, 2), (6, 3), (7, 3)])
def test_evaluation_has_as_many_passes_on_all_and_every_batch_once(batches: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    all_batches = [np.array([number]) for number in range(batches)]
    counted, passes = [], set()
    for rank in range(count):
        as_rank(monkeypatch, rank, count)
        mine = ranks.mine(all_batches)
        passes.add(len(mine))
        counted += [int(batch[0]) for batch, counts in mine if counts]
    assert sorted(counted) == list(range(batches))
    assert len(passes) == 1
