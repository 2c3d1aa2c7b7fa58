"""Infused adapter by inhibiting and amplifying inner activations."""

from typing import TYPE_CHECKING

from tuneoff.methods._base import LearningRates, MethodFacts
from tuneoff.methods._peft import PeftMethod, no_linear_role

if TYPE_CHECKING:
    from peft import IA3Config

    from tuneoff.backbone import BackboneFacts


class Ia3(PeftMethod):
    """Learnt scales of keys, values and the inner feed-forward activation (Liu et al. 2022, arXiv:2205.05638)."""

    learning_rates = LearningRates(1e-4, 1e-1, {384: 3e-2, 768: 1e-2, 1024: 5e-3, 4096: 1e-3})
    head_learning_rates = LearningRates(1e-5, 1e-1, {384: 1e-2, 768: 2e-3, 1024: 1e-3, 4096: 1e-3})
    facts = MethodFacts(
        title={"en": "IA³", "ko": "IA³"},
        summary={"en": "learnt scales of keys, values and feed-forward", "ko": "키·값·피드포워드 활성값에 곱할 벡터만 학습"},
        reference="Liu et al. (2022). Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning. "
        "arXiv:2205.05638",
        identity_at_start=True,
        mergeable=True,
        head_matters=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs to know keys, values and feed-forward layers apart."""
        if backbone.fused_attention:
            return "method.fused_attention"  # Scaling the one layer would scale the queries as well: another method.
        return no_linear_role(backbone, ("key", "value", "feed_forward_out"))

    def peft_config(self, backbone: "BackboneFacts") -> "IA3Config":
        """Outputs of keys and values, inputs of the second feed-forward layer."""
        from peft import IA3Config

        roles = backbone.roles
        feed_forward = list(roles["feed_forward_out"])
        targets = list(dict.fromkeys((*roles["key"], *roles["value"], *feed_forward)))
        return IA3Config(task_type="SEQ_CLS", target_modules=targets, feedforward_modules=feed_forward)
