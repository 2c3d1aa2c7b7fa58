"""Prompt tuning."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodConfig, MethodFacts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class PromptParameters(MethodConfig):
    """Virtual tokens, and where they stand on an encoder: before or after its ``[CLS]``."""

    tokens: int = Field(default=20, ge=1)
    placement: Literal["before", "after"] = "before"


class Prompt(Method):
    """Trained virtual tokens in the input embeddings (Lester et al. 2021, arXiv:2104.08691)."""

    Config = PromptParameters
    learning_rates = LearningRates(1e-2, 1.0, {384: 3e-1, 768: 1e-1, 1024: 5e-2, 4096: 1e-2})
    head_learning_rates = LearningRates(1e-4, 1e-1, {384: 3e-2, 768: 5e-3, 1024: 3e-3, 4096: 1e-3})
    facts = MethodFacts(
        title={"en": "Prompt tuning", "ko": "프롬프트 튜닝"},
        summary={"en": "trained virtual tokens in the input", "ko": "입력 임베딩에 학습 가능한 가상 토큰 추가"},
        reference="Lester et al. (2021). The Power of Scale for Parameter-Efficient Prompt Tuning. arXiv:2104.08691",
        virtual_tokens="tokens",
        head_matters=True,
    )

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """The virtual tokens are the parameters."""
        from tuneoff.methods._soft_prompt import Embedded, attach_prompt, embedding_width

        prompt = Embedded(self.config.tokens, embedding_width(model), next(model.parameters()).device)
        return attach_prompt(model, prompt, self.config.placement, backbone, generator)
