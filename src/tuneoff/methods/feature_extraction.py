"""Frozen features and a linear head."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import nn

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodConfig, MethodFacts

if TYPE_CHECKING:
    from tuneoff.backbone import BackboneFacts

Pooling = Literal["auto", "mean", "first", "last"]


class FeatureParameters(MethodConfig):
    """How token features become one vector: ``auto`` is the mean on an encoder and the last token on a decoder.

    The head sees each row in ``epochs`` passes over stored features, which costs next to nothing.
    """

    pooling: Pooling = "auto"
    epochs: int | None = Field(default=40, ge=1)


class Encoder(nn.Module):
    """The frozen backbone and its pooling: token ids → [batch, hidden] in fp32."""

    def __init__(self, base: nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.base = base
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        """Ids and mask of shape [batch, length] → features of shape [batch, hidden]."""
        hidden_BLD: torch.Tensor = self.base(input_ids=input_ids, attention_mask=attention_mask, **more).last_hidden_state.float()
        if self.pooling == "first":
            return hidden_BLD[:, 0]
        if self.pooling == "last":
            last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(1)
            return hidden_BLD[torch.arange(len(hidden_BLD), device=hidden_BLD.device), last]
        mask_BL1 = attention_mask.unsqueeze(-1).float()
        mean_BD: torch.Tensor = (hidden_BLD * mask_BL1).sum(1) / mask_BL1.sum(1).clamp(min=1)
        return mean_BD


class Probe(nn.Module):
    """Features → logits: each feature to mean 0 and spread 1 over the training rows, then a linear layer."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, hidden: int, num_classes: int, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(hidden, device=device))
        self.register_buffer("spread", torch.ones(hidden, device=device))
        self.linear = nn.Linear(hidden, num_classes, device=device)

    def standardise(self, features_ND: torch.Tensor) -> None:
        """Learn mean and spread of the training features."""
        self.mean.copy_(features_ND.mean(0))
        self.spread.copy_(features_ND.std(0).clamp(min=1e-6))

    def forward(self, features_BD: torch.Tensor) -> torch.Tensor:
        """Features [batch, hidden] → logits [batch, classes]."""
        scaled_BD = (features_BD.float() - self.mean) / self.spread
        logits_BK: torch.Tensor = self.linear(scaled_BD.to(self.linear.weight.dtype))
        return logits_BK


class FeatureClassifier(nn.Module):
    """Encoder and probe together, called like any classifier."""

    def __init__(self, encoder: Encoder, probe: Probe) -> None:
        super().__init__()
        self.encoder = encoder
        self.probe = probe

    def forward(self, **inputs: torch.Tensor) -> Any:
        """Token ids → an object with ``logits``."""
        return SimpleNamespace(logits=self.probe(self.encoder(**inputs)))


class FeatureExtraction(Method):
    """The backbone is read once and frozen; a linear classifier learns from its features (Donahue et al. 2014, arXiv:1310.1531)."""

    Config = FeatureParameters
    learning_rates = LearningRates(1e-4, 1e-1, {384: 1e-3})
    head_learning_rates = LearningRates(1e-4, 1e-1, {384: 1e-3})
    facts = MethodFacts(
        title={"en": "Feature extraction", "ko": "특징 추출(백본 고정)"},
        summary={"en": "frozen backbone, linear head on its features", "ko": "백본을 고정하고 분류기(선형)만 학습"},
        reference="Donahue et al. (2014). DeCAF: A Deep Convolutional Activation Feature for Generic Visual Recognition. arXiv:1310.1531",
        experiment=1,
        frozen_backbone=True,
        head_matters=True,
    )

    def attach(self, model: nn.Module, backbone: "BackboneFacts", generator: torch.Generator) -> Adapted:
        """Drop the classifier's own head; a linear one reads the pooled features."""
        classifier: Any = model
        pooling = self.config.pooling
        if pooling == "auto":
            pooling = "mean" if backbone.kind == "encoder" else "last"
        device = next(model.parameters()).device
        probe = Probe(backbone.hidden, backbone.config.num_labels, device)
        with torch.no_grad():
            probe.linear.weight.zero_()
            probe.linear.bias.zero_()
        wrapped = FeatureClassifier(Encoder(classifier.base_model, pooling), probe)
        head = ["probe.linear.weight", "probe.linear.bias"]
        return Adapted(wrapped, head=head, encode=wrapped.encoder, decode=probe).freeze_rest()

    def saved_buffers(self, adapted: Adapted) -> dict[str, torch.Tensor]:
        """Mean and spread of the training features."""
        return {name: buffer for name, buffer in adapted.model.named_buffers() if name in ("probe.mean", "probe.spread")}
