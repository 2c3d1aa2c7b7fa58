"""Linear probing, then full fine-tuning."""

from pydantic import Field

from tuneoff.methods._base import LearningRates, MethodConfig, MethodFacts
from tuneoff.methods.full import Full


class LpFtParameters(MethodConfig):
    """Share of the steps in which only the head learns."""

    probe: float = Field(default=0.3, gt=0, lt=1)


class LpFt(Full):
    """The head learns first, then everything, from a head that distorts the features less (Kumar et al. 2022, arXiv:2202.10054)."""

    Config = LpFtParameters
    head_learning_rates = LearningRates(5e-5, 3e-2, {384: 5e-3, 768: 1e-3, 1024: 5e-4, 4096: 2e-4})
    facts = MethodFacts(
        title={"en": "Probe, then full", "ko": "선형 탐색 후 전체 미세조정"},
        summary={"en": "the head learns first, then all parameters", "ko": "분류기를 먼저 학습한 뒤 모든 파라미터를 학습"},
        reference="Kumar et al. (2022). Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution. arXiv:2202.10054",
        experiment=1,
        identity_at_start=True,
        trains_backbone=True,
        mergeable=True,
        head_matters=True,
    )

    def base_start(self) -> float:
        """When the probe is done."""
        return float(self.config.probe)
