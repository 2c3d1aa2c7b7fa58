"""What a model is given before it trains on a CPU: kernels that PyTorch and transformers do not have for it."""

from torch import nn
from transformers import PreTrainedModel

from tuneoff.train.attention import NAME, use_fast_dropout
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
    inner = next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)
    packed = inner is not None and inner.config._attn_implementation == NAME and packs(inner.config.model_type, "cpu")
    if packed:
        pack_rows(model, firsts_alone, read)
    return packed
