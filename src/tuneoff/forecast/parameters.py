"""Exact parameter counts, by attaching the method to the architecture on the meta device."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from tuneoff.backbone import BackboneFacts, empty_classifier
from tuneoff.methods import Adapted, Method


@dataclass(frozen=True)
class Parameters:
    """Trainable parameters by where they are, and the size of the backbone without a head.

    ``percent`` is all that trains as a share of the backbone.
    """

    adapter: int
    head: int
    base: int
    total: int

    @property
    def trainable(self) -> int:
        """Everything that trains."""
        return self.adapter + self.head + self.base

    @property
    def percent(self) -> float:
        """Trainable in per cent of the backbone."""
        return 100.0 * self.trainable / self.total

    def as_dict(self) -> dict[str, Any]:
        """Plain values for records and ``--json``."""
        return asdict(self) | {"trainable": self.trainable, "percent": self.percent}


def declared_parameters(adapted: Adapted, backbone: BackboneFacts) -> Parameters:
    """Count what a method declared."""
    known: dict[str, nn.Parameter] = dict(adapted.model.named_parameters())
    adapter, head, base = (sum(known[name].numel() for name in names) for names in (adapted.adapter, adapted.head, adapted.base))
    return Parameters(adapter, head, base, backbone.total_parameters)


def count_parameters(method: Method, backbone: BackboneFacts, trust_remote_code: bool = False) -> Parameters:
    """Attach the method to an empty model and count."""
    model = empty_classifier(backbone.config, trust_remote_code)
    with torch.device("meta"):
        adapted = method.attach(model, backbone, torch.Generator(device="cpu"))
    return declared_parameters(adapted, backbone)
