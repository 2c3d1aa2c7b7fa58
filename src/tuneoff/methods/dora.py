"""Weight-decomposed low-rank adaptation."""

from typing import TYPE_CHECKING

from tuneoff.methods._base import MethodFacts
from tuneoff.methods.lora import Lora

if TYPE_CHECKING:
    from peft import LoraConfig

    from tuneoff.backbone import BackboneFacts


class Dora(Lora):
    """LoRA on the direction of each weight, with a trained magnitude (Liu et al. 2024, arXiv:2402.09353)."""

    facts = MethodFacts(
        title={"en": "DoRA", "ko": "DoRA"},
        summary={"en": "LoRA on direction, trained magnitude", "ko": "가중치의 방향은 LoRA로, 크기는 따로 학습"},
        reference="Liu et al. (2024). DoRA: Weight-Decomposed Low-Rank Adaptation. arXiv:2402.09353",
        identity_at_start=True,
        mergeable=True,
    )

    def peft_config(self, backbone: "BackboneFacts") -> "LoraConfig":
        """LoRA's, with the decomposition."""
        config = super().peft_config(backbone)
        config.use_dora = True
        return config
