"""Several processes that train one model: each has its share of every batch, all make the same updates.

Gradients are summed explicitly, once an update: batches are cut by length into parts of which ranks may have different ones, and
methods freeze and wake parameters, which wrappers such as DistributedDataParallel do not expect (``docs/decisions/0008``).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from tuneoff.train.batches import length_parts


def join(rank: int, ranks: int, meeting: Path) -> None:
    """Be one of several ranks, all on this machine.

    Args:
        rank: number of this process.
        ranks: how many there are.
        meeting: a file that is not there yet, the same for all, through which they find each other.
    """
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(variable, "lo")  # Nobody outside this machine is to be listened to.
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, init_method=meeting.resolve().as_uri(), rank=rank, world_size=ranks)


def count() -> int:
    """How many ranks train together; 1 where there are none."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Number of this one."""
    return distributed.get_rank() if count() > 1 else 0


def apart() -> tuple[int, ...]:
    """What a seed gets in addition, so that ranks draw different masks; nothing on the first, which draws as one process does."""
    return (rank(),) if rank() else ()


def add_up(tensors: Sequence[torch.Tensor]) -> None:
    """Put the sum over ranks in the place of each tensor; in one message for each type of number."""
    if count() == 1:
        return
    kinds = sorted({tensor.dtype for tensor in tensors}, key=str)
    for kind in kinds:
        same = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in same])
        distributed.all_reduce(flat)
        for tensor, part in zip(same, flat.split([tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(part.view_as(tensor))


def total(number: int, device: torch.device) -> int:
    """Sum over ranks of a whole number."""
    if count() == 1:
        return number
    one = torch.tensor(number, device=device)
    distributed.all_reduce(one)
    return int(one)


def highest(number: int | None, device: torch.device) -> int | None:
    """The highest of the ranks' numbers; ``None`` where one has none."""
    if count() == 1:
        return number
    one = torch.tensor([-1 if number is None else number, 0 if number is None else 1], device=device)
    found = [torch.empty_like(one) for _ in range(count())]
    distributed.all_gather(found, one)
    return max(int(each[0]) for each in found) if all(int(each[1]) for each in found) else None


def parts(rows: np.ndarray, lengths: np.ndarray, largest: int, overhead: int) -> list[np.ndarray]:
    """This rank's parts of a batch, see :func:`~tuneoff.train.batches.length_parts`.

    Rows are dealt out by length, so that ranks have as much to do. All have as many parts, because sharded models are put together
    for each; where a rank has no rows for one, it is empty.
    """
    ranks = count()
    if ranks == 1:
        return length_parts(rows, lengths, largest, overhead)
    rows = rows[np.argsort(-lengths[rows], kind="stable")]
    shares = [rows[number::ranks] for number in range(ranks)]
    cut = [length_parts(share, lengths, largest, overhead) if len(share) else [] for share in shares]
    mine = cut[rank()]
    return mine + [rows[:0]] * (max(map(len, cut)) - len(mine))


def mine(batches: Sequence[np.ndarray]) -> list[tuple[np.ndarray, bool]]:
    """This rank's batches of an evaluation, as many for every rank, and whether each counts: a filler is computed for company."""
    ranks = count()
    rounds = -(-len(batches) // ranks)
    places = [round_ * ranks + rank() for round_ in range(rounds)]
    return [(batches[min(place, len(batches) - 1)], place < len(batches)) for place in places]
