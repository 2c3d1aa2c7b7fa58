"""Rows laid end to end through an encoder, without padding.

Rows of a batch differ in length; padded to the longest, half of the products are of padding. Everything in an encoder but
attention treats each token by itself, so there the tokens of all rows stand in one long row, and only attention sees them as rows
again, in groups of similar length (Zhai et al. 2023, ByteTransformer, arXiv:2210.03052, do the same on GPUs). The losses and
gradients are those of padded rows, up to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import EncoderDecoderCache, PreTrainedModel

from tuneoff.train.batches import length_parts

#: Architecture → the module between embeddings and head. Outside of attention it treats tokens one by one.
ENCODERS = {
    "bert": "encoder",
    "camembert": "encoder",
    "distilbert": "transformer",
    "electra": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
}
#: Tokens of all rows are filled up to a multiple of this: kernels are prepared once a shape, and few shapes are met again.
TOKENS_STEP = 64
#: The same where a model is read: batches may have any rows there and fill the long row.
READING_STEP = 512
#: Rows of a group are padded to a multiple of this, for the same reason.
GROUP_STEP = 8
#: One more group costs attention about as much as so many padded tokens.
GROUP_OVERHEAD = 200

#: Mask as attention takes it ([rows, 1, queries, keys], true where a key may be read) and length of the rows → [rows, length],
#: true where there is a token.
ReadMask = Callable[[torch.Tensor, int], np.ndarray]


def packs(model_type: str, device: str, gradient_checkpointing: bool = False) -> bool:
    """Whether :func:`pack_rows` serves here. It needs the attention of a CPU, which recomputation does without."""
    return device == "cpu" and model_type in ENCODERS and not gradient_checkpointing


@dataclass(frozen=True)
class Group:
    """Rows of similar length, padded to the longest of them for attention.

    Attributes:
        rows: their numbers in the batch.
        longest: tokens of the longest.
        tokens: [rows · longest] where each place's token stands in the long row; padding has the spare token. Not looked at in an
            even layout.
        places: [tokens of these rows] where each token stands in the padded group.
        mask: [rows, 1, 1, longest], true where there is a token; ``None`` where there is no padding.
    """

    rows: torch.Tensor
    longest: int
    tokens: torch.Tensor
    places: torch.Tensor
    mask: torch.Tensor | None


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch stand in one long row; behind them at least one spare token, which nobody reads.

    Attributes:
        rows: of the batch.
        length: of its padded rows.
        groups: for attention, one after the other in the long row.
        tokens: [rows · length] → place in the long row; padding → a spare token.
        places: [length of the long row] → place in the padded batch; spare tokens → one of padding where there is any.
        firsts: [rows] → place of each row's first token in the long row; ``None`` where one begins with padding.
        past: keys and values in front of every layer's own, by layer, each [rows, heads, positions, width].
        even: the rows of a group are equally long, so that they stand in the long row as attention takes them.
    """

    rows: int
    length: int
    groups: tuple[Group, ...]
    tokens: torch.Tensor
    places: torch.Tensor
    firsts: torch.Tensor | None
    past: Any = None
    even: bool = False

    @classmethod
    def of(cls, there: np.ndarray, device: torch.device, past: Any = None, step: int = TOKENS_STEP, even: bool = False) -> "Layout":
        """Lay these rows end to end.

        Args:
            there: [rows, length], true where there is a token.
            device: of the indices.
            past: see the class.
            step: the long row is filled up to a multiple of this.
            even: group rows of equal length. Many groups where lengths are mixed, as in training; few where rows are read in their order.
        """
        rows, length = there.shape
        lengths = there.sum(1)
        padding = int(there.argmin())  # Without any, spare tokens are copies of the first.
        count = int(lengths.sum())
        places = np.full(-(-(count + 1) // step) * step, padding)
        tokens = np.full(rows * length, count)
        groups: list[Group] = []
        start = 0

        def index(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device)

        fill = 1 if even else GROUP_STEP
        for chosen in _alike(lengths) if even else length_parts(np.arange(rows), lengths, rows, GROUP_OVERHEAD):
            longest, size = -(-int(lengths[chosen].max()) // fill) * fill, int(lengths[chosen].sum())
            filled = np.arange(longest) < lengths[chosen, None]
            inside = np.full(filled.shape, count)
            inside[filled] = np.arange(start, start + size)
            own = np.flatnonzero(there[chosen].reshape(-1))
            places[start : start + size] = chosen[own // length] * length + own % length
            tokens[places[start : start + size]] = np.arange(start, start + size)
            mask = None if filled.all() else index(filled[:, None, None, :])
            groups.append(Group(index(chosen), longest, index(inside.reshape(-1)), index(np.flatnonzero(filled)), mask))
            start += size
        firsts = index(tokens[::length].copy()) if there[:, 0].all() else None
        return cls(rows, length, tuple(groups), index(tokens), index(places), firsts, past, even)

    def pack(self, hidden_BLD: torch.Tensor) -> torch.Tensor:
        """[rows, length, width] → [1, length of the long row, width]."""
        moved: torch.Tensor = _Move.apply(hidden_BLD.flatten(0, 1), self.places, self.tokens)  # type: ignore[no-untyped-call]
        return moved.unsqueeze(0)

    def unpack(self, hidden_1ND: torch.Tensor) -> torch.Tensor:
        """[1, length of the long row, width] → [rows, length, width]; nobody may read what stands in padding."""
        moved: torch.Tensor = _Move.apply(hidden_1ND[0], self.tokens, self.places)  # type: ignore[no-untyped-call]
        return moved.view(self.rows, self.length, -1)

    def apart(self, projected_1HNW: torch.Tensor) -> list[torch.Tensor]:
        """[1, heads, length of the long row, width] → for each group [rows, heads, longest, width]."""
        if self.even:
            *each, _ = projected_1HNW[0].transpose(0, 1).split(self._sizes)
            return [part.unflatten(0, (-1, group.longest)).transpose(1, 2) for part, group in zip(each, self.groups, strict=True)]
        heads, _, width = projected_1HNW.shape[1:]
        parts = _Apart.apply(projected_1HNW[0].transpose(0, 1).flatten(1), *self._indices)  # type: ignore[no-untyped-call]
        groups = zip(parts, self.groups, strict=True)
        return [part.view(len(group.rows), group.longest, heads, width).transpose(1, 2) for part, group in groups]

    def together(self, parts_GLHW: list[torch.Tensor]) -> torch.Tensor:
        """For each group [rows, longest, heads, width] → [1, length of the long row, heads, width]."""
        heads, width = parts_GLHW[0].shape[2:]
        if self.even:
            spare = parts_GLHW[0].new_zeros(self._sizes[-1], heads, width)
            return torch.cat([*(part.flatten(0, 1) for part in parts_GLHW), spare]).unsqueeze(0)
        parts = [part.flatten(2).flatten(0, 1) for part in parts_GLHW]
        joined: torch.Tensor = _Together.apply(len(self.places), *self._indices, *parts)  # type: ignore[no-untyped-call]
        return joined.view(1, -1, heads, width)

    @cached_property
    def _sizes(self) -> list[int]:
        """Tokens of each group, and spare ones."""
        sizes = [len(group.rows) * group.longest for group in self.groups]
        return [*sizes, len(self.places) - sum(sizes)]

    @property
    def _indices(self) -> list[torch.Tensor]:
        """From the long row into the groups, then from the groups into the long row."""
        return [group.tokens for group in self.groups] + [group.places for group in self.groups]


def _alike(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows of equal length, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1)


class _Move(torch.autograd.Function):
    """Pick rows by an index; backwards by the index of the other direction: what is picked twice is read by nobody."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, there: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(back)
        return values.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return gradients[0].index_select(0, back), None, None


def _split(values: torch.Tensor, tokens: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    return tuple(values.index_select(0, index) for index in tokens)


def _join(parts: Sequence[torch.Tensor], places: Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Spare tokens are zero."""
    real = [part.index_select(0, index) for part, index in zip(parts, places, strict=True)]
    return torch.cat([*real, real[0].new_zeros(length - sum(map(len, real)), real[0].shape[1])])


def _halves(tensors: Sequence[torch.Tensor]) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
    return tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]


class _Apart(torch.autograd.Function):
    """The long row → padded groups, by :attr:`Layout._indices`."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, *indices: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.save_for_backward(*indices)  # Not the layout, which would outlive the backward pass.
        ctx.length = len(values)
        return _split(values, _halves(indices)[0])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        indices = ctx.saved_tensors
        return _join(gradients, _halves(indices)[1], ctx.length), *[None] * len(indices)


class _Together(torch.autograd.Function):
    """Padded groups → the long row of so many tokens, by :attr:`Layout._indices`, of which there are two for each group."""

    @staticmethod
    def forward(ctx: Any, length: int, *indices_and_parts: torch.Tensor) -> torch.Tensor:
        count = len(indices_and_parts) // 3
        indices, parts = indices_and_parts[: 2 * count], indices_and_parts[2 * count :]
        ctx.save_for_backward(*indices)
        return _join(parts, _halves(indices)[1], length)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        indices = ctx.saved_tensors
        return *[None] * (1 + len(indices)), *_split(gradients[0], _halves(indices)[0])


class _Beside:
    """In place of a cache whose keys and values stand in front of each row: they cannot be put in front of the long one."""

    def __init__(self, cache: Any) -> None:
        inner = cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache
        self.layers = [(layer.keys, layer.values) for layer in inner.layers]

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """What the layer made itself; attention finds the rest in the layout."""
        return keys, values


def read_mask(mask: torch.Tensor, length: int) -> np.ndarray:
    """Where there are tokens, by the mask's numbers."""
    there: np.ndarray = mask[:, 0, 0, -length:].cpu().numpy()
    return there


def pack_rows(model: nn.Module, firsts_alone: bool = False, read: ReadMask = read_mask, training: bool = True) -> list[RemovableHandle]:
    """Have the encoder of a model compute no padding; its attention must take a :class:`Layout` for a mask.

    Args:
        model: a transformers model of one of ``ENCODERS``, or one that is wrapped around it.
        firsts_alone: the head reads the first token of each row, as classifiers of these architectures do: behind the attention of
            the last layer only those are computed, and the encoder gives [rows, 1, width].
        read: other than :func:`read_mask` where tensors have no numbers.
        training: in training mode alone, or in evaluation mode alone.

    Returns:
        what undoes it.
    """
    inner = next(module for module in model.modules() if isinstance(module, PreTrainedModel))
    encoder: Any = getattr(inner.base_model, ENCODERS[inner.config.model_type])
    # DistilBERT has no module that attention's result and what it is added to go through.
    after_attention = getattr(encoder.layer[-1].attention, "output", None) if firsts_alone else None
    laid: list[Layout] = []

    def before(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        laid.clear()
        mask = named.get("attention_mask")
        if module.training != training or (mask is None and training):
            return None
        hidden, *others = arguments or (named.pop("hidden_states"),)
        there = np.ones(hidden.shape[:2], dtype=bool) if mask is None else read(mask, hidden.shape[1])
        if there.all() and training:
            return (hidden, *others), named
        past = named.get("past_key_values")
        beside = None if past is None else _Beside(past)
        step = TOKENS_STEP if training else READING_STEP
        layout = Layout.of(there, hidden.device, beside.layers if beside else None, step, even=not training)
        laid.append(layout)
        more = {"past_key_values": beside} if beside else {}
        return (layout.pack(hidden), *others), {**named, "attention_mask": layout, **more}

    def narrow(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> Any:
        if not laid or laid[-1].firsts is None:
            return None
        firsts = laid[-1].firsts
        return tuple(hidden_1ND.index_select(1, firsts) for hidden_1ND in arguments)

    def after(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
        if laid:
            layout, hidden = laid.pop(), output.last_hidden_state
            narrowed = after_attention is not None and layout.firsts is not None
            output.last_hidden_state = hidden.transpose(0, 1) if narrowed else layout.unpack(hidden)
        return output

    hooks = [encoder.register_forward_pre_hook(before, with_kwargs=True), encoder.register_forward_hook(after)]
    return hooks if after_attention is None else [*hooks, after_attention.register_forward_pre_hook(narrow)]
