"""P-tuning."""

from typing import TYPE_CHECKING

from pydantic import Field

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodFacts
from tuneoff.methods.prompt import PromptParameters

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class PTuningParameters(PromptParameters):
    """Prompt tuning's parameters and the width of the perceptron."""

    width: int = Field(default=128, ge=1)


class PTuning(Method):
    """Virtual tokens from an embedding through a perceptron (Liu et al. 2021, arXiv:2103.10385)."""

    Config = PTuningParameters
    learning_rates = LearningRates(1e-4, 3e-2, {384: 3e-3, 768: 3e-3, 1024: 1e-3, 4096: 5e-4})
    head_learning_rates = LearningRates(1e-4, 1e-1, {384: 3e-2, 768: 3e-3, 1024: 1e-3, 4096: 5e-4})
    facts = MethodFacts(
        title={"en": "P-tuning", "ko": "P-튜닝"},
        summary={"en": "virtual tokens made by a small network", "ko": "작은 신경망이 만든 가상 토큰을 입력에 추가"},
        reference="Liu et al. (2021). GPT Understands, Too. arXiv:2103.10385",
        virtual_tokens="tokens",
        head_matters=True,
    )

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """The virtual tokens come out of a perceptron, which is drawn as PyTorch draws linear layers."""
        from tuneoff.methods._soft_prompt import Reparametrised, attach_prompt, embedding_width

        prompt = Reparametrised(self.config.tokens, embedding_width(model), self.config.width, next(model.parameters()).device)
        return attach_prompt(model, prompt, self.config.placement, backbone, generator)
