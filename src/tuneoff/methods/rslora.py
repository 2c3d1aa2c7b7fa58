"""Rank-stabilised low-rank adaptation."""

from typing import TYPE_CHECKING

from pydantic import Field

from tuneoff.methods._base import MethodFacts
from tuneoff.methods.lora import Lora, LoraParameters

if TYPE_CHECKING:
    from peft import LoraConfig

    from tuneoff.backbone import BackboneFacts


class RsloraParameters(LoraParameters):
    """As LoRA's, but the scale is ``alpha / sqrt(r)``: at the defaults as large as LoRA's own."""

    r: int = Field(default=64, ge=1)
    alpha: float = Field(default=16, gt=0)


class Rslora(Lora):
    """LoRA whose scale falls with the root of the rank, so that high ranks learn too (Kalajdzievski 2023, arXiv:2312.03732)."""

    Config = RsloraParameters
    facts = MethodFacts(
        title={"en": "rsLoRA", "ko": "rsLoRA"},
        summary={"en": "LoRA scaled for high ranks", "ko": "높은 랭크에서도 안정적으로 학습되도록 배율을 바꾼 LoRA"},
        reference="Kalajdzievski (2023). A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA. arXiv:2312.03732",
        identity_at_start=True,
        mergeable=True,
        shardable=True,
    )

    def peft_config(self, backbone: "BackboneFacts") -> "LoraConfig":
        """LoRA's, with the other scale."""
        config = super().peft_config(backbone)
        config.use_rslora = True
        return config
