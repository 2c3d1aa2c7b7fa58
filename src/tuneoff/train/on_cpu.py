"""What a model is given before it trains or is read on a CPU: kernels that PyTorch and transformers do not have for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from tuneoff.train.attention import NAME, use_cpu_attention, use_fast_dropout
from tuneoff.train.batches import end_to_end_batches, evaluation_batches
from tuneoff.train.dropout import MaskSource
from tuneoff.train.fused import fused_products
from tuneoff.train.low_rank import fuse_low_rank
from tuneoff.train.packed import ReadMask, pack_rows, packs, read_mask

#: Lengths of rows and most tokens → the rows of each batch.
Batches = Callable[[np.ndarray, int], Iterator[np.ndarray]]


def train_on_cpu(
    model: nn.Module, seed: int, firsts_alone: bool = False, masks: type[MaskSource] = MaskSource, read: ReadMask = read_mask
) -> bool:
    """Dropout, attention and low-rank updates for a CPU, and rows laid end to end where the architecture allows it.

    Args:
        model: with everything attached that trains. Not with gradient checkpointing: recomputation must see the same masks, which
            only torch's own generator replays.
        seed: of the dropout masks.
        firsts_alone: see :func:`~tuneoff.train.packed.pack_rows`.
        masks: their source.
        read: how masks of attention are read.

    Returns:
        whether rows are laid end to end; batches need no cut then.
    """
    use_fast_dropout(model, seed, masks)
    fuse_low_rank(model)
    inner = _inner(model)
    packed = inner is not None and inner.config._attn_implementation == NAME and packs(inner.config.model_type, "cpu")
    if packed:
        pack_rows(model, firsts_alone, read)
    return packed


@contextmanager
def reading(model: nn.Module, on_cpu: bool, read: ReadMask = read_mask) -> Iterator[Batches]:
    """A model in evaluation mode is read: on a CPU with fused products, and with rows laid end to end where the architecture allows it.

    Long rows have few lengths (:data:`~tuneoff.train.packed.READING_STEP`): kernels are prepared once a shape, and kept.

    Args:
        model: as it computes; a classifier's head reads first tokens.
        on_cpu: the device is a CPU.
        read: how masks of attention are read.

    Yields:
        how rows are put into batches.
    """
    with fused_products(model) if on_cpu else nullcontext(), _laid(model, on_cpu, read) as batches:
        yield batches


@contextmanager
def _laid(model: nn.Module, on_cpu: bool, read: ReadMask) -> Iterator[Batches]:
    inner = _inner(model) if on_cpu else None
    before = None if inner is None else inner.config._attn_implementation
    if inner is None or before not in ("sdpa", NAME) or not packs(inner.config.model_type, "cpu"):
        yield evaluation_batches
        return
    if before != NAME:  # Else it trains, and its masks have their source.
        use_cpu_attention(model, MaskSource(0))
    hooks = pack_rows(model, "ForSequenceClassification" in type(inner).__name__, read, training=False)
    try:
        yield end_to_end_batches
    finally:
        for hook in hooks:
            hook.remove()
        inner.set_attn_implementation(before)


def _inner(model: nn.Module) -> PreTrainedModel | None:
    return next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
