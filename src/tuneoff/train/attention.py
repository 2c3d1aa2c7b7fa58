"""Attention for training on a CPU with dropout.

PyTorch's fused CPU attention takes no dropout and falls back to fp32 products and slow random numbers. This one stays in the
model's format and draws its masks from a :class:`~tuneoff.train.dropout.MaskSource`. Without dropout the fused one is used on long
rows; on short ones its backward pass was the slower (a quarter of a step of a model 256 wide on rows of some 40 tokens).
"""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tuneoff.train.dropout import FastDropout, MaskSource, dropout
from tuneoff.train.packed import Group, Layout

NAME = "tuneoff_cpu"
#: Rows up to so many positions do without the fused attention even where there is no dropout.
SHORT = 128


def cpu_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout_p: float,
    source: MaskSource,
    scaling: float | None = None,
) -> torch.Tensor:
    """Softmax attention, with dropout if asked for.

    Args:
        module: the attention layer, for its mode.
        query: [batch, heads, length, width].
        key: [batch, heads, positions, width].
        value: as ``key``.
        attention_mask: true where a position may be read, broadcast to [batch, heads, length, positions].
        dropout_p: probability of dropping a weight; with 0 none is, and nothing is drawn.
        source: of random masks.
        scaling: of the products; by default one over the root of the width.

    Returns:
        [batch, length, heads, width], as transformers expects it.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores_BHLP = torch.matmul(query * scale, key.transpose(-1, -2))
    if attention_mask is not None:
        bias = torch.zeros_like(attention_mask, dtype=scores_BHLP.dtype).masked_fill_(~attention_mask, torch.finfo(scores_BHLP.dtype).min)
        scores_BHLP = scores_BHLP + bias
    weights_BHLP = torch.softmax(scores_BHLP, dim=-1)
    if dropout_p > 0:
        weights_BHLP = dropout(weights_BHLP, dropout_p, source)
    return torch.matmul(weights_BHLP, value).transpose(1, 2).contiguous()


def _behind_past(
    past: tuple[torch.Tensor, torch.Tensor], group: Group, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """A group's keys and values behind those that stand in front of its rows, and where they may be read."""
    in_front = [each.index_select(0, group.rows).to(key.dtype) for each in past]
    key, value = (torch.cat(pair, 2) for pair in zip(in_front, (key, value), strict=True))
    mask = None if group.mask is None else nn.functional.pad(group.mask, (in_front[0].shape[2], 0), value=True)
    return key, value, mask


def use_fast_dropout(model: nn.Module, seed: int, masks: type[MaskSource] = MaskSource) -> MaskSource:
    """Replace the dropout modules of a model on a CPU, and its attention where transformers lets it be chosen.

    Returns:
        where the masks come from.
    """
    source = masks(seed)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Dropout and name:
            model.set_submodule(name, FastDropout(module.p, source))
    use_cpu_attention(model, source)
    return source


def use_cpu_attention(model: nn.Module, source: MaskSource) -> None:
    """Replace the attention of a model where transformers lets it be chosen; in training it draws its masks from this source."""

    def padded(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        **more: Any,
    ) -> torch.Tensor:
        grouped = key.shape[1] != query.shape[1] or getattr(module, "num_key_value_groups", 1) > 1
        causal = more.get("is_causal") or (attention_mask is None and getattr(module, "is_causal", False))
        if (
            not module.training
            or (dropout == 0.0 and key.shape[2] > SHORT)
            or grouped
            or causal
            or (attention_mask is not None and attention_mask.dtype != torch.bool)
        ):
            out: torch.Tensor
            out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more)
            return out
        return cpu_attention(module, query, key, value, attention_mask, dropout, source, scaling)

    def attend(
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | Layout | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        **more: Any,
    ) -> tuple[torch.Tensor, None]:
        if not isinstance(attention_mask, Layout):
            return padded(module, query, key, value, attention_mask, dropout, scaling, **more), None
        layout, parts = attention_mask, []
        for group, q, k, v in zip(layout.groups, *map(layout.apart, (query, key, value)), strict=True):
            mask = group.mask
            if layout.past is not None:
                k, v, mask = _behind_past(layout.past[module.layer_idx], group, k, v)
            parts.append(padded(module, q, k, v, mask, dropout, scaling, **more))
        return layout.together(parts), None

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    for module in model.modules():
        if isinstance(module, PreTrainedModel) and module.config._attn_implementation == "sdpa":
            module.set_attn_implementation(NAME)
            break
