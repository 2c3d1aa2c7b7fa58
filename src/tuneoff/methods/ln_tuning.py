"""LayerNorm tuning."""

from typing import TYPE_CHECKING

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodConfig, MethodFacts, head_names
from tuneoff.methods._norms import norm_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class LnParameters(MethodConfig):
    """Whether the biases of the norms train beside their weights."""

    biases: bool = True


class LnTuning(Method):
    """Only the norms train, but for that of the embeddings (Zhao et al. 2023, arXiv:2312.11420)."""

    Config = LnParameters
    learning_rates = LearningRates(1e-4, 3e-2, {384: 1e-2, 768: 2e-3, 1024: 1e-3, 4096: 5e-4})
    head_learning_rates = LearningRates(1e-4, 3e-2, {384: 1e-2, 768: 2e-3, 1024: 1e-3, 4096: 5e-4})
    facts = MethodFacts(
        title={"en": "LayerNorm tuning", "ko": "LayerNorm 튜닝"},
        summary={"en": "only the normalisation layers train", "ko": "정규화층만 학습"},
        reference="Zhao et al. (2023). Tuning LayerNorm in Attention: Towards Efficient Multi-Modal LLM Finetuning. arXiv:2312.11420",
        identity_at_start=True,
        trains_backbone=True,
        mergeable=True,
        head_matters=True,
    )

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Nothing to add; norms and head train."""
        parts = (".weight", ".bias") if self.config.biases else (".weight",)
        norms = {name + part for name in norm_names(model, backbone) for part in parts}
        base = [name for name, _ in model.named_parameters() if name in norms]
        return Adapted(model, head=head_names(model, backbone), base=base).freeze_rest()
