"""Bottleneck adapters."""

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import nn

from tuneoff.methods._base import Adapted, LearningRates, Method, MethodConfig, MethodFacts, head_names
from tuneoff.methods._peft import no_linear_role

if TYPE_CHECKING:
    from tuneoff.backbone import BackboneFacts


class AdapterParameters(MethodConfig):
    """Width of the bottleneck and where it stands: after attention and feed-forward (Houlsby) or feed-forward alone (Pfeiffer)."""

    bottleneck: int = Field(default=64, ge=1)
    placement: Literal["houlsby", "pfeiffer"] = "houlsby"


class Bottleneck(nn.Module):
    """A linear layer followed by ``y + up(gelu(down(y)))``; ``up`` starts at zero, so that nothing changes at first."""

    def __init__(self, inner: nn.Linear, width: int, generator: torch.Generator) -> None:
        super().__init__()
        hidden, place = inner.out_features, inner.weight.device
        self.inner = inner
        self.down = nn.Linear(hidden, width, device=place)
        self.up = nn.Linear(width, hidden, device=place)
        with torch.no_grad():
            if place.type != "meta":
                self.down.weight.copy_(torch.normal(0.0, 0.02, (width, hidden), generator=generator))
            self.down.bias.zero_()
            self.up.weight.zero_()
            self.up.bias.zero_()

    def forward(self, hidden_BLD: torch.Tensor) -> torch.Tensor:
        """Tensor of shape [batch, length, hidden] → the same shape."""
        out_BLD: torch.Tensor = self.inner(hidden_BLD)
        update_BLD: torch.Tensor = self.up(nn.functional.gelu(self.down(out_BLD)))
        return out_BLD + update_BLD


class Adapter(Method):
    """A small bottleneck inside each block (Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2021, arXiv:2005.00247)."""

    Config = AdapterParameters
    learning_rates = LearningRates(5e-5, 1e-2, {384: 1e-3, 768: 5e-4, 1024: 3e-4, 4096: 1e-4})
    head_learning_rates = LearningRates(5e-5, 1e-2, {384: 1e-2, 768: 3e-3, 1024: 1e-3, 4096: 1e-4})
    facts = MethodFacts(
        title={"en": "Adapter", "ko": "어댑터"},
        summary={"en": "bottleneck layers inside each block", "ko": "블록마다 작은 병목층을 삽입해 학습"},
        reference="Houlsby et al. (2019). Parameter-Efficient Transfer Learning for NLP. arXiv:1902.00751",
        identity_at_start=True,
        head_matters=True,
    )

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Needs to know the output layers of attention and feed-forward."""
        return no_linear_role(backbone, ("attention_out", "feed_forward_out"))

    def attach(self, model: nn.Module, backbone: "BackboneFacts", generator: torch.Generator) -> Adapted:
        """Wrap the output layers; adapter and head train."""
        head = head_names(model, backbone)
        roles = ("attention_out", "feed_forward_out") if self.config.placement == "houlsby" else ("feed_forward_out",)
        places = [name for role in roles for name in backbone.roles[role]]
        for name in places:
            inner = model.get_submodule(name)
            assert isinstance(inner, nn.Linear)
            model.set_submodule(name, Bottleneck(inner, self.config.bottleneck, generator))
        added = [f"{name}.{part}" for name in places for part in ("down.weight", "down.bias", "up.weight", "up.bias")]
        return Adapted(model, adapter=added, head=head).freeze_rest()
