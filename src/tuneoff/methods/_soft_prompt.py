"""Trained virtual tokens in the input of a classifier, before or after its first token."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from tuneoff.methods._base import Adapted, head_names

if TYPE_CHECKING:
    from tuneoff.backbone import BackboneFacts

Placement = Literal["before", "after"]


class Prompted(nn.Module):
    """A classifier whose input embeddings get virtual tokens.

    Args:
        classifier: of transformers.
        prompt: called without arguments, gives [tokens, hidden].
        placement: ``before`` the first token, as PEFT does, or ``after`` it, so that an encoder's head reads the true ``[CLS]``.
    """

    def __init__(self, classifier: nn.Module, prompt: nn.Module, placement: Placement) -> None:
        super().__init__()
        self.classifier = classifier
        self.prompt = prompt
        self.placement = placement
        self.config: Any = classifier.config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> Any:
        """Ids and mask of shape [batch, length] → the classifier's output."""
        classifier: Any = self.classifier
        embedded_BLD = classifier.get_input_embeddings()(input_ids)
        prompt_BVD = self.prompt().to(embedded_BLD.dtype).expand(len(input_ids), -1, -1)
        ones_BV = attention_mask.new_ones(prompt_BVD.shape[:2])
        options = {}
        if token_type_ids is not None:
            options["token_type_ids"] = self._insert(token_type_ids, torch.zeros_like(ones_BV))
        return classifier(
            inputs_embeds=self._insert(embedded_BLD, prompt_BVD), attention_mask=self._insert(attention_mask, ones_BV), **options
        )

    def _insert(self, rows: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        at = 0 if self.placement == "before" else 1
        return torch.cat([rows[:, :at], new, rows[:, at:]], dim=1)


class Embedded(nn.Module):
    """Virtual tokens that are parameters themselves, [tokens, hidden]."""

    def __init__(self, tokens: int, hidden: int, device: torch.device) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(tokens, hidden, device=device))

    def forward(self) -> torch.Tensor:
        """The virtual tokens, [tokens, hidden]."""
        return self.embedding


class Reparametrised(nn.Module):
    """Virtual tokens from an embedding through a three-layer perceptron, as in P-tuning with an MLP encoder."""

    def __init__(self, tokens: int, hidden: int, width: int, device: torch.device) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(tokens, hidden, device=device))
        layers = [nn.Linear(hidden, width, device=device), nn.ReLU(), nn.Linear(width, width, device=device), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(width, hidden, device=device))

    def forward(self) -> torch.Tensor:
        """The virtual tokens, [tokens, hidden]."""
        out_VD: torch.Tensor = self.mlp(self.embedding)
        return out_VD


def attach_prompt(
    classifier: nn.Module, prompt: Embedded | Reparametrised, placement: Placement, backbone: "BackboneFacts", generator: torch.Generator
) -> Adapted:
    """Put virtual tokens into a classifier's input; they start as random pieces of the vocabulary (Lester et al. 2021, §3.2).

    A decoder's head reads the last position, so its prompt stands before the text and its rows are padded on the left.
    """
    model: Any = classifier
    table = model.get_input_embeddings().weight
    if table.device.type != "meta":
        pieces = torch.randint(0, len(table), prompt.embedding.shape[:1], generator=generator)
        with torch.no_grad():
            prompt.embedding.copy_(table[pieces.to(table.device)])
    decoder = backbone.kind == "decoder"
    head = [f"classifier.{name}" for name in head_names(classifier, backbone)]
    added = [f"prompt.{name}" for name, _ in prompt.named_parameters()]
    wrapped = Prompted(classifier, prompt, "before" if decoder else placement)
    return Adapted(wrapped, adapter=added, head=head, padding_side="left" if decoder else "right").freeze_rest()
