"""Where tokens stand in one long row: nothing lost, nothing mixed, gradients at home."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tuneoff.train.packed import TOKENS_STEP, Layout

CPU = torch.device("cpu")
MASKS = (
    st.integers(2, 9)
    .flatmap(lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width).filter(any), min_size=1, max_size=12))
    .filter(lambda rows: not all(map(all, rows)))
)


@given(MASKS)
def test_every_token_is_there_once_and_comes_back(mask: list[list[bool]]) -> None:
    """Whatever the places of padding: at the right, at the left, between virtual tokens and text."""
    there = np.array(mask)
    layout = Layout.of(there, CPU)
    values = torch.arange(1.0, there.size + 1).view(*there.shape, 1)
    packed = layout.pack(values)
    assert packed.shape[1] % TOKENS_STEP == 0
    count = int(there.sum())
    assert sorted(packed[0, :count, 0].tolist()) == sorted(values[..., 0][torch.from_numpy(there)].tolist())
    back = layout.unpack(packed)
    assert torch.equal(back[torch.from_numpy(there)], values[torch.from_numpy(there)])


@given(MASKS)
def test_groups_hold_rows_as_they_are(mask: list[list[bool]]) -> None:
    there = np.array(mask)
    layout = Layout.of(there, CPU)
    values = torch.arange(1.0, there.size + 1).view(*there.shape, 1)
    heads_first = layout.pack(values).unsqueeze(1)
    seen: list[int] = []
    for group, part in zip(layout.groups, layout.apart(heads_first), strict=True):
        for place, row in enumerate(group.rows.tolist()):
            wanted = values[row, torch.from_numpy(there[row]), 0]
            got = part[place, 0, :, 0]
            if group.mask is not None:
                got = got[group.mask[place, 0, 0]]
            assert torch.equal(got, wanted)
            seen.append(row)
    assert sorted(seen) == list(range(len(there)))
    parts = [part.transpose(1, 2) for part in layout.apart(heads_first)]
    count = int(there.sum())
    assert torch.equal(layout.together(parts)[0, :count], heads_first[0, 0, :count].unsqueeze(1))


@given(MASKS)
def test_gradients_are_those_of_a_plain_choice(mask: list[list[bool]]) -> None:
    """Attention's way there and back is the identity on tokens, so a token's gradient is its own; padding has none."""
    there = np.array(mask)
    layout = Layout.of(there, CPU)
    values = torch.randn(*there.shape, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(*there.shape, 3, dtype=torch.float64) * torch.from_numpy(there)[..., None]
    row = layout.pack(values).view(1, -1, 1, 3).transpose(1, 2)
    row = layout.together([part.transpose(1, 2) for part in layout.apart(row)]).flatten(2)
    (layout.unpack(row) * weights).sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, weights)
