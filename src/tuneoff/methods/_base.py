"""The plug-in point: what a method is.

A method is one file in this package; its presence registers it under the file's name. It declares its parameters,
its learning rates and what it can do, and attaches itself to a model. Everything else (data, loop, measurement,
report) is shared and knows no method by name.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tuneoff.spec import Frozen

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"


class MethodConfig(Frozen):
    """Parameters every method understands; a method adds its own.

    ``None`` means the method's default for the size of the backbone.
    """

    learning_rate: float | None = Field(default=None, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class LearningRates:
    """A range to search and a default by width of the backbone.

    Args:
        low: lower end of the range.
        high: upper end of the range.
        by_hidden: hidden size → learning rate that was good there; between them log-linear, outside the nearest.
    """

    low: float
    high: float
    by_hidden: Mapping[int, float]

    def default(self, hidden: int) -> float:
        """The learning rate for a backbone of this width, rounded to two digits."""
        widths = sorted(self.by_hidden)
        rates = [np.log(self.by_hidden[width]) for width in widths]
        rate = float(np.exp(np.interp(np.log(hidden), np.log(widths), rates)))
        return float(f"{rate:.1e}")


@dataclass(frozen=True)
class MethodFacts:
    """What a method is called, where it comes from and what it can do.

    Attributes:
        title: name in tables, by language.
        summary: one line, by language.
        reference: the paper, as it stands in a report's references.
        experiment: which of the brief's experiments it belongs to (1 traditional, 2 domain, 3 PEFT, 0 baseline).
        identity_at_start: attaching changes no logit.
        trains_backbone: pretrained parameters change.
        frozen_backbone: the backbone is read once and never changes: its features are computed once and shared.
        virtual_tokens: name of the parameter that takes that many positions of the input, if any.
        mergeable: the trained change can be folded into the backbone's weights.
        quantised: the backbone is loaded in 4 bit.
        gradient_checkpointing: can run with it.
    """

    title: Mapping[str, str]
    summary: Mapping[str, str]
    reference: str = ""
    experiment: Literal[0, 1, 2, 3] = 3
    identity_at_start: bool = False
    trains_backbone: bool = False
    frozen_backbone: bool = False
    virtual_tokens: str | None = None
    mergeable: bool = False
    quantised: bool = False
    gradient_checkpointing: bool = True


@dataclass
class Adapted:
    """A model with a method attached and the names of the parameters it declares to train.

    Attributes:
        model: called with ``input_ids``, ``attention_mask`` (and ``token_type_ids``), gives ``.logits`` of shape [B, classes].
        adapter: parameters that the method added.
        head: parameters of the classifier.
        base: pretrained parameters that train.
        padding_side: where short rows of a batch are padded.
        encode: for a frozen backbone, the same inputs → features [B, D].
        decode: for a frozen backbone, features → logits.
    """

    model: "nn.Module"
    adapter: Sequence[str] = ()
    head: Sequence[str] = ()
    base: Sequence[str] = ()
    padding_side: Literal["left", "right"] = "right"
    encode: "nn.Module | None" = None
    decode: "nn.Module | None" = None

    @property
    def trainable(self) -> tuple[str, ...]:
        """All declared trainable parameters."""
        return (*self.adapter, *self.head, *self.base)

    def parameters(self, names: Sequence[str]) -> "list[nn.Parameter]":
        """The parameters of these names, in that order."""
        known = dict(self.model.named_parameters())
        return [known[name] for name in names]

    def freeze_rest(self) -> "Adapted":
        """Let the declared parameters train and nothing else."""
        declared = set(self.trainable)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in declared and (parameter.is_floating_point()))
        return self


class AnyMethod(ABC):
    """What the registry holds: a name, parameters, facts."""

    name: ClassVar[str]
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    facts: ClassVar[MethodFacts]

    def __init__(self, config: MethodConfig) -> None:
        self.config: Any = config


class TextMethod(AnyMethod):
    """A baseline that learns from texts and needs no backbone."""

    @abstractmethod
    def fit(self, texts: Sequence[tuple[str, ...]], targets: np.ndarray, num_classes: int, seed: int) -> None:
        """Learn from texts and class numbers [rows]."""

    @abstractmethod
    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Log-probabilities up to a constant, float32 of shape [rows, classes]."""

    @abstractmethod
    def num_parameters(self) -> int:
        """Numbers learnt."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what :meth:`load` needs."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote."""


class Method(AnyMethod):
    """A way of adapting a pretrained model."""

    learning_rates: ClassVar[LearningRates]
    head_learning_rates: ClassVar[LearningRates]

    def unsupported(self, backbone: "BackboneFacts") -> str | None:
        """Why this backbone cannot take the method (a key of the string table), or ``None``."""
        return None

    def load_options(self, backbone: "BackboneFacts") -> dict[str, Any]:
        """Extra arguments of ``from_pretrained``, such as a quantisation."""
        return {}

    @abstractmethod
    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Attach to a loaded classifier and declare what trains.

        Args:
            model: a classifier of transformers, head already drawn.
            backbone: its facts.
            generator: for new weights; torch's global generator is seeded alike.
        """

    def after_first_backward(self, adapted: Adapted) -> None:
        """Called once, before the first update; raise if the method cannot learn.

        In bf16 the gradients have moved on to fp32 masters by now: a method that wants to see them hooks its parameters.
        """

    def after_step(self, adapted: Adapted, step: int, num_steps: int) -> None:
        """Called after each optimiser step."""

    def merge(self, adapted: Adapted) -> "nn.Module":
        """The trained change folded into the backbone's weights: a plain classifier. Only where ``facts.mergeable``.

        ``adapted`` is used up: its modules become the result's.
        """
        raise NotImplementedError(f"{self.name} cannot be merged")

    def num_virtual_tokens(self) -> int:
        """Positions of the input that the method takes."""
        return int(getattr(self.config, self.facts.virtual_tokens)) if self.facts.virtual_tokens else 0

    def save(self, adapted: Adapted, folder: Path) -> None:
        """Write the trained parameters and the method's parameters, laid out like a PEFT adapter."""
        from safetensors.torch import save_file

        known = dict(adapted.model.named_parameters())
        buffers = {f"buffer:{name}": buffer for name, buffer in self.saved_buffers(adapted).items()}
        tensors = {name: known[name].detach() for name in adapted.trainable} | buffers
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
        described = {"peft_type": f"TUNEOFF_{self.name.upper()}", **self.config.model_dump(mode="json")}
        (folder / CONFIG_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """Attach to a fresh classifier and take the trained parameters.

        Raises:
            KeyError: the folder lacks a declared parameter.
        """
        import torch
        from safetensors.torch import load_file

        adapted = self.attach(model, backbone, torch.Generator().manual_seed(0))
        saved = load_file(folder / WEIGHTS_FILE)
        known = dict(adapted.model.named_parameters())
        with torch.no_grad():
            for name in adapted.trainable:
                known[name].copy_(saved[name])
            for name, buffer in self.saved_buffers(adapted).items():
                buffer.copy_(saved[f"buffer:{name}"])
        return adapted

    def saved_buffers(self, adapted: Adapted) -> "dict[str, torch.Tensor]":
        """Buffers that were learnt and belong to the artefact."""
        return {}


def head_names(model: "nn.Module", backbone: "BackboneFacts") -> list[str]:
    """Parameters of the classifier's head."""
    return [name for name, _ in model.named_parameters() if name.split(".")[0] in backbone.head]
