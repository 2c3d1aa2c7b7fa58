"""Fine-tuning of the last blocks."""

import math
from typing import TYPE_CHECKING

from pydantic import Field

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodConfig, MethodFacts, head_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class TopLayersParameters(MethodConfig):
    """How many of the last blocks train; by default a quarter of them."""

    layers: int | None = Field(default=None, ge=1)


class TopLayers(Method):
    """The last blocks and the head train, what lies below stays frozen and needs no backward pass (Lee et al. 2019, arXiv:1911.03090)."""

    Config = TopLayersParameters
    learning_rates = LearningRates(5e-6, 2e-3, {384: 5e-4, 768: 1e-4, 1024: 5e-5, 4096: 2e-5})
    head_learning_rates = LearningRates(5e-6, 5e-3, {384: 1e-3, 768: 2e-4, 1024: 1e-4, 4096: 2e-5})
    facts = MethodFacts(
        title={"en": "Top layers", "ko": "상위 층 미세조정"},
        summary={"en": "the last blocks and the head train", "ko": "마지막 몇 개 블록과 분류기만 학습"},
        reference="Lee et al. (2019). What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning. arXiv:1911.03090",
        experiment=1,
        identity_at_start=True,
        trains_backbone=True,
        mergeable=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs blocks of their own: ALBERT's layers share one."""
        from tuneoff.backbone import empty_classifier

        return None if _blocks(empty_classifier(backbone.config), backbone) else "method.no_modules"

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Nothing to add.

        Raises:
            ValueError: more blocks than there are.
        """
        count = self.config.layers or math.ceil(backbone.layers / 4)
        if count > backbone.layers:
            raise ValueError(f"there are {backbone.layers} blocks, not {count}")
        blocks = _blocks(model, backbone)
        top = tuple(f"{blocks}.{number}." for number in range(backbone.layers - count, backbone.layers))
        base = [name for name, _ in model.named_parameters() if name.startswith(top)]
        return Adapted(model, head=head_names(model, backbone), base=base).freeze_rest()


def _blocks(model: "nn.Module", backbone: "BackboneFacts") -> str | None:
    """Full name of the list of the backbone's blocks."""
    from torch import nn

    inside = backbone.base_prefix + "."
    lists = (name for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module) == backbone.layers)
    return next((name for name in lists if name.startswith(inside)), None)
