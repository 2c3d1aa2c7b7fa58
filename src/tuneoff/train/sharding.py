"""A model whose parameters, gradients and optimiser state are divided among the ranks (Zhao et al. 2023, arXiv:2304.11277).

PyTorch's ``fully_shard`` puts a block's parameters together when the block is computed, and takes them apart again.
"""

from typing import Any

import torch
from torch import nn

from tuneoff.backbone import Format
from tuneoff.train import ranks


def shard(model: nn.Module, precision: Format, device: torch.device) -> None:
    """Divide a model among the ranks, block by block; in bf16 blocks are put together and computed in bf16, sums stay fp32.

    Args:
        model: the same on every rank, on its device.
        precision: fp32 or bf16.
        device: of this rank.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    assert precision != "fp16", "refused when the study was planned"
    for parameter in model.parameters():
        parameter.data = parameter.data.float()  # A block's parameters lie in one buffer, of one type.
    narrow = torch.bfloat16 if precision == "bf16" else None
    options: dict[str, Any] = {
        "mesh": init_device_mesh(device.type, (ranks.count(),)),
        # Always: what stayed together would not see that the weights of a better epoch were put back.
        "reshard_after_forward": True,
        "mp_policy": MixedPrecisionPolicy(param_dtype=narrow, reduce_dtype=torch.float32 if narrow else None),
    }
    for block in _blocks(model):
        fully_shard(block, **options)
    fully_shard(model, **options)


def gather(model: nn.Module) -> None:
    """Give a sharded model whole parameters again, to be read and saved, not to be computed with; all ranks take part."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    whole: dict[int, nn.Parameter] = {}
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        divided: Any = parameter
        if id(parameter) not in whole:
            whole[id(parameter)] = nn.Parameter(divided.full_tensor().detach(), requires_grad=parameter.requires_grad)
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, whole[id(parameter)])


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The transformer's blocks: what its class calls indivisible, else the longest list of modules."""
    names = {name for module in model.modules() for name in getattr(module, "_no_split_modules", None) or ()}
    found = [module for module in model.modules() if type(module).__name__ in names]
    if found:
        return [block for block in found if not any(block in set(other.modules()) - {other} for other in found)]
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])
