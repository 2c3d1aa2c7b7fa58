"""What a model is given before it trains or is read on a CPU: kernels that PyTorch and transformers do not have for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from tuneoff.train.attention import NAME, use_cpu_attention, use_fast_dropout
from tuneoff.train.dropout import MaskSource
from tuneoff.train.packed import ReadMask, pack_rows, packs, read_mask


def train_on_cpu(
    model: nn.Module, seed: int, firsts_alone: bool = False, masks: type[MaskSource] = MaskSource, read: ReadMask = read_mask
) -> bool:
    """Dropout and attention for a CPU, and rows laid end to end where the architecture allows it.

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
    if packed := _packs(model, NAME):
        pack_rows(model, firsts_alone, read)
    return packed


@contextmanager
def read_on_cpu(model: nn.Module, tokens: int, read: ReadMask = read_mask) -> Iterator[bool]:
    """Rows laid end to end while a model in evaluation mode is read, where the architecture allows it.

    Args:
        model: as it computes.
        tokens: of a long row, which is filled up to them: kernels are prepared once a shape, and here there is one.
        read: how masks of attention are read.

    Yields:
        whether rows are laid end to end.
    """
    if not _packs(model, "sdpa", NAME):
        yield False
        return
    use_cpu_attention(model, MaskSource(0))
    hooks = pack_rows(model, read=read, reading=tokens)
    try:
        yield True
    finally:
        for hook in hooks:
            hook.remove()


def _packs(model: nn.Module, *attention: str) -> bool:
    inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    return inner is not None and inner.config._attn_implementation in attention and packs(inner.config.model_type, "cpu")
