"""Prefix tuning."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from tuneoff.errors import MethodError
from tuneoff.methods._base import Adapted, LearningRates, MethodConfig, MethodFacts
from tuneoff.methods._peft import PeftMethod

if TYPE_CHECKING:
    import torch
    from peft import PrefixTuningConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class PrefixParameters(MethodConfig):
    """Virtual tokens in front of the keys and values of every layer."""

    tokens: int = Field(default=20, ge=1)


class Prefix(PeftMethod):
    """Trained keys and values in front of every layer's own (Li and Liang 2021, arXiv:2101.00190), without a projection."""

    Config = PrefixParameters
    learning_rates = LearningRates(1e-3, 1e-1, {384: 3e-2, 768: 2e-2, 1024: 1e-2, 4096: 5e-3})
    head_learning_rates = LearningRates(1e-4, 1e-2, {384: 5e-3, 768: 1e-3, 1024: 1e-3, 4096: 5e-4})
    facts = MethodFacts(
        title={"en": "Prefix tuning", "ko": "프리픽스 튜닝"},
        summary={"en": "trained keys and values in every layer", "ko": "모든 층의 키·값 앞에 학습 가능한 벡터를 붙임"},
        reference="Li and Liang (2021). Prefix-Tuning: Optimizing Continuous Prompts for Generation. arXiv:2101.00190",
        virtual_tokens="tokens",
        gradient_checkpointing=False,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs a forward pass that accepts past keys and values."""
        return None if backbone.takes_past else "method.no_past"

    def peft_config(self, backbone: "BackboneFacts") -> "PrefixTuningConfig":
        """As many virtual tokens as asked, in every layer."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=self.config.tokens)

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """PEFT's wrapper; its head is the model's own, wrapped for saving."""
        config: Any = backbone.config
        config.use_cache = True
        adapted = super().attach(model, backbone, generator)
        adapted.padding_side = "left" if backbone.kind == "decoder" else "right"
        return adapted

    def after_first_backward(self, adapted: Adapted) -> None:
        """A prefix that no layer reads has no gradient; that was once the case for BERT."""
        gradients = [parameter.grad for parameter in adapted.parameters(adapted.adapter)]
        if all(gradient is None or not gradient.abs().sum() for gradient in gradients):
            raise MethodError("method.prefix_unread", where=self.name)
