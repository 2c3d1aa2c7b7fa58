"""Full fine-tuning."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.methods._base import WEIGHTS_FILE, Adapted, LearningRates, Method, MethodFacts, head_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts


class Full(Method):
    """Every pretrained parameter trains (Devlin et al. 2019, arXiv:1810.04805)."""

    learning_rates = LearningRates(5e-6, 5e-4, {384: 2e-4, 768: 5e-5, 1024: 2e-5, 4096: 1e-5})
    head_learning_rates = LearningRates(5e-6, 5e-3, {384: 2e-4, 768: 5e-5, 1024: 2e-5, 4096: 1e-5})
    facts = MethodFacts(
        title={"en": "Full fine-tuning", "ko": "전체 미세조정"},
        summary={"en": "all parameters train", "ko": "모델의 모든 파라미터를 학습"},
        reference="Devlin et al. (2019). BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding. "
        "arXiv:1810.04805",
        experiment=1,
        identity_at_start=True,
        trains_backbone=True,
        mergeable=True,
        shardable=True,
    )

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Nothing to add; everything trains."""
        head = head_names(model, backbone)
        inside = set(head)
        return Adapted(model, head=head, base=[name for name, _ in model.named_parameters() if name not in inside])

    def save(self, adapted: Adapted, folder: Path) -> None:
        """A model folder of transformers."""
        model: Any = adapted.model
        model.save_pretrained(folder)

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """All weights from the folder."""
        import torch
        from safetensors.torch import load_file

        adapted = self.attach(model, backbone, torch.Generator())
        weights: dict[str, torch.Tensor] = {}
        for file in sorted(folder.glob("*.safetensors")):
            assert file.name != WEIGHTS_FILE
            weights |= load_file(file)
        known = dict(model.named_parameters())
        with torch.no_grad():
            for name in adapted.trainable:
                known[name].copy_(weights[name])
        return adapted
