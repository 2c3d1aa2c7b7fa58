"""Train only the embedding rows that the training texts use.

A row that no training text touches has zero gradient at every step, so Adam never moves it (without weight decay): leaving
it out changes nothing, and its dense gradient and optimiser state were a quarter of a fine-tuning step on a small model.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


class UsedRows(nn.Module):
    """An embedding of which only some rows train.

    In training mode ids are looked up among the used rows; in evaluation mode in the whole table, brought up to date first.
    """

    def __init__(self, full: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.full = [full]  # In a list, so that its table is no parameter of this module.
        self.used = used
        self.place = torch.zeros(full.num_embeddings, dtype=torch.long, device=used.device)
        self.place[used] = torch.arange(len(used), device=used.device)
        self.weight = nn.Parameter(full.weight.detach()[used].clone())
        self.padding = None if full.padding_idx is None else int(self.place[full.padding_idx])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids → embeddings."""
        if self.training:
            return nn.functional.embedding(self.place[ids], self.weight, self.padding)
        return nn.functional.embedding(ids, self.full[0].weight).to(self.weight.dtype)

    def train(self, mode: bool = True) -> "UsedRows":
        """Entering evaluation writes the trained rows into the table; entering it again too: an earlier epoch's may be back."""
        if not mode:
            self.write()
        return super().train(mode)

    def write(self) -> None:
        """Copy the trained rows into the whole table."""
        table = self.full[0].weight
        with torch.no_grad():
            table.index_copy_(0, self.used, self.weight.detach().to(table.dtype))


def set_aside(model: nn.Module) -> Iterator[torch.Tensor]:
    """Tensors that a model holds while only the used rows train, and that are no parameters or buffers of it."""
    for module in model.modules():
        if isinstance(module, UsedRows):
            yield from (module.full[0].weight, module.place, module.used)


@contextmanager
def used_rows_only(model: nn.Module, trainable: set[str], ids: np.ndarray, weight_decay: float) -> Iterator[None]:
    """Replace a trainable, untied input embedding by its used rows while inside; parameter names stay the same.

    Args:
        model: of transformers, or a wrapper around one.
        trainable: names of the parameters that train.
        ids: every token id that training can meet.
        weight_decay: with decay, untouched rows would shrink, so nothing is replaced.
    """
    found = next(
        ((name, module) for name, module in model.named_modules() if name + ".weight" in trainable and _is_input(model, module)), None
    )
    if found is None or weight_decay > 0 or _tied(model):
        yield
        return
    name, full = found
    assert isinstance(full, nn.Embedding)
    used = np.unique(ids)
    if full.padding_idx is not None:
        used = np.union1d(used, [full.padding_idx])
    compact = UsedRows(full, torch.from_numpy(used.astype(np.int64)).to(full.weight.device))
    full.weight.requires_grad_(False)
    model.set_submodule(name, compact)
    try:
        yield
    finally:
        compact.write()
        full.weight.requires_grad_(True)
        model.set_submodule(name, full)


def _is_input(model: nn.Module, module: nn.Module) -> bool:
    # Of nn.Embedding itself: a subclass may do more than look up, as Gemma's scales what it finds.
    owner: Any = model
    return type(module) is nn.Embedding and hasattr(owner, "get_input_embeddings") and owner.get_input_embeddings() is module


def _tied(model: nn.Module) -> bool:
    owner: Any = model
    output = owner.get_output_embeddings() if hasattr(owner, "get_output_embeddings") else None
    return output is not None
