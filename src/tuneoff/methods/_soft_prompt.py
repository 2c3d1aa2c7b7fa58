"""Trained virtual tokens in the input of a classifier, before or after its first token."""

import inspect
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
        prompt: called without arguments, gives [tokens, width of the input embeddings].
        placement: ``before`` the first token, as PEFT does, or ``after`` it, so that an encoder's head reads the true ``[CLS]``.
        causal: the classifier is a decoder: rows are padded on the left, and padding stays in front of the virtual tokens, so
            that no logit depends on how long the other rows of the batch are.
    """

    def __init__(self, classifier: nn.Module, prompt: nn.Module, placement: Placement, causal: bool) -> None:
        super().__init__()
        self.classifier = classifier
        self.prompt = prompt
        self.placement = placement
        self.causal = causal
        self.config: Any = classifier.config
        self.takes_positions = causal and "position_ids" in inspect.signature(classifier.forward).parameters

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> Any:
        """Ids and mask of shape [batch, length] → the classifier's output."""
        classifier: Any = self.classifier
        embedded_BLD = classifier.get_input_embeddings()(input_ids)
        prompt_BVD = self.prompt().to(embedded_BLD.dtype).expand(len(input_ids), -1, -1)
        mask_BV = attention_mask.new_ones(prompt_BVD.shape[:2])
        if self.causal:
            place_BP = self._behind_padding(attention_mask, mask_BV.shape[1])
            embedded_BPD = torch.cat([prompt_BVD, embedded_BLD], dim=1)
            embedded_BPD = embedded_BPD.gather(1, place_BP.unsqueeze(-1).expand_as(embedded_BPD))
            mask_BP = torch.cat([mask_BV, attention_mask], dim=1).gather(1, place_BP)
            options = {"position_ids": (mask_BP.cumsum(1) - 1).clamp(min=0)} if self.takes_positions else {}
            return classifier(inputs_embeds=embedded_BPD, attention_mask=mask_BP, **options)
        options = {} if token_type_ids is None else {"token_type_ids": self._insert(token_type_ids, torch.zeros_like(mask_BV))}
        return classifier(
            inputs_embeds=self._insert(embedded_BLD, prompt_BVD), attention_mask=self._insert(attention_mask, mask_BV), **options
        )

    def _insert(self, rows: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        at = 0 if self.placement == "before" else 1
        return torch.cat([rows[:, :at], new, rows[:, at:]], dim=1)

    @staticmethod
    def _behind_padding(attention_mask: torch.Tensor, tokens: int) -> torch.Tensor:
        """Where each position of [padding, prompt, text] stands in [prompt, padding, text]: [batch, tokens + length]."""
        padding_B1 = attention_mask.shape[1] - attention_mask.sum(1, keepdim=True)
        position_1P = torch.arange(tokens + attention_mask.shape[1], device=attention_mask.device).unsqueeze(0)
        in_front_BP = torch.where(position_1P < padding_B1, position_1P + tokens, position_1P - padding_B1)
        return torch.where(position_1P < padding_B1 + tokens, in_front_BP, position_1P)


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
    words = model.get_input_embeddings()
    if words.weight.device.type != "meta":
        pieces = torch.randint(0, len(words.weight), prompt.embedding.shape[:1], generator=generator)
        with torch.no_grad():
            # Through the module, not its table: some architectures scale what they look up.
            prompt.embedding.copy_(words(pieces.to(words.weight.device)))
    causal = backbone.kind == "decoder"
    head = [f"classifier.{name}" for name in head_names(classifier, backbone)]
    added = [f"prompt.{name}" for name, _ in prompt.named_parameters()]
    wrapped = Prompted(classifier, prompt, placement, causal)
    return Adapted(wrapped, adapter=added, head=head, padding_side="left" if causal else "right").freeze_rest()


def embedding_width(classifier: nn.Module) -> int:
    """Width of the input embeddings, which on ELECTRA and ALBERT is not that of the blocks."""
    model: Any = classifier
    return int(model.get_input_embeddings().weight.shape[1])
