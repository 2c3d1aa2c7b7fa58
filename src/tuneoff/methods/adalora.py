"""Adaptive low-rank adaptation."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from tuneoff.methods._base import CONFIG_FILE, Adapted, LearningRates, MethodConfig, MethodFacts, misfit
from tuneoff.methods._peft import ADAPTER, PeftMethod, Targets, lacks_targets, target_modules
from tuneoff.spec.wrong import wrong

if TYPE_CHECKING:
    import torch
    from peft import AdaLoraConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class AdaloraParameters(MethodConfig):
    """Ranks on average: ``start_r`` at first, ``r`` in the end; ``alpha / start_r`` scales the update.

    Ranks are taken away after a share ``warmup`` of the steps and stand for the last share ``settle`` of them. ``orthogonality``
    weighs the penalty that keeps the factors like singular vectors.
    """

    r: int = Field(default=8, ge=1)
    start_r: int = Field(default=12, ge=2)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    settle: float = Field(default=0.3, ge=0, lt=1)
    orthogonality: float = Field(default=0.5, ge=0)
    targets: Targets = "all-linear"

    @model_validator(mode="after")
    def _leaves_something_to_do(self) -> Self:
        if self.start_r <= self.r:
            raise misfit("start_r", wrong("method.ranks", self.start_r, r=self.r))
        return self


class Adalora(PeftMethod):
    """Low-rank updates that start wide and lose their least important ranks (Zhang et al. 2023, arXiv:2303.10512)."""

    Config = AdaloraParameters
    learning_rates = LearningRates(5e-5, 5e-2, {384: 2e-2, 768: 3e-3, 1024: 2e-3, 4096: 5e-4})
    head_learning_rates = LearningRates(1e-5, 2e-2, {384: 5e-3, 768: 1e-3, 1024: 5e-4, 4096: 1e-4})
    facts = MethodFacts(
        title={"en": "AdaLoRA", "ko": "AdaLoRA"},
        summary={"en": "LoRA that moves its ranks to where they matter", "ko": "중요한 층에 랭크를 더 배분하는 LoRA"},
        reference="Zhang et al. (2023). AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning. arXiv:2303.10512",
        identity_at_start=True,
        mergeable=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs linear layers."""
        return lacks_targets(self.config.targets, backbone)

    def peft_config(self, backbone: "BackboneFacts") -> "AdaLoraConfig":
        """Ranks, scale and layers; the number of steps is not known yet."""
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            task_type="SEQ_CLS",
            target_r=self.config.r,
            init_r=self.config.start_r,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            orth_reg_weight=self.config.orthogonality,
            target_modules=target_modules(self.config.targets, backbone),
            total_step=1,
        )

    def declare(self, wrapped: "nn.Module") -> Adapted:
        """What PEFT left trainable, without the ranks themselves.

        PEFT 0.21 makes these numbers trainable when it moves them to a GPU or to bf16.
        """
        for name, parameter in wrapped.named_parameters():
            if name.endswith(f".ranknum.{ADAPTER}"):
                parameter.requires_grad_(False)
        return super().declare(wrapped)

    def penalty(self, adapted: Adapted) -> "torch.Tensor | None":
        """Distance of the factors from orthonormal ones, which PEFT adds only to a loss that it computes itself."""
        import torch

        if not self.config.orthogonality:
            return None
        distances = []
        for factor in adapted.parameters([name for name in adapted.adapter if ".lora_E." not in name]):
            wide = factor.float() if factor.shape[0] < factor.shape[1] else factor.float().T
            distances.append(torch.linalg.matrix_norm(wide @ wide.T - torch.eye(len(wide), device=wide.device)))
        mean: torch.Tensor = self.config.orthogonality * torch.stack(distances).mean()
        return mean

    def after_step(self, adapted: Adapted, step: int, num_steps: int) -> None:
        """Judge the ranks by the gradients and mask the least important; a training of one or two steps keeps all."""
        if num_steps < 3:
            return
        config = _peft(adapted).peft_config[ADAPTER]
        config.total_step = num_steps
        config.tfinal = min(round(self.config.settle * num_steps), num_steps - 2)
        config.tinit = min(round(self.config.warmup * num_steps), num_steps - config.tfinal - 1)
        super().after_step(adapted, step, num_steps)

    def save(self, adapted: Adapted, folder: Path) -> None:
        """Without the masked ranks: those of the weights as they are, which may be an earlier epoch's."""
        known = dict(_peft(adapted).base_model.model.named_parameters())
        masks = {name: values.detach().flatten() != 0 for name, values in known.items() if name.endswith(f".lora_E.{ADAPTER}")}
        for mask in masks.values():
            mask[0] |= not mask.any()  # A layer without ranks is no layer to PEFT; a rank of weight zero does nothing.
        _peft(adapted).peft_config[ADAPTER].rank_pattern = {name: mask.tolist() for name, mask in masks.items()}
        super().save(adapted, folder)

    def take(self, adapted: Adapted, tensors: "dict[str, torch.Tensor]", folder: Path) -> None:
        """Cut each layer to the ranks that were kept; told of them earlier, PEFT 0.21 warns that it knows no such layers."""
        saved = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        _peft(adapted).peft_config[ADAPTER].rank_pattern = saved["rank_pattern"]
        super().take(adapted, tensors, folder)


def _peft(adapted: Adapted) -> Any:
    return adapted.model
