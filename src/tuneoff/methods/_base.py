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
from pydantic import Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from tuneoff.errors import MethodError
from tuneoff.spec import Frozen

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tuneoff.backbone import BackboneFacts

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
#: Begins the ``peft_type`` of what PEFT does not know.
OWN_TYPE = "TUNEOFF_"


class MethodConfig(Frozen):
    """Parameters every method understands; a method adds its own.

    ``None`` means the method's default for the size of the backbone.
    """

    learning_rate: float | None = Field(default=None, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)

    @classmethod
    def known(cls, written: Mapping[str, Any]) -> list[str]:
        """Names that may stand beside what is written, for messages."""
        return sorted(cls.model_fields)


def misfit(parameter: str, problem: PydanticCustomError) -> ValidationError:
    """A problem of one parameter that shows beside the others, for a model validator to raise."""
    return ValidationError.from_exception_data("parameters", [InitErrorDetails(type=problem, loc=(parameter,), input=None)])


@dataclass(frozen=True)
class LearningRates:
    """A range to search and a default by width of the backbone.

    Args:
        low: lower end of the range.
        high: upper end of the range.
        by_hidden: hidden size → learning rate that was good there; between them log-linear, outside the nearest.
        spread: a search looks from the default down and up by this factor, inside the range.
    """

    low: float
    high: float
    by_hidden: Mapping[int, float]
    spread: float = 6.0

    def default(self, hidden: int) -> float:
        """The learning rate for a backbone of this width, rounded to two digits."""
        widths = sorted(self.by_hidden)
        rates = [np.log(self.by_hidden[width]) for width in widths]
        return _two_digits(float(np.exp(np.interp(np.log(hidden), np.log(widths), rates))))

    def candidates(self, hidden: int, count: int, fixed: float | None = None) -> list[float]:
        """Learning rates to try, ascending, the default among them, log-spaced around it and rounded to two digits.

        An even number has one more below the default than above, in steps of one size. Where the range ends before ``spread``
        does, the places lie closer; so many that two digits cannot tell them apart become fewer.

        Args:
            hidden: width of the backbone.
            count: how many; one is the default alone.
            fixed: a rate that is set and not searched: the only one.
        """
        default = self.default(hidden)
        if fixed is not None or count == 1:
            return [default if fixed is None else fixed]
        low, high = max(self.low, default / self.spread), min(self.high, default * self.spread)
        if low == high:
            return [default]
        below = int((count - 1) * np.log(default / low) / np.log(high / low) + 0.5)
        above = count - 1 - below
        if 0 < above < below:
            high = min(high, default * (default / low) ** (above / below))
        rates = [*np.geomspace(low, default, below + 1)[:-1], default, *np.geomspace(default, high, above + 1)[1:]]
        inside = (min(max(_two_digits(rate), self.low), self.high) for rate in rates)
        return sorted(set(inside))


def _two_digits(rate: float) -> float:
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
        mergeable: what was learnt can be folded into the backbone's weights, so that a plain classifier remains.
        head_matters: the head does much of the work, because the backbone stays as it is or hardly moves: a search of learning
            rates varies the head's as well.
        quantised: the backbone is loaded in 4 bit.
        gradient_checkpointing: can run with it.
        shardable: known to train when the model is divided among devices (FSDP), and to save what loads on one.
        needs_weights: attaching computes with the pretrained weights, so that parameters and memory cannot be known before.
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
    head_matters: bool = False
    quantised: bool = False
    gradient_checkpointing: bool = True
    shardable: bool = False
    needs_weights: bool = False


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


@dataclass(frozen=True)
class Variant:
    """One of the things that a method can be by one of its parameters.

    Attributes:
        name: value of the parameter.
        title: as its authors write it.
        reference: the paper.
        refused: kind of backbone (encoder, decoder) on which it does not work → why, a key of the string table.
    """

    name: str
    title: str
    reference: str
    refused: Mapping[str, str]


class AnyMethod(ABC):
    """What the registry holds: a name, parameters, facts.

    Facts and learning rates are the class's; a method of which they depend on its parameters sets them anew when it is built.
    """

    name: ClassVar[str]
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    facts: MethodFacts

    def __init__(self, config: MethodConfig) -> None:
        self.config: Any = config

    @classmethod
    def variants(cls) -> list[Variant]:
        """What it can be, where it is a family; known without building anything."""
        return []


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

    learning_rates: LearningRates
    head_learning_rates: LearningRates

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
        """Called after each optimiser step.

        The model's parameters are the fp32 masters by now and hold the gradients of the step; what is changed there stays.

        Args:
            adapted: being trained.
            step: that was just made, from 0.
            num_steps: of the whole training.
        """

    def penalty(self, adapted: Adapted) -> "torch.Tensor | None":
        """What is added to the loss of each update, such as a regulariser; ``None`` for nothing."""
        return None

    def base_start(self) -> float:
        """Share of the steps before which adapter and base parameters stay frozen and only the head trains."""
        return 0.0

    def merge(self, adapted: Adapted) -> "nn.Module":
        """The trained change folded into the backbone's weights: a plain classifier.

        ``adapted`` is used up: its modules become the result's.

        Raises:
            MethodError: what the method learnt cannot be folded (``facts.mergeable`` is false).
        """
        if not self.facts.mergeable:
            raise MethodError("method.cannot_merge", where=self.name)
        return self.fold(adapted)

    def fold(self, adapted: Adapted) -> "nn.Module":
        """What :meth:`merge` does once it is allowed. A method that adds nothing has nothing to fold."""
        return adapted.model

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
        described = {"peft_type": f"{OWN_TYPE}{self.name.upper()}", **self.config.model_dump(mode="json")}
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
