"""Bias-term fine-tuning."""

from typing import TYPE_CHECKING

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodFacts, head_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class Bitfit(Method):
    """Only the biases train, those of the norms included (Ben Zaken et al. 2022, arXiv:2106.10199). A pooler stays frozen."""

    learning_rates = LearningRates(1e-4, 2e-2, {384: 3e-3, 768: 2e-3, 1024: 1e-3, 4096: 5e-4})
    head_learning_rates = LearningRates(1e-4, 2e-2, {384: 1e-2, 768: 2e-3, 1024: 1e-3, 4096: 5e-4})
    facts = MethodFacts(
        title={"en": "BitFit", "ko": "BitFit"},
        summary={"en": "only the biases train", "ko": "편향(bias)만 학습"},
        reference="Ben Zaken et al. (2022). BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked "
        "Language-models. arXiv:2106.10199",
        identity_at_start=True,
        trains_backbone=True,
        mergeable=True,
        head_matters=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Llama and its like have no biases."""
        from tuneoff.backbone import empty_classifier

        model = empty_classifier(backbone.config)
        return None if _biases(model, backbone) else "method.no_bias"

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Nothing to add; biases and head train."""
        return Adapted(model, head=head_names(model, backbone), base=_biases(model, backbone)).freeze_rest()


def _biases(model: "nn.Module", backbone: "BackboneFacts") -> list[str]:
    inside = backbone.base_prefix + "."
    return [n for n, _ in model.named_parameters() if n.startswith(inside) and n.endswith("bias") and ".pooler." not in n]
