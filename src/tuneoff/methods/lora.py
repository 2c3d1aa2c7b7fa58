"""Low-rank adaptation."""

from typing import TYPE_CHECKING

from pydantic import Field

from tuneoff.methods._base import LearningRates, MethodConfig, MethodFacts
from tuneoff.methods._peft import PeftMethod, Targets, lacks_targets, target_modules

if TYPE_CHECKING:
    from peft import LoraConfig

    from tuneoff.backbone import BackboneFacts


class LoraParameters(MethodConfig):
    """Rank ``r``, scale ``alpha / r``, and the linear layers that get an update."""

    r: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: Targets = "all-linear"


class Lora(PeftMethod):
    """Trainable low-rank update beside each chosen linear layer (Hu et al. 2021, arXiv:2106.09685)."""

    Config = LoraParameters
    learning_rates = LearningRates(1e-5, 1e-2, {384: 1e-3, 768: 5e-4, 1024: 3e-4, 4096: 1e-4})
    head_learning_rates = LearningRates(1e-5, 1e-2, {384: 1e-3, 768: 1e-3, 1024: 5e-4, 4096: 1e-4})
    facts = MethodFacts(
        title={"en": "LoRA", "ko": "LoRA"},
        summary={"en": "low-rank update beside each linear layer", "ko": "선형층마다 저랭크 갱신 행렬을 더해 학습"},
        reference="Hu et al. (2021). LoRA: Low-Rank Adaptation of Large Language Models. arXiv:2106.09685",
        identity_at_start=True,
        mergeable=True,
        shardable=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs linear layers."""
        return lacks_targets(self.config.targets, backbone)

    def peft_config(self, backbone: "BackboneFacts") -> "LoraConfig":
        """Rank, scale and layers."""
        from peft import LoraConfig

        return LoraConfig(
            task_type="SEQ_CLS",
            r=self.config.r,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=target_modules(self.config.targets, backbone),
        )
