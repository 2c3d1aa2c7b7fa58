"""Vector-based random matrix adaptation."""

from typing import TYPE_CHECKING

from pydantic import Field

from tuneoff.methods._base import Adapted, LearningRates, MethodConfig, MethodFacts
from tuneoff.methods._peft import PeftMethod, Targets, lacks_targets, target_modules

if TYPE_CHECKING:
    import torch
    from peft import VeraConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class VeraParameters(MethodConfig):
    """Rank ``r`` of the shared random matrices, the first value ``d`` of the inner scales, and the layers."""

    r: int = Field(default=256, ge=1)
    d: float = Field(default=0.1, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: Targets = "all-linear"


class Vera(PeftMethod):
    """Trained scales of one pair of frozen random matrices that all layers share (Kopiczko et al. 2023, arXiv:2310.11454).

    The matrices differ from seed to seed and lie in the artefact, which then loads the same on every machine.
    """

    Config = VeraParameters
    learning_rates = LearningRates(1e-4, 1e-1, {384: 5e-2, 768: 1e-2, 1024: 5e-3, 4096: 2e-3})
    head_learning_rates = LearningRates(1e-5, 3e-2, {384: 1e-2, 768: 2e-3, 1024: 5e-4, 4096: 1e-4})
    facts = MethodFacts(
        title={"en": "VeRA", "ko": "VeRA"},
        summary={"en": "scales of random matrices shared by all layers", "ko": "모든 층이 공유하는 무작위 행렬의 배율만 학습"},
        reference="Kopiczko et al. (2023). VeRA: Vector-based Random Matrix Adaptation. arXiv:2310.11454",
        identity_at_start=True,
        mergeable=True,
        head_matters=True,
    )
    _key = 0

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs linear layers."""
        return lacks_targets(self.config.targets, backbone)

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """The seed of the shared matrices comes from the generator."""
        import torch

        self._key = int(torch.randint(2**31 - 1, (), generator=generator, device="cpu"))
        return super().attach(model, backbone, generator)

    def peft_config(self, backbone: "BackboneFacts") -> "VeraConfig":
        """Rank, scales and layers."""
        from peft import VeraConfig

        return VeraConfig(
            task_type="SEQ_CLS",
            r=self.config.r,
            d_initial=self.config.d,
            vera_dropout=self.config.dropout,
            projection_prng_key=self._key,
            target_modules=target_modules(self.config.targets, backbone),
        )
