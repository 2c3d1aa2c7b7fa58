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
    """Trained keys and values in front of every layer's own (Li and Liang 2021, arXiv:2101.00190), without a projection.

    Rows are padded on the right on decoders too: padding on the left would stand between prefix and text and move the text's
    positions, so that a row's logits would depend on the other rows of its batch.
    """

    Config = PrefixParameters
    learning_rates = LearningRates(1e-3, 1e-1, {384: 3e-2, 768: 2e-2, 1024: 1e-2, 4096: 5e-3})
    head_learning_rates = LearningRates(1e-4, 1e-2, {384: 1e-2, 768: 3e-3, 1024: 1e-3, 4096: 5e-4})
    facts = MethodFacts(
        title={"en": "Prefix tuning", "ko": "프리픽스 튜닝"},
        summary={"en": "trained keys and values in every layer", "ko": "모든 층의 키·값 앞에 학습 가능한 벡터를 붙임"},
        reference="Li and Liang (2021). Prefix-Tuning: Optimizing Continuous Prompts for Generation. arXiv:2101.00190",
        virtual_tokens="tokens",
        gradient_checkpointing=False,
        head_matters=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs a forward pass that accepts past keys and values."""
        return None if backbone.takes_past else "method.no_past"

    def peft_config(self, backbone: "BackboneFacts") -> "PrefixTuningConfig":
        """As many virtual tokens as asked, in every layer."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=self.config.tokens)

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """PEFT's wrapper, and a look at the first gradient that reaches the prefix."""
        adapted = super().attach(model, backbone, generator)
        self._first_gradient: torch.Tensor | None = None

        def keep_first(gradient: "torch.Tensor") -> None:
            if self._first_gradient is None:
                self._first_gradient = gradient.detach().abs().max()

        for parameter in adapted.parameters(adapted.adapter):
            hooked: Any = parameter
            hooked.register_hook(keep_first)
        return adapted

    def after_first_backward(self, adapted: Adapted) -> None:
        """A prefix that no layer reads has no gradient; that was once the case for BERT."""
        if self._first_gradient is None or not self._first_gradient:
            raise MethodError("method.prefix_unread", where=self.name)
