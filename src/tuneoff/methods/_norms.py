"""Which parts of a backbone are normalisation layers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from tuneoff.backbone import BackboneFacts


def norm_names(model: "nn.Module", backbone: "BackboneFacts") -> list[str]:
    """Full names of the norms of the blocks and of the one behind them; that of the embeddings is not among them."""
    inside = backbone.base_prefix + "."
    return [
        name
        for name, module in model.named_modules()
        if name.startswith(inside) and "embed" not in name and type(module).__name__.endswith("Norm")
    ]
