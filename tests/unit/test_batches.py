"""Batches at random, parts by length: nothing lost, less padding, the same gradient."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tuneoff.train.batches import Passes, epoch_order, heaviest_batch, length_parts


def padded(parts: list[np.ndarray], lengths: np.ndarray, overhead: int) -> int:
    return sum(int(lengths[part].max()) * len(part) + overhead for part in parts)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=70), st.integers(1, 70), st.integers(0, 2000))
def test_parts_hold_every_row_once_and_never_cost_more_than_the_whole(sizes: list[int], largest: int, overhead: int) -> None:
    lengths = np.array(sizes)
    rows = np.arange(len(lengths))
    parts = length_parts(rows, lengths, largest, overhead)
    assert sorted(np.concatenate(parts)) == list(rows)
    assert max(map(len, parts)) <= largest
    assert [lengths[part].max() for part in parts] == sorted((lengths[part].max() for part in parts), reverse=True)
    if largest >= len(rows):
        assert padded(parts, lengths, overhead) <= padded([rows], lengths, overhead)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=200), st.integers(1, 40), st.integers(0, 9))
def test_an_epoch_is_a_permutation_whatever_the_lengths(sizes: list[int], batch: int, seed: int) -> None:
    lengths = np.array(sizes)
    batches = epoch_order(len(lengths), batch, np.random.default_rng(seed))
    assert list(np.concatenate(batches)) == list(np.random.default_rng(seed).permutation(len(lengths)))
    heaviest = [max(padded([part], lengths, 0) for part in length_parts(rows, lengths, batch, 200)) for rows in batches]
    assert heaviest[heaviest_batch(batches, lengths, Passes(200))] == max(heaviest)


def test_rows_of_a_batch_are_not_of_one_length() -> None:
    """Length goes with the label in real data: batches of one length made training collapse."""
    lengths = np.repeat(np.arange(1, 65), 16)
    batches = epoch_order(len(lengths), 32, np.random.default_rng(0))
    spread = np.mean([lengths[batch].std() for batch in batches])
    assert spread > 0.9 * lengths.std(), "as wide inside a batch as in the data"


def test_the_gradient_of_the_parts_is_that_of_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(8, 3)
    inputs, targets = torch.randn(32, 8, generator=generator), torch.randint(0, 3, (32,), generator=generator)
    lengths = np.random.default_rng(0).integers(1, 100, 32)
    whole = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), targets), model.weight)[0]
    parts = length_parts(np.arange(32), lengths, 32, 50)
    assert len(parts) > 1
    for part in parts:
        rows = torch.from_numpy(part)
        (nn.functional.cross_entropy(model(inputs[rows]), targets[rows], reduction="sum") / 32).backward()
    assert model.weight.grad is not None
    # The order of fp32 additions differs.
    torch.testing.assert_close(model.weight.grad, whole, rtol=1e-5, atol=1e-6)
